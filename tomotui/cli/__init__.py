"""The command line: everything the screen can do, for scripts."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code.

    0: done. 1: the work failed. 2: the words were wrong. 130: interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A file name that the terminal's encoding lacks must not end a command.
            stream.reconfigure(errors="backslashreplace")
    if words == ["--version"]:
        from tomotui import __version__

        print(__version__)
        sys.exit(0)
    warnings.showwarning = _show_warning
    if _names_a_folder(words):
        sys.exit(_open_screens(words))
    from tomotui.cli.app import run

    sys.exit(run(words))


def _names_a_folder(words: list[str]) -> bool:
    """Tell whether the words ask for the screens and nothing else; a bare name may be a command."""
    return not words or (len(words) == 1 and os.sep in words[0] and os.path.isdir(words[0]))


def _open_screens(words: list[str]) -> int:
    """Open the screens without the machinery of the commands, which costs a part of the start."""
    from tomotui.tui import garbage

    garbage.rest()
    from tomotui.cli.screens import open_project

    try:
        return open_project(Path(words[0]) if words else None)
    except Exception as error:  # the edge of the program: every error becomes one message
        if os.environ.get("TOMOTUI_DEBUG"):
            raise
        from tomotui.cli.errors import report

        return report(error)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning for people, without the line of code that gave it."""
    print(f"tomotui: warning: {message}", file=sys.stderr)
