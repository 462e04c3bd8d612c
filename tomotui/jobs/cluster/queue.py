"""The scheduler's queue as one agent sees it: asked in one call for everything, and seldom."""

from __future__ import annotations

import getpass
import threading
import time
from collections.abc import Callable, Set
from typing import Generic, NamedTuple, TypeVar

from tomotui.jobs.cluster.states import SQUEUE_FORMAT, JobState, parse_sacct, parse_squeue
from tomotui.jobs.slurm import SlurmTrouble, ask

MOST_SECONDS = 120.0
_IDS_IN_ONE_CALL = 500

T = TypeVar("T")


class Call(Generic[T]):
    """Something that may take long, in a thread that nobody has to wait for."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._answer: T | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answer = self._work()
        except Exception as error:  # handed on to whoever asks for the answer
            self._error = error

    @property
    def is_done(self) -> bool:
        """Whether there is an answer or an error."""
        return not self._thread.is_alive()

    def answer(self) -> T:
        """Return the answer; raises what the work has raised."""
        if self._error is not None:
            raise self._error
        assert self._answer is not None
        return self._answer


class Look(NamedTuple):
    """One look at the queue.

    Attributes
    ----------
    began_at
        By the steady clock: it says nothing of what was submitted later.
    states
        By the number of the element; also of jobs that are not this project's.
    """

    began_at: float
    states: dict[str, JobState]


class Queue:
    """Asks the scheduler at most once in an interval, and less often while it does not answer.

    Parameters
    ----------
    interval_seconds
        From the end of one look to the beginning of the next.
    patience_seconds
        How long to wait for an answer.
    """

    def __init__(self, interval_seconds: float, patience_seconds: float) -> None:
        self._interval = interval_seconds
        self._patience = patience_seconds
        self._call: Call[Look] | None = None
        self._next_at = 0.0
        self._failures = 0
        self.error = ""
        self.failing_since: float | None = None
        self.heard_at: float | None = None
        self.look = Look(-1.0, {})

    def step(self, wanted: Set[str]) -> bool:
        """Begin a look when it is time, or take in one that has ended; returns whether it did.

        Parameters
        ----------
        wanted
            The elements to know of; those that the queue has forgotten are looked up.
        """
        now = time.monotonic()
        if self._call is None:
            if wanted and now >= self._next_at:
                known, patience = frozenset(wanted), self._patience
                self._call = Call(lambda: look_at(known, patience))
            return False
        if not self._call.is_done:
            return False
        call, self._call = self._call, None
        try:
            self.look = call.answer()
        except SlurmTrouble as error:
            self.error = str(error)
            self._failures += 1
            self.failing_since = self.failing_since or now
            pause = self._interval * 2 ** min(self._failures, 10)
            self._next_at = now + max(self._interval, min(pause, MOST_SECONDS))
            return False
        self.error, self.failing_since, self._failures = "", None, 0
        self.heard_at = time.time()
        self._next_at = now + self._interval
        return True

    def hurry(self) -> None:
        """Look soon: something was changed. What does not answer is not asked more often."""
        if not self._failures:
            self._next_at = min(self._next_at, time.monotonic() + self._interval / 2)


def look_at(wanted: Set[str], patience_seconds: float) -> Look:
    """Ask squeue for all jobs of this user, and sacct for those that it has forgotten.

    Raises
    ------
    SlurmTrouble
        When squeue does not answer. A cluster without accounting is none.
    """
    began_at = time.monotonic()
    command = ["squeue", "-h", "-r", "-u", getpass.getuser(), "-t", "all", "-o", SQUEUE_FORMAT]
    states = {one.id: one for one in parse_squeue(ask(command, patience_seconds))}
    forgotten = sorted(
        {number.split("_")[0] for number in wanted if number and number not in states}
    )
    for first in range(0, len(forgotten), _IDS_IN_ONE_CALL):
        numbers = ",".join(forgotten[first : first + _IDS_IN_ONE_CALL])
        command = ["sacct", "-n", "-X", "-P", "-j", numbers]
        command += ["-o", "JobID,State,NodeList,ExitCode,JobName"]
        try:
            said = ask(command, patience_seconds)
        except SlurmTrouble:
            break  # Many clusters keep no accounts.
        for one in parse_sacct(said):
            states.setdefault(one.id, one)
    return Look(began_at, states)
