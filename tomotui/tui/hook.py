"""The user's own command that is run when jobs have ended."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping

from tomotui.tui.wording import one_line, shortened

LONGEST_WORDS = 160


def run_hook(
    command: str, facts: Mapping[str, str], failed: Callable[[str], object]
) -> threading.Thread:
    """Run a command of the shell apart from the program, which waits for nothing.

    Parameters
    ----------
    command
        For ``sh -c``.
    facts
        Put into its environment.
    failed
        Called in a thread with what went wrong, when it ends with an error.
    """

    def run() -> None:
        if problem := _run(command, facts):
            failed(problem)

    # Not a worker: the end of the program would wait for one.
    thread = threading.Thread(target=run, name="hook", daemon=True)
    thread.start()
    return thread


def _run(command: str, facts: Mapping[str, str]) -> str:
    """Run the command to its end; returns what went wrong."""
    # A file and no pipe: what the command leaves running may hold a pipe open for ever.
    with tempfile.TemporaryFile() as said:
        try:
            code = subprocess.Popen(
                ["/bin/sh", "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env={**os.environ, **facts},
                start_new_session=True,
            ).wait()
        except (OSError, ValueError) as error:
            return f"the hook {command} cannot be run: {error}"
        if code == 0:
            return ""
        said.seek(0)
        words = one_line(said.read(2000).decode(errors="replace")) or f"ended with {code}"
        return shortened(f"the hook {command} failed: {words}", LONGEST_WORDS)
