"""What went wrong, in words, with the remedy; the program goes on."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from tomotui.tui.actions import bindings
from tomotui.tui.screens.base import Modal
from tomotui.tui.widgets.choosing import Press


class ErrorScreen(Modal):
    """Shows an error and what helps.

    Parameters
    ----------
    message
        What was wrong.
    remedy
        What the user can do.
    """

    ABOUT = "error"
    PROSE = "Nothing was lost. y copies the text, escape closes."
    BINDINGS: ClassVar[list[BindingType]] = bindings("dialog.copy")

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__()
        self.message, self.remedy = message, remedy

    def compose(self) -> ComposeResult:
        """Lay out message, remedy and a button."""
        with Vertical(classes="dialog small error") as dialog:
            dialog.border_title = "that did not work"
            yield Static(self.message, classes="question", markup=False)
            if self.remedy:
                yield Static(self.remedy, classes="explanation", markup=False)
            with Horizontal(classes="buttons"):
                yield Press("close", id="close")
                yield Press("y  copy", id="copy")

    def on_mount(self) -> None:
        """Put the focus on close."""
        self.query_one("#close").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Copy or close."""
        if event.button.id == "copy":
            self.action_copy()
        self.dismiss(None)

    def action_copy(self) -> None:
        """Copy the text."""
        self.tomotui.copy(f"{self.message} {self.remedy}".strip())
