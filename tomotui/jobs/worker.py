"""A worker: ``python -m tomotui.jobs.worker TASK_FOLDER`` runs one task, whoever started it.

The process started is a small supervisor. It never imports torch, runs the stage in a child
process, gives signs of life, and writes down how the child ended, which the child itself cannot
when the system kills it for lack of memory. The child dies with its supervisor.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

from tomotui.jobs.child import run_task
from tomotui.jobs.failures import explain_exit, memory_kills
from tomotui.jobs.family import FamilySampler
from tomotui.jobs.files import Lock, UnreadableFile, read_model, write_model
from tomotui.jobs.liveness import die_with_parent, kill_session, own_identity
from tomotui.jobs.processes import torchrun_command
from tomotui.jobs.specification import (
    CANCEL_FILE,
    EXIT_FILE,
    HEARTBEAT_FILE,
    LOCK_FILE,
    RESULT_FILE,
    TASK_FILE,
    WORKER_FILE,
    ExitReport,
    Heartbeat,
    TaskResult,
    TaskSpecification,
    WorkerInfo,
)
from tomotui.jobs.usage import USAGE_FILE, Reading, Sampler, UsageRecorder

_LOCK_PATIENCE_SECONDS = 1.0
_STOP = {signal.SIGTERM, signal.SIGINT}
_WATCHED = {signal.SIGCHLD, *_STOP}
_PATIENCE = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "0"}


class Supervisor:
    """Runs one attempt at a task in a child process and watches it."""

    def __init__(self, folder: Path, specification: TaskSpecification) -> None:
        self._folder = folder
        self._specification = specification
        self._sequence = 0
        self._kill_at = float("inf")
        self._asked_to_stop = False
        self._child = 0
        self._sampler: Sampler | None = None
        self._recorder: UsageRecorder | None = None

    def run(self) -> int:
        """Run the child to its end; returns its exit code, or 128 + the signal that ended it."""
        identity = own_identity()
        kills_before = memory_kills()
        # Signals are waited for rather than handled, so none can come at a bad moment; they are
        # blocked before the fork, so that no end of a child is missed.
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        self._child = os.fork()
        if self._child == 0:
            _become_child(self._folder, self._specification, identity.pid)
        self._sampler = FamilySampler(self._child, self._specification.gpu)
        write_model(
            self._folder / WORKER_FILE,
            WorkerInfo(
                attempt=self._specification.attempt,
                supervisor=identity,
                child_pid=self._child,
                started_at=time.time(),
            ),
        )
        status = self._watch()
        # What the stage has started and left behind must not hold memory or a GPU.
        if os.getsid(0) == identity.pid:
            kill_session(identity, spare=identity.pid)
        code = os.waitstatus_to_exitcode(status)
        self._write_exit(code, memory_killed=memory_kills() > kills_before)
        return code if code >= 0 else 128 - code

    def _watch(self) -> int:
        """Wait for the child's end, giving signs of life; returns its wait status."""
        beat_at = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= beat_at:
                self._beat()
                beat_at = now + self._specification.heartbeat_seconds
            if now >= self._kill_at:
                os.kill(self._child, signal.SIGKILL)
                self._kill_at = float("inf")
            wait = max(0.0, min(beat_at, self._kill_at) - time.monotonic())
            received = signal.sigtimedwait(_WATCHED, wait)
            # After a stop and a continue, Python may give a signal number of 0.
            if received is not None and received.si_signo in _STOP:
                self._asked_to_stop = True
                self._kill_at = time.monotonic() + self._specification.kill_after_seconds
                os.kill(self._child, signal.SIGTERM)
            pid, status = os.waitpid(self._child, os.WNOHANG)
            if pid:
                return status

    def _beat(self) -> None:
        """Write a sign of life; a full disk or a deleted folder must not end the work."""
        self._sequence += 1
        assert self._sampler is not None
        reading, now = self._sampler.read(), time.time()
        beat = Heartbeat(
            attempt=self._specification.attempt,
            sequence=self._sequence,
            at=now,
            memory_bytes=reading.memory_bytes,
            cpu_percent=reading.cpu_percent,
            gpu_memory_bytes=reading.gpu_memory_bytes,
            gpu_percent=reading.gpu_percent,
            gpu_own_bytes=reading.gpu_own_bytes,
        )
        try:
            write_model(self._folder / HEARTBEAT_FILE, beat, durable=False)
            self._record(reading, now)
        except OSError as error:
            _say(f"no heartbeat could be written: {error}")

    def _record(self, reading: Reading, now: float) -> None:
        """Keep what is used, for those who ask later what a task had been doing."""
        if self._recorder is None:
            attempt = self._specification.attempt
            self._recorder = UsageRecorder(self._folder / USAGE_FILE, attempt)
        self._recorder.note(reading, now)

    def _write_exit(self, code: int, memory_killed: bool) -> None:
        number = -code if code < 0 else None
        exit_code = code if code >= 0 else None
        if self._asked_to_stop or (self._folder / CANCEL_FILE).exists():
            reason = "cancelled"
        elif (self._folder / RESULT_FILE).exists() and code in (0, 1, 3):
            reason = "ended by itself"
        else:
            reason = explain_exit(exit_code, number, memory_killed)
        report = ExitReport(
            attempt=self._specification.attempt,
            exit_code=exit_code,
            signal=number,
            reason=reason,
            at=time.time(),
        )
        try:
            write_model(self._folder / EXIT_FILE, report)
        except OSError as error:
            _say(f"the end could not be written down: {error}")


