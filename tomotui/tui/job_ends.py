"""Which jobs end while somebody looks elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tomotui.project import Project
from tomotui.records import Job, Status
from tomotui.tui.notifications import newly_ended


class JobEnds(NamedTuple):
    """What was found at one look.

    Attributes
    ----------
    ended
        Jobs that have ended since the look before.
    away
        At the first look: jobs that have ended while the program was not running.
    unfinished
        Numbers of those that have not ended.
    """

    ended: tuple[Job, ...] = ()
    away: tuple[Job, ...] = ()
    unfinished: tuple[int, ...] = ()


class JobEndsReader:
    """Finds the jobs that have ended between two looks at a project.

    Parameters
    ----------
    unfinished
        Numbers of the jobs that had not ended when the program was left.
    """

    def __init__(self, unfinished: Sequence[int] = ()) -> None:
        self._left = dict.fromkeys(unfinished, Status.RUNNING)
        self._before: dict[int, Status] | None = None

    def __call__(self, project: Project, subject: object = None) -> JobEnds:
        """Look at all jobs."""
        jobs = project.jobs()
        unfinished = tuple(job.id for job in jobs if not job.status.is_finished)
        before, self._before = self._before, {job.id: job.status for job in jobs}
        if before is None:
            left = [job for job in jobs if job.id in self._left]
            return JobEnds((), tuple(newly_ended(self._left, left)), unfinished)
        return JobEnds(tuple(newly_ended(before, jobs)), (), unfinished)
