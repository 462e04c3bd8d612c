"""The report that is left when the program had to close."""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tomotui import __version__
from tomotui.tui.session import state_folder

MOST_REPORTS = 20
LOG_LINES = 30
_LOG_BYTES = 20_000
_PACKAGES = ("textual", "rich", "numpy", "pydantic", "platformdirs")
_VARIABLES = (
    *("TERM", "COLORTERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "NO_COLOR"),
    *("LANG", "LC_ALL", "LC_CTYPE", "SSH_TTY", "TMUX", "STY"),
    *("TEXTUAL_ANIMATIONS", "TEXTUAL_DRIVER", "TOMOTUI_GLYPHS", "TOMOTUI_COLOURS"),
    *("TOMOTUI_MOUSE", "TOMOTUI_NOTIFY"),
)
"""All of the environment that a report tells: anything else may be secret."""
_ONLY_WHETHER = ("SSH_TTY", "TMUX", "STY")


def report_of(
    error: BaseException,
    facts: Mapping[str, str],
    last_words: Sequence[str] = (),
    log: Path | None = None,
) -> str:
    """Return the text of a report: no values of variables, no names from the home folder.

    Parameters
    ----------
    error
        What happened.
    facts
        Where the user was and what the terminal is, by name.
    last_words
        What the status bar has said.
    log
        A file whose last lines belong to it.
    """
    trace = "".join(traceback.format_exception(error))
    parts = {
        "tomotui": "\n".join(_versions()),
        "where": "\n".join(f"{name}: {value}" for name, value in facts.items()),
        "environment": "\n".join(_environment()),
        "what happened": trace,
        "last messages": "\n".join(last_words),
        "last lines of the agent's log": "\n".join(_last_lines(log)),
    }
    text = "\n\n".join(f"== {title}\n{body.rstrip()}" for title, body in parts.items() if body)
    home = os.path.expanduser("~")
    return (text.replace(home, "~") if len(home) > 1 else text) + "\n"


def save_report(text: str) -> Path | None:
    """Write a report; returns where it is, ``None`` when it cannot be written."""
    folder = state_folder() / "reports"
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = folder / f"crash-{stamp}-{os.getpid()}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="replace")
        for old in sorted(folder.glob("crash-*.txt"))[:-MOST_REPORTS]:
            old.unlink(missing_ok=True)
    except OSError:
        return None
    return path


def _versions() -> list[str]:
    lines = [
        f"tomotui {__version__}",
        f"Python {platform.python_version()} on {platform.system()} {platform.release()} "
        f"{platform.machine()}",
    ]
    for name in _PACKAGES:
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"{name} is not installed")
    lines.append(f"encoding {sys.getfilesystemencoding()}")
    return lines


def _environment() -> list[str]:
    return [
        f"{name}={'set' if name in _ONLY_WHETHER else os.environ[name]}"
        for name in _VARIABLES
        if os.environ.get(name)
    ]


def _last_lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _LOG_BYTES, 0))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return text.splitlines()[-LOG_LINES:]
