"""What the screens show, as values read from the project in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tomotui.jobs.figures import Figures, read_figures
from tomotui.jobs.usage import UsageSample
from tomotui.project import Project, SeriesRow
from tomotui.records import (
    Alignment,
    Event,
    Job,
    JobRequest,
    Metric,
    Status,
    Task,
    TiltSeries,
    Tomogram,
)
from tomotui.tui.job_usage import Use, bucket, usage_bucket, usage_of, use_of
from tomotui.tui.training_pictures import PicturesReader, TrainingPictures
from tomotui.tui.wording import listed, one_line


@dataclass(frozen=True)
class Counts:
    """How many tasks are in each state that concerns the user, over all jobs."""

    running: int = 0
    queued: int = 0
    failed: int = 0


NO_COUNTS = Counts()


@dataclass(frozen=True)
class DatasetsSnapshot:
    """The matrix of tilt series and stages."""

    rows: tuple[SeriesRow, ...] = ()
    counts: Counts = NO_COUNTS
    figures: dict[str, Figures] = field(default_factory=dict)


@dataclass(frozen=True)
class SeriesDetail:
    """One tilt series with the newest that was made of it.

    Attributes
    ----------
    filled
        How well the network of a restored tomogram fills a wedge whose truth is known, and what
        the same gives for data without structure, as correlations; ``None`` when not known.
    """

    name: str
    row: SeriesRow | None = None
    alignment: Alignment | None = None
    tomogram: Tomogram | None = None
    folder: Path = Path()
    filled: tuple[float, float] | None = None


@dataclass(frozen=True)
class JobLine:
    """A job with what its tasks say together."""

    job: Job
    n_by_status: dict[Status, int] = field(default_factory=dict)
    eta_seconds: float | None = None
    device: str = ""
    host: str = ""
    heartbeat_at: float | None = None
    note: str = ""
    failed_targets: tuple[str, ...] = ()
    use: Use | None = None


@dataclass(frozen=True)
class JobsSnapshot:
    """All jobs, newest first."""

    lines: tuple[JobLine, ...] = ()
    counts: Counts = NO_COUNTS


@dataclass(frozen=True)
class JobDetail:
    """One job with its tasks; events, metrics and pictures are of the task looked at."""

    line: JobLine
    tasks: tuple[Task, ...]
    target: str
    request: JobRequest
    events: tuple[Event, ...] = ()
    metrics: dict[str, list[Metric]] = field(default_factory=dict)
    counts: Counts = NO_COUNTS
    pictures: TrainingPictures | None = None
    usage: tuple[UsageSample, ...] = ()

    @property
    def task(self) -> Task | None:
        """The task looked at."""
        return next((task for task in self.tasks if task.target == self.target), None)


def read_datasets(project: Project, subject: object = None) -> DatasetsSnapshot:
    """Read the matrix of a project."""
    return DatasetsSnapshot(tuple(project.matrix()), read_counts(project), read_figures(project))


def read_series(project: Project, name: str | None) -> SeriesDetail | None:
    """Read what the details of a tilt series show."""
    if name is None:
        return None
    row = project.matrix_row(name)
    if row is None or row.series is None:
        return SeriesDetail(name, row, folder=project.folder)
    series: TiltSeries = row.series
    alignment = project.latest("alignment", series.uid)
    tomogram = project.latest("tomogram", series.uid)
    return SeriesDetail(
        name,
        row,
        alignment if isinstance(alignment, Alignment) else None,
        tomogram if isinstance(tomogram, Tomogram) else None,
        project.folder,
        _filled(project, row) if getattr(tomogram, "restored", False) else None,
    )


def _filled(project: Project, row: SeriesRow) -> tuple[float, float] | None:
    """Return the figures of the newest restoration, when that has succeeded."""
    cell = row.cells.get("restore")
    if cell is None or cell.status != Status.DONE or cell.job_id is None:
        return None
    metrics = project.metrics(cell.job_id, row.name)
    found = [metrics.get(name) for name in ("filled_correlation", "null_correlation")]
    values = [each[-1].value for each in found if each]
    return (values[0], values[1]) if len(values) == 2 else None


class JobsReader:
    """Reads the table of jobs; the lines of finished jobs are kept, for they change no more."""

    def __init__(self) -> None:
        self._finished: dict[int, JobLine] = {}
        self._any_active = False

    def __call__(self, project: Project, agent_lives: bool | None) -> JobsSnapshot:
        """Read all jobs, newest first."""
        lines = [self._line(project, job, agent_lives) for job in reversed(project.jobs())]
        self._any_active = any(line.job.status.is_active for line in lines)
        return JobsSnapshot(tuple(lines), read_counts(project))

    def _line(self, project: Project, job: Job, agent_lives: bool | None) -> JobLine:
        known = self._finished.get(job.id)
        if known is not None and known.job == job:
            return known
        tasks = project.tasks(job.id)
        line = line_of(job, tasks, agent_lives)
        if job.status.is_finished:
            self._finished[job.id] = line
        elif job.status.is_active:
            line = replace(line, use=use_of(project.folder, tasks))
        return line

    def pulse(self) -> int:
        """Return what changes when there is more to say of what running jobs use."""
        return bucket() if self._any_active else 0


def read_counts(project: Project) -> Counts:
    """Count the tasks that run, wait or have failed.

    A failure counts until a later job of the same stage works on the same target.
    """
    numbers = project.task_counts()
    return Counts(
        running=sum(n for status, n in numbers.items() if status.is_active),
        queued=numbers.get(Status.QUEUED, 0),
        failed=project.n_open_failures(),
    )


def read_job(project: Project, subject: tuple[int, str | None]) -> JobDetail:
    """Read a job and the task of one of its targets (``None``: the most interesting one)."""
    job_id, target = subject
    job = project.job(job_id)
    tasks = project.tasks(job_id)
    target = target if target in job.targets else _most_interesting(tasks)
    metrics = project.metrics(job_id, target)
    kinds = ("warning", "artifact", "error", "checkpoint")
    return JobDetail(
        line=line_of(job, tasks),
        tasks=tuple(tasks),
        target=target,
        request=project.clone_request(job_id),
        events=tuple(project.events(job_id, target, kinds, 100)),
        metrics=metrics,
        counts=read_counts(project),
    )


class JobReader:
    """Reads a job, with the pictures of its training where it has any."""

    def __init__(self) -> None:
        self._pictures = PicturesReader()
        self._looked_at: tuple[Path, Task] | None = None

    def __call__(self, project: Project, subject: tuple[int, str | None]) -> JobDetail:
        """Read a job and the task of one of its targets."""
        detail = read_job(project, subject)
        task = detail.task
        if task is None:
            return detail
        self._looked_at = project.folder, task
        return replace(
            detail,
            pictures=self._pictures.read(project.folder, task.folder),
            usage=usage_of(project.folder, task),
        )

    def pulse(self) -> tuple[int, int]:
        """Return what changes when there are other pictures, or more is known of the use."""
        usage = usage_bucket(*self._looked_at) if self._looked_at else 0
        return self._pictures.modified_ns(), usage


def line_of(job: Job, tasks: Sequence[Task], agent_lives: bool | None = None) -> JobLine:
    """Put together what the tasks of a job say."""
    numbers: dict[Status, int] = {}
    for task in tasks:
        numbers[task.status] = numbers.get(task.status, 0) + 1
    active = [task for task in tasks if task.status.is_active]
    heard = [task.heartbeat_at for task in active if task.heartbeat_at is not None]
    return JobLine(
        job=job,
        n_by_status=numbers,
        eta_seconds=_eta(job, tasks, active),
        device=listed(sorted({task.device for task in active or tasks if task.device})),
        host=listed(sorted({task.host for task in active or tasks if task.host})),
        # The least recent sign of life is the one to worry about.
        heartbeat_at=min(heard) if heard else None,
        note=one_line(_note(job, tasks, agent_lives)),
        failed_targets=tuple(
            task.target for task in tasks if task.status in (Status.FAILED, Status.LOST)
        ),
    )


def _eta(job: Job, tasks: Sequence[Task], active: Sequence[Task]) -> float | None:
    """Return the time to the end: the task's own estimate, or that of the tasks done so far."""
    if len(tasks) == 1:
        return tasks[0].eta_seconds
    times = [
        task.finished_at - task.started_at
        for task in tasks
        if task.status == Status.DONE and task.finished_at and task.started_at
    ]
    known = [task.eta_seconds for task in active if task.eta_seconds is not None]
    waiting = sum(task.status == Status.QUEUED for task in tasks)
    if not active or (waiting and not times):
        return max(known) if known and not waiting else None
    mean = sum(times) / len(times) if times else 0.0
    return (max(known) if known else mean) + waiting * mean / len(active)


def _note(job: Job, tasks: Sequence[Task], agent_lives: bool | None) -> str:
    """Return why a job waits, what it does, or what went wrong."""
    failed = next((task for task in tasks if task.status in (Status.FAILED, Status.LOST)), None)
    if job.status == Status.QUEUED:
        if agent_lives is False:
            return "no agent is at work: run  tomotui agent"
        if job.after:
            return f"after {', '.join(str(each) for each in job.after)}"
        return "waits for a free slot"
    if failed is not None:
        return failed.error or failed.message
    if job.status.is_active:
        stopping = any(task.cancel_requested for task in tasks)
        active = next((task.message for task in tasks if task.status.is_active), "")
        return "stopping" if stopping else active
    if len(tasks) == 1:
        return tasks[0].summary or job.error
    return job.error


def _most_interesting(tasks: Sequence[Task]) -> str:
    for statuses in ((Status.FAILED, Status.LOST), (Status.RUNNING, Status.STARTING)):
        for task in tasks:
            if task.status in statuses:
                return task.target
    return tasks[0].target
