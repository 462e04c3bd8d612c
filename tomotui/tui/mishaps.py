"""What happens when something goes wrong that nobody has thought of.

In a worker it is shown and the program goes on. Anywhere else Textual cannot go on: the terminal
is given back, a report is left, and one paragraph says where. Private names of Textual's app are
used here.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from pathlib import Path
from typing import Any

from rich.text import Text
from textual import on
from textual.notifications import SeverityLevel
from textual.worker import Worker, WorkerState

from tomotui.tui import crash
from tomotui.tui.linking import Linking
from tomotui.tui.wording import one_line, short_path, shortened

MOST_WORDS = 40
"""Messages of the status bar that a report repeats."""


class Mishaps(Linking):
    """The part of the app that reports errors."""

    def __init__(self, **settings: Any) -> None:
        self._last_words: deque[str] = deque(maxlen=MOST_WORDS)
        super().__init__(**settings)

    def say(self, words: str, severity: SeverityLevel = "information") -> None:
        """Show a message in the status bar, and keep it for a report."""
        clock = time.strftime("%H:%M:%S")
        self._last_words.append(f"{clock} {severity}: {one_line(words)}")
        super().say(words, severity)

    # ---- where one can go on

    @on(Worker.StateChanged)
    def _worker_of_the_app_changed(self, event: Worker.StateChanged) -> None:
        self.worker_changed(event)

    def worker_changed(self, event: Worker.StateChanged) -> None:
        """Show why work in the background has failed."""
        error = event.worker.error
        if event.state != WorkerState.ERROR or not isinstance(error, Exception):
            return
        path = self._report(error)
        where = f"A report is in {short_path(path)}." if path else "No report could be written."
        self.show_error(
            f"Something that was done in the background has failed: {named(error)}",
            f"The program goes on. {where}",
        )

    # ---- where one cannot

    def _fatal_error(self) -> None:
        """Leave with one paragraph instead of pages of source."""
        error = self._exception
        if self.is_headless or error is None:
            super()._fatal_error()
            return
        # Whatever went wrong must not keep the place from being kept.
        with contextlib.suppress(Exception):
            self.save_session()
        if self._exit_renderables:
            # The first error is the cause; those that follow come from going down.
            self._close_messages_no_wait()
            return
        try:
            words = self._parting_words(error)
        except Exception:  # a report that fails must not hide what it is of
            super()._fatal_error()
            return
        self._exit_renderables.append(Text(words, overflow="fold"))
        self._close_messages_no_wait()

    def _parting_words(self, error: Exception) -> str:
        path = self._report(error)
        report = (
            f"A report is in\n  {path}\nLook through it, and attach it when you tell of this."
            if path
            else "The report could not be written: is the home folder full?"
        )
        return (
            f"tomotui had to close: {shortened(named(error), 300)}\n"
            "Jobs keep running, nothing in the project is lost, and the next start goes on where "
            f"you were. {report}\n"
            "Should the terminal look odd: tomotui doctor --reset-terminal\n"
        )

    def save_session(self) -> None:
        """Remember where the user is, when that has changed."""
        raise NotImplementedError

    def _report(self, error: Exception) -> Path | None:
        log = self.folder / "agent.log" if self.folder is not None else None
        facts = {
            "mode": self.current_mode,
            "screen": type(self.screen_stack[-1]).__name__ if self.screen_stack else "none",
            "size": f"{self.size.width} x {self.size.height}",
            "terminal": self.terminal.key,
            "link": "; ".join(self.capability.reasons),
            "mouse": self.mouse_mode,
            "keys": self.keymap_name,
            "theme": self.theme,
            "read-only": str(self.read_only),
        }
        return crash.save_report(crash.report_of(error, facts, list(self._last_words), log))


def named(error: Exception) -> str:
    """Return an error with its kind."""
    words = one_line(str(error))
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
