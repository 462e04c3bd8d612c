"""What the project says of the hosts that work for it: jobs by state, and where tasks run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tomotui.jobs import agent_status, heartbeat_of
from tomotui.jobs.liveness import this_host
from tomotui.jobs.local import SlotState
from tomotui.project import Project
from tomotui.records import Status, Task
from tomotui.tui.job_usage import bucket
from tomotui.tui.snapshots import NO_COUNTS, Counts, read_counts


@dataclass(frozen=True)
class HostLine:
    """A host with running tasks of the project, or this one.

    Attributes
    ----------
    jobs
        Numbers of the jobs at work there, and on which device each.
    cpu_percent, memory_bytes
        Of all these tasks together, as their last signs of life said.
    heard_at
        When the newest sign of life came in, by the clock of the agent (epoch s).
    """

    host: str
    is_here: bool
    n_tasks: int = 0
    jobs: tuple[tuple[int, str], ...] = ()
    cpu_percent: float = 0.0
    memory_bytes: int = 0
    heard_at: float | None = None


@dataclass(frozen=True)
class ClusterSnapshot:
    """Jobs and tasks by state, the hosts at work, this one first, and the slots of the agent's."""

    jobs: tuple[tuple[Status, int], ...] = ()
    tasks: tuple[tuple[Status, int], ...] = ()
    hosts: tuple[HostLine, ...] = ()
    agent: str = ""
    slots: tuple[SlotState, ...] = ()
    counts: Counts = NO_COUNTS


class ClusterReader:
    """Reads what the project says of its hosts."""

    def __init__(self) -> None:
        self._any_active = False

    def __call__(self, project: Project, subject: object = None) -> ClusterSnapshot:
        """Read it."""
        active = project.active_tasks()
        self._any_active = bool(active)
        agent = agent_status(project.folder)
        return ClusterSnapshot(
            jobs=_in_order(Counter(job.status for job in project.jobs())),
            tasks=_in_order(project.task_counts()),
            hosts=read_hosts(project.folder, active),
            agent=agent.words,
            slots=agent.info.slots if agent.is_alive and agent.info is not None else (),
            counts=read_counts(project),
        )

    def pulse(self) -> int:
        """Return what changes when running tasks have something new to say."""
        return bucket() if self._any_active else 0


def _in_order(numbers: Mapping[Status, int]) -> tuple[tuple[Status, int], ...]:
    return tuple((status, numbers[status]) for status in Status if numbers.get(status))


def read_hosts(project_folder: Path, active: Sequence[Task]) -> tuple[HostLine, ...]:
    """Return a line for this host, and one for each other on which tasks run."""
    here = this_host()
    names = {task.host for task in active if task.host} - {here}
    return tuple(
        _host_line(project_folder, name, [task for task in active if task.host == name])
        for name in [here, *sorted(names)]
    )


def _host_line(project_folder: Path, host: str, tasks: Sequence[Task]) -> HostLine:
    beats = [beat for task in tasks if (beat := heartbeat_of(project_folder / task.folder))]
    heard = [task.heartbeat_at for task in tasks if task.heartbeat_at is not None]
    return HostLine(
        host=host,
        is_here=host == this_host(),
        n_tasks=len(tasks),
        jobs=tuple(sorted({(task.job_id, task.device) for task in tasks})),
        cpu_percent=round(sum(beat.cpu_percent for beat in beats), -1),
        memory_bytes=sum(beat.memory_bytes for beat in beats),
        heard_at=max(heard) if heard else None,
    )


def silence_seconds(line: HostLine, now: float | None = None) -> float | None:
    """Return for how long nothing was heard of a host; ``None`` when there is nothing to hear."""
    if line.heard_at is None:
        return None
    return max((time.time() if now is None else now) - line.heard_at, 0.0)
