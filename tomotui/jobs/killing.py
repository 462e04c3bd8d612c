"""Ending the processes of a task at once, from outside the agent."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tomotui.jobs.files import UnreadableFile, read_model
from tomotui.jobs.liveness import (
    ProcessIdentity,
    identity_of,
    is_alive,
    kill_session,
    session_members,
    this_host,
)
from tomotui.jobs.specification import WORKER_FILE, WorkerInfo
from tomotui.records import Task


def kill_task(project_folder: Path, task: Task) -> bool:
    """End every process of a task on this host with SIGKILL.

    Returns
    -------
    bool
        False when none is proven to live here: the number of a process alone proves nothing.
    """
    leader = _leader_of(project_folder / task.folder, task) if task.status.is_active else None
    if leader is None or not (is_alive(leader) or session_members(leader)):
        return False
    kill_session(leader)
    if is_alive(leader):
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader.pid, signal.SIGKILL)
    return True


def _leader_of(folder: Path, task: Task) -> ProcessIdentity | None:
    """Return the process that supervises the present attempt, where that is known for certain."""
    try:
        found = read_model(folder / WORKER_FILE, WorkerInfo)
    except UnreadableFile:
        found = None
    if found is not None and found.attempt == task.attempt:
        return found.supervisor
    if task.pid is not None and task.host == this_host():
        return identity_of(task.pid, argument=str(folder))
    return None
