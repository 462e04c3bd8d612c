"""Three sections through a map at one place, with the place marked in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
from textual import events
from textual.binding import BindingType

from tomotui.tui.actions import bindings
from tomotui.tui.raster.cutouts import paste
from tomotui.tui.raster.density import Density
from tomotui.tui.raster.emit import Frame
from tomotui.tui.raster.picture import Trail, compose, draw_trails, scale_bar
from tomotui.tui.raster.resample import cell_grid, resample
from tomotui.tui.raster.volume import AXES, PLANES, Axis
from tomotui.tui.widgets.density_picture import DensityPicture, grids_of

ZOOM_STEP = 1.25
ZOOMS = (0.5, 12.0)
CONTRAST_STEP = 1.2
ROOM_FOR_BAR = 26
"""Cells across a section that also has room for a bar of a round length."""
ARM = 0.35
"""Of a picture: how far the lines of the cursor reach in from its rim."""
OTHER_SIZE = 1.5
"""Maps that differ in size by less are seen at one scale."""
NEAR = 0.06
"""Of the map's radius: how near to a section a point of a body must be to show its number."""


@dataclass(frozen=True)
class SlicesState:
    """Where the sections are, and how they are seen.

    Attributes
    ----------
    cursor_angstrom
        (x, y, z) from the middle.
    zoom
        1 shows the whole box.
    contrast
        Width of the window over that of the whole map.
    """

    cursor_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0)
    zoom: float = 1.0
    contrast: float = 1.0


class BodyPoint(NamedTuple):
    """A point that belongs to a body: the body's number from 1, (x, y, z) from the middle."""

    body: int
    place_angstrom: tuple[float, float, float]


class Tile(NamedTuple):
    """Place of one section in the picture: which map, which axis, and its cells."""

    number: int
    axis: Axis
    row: int
    column: int
    height: int
    width: int


