"""Making a lost or damaged project file anew.

What the damaged file still holds is kept. What it lacks comes from the job folders, which hold
everything that jobs were told and made; only what people did by hand is nowhere else.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tomotui.jobs.ending import settle
from tomotui.jobs.files import Lock, UnreadableFile, read_model
from tomotui.jobs.follow import Follower, Outcome
from tomotui.jobs.found import read_candidates, read_particles
from tomotui.jobs.presence import AGENT_LOCK, agent_status
from tomotui.jobs.settings import AgentSettings
from tomotui.jobs.specification import (
    EXIT_FILE,
    JOB_FILE,
    PARTICLES_FILE,
    RESULT_FILE,
    TASK_FILE,
    WORKER_FILE,
    ExitReport,
    JobSpecification,
    TaskResult,
    TaskSpecification,
    WorkerInfo,
)
from tomotui.project import Project, ProjectError
from tomotui.project.database import FILE_NAME
from tomotui.project.restoration import Kept, Restoration, fresh_project
from tomotui.records import Job, Status, Task

_LOCK_PATIENCE_SECONDS = 2.0
_JOB_FOLDER = re.compile(r"\d{4,}-.+")
_MADE = ("records", "links", "particles", "decisions", "metrics")
_NOT_BEGUN = (
    "it had not begun when the project file was lost, and its own parameters went with it. "
    "Look at them and retry."
)


@dataclass
class Rebuilt:
    """What was kept and found again, and what was not.

    Attributes
    ----------
    kept
        By table, what the damaged file still held; empty when there was no file.
    jobs, tasks
        How many came back from their folders alone.
    troubles
        Words about everything that could not be taken in.
    """

    kept: dict[str, Kept] = field(default_factory=dict)
    jobs: int = 0
    tasks: int = 0
    troubles: list[str] = field(default_factory=list)

    def is_whole(self, *tables: str) -> bool:
        """Whether the damaged file held all of some tables."""
        return all(table in self.kept and self.kept[table].is_whole for table in tables)


def rebuild(project_folder: Path | str) -> Rebuilt:
    """Make the project file anew; the old one stays beside it under another name.

    Raises
    ------
    ProjectError
        When an agent is at work, there is nothing to make it from, or the folder cannot be
        written; nothing is changed then.
    """
    folder = Path(project_folder).expanduser().absolute()
    old = folder / FILE_NAME
    has_file = old.is_file() and old.stat().st_size > 0
    if not has_file and not _job_folders(folder):
        raise ProjectError(
            f"{folder} holds neither a project file nor job folders.", "Check the path."
        )
    lock = Lock(folder / AGENT_LOCK)
    try:
        is_mine = lock.acquire(_LOCK_PATIENCE_SECONDS)
    except OSError as error:
        raise ProjectError(
            f"{folder} cannot be written: {error.strerror}.", "Ask its owner for the right."
        ) from error
    if not is_mine:
        raise ProjectError(
            f"an agent is at work on {folder} ({agent_status(folder).words}).",
            "End that process, which harms no job, and close all screens of the project first.",
        )
    try:
        with fresh_project(folder) as project:
            return _Rebuilding(project).run(old if has_file else None)
    finally:
        lock.release()


def _job_folders(folder: Path) -> list[Path]:
    """Return the folders of jobs in order of their numbers."""
    found = [
        one
        for one in (folder / "jobs").glob("*")
        if _JOB_FOLDER.fullmatch(one.name) and (one / JOB_FILE).is_file()
    ]
    return sorted(found, key=lambda one: int(one.name.split("-")[0]))


class _Rebuilding:
    """Fills a new project file; job after job, since later ones build on earlier ones."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._restoration = Restoration(project)
        self._rebuilt = Rebuilt()

    def run(self, old: Path | None) -> Rebuilt:
        if old is not None:
            self._rebuilt.kept = self._restoration.salvage(old)
        self._restoration.name(self._project.folder.name)
        for folder in _job_folders(self._project.folder):
            try:
                specification = read_model(folder / JOB_FILE, JobSpecification)
            except UnreadableFile as error:
                self._rebuilt.troubles.append(str(error))
                continue
            if specification is not None and folder.name == _name(specification):
                self._take_job(specification)
        self._restoration.refresh_jobs()
        return self._rebuilt

    def _take_job(self, specification: JobSpecification) -> None:
        known = {job.id: job for job in self._project.jobs()}
        if specification.id not in known:
            self._restoration.add_job(_job_of(specification))
            self._rebuilt.jobs += 1
        elif not self._rebuilt.is_whole("jobs", "job_dependencies"):
            self._restoration.add_dependencies(_job_of(specification))
        job = self._project.job(specification.id)
        present = {task.target: task for task in self._project.tasks(job.id)}
        for target in specification.targets:
            try:
                task = present.get(target)
                if task is None:
                    self._take_task(job, specification, target)
                else:
                    self._complete(task)
            except (ProjectError, UnreadableFile, OSError) as error:
                self._rebuilt.troubles.append(f"{job.name} of {target}: {error}")

    def _take_task(self, job: Job, specification: JobSpecification, target: str) -> None:
        """Put a task back that the project file does not know."""
        self._rebuilt.tasks += 1
        own = (specification.overrides or {}).get(target, {})
        blank = self._restoration.add_task(job, target, Status.QUEUED, own)
        folder = self._project.folder / blank.folder
        told = read_model(folder / TASK_FILE, TaskSpecification)
        if told is None:
            if specification.overrides is None:
                self._project.finish_task(blank, Status.CANCELLED, error=_NOT_BEGUN)
            return
        worker = _worker(folder, told.attempt)
        task = self._restoration.resume(
            blank,
            told.attempt,
            worker.supervisor.pid if worker else None,
            worker.supervisor.host if worker else "",
        )
        self._add_inputs(folder, told)
        self._ingest(task)

    def _complete(self, task: Task) -> None:
        """Take in what a task has made that the damaged file had lost or did not know yet."""
        if not self._rebuilt.is_whole("events", "metrics"):
            task = self._restoration.forget_events(task)
            Follower(self._project, task, AgentSettings()).ingest(task)
        is_whole = self._rebuilt.is_whole(*_MADE)
        if task.status == Status.DONE and not is_whole:
            folder = self._project.folder / task.folder
            told, result = self._told(folder), self._result(folder, task.attempt)
            if told is not None:
                self._add_inputs(folder, told)
            if result is not None:
                self._fill(task, result)

    def _fill(self, task: Task, result: TaskResult) -> None:
        """Take in those of a task's records and particles that are not there."""
        folder = self._project.folder / task.folder
        self._restoration.note_metrics(task, result.metrics, task.finished_at or time.time())
        lost = self._restoration.add_missing(result.records, task, result.parents)
        if not self._rebuilt.is_whole("particles"):
            for table in read_particles(folder, result):
                lost += self._restoration.add_absent_particles(table)
            for found in read_candidates(folder, result):
                lost += self._restoration.add_absent_candidates(found)
        if lost:
            self._rebuilt.troubles.append(
                f"{task.folder}: {lost} of its records or particles refer to something lost"
            )

    def _ingest(self, task: Task) -> None:
        """Take in events and, when the task has ended, its result."""
        folder = self._project.folder / task.folder
        task = Follower(self._project, task, AgentSettings()).ingest(task)
        worker = _worker(folder, task.attempt)
        try:
            result = self._result(folder, task.attempt)
        except UnreadableFile as error:
            settle(self._project, task, Outcome(Status.FAILED, f"{error}. Retry the task."))
            return
        ended = read_model(folder / EXIT_FILE, ExitReport)
        if ended is not None and ended.attempt != task.attempt:
            ended = None
        if result is not None:
            self._end(task, result)
        elif ended is not None:
            settle(self._project, task, Outcome(Status.FAILED, ended.reason))
        # Otherwise it may still be at work: the next agent finds out.
        self._restoration.note_times(
            task,
            worker.started_at if worker else None,
            ended.at if ended else None,
        )

    def _end(self, task: Task, result: TaskResult) -> None:
        """Note the end of a task; what the damaged file held of its records stays as it is."""
        words = " ".join(filter(None, (result.message, result.remedy)))
        is_partly_known = result.status == "done" and bool(self._rebuilt.kept)
        if is_partly_known:
            bare = {"records": (), "particles": (), "candidates": ()}
            outcome = Outcome(Status.DONE, words, result.model_copy(update=bare))
            settle(self._project, task, outcome)
            self._fill(task, result)
        else:
            settle(self._project, task, Outcome(Status(result.status), words, result))

    def _add_inputs(self, folder: Path, told: TaskSpecification) -> None:
        """Put back records that a task was given and that no job of this project made."""
        records = [record for some in told.inputs.values() for record in some]
        self._restoration.add_missing(records)
        path = folder / PARTICLES_FILE
        if told.has_particles and path.is_file() and not self._rebuilt.is_whole("particles"):
            from tomotui.records.particle_table import ParticleTable

            try:
                table = ParticleTable.read(path)
            except (OSError, ValueError, KeyError, EOFError) as error:
                self._rebuilt.troubles.append(f"{path}: {error}")
                return
            if "particles" in self._rebuilt.kept and self._rebuilt.kept["particles"].rows:
                self._restoration.add_absent_particles(table)
            else:
                self._restoration.set_particles(table)

    def _told(self, folder: Path) -> TaskSpecification | None:
        return read_model(folder / TASK_FILE, TaskSpecification)

    def _result(self, folder: Path, attempt: int) -> TaskResult | None:
        result = read_model(folder / RESULT_FILE, TaskResult)
        return result if result is not None and result.attempt == attempt else None


def _name(specification: JobSpecification) -> str:
    return f"{specification.id:04d}-{specification.stage}"


def _job_of(specification: JobSpecification) -> Job:
    fields = specification.model_dump(include=set(Job.model_fields))
    return Job(**fields, status=Status.QUEUED, folder=f"jobs/{_name(specification)}")


def _worker(folder: Path, attempt: int) -> WorkerInfo | None:
    try:
        worker = read_model(folder / WORKER_FILE, WorkerInfo)
    except UnreadableFile:
        return None
    return worker if worker is not None and worker.attempt == attempt else None


def lost_words(kept: dict[str, Kept]) -> Iterator[str]:
    """Yield a line for each table of which something was lost, or one when it was all."""
    if kept and not any(one.rows for one in kept.values()):
        yield "nothing could be read"
        return
    for table, one in kept.items():
        if not one.is_whole:
            yield (
                f"{table}: {one.rows} rows kept, {one.refused} refused, "
                f"{one.gaps} places could not be read"
            )
