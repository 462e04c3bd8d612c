"""The classes of particles as a sheet of small maps, with their shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from tomotui.tui.actions import bindings
from tomotui.tui.raster.cutouts import blank_frame, draw_tile, paste, window_of
from tomotui.tui.raster.density import Density
from tomotui.tui.raster.emit import Frame
from tomotui.tui.raster.glyphs import GlyphSet
from tomotui.tui.widgets.surface_view import SurfaceView

CAPTION_ROWS = 2
_LEAST_ROWS, _LEAST_COLUMNS = 6, 16
_SIDE = 96
"""Pixels along an edge of a section."""


@dataclass(frozen=True, eq=False)
class ClassTile:
    """One class on the sheet.

    Attributes
    ----------
    number
        Of the class.
    name
        A word or two.
    share
        Of all particles.
    figures
        What else is known, in a few words.
    density
        Its map; ``None`` where there is none.
    is_marked
        Whether it is one of those that are meant together.
    """

    number: int
    name: str
    share: float
    figures: str = ""
    density: Density | None = None
    is_marked: bool = False


def sheet_of(n: int, height: int, width: int, aspect: float) -> tuple[int, int]:
    """Return rows and columns of a sheet on which tiles are as large as can be."""
    best, found = 0.0, (1, max(n, 1))
    for columns in range(1, max(n, 1) + 1):
        rows = -(-n // columns)
        size = min((height // max(rows, 1) - CAPTION_ROWS) * aspect, width // columns - 1)
        if size > best:
            best, found = size, (rows, columns)
    return found


class ClassGallery(SurfaceView, inherit_bindings=False):
    """Draws classes as tiles, all seen from one side; the cursor is on one of them."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("class")

    class Opened(Message):
        """The class under the cursor is to be looked at."""

    class Marked(Message):
        """The class under the cursor was marked, or is no more."""

    def __init__(self, *words: object, **settings: object) -> None:
        super().__init__(*words, **settings)
        self.tiles: tuple[ClassTile, ...] = ()
        self.cursor = 0
        self.has_sections = False
        self._sheet = (1, 1)

    @property
    def has_picture(self) -> bool:
        """Whether there are classes."""
        return bool(self.tiles)

    @property
    def chosen(self) -> ClassTile | None:
        """The class under the cursor."""
        return self.tiles[self.cursor] if self.cursor < len(self.tiles) else None

    def show_classes(self, tiles: Sequence[ClassTile], message: str = "") -> None:
        """Draw other classes, or say why there are none."""
        self.tiles = tuple(tiles)
        self.cursor = min(self.cursor, max(len(self.tiles) - 1, 0))
        self.show([one.density for one in self.tiles if one.density is not None], message)
        if self.tiles:
            self.redraw()
        else:
            self.say_instead()

    # ---- drawing

    def make_picture(self, cheap: bool) -> int | None:
        """Draw all tiles; there may be classes without any map."""
        from tomotui.tui.raster.strip import strips_of

        height, width = self.size.height, self.size.width
        if not self.tiles or height < 3 or width < 8:
            return None
        frame = blank_frame(self.artist, (height, width))
        self.draw_into(frame, cheap)
        self._strips, n_bytes = strips_of(frame)
        return n_bytes

    def draw_into(self, frame: Frame, cheap: bool) -> None:
        """Draw each class in its tile: those about the cursor where not all find room."""
        height, width = frame.shape
        rows, columns = sheet_of(len(self.tiles), height, width, self.aspect)
        rows = max(min(rows, height // _LEAST_ROWS), 1)
        columns = max(min(columns, width // _LEAST_COLUMNS), 1)
        self._sheet = (rows, columns)
        first = self.cursor // (rows * columns) * rows * columns
        tall, wide = height // rows, width // columns
        glyphs = self.artist.glyph_set("half" if cheap else self.artist.capability.glyphs)
        for place, tile in enumerate(self.tiles[first : first + rows * columns]):
            row, column = divmod(place, columns)
            picture = self._tile(tile, (tall, wide - 1), glyphs, place + first == self.cursor)
            paste(frame, picture, row * tall, column * wide)

    def _tile(
        self, tile: ClassTile, cells: tuple[int, int], glyphs: GlyphSet, is_here: bool
    ) -> Frame:
        """Draw one class: its map, and below it name, share and figures."""
        height, width = cells
        frame = blank_frame(self.artist, cells)
        room = (height - CAPTION_ROWS, width)
        if tile.density is None:
            frame.write(room[0] // 2, 0, "no map".center(width), "dim")
        elif room[0] > 0:
            paste(frame, self._map(tile.density, room, glyphs), 0, 0)
        ascii_only = self.artist.capability.ascii_only
        pointer = (">" if ascii_only else "▌") if is_here else " "
        mark = ("*" if ascii_only else "●") if tile.is_marked else " "
        role = "cursor" if is_here else "text"
        frame.write(height - 2, 0, f"{pointer}{mark}{tile.name} {tile.share:.0%}"[:width], role)
        figures = f" {tile.figures}" if tile.figures else ""
        n_bar = max(width - len(figures) - 2, 0)
        full = round(tile.share * n_bar)
        filled, track = ("#", ".") if ascii_only else ("━", "─")
        frame.write(height - 1, 0, pointer, role)
        frame.write(height - 1, 1, filled * full, f"class{(tile.number - 1) % 9 + 1}")
        frame.write(height - 1, 1 + full, track * (n_bar - full), "dim")
        frame.write(height - 1, 1 + n_bar, figures[:width], "dim")
        return frame

    def _map(self, density: Density, cells: tuple[int, int], glyphs: GlyphSet) -> Frame:
        if not self.has_sections:
            return self._drawn(density, cells, glyphs)
        across = 2 * density.radius_angstrom / self.state.zoom
        image = density.section("z", 0.0, _SIDE, across / _SIDE)
        return draw_tile(self.artist, image, cells, window_of([image]), glyphs.name)

    # ---- keys

    def go_to(self, number: int) -> None:
        """Put the cursor on a class, counted from 0."""
        if self.tiles:
            self.cursor = min(max(number, 0), len(self.tiles) - 1)
            self.redraw()

    def action_move(self, right: int, down: int) -> None:
        """Move the cursor by tiles."""
        self.go_to(self.cursor + right + down * self._sheet[1])

    def action_mark(self) -> None:
        """Mark the class, and go on."""
        if self.tiles:
            self.post_message(self.Marked())

    def action_open(self) -> None:
        """Open the map of the class."""
        if self.tiles:
            self.post_message(self.Opened())

    def action_sections(self) -> None:
        """Show sections, or surfaces."""
        self.has_sections = not self.has_sections
        self.redraw()

    # ---- mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Put the cursor on the class."""
        rows, columns = self._sheet
        tall = max(self.size.height // rows, 1)
        wide = max(self.size.width // columns, 1)
        first = self.cursor // (rows * columns) * rows * columns
        place = first + min(event.y // tall, rows - 1) * columns + min(event.x // wide, columns - 1)
        if place < len(self.tiles):
            self.go_to(place)
        super().on_mouse_down(event)
