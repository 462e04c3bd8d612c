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
    ("datasets", "Datasets", "Data"),
    ("slices", "Slices", "Slice"),
    ("picks", "Picks", "Picks"),
    ("jobs", "Jobs", "Jobs"),
    ("cluster", "Cluster", "Clust"),
    ("maps", "Maps", "Maps"),
    ("live", "Live", "Live"),
    ("variation", "Variation", "Vary"),
)
"""Name of each mode, its title, and what is said of it where there is less room, in the order of
work."""
_ABOUT_A_MODE, _OF_A_KEY, _ABOUT_A_PROJECT = 4, 3, 4
"""Cells about the title of the present mode, of the key of another, about a project's name."""
_TITLES = tuple((name, title, short, "") for name, title, short in MODES)
_NAME = " tomotui "
"""What the line begins with."""
_QUIET = "no jobs at work  "


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
    mode_keys: tuple[str, ...] = tuple("12345678")
    """Empty where the key means something else on the screen."""


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
        if self._is_quiet and left.cell_len + right.cell_len + len(_QUIET) < self.size.width:
            right.append(_QUIET, look.dim)
        gap = max(self.size.width - left.cell_len - right.cell_len, 0)
        return left.append(" " * gap).append_text(right)

    def _place(self, look: Look, room: int, ascii_only: bool) -> Text:
        state = self.state
        line = Text(no_wrap=True, overflow="ellipsis")
        self.places = []
        project = shortened(state.project, max(room // 4, 8))
        modes = tuple(zip(MODES, state.mode_keys, strict=True)) if state.mode else ()
        needed = sum(len(crumb) + 3 for crumb in state.crumbs)
        alone = len(state.mode) + _ABOUT_A_MODE + needed if state.mode else 0
        n_others = max(sum(bool(key) for _, key in modes) - 1, 0)
        least = alone + _OF_A_KEY * n_others
        named = len(_NAME) + len(project) + _ABOUT_A_PROJECT
        all_fit = named - len(_NAME) + least <= room
        # Where there is little room the project's name says enough.
        if not project or named + least <= room or (not all_fit and named + alone <= room):
            line.append(_NAME, Style(color=look.primary, bold=True))
            line.append(f"{'/' if ascii_only else '·'} " if project else "", look.dim)
        else:
            line.append(" ")
        line.append(project, Style(color=look.foreground))
        line.append("  ")
        if least > room - line.cell_len:
            # Where one is matters more than where one could go.
            modes = tuple(each for each in modes if each[0][0] == state.mode)
        titles = self._titles(room - line.cell_len - needed)
        for (name, whole, _), key in modes:
            here = name == state.mode
            if not key and not here and not titles[name]:
                continue  # neither a key nor room for the name
            ground = look.background if here else look.panel
            start = line.cell_len
            line.append(f" {key}" if key else "", Style(color=look.primary, bgcolor=ground))
            ink = look.foreground if here else look.dim
            words = f" {whole} " if here else f" {titles[name]}" if titles[name] else ""
            line.append(words, Style(color=ink, bgcolor=ground, bold=here))
            line.append("" if here else " ", look.panel)
            self.places.append((start, line.cell_len, name))
        for crumb in state.crumbs:
            line.append(f" {'>' if ascii_only else '›'} ", look.dim)
            line.append(crumb, look.foreground)
        line.truncate(max(room, 1), overflow="ellipsis")
        return line

    def _titles(self, room: int) -> dict[str, str]:
        """Return what there is room for to say of each mode."""
        whole, short, none = ({name: kinds[kind] for name, *kinds in _TITLES} for kind in range(3))
        for titles in (whole, short):
            shown = {**titles, self.state.mode: whole.get(self.state.mode, "")}
            if sum(len(title) + 4 for title in shown.values()) <= room:
                return titles
        return none

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
        return line

    @property
    def _is_quiet(self) -> bool:
        counts = self.state.counts
        return bool(self.state.mode) and not (counts.running or counts.queued or counts.failed)
