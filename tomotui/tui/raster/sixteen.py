"""The terminal's own sixteen colours, as xterm shows them."""

from __future__ import annotations

ANSI_16 = (
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
)


def nearest_of_16(colour: tuple[int, int, int]) -> int:
    """Return the number of the nearest of the sixteen."""
    return min(range(16), key=lambda number: _distance(ANSI_16[number], colour))


def _distance(first: tuple[int, int, int], second: tuple[int, int, int]) -> int:
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True))
