"""Who watches folders for a project: told by files in the project's folder, as for the agent."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from tomotui.jobs.files import UnreadableFile, is_locked, read_model
from tomotui.jobs.liveness import ProcessIdentity, is_alive
from tomotui.jobs.local import spawn_detached
from tomotui.jobs.specification import JobFile
from tomotui.project import ProjectError

WATCH_FOLDER = "watch"
FRESH_SECONDS = 60.0
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


class WatchOptions(JobFile):
    """What is watched, and what is done with what arrives.

    Attributes
    ----------
    recipe
        Name or file of the recipe.
    patterns
        Which files, as `Path.glob` takes them; the stacks of the folder when empty.
    settle_seconds
        A series is taken when its files have not changed for so long.
    every_seconds
        Pause between two looks.
    once
        End when what is there has been taken.
    import_parameters
        What is said about all stacks, beside what the recipe says.
    motion_parameters
        The same about series that come as movies.
    """

    folder: Path
    recipe: str = "standard"
    patterns: tuple[str, ...] = ()
    settle_seconds: float = Field(default=120.0, ge=0)
    every_seconds: float = Field(default=5.0, gt=0)
    once: bool = False
    import_parameters: dict[str, Any] = Field(default_factory=dict)
    motion_parameters: dict[str, Any] = Field(default_factory=dict)


class WatchInfo(JobFile):
    """``watch/NAME.json``: who watches a folder, and what is there that was not taken."""

    process: ProcessIdentity
    started_at: float
    heartbeat_at: float
    version: str
    options: WatchOptions
    taken: int = 0
    waiting: dict[str, str] = Field(default_factory=dict)
    trouble: str = ""


class WatchStatus(NamedTuple):
    """Whether a watcher lives, and what it last said."""

    is_alive: bool
    info: WatchInfo

    @property
    def words(self) -> str:
        """One line for people."""
        info = self.info
        who = f"process {info.process.pid} on {info.process.host}"
        if not self.is_alive:
            return f"{info.options.folder} is not watched any more (the last was {who})"
        return f"{info.options.folder} is watched by {who}, recipe {info.options.recipe}"


class WatchFiles(NamedTuple):
    """The files of the watcher of one folder."""

    info: Path
    lock: Path
    log: Path
    stop: Path


def watch_files(project_folder: Path, watched: Path) -> WatchFiles:
    """Return where the watcher of a folder keeps its files."""
    digest = hashlib.sha256(str(watched).encode()).hexdigest()[:8]
    name = f"{_UNSAFE.sub('_', watched.name).strip('.')[:60] or 'folder'}-{digest}"
    place = project_folder / WATCH_FOLDER
    return WatchFiles(*(place / f"{name}.{end}" for end in ("json", "lock", "log", "stop")))


def watch_statuses(project_folder: Path | str) -> list[WatchStatus]:
    """Return what is known of every watcher of a project, the living ones first."""
    found = []
    for path in sorted((Path(project_folder) / WATCH_FOLDER).glob("*.json")):
        with contextlib.suppress(UnreadableFile):
            info = read_model(path, WatchInfo)
            if info is not None:
                found.append(WatchStatus(_lives(info, path), info))
    return sorted(found, key=lambda status: not status.is_alive)


def _lives(info: WatchInfo, path: Path) -> bool:
    if info.process.is_here:
        return is_alive(info.process) and is_locked(path.with_suffix(".lock"))
    return time.time() - info.heartbeat_at < FRESH_SECONDS


def status_of(project_folder: Path, watched: Path) -> WatchStatus | None:
    """Return what is known of the watcher of a folder."""
    wanted = watch_files(project_folder, watched).info
    with contextlib.suppress(UnreadableFile):
        info = read_model(wanted, WatchInfo)
        return WatchStatus(_lives(info, wanted), info) if info is not None else None
    return None


def stop_watch(project_folder: Path, status: WatchStatus, patience_seconds: float = 10.0) -> bool:
    """Ask a watcher to end; its jobs go on. Returns whether it has ended by then."""
    watched = status.info.options.folder
    # The file reaches a watcher on another host, the signal one on this host at once.
    watch_files(project_folder, watched).stop.touch()
    if status.info.process.is_here and is_alive(status.info.process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(status.info.process.pid, signal.SIGTERM)
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        now = status_of(project_folder, watched)
        if now is None or not now.is_alive:
            return True
        time.sleep(0.05)
    return False


def start_watch(
    project_folder: Path, options: WatchOptions, patience_seconds: float = 20.0
) -> WatchStatus:
    """Start a watcher that outlives the caller and its terminal.

    Raises
    ------
    ProjectError
        When it cannot be started, or ends at once.
    """
    files = watch_files(project_folder, options.folder)
    try:
        files.info.parent.mkdir(exist_ok=True)
        process = spawn_detached(
            "tomotui.jobs.watch",
            project_folder,
            options.model_dump_json(),
            folder=project_folder,
            log=files.log,
        )
    except OSError as error:
        raise ProjectError(
            f"watching {options.folder} cannot be started: {error}.",
            "Watch in the foreground, without --detach.",
        ) from error
    return _wait_for(project_folder, options, process, patience_seconds)


def _wait_for(
    project_folder: Path,
    options: WatchOptions,
    process: subprocess.Popen[bytes],
    patience_seconds: float,
) -> WatchStatus:
    files = watch_files(project_folder, options.folder)
    deadline = time.monotonic() + patience_seconds
    while True:
        ended = process.poll()
        status = status_of(project_folder, options.folder)
        mine = status is not None and status.info.process.pid == process.pid
        if status is not None and mine and (status.is_alive or ended == 0):
            return status
        if ended is not None or time.monotonic() > deadline:
            raise ProjectError(
                f"watching {options.folder} has not started: {_last_line(files.log)}",
                f"See {files.log}.",
            )
        time.sleep(0.02)


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing."
    return "it said nothing."
