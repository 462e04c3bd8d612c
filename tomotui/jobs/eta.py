"""How long a task will still take, from the rate of its progress."""

from __future__ import annotations

import math


class RemainingTime:
    """Estimates the time to the end from fractions done.

    The rate is an exponential average over a window that grows with the time passed, so that
    the estimate follows a change of pace and yet does not jump with every report.
    """

    _SHORTEST_WINDOW_SECONDS = 5.0

    def __init__(self) -> None:
        self._started_at: float | None = None
        self._fraction = 0.0
        self._at = 0.0
        self._rate: float | None = None

    def update(self, fraction: float, now: float) -> float | None:
        """Return the seconds to the end, or ``None`` while nothing can be said.

        Parameters
        ----------
        fraction
            Fraction done, 0..1; the first may be above 0 (a retry from a checkpoint).
        now
            Seconds of a monotonic clock.
        """
        if self._started_at is None or fraction < self._fraction:
            self._started_at, self._fraction, self._at, self._rate = now, fraction, now, None
            return None
        interval, step = now - self._at, fraction - self._fraction
        if interval > 0 and step > 0:
            window = max(self._SHORTEST_WINDOW_SECONDS, (now - self._started_at) / 3)
            weight = 1.0 if self._rate is None else 1.0 - math.exp(-interval / window)
            self._rate = (1.0 - weight) * (self._rate or 0.0) + weight * step / interval
            self._fraction, self._at = fraction, now
        if self._rate is None:
            return None
        waited = now - self._at
        return max(0.0, (1.0 - fraction) / self._rate - waited)
