"""Lines as dots: where the dots of a polyline lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LONGEST = 4000
_MOST_STEPS = 200_000


def polyline(across: Floats, down: Floats) -> tuple[Floats, Floats]:
    """Return points along a polyline, at least one a dot.

    Parameters
    ----------
    across, down
        Corners in dots, shape ``[n]``; the line breaks where one is not finite.
    """
    if len(across) < 2:
        return across, down
    # What is infinite breaks the line just as what is not a number.
    across, down = (np.where(np.isfinite(one), one, np.nan) for one in (across, down))
    length = np.maximum(np.abs(np.diff(across)), np.abs(np.diff(down)))
    length = np.where(np.isfinite(length), length, 0.0)
    steps = np.ceil(np.minimum(length, _LONGEST)).astype(np.intp) + 1
    if steps.sum() > _MOST_STEPS:
        return across, down
    segment = np.repeat(np.arange(len(steps)), steps)
    first = np.repeat(np.cumsum(steps) - steps, steps)
    part = (np.arange(len(segment)) - first) / np.repeat(np.maximum(steps - 1, 1), steps)
    along = across[segment] + (across[segment + 1] - across[segment]) * part
    below = down[segment] + (down[segment + 1] - down[segment]) * part
    return along, below


def dot_cells(
    across: Floats, down: Floats, cells: tuple[int, int], rows: int = 4, columns: int = 2
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.uint8]]:
    """Return the cells that dots fall into, and the bit of each in its cell's pattern.

    Parameters
    ----------
    across, down
        Positions in dots from the upper left one; those outside are dropped.
    cells
        Height and width in cells.
    rows, columns
        Dots of a cell.
    """
    known = np.isfinite(across) & np.isfinite(down)
    x = np.rint(np.clip(across[known], -1e6, 1e6)).astype(np.intp)
    y = np.rint(np.clip(down[known], -1e6, 1e6)).astype(np.intp)
    inside = (x >= 0) & (x < cells[1] * columns) & (y >= 0) & (y < cells[0] * rows)
    x, y = x[inside], y[inside]
    bit = (1 << (columns * (y % rows) + x % columns)).astype(np.uint8)
    return y // rows, x // columns, bit
