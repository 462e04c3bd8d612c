"""Draws a slice in a state of the view: sampling, contrast, characters, overlays."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.emit import Frame
from tomotui.tui.raster.glyphs import GLYPHS, GlyphSet
from tomotui.tui.raster.palette import Palette, Rgb, make_palette
from tomotui.tui.raster.picture import (
    Mark,
    Stain,
    Trail,
    caption,
    compose,
    draw_marks,
    draw_stains,
    draw_trails,
    inside_cells,
    sample,
    scale_bar,
)
from tomotui.tui.raster.resample import Grid, Image, cell_grid
from tomotui.tui.raster.tiers import ColourDepth, GlyphName
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import SliceSource
from tomotui.tui.raster.window import Window, auto_window

CHEAP_LEVELS = 4
"""Tones of a picture in motion over a slow link."""


class SliceArtist:
    """Draws slices; remembers automatic windows and palettes between pictures.

    Parameters
    ----------
    capability
        What the terminal can show.
    lut
        Name of the colour look-up table.

    Attributes
    ----------
    subject
        What is drawn; automatic windows of different subjects are kept apart.
    adapted
        What is made of automatic windows.
    """

    def __init__(self, capability: Capability, lut: str = "grey") -> None:
        self.capability = capability
        self.lut = lut
        self.subject: Hashable = None
        self.window: Window | None = None
        self.adapted: Callable[[Window], Window] = lambda window: window
        self._roles: Mapping[str, Rgb] = {}
        self._auto_windows: dict[Hashable, Window] = {}

    def use_roles(self, roles: Mapping[str, Rgb]) -> None:
        """Take the theme's colours for what is drawn over pictures."""
        self._roles = dict(roles)

    def forget_windows(self) -> None:
        """Make automatic windows anew from what is seen next."""
        self._auto_windows.clear()

    def palette(self, cheap: bool = False) -> Palette:
        """Return the colours of full or of cheap pictures."""
        depth = self.capability.colours
        # Grey pictures look the same in 256 colours and cost little more than half the bytes.
        numbered: ColourDepth = "256" if depth == "truecolor" and self.lut == "grey" else depth
        return make_palette(
            numbered,
            self.lut,
            self._roles,
            max_levels=CHEAP_LEVELS if cheap else 256,
            exact_roles=depth == "truecolor",
        )

    def glyphs(self, view: SliceViewState, cheap: bool = False) -> GlyphSet:
        """Return the characters of full or of cheap pictures."""
        coarse = cheap and GLYPHS[view.glyphs].kind == "blocks"
        return GLYPHS["half" if coarse else view.glyphs]

    def glyph_set(self, name: GlyphName) -> GlyphSet:
        """Return the characters of a name."""
        return GLYPHS[name]

    def grid(
        self, source: SliceSource, view: SliceViewState, cells: tuple[int, int], cheap: bool = False
    ) -> Grid:
        """Return where the sub-pixels of a picture lie on the slice."""
        aspect = self.capability.cell_aspect
        return cell_grid(
            self.glyphs(view, cheap),
            cells,
            view.middle(source.shape),
            view.voxels_per_cell(source.shape, cells, aspect),
            aspect,
        )

    def draw(
        self,
        source: SliceSource,
        view: SliceViewState,
        image: Image,
        cells: tuple[int, int],
        marks: Sequence[Mark] = (),
        cheap: bool = False,
        merge_tolerance: int = 0,
        trails: Sequence[Trail] = (),
        stain: Callable[[Grid], Sequence[Stain]] | None = None,
    ) -> Frame:
        """Draw a slice.

        Parameters
        ----------
        image
            The slice that ``view`` names, already filtered.
        cells
            Height and width of the picture in cells.
        cheap
            Few bytes rather than detail.
        merge_tolerance
            See ``tomotui.tui.raster.emit.to_frame``.
        stain
            Gives what colours the cells, for the grid of the picture.
        """
        glyphs, palette = self.glyphs(view, cheap), self.palette(cheap)
        grid = self.grid(source, view, cells, cheap)
        turn = source.turn(view.index) if view.aligned else None
        values, on_image = sample(image, grid, turn)
        inside = inside_cells(grid, view.slice_shape(source.shape), glyphs, on_image)
        self.window = self._contrast(source, view, values, inside, (cells, glyphs.name))
        frame = compose(values, inside, self.window, glyphs, palette, merge_tolerance)
        ascii_only = self.capability.ascii_only
        if stain is not None:
            draw_stains(frame, glyphs, stain(grid), ascii_only)
        draw_trails(frame, grid, glyphs, trails, ascii_only)
        draw_marks(frame, grid, glyphs, marks, ascii_only)
        if source.has_scale:
            nm_per_cell = grid.column_step * glyphs.columns * source.pixel_size_angstrom / 10
            scale_bar(frame, nm_per_cell, ascii_only)
        caption(frame, source.describe(view.axis, view.index))
        return frame

    def _contrast(
        self,
        source: SliceSource,
        view: SliceViewState,
        values: Image,
        inside: NDArray[np.bool_],
        drawn_with: Hashable,
    ) -> Window:
        """Return the window: the user's, or one made once for this way of looking.

        An automatic window stays while one scrolls through a volume, for a picture whose
        brightness flickers cannot be read. Images of a stack have each their own.
        """
        chosen = view.window
        if chosen is None:
            each = view.index if source.is_stack else -1
            way = (view.axis, view.zoom, view.slab, view.filter_name, view.aligned, drawn_with)
            key = (self.subject, way, each)
            chosen = self._auto_windows.get(key)
            if chosen is None:
                chosen = auto_window(_shown(values, inside))
                chosen = self.adapted(chosen or source.default_window or _around(values))
                self._auto_windows[key] = chosen
        return Window(chosen.low, chosen.high, view.inverted)


def _shown(values: Image, inside: NDArray[np.bool_]) -> Image:
    """Return the values of the cells that lie on the image."""
    if inside.all():
        return values
    rows = values.shape[0] // inside.shape[0]
    columns = values.shape[1] // inside.shape[1]
    chosen: Image = values[np.repeat(np.repeat(inside, rows, axis=0), columns, axis=1)]
    return chosen


def _around(values: Image) -> Window:
    """Return a window for a picture without any contrast."""
    finite = values[np.isfinite(values)]
    level = float(finite.mean()) if finite.size else 0.0
    return Window(level - 1.0, level + 1.0)
