"""How busy this machine is, and how much room is left where a project lies."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tomotui.jobs.devices import cpu_count
from tomotui.jobs.liveness import this_host
from tomotui.project.filesystem import file_system_type

QUOTA_PATIENCE_SECONDS = 5.0
_KIB = 1024


class MachineState(NamedTuple):
    """How busy the machine is.

    Attributes
    ----------
    n_processors
        That this program may use.
    cpu_percent
        Of all processors of the machine, since the look before.
    load
        Mean numbers of processes that run or wait, over 1, 5 and 15 minutes.
    memory_bytes
        What programs hold and cannot be given to others.
    """

    host: str
    n_processors: int
    cpu_percent: float
    load: tuple[float, float, float]
    memory_bytes: int
    total_bytes: int


class DiskState(NamedTuple):
    """The room of a folder; quotas are ``None`` where there is none, or it cannot be read.

    Attributes
    ----------
    quota_bytes, quota_used_bytes
        What the user may fill of the file system, and has.
    """

    folder: Path
    kind: str
    free_bytes: int
    total_bytes: int
    quota_used_bytes: int | None = None
    quota_bytes: int | None = None


def read_machine() -> MachineState:
    """Return how busy this machine is; the first look knows nothing of its processors."""
    import psutil

    memory = psutil.virtual_memory()
    return MachineState(
        host=this_host(),
        n_processors=cpu_count(),
        cpu_percent=psutil.cpu_percent(),
        load=os.getloadavg(),
        memory_bytes=memory.total - memory.available,
        total_bytes=memory.total,
    )


def read_disk(folder: Path) -> DiskState:
    """Return the room that is left where a folder lies.

    Raises
    ------
    OSError
        When the folder cannot be reached.
    """
    usage = shutil.disk_usage(folder)
    kind = file_system_type(folder)
    used, limit = _quota(folder, kind)
    return DiskState(folder, kind, usage.free, usage.total, used, limit)


def _quota(folder: Path, kind: str) -> tuple[int | None, int | None]:
    """Return what the user has filled and may fill, in bytes, where a command tells."""
    if kind == "lustre" and shutil.which("lfs"):
        return quota_in(_said("lfs", "quota", "-q", "-u", str(os.getuid()), str(folder)))
    if shutil.which("quota"):
        return quota_in(_said("quota", "-w", "-p", "-f", str(_mount_point(folder))))
    return None, None


def _said(*command: str) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=QUOTA_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def quota_in(words: str) -> tuple[int | None, int | None]:
    """Return used and allowed bytes from what ``quota -w`` or ``lfs quota -q`` has printed.

    Both give a line with the file system, the KiB used (with a star when they are too many),
    the soft limit and the hard limit; 0 is no limit.
    """
    for line in words.splitlines():
        fields = line.split()
        numbers = [field.rstrip("*") for field in fields[1:4]]
        if len(numbers) == 3 and all(number.isdecimal() for number in numbers):
            used, soft, hard = (int(number) * _KIB for number in numbers)
            return (used, soft or hard) if soft or hard else (None, None)
    return None, None


def _mount_point(folder: Path) -> Path:
    place = folder.resolve()
    while not os.path.ismount(place):
        place = place.parent
    return place
