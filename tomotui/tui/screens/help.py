"""The keys that work right now, made from the live bindings: it cannot drift from them."""

from __future__ import annotations

from rich.style import Style
from rich.table import Table as Grid
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from tomotui.tui.actions import ACTIONS
from tomotui.tui.screens.base import Modal

SECTIONS = {
    "plane": "the plane",
    "class": "classes",
    "surface": "surfaces",
    "ortho": "sections",
    "drift": "drift on tilt images",
    "vary": "variation",
    "map": "maps",
    "live": "the live board",
    "dataset": "tilt series",
    "quality": "quality",
    "tilt": "single tilts",
    "job": "jobs",
    "tree": "the tree of jobs",
    "pick": "candidates",
    "gallery": "tiles",
    "slice": "slices",
    "triple": "three planes",
    "log": "in the log",
    "form": "in the form",
    "recipe": "recipes",
    "yank": "copy",
    "card": "the test card",
    "dialog": "in dialogs",
    "list": "in lists",
    "line": "while typing",
    "mode": "go to",
    "history": "back and forward",
    "match": "after a filter",
    "plot": "charts",
    "file": "files",
    "pane": "panes",
    "app": "everywhere",
}
"""Headings by scope, in the order shown."""


class KeyLine:
    """One line of the help: the keys of an action and what it does."""

    def __init__(self, keys: list[str], words: str, scope: str) -> None:
        self.keys, self.words, self.scope = keys, words, scope


def live_keys(screen: Screen[object]) -> list[KeyLine]:
    """Return the keys that work on a screen with its present focus, one line an action."""
    found: dict[str, KeyLine] = {}
    for active in screen.active_bindings.values():
        name = active.binding.id or ""
        scope = name.partition(".")[0]
        if scope not in SECTIONS or not active.enabled:
            continue
        key = screen.app.get_key_display(active.binding)
        line = found.setdefault(name, KeyLine([], _words(active), scope))
        if key not in line.keys:
            line.keys.append(key)
    order, declared = list(SECTIONS), list(ACTIONS)
    # As declared within a scope: a keymap changes keys, not the order of lines.
    names = sorted(found, key=lambda name: declared.index(name) if name in ACTIONS else -1)
    return sorted((found[n] for n in names), key=lambda line: order.index(line.scope))


def _words(active: ActiveBinding) -> str:
    known = ACTIONS.get(active.binding.id or "")
    return known.help if known else (active.binding.tooltip or active.binding.description)


class HelpScreen(Modal):
    """Shows the keys of the screen below.

    Parameters
    ----------
    title, prose
        What the screen below is for.
    lines
        Its keys.
    """

    def __init__(self, title: str, prose: str, lines: list[KeyLine]) -> None:
        super().__init__()
        self.about, self.prose, self.lines = title, prose, lines

    def compose(self) -> ComposeResult:
        """Lay out prose and keys."""
        with Vertical(classes="dialog large") as dialog:
            dialog.border_title = f"help · {self.about}"
            dialog.border_subtitle = "esc closes"
            with VerticalScroll(id="help-scroll"):
                yield Static(self.prose, classes="prose", markup=False)
                yield Static(self._keys(), id="help-keys")

    def on_mount(self) -> None:
        """Let the arrows scroll."""
        self.query_one("#help-scroll").focus()

    def _keys(self) -> Grid:
        look = self.tomotui.look
        grid = Grid.grid(padding=(0, 2))
        grid.add_column(min_width=12, max_width=24)
        grid.add_column()
        scope = ""
        for line in self.lines:
            if line.scope != scope:
                heading = Text(SECTIONS[line.scope], Style(color=look.primary, bold=True))
                if scope:
                    grid.add_row("", "")
                grid.add_row(heading, "")
                scope = line.scope
            keys = Text("  ").join(Text(key, look.accent) for key in line.keys)
            grid.add_row(Text("  ") + keys, Text(line.words, look.foreground))
        return grid
