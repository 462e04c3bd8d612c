"""Widgets drawn whole, and anew only when what they show, their size or the theme changes."""

from __future__ import annotations

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.cells import Span, strip_of


def wrapped(words: str, width: int) -> list[str]:
    """Return words in lines of a width."""
    import textwrap

    return [line for part in words.split("\n") for line in textwrap.wrap(part, max(width, 8))]


class DrawnOnce(Widget):
    """Keeps the rows that `draw` has made until `draw_anew` is called, or it looks otherwise."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._strips: list[Strip] = []
        self._drawn: tuple[Size, Look] | None = None

    def draw(self, look: Look) -> list[Strip]:
        """Return the rows; blank ones may be left out at the end."""
        raise NotImplementedError

    def draw_anew(self) -> None:
        """Forget the rows: something else is shown."""
        self._drawn = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one row."""
        look: Look = getattr(self.app, "look", FALLBACK)
        if self._drawn != (self.size, look):
            self._drawn = (self.size, look)
            self._strips = self.draw(look)
        blank = Strip.blank(self.size.width, Style(bgcolor=look.background))
        return self._strips[y] if y < len(self._strips) else blank

    def said(self, message: str, look: Look) -> list[Strip]:
        """Return rows that say a message in the middle."""
        width, height = self.size
        lines = wrapped(message, width - 2)[:height]
        rows = [""] * ((height - len(lines)) // 2) + [line.center(width) for line in lines]
        return [strip_of([Span(row, "dim")], width, look) for row in rows]
