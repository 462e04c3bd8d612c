"""Pictures in the colours of the theme, with words in their place where there is none."""

from __future__ import annotations

from rich.style import Style
from textual.color import Color
from textual.geometry import Region
from textual.strip import Strip

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.cells import Span, strip_of
from tomotui.tui.widgets.drawn_once import wrapped
from tomotui.tui.widgets.pacing import PacedPicture


class WordedPicture(PacedPicture, can_focus=True):
    """A picture that a subclass draws into ``_strips`` when `has_picture` says so.

    Parameters
    ----------
    capability
        What the terminal can show.

    Attributes
    ----------
    message
        The words.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    WordedPicture { width: 1fr; height: 1fr; background: $background; }
    """

    def __init__(self, capability: Capability, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.expects_answers = capability.answers_cursor_report is not False
        self.artist = SliceArtist(capability)
        self.message = ""
        self._strips: list[Strip] = []

    @property
    def has_picture(self) -> bool:
        """Whether there is anything but words to show."""
        raise NotImplementedError

    @property
    def aspect(self) -> float:
        """Height of a cell over its width."""
        return self.artist.capability.cell_aspect

    @property
    def theme_look(self) -> Look:
        """The theme."""
        return getattr(self.app, "look", FALLBACK)

    def take_colours(self) -> None:
        """Take the colours of the theme."""
        look = self.theme_look
        self.artist.lut = look.image.lut
        inks = {
            "outside": look.background,
            "shade": look.background,
            "text": look.foreground,
            "dim": look.dim,
            "accent": look.accent,
            "cursor": look.primary,
            "unsure": look.warning,
            "accepted": look.pick.accept,
        }
        inks |= {f"class{n}": look.colour(f"class{n}") for n in range(1, 10)}
        self.artist.use_roles({role: Color.parse(ink).rgb for role, ink in inks.items()})

    @property
    def ground(self) -> float:
        """How light the theme's background is, 0 to 1."""
        red, green, blue = Color.parse(self.theme_look.background).rgb
        return (0.299 * red + 0.587 * green + 0.114 * blue) / 255

    def say_instead(self) -> None:
        """Show the words: there is no picture any more."""
        self._strips = []
        self.give_up_picture()

    def on_resize(self) -> None:
        """Drop the picture of the old size."""
        self._strips = []

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the rows of the picture, or of the message."""
        width, height = self.size
        if self.has_picture and len(self._strips) == height:
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
        look = self.theme_look
        lines = wrapped(self.message, width - 2)[:height] if self.message else []
        above = (height - len(lines)) // 2
        said = [strip_of([Span(line.center(width), "dim")], width, look) for line in lines]
        blank = Strip.blank(width, Style(bgcolor=look.background))
        return [*[blank] * above, *said, *[blank] * (height - above - len(lines))]
