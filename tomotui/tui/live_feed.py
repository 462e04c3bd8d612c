"""What the live screen shows, as values that can be compared: no times of last looks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tomotui.jobs.board import BoardRow, read_board
from tomotui.jobs.watch_presence import WatchStatus, watch_statuses
from tomotui.project import Project
from tomotui.tui.snapshots import NO_COUNTS, Counts, read_counts


@dataclass(frozen=True)
class WatchLine:
    """A folder that is, or was, watched; ``waiting`` are files and why they were not taken."""

    folder: Path
    recipe: str
    is_alive: bool
    process: str
    taken: int = 0
    waiting: tuple[tuple[str, str], ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class LiveSnapshot:
    """The board, the newest series first, and who watches."""

    rows: tuple[BoardRow, ...] = ()
    watchers: tuple[WatchLine, ...] = ()
    counts: Counts = NO_COUNTS


def read_live(project: Project, subject: object = None) -> LiveSnapshot:
    """Read the board of a project."""
    return LiveSnapshot(read_board(project), read_watchers(project.folder), read_counts(project))


def read_watchers(project_folder: Path) -> tuple[WatchLine, ...]:
    """Return who watches folders for a project."""
    return tuple(map(_line, watch_statuses(project_folder)))


def _line(status: WatchStatus) -> WatchLine:
    info = status.info
    return WatchLine(
        folder=info.options.folder,
        recipe=Path(info.options.recipe).stem,
        is_alive=status.is_alive,
        process=f"{info.process.pid} on {info.process.host}",
        taken=info.taken,
        waiting=tuple((Path(path).name, reason) for path, reason in info.waiting.items()),
        trouble=info.trouble,
    )
