"""Giving tasks that may start to SLURM: their folders, the array, and the scheduler's answer."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from tomotui.jobs.cluster.array import (
    DEVICE,
    SLURM_FILE,
    ArrayFile,
    ElementFile,
    array_path,
    new_token,
    write_array,
)
from tomotui.jobs.cluster.commands import Refused, submit_array
from tomotui.jobs.cluster.profiles import Profile, ProfileError, read_profiles
from tomotui.jobs.cluster.queue import Call
from tomotui.jobs.files import write_model
from tomotui.jobs.follow import Outcome
from tomotui.jobs.launch import write_job_file, write_task_folder
from tomotui.jobs.settings import AgentSettings
from tomotui.jobs.slurm import SlurmTrouble
from tomotui.jobs.specification import TaskSpecification
from tomotui.project import Project
from tomotui.records import Job, Status, Task
from tomotui.stages import get

log = logging.getLogger(__name__)

_MOST_PAUSE_SECONDS = 120.0
MOST_IN_ARRAY = 250
"""Clusters often take no more than 1000; and preparing so many keeps other tasks waiting."""

Prepare = Callable[[Task, Job], TaskSpecification | None]
"""Gathers what a task needs; ``None`` when it was finished instead, with the reason."""
Finish = Callable[[Task, Outcome], None]


class Breaks(NamedTuple):
    """How often a task was broken off from outside before."""

    kills: int = 0
    interruptions: int = 0


class Answer(NamedTuple):
    """What the scheduler said of tasks that it was given.

    Attributes
    ----------
    numbers
        How it calls them, by the task; empty when that is not known.
    """

    tasks: Sequence[Task]
    numbers: Mapping[int, str]


class _Submission(NamedTuple):
    """An array that is being given to the scheduler."""

    token: str
    job: Job
    tasks: list[Task]
    profile: Profile
    call: Call[str]
    ids: frozenset[int]


class Submitter:
    """Gives the tasks of one project to the scheduler, an array at a time.

    Nothing here waits for the scheduler: it is spoken to in threads, one call at a time.

    Parameters
    ----------
    finish
        Notes the end of a task that could not be submitted.
    """

    def __init__(
        self, project: Project, settings: AgentSettings, prepare: Prepare, finish: Finish
    ) -> None:
        self._project = project
        self._settings = settings
        self._prepare = prepare
        self._finish = finish
        self._breaks: dict[tuple[int, int], Breaks] = {}
        self._submission: _Submission | None = None
        self._has_work = True
        self._gather_at = 0.0
        self._failures = 0

    @property
    def is_busy(self) -> bool:
        """Whether the scheduler has not yet answered."""
        return self._submission is not None

    def has(self, task: Task) -> bool:
        """Whether a task is being submitted now."""
        return self._submission is not None and task.id in self._submission.ids

    def wake(self) -> None:
        """Look for tasks that may be submitted: something has changed."""
        self._has_work = True

    def expect(self, task: Task, breaks: Breaks) -> None:
        """Remember, for its next attempt, how often a task was broken off."""
        self._breaks[(task.id, task.attempt + 1)] = breaks

    def submit_ready(self) -> None:
        """Submit the tasks of one job that may start, as an array, when it is time."""
        now = time.monotonic()
        if not self._has_work or self._submission is not None or now < self._gather_at:
            return
        self._gather_at = now + self._settings.slurm_interval / 2
        full: set[int] = set()
        while ready := self._project.ready_tasks(DEVICE, MOST_IN_ARRAY, but_not=full):
            _, group = next(groupby(ready, key=lambda task: task.job_id))
            tasks = list(group)
            if room := self._room(tasks[0].job_id):
                self._submit(tasks[:room])
                break
            full.add(tasks[0].job_id)
        self._has_work = bool(ready or full)

    def _room(self, job_id: int) -> int:
        """Return how many tasks of a job may be submitted.

        The scheduler holds the elements of one array back. What becomes ready later is an array
        of its own, and comes when there is room beside those before it.
        """
        try:
            profile = read_profiles(self._project.folder).find(self._project.job(job_id).profile)
        except ProfileError:
            return MOST_IN_ARRAY  # It is told when they are submitted.
        n_there = self._project.n_at_work(job_id)
        if not profile.array_limit or not n_there:
            return MOST_IN_ARRAY
        return max(profile.array_limit - n_there, 0)

    def take_answer(self) -> Answer | None:
        """Return what the scheduler has answered to an array; ``None`` when there is no news."""
        submission = self._submission
        if submission is None or not submission.call.is_done:
            return None
        self._submission = None
        try:
            number = submission.call.answer()
        except Refused as error:
            source = submission.profile.source
            where = f"profile {submission.profile.name} in {source}" if source else "profile"
            self._finish_all(
                submission.tasks, f"SLURM refused it: {error}. Correct the {where} and retry."
            )
            return None
        except SlurmTrouble as error:
            self._wait_for_word(submission, error)
            return Answer(submission.tasks, {})
        self._failures = 0
        return Answer(submission.tasks, self._note_number(submission, number))

    def _submit(self, tasks: list[Task]) -> None:
        job = self._project.job(tasks[0].job_id)
        try:
            profile = read_profiles(self._project.folder).find(job.profile)
        except ProfileError as error:
            self._finish_all(tasks, str(error))
            return
        token = new_token(job.id)
        if ready := self._write_all(job, tasks, token):
            self._hand_over(job, ready, token, profile)

    def _write_all(self, job: Job, tasks: list[Task], token: str) -> list[Task]:
        """Write the folders of tasks; returns those that are to be the elements of an array."""
        specifications = {task.id: self._prepare(task, job) for task in tasks}
        tasks = [task for task in tasks if specifications[task.id] is not None]
        tasks = self._project.mark_submitting(tasks, DEVICE)
        folder = self._project.folder / job.folder
        try:
            write_job_file(folder, job, self._project.overrides(job.id))
        except OSError as error:
            self._finish_all(tasks, f"{folder} could not be written: {error}. Check the disk.")
            return []
        ready: list[Task] = []
        for task in tasks:
            specification = specifications[task.id]
            assert specification is not None
            if self._write(task, specification, token, len(ready)):
                ready.append(task)
        self._project.note_messages({task.id: "slurm: submitting" for task in ready})
        return ready

    def _write(self, task: Task, specification: TaskSpecification, token: str, index: int) -> bool:
        """Write the folder of a task; false when that failed, and the task with it."""
        folder = self._project.folder / task.folder
        breaks = self._breaks.pop((task.id, task.attempt), Breaks())
        place = ElementFile(attempt=task.attempt, token=token, index=index, **breaks._asdict())
        try:
            write_task_folder(folder, specification, self._project, durable=False)
            write_model(folder / SLURM_FILE, place, durable=False)
        except OSError as error:
            reason = f"{folder} could not be prepared: {error}. Check the disk and retry."
            self._finish_all([task], reason)
            return False
        return True

    def _hand_over(self, job: Job, ready: list[Task], token: str, profile: Profile) -> None:
        """Give an array to the scheduler, which may take a while to answer."""
        stage = get(job.stage)
        wants_gpu, is_shared = stage.needs == "gpu", stage.shares_work
        array = ArrayFile(
            token=token,
            profile=job.profile,
            folders=tuple(Path(task.folder).name for task in ready),
            wants_gpu=wants_gpu,
            is_shared=is_shared,
            nodes=profile.nodes,
            processes=profile.processes,
        )
        try:
            script = write_array(self._project.folder / job.folder, array, profile)
        except OSError as error:
            self._finish_all(ready, f"{job.folder} could not be prepared: {error}. Check the disk.")
            return
        call = Call(
            lambda: submit_array(
                script,
                token,
                len(ready),
                profile,
                wants_gpu=wants_gpu,
                is_shared=is_shared,
                patience_seconds=self._settings.slurm_patience,
            )
        )
        ids = frozenset(task.id for task in ready)
        self._submission = _Submission(token, job, ready, profile, call, ids)

    def _note_number(self, submission: _Submission, number: str) -> dict[int, str]:
        """Write down how the scheduler calls an array; returns that of each of its tasks."""
        path = array_path(self._project.folder / submission.job.folder, submission.token)
        with contextlib.suppress(OSError):
            path.with_suffix(".job").write_text(number, encoding="ascii")
        numbers = {task.id: f"{number}_{index}" for index, task in enumerate(submission.tasks)}
        devices = {task_id: f"{DEVICE} {own}" for task_id, own in numbers.items()}
        self._project.note_submitted(devices, f"slurm {number} submitted")
        log.info("%s: %d tasks are slurm %s", submission.job.name, len(numbers), number)
        return numbers

    def _wait_for_word(self, submission: _Submission, error: SlurmTrouble) -> None:
        """Do not submit again before the queue has shown that the array is not in it."""
        self._failures += 1
        pause = min(self._settings.slurm_interval * 2**self._failures, _MOST_PAUSE_SECONDS)
        self._gather_at = time.monotonic() + pause
        self._has_work = True
        words = f"slurm: {error}. Trying again."
        log.error("%s: %s", submission.job.name, words)
        self._project.note_messages({task.id: words for task in submission.tasks})

    def _finish_all(self, tasks: Iterable[Task], reason: str) -> None:
        for task in tasks:
            self._finish(task, Outcome(Status.FAILED, reason))
