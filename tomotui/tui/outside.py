"""Programs that take the terminal for a while: shell and pager."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from textual.app import SuspendNotSupported

if TYPE_CHECKING:
    from tomotui.tui.appearance import Appearance


@runtime_checkable
class LogOwner(Protocol):
    """A screen whose cursor is on something that has a log."""

    def log_path(self) -> Path | None:
        """Return the log of what the cursor is on."""


def open_shell(app: Appearance, folder: Path) -> None:
    """Open the user's shell in a folder until it ends."""
    shell = os.environ.get("SHELL") or "/bin/sh"
    _run(app, [shell], folder, f"tomotui waits; exit comes back. This is {folder}")


def open_pager(app: Appearance, path: Path) -> None:
    """Open a file in the user's pager, at its end where that is known to work."""
    pager = shlex.split(os.environ.get("PAGER", "") or "less")
    if Path(pager[0]).name == "less":
        pager += ["+G"]
    _run(app, [*pager, str(path)], path.parent, "")


def open_editor(app: Appearance, path: Path, *, read_only: bool) -> None:
    """Open a file or folder in the user's editor; in the pager where nothing may be changed."""
    words = shlex.split(os.environ.get("VISUAL", "") or os.environ.get("EDITOR", ""))
    if read_only and path.is_file():
        open_pager(app, path)
    elif read_only:
        app.say("the project is read-only: only logs open here, in the pager", "warning")
    elif not words:
        app.show_error(f"no editor is known to open {path} with.", "Set $EDITOR, such as vim.")
    else:
        _run(app, [*words, str(path)], path if path.is_dir() else path.parent, "")


def _run(app: Appearance, words: list[str], folder: Path, greeting: str) -> None:
    try:
        with app.suspend():
            if greeting:
                os.write(1, f"{greeting}\n".encode())
            subprocess.call(words, cwd=folder)
    except SuspendNotSupported:
        app.say("another program cannot take this terminal", "warning")
    except OSError as error:
        app.show_error(
            f"{words[0]} cannot be started: {error.strerror}.", "See $SHELL, $EDITOR and $PAGER."
        )
