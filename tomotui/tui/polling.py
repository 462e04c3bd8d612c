"""Asking the machine in threads of their own: drivers, disks and schedulers may take their time.

Whoever hangs, hangs in its thread; the screens go on with what was seen last, and its age.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from tomotui.tui.feeds import LONGEST_INTERVAL_SECONDS, Observation, Rounds

T = TypeVar("T")

LEAST_INTERVAL_SECONDS = 2.0
OLD_SECONDS = 10.0
"""Data that is older is shown in grey with its age, unless it is asked for more rarely."""


class Poll(Rounds, Generic[T]):
    """Asks a function again and again, and delivers what it says whenever that differs.

    Parameters
    ----------
    read
        Called in the thread.
    deliver
        Called in the thread; it must be safe there, as posting a message is.
    interval_seconds
        Not less than two seconds.
    ends_at
        An exception after which asking again is of no use.
    close
        Called in the thread when it ends.
    """

    def __init__(
        self,
        read: Callable[[], T],
        deliver: Callable[[Observation[T]], object],
        *,
        interval_seconds: float = LEAST_INTERVAL_SECONDS,
        ends_at: tuple[type[Exception], ...] = (),
        close: Callable[[], object] | None = None,
    ) -> None:
        super().__init__("poll", max(interval_seconds, LEAST_INTERVAL_SECONDS))
        self._read = read
        self._deliver = deliver
        self._ends_at = ends_at
        self._close = close or (lambda: None)
        self._last: Observation[T] = Observation(None, 0.0)
        self._seen_at: float | None = None

    @property
    def age_seconds(self) -> float | None:
        """How long ago an answer came, the same or another; ``None`` before the first."""
        return None if self._seen_at is None else time.monotonic() - self._seen_at

    @property
    def is_old(self) -> bool:
        """Whether an answer is overdue."""
        age = self.age_seconds
        return age is not None and age > max(OLD_SECONDS, 2.5 * self._interval)

    @property
    def has_ended(self) -> bool:
        """Whether asking again is of no use."""
        return self._stopped

    def _round(self) -> None:
        try:
            value = self._read()
        except self._ends_at:
            self.stop()
        except OSError as error:
            self._patience = min(self._patience * 2, max(LONGEST_INTERVAL_SECONDS, self._interval))
            self._publish(self._last.value, str(error))
        else:
            self._patience = self._interval
            self._seen_at = time.monotonic()
            self._publish(value, "")

    def _end(self) -> None:
        self._close()

    def _publish(self, value: T | None, error: str) -> None:
        before = self._last
        if value == before.value and error == before.error and before.observed_at:
            return
        self._last = Observation(value, before.observed_at if error else time.time(), error)
        self._deliver(self._last)


def steady(before: float | None, now: float | None, step: float) -> float | None:
    """Return a value rounded to steps; the one before as long as it is not far from it.

    A value that trembles does not make a screen be drawn again: after a change it takes a
    quarter of a step or more to bring the next, whatever lies between two steps.
    """
    if now is None or step <= 0:
        return now
    if before is not None and abs(now - before) <= 0.75 * step:
        return before
    return round(now / step) * step
