"""Whether a process that was started earlier, perhaps by somebody else, still lives.

A process number alone proves nothing: numbers are given again. Together with the time at which
the process was started, the boot of the machine and the host it names one process for ever.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tomotui.records import Value

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies, however that happens."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class ProcessIdentity(Value):
    """One process, for ever.

    Attributes
    ----------
    start_ticks
        Start time in clock ticks since boot, field 22 of ``/proc/PID/stat``.
    boot_id
        Changes at every boot of the machine.
    """

    pid: int
    start_ticks: int
    boot_id: str
    host: str

    @property
    def is_here(self) -> bool:
        """Whether the process is, or was, on this host."""
        return self.host == this_host()

    @property
    def is_of_this_boot(self) -> bool:
        """Whether the machine has been up since the process was started."""
        return self.boot_id == boot_id()


class _Stat(NamedTuple):
    state: str
    session: int
    start_ticks: int


@cache
def this_host() -> str:
    """Return the name of this host."""
    return socket.gethostname()


@cache
def boot_id() -> str:
    """Return what identifies the present boot of this machine; empty when it is not known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def identity_of(pid: int, argument: str | None = None) -> ProcessIdentity | None:
    """Return the identity of a process of this host, or ``None`` when there is none.

    Parameters
    ----------
    argument
        Only a process that has this among the words of its command line.
    """
    stat = _stat(pid)
    if stat is None or (argument is not None and argument not in _words(pid)):
        return None
    return ProcessIdentity(
        pid=pid, start_ticks=stat.start_ticks, boot_id=boot_id(), host=this_host()
    )


def own_identity() -> ProcessIdentity:
    """Return the identity of this process."""
    found = identity_of(os.getpid())
    assert found is not None
    return found


def is_alive(identity: ProcessIdentity) -> bool:
    """Return whether a process of this host still runs; a zombie does not."""
    if not identity.is_here or not identity.is_of_this_boot:
        return False
    stat = _stat(identity.pid)
    return stat is not None and stat.start_ticks == identity.start_ticks and stat.state not in "ZX"


def session_members(leader: ProcessIdentity) -> list[int]:
    """Return the living processes of the session that a process of this host has led.

    The leader itself may be dead. Its number is not given to another process while any member
    of the session lives, so a leader with another start time proves that all of them are gone.
    """
    if not leader.is_here or not leader.is_of_this_boot:
        return []
    present = _stat(leader.pid)
    if present is not None and present.start_ticks != leader.start_ticks:
        return []
    members = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            stat = _stat(int(entry.name))
            if stat is not None and stat.session == leader.pid and stat.state not in "ZX":
                members.append(int(entry.name))
    return members


def kill_session(leader: ProcessIdentity, spare: int | None = None) -> None:
    """End every process of a session with SIGKILL, but for one."""
    for pid in session_members(leader):
        if pid != spare:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name of the program stands in parentheses and may hold anything.
    fields = text[text.rfind(")") + 2 :].split()
    return _Stat(state=fields[0], session=int(fields[3]), start_ticks=int(fields[19]))


def _words(pid: int) -> list[str]:
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
    except OSError:
        return []
