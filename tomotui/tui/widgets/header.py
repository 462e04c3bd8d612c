"""The line at the top: project, modes, where one is, and what the queue does."""

from __future__ import annotations

from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual import events
from textual.widget import Widget

from tomotui.tui.snapshots import NO_COUNTS, Counts
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.glance import NO_GLANCE, Glance, glance_text
from tomotui.tui.wording import shortened

MODES = (
    ("datasets", "1", "Datasets"),
    ("slices", "2", "Slices"),
    ("picks", "3", "Picks"),
    ("jobs", "4", "Jobs"),
    ("cluster", "5", "Cluster"),
    ("maps", "6", "Maps"),
    ("live", "7", "Live"),
    ("variation", "8", "Variation"),
)
"""Name, key and title of each mode, in the order of work."""
LETTERS = (99, 4, 0)
"""Of the titles of other modes, where there is room for no more."""
_LEAST_OF_MODES = 3 * len(MODES) + 1
"""Cells that the keys of all modes take, and the spaces about the title of one."""


@dataclass(frozen=True)
class HeaderState:
    """What the header says."""

    project: str = ""
    mode: str = ""
    crumbs: tuple[str, ...] = ()
    counts: Counts = NO_COUNTS
    read_only: bool = False
    alarm: str = ""
    glance: Glance = NO_GLANCE


class HeaderLine(Widget):
    """One line; repainted only when what it says changes."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    HeaderLine { height: 1; background: $panel; }
    """

    def __init__(self, state: HeaderState | None = None) -> None:
        super().__init__()
        self.state = state or HeaderState()
        self.places: list[tuple[int, int, str]] = []

    def show(self, state: HeaderState) -> None:
        """Say something else."""
        if state != self.state:
            self.state = state
            self.refresh()

    async def on_click(self, event: events.Click) -> None:
        """Go to the mode whose name was clicked."""
        for start, end, mode in self.places:
            if start <= event.x < end:
                await self.run_action(f"app.mode('{mode}')")

    def render(self) -> Text:
        """Draw the line."""
        look: Look = getattr(self.app, "look", FALLBACK)
        ascii_only = getattr(self.app, "ascii_only", False)
        right = self._queue(look, ascii_only)
        left = self._place(look, self.size.width - right.cell_len - 1, ascii_only)
        gap = max(self.size.width - left.cell_len - right.cell_len, 0)
        return left.append(" " * gap).append_text(right)

    def _place(self, look: Look, room: int, ascii_only: bool) -> Text:
        state = self.state
        line = Text(no_wrap=True, overflow="ellipsis")
        self.places = []
        project = shortened(state.project, max(room // 4, 8))
        line.append(" tomotui ", Style(color=look.primary, bold=True))
        if project:
            line.append(f"{'/' if ascii_only else '·'} ", look.dim)
            line.append(project, Style(color=look.foreground))
        line.append("  ")
        modes = MODES if state.mode else ()
        needed = sum(len(crumb) + 3 for crumb in state.crumbs)
        if needed and needed + _LEAST_OF_MODES + len(state.mode) > room - line.cell_len:
            # Where one is matters more than where one could go.
            modes = tuple(each for each in modes if each[0] == state.mode)
        letters = self._letters(room - line.cell_len - needed)
        for name, key, title in modes:
            here = name == state.mode
            ground = look.background if here else look.panel
            start = line.cell_len
            line.append(f" {key}", Style(color=look.primary, bgcolor=ground))
            ink = look.foreground if here else look.dim
            words = title if here else title[:letters]
            line.append(f" {words} " if words else " ", Style(color=ink, bgcolor=ground, bold=here))
            self.places.append((start, line.cell_len, name))
        for crumb in state.crumbs:
            line.append(f" {'>' if ascii_only else '›'} ", look.dim)
            line.append(crumb, look.foreground)
        line.truncate(max(room, 1), overflow="ellipsis")
        return line

    def _letters(self, room: int) -> int:
        """Return how many letters of the titles of other modes there is room for."""
        for letters in LETTERS:
            shown = [
                title if name == self.state.mode else title[:letters] for name, _, title in MODES
            ]
            if sum(len(title) + 4 for title in shown) <= room:
                return letters
        return LETTERS[-1]

    def _queue(self, look: Look, ascii_only: bool) -> Text:
        counts = self.state.counts
        line = Text(no_wrap=True)
        if self.state.alarm:
            line.append(f"! {self.state.alarm}  ", look.colour("warning"))
        line.append_text(glance_text(self.state.glance, self.size.width, look, ascii_only))
        if self.state.read_only:
            line.append("read-only  ", look.colour("warning"))
        shown = (
            (counts.running, "running", "running"),
            (counts.queued, "queued", "queued"),
            (counts.failed, "failed", "failed"),
        )
        wide = self.size.width >= 110
        for number, mood, word in shown:
            if number:
                glyph = look.glyph(mood, ascii_only)  # type: ignore[arg-type]
                words = f"{glyph} {number} {word}  " if wide else f"{glyph} {number}  "
                line.append(words, look.colour(mood))
        if self.state.mode and wide and not any(number for number, _, _ in shown):
            line.append("no jobs at work  ", look.dim)
        return line
