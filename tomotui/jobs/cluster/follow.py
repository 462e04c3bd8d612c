"""Following one task that runs through SLURM: its files, and what the scheduler says of it."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from tomotui.jobs.cluster.array import ElementFile, output_path
from tomotui.jobs.cluster.queue import Look
from tomotui.jobs.cluster.states import JobState
from tomotui.jobs.cluster.verdict import Verdict, judge
from tomotui.jobs.files import UnreadableFile, read_model
from tomotui.jobs.follow import Follower, Outcome
from tomotui.jobs.liveness import ProcessIdentity
from tomotui.jobs.settings import AgentSettings
from tomotui.jobs.specification import (
    CANCEL_FILE,
    EXIT_FILE,
    WORKER_FILE,
    ExitReport,
    TaskResult,
    WorkerInfo,
)
from tomotui.project import Project
from tomotui.records import Status, Task

_PRINTED_BYTES = 2000
_AT_WORK = ("RUNNING", "CONFIGURING", "COMPLETING", "COMPLETED")


class ElementFollower(Follower):
    """What the agent knows of one task that SLURM runs.

    The scheduler says whether it lives, its files say how far it is and what came of it; nothing
    is concluded from the silence of either alone.

    Attributes
    ----------
    id
        Number of the element, such as ``1234_7``; empty until the scheduler has answered.
    submitted_at
        By the steady clock: what was seen in the queue before says nothing of it.
    wants_cancel
        Whether the scheduler should end the element now.
    words
        How it stands, for people.
    sought_at
        The look at the queue in which its number was last sought.
    """

    def __init__(
        self,
        project: Project,
        task: Task,
        settings: AgentSettings,
        place: ElementFile | None,
        profile: str,
    ) -> None:
        super().__init__(project, task, settings)
        self.place = place
        self.id = ""
        self.submitted_at = time.monotonic()
        self.wants_cancel = False
        self.words = ""
        self.sought_at: float | None = None
        self._profile = profile
        self._left: ProcessIdentity | None = None
        self._began = task.status == Status.RUNNING
        self._files_at = -1.0
        self._ended_at: float | None = None
        self._unknown_at: float | None = None
        self._asked_at: float | None = None

    def look_at(self, task: Task, look: Look) -> Outcome | Verdict | None:
        """Take in what is new; returns how it ended once that is certain.

        An `Outcome` is final; a `Verdict` tells why it ended without a result.
        """
        state = self._state(look)
        waits = state is not None and state.phase == "waiting"
        self._note_waiting(task, waits)
        if task.cancel_requested:
            self._ask_to_end(waits or state is None)
        if not self._is_time(state):
            return None
        if not waits:
            task = self._read_files(task)
        if state is not None:
            self._say(state)
        if (outcome := self._result_outcome(task)) is not None:
            return outcome
        return self._end(task, state, look)

    def _state(self, look: Look) -> JobState | None:
        """Return what the scheduler said of this element after it was submitted."""
        return look.states.get(self.id) if self.id and look.began_at > self.submitted_at else None

    def _note_waiting(self, task: Task, waits: bool) -> None:
        """Go back to waiting when the scheduler has taken the task off its host."""
        if not waits or not self._began:
            return
        self._began = False
        if self._worker is not None:
            self._left, self._worker = self._worker.supervisor, None
        host = f" off {task.host}" if task.host else ""
        words = f"SLURM took it{host} and starts it again from its last checkpoint"
        self._project.add_event(task, "warning", words)
        self._project.mark_waiting_again(task)

    def _is_time(self, state: JobState | None) -> bool:
        """Whether to look into the folder: seldom, for it may lie across a network."""
        now = time.monotonic()
        if now - self._files_at < self._settings.slurm_files:
            return False
        self._files_at = now
        return True

    def _read_files(self, task: Task) -> Task:
        self._refresh()
        self._find_worker()
        task = self.ingest(task)
        if task.status == Status.STARTING and self._worker is not None:
            worker = self._worker.supervisor
            self._project.mark_running(task, worker.pid, worker.host)
            self._began = True
            task = self._project.task(task.job_id, task.target)
        if self._began:
            self._watch_heartbeat(task)
        return task

    def _refresh(self) -> None:
        """Make a network file system look for files that were not there a moment ago."""
        with contextlib.suppress(OSError):
            os.listdir(self.folder)

    def _find_worker(self) -> None:
        if self._worker is not None:
            return
        try:
            found = read_model(self.folder / WORKER_FILE, WorkerInfo)
        except UnreadableFile:
            return
        if found is not None and found.attempt == self.attempt and found.supervisor != self._left:
            self._worker = found
            # Signs of life count from here; before it waited, perhaps for days.
            self._beat_at = time.monotonic()

    def _say(self, state: JobState) -> None:
        """Say how it stands while the worker does not speak for itself."""
        speaks = self._began and state.state in _AT_WORK
        self.words = "" if speaks else f"slurm {state.id} {state.words}"

    def _result_outcome(self, task: Task) -> Outcome | None:
        try:
            result = self._result()
        except UnreadableFile as error:
            # It is written whole; what is cut off on its way over the network comes right.
            if self._ended_at is None or not self._is_over(self._ended_at):
                return None
            return Outcome(Status.FAILED, f"{error}. Retry the task.")
        if result is None or self._is_interruption(task, result):
            return None
        words = " ".join(filter(None, (result.message, result.remedy)))
        return Outcome(Status(result.status), words, result)

    def _is_interruption(self, task: Task, result: TaskResult) -> bool:
        return result.status == "cancelled" and not task.cancel_requested

    def _end(self, task: Task, state: JobState | None, look: Look) -> Outcome | Verdict | None:
        """Return how a task ended that has left no result, once that is certain."""
        now = time.monotonic()
        if state is None:
            if not self._is_unknown(look):
                return None
        elif state.phase != "ended":
            self._ended_at = self._unknown_at = None
            return None
        if task.cancel_requested:
            return Outcome(Status.CANCELLED, "cancelled")
        if self._ended_at is None:
            self._ended_at = now
        if state is not None and not self._is_over(self._ended_at):
            return None
        if not self.folder.is_dir():
            return Outcome(
                Status.FAILED,
                f"its folder {task.folder} was deleted while it ran. Retry to start afresh.",
            )
        return judge(state, self._began, self._report(), self._profile, self._printed())

    def _is_over(self, since: float) -> bool:
        return time.monotonic() - since >= self._settings.slurm_grace

    def _is_unknown(self, look: Look) -> bool:
        """Whether the scheduler has said nothing of it, and its worker neither, for long."""
        if not self.id or look.began_at <= self.submitted_at:
            self._unknown_at = None
            return False
        if self._unknown_at is None:
            self._unknown_at = look.began_at
        # What was to be cancelled and is no longer in the queue is most likely gone.
        was_asked = self._asked_at is not None and look.began_at > self._asked_at
        patience = self._settings.slurm_grace if was_asked else self._settings.slurm_unknown
        silent = time.monotonic() - self._beat_at
        return look.began_at - self._unknown_at >= patience and silent >= patience

    def _report(self) -> ExitReport | None:
        try:
            report = read_model(self.folder / EXIT_FILE, ExitReport)
        except UnreadableFile:
            return None
        return report if report is not None and report.attempt == self.attempt else None

    def _printed(self) -> str:
        """Return the last line that the element printed before its worker began."""
        if self.place is None:
            return ""
        path: Path = output_path(self.folder.parent, self.place.token, self.place.index)
        try:
            text = path.read_bytes()[-_PRINTED_BYTES:].decode(errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def _ask_to_end(self, at_once: bool) -> None:
        """Ask the worker by its flag file, and after a while, or when it waits, the scheduler."""
        now = time.monotonic()
        if self._cancel_at is None:
            self._cancel_at = now
            with contextlib.suppress(OSError):
                (self.folder / CANCEL_FILE).touch()
        if not self.id or not (at_once or now - self._cancel_at >= self._settings.term_after):
            return
        again = self._settings.kill_after + self._settings.slurm_interval
        if self._asked_at is None or now - self._asked_at >= again:
            self._asked_at = now
            self.wants_cancel = True
