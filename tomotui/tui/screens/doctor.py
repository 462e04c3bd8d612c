"""What this machine can do, what it cannot, and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.table import Table as Grid
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from tomotui.tui.actions import bindings
from tomotui.tui.notifications import told_by
from tomotui.tui.screens.base import Modal
from tomotui.tui.status import Mood

_MOODS: dict[str, Mood] = {"ok": "done", "warn": "warning", "fail": "failed"}
_WORDS = {"ok": "ok", "warn": "warning", "fail": "failed"}


class DoctorScreen(Modal):
    """Runs the checks in a thread and lists them."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("dialog.card")

    ABOUT = "doctor"
    PROSE = "Each line is a check; where one is not well, the remedy stands below it."

    class Collected(Message, bubble=False):
        """The checks are done."""

        def __init__(self, checks: Sequence[Any], error: str = "") -> None:
            super().__init__()
            self.checks, self.error = checks, error

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="dialog large") as dialog:
            dialog.border_title = "doctor"
            dialog.border_subtitle = "t test card   esc closes"
            with VerticalScroll(id="doctor-scroll"):
                yield Static("looking at this machine …", id="checks", markup=False)
                yield Static("\n".join(self._reasons()), classes="prose", markup=False)

    def _reasons(self) -> list[str]:
        app = self.tomotui
        told = told_by(app.terminal, app.notify_wish)
        link = f"ends of jobs are told by {told}; mouse {app.mouse_mode}; {app.terminal.key}"
        return [*app.capability.reasons, link]

    def on_mount(self) -> None:
        """Begin."""
        self.query_one("#doctor-scroll").focus()
        self._collect()

    def action_card(self) -> None:
        """Show the test card instead."""
        self.dismiss(None)
        self.tomotui.call_later(self.tomotui.action_calibrate)

    @work(thread=True, exit_on_error=False)
    def _collect(self) -> None:
        try:
            # Imported late: the checks look into libraries that no screen needs.
            from tomotui.doctor import collect

            self.post_message(self.Collected(collect()))
        except ImportError as error:
            self.post_message(self.Collected((), f"the checks are not installed: {error}"))

    def on_doctor_screen_collected(self, message: Collected) -> None:
        """List the checks, what is not well first."""
        if message.error:
            self.query_one("#checks", Static).update(message.error)
            return
        look, ascii_only = self.tomotui.look, self.tomotui.ascii_only
        grid = Grid.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, style=look.foreground)
        grid.add_column(style=look.dim)
        order = {"fail": 0, "warn": 1, "ok": 2}
        for check in sorted(message.checks, key=lambda check: order.get(check.state, 3)):
            mood = _MOODS.get(check.state, "none")
            glyph = f"{look.glyph(mood, ascii_only)} {_WORDS.get(check.state, check.state)}"
            words = Text(check.text, look.foreground)
            if check.remedy and check.state != "ok":
                words.append(f"\n{check.remedy}", look.accent)
            grid.add_row(Text(glyph, look.colour(mood)), check.name, words)
        self.query_one("#checks", Static).update(grid)
