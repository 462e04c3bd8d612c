"""Opening the screens."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tomotui.cli.errors import WorkFailed


def require_terminal() -> None:
    """Raise `WorkFailed` when there is no terminal to draw on."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise WorkFailed(
            "the screens need a terminal; see `tomotui --help` for commands that do not"
        )


def open_project(
    folder: Path | None,
    *,
    read_only: bool = False,
    theme: str | None = None,
) -> int:
    """Open the app on a project folder, or on the welcome screen.

    Raises
    ------
    WorkFailed
        When there is no terminal to draw on.
    """
    require_terminal()
    # The screens multiply no matrices: threads for that would only slow the start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from tomotui.jobs.visitors import wants_read_only
    from tomotui.project.database import FILE_NAME
    from tomotui.tui.app import run

    chosen = (folder or Path.cwd()).expanduser().absolute()
    if folder is not None and not (chosen / FILE_NAME).exists():
        raise WorkFailed(f"{chosen} holds no project; make one with: tomotui init {chosen}")
    project = chosen if (chosen / FILE_NAME).exists() else None
    return run(project, read_only=read_only or wants_read_only(), theme=theme)
