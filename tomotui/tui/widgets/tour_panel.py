"""The tour, in a few opaque lines above the status bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual.widgets import Static

from tomotui.tui.theme import FALLBACK, Look

Parts = Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class TourState:
    """What the panel says.

    Attributes
    ----------
    words, ask
        In parts, each with whether it is a key.
    way
        Where in the tour this is, and how to leave it.
    """

    title: str
    words: Parts
    ask: Parts
    way: str


class TourPanel(Static):
    """One step of the tour; repainted only when it is another."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    TourPanel { height: auto; max-height: 6; background: $panel; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__("", markup=False)
        self.state: TourState | None = None

    def show(self, state: TourState) -> None:
        """Say something else."""
        if state != self.state:
            self.state = state
            self._draw()

    def on_resize(self) -> None:
        """Say less where there is little room."""
        self._draw()

    def _draw(self) -> None:
        state = self.state
        if state is None:
            return
        look: Look = getattr(self.app, "look", FALLBACK)
        arrow = ">" if getattr(self.app, "ascii_only", False) else "▸"
        text = Text()
        text.append(f"tour · {state.title}  ", Style(color=look.primary, bold=True))
        text.append(f"{state.way}\n", look.dim)
        if self.screen.size.height >= 20:
            _append(text, state.words, look.foreground, look)
            text.append("\n")
        text.append(f"{arrow} ", look.accent)
        _append(text, state.ask, look.accent, look)
        self.update(text)


def _append(text: Text, parts: Parts, colour: str, look: Look) -> None:
    for words, is_key in parts:
        style = Style(color=look.primary, bold=True) if is_key else Style(color=colour)
        text.append(words, style)
