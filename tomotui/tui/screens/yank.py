"""The menu of what can be copied, one key for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.table import Table as Grid
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from tomotui.tui.actions import ACTIONS, bindings
from tomotui.tui.screens.base import Modal
from tomotui.tui.theme import FALLBACK
from tomotui.tui.wording import one_line, shortened

SHOWN_CHARACTERS = 52


class YankMenu(Modal):
    """Offers texts to copy; gives the one chosen, or ``None``.

    Parameters
    ----------
    texts
        What can be copied, by kind: ``path``, ``name``, ``command``, ``position``. Kinds that are
        absent or empty are not offered.
    """

    ABOUT = "copy"
    PROSE = (
        "Copies to the clipboard of your own terminal, through SSH as well, where the terminal "
        "allows that (OSC 52)."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings("yank")

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__()
        self.texts = {kind: text for kind, text in texts.items() if text}

    def compose(self) -> ComposeResult:
        """Lay out a line for each text."""
        with Vertical(classes="dialog medium") as dialog:
            dialog.border_title = "copy"
            dialog.border_subtitle = "esc closes"
            yield Static(self._lines(), id="yank-lines")

    def _lines(self) -> Grid:
        look = getattr(self.app, "look", FALLBACK)
        key_of = {
            (active.binding.id or ""): self.app.get_key_display(active.binding)
            for active in self.active_bindings.values()
        }
        grid = Grid.grid(padding=(0, 2))
        for kind, text in self.texts.items():
            action = ACTIONS[f"yank.{kind}"]
            grid.add_row(
                Text(key_of.get(action.id, action.keys[0]), look.accent),
                Text(action.title, look.foreground),
                Text(shortened(one_line(text), SHOWN_CHARACTERS), look.dim),
            )
        return grid

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what there is."""
        if action == "take":
            return str(parameters[0]) in self.texts
        return super().check_action(action, parameters)

    def action_take(self, kind: str) -> None:
        """Copy a text."""
        self.dismiss(self.texts[kind])
