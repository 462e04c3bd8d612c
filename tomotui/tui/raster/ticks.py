"""Round numbers along the axes of charts."""

from __future__ import annotations

import math
from collections.abc import Sequence


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers within a range: steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if not (span > 0 and math.isfinite(span)) or most < 1:
        return []
    power = 10.0 ** math.floor(math.log10(span / most))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [n * step + 0.0 for n in range(first, last + 1)]
    return []


def tick_words(values: Sequence[float]) -> list[str]:
    """Return ticks as words with as many digits as tell them apart."""
    if not values:
        return []
    step = abs(values[1] - values[0]) if len(values) > 1 else abs(values[0]) or 1.0
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    return [f"{value + 0.0:.{min(digits, 6)}f}" for value in values]


def log_ticks(low: float, high: float, most: int) -> tuple[list[float], list[str]]:
    """Return where round numbers lie on a logarithmic axis, and their words.

    Parameters
    ----------
    low, high
        Powers of ten that the axis spans.
    """
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    powers = list(range(first, last + 1))
    if len(powers) >= 2:
        every = -(-len(powers) // max(most, 1))
        return [float(one) for one in powers[::every]], [_power_words(p) for p in powers[::every]]
    values = ticks(10.0**low, 10.0**high, most)
    return [math.log10(v) for v in values if v > 0], tick_words([v for v in values if v > 0])


def _power_words(power: int) -> str:
    return f"{10.0**power:g}" if -3 <= power <= 4 else f"1e{power}"
