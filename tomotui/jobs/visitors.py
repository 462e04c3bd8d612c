"""Who has a project open on a screen: told by small files in the project's folder.

``visitors/HOST-PID.json`` is written when a project is opened, again now and then, and removed
at the end. What a crash leaves is passed over: on the same host the process is known to be gone,
on others the file has not been written for a while.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tomotui.jobs.files import UnreadableFile, read_model, write_model
from tomotui.jobs.liveness import ProcessIdentity, is_alive, own_identity
from tomotui.jobs.specification import JobFile

VISITORS_FOLDER = "visitors"
REWRITE_SECONDS = 30.0
FRESH_SECONDS = 120.0
FORGOTTEN_SECONDS = 86400.0
READ_ONLY_VARIABLE = "TOMOTUI_READ_ONLY"

_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
_NO = ("", "0", "no", "false", "off")


class VisitorInfo(JobFile):
    """Who has the project open.

    Attributes
    ----------
    seen_at
        When the file was written last, by the clock of its host (epoch s).
    """

    process: ProcessIdentity
    user: str
    started_at: float
    seen_at: float
    read_only: bool = False


class Visitor(NamedTuple):
    """Somebody else who looks at the project."""

    user: str
    host: str
    pid: int
    started_at: float
    read_only: bool


class Presence:
    """Tells others that this process has a project open, and who they are.

    A folder that cannot be written keeps nobody from looking: then others are not told.
    """

    def __init__(self, project_folder: Path, read_only: bool = False) -> None:
        self._folder = project_folder / VISITORS_FOLDER
        self._identity = own_identity()
        self._read_only = read_only
        self._started_at = time.time()
        self._written_at: float | None = None
        host = _UNSAFE.sub("_", self._identity.host).strip(".")[:60] or "host"
        self._path = self._folder / f"{host}-{self._identity.pid}.json"

    def others(self) -> tuple[Visitor, ...]:
        """Say that this process is here, when it is time to, and return who else is."""
        now = time.monotonic()
        if self._written_at is None or now - self._written_at >= REWRITE_SECONDS:
            self._written_at = now
            self._announce()
        return tuple(
            Visitor(
                info.user,
                info.process.host,
                info.process.pid,
                info.started_at,
                info.read_only,
            )
            for path, info in _infos(self._folder)
            if path != self._path and _is_here(info)
        )

    def leave(self) -> None:
        """Take the file away."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
            self._folder.rmdir()

    def _announce(self) -> None:
        info = VisitorInfo(
            process=self._identity,
            user=user_name(),
            started_at=self._started_at,
            seen_at=time.time(),
            read_only=self._read_only,
        )
        with contextlib.suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            write_model(self._path, info, durable=False)
        for path, other in _infos(self._folder):
            if path != self._path and _is_forgotten(other):
                with contextlib.suppress(OSError):
                    path.unlink()


def _infos(folder: Path) -> list[tuple[Path, VisitorInfo]]:
    found = []
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(UnreadableFile):
            info = read_model(path, VisitorInfo)
            if info is not None:
                found.append((path, info))
    return found


def _is_here(info: VisitorInfo) -> bool:
    if info.process.is_here:
        return is_alive(info.process)
    return abs(time.time() - info.seen_at) < FRESH_SECONDS


def _is_forgotten(info: VisitorInfo) -> bool:
    """Return whether it is certain that nobody misses a file."""
    if info.process.is_here:
        return not is_alive(info.process)
    return time.time() - info.seen_at > FORGOTTEN_SECONDS


def user_name() -> str:
    """Return the name of who runs this program; the number where there is no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def words_of(visitors: Sequence[Visitor], me: str, myself: str) -> str:
    """Return who else looks at the project, such as ``ana, ben``; empty when nobody does.

    Parameters
    ----------
    me
        The name of the user of this screen, who may have another open.
    myself
        What that user is called then.
    """
    names = dict.fromkeys(myself if one.user == me else one.user for one in visitors)
    return ", ".join(sorted(names, key=lambda name: (name == myself, name)))


def wants_read_only(value: str | None = None) -> bool:
    """Return whether ``TOMOTUI_READ_ONLY`` asks to look and change nothing.

    Anything but nothing, ``0``, ``no``, ``false`` and ``off`` does.
    """
    said = os.environ.get(READ_ONLY_VARIABLE, "") if value is None else value
    return said.strip().lower() not in _NO
