"""The files of a job's folder: what a worker is told, and what it tells.

A job's folder is complete in itself: it can be run again by hand, or copied to a colleague.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tomotui.jobs.files import UnreadableFile, read_model
from tomotui.jobs.liveness import ProcessIdentity
from tomotui.records import AnyRecord, ParticleSet, RecipeStep

JOB_FILE = "job.json"
TASK_FILE = "task.json"
WORKER_FILE = "worker.json"
HEARTBEAT_FILE = "heartbeat.json"
EVENTS_FILE = "events.jsonl"
LOG_FILE = "log.txt"
PARTICLES_FILE = "particles.npz"
RESULT_FILE = "result.json"
EXIT_FILE = "exit.json"
CANCEL_FILE = "cancel"
LOCK_FILE = "task.lock"


class JobFile(BaseModel):
    """A file beside a job or a project: immutable once read.

    Fields that a newer program has added are ignored, so that folders stay readable.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", ser_json_inf_nan="constants", defer_build=True
    )


class JobSpecification(JobFile):
    """``job.json``: the whole wish, written once.

    Attributes
    ----------
    overrides
        By target the parameters in which it differs from the job; ``None`` in files of older
        programs, which do not tell.
    """

    id: int
    stage: str
    parameters: dict[str, Any]
    targets: tuple[str, ...]
    after: tuple[int, ...] = ()
    optional_after: tuple[int, ...] = ()
    overrides: dict[str, dict[str, Any]] | None = None
    executor: str = "local"
    profile: str = ""
    label: str = ""
    created_at: float
    version: str
    step: RecipeStep | None = None


class TaskSpecification(JobFile):
    """``task.json``: everything that one attempt at a task needs.

    Attributes
    ----------
    parameters
        The full set, defaults included.
    inputs
        The records to work on, by kind.
    gpu
        The GPU to use, or several, as CUDA_VISIBLE_DEVICES names them; empty for none.
    threads
        How many threads the libraries may use.
    processes, nodes
        How many processes share the task on each node, and how many nodes there are.
    has_particles
        Whether the particles to work on lie beside, in ``particles.npz``.
    """

    job_id: int
    stage: str
    target: str
    attempt: int
    parameters: dict[str, Any]
    inputs: dict[str, list[AnyRecord]] = Field(default_factory=dict)
    gpu: str = ""
    threads: int = 1
    processes: int = 1
    nodes: int = 1
    project_folder: Path
    heartbeat_seconds: float = 2.0
    kill_after_seconds: float = 10.0
    has_particles: bool = False
    version: str

    @property
    def is_shared(self) -> bool:
        """Whether several processes work on it together."""
        return self.processes * self.nodes > 1

    @property
    def input_uids(self) -> list[str]:
        """Identities of the records to work on."""
        return [record.uid for records in self.inputs.values() for record in records]


class WorkerInfo(JobFile):
    """``worker.json``: the process that works on the task."""

    attempt: int
    supervisor: ProcessIdentity
    child_pid: int
    started_at: float


class Heartbeat(JobFile):
    """``heartbeat.json``: a sign of life.

    ``sequence`` grows by one each time: clocks of two hosts need not agree. ``gpu_own_bytes`` is
    the task's share of the GPU's memory.
    """

    attempt: int
    sequence: int
    at: float
    memory_bytes: int = 0
    cpu_percent: float = 0.0
    gpu_memory_bytes: int | None = None
    gpu_percent: float | None = None
    gpu_own_bytes: int | None = None


class ExitReport(JobFile):
    """``exit.json``: how the working process ended, with the reason in words."""

    attempt: int
    exit_code: int | None = None
    signal: int | None = None
    reason: str
    at: float


class CandidateFile(JobFile):
    """Particles that were found in one tomogram: the columns are in a file of the task's folder."""

    particle_set: ParticleSet
    tomogram_uid: str
    path: str
    same_within_angstrom: float


class TaskResult(JobFile):
    """``result.json``: what came of one attempt; written last.

    ``particles`` names files of the task's folder with the rows of particle sets among the records;
    ``out_of_gpu_memory`` tells that a smaller batch did not help either.
    """

    attempt: int
    status: Literal["done", "failed", "cancelled"]
    message: str = ""
    remedy: str = ""
    records: tuple[AnyRecord, ...] = ()
    particles: tuple[str, ...] = ()
    candidates: tuple[CandidateFile, ...] = ()
    parents: tuple[str, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    summary: str = ""
    out_of_gpu_memory: bool = False
    version: str
    duration_seconds: float


def heartbeat_of(task_folder: Path) -> Heartbeat | None:
    """Return the last sign of life of a task's worker, or ``None`` when there is none."""
    try:
        return read_model(task_folder / HEARTBEAT_FILE, Heartbeat)
    except UnreadableFile:
        return None
