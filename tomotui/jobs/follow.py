"""Following one task from its start to its proven end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from tomotui.jobs.events import read_events
from tomotui.jobs.failures import explain_exit
from tomotui.jobs.files import UnreadableFile, is_locked, read_model
from tomotui.jobs.liveness import identity_of, is_alive, kill_session, session_members, this_host
from tomotui.jobs.settings import AgentSettings
from tomotui.jobs.specification import (
    CANCEL_FILE,
    EVENTS_FILE,
    EXIT_FILE,
    HEARTBEAT_FILE,
    LOCK_FILE,
    LOG_FILE,
    RESULT_FILE,
    WORKER_FILE,
    ExitReport,
    Heartbeat,
    TaskResult,
    WorkerInfo,
)
from tomotui.project import Project
from tomotui.records import Status, Task

_HEARTBEAT_NOTE_SECONDS = 5.0


class Outcome(NamedTuple):
    """How a task ended, with its result when it left one."""

    status: Status
    error: str = ""
    result: TaskResult | None = None


class Follower:
    """What the agent knows of one task that is at work.

    Parameters
    ----------
    process
        The worker, when this agent has started it.
    """

    def __init__(
        self,
        project: Project,
        task: Task,
        settings: AgentSettings,
        process: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.folder: Path = project.folder / task.folder
        self._project = project
        self.attempt = task.attempt
        self._settings = settings
        self._process = process
        now = time.monotonic()
        self._since = now
        self._worker: WorkerInfo | None = None
        self._leader = identity_of(process.pid) if process is not None else None
        self._sequence = -1
        self.gpu_own_bytes = 0
        self._beat_at = now
        self._noted_at = now
        self._is_stalled = False
        self._cancel_at: float | None = None
        self._terminated = False
        self._result_at: float | None = None

    def look(self, task: Task) -> Outcome | None:
        """Take in what is new; returns the outcome once the task's processes are gone.

        While the whole project is out of reach, as when a share is away for a while, nothing is
        known and nothing is done.
        """
        if not self._project.folder.is_dir():
            return None
        gone = self._is_gone(task)
        # Read after the look at the processes: what a process has said before it ended is there.
        task = self.ingest(task)
        if task.status == Status.STARTING and self._worker is not None:
            self._project.mark_running(task, self._worker.supervisor.pid)
        if gone:
            return self._outcome(task)
        if self._never_started(task):
            return Outcome(Status.QUEUED)
        if not self.folder.is_dir():
            self._kill()
        self._watch_heartbeat(task)
        if task.cancel_requested:
            self._stop()
        self._end_lingering()
        if self._is_lost():
            return Outcome(Status.LOST, self._words_for_lost())
        return None

    def ingest(self, task: Task) -> Task:
        """Take all new events into the project; returns the task as it is then."""
        while True:
            events, offset = read_events(self.folder / EVENTS_FILE, task.event_offset)
            if offset == task.event_offset:
                return task
            self._project.ingest_events(task, events, offset)
            task = self._project.task(task.job_id, task.target)

    def _find_leader(self, task: Task) -> None:
        """Find the process that supervises this attempt.

        ``worker.json`` names it. Where that was deleted with its folder, the project knows the
        number, and the command line of the process proves that it is the one.
        """
        if self._worker is not None:
            return
        try:
            found = read_model(self.folder / WORKER_FILE, WorkerInfo)
        except UnreadableFile:
            return
        if found is not None and found.attempt == self.attempt:
            self._worker = found
            self._leader = found.supervisor
        elif self._leader is None and task.pid is not None and task.host == this_host():
            self._leader = identity_of(task.pid, argument=str(self.folder))

    def _is_gone(self, task: Task) -> bool:
        """Whether it is proven that no process of this attempt lives any more."""
        self._find_leader(task)
        if self._process is not None and self._process.poll() is None:
            return False
        if self._leader is None:
            # Its number is known, and no process that bears the number is the one.
            return task.pid is not None and task.host == this_host()
        if not self._leader.is_here:
            return (self.folder / RESULT_FILE).exists()
        if is_alive(self._leader) or session_members(self._leader):
            return False
        # A second worker for the same task may hold the lock and be the one at work.
        return not is_locked(self.folder / LOCK_FILE)

    def _never_started(self, task: Task) -> bool:
        """Whether an agent before this one died between its decision and the start."""
        return (
            task.status == Status.STARTING
            and self._leader is None
            and time.monotonic() - self._since > self._settings.start_grace
            and not is_locked(self.folder / LOCK_FILE)
        )

    def _watch_heartbeat(self, task: Task) -> None:
        """Report a worker that has gone silent; clocks of other processes are not trusted."""
        now = time.monotonic()
        try:
            beat = read_model(self.folder / HEARTBEAT_FILE, Heartbeat)
        except UnreadableFile:
            beat = None
        if beat is not None and beat.attempt == self.attempt and beat.sequence != self._sequence:
            self._sequence = beat.sequence
            self.gpu_own_bytes = beat.gpu_own_bytes or 0
            self._beat_at = now
            if self._is_stalled:
                self._is_stalled = False
                self._project.note_heartbeat(task, "")
            if now - self._noted_at > _HEARTBEAT_NOTE_SECONDS:
                self._noted_at = now
                self._project.note_heartbeat(task)
            return
        silent = now - self._beat_at
        if silent >= self._settings.stall and not self._is_stalled:
            self._is_stalled = True
            message = f"no heartbeat for {silent:.0f} s"
            self._project.add_event(task, "warning", message)
            self._project.note_heartbeat(task, message)

    def _stop(self) -> None:
        """Ask the worker to end: by the flag file, then by a signal, then without asking."""
        now = time.monotonic()
        if self._cancel_at is None:
            self._cancel_at = now
            with contextlib.suppress(OSError):
                (self.folder / CANCEL_FILE).touch()
        waited = now - self._cancel_at
        if waited >= self._settings.term_after and not self._terminated:
            self._terminated = True
            self._terminate()
        if waited >= self._settings.term_after + self._settings.kill_after:
            self._kill()

    def _terminate(self) -> None:
        if self._leader is not None and is_alive(self._leader):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._leader.pid, signal.SIGTERM)

    def _kill(self) -> None:
        """End every process of the task on this host without asking."""
        if self._leader is None:
            return
        kill_session(self._leader)
        if is_alive(self._leader):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._leader.pid, signal.SIGKILL)

    def _end_lingering(self) -> None:
        """End a worker that has written its result and yet stays, as a hanging driver makes it."""
        if self._result_at is None:
            if (self.folder / RESULT_FILE).exists():
                self._result_at = time.monotonic()
        elif time.monotonic() - self._result_at > self._settings.linger:
            self._kill()

    def _is_lost(self) -> bool:
        silent = time.monotonic() - self._beat_at
        elsewhere = self._leader is not None and not self._leader.is_here
        return elsewhere and silent > self._settings.lost

    def _words_for_lost(self) -> str:
        assert self._leader is not None
        return (
            f"nothing was heard of its process on {self._leader.host} for "
            f"{self._settings.lost:.0f} s. Look there whether it still runs, and retry."
        )

    def _result(self) -> TaskResult | None:
        """Return the result of this attempt, or ``None``; raises `UnreadableFile`."""
        result = read_model(self.folder / RESULT_FILE, TaskResult)
        return result if result is not None and result.attempt == self.attempt else None

    def _outcome(self, task: Task) -> Outcome:
        """Return how a task ended of which all processes are gone."""
        if not self.folder.is_dir():
            return Outcome(
                Status.CANCELLED if task.cancel_requested else Status.FAILED,
                f"its folder {task.folder} was deleted while it ran. Retry to start afresh.",
            )
        try:
            result = self._result()
        except UnreadableFile as error:
            return Outcome(Status.FAILED, f"{error}. Retry the task.")
        if result is not None:
            words = " ".join(filter(None, (result.message, result.remedy)))
            return Outcome(Status(result.status), words, result)
        reason = self._reason_without_result()
        if task.cancel_requested:
            return Outcome(Status.CANCELLED, "cancelled")
        return Outcome(Status.FAILED, reason)

    def _reason_without_result(self) -> str:
        try:
            report = read_model(self.folder / EXIT_FILE, ExitReport)
        except UnreadableFile:
            report = None
        if report is not None and report.attempt == self.attempt:
            return report.reason
        if _is_full(self.folder):
            return f"the disk is full: {self.folder}. Free some space and retry."
        if self._leader is not None and not self._leader.is_of_this_boot:
            return "the machine was restarted while it ran"
        code = self._process.returncode if self._process is not None else None
        if code is None or (code == 0 and self._worker is None):
            return "its process vanished (killed by hand, or the machine ran out of memory)"
        if self._worker is None:
            return f"its process could not start (exit code {code}); see {self.folder / LOG_FILE}"
        number = -code if code < 0 else None
        return f"its supervisor was lost: {explain_exit(code, number, memory_killed=False)}"


def _is_full(folder: Path) -> bool:
    try:
        status = os.statvfs(folder)
    except OSError:
        return False
    return status.f_bavail * status.f_frsize < 1 << 20
