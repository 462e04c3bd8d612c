"""A sheet of tiles: many candidates at once, each cut out of its volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual import events
from textual.color import Color
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.cutouts import Image, blank_frame, draw_tile, paste, window_of
from tomotui.tui.raster.emit import Frame
from tomotui.tui.raster.palette import DEFAULT_ROLES, Rgb
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.raster.tiers import GlyphName
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.cells import strip_of
from tomotui.tui.widgets.pacing import PacedPicture

IMAGE_ROWS, IMAGE_COLUMNS = 6, 12
TILE_ROWS, TILE_COLUMNS = IMAGE_ROWS + 1, IMAGE_COLUMNS + 2
"""A tile has a border of one cell at its left, a caption below, and a gap at its right."""


class Tile(NamedTuple):
    """One candidate on the sheet.

    Attributes
    ----------
    key
        Of its image.
    caption
        A few words, such as ``037 .41``.
    verdict
        Its decision; a colour role.
    sign
        The glyph of the decision, with the class.
    chosen, in_range
        Whether the cursor is on it, and whether it belongs to the range begun.
    """

    key: object
    caption: str
    verdict: str
    sign: str
    chosen: bool = False
    in_range: bool = False


class TileSheet(PacedPicture, can_focus=True):
    """Draws tiles in rows from the left; a tile that alone has changed is painted alone.

    Parameters
    ----------
    capability
        What the terminal can show.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    TileSheet { width: 1fr; height: 1fr; background: $background; }
    """

    class Resized(Message):
        """Another number of tiles fits."""

    class Pointed(Message):
        """A tile was clicked."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, capability: Capability, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.expects_answers = capability.answers_cursor_report is not False
        self.artist = SliceArtist(capability)
        self.glyphs: GlyphName = capability.glyphs
        self.inverted = False
        self.tiles: tuple[Tile, ...] = ()
        self._images: Mapping[object, Image] = {}
        self._frame: Frame | None = None
        self._strips: list[Strip] = []

    # ---- what is shown

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of tiles that fit."""
        return max(self.size.height // TILE_ROWS, 1), max((self.size.width + 1) // TILE_COLUMNS, 1)

    def show(self, tiles: Sequence[Tile], images: Mapping[object, Image]) -> None:
        """Show other tiles; when only words and signs differ, only those tiles are painted."""
        before, self.tiles = self.tiles, tuple(tiles)
        same = [tile.key for tile in before] == [tile.key for tile in self.tiles]
        if not same or images is not self._images or self._frame is None:
            self._images = images
            self.redraw()
            return
        for number, (old, new) in enumerate(zip(before, self.tiles, strict=True)):
            if old != new:
                self._repaint(number)

    def _place(self, number: int) -> tuple[int, int]:
        """Return the upper left cell of a tile."""
        row, column = divmod(number, self.shape[1])
        return row * TILE_ROWS, column * TILE_COLUMNS

    def _repaint(self, number: int) -> None:
        frame = self._frame
        assert frame is not None
        top, left = self._place(number)
        self._write_words(frame, number)
        end = min(top + TILE_ROWS, frame.shape[0])
        part = Frame(
            frame.characters[top:end],
            frame.foreground[top:end],
            frame.background[top:end],
            frame.palette,
        )
        self._strips[top:end] = strips_of(part)[0]
        self.refresh(Region(left, top, TILE_COLUMNS, TILE_ROWS))

    # ---- drawing

    def take_colours(self) -> None:
        """Take the colours of the theme."""
        look: Look = getattr(self.app, "look", FALLBACK)
        self.artist.lut = look.image.lut
        roles: dict[str, Rgb] = {}
        for role in DEFAULT_ROLES:
            colour = {
                "outside": look.background,
                "shade": look.background,
                "cursor": look.cursor,
                "text": look.foreground,
                "undecided": look.dim,
            }.get(role, look.colour(role))
            roles[role] = Color.parse(colour).rgb
        self.artist.use_roles(roles)

    def on_resize(self) -> None:
        """Tell that another number of tiles fits."""
        self._frame, self._strips = None, []
        self.post_message(self.Resized())

    def make_picture(self, cheap: bool) -> int | None:
        """Draw all tiles."""
        frame = blank_frame(self.artist, (self.size.height, self.size.width))
        shown = [self._images[tile.key] for tile in self.tiles if tile.key in self._images]
        window = window_of(shown, self.inverted)
        for number, tile in enumerate(self.tiles):
            top, left = self._place(number)
            image = self._images.get(tile.key)
            if image is not None:
                size = (IMAGE_ROWS, IMAGE_COLUMNS)
                drawn = draw_tile(self.artist, image, size, window, self.glyphs)
                paste(frame, drawn, top, left + 1)
            self._write_words(frame, number)
        self._frame = frame
        self._strips, n_bytes = strips_of(frame)
        return n_bytes

    def _write_words(self, frame: Frame, number: int) -> None:
        """Write border and caption of a tile."""
        tile = self.tiles[number]
        top, left = self._place(number)
        ascii_only = self.artist.capability.ascii_only
        ground = "cursor" if tile.chosen else "shade"
        if tile.chosen:
            bar, role = ("#" if ascii_only else "█"), "accent"
        elif tile.in_range:
            bar, role = (":" if ascii_only else "▒"), "accent"
        else:
            bar, role = ("|" if ascii_only else "▌"), tile.verdict
        is_plain = tile.verdict == "undecided" and not (tile.chosen or tile.in_range)
        for row in range(top, top + TILE_ROWS):
            frame.write(row, left, " " if is_plain else bar, role, "shade")
        words = f"{tile.caption:<{IMAGE_COLUMNS - 2}.{IMAGE_COLUMNS - 2}}"
        frame.write(top + IMAGE_ROWS, left + 1, words, "text" if tile.chosen else "dim", ground)
        sign = f"{tile.sign:>2.2}"
        frame.write(top + IMAGE_ROWS, left + IMAGE_COLUMNS - 1, sign, tile.verdict, ground)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the rows of the sheet."""
        width, height = self.size
        if len(self._strips) == height and self._strips[0].cell_length == width:
            self.picture_painted()
            rows = self._strips[crop.y : crop.bottom]
        else:
            look: Look = getattr(self.app, "look", FALLBACK)
            rows = [strip_of([], width, look)] * crop.height
        if crop.x == 0 and crop.width >= width:
            return list(rows)
        return [row.crop(crop.x, crop.right) for row in rows]

    def render_line(self, y: int) -> Strip:
        """Return one row."""
        return self.render_lines(Region(0, y, self.size.width, 1))[0]

    def on_click(self, event: events.Click) -> None:
        """Tell which tile was clicked."""
        row, column = event.y // TILE_ROWS, event.x // TILE_COLUMNS
        number = row * self.shape[1] + column
        if column < self.shape[1] and number < len(self.tiles):
            self.post_message(self.Pointed(number))
