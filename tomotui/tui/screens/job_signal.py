"""Choosing how a job is stopped: with the grace that it is owed, or at once."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tomotui.jobs.settings import AgentSettings
from tomotui.tui.screens.base import Modal
from tomotui.tui.widgets.choosing import Options

TERMINATE, KILL = "terminate", "kill"


class SignalScreen(Modal):
    """Lists the ways to stop; gives ``"terminate"``, ``"kill"`` or ``None``.

    Parameters
    ----------
    what
        The jobs or tasks that are meant, in words.
    """

    ABOUT = "stop"
    PROSE = "Enter chooses how to stop, and asks once more; escape leaves all as it is."

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def compose(self) -> ComposeResult:
        """Lay out the two ways; the gentle one is under the cursor."""
        settings = AgentSettings()
        term, kill = settings.term_after, settings.term_after + settings.kill_after
        with Vertical(classes="dialog medium") as dialog:
            dialog.border_title = "stop"
            dialog.border_subtitle = "enter chooses   esc closes"
            yield Static(self.what, classes="question", markup=False)
            yield Options(
                Option(f"TERM  ask to stop, SIGTERM after {term:g} s, SIGKILL after {kill:g} s",
                       id=TERMINATE),
                Option("KILL  SIGKILL at once, on this host; what it holds is lost", id=KILL),
            )  # fmt: skip

    def on_mount(self) -> None:
        """Let the arrows choose."""
        self.query_one(OptionList).focus()

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)