def tiles_of(height: int, width: int, n_maps: int, aspect: float) -> list[Tile]:
    """Return where the sections of maps lie: in lines, columns or corners, as large as possible.

    The maps themselves lie side by side, above each other, or in rows and columns.
    """
    forms: tuple[tuple[tuple[int, int], ...], ...] = (
        ((0, 0), (0, 1), (0, 2)),
        ((0, 0), (1, 0), (2, 0)),
        ((0, 0), (1, 0), (0, 1)),
    )
    best: tuple[float, list[Tile]] = (-1.0, [])
    for form in forms:
        tall, wide = (1 + max(place[axis] for place in form) for axis in (0, 1))
        for down, across in grids_of(n_maps):
            rows, columns = height // (tall * down), width // (wide * across)
            size = min(rows * aspect, columns)
            if size <= best[0]:
                continue
            found = [
                Tile(
                    number,
                    axis,
                    (number // across * tall + row) * rows,
                    (number % across * wide + column) * columns,
                    rows,
                    columns,
                )
                for number in range(n_maps)
                for axis, (row, column) in zip(AXES, form, strict=True)
            ]
            best = (size, found)
    return best[1]


class MapSlices(DensityPicture):
    """Draws the sections of maps through one cursor."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("ortho")

    def __init__(self, *words: object, **settings: object) -> None:
        super().__init__(*words, **settings)  # type: ignore[arg-type]
        self.state = SlicesState()
        self.points: tuple[BodyPoint, ...] = ()
        self._tiles: list[Tile] = []
        self._radius_angstrom = 1.0

    def take(self, densities: Sequence[Density], begins: bool) -> None:
        """Keep the cursor within the maps, and the scale of maps of about their size."""
        if densities:
            radius = max(one.radius_angstrom for one in densities)
            if begins or not 1 / OTHER_SIZE < radius / self._radius_angstrom < OTHER_SIZE:
                self._radius_angstrom = radius
            self.state = self._within(self.state)

    # ---- drawing

    def draw_into(self, frame: Frame, cheap: bool) -> None:
        """Draw every section in its place."""
        height, width = frame.shape
        self._tiles = tiles_of(height, width, len(self.densities), self.aspect)
        for tile in self._tiles:
            if min(tile.height, tile.width) >= 2:
                paste(frame, self._drawn(tile, cheap), tile.row, tile.column)

    def _angstrom_per_cell(self, tile: Tile) -> float:
        across = 2 * self._radius_angstrom / self.state.zoom
        return max(across / tile.width, across / (tile.height * self.aspect))

    def _drawn(self, tile: Tile, cheap: bool) -> Frame:
        """Draw one section with the lines of the cursor."""
        density, cells = self.densities[tile.number], (tile.height, tile.width)
        x, y, z = self.state.cursor_angstrom
        place = {"x": x, "y": y, "z": z}
        glyphs = self.artist.glyph_set("half" if cheap else self.artist.capability.glyphs)
        per_cell = self._angstrom_per_cell(tile)
        step = max(per_cell / glyphs.columns, density.pixel_size_angstrom / 4)
        extent = max(tile.width, tile.height * self.aspect) * per_cell
        side = int(extent / step) + 1
        image = density.section(tile.axis, place[tile.axis], side, step)
        grid = cell_grid(glyphs, cells, (side / 2, side / 2), per_cell / step, self.aspect)
        window = density.window.narrowed(self.state.contrast)
        inside = np.ones(cells, dtype=bool)
        frame = compose(resample(image, grid), inside, window, glyphs, self.artist.palette())
        rest = [one for one in AXES if one != tile.axis]
        row, column = (place[one] / step + (side - 1) / 2 for one in rest)
        top, left = grid.top, grid.left
        bottom = top + grid.rows * grid.row_step
        right = left + grid.columns * grid.column_step
        trails = _cross(row, column, (top, bottom), (left, right))
        trails += self._marks(tile, density, step, side)
        draw_trails(frame, grid, glyphs, trails, self.artist.capability.ascii_only)
        if tile.axis == "z":
            frame.write(0, 0, density.label[: tile.width], "text")
            if tile.width >= ROOM_FOR_BAR:
                scale_bar(frame, per_cell / 10, self.artist.capability.ascii_only)
        words = f"{PLANES[tile.axis]} {place[tile.axis] / 10:.1f}"
        frame.write(tile.height - 1, 0, words[: tile.width], "dim")
        return frame

    def _marks(self, tile: Tile, density: Density, step: float, side: int) -> list[Trail]:
        """Return the points of bodies: their numbers near the section, rings further away."""
        found = []
        reach = NEAR * density.radius_angstrom
        here = dict(zip("xyz", self.state.cursor_angstrom, strict=True))[tile.axis]
        for point in self.points:
            place = dict(zip("xyz", point.place_angstrom, strict=True))
            row, column = (
                np.array([place[one] / step + (side - 1) / 2]) for one in AXES if one != tile.axis
            )
            mark = str(point.body) if abs(place[tile.axis] - here) <= reach else "○"
            found.append(Trail(row, column, f"class{(point.body - 1) % 9 + 1}", mark))
        return found

    def show_points(self, points: Sequence[BodyPoint]) -> None:
        """Draw other points of bodies."""
        if tuple(points) != self.points:
            self.points = tuple(points)
            if self.densities:
                self.redraw()

    # ---- looking

    def look(self, state: SlicesState) -> None:
        """Look elsewhere."""
        self.state = self._within(state)
        if self.densities:
            self.redraw()

    def _within(self, state: SlicesState) -> SlicesState:
        limit = max((one.radius_angstrom for one in self.densities), default=0.0)
        x, y, z = (min(max(at, -limit), limit) for at in state.cursor_angstrom)
        return replace(state, cursor_angstrom=(x, y, z))

    def action_move(self, x: int, y: int, z: int) -> None:
        """Move the cursor by voxels."""
        if not self.densities:
            return
        step = self.densities[0].pixel_size_angstrom
        now = self.state.cursor_angstrom
        moved = [at + step * by for at, by in zip(now, (x, y, z), strict=True)]
        self.look(replace(self.state, cursor_angstrom=(moved[0], moved[1], moved[2])))

    def action_zoom(self, steps: int) -> None:
        """Go nearer, or further."""
        zoom = self.state.zoom * ZOOM_STEP**steps
        self.look(replace(self.state, zoom=min(max(zoom, ZOOMS[0]), ZOOMS[1])))

    def action_contrast(self, steps: int) -> None:
        """Let greys span more or less."""
        contrast = self.state.contrast * CONTRAST_STEP**steps
        self.look(replace(self.state, contrast=min(max(contrast, 0.05), 20.0)))

    def action_reset(self) -> None:
        """Look as at the beginning."""
        self.look(SlicesState())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go one section on."""
        event.stop()
        self.action_move(0, 0, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go one section back."""
        event.stop()
        self.action_move(0, 0, -1)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse points."""
        for tile in self._tiles:
            down, across = event.y - tile.row, event.x - tile.column
            if 0 <= down < tile.height and 0 <= across < tile.width:
                per_cell = self._angstrom_per_cell(tile)
                place = dict(zip("xyz", self.state.cursor_angstrom, strict=True))
                row, column = (one for one in AXES if one != tile.axis)
                place[row] = (down + 0.5 - tile.height / 2) * per_cell * self.aspect
                place[column] = (across + 0.5 - tile.width / 2) * per_cell
                cursor = (place["x"], place["y"], place["z"])
                self.look(replace(self.state, cursor_angstrom=cursor))


def _cross(
    row: float, column: float, rows: tuple[float, float], columns: tuple[float, float]
) -> list[Trail]:
    """Return lines through a place that leave the middle free: it is what one looks at."""
    reach_down, reach_across = (ARM * (last - first) for first, last in (rows, columns))
    found = []
    for ends in ((rows[0], rows[0] + reach_down), (rows[1] - reach_down, rows[1])):
        found.append(Trail(np.array(ends), np.array([column, column]), "accent"))
    for ends in ((columns[0], columns[0] + reach_across), (columns[1] - reach_across, columns[1])):
        found.append(Trail(np.array([row, row]), np.array(ends), "accent"))
    return found
