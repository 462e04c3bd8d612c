"""What is shown while the project is changed in a thread, and nothing else may be decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import LoadingIndicator, Static

from tomotui.project.curation import Act, Curation
from tomotui.project.decisions import Entry
from tomotui.tui.screens.base import Frame, Modal
from tomotui.tui.wording import counted

MANY = 2000
"""Acts about more candidates than this are made in a thread: they may take seconds."""


class WaitScreen(Modal):
    """Says what is going on; whoever has shown it takes it away.

    Parameters
    ----------
    words
        In one line.
    """

    ABOUT = "work at hand"
    PROSE = "Goes away by itself when the work is done."

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words

    def compose(self) -> ComposeResult:
        """Lay out the words, and something that moves."""
        with Vertical(classes="dialog small") as dialog:
            dialog.border_title = "a moment"
            yield Static(self.words, classes="question", markup=False)
            yield LoadingIndicator()

    def action_close(self) -> None:
        """Stay: the columns must not be changed before the log is."""


def make(
    screen: Frame, curation: Curation, act: Act, followed: Callable[[Sequence[Entry]], None]
) -> None:
    """Make an act, let the columns follow, and go on; in a thread when it is about many.

    Parameters
    ----------
    followed
        Given what was decided.
    """
    if act.n <= MANY:
        followed(curation.make(act))
        return
    wait = WaitScreen(f"deciding about {counted(act.n, 'candidate')}")

    def done(decisions: Sequence[Entry]) -> None:
        wait.dismiss()
        curation.follow(decisions)
        if screen.is_attached:
            followed(decisions)

    screen.app.push_screen(wait)
    screen.tomotui.change(act.do, done, wait.dismiss)
