"""Text in fewer colours than the theme's: the terminal's own sixteen, or none at all."""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from tomotui.tui.raster.palette import nearest_of_16
from tomotui.tui.raster.tiers import ColourDepth
from tomotui.tui.theme import Look


class FewerColours(LineFilter):
    """Says with bold, dim and reverse video what the depth of colour cannot.

    Attributes
    ----------
    look
        The theme, whose colours say what a text is.
    depth
        What may be sent; with more than 16 colours nothing is changed.
    """

    def __init__(self, look: Look, depth: ColourDepth) -> None:
        super().__init__(enabled=depth in ("mono", "16"))
        self.look = look
        self.depth = depth

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return a line in fewer colours."""
        convert = _without_colours if self.depth == "mono" else _in_16_colours
        return [
            Segment(text, convert(style, self.look) if style else style, control)
            for text, style, control in segments
        ]


def _hex(colour: RichColor | None) -> str:
    if colour is None or colour.is_default:
        return ""
    return colour.get_truecolor().hex.lower()


def _is_cursor(style: Style, look: Look) -> bool:
    return _hex(style.bgcolor) == look.cursor.lower()


@lru_cache(maxsize=4096)
def _without_colours(style: Style, look: Look) -> Style:
    """Keep what is said without colour; say what matters and what does not by weight."""
    ink = _hex(style.color)
    strong = {look.primary, look.accent, look.warning, look.error, *_focus_inks(look)}
    weak = {look.border, look.dim} - strong
    # Ink in the ground's colour on a colour of its own: a chosen tab, a focused button.
    inverse = ink == look.background.lower() and _hex(style.bgcolor) not in ("", ink)
    return Style(
        bold=style.bold or ink in {one.lower() for one in strong} or None,
        dim=style.dim or ink in {one.lower() for one in weak} or None,
        italic=style.italic,
        underline=style.underline,
        strike=style.strike,
        reverse=bool(style.reverse) ^ (inverse or _is_cursor(style, look)) or None,
        meta=style.meta or None,
    )


def _focus_inks(look: Look) -> set[str]:
    return {look.status["running"].colour, look.status["failed"].colour}


@lru_cache(maxsize=4096)
def _in_16_colours(style: Style, look: Look) -> Style:
    """Take the nearest of the terminal's own colours; the cursor's row in reverse video."""
    ground = style.bgcolor
    cursor = look.colours == "ansi" and _is_cursor(style, look)
    plain = Style.from_color(_numbered(style.color), _numbered(ground))
    return style + plain + Style(reverse=True) if cursor else style + plain


def _numbered(colour: RichColor | None) -> RichColor | None:
    if colour is None or colour.is_default:
        return colour
    red, green, blue = colour.get_truecolor()
    return RichColor.from_ansi(nearest_of_16((red, green, blue)))
