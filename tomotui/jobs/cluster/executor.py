"""The part of an agent that runs tasks through SLURM: arrays, looks at the queue, cancelling."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable
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
    read_array,
    read_element,
    write_array,
)
from tomotui.jobs.cluster.commands import Refused, cancel, submit_array
from tomotui.jobs.cluster.follow import ElementFollower
from tomotui.jobs.cluster.profiles import Profile, ProfileError, read_profiles
from tomotui.jobs.cluster.queue import Call, Queue
from tomotui.jobs.cluster.verdict import MOST_INTERRUPTIONS, MOST_KILLS, Verdict
from tomotui.jobs.files import write_model
from tomotui.jobs.follow import Outcome
from tomotui.jobs.launch import write_job_file, write_task_folder
from tomotui.jobs.settings import AgentSettings
from tomotui.jobs.slurm import SlurmTrouble
from tomotui.jobs.specification import TaskSpecification
from tomotui.project import Project
from tomotui.records import Job, Status, Task

log = logging.getLogger(__name__)

_AGE_WORTH_SAYING_SECONDS = 60.0
_MOST_PAUSE_SECONDS = 120.0
MOST_IN_ARRAY = 250
"""Clusters often take no more than 1000; and preparing so many keeps other tasks waiting."""

Prepare = Callable[[Task, Job], TaskSpecification | None]
"""Gathers what a task needs; ``None`` when it was finished instead, with the reason."""
Finish = Callable[[Task, Outcome], None]


class _Submission(NamedTuple):
    """An array that is being given to the scheduler."""

    token: str
    job: Job
    tasks: list[Task]
    profile: Profile
    call: Call[str]
    ids: frozenset[int]


class ClusterExecutor:
    """Runs the tasks of one project that are to run through SLURM.

    Nothing here waits for the scheduler: it is spoken to in threads, one call at a time.
    """

    def __init__(
        self, project: Project, settings: AgentSettings, prepare: Prepare, finish: Finish
    ) -> None:
        self._project = project
        self._settings = settings
        self._prepare = prepare
        self._finish = finish
        self._queue = Queue(settings.slurm_interval, settings.slurm_patience)
        self._followers: dict[int, ElementFollower] = {}
        self._attempts: dict[tuple[int, int], tuple[int, int]] = {}
        self._submission: _Submission | None = None
        self._cancelling: Call[int] | None = None
        self._lingering: dict[str, float] = {}
        self._said: dict[int, str] = {}
        self._profiles: dict[int, str] = {}
        self._waiting_work = True
        self._gather_at = 0.0
        self._failures = 0

    @staticmethod
    def owns(task: Task) -> bool:
        """Whether a task at work was given to SLURM."""
        return task.device.split(" ")[0] == DEVICE

    # ---- following

    def follow(self, task: Task) -> Outcome | None:
        """Look after one task at work; returns its outcome once it has ended."""
        follower = self._followers.get(task.id)
        if follower is None or follower.attempt != task.attempt:
            follower = self._adopt(task)
        if not follower.id and not self._find_number(task, follower):
            return None
        found = follower.look_at(task, self._queue.look)
        if isinstance(found, Verdict):
            return self._try_again(task, follower, found)
        if found is not None:
            self._let_go(task, follower)
        return found

    def _adopt(self, task: Task) -> ElementFollower:
        """Take up a task that an agent before this one, or this one just now, has submitted."""
        place = read_element(self._project.folder / task.folder)
        if place is not None and place.attempt != task.attempt:
            place = None
        if task.job_id not in self._profiles:
            self._profiles[task.job_id] = self._project.job(task.job_id).profile
        profile = self._profiles[task.job_id]
        follower = ElementFollower(self._project, task, self._settings, place, profile)
        follower.id = task.device.removeprefix(DEVICE).strip()
        self._followers[task.id] = follower
        return follower

    def _find_number(self, task: Task, follower: ElementFollower) -> bool:
        """Find how the scheduler calls a task whose submission was not answered.

        The array's file or its elements may know; else the scheduler is asked for its name. One
        that it does not know was never submitted, and waits again.
        """
        place, began_at = follower.place, self._queue.look.began_at
        if self._submission is not None and task.id in self._submission.ids:
            return False
        if follower.sought_at == began_at:
            return False  # There is nothing new to go by.
        follower.sought_at = began_at
        number = ""
        if place is not None:
            array = read_array(follower.folder.parent, place.token)
            number = array.job_id if array is not None else ""
            number = number or self._number_in_queue(place.token)
        if number and place is not None:
            follower.id = f"{number}_{place.index}"
            self._project.note_submitted({task.id: f"{DEVICE} {follower.id}"}, task.message)
            return True
        if place is None or began_at - follower.submitted_at > self._settings.start_grace:
            log.info("%d of %s: was not submitted and waits again", task.job_id, task.target)
            self._project.requeue(task)
            self._drop(task)
            self.wake()
        return False

    def _number_in_queue(self, token: str) -> str:
        states = self._queue.look.states.values()
        return next((one.id.split("_")[0] for one in states if one.name == token), "")

    def _try_again(self, task: Task, follower: ElementFollower, verdict: Verdict) -> Outcome | None:
        """Start a task again that was broken off from outside, but not for ever."""
        place = follower.place
        kills, interruptions = (place.kills, place.interruptions) if place else (0, 0)
        if verdict.cause == "killed":
            kills += 1
        elif verdict.cause == "interrupted":
            interruptions += 1
        tried = verdict.cause in ("killed", "interrupted")
        if tried and kills <= MOST_KILLS and interruptions <= MOST_INTERRUPTIONS:
            self._attempts[(task.id, task.attempt + 1)] = (kills, interruptions)
            words = f"{verdict.words}; started again from its last checkpoint"
            self._project.start_over(task, words)
            log.info("%04d-%s of %s: %s", task.job_id, task.stage, task.target, words)
            self._drop(task)
            self.wake()
            return None
        self._let_go(task, follower)
        words = verdict.words
        if tried:
            words += f", {'again' if kills > 1 else f'{interruptions} times'}. See the log, "
            words += "and retry: it goes on from its last checkpoint."
        return Outcome(verdict.status, words)

    def _let_go(self, task: Task, follower: ElementFollower) -> None:
        """Follow a task no more; its element is ended should it stay."""
        if follower.id:
            self._lingering[follower.id] = time.monotonic() + self._settings.linger
        self._drop(task)

    def _drop(self, task: Task) -> None:
        self._followers.pop(task.id, None)
        self._said.pop(task.id, None)

    @property
    def is_busy(self) -> bool:
        """Whether there is something to wait for."""
        return bool(self._followers) or self._submission is not None

    @property
    def count(self) -> int:
        """How many tasks SLURM has."""
        return len(self._followers)

    # ---- each step

    def wake(self) -> None:
        """Look for tasks that may be submitted: something has changed."""
        self._waiting_work = True

    def step(self) -> None:
        """Take in answers of the scheduler, and ask it for what is due."""
        self._take_submission()
        wanted = {follower.id for follower in self._followers.values()}
        looked = self._queue.step(wanted | set(self._lingering))
        self._cancel(looked)
        self._tell()
        now = time.monotonic()
        if self._waiting_work and self._submission is None and now >= self._gather_at:
            self._submit_ready()

    def _cancel(self, looked: bool) -> None:
        """End what is to be cancelled, and what stays after its result, in one call."""
        if self._cancelling is not None:
            if not self._cancelling.is_done:
                return
            try:
                self._cancelling.answer()
                self._queue.hurry()
            except SlurmTrouble as error:
                log.error("cancelling: %s. Trying again.", error)
            self._cancelling = None
        ids = {one.id for one in self._followers.values() if one.wants_cancel}
        for follower in self._followers.values():
            follower.wants_cancel = False
        if looked:
            ids |= self._overdue()
        if ids:
            patience = self._settings.slurm_patience
            self._cancelling = Call(lambda: cancel(ids, patience))

    def _overdue(self) -> set[str]:
        """Return the elements that have a result and yet stay, as a hanging driver makes them."""
        states = self._queue.look.states
        alive = {
            number: at
            for number, at in self._lingering.items()
            if (state := states.get(number)) is not None and state.phase != "ended"
        }
        self._lingering = alive
        return {number for number, at in alive.items() if time.monotonic() > at}

    def _tell(self) -> None:
        """Say how the tasks stand that do not speak for themselves."""
        age = self._age_words()
        news = {}
        for task_id, follower in self._followers.items():
            words = f"{follower.words}{age}" if follower.words else ""
            if words != self._said.get(task_id, ""):
                self._said[task_id] = words
                if words:
                    news[task_id] = words
        if news:
            self._project.note_messages(news)

    def _age_words(self) -> str:
        """Return how old what the scheduler said is, when it does not answer."""
        since = self._queue.failing_since
        if since is None or time.monotonic() - since < _AGE_WORTH_SAYING_SECONDS:
            return ""
        heard = self._queue.heard_at
        seen = time.strftime("%H:%M", time.localtime(heard)) if heard else "never"
        return f"; last heard of: {seen}, {self._queue.error}"

    # ---- submitting

    def _submit_ready(self) -> None:
        """Submit the tasks of one job that may start, as an array."""
        self._gather_at = time.monotonic() + self._settings.slurm_interval / 2
        ready = self._project.ready_tasks(DEVICE, MOST_IN_ARRAY)
        groups = [list(tasks) for _, tasks in groupby(ready, key=lambda task: task.job_id)]
        self._waiting_work = bool(groups)
        if groups:
            self._submit(groups[0])

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

    def _hand_over(self, job: Job, ready: list[Task], token: str, profile: Profile) -> None:
        """Give an array to the scheduler, which may take a while to answer."""
        wants_gpu = self._wants_gpu(job)
        array = ArrayFile(
            token=token,
            profile=job.profile,
            folders=tuple(Path(task.folder).name for task in ready),
            wants_gpu=wants_gpu,
        )
        try:
            script = write_array(self._project.folder / job.folder, array, profile)
        except OSError as error:
            self._finish_all(ready, f"{job.folder} could not be prepared: {error}. Check the disk.")
            return
        patience, count = self._settings.slurm_patience, len(ready)
        call = Call(
            lambda: submit_array(
                script, token, count, profile, wants_gpu=wants_gpu, patience_seconds=patience
            )
        )
        ids = frozenset(task.id for task in ready)
        self._submission = _Submission(token, job, ready, profile, call, ids)

    def _wants_gpu(self, job: Job) -> bool:
        from tomotui.stages import get

        return get(job.stage).needs == "gpu"

    def _write(self, task: Task, specification: TaskSpecification, token: str, index: int) -> bool:
        """Write the folder of a task; false when that failed, and the task with it."""
        folder = self._project.folder / task.folder
        kills, interruptions = self._attempts.pop((task.id, task.attempt), (0, 0))
        place = ElementFile(
            attempt=task.attempt,
            token=token,
            index=index,
            kills=kills,
            interruptions=interruptions,
        )
        try:
            write_task_folder(folder, specification, self._project, durable=False)
            write_model(folder / SLURM_FILE, place, durable=False)
        except OSError as error:
            reason = f"{folder} could not be prepared: {error}. Check the disk and retry."
            self._finish(task, Outcome(Status.FAILED, reason))
            return False
        return True

    def _take_submission(self) -> None:
        """Take in the scheduler's answer to an array."""
        submission = self._submission
        if submission is None or not submission.call.is_done:
            return
        self._submission = None
        try:
            number = submission.call.answer()
        except Refused as error:
            source = submission.profile.source
            where = f"profile {submission.profile.name} in {source}" if source else "profile"
            self._finish_all(
                submission.tasks, f"SLURM refused it: {error}. Correct the {where} and retry."
            )
        except SlurmTrouble as error:
            self._wait_for_word(submission, error)
        else:
            self._failures = 0
            self._note_number(submission, number)

    def _note_number(self, submission: _Submission, number: str) -> None:
        folder = self._project.folder / submission.job.folder
        path = array_path(folder, submission.token)
        with contextlib.suppress(OSError):
            path.with_suffix(".job").write_text(number, encoding="ascii")
        devices = {
            task.id: f"{DEVICE} {number}_{index}" for index, task in enumerate(submission.tasks)
        }
        self._project.note_submitted(devices, f"slurm {number} submitted")
        log.info(
            "%s: %d tasks submitted as slurm %s",
            submission.job.name,
            len(submission.tasks),
            number,
        )
        for task in submission.tasks:
            if (follower := self._followers.get(task.id)) is not None:
                follower.id = devices[task.id].removeprefix(DEVICE).strip()
                follower.submitted_at = time.monotonic()
        self._queue.hurry()

    def _wait_for_word(self, submission: _Submission, error: SlurmTrouble) -> None:
        """Do not submit again before the queue has shown that the array is not in it."""
        self._failures += 1
        pause = min(self._settings.slurm_interval * 2**self._failures, _MOST_PAUSE_SECONDS)
        self._gather_at = time.monotonic() + pause
        self._waiting_work = True
        words = f"slurm: {error}. Trying again."
        log.error("%s: %s", submission.job.name, words)
        self._project.note_messages({task.id: words for task in submission.tasks})
        for task in submission.tasks:
            if (follower := self._followers.get(task.id)) is not None:
                follower.submitted_at = time.monotonic()

    def _finish_all(self, tasks: Iterable[Task], reason: str) -> None:
        for task in tasks:
            self._finish(task, Outcome(Status.FAILED, reason))
            self._drop(task)
