"""Text in fewer colours than the theme's: the terminal's own sixteen, or none at all."""

from __future__ import annotations

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from tomotui.tui.raster.sixteen import nearest_of_16
from tomotui.tui.raster.tiers import ColourDepth
from tomotui.tui.theme import Look

MOST_STYLES = 4096
"""Conversions that are remembered."""


class FewerColours(LineFilter):
    """Says with bold, dim and reverse video what the depth of colour cannot.

    Parameters
    ----------
    look
        The theme, whose colours say what a text is.
    depth
        What may be sent; with more than 16 colours nothing is changed.
    """

    def __init__(self, look: Look, depth: ColourDepth) -> None:
        super().__init__(enabled=depth in ("mono", "16"))
        self._convert = self._without_colours if depth == "mono" else self._in_16_colours
        self._known: dict[Style, Style] = {}
        self._ground = look.background.lower()
        self._ink = _numbered(RichColor.parse(look.foreground))
        # The cursor's row has a ground of its own only where there are colours enough for it.
        self._cursor = look.cursor.lower() if look.colours != "full" or depth == "mono" else ""
        moods = (look.status["running"].colour, look.status["failed"].colour)
        strong = (look.primary, look.accent, look.warning, look.error, *moods)
        self._strong = {one.lower() for one in strong}
        self._weak = {look.border.lower(), look.dim.lower()} - self._strong

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return a line in fewer colours."""
        return [
            Segment(text, self._converted(style) if style else style, control)
            for text, style, control in segments
        ]

    def _converted(self, style: Style) -> Style:
        found = self._known.get(style)
        if found is None:
            if len(self._known) > MOST_STYLES:
                self._known.clear()
            found = self._known[style] = self._convert(style)
        return found

    def _without_colours(self, style: Style) -> Style:
        """Keep what is said without colour; say what matters and what does not by weight."""
        ink, ground = _hex(style.color), _hex(style.bgcolor)
        # Ink in the ground's colour on a colour of its own: a chosen tab, a focused button.
        inverse = ink == self._ground and ground not in ("", ink)
        return Style(
            bold=style.bold or ink in self._strong or None,
            dim=style.dim or ink in self._weak or None,
            italic=style.italic,
            underline=style.underline,
            strike=style.strike,
            reverse=bool(style.reverse) ^ (inverse or ground == self._cursor) or None,
            meta=style.meta or None,
        )

    def _in_16_colours(self, style: Style) -> Style:
        """Take the nearest of the terminal's own colours; the cursor's row in reverse video."""
        ground = _numbered(style.bgcolor)
        if self._cursor and _hex(style.bgcolor) == self._cursor:
            # One ink for the whole row: reversed, several would make it a chequered flag.
            return style + Style.from_color(self._ink, ground) + Style(reverse=True)
        return style + Style.from_color(_numbered(style.color), ground)


def _hex(colour: RichColor | None) -> str:
    if colour is None or colour.is_default:
        return ""
    return colour.get_truecolor().hex.lower()


def _numbered(colour: RichColor | None) -> RichColor | None:
    if colour is None or colour.is_default:
        return colour
    red, green, blue = colour.get_truecolor()
    return RichColor.from_ansi(nearest_of_16((red, green, blue)))
