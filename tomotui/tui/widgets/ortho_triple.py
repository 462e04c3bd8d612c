"""Three planes of a volume through one point, large, at one scale, with a crosshair in each."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
from textual import events
from textual.binding import BindingType
from textual.message import Message

from tomotui.tui.actions import bindings
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.cutouts import blank_frame, paste
from tomotui.tui.raster.emit import Frame
from tomotui.tui.raster.loader import Image, SliceLoader
from tomotui.tui.raster.picture import Trail, caption, compose, draw_trails, scale_bar
from tomotui.tui.raster.resample import ZOOM_LADDER, Grid, cell_grid, covered, resample
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.raster.triple import Panel, panels_of
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import AXES, PLANES, Axis, SliceSource
from tomotui.tui.raster.window import Window, auto_window
from tomotui.tui.widgets.slice_view import load_slice
from tomotui.tui.widgets.worded_picture import WordedPicture

GAP_CELLS = 6.0
"""Half of the free middle of a crosshair, in widths of a cell."""
LEAST_ARMS = 12
"""Half of the free middle is no more than this part of a panel."""
CONTRAST_STEP = 1.2
PREFETCH = 3
"""Planes to either side that are loaded ahead, across z."""
Voxel = tuple[int, int, int]


@dataclass(frozen=True)
class TripleState:
    """Where the planes meet, and how they are seen.

    Attributes
    ----------
    cursor
        The voxel (z, y, x) that all three planes go through.
    look
        Slab, filter, contrast, inversion, characters and zoom, as of a view of slices; its axis
        and index say nothing here.
    """

    cursor: Voxel
    look: SliceViewState

    def moved(self, by: tuple[int, int, int], shape: tuple[int, int, int]) -> TripleState:
        """Move the cursor along (x, y, z), not beyond the volume."""
        z, y, x = (
            min(max(at + step, 0), n - 1)
            for at, step, n in zip(self.cursor, by[::-1], shape, strict=True)
        )
        return replace(self, cursor=(z, y, x))


class OrthoTriple(WordedPicture):
    """Draws the planes of a source through a cursor that keys and mouse move."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("triple")

    class Moved(Message):
        """The cursor is elsewhere, or the planes are seen otherwise."""

    class PlaneLoaded(Message, bubble=False):
        """A plane was read, or could not be."""

        def __init__(self, error: str) -> None:
            super().__init__()
            self.error = error

    def __init__(
        self, source: SliceSource, state: TripleState, capability: Capability, *, id: str
    ) -> None:
        super().__init__(capability, id=id)
        self.source = source
        self.state = state
        self.value: float | None = None
        self._loader = SliceLoader(self._loaded_in_thread)
        self._auto: dict[Hashable, Window] = {}
        self._window: Window | None = None
        self._panels: list[Panel] = []
        self._held = False
        self.redraw()

    @property
    def has_picture(self) -> bool:
        """Whether the planes can be read."""
        return not self.message

    def on_unmount(self) -> None:
        """Stop loading."""
        self._loader.close()

    # ---- looking

    def look(self, state: TripleState) -> None:
        """Look elsewhere."""
        self.state = state
        self.redraw()
        self.post_message(self.Moved())

    def _look_so(self, look: SliceViewState) -> None:
        self.look(replace(self.state, look=look))

    def action_move(self, x: int, y: int, z: int) -> None:
        """Move the cursor by voxels."""
        self.look(self.state.moved((x, y, z), self.source.shape))

    def action_zoom(self, steps: int) -> None:
        """Go nearer or further, by the steps of the ladder."""
        per_column = self._glyph_columns()
        now = self.voxels_per_cell() / per_column
        for _ in range(abs(steps)):
            if steps > 0:
                now = next((z for z in ZOOM_LADDER if z < now * 0.999), now)
            else:
                now = next((z for z in reversed(ZOOM_LADDER) if z > now * 1.001), now)
        zoom = now * per_column
        whole = zoom >= self._fitting()
        self._look_so(replace(self.state.look, zoom=None if whole else zoom))

    def action_contrast(self, steps: int) -> None:
        """Let greys span more or less."""
        if self._window is not None:
            wider = Window(self._window.low, self._window.high).narrowed(CONTRAST_STEP**steps)
            self._look_so(replace(self.state.look, window=wider))

    def action_auto_contrast(self) -> None:
        """Take the contrast from what is seen."""
        self._auto.clear()
        self._look_so(replace(self.state.look, window=None))

    def action_slab(self, step: int) -> None:
        """Average more or fewer slices in each plane."""
        self._look_so(self.state.look.with_slab(step))

    def action_invert(self) -> None:
        """Show dark as bright."""
        self._look_so(replace(self.state.look, inverted=not self.state.look.inverted))

    def action_reset(self) -> None:
        """Show the whole volume, about its middle."""
        z, y, x = (n // 2 for n in self.source.shape)
        self.look(TripleState((z, y, x), replace(self.state.look, zoom=None, window=None)))

    # ---- drawing

    def _glyph_columns(self) -> int:
        return self.artist.glyphs(self.state.look).columns

    def _fitting(self) -> float:
        cells = (max(self.size.height, 1), max(self.size.width, 1))
        return panels_of(cells, self.source.shape, self.aspect)[1]

    def voxels_per_cell(self) -> float:
        """Return voxels across the width of a cell, the same in all planes."""
        return self.state.look.zoom or self._fitting()

    def make_picture(self, cheap: bool) -> int | None:
        """Draw the three planes, or ask for the first that is not in memory."""
        height, width = self.size.height, self.size.width
        if self.message or height < 6 or width < 12:
            return None
        planes = self._planes()
        if planes is None:
            return None
        _, y, x = self.state.cursor
        self.value = float(planes["z"][y, x])
        self._panels, _ = panels_of((height, width), self.source.shape, self.aspect)
        frame = blank_frame(self.artist, (height, width))
        for panel in self._panels:
            if min(panel.height, panel.width) >= 2:
                part = self._drawn(panel, planes[panel.plane.axis], cheap)
                paste(frame, part, panel.row, panel.column)
        self._strips, n_bytes = strips_of(frame)
        return n_bytes

    def picture_made(self) -> None:
        """Tell whoever shows the value."""
        self.post_message(self.Moved())

    def _planes(self) -> dict[Axis, Image] | None:
        """Return the planes; ``None`` while one of them is being read."""
        look = self.state.look
        found: dict[Axis, Image] = {}

        def item(axis: Axis, index: int) -> tuple[Hashable, partial[Image]]:
            key = (axis, index, look.slab, look.filter_name)
            return key, partial(load_slice, self.source, axis, index, look.slab, look.filter_name)

        for axis, at in zip(AXES, self.state.cursor, strict=True):
            key, load = item(axis, at)
            image = self._loader.get(key)
            if image is None:
                self._loader.request(key, load)
                return None
            found[axis] = image
        z = self.state.cursor[0]
        steps = (step * sign for step in range(1, PREFETCH + 1) for sign in (1, -1))
        near = [z + step for step in steps if 0 <= z + step < self.source.n_slices("z")]
        self._loader.prefetch([item("z", index) for index in near])
        return found

    def _loaded_in_thread(self, key: Hashable, image: Image | None, error: str) -> None:
        self.post_message(self.PlaneLoaded(error if image is None else ""))

    def on_ortho_triple_plane_loaded(self, message: PlaneLoaded) -> None:
        """Draw with the plane that has come; say why there is none."""
        if message.error:
            self.message = message.error
            self.say_instead()
        elif self.is_waiting:
            self.redraw()

    def _grid(self, panel: Panel, cheap: bool) -> Grid:
        """Return where the sub-pixels of a panel lie on its plane."""
        sizes = dict(zip(AXES, self.source.shape, strict=True))
        at = dict(zip(AXES, self.state.cursor, strict=True))
        per_cell = self.voxels_per_cell()
        extents = (panel.height * per_cell * self.aspect, panel.width * per_cell)
        middle = [
            _middle(at[axis] + 0.5, sizes[axis], extent)
            for axis, extent in zip((panel.plane.down, panel.plane.across), extents, strict=True)
        ]
        glyphs = self.artist.glyphs(self.state.look, cheap)
        cells = (panel.height, panel.width)
        return cell_grid(glyphs, cells, (middle[0], middle[1]), per_cell, self.aspect)

    def _drawn(self, panel: Panel, image: Image, cheap: bool) -> Frame:
        """Draw one plane with the lines of the other two."""
        down, across = panel.plane.down, panel.plane.across
        if AXES.index(down) > AXES.index(across):
            image = image.T
        glyphs, grid = self.artist.glyphs(self.state.look, cheap), self._grid(panel, cheap)
        values = resample(image, grid)
        inside = covered(grid, (image.shape[0], image.shape[1]), glyphs.rows, glyphs.columns)
        window = self._contrast(values)
        frame = compose(values, inside, window, glyphs, self.artist.palette(cheap))
        at = dict(zip(AXES, self.state.cursor, strict=True))
        gap = min(GAP_CELLS, panel.width / LEAST_ARMS) * self.voxels_per_cell()
        trails = _cross(float(at[down]), float(at[across]), grid, image.shape, gap)
        draw_trails(frame, grid, glyphs, trails, self.artist.capability.ascii_only)
        axis = panel.plane.axis
        caption(frame, f"{PLANES[axis]} {axis} {at[axis] + 1}/{self.source.n_slices(axis)}")
        if axis == "z":
            nm = self.voxels_per_cell() * self.source.pixel_size_angstrom / 10
            scale_bar(frame, nm, self.artist.capability.ascii_only)
        return frame

    def _contrast(self, values: Image) -> Window:
        """Return one window for all planes, made once for a way of looking from the first."""
        look = self.state.look
        way = (look.slab, look.filter_name, look.zoom, self.size)
        if look.window is None and way not in self._auto:
            level = float(np.nanmean(values))
            found = auto_window(values) or self.source.default_window
            self._auto[way] = found or Window(level - 1.0, level + 1.0)
        chosen = look.window or self._auto[way]
        self._window = Window(chosen.low, chosen.high, look.inverted)
        return self._window

    # ---- mouse

    def _panel_at(self, x: int, y: int) -> Panel | None:
        for one in self._panels:
            if 0 <= y - one.row < one.height and 0 <= x - one.column < one.width:
                return one
        return None

    def _point_at(self, x: int, y: int) -> None:
        """Put the cursor where the mouse points, in the plane under it."""
        panel = self._panel_at(x, y)
        if panel is None:
            return
        grid, glyphs = self._grid(panel, False), self.artist.glyphs(self.state.look)
        at = dict(zip(AXES, self.state.cursor, strict=True))
        row = grid.top + (y - panel.row + 0.5) * glyphs.rows * grid.row_step
        column = grid.left + (x - panel.column + 0.5) * glyphs.columns * grid.column_step
        at |= {panel.plane.down: math.floor(row), panel.plane.across: math.floor(column)}
        cursor = (at["z"], at["y"], at["x"])
        self.look(replace(self.state, cursor=cursor).moved((0, 0, 0), self.source.shape))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Put the cursor under the mouse, which then carries it."""
        if event.button == 1:
            self._held = True
            self.capture_mouse()
            self._point_at(event.x, event.y)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Carry the cursor."""
        if self._held:
            self._point_at(event.x, event.y)

    def on_mouse_up(self) -> None:
        """Let go of the cursor."""
        if self._held:
            self._held = False
            self.release_mouse()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go one slice on in the plane under the mouse."""
        self._scroll(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go one slice back in the plane under the mouse."""
        self._scroll(event, -1)

    def _scroll(self, event: events.MouseEvent, step: int) -> None:
        event.stop()
        panel = self._panel_at(event.x, event.y)
        if panel is not None:
            x, y, z = (step * (panel.plane.axis == axis) for axis in "xyz")
            self.action_move(x, y, z)


def _middle(at: float, size: int, extent: float) -> float:
    """Return the middle of what is seen along an axis: about the cursor, with no room beyond."""
    if extent >= size:
        return size / 2
    return min(max(at, extent / 2), size - extent / 2)


def _cross(
    row: float, column: float, grid: Grid, shape: tuple[int, ...], gap: float
) -> list[Trail]:
    """Return lines through a place, over all that is seen of the slice; the middle stays free."""
    top, left = max(grid.top, 0.0), max(grid.left, 0.0)
    bottom = min(grid.top + grid.rows * grid.row_step, shape[0] - 1.0)
    right = min(grid.left + grid.columns * grid.column_step, shape[1] - 1.0)
    parts = [
        (np.array([top, row - gap]), np.array([column, column])),
        (np.array([row + gap, bottom]), np.array([column, column])),
        (np.array([row, row]), np.array([left, column - gap])),
        (np.array([row, row]), np.array([column + gap, right])),
    ]
    # A part that ends before it begins lies beyond what is seen.
    return [
        Trail(rows, columns, "accent")
        for rows, columns in parts
        if rows[0] <= rows[1] and columns[0] <= columns[1]
    ]
