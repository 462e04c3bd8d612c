"""Whose a process is: which user's, and which job's when it belongs to a worker of ours.

A worker leads a session of its own, and its command line names the folder of its task. So a
process tells its job without any database, also that of another project or another user.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

WORKER_MODULES = ("tomotui.jobs.worker", "tomotui.jobs.ranks")


class Owner(NamedTuple):
    """Whose a process is.

    Attributes
    ----------
    user
        Empty when the system does not tell.
    command
        Name of its program; empty when the system does not tell.
    project_folder, job_id
        Of the job that it works on; ``None`` when it is not one of ours.
    """

    user: str = ""
    command: str = ""
    project_folder: Path | None = None
    job_id: int | None = None

    def words(self, project_folder: Path | None = None) -> str:
        """Return a name for tables: ``job 12``, with its project when that is another, or a user.

        Parameters
        ----------
        project_folder
            The project that is open.
        """
        if self.job_id is None:
            return self.user or "somebody"
        if self.project_folder == project_folder:
            return f"job {self.job_id}"
        name = self.project_folder.name if self.project_folder is not None else "?"
        return f"job {self.job_id} of {name}"


def owner_of(pid: int) -> Owner:
    """Return whose a process of this host is, as far as the system tells."""
    import psutil

    try:
        process = psutil.Process(pid)
        user, command = process.username(), process.name()
    except (psutil.Error, OSError):
        return Owner()
    try:
        leader = psutil.Process(os.getsid(pid)).cmdline()
    except (psutil.Error, OSError):
        return Owner(user, command)
    project_folder, job_id = job_in(leader)
    return Owner(user, command, project_folder, job_id)


def job_in(words: list[str]) -> tuple[Path | None, int | None]:
    """Return the project and the job that the command line of a worker names."""
    places = [words.index(module) for module in WORKER_MODULES if module in words[:-1]]
    if not places:
        return None, None
    # PROJECT/jobs/0012-align/TASK
    task_folder = Path(words[places[0] + 1])
    number = task_folder.parent.name.partition("-")[0]
    if not number.isdecimal() or len(task_folder.parents) < 3:
        return None, None
    return task_folder.parents[2], int(number)
