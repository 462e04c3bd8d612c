"""Letters over the tabs of the header and the panes of a screen, to go there with one key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.geometry import Offset
from textual.widget import Widget
from textual.widgets import Static

from tomotui.tui.widgets.header import HeaderLine
from tomotui.tui.widgets.slice_view import SliceView

if TYPE_CHECKING:
    from tomotui.tui.screens.base import Frame

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


class Badge(Static):
    """A letter over a place of the screen."""

    ALLOW_SELECT = False

    def __init__(self, letter: str, place: Offset) -> None:
        super().__init__(f" {letter} ", markup=False)
        self.letter = letter
        self.styles.offset = place


def start_jump(screen: Frame) -> None:
    """Show the letters; the next key goes where its letter is, any other takes them away."""
    targets = _targets(screen)
    if not targets:
        screen.say("there is nowhere to jump to on this screen")
        return
    goers = {letter: go for letter, (_, go) in zip(LETTERS, targets, strict=False)}
    places = [place for place, _ in targets]
    badges = [Badge(letter, at) for letter, at in zip(LETTERS, places, strict=False)]
    screen.mount(*badges)
    screen.say("a letter goes there; esc stays")

    def chosen(letter: str) -> None:
        for badge in badges:
            badge.remove()
        if letter in goers:
            goers[letter]()

    screen.take_next_key(chosen)


def _targets(screen: Frame) -> list[tuple[Offset, Callable[[], object]]]:
    """Return the places that can be gone to, from the top left, and how."""
    found: list[tuple[Offset, Callable[[], object]]] = []
    header = screen.query_one(HeaderLine)
    for column, _, mode in header.places:
        found.append(
            (
                header.region.offset + Offset(column, 0),
                partial(screen.tomotui.go_to_mode, mode),
            )
        )
    for pane in screen.query(f".pane, {SliceView.__name__}"):
        inner = _focusable(pane)
        if inner is not None and pane.region.area:
            found.append((pane.region.offset + Offset(1, 0), inner.focus))
    return found


def _focusable(pane: Widget) -> Widget | None:
    """Return what takes the focus in a pane: what lies in it, or the pane itself."""
    for widget in (*pane.query("*").results(Widget), pane):
        if widget.focusable and widget.display:
            return widget
    return None
