"""From what is looked at to what is kept of it between two starts, and back."""

from __future__ import annotations

import numpy as np

from tomotui.tui.raster.tiers import GlyphName
from tomotui.tui.raster.view import MAX_SLAB, SliceViewState
from tomotui.tui.raster.window import Window
from tomotui.tui.session import MapPlace, SlicePlace
from tomotui.tui.widgets.map_slices import SlicesState
from tomotui.tui.widgets.surface_view import LEVELS, ZOOMS, SurfaceState


def place_of(view: SliceViewState) -> SlicePlace:
    """Return what is kept of a view of slices."""
    window = view.window
    return SlicePlace(
        axis=view.axis,
        index=max(view.index, 0),
        slab=view.slab,
        zoom=view.zoom,
        centre=view.centre,
        window=(window.low, window.high) if window is not None else None,
        window_inverted=window is not None and window.inverted,
        inverted=view.inverted,
        filter_name=view.filter_name,
        aligned=view.aligned,
    )


def view_of(place: SlicePlace, glyphs: GlyphName) -> SliceViewState:
    """Return the view that was kept, drawn with a glyph set of this terminal."""
    return SliceViewState(
        axis=place.axis,
        index=place.index,
        slab=min(place.slab, MAX_SLAB),
        zoom=place.zoom,
        centre=place.centre,
        window=window_of(place),
        inverted=place.inverted,
        glyphs=glyphs,
        filter_name=place.filter_name,
        aligned=place.aligned,
    )


def window_of(place: SlicePlace) -> Window | None:
    """Return the contrast that was set by hand."""
    if place.window is None or place.window[0] >= place.window[1]:
        return None
    return Window(*place.window, inverted=place.window_inverted)


def keep_surface(place: MapPlace, state: SurfaceState) -> None:
    """Keep from where surfaces are seen."""
    a, b, c = ((float(x), float(y), float(z)) for x, y, z in state.turn)
    place.turn, place.zoom, place.share = (a, b, c), state.zoom, state.share


def surface_of(place: MapPlace) -> SurfaceState:
    """Return from where surfaces were seen; what is no rotation is taken for none."""
    turn = np.array(place.turn if place.turn is not None else np.eye(3), dtype=np.float64)
    if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) or np.linalg.det(turn) < 0:
        turn = np.eye(3)
    return SurfaceState(
        turn,
        min(max(place.zoom, ZOOMS[0]), ZOOMS[1]),
        min(max(place.share, LEVELS[0]), LEVELS[1]),
    )


def keep_sections(place: MapPlace, state: SlicesState) -> None:
    """Keep where the sections of maps are."""
    x, y, z = (float(one) for one in state.cursor_angstrom)
    place.cursor_angstrom = (x, y, z)
    place.sections_zoom, place.sections_contrast = state.zoom, state.contrast


def sections_of(place: MapPlace) -> SlicesState:
    """Return where the sections of maps were."""
    return SlicesState(place.cursor_angstrom, place.sections_zoom, place.sections_contrast)