def _become_child(folder: Path, specification: TaskSpecification, supervisor: int) -> None:
    """Run the task in the process just forked, and end it."""
    code = 1
    try:
        die_with_parent()
        if os.getppid() == supervisor:
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
            if specification.is_shared:
                command = torchrun_command(folder, specification, os.environ)
                os.execvp(command[0], command)
            code = run_task(folder, specification)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Past this point there is only the supervisor's code, which is not the child's to run.
        os._exit(code)


def _prepare_environment(specification: TaskSpecification) -> None:
    """Tell the numerical libraries, none of which is loaded yet, what they may use."""
    threads = max(1, specification.threads // specification.processes)
    for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    # A stray file in the working folder must not shadow a module in processes that are started.
    os.environ["PYTHONSAFEPATH"] = "1"
    # Jobs may share the cores, of which a thread that waits busily takes one from another job.
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    os.environ["CUDA_VISIBLE_DEVICES"] = specification.gpu


def _finished_before(folder: Path, attempt: int) -> bool:
    try:
        result = read_model(folder / RESULT_FILE, TaskResult)
    except UnreadableFile:
        return False
    return result is not None and result.attempt == attempt


def main(arguments: list[str]) -> int:
    """Run the task of a folder.

    Returns
    -------
    int
        0 done (or nothing to do), 1 failed, 2 the folder holds no task, 3 cancelled.
    """
    if len(arguments) != 1:
        _say("usage: python -m tomotui.jobs.worker TASK_FOLDER")
        return 2
    return work_on(Path(arguments[0]).absolute())


def work_on(
    folder: Path,
    granted: Mapping[str, object] | None = None,
    lock_patience_seconds: float = _LOCK_PATIENCE_SECONDS,
) -> int:
    """Run the task of a folder; returns what `main` does.

    Parameters
    ----------
    granted
        What a scheduler has granted in place of what the task's file says: ``gpu``, ``threads``,
        ``processes``, ``nodes``.
    """
    try:
        specification = read_model(folder / TASK_FILE, TaskSpecification)
    except UnreadableFile as error:
        _say(str(error))
        return 2
    if specification is None:
        _say(f"{folder} holds no task ({TASK_FILE} is missing).")
        return 2
    specification = specification.model_copy(update=dict(granted or {}))
    lock = Lock(folder / LOCK_FILE)
    if not lock.acquire(lock_patience_seconds):
        _say(f"another worker is at work on {folder}.")
        return 0
    if _finished_before(folder, specification.attempt):
        _say(f"attempt {specification.attempt} of {folder} has ended before; nothing to do.")
        return 0
    _prepare_environment(specification)
    return Supervisor(folder, specification).run()


def _say(message: str) -> None:
    print(f"tomotui worker: {message}", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
