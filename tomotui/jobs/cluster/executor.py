"""The part of an agent that runs tasks through SLURM: what becomes of them, looks, cancelling."""

from __future__ import annotations

import logging
import time

from tomotui.jobs.cluster.array import DEVICE, read_array, read_element
from tomotui.jobs.cluster.commands import cancel
from tomotui.jobs.cluster.follow import ElementFollower
from tomotui.jobs.cluster.queue import Call, Queue
from tomotui.jobs.cluster.submitter import Breaks, Finish, Prepare, Submitter
from tomotui.jobs.cluster.verdict import MOST_INTERRUPTIONS, MOST_KILLS, Verdict
from tomotui.jobs.follow import Outcome
from tomotui.jobs.settings import AgentSettings
from tomotui.jobs.slurm import SlurmTrouble
from tomotui.project import Project
from tomotui.records import Task

log = logging.getLogger(__name__)

_AGE_WORTH_SAYING_SECONDS = 60.0


class ClusterExecutor:
    """Runs the tasks of one project that are to run through SLURM.

    Nothing here waits for the scheduler: it is spoken to in threads, one call at a time.
    """

    def __init__(
        self, project: Project, settings: AgentSettings, prepare: Prepare, finish: Finish
    ) -> None:
        self._project = project
        self._settings = settings
        self._submitter = Submitter(project, settings, prepare, self._finish_unsubmitted)
        self._finish = finish
        self._queue = Queue(settings.slurm_interval, settings.slurm_patience)
        self._followers: dict[int, ElementFollower] = {}
        self._cancelling: Call[int] | None = None
        self._lingering: dict[str, float] = {}
        self._said: dict[int, str] = {}
        self._profiles: dict[int, str] = {}

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
        if self._submitter.has(task):
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
        kills += verdict.cause == "killed"
        interruptions += verdict.cause == "interrupted"
        tried = verdict.cause in ("killed", "interrupted")
        if tried and kills <= MOST_KILLS and interruptions <= MOST_INTERRUPTIONS:
            self._submitter.expect(task, Breaks(kills, interruptions))
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
        return bool(self._followers) or self._submitter.is_busy

    @property
    def count(self) -> int:
        """How many tasks SLURM has."""
        return len(self._followers)

    # ---- each step

    def wake(self) -> None:
        """Look for tasks that may be submitted: something has changed."""
        self._submitter.wake()

    def step(self) -> None:
        """Take in answers of the scheduler, and ask it for what is due."""
        self._take_numbers()
        wanted = {follower.id for follower in self._followers.values()}
        looked = self._queue.step(wanted | set(self._lingering))
        self._cancel(looked)
        self._tell()
        self._submitter.submit_ready()

    def _take_numbers(self) -> None:
        """Take in how the scheduler calls what it was given."""
        answer = self._submitter.take_answer()
        if answer is None:
            return
        for task in answer.tasks:
            if (follower := self._followers.get(task.id)) is not None:
                follower.id = answer.numbers.get(task.id, follower.id)
                follower.submitted_at = time.monotonic()
        if answer.numbers:
            self._queue.hurry()

    def _finish_unsubmitted(self, task: Task, outcome: Outcome) -> None:
        self._finish(task, outcome)
        self._drop(task)

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
