"""Jobs and their tasks: what was asked, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from tomotui.records.base import Value


class Status(StrEnum):
    """The state of a task or a job.

    ``queued`` waits for a slot or for other jobs, ``starting`` has been launched but has not
    spoken yet, ``lost`` means that its process vanished without a word.
    """

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    LOST = "lost"

    @property
    def is_finished(self) -> bool:
        """True when nothing more will happen by itself."""
        return self in FINISHED

    @property
    def is_active(self) -> bool:
        """True while a process is, or may be, at work."""
        return self in (Status.STARTING, Status.RUNNING)


FINISHED = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED, Status.SKIPPED, Status.LOST})


class Target(Value):
    """What one task of a job works on.

    Attributes
    ----------
    name
        Name of a tilt series (or of the series an import will make).
    parameters
        Values that differ from the job's own for this target.
    """

    name: str = Field(min_length=1)
    parameters: dict[str, Any] = Field(default_factory=dict)


class RecipeStep(Value):
    """The place of a job in a run of a recipe.

    Attributes
    ----------
    recipe
        Name of the recipe.
    run
        Identity shared by the jobs that were queued together.
    name
        Name of the step.
    when
        Condition under which a task of the job runs; empty for none.
    optional
        Whether what waits for it goes on whatever comes of it.
    earlier
        Jobs of the steps before, by name: what the condition may ask about.
    """

    recipe: str
    run: str
    name: str
    when: str = ""
    optional: bool = False
    earlier: dict[str, int] = Field(default_factory=dict)


class JobRequest(Value):
    """A wish: run a stage on targets.

    Attributes
    ----------
    after
        Jobs to wait for. A task waits only for the tasks of the same target where the earlier
        job has one, and otherwise for the whole job.
    optional_after
        Those of ``after`` that need not succeed: they are waited for, whatever comes of them.
    executor, profile
        Where to run: on this machine, perhaps with ``2 processes`` as its profile, or through
        SLURM with what a profile of the cluster asks for.
    step
        Where the wish belongs in a recipe; ``None`` for one that was made by hand.
    """

    stage: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    targets: tuple[Target, ...] = Field(min_length=1)
    after: tuple[int, ...] = ()
    optional_after: tuple[int, ...] = ()
    executor: Literal["local", "slurm"] = "local"
    profile: str = ""
    label: str = ""
    step: RecipeStep | None = None


class Job(Value):
    """A job as the project file knows it; times are seconds since the epoch."""

    id: int
    stage: str
    status: Status
    parameters: dict[str, Any]
    targets: tuple[str, ...]
    after: tuple[int, ...] = ()
    optional_after: tuple[int, ...] = ()
    executor: str = "local"
    profile: str = ""
    label: str = ""
    folder: str
    progress: float = 0.0
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    error: str = ""
    version: str = ""
    step: RecipeStep | None = None

    @property
    def name(self) -> str:
        """The job's name, such as ``0007-align``."""
        return f"{self.id:04d}-{self.stage}"


class Task(Value):
    """One unit of a job: one target, one process.

    Attributes
    ----------
    attempt
        Counted from 1; ``retry`` adds one.
    progress
        Fraction done, 0..1.
    eta_seconds
        Expected time to the end; ``None`` when unknown.
    heartbeat_at
        When the agent last saw the worker's heartbeat advance.
    event_offset
        Bytes of ``events.jsonl`` already taken into the project file.
    """

    id: int
    job_id: int
    stage: str
    target: str
    status: Status
    attempt: int = 1
    parameters: dict[str, Any] = Field(default_factory=dict)
    folder: str
    progress: float = 0.0
    eta_seconds: float | None = None
    message: str = ""
    error: str = ""
    device: str = ""
    host: str = ""
    pid: int | None = None
    started_at: float | None = None
    finished_at: float | None = None
    heartbeat_at: float | None = None
    cancel_requested: bool = False
    event_offset: int = 0
    summary: str = ""


class Event(Value):
    """One line of a worker's ``events.jsonl``.

    ``kind`` is one of ``started``, ``progress``, ``metric``, ``log``, ``warning``,
    ``artifact``, ``checkpoint``, ``error``, ``finished``, ``adopted``; ``data`` holds what belongs
    to it.
    """

    kind: str
    at: float
    attempt: int = 1
    message: str = ""
    data: dict[str, Any] = Field(default_factory=dict)


class Metric(Value):
    """One measured value: ``name`` at ``step``."""

    name: str
    value: float
    step: float
    unit: str = ""
    at: float = 0.0
