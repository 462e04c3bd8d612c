"""A question that is answered with yes or no."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from tomotui.tui.actions import bindings
from tomotui.tui.screens.base import Modal
from tomotui.tui.widgets.choosing import Press


class ConfirmScreen(Modal):
    """Asks before something that cannot be taken back; gives true, or false.

    Parameters
    ----------
    question
        In one line.
    explanation
        What will and will not happen.
    """

    ABOUT = "question"
    PROSE = "y does it, n or escape does not."
    BINDINGS: ClassVar[list[BindingType]] = bindings("dialog.yes", "dialog.no")

    def __init__(self, question: str, explanation: str = "") -> None:
        super().__init__()
        self.question, self.explanation = question, explanation

    def compose(self) -> ComposeResult:
        """Lay out question, explanation and two buttons; the safe one has the focus."""
        with Vertical(classes="dialog small") as dialog:
            dialog.border_title = "please confirm"
            yield Static(self.question, classes="question", markup=False)
            if self.explanation:
                yield Static(self.explanation, classes="explanation", markup=False)
            with Horizontal(classes="buttons"):
                yield Press("y  yes", id="yes")
                yield Press("n  no", id="no")

    def on_mount(self) -> None:
        """Put the focus on no."""
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """Answer."""
        self.dismiss(yes)

    def action_close(self) -> None:
        """Answer no."""
        self.dismiss(False)
