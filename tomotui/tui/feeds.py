"""Reading the project in threads of their own, and telling screens only what is new."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from tomotui.project import Project, ProjectError

T = TypeVar("T")

INTERVAL_SECONDS = 0.5
LONGEST_INTERVAL_SECONDS = 8.0


@dataclass(frozen=True)
class Observation(Generic[T]):
    """What a feed has seen.

    Attributes
    ----------
    value
        The last that could be read; ``None`` before the first.
    observed_at
        When it was read, seconds since the epoch.
    error
        Why it cannot be read now; empty when it can.
    """

    value: T | None
    observed_at: float
    error: str = ""


class Rounds:
    """A thread that looks at something again and again, and rests while nobody watches.

    Parameters
    ----------
    name
        Of the thread.
    """

    def __init__(self, name: str, interval_seconds: float) -> None:
        self._name = name
        self._interval = interval_seconds
        self._patience = interval_seconds
        self._condition = threading.Condition()
        self._hurry = False
        self._paused = False
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def pause(self) -> None:
        """Watch no more until `resume`: nobody sees the screen."""
        with self._condition:
            self._paused = True

    def resume(self) -> None:
        """Watch again, beginning with a look now."""
        with self._condition:
            self._paused = False
            self._wake()

    def stop(self) -> None:
        """End the thread after what it does now."""
        with self._condition:
            self._stopped = True
            self._wake()

    def hurry(self) -> None:
        """Look now instead of at the end of the interval."""
        with self._condition:
            self._wake()

    def _wake(self) -> None:
        self._hurry = True
        self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._hurry:
                    self._condition.wait(None if self._paused else self._patience)
                self._hurry = False
                if self._stopped:
                    break
                if self._paused:
                    continue
            self._round()
        self._end()

    def _round(self) -> None:
        """Look once; called in the thread."""
        raise NotImplementedError

    def _end(self) -> None:
        """Let go of what the thread has held."""


class Feed(Rounds, Generic[T]):
    """Watches a project and delivers what a function reads from it, whenever that differs.

    Asking whether anything has changed costs microseconds; nothing is read, and nobody is told,
    as long as nothing has. When the project cannot be read the intervals grow.

    Parameters
    ----------
    folder
        The project.
    read
        Reads a value that can be compared; called in the thread with its own project and the
        present subject.
    deliver
        Called in the thread; it must be safe there, as posting a message is.
    pulse
        Anything else that makes reading necessary when it changes, such as the agent's life.
    """

    def __init__(
        self,
        folder: Path,
        read: Callable[[Project, Any], T],
        deliver: Callable[[Observation[T]], object],
        *,
        subject: Any = None,
        pulse: Callable[[], object] | None = None,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        super().__init__("project-feed", interval_seconds)
        self._folder = folder
        self._read = read
        self._deliver = deliver
        self._subject = subject
        self._pulse = pulse or (lambda: None)
        self._project: Project | None = None
        self._last: Observation[T] = Observation(None, 0.0)
        self._signature: object = None

    def look_at(self, subject: Any) -> None:
        """Read something else from now on; an earlier wish not yet begun is dropped."""
        with self._condition:
            if subject != self._subject:
                self._subject = subject
                self._wake()

    def _round(self) -> None:
        with self._condition:
            subject = self._subject
        self._project = self._look(self._project, subject)

    def _end(self) -> None:
        if self._project is not None:
            self._project.close()

    def _look(self, project: Project | None, subject: Any) -> Project | None:
        """Read if anything has changed; returns the project, or ``None`` when it is unusable."""
        try:
            if project is None:
                project = Project.open(self._folder, read_only=True)
                self._signature = None
            signature = (project.data_version(), subject, self._pulse())
            if signature != self._signature:
                value = self._read(project, subject)
                self._signature = signature
                self._publish(value, "")
            elif self._last.error:
                self._publish(self._last.value, "")
        except ProjectError as error:
            self._patience = min(self._patience * 2, LONGEST_INTERVAL_SECONDS)
            self._publish(self._last.value, str(error))
            if project is not None:
                project.close()
            return None
        self._patience = self._interval
        return project

    def _publish(self, value: T | None, error: str) -> None:
        before = self._last
        if value == before.value and error == before.error and before.observed_at:
            return
        when = time.time() if not error else before.observed_at
        self._last = Observation(value, when or time.time(), error)
        self._deliver(self._last)
