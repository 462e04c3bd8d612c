"""What the pictures of maps share: which maps, the theme's colours, and drawing when it is time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from textual.color import Color
from textual.geometry import Region
from textual.strip import Strip

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.cutouts import blank_frame
from tomotui.tui.raster.density import Density
from tomotui.tui.raster.emit import Frame
from tomotui.tui.raster.glyphs import GlyphSet
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.cells import Span, strip_of
from tomotui.tui.widgets.drawn_once import wrapped
from tomotui.tui.widgets.pacing import PacedPicture


class DensityPicture(PacedPicture, can_focus=True):
    """A picture of one map, or of several side by side.

    Parameters
    ----------
    capability
        What the terminal can show.

    Attributes
    ----------
    densities
        The maps that are drawn; none where there is only a message.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    DensityPicture { width: 1fr; height: 1fr; background: $background; }
    """

    def __init__(self, capability: Capability, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.expects_answers = capability.answers_cursor_report is not False
        self.artist = SliceArtist(capability)
        self.densities: tuple[Density, ...] = ()
        self.message = ""
        self._strips: list[Strip] = []

    # ---- what is shown

    def show(self, densities: Sequence[Density], message: str = "") -> None:
        """Draw other maps from where one looks now, or say why there is none."""
        fresh = tuple(densities)
        if fresh == self.densities and message == self.message:
            return
        begins = not self.densities
        self.densities, self.message = fresh, message
        self.take(fresh, begins)
        if fresh:
            self.redraw()
        else:
            self._strips = []
            self.refresh()

    def take(self, densities: Sequence[Density], begins: bool) -> None:
        """Take note of other maps; ``begins`` when there were none before."""

    def draw_into(self, frame: Frame, cheap: bool) -> None:
        """Draw the maps; there are some, and room for them."""
        raise NotImplementedError

    @property
    def aspect(self) -> float:
        """Height of a cell over its width."""
        return self.artist.capability.cell_aspect

    # ---- drawing

    def take_colours(self) -> None:
        """Take the colours of the theme."""
        look: Look = getattr(self.app, "look", FALLBACK)
        self.artist.lut = look.image.lut
        inks = {
            "outside": look.background,
            "shade": look.background,
            "text": look.foreground,
            "dim": look.dim,
            "accent": look.accent,
            "cursor": look.primary,
        }
        self.artist.use_roles({role: Color.parse(ink).rgb for role, ink in inks.items()})

    @property
    def ground(self) -> float:
        """How light the theme's background is, 0 to 1."""
        look: Look = getattr(self.app, "look", FALLBACK)
        red, green, blue = Color.parse(look.background).rgb
        return (0.299 * red + 0.587 * green + 0.114 * blue) / 255

    def on_resize(self) -> None:
        """Drop the picture of the old size."""
        self._strips = []

    def make_picture(self, cheap: bool) -> int | None:
        """Draw all maps."""
        height, width = self.size.height, self.size.width
        if not self.densities or height < 3 or width < 8:
            return None
        frame = blank_frame(self.artist, (height, width))
        self.draw_into(frame, cheap)
        self._strips, n_bytes = strips_of(frame)
        return n_bytes

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the rows of the picture, or of the message."""
        width, height = self.size
        if self.densities and len(self._strips) == height:
            self.picture_painted()
            rows = self._strips
        else:
            rows = self._words(width, height)
        rows = rows[crop.y : crop.bottom]
        if crop.x == 0 and crop.width >= width:
            return list(rows)
        return [row.crop(crop.x, crop.right) for row in rows]

    def render_line(self, y: int) -> Strip:
        """Return one row."""
        return self.render_lines(Region(0, y, self.size.width, 1))[0]

    def _words(self, width: int, height: int) -> list[Strip]:
        look: Look = getattr(self.app, "look", FALLBACK)
        lines = wrapped(self.message, width - 2)[:height] if self.message else []
        above = (height - len(lines)) // 2
        said = [strip_of([Span(line.center(width), "dim")], width, look) for line in lines]
        blank = Strip.blank(width, Style(bgcolor=look.background))
        return [*[blank] * above, *said, *[blank] * (height - above - len(lines))]


def places_of(height: int, width: int, n: int, aspect: float) -> list[tuple[int, int, int, int]]:
    """Return row, column, height and width of pictures: side by side or above each other.

    Whichever lets the pictures, which are as high as wide, be larger.
    """
    gap = int(n > 1)
    across = max((width - gap * (n - 1)) // max(n, 1), 1)
    down = max(height // max(n, 1), 1)
    if min(height * aspect, across) >= min(down * aspect, width):
        return [(0, number * (across + gap), height, across) for number in range(n)]
    return [(number * down, 0, down, width) for number in range(n)]


def cell_means(values: NDArray[np.float32], glyphs: GlyphSet) -> NDArray[np.float32]:
    """Return the mean of the sub-pixels of each cell."""
    height, width = values.shape[0] // glyphs.rows, values.shape[1] // glyphs.columns
    split = values.reshape(height, glyphs.rows, width, glyphs.columns)
    means: NDArray[np.float32] = split.mean(axis=(1, 3), dtype=np.float32)
    return means
