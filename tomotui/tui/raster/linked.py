"""Two sources looked at as one: the same place, the same scale, how well they agree."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.resample import Grid, Image, covered, resample
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import AXES, Axis, SliceSource

LEAST_VALUES = 16
"""Fewer values than these say nothing of agreement."""


def linked_view(
    view: SliceViewState, source: SliceSource, other: SliceSource, voxels_per_cell: float
) -> SliceViewState:
    """Return the state that shows of another source what a state shows of one.

    Places correspond by their distance from the volumes' origins (voxel ``n // 2``) in Angstrom,
    whatever the voxels of either.

    Parameters
    ----------
    voxels_per_cell
        The zoom in force, in voxels of ``source``.
    """
    ratio = source.pixel_size_angstrom / other.pixel_size_angstrom
    sizes = dict(zip(AXES, zip(source.shape, other.shape, strict=True), strict=True))

    def there(at: float, axis: Axis) -> float:
        here, away = sizes[axis]
        return (at - here // 2) * ratio + away // 2

    row_axis, column_axis = (axis for axis in AXES if axis != view.axis)
    row, column = view.middle(source.shape)
    moved = replace(
        view,
        slab=max(round(((2 * view.slab + 1) * ratio - 1) / 2), 0),
        zoom=voxels_per_cell * ratio,
        centre=(there(row - 0.5, row_axis) + 0.5, there(column - 0.5, column_axis) + 0.5),
        window=None,
    )
    return moved.at(round(there(view.index, view.axis)), other.shape)


@dataclass(frozen=True)
class Agreement:
    """How two pictures of one place agree.

    Attributes
    ----------
    correlation
        Pearson's, -1 to 1.
    difference
        Root mean square of the difference of both over that of the first, each about its mean and
        the second scaled to fit: 0 for pictures that differ in contrast alone.
    n
        Sub-pixels that both have.
    """

    correlation: float
    difference: float
    n: int


def agreement(first: NDArray[np.float32], second: NDArray[np.float32]) -> Agreement | None:
    """Compare values of the same places; ``None`` where there are too few, or one is flat."""
    there = np.isfinite(first) & np.isfinite(second)
    a, b = (one[there].astype(np.float64) for one in (first, second))
    if a.size < LEAST_VALUES:
        return None
    a, b = a - a.mean(), b - b.mean()
    scale_a, scale_b = float(np.sqrt(np.mean(a * a))), float(np.sqrt(np.mean(b * b)))
    if scale_a == 0 or scale_b == 0:
        return None
    correlation = float(np.mean(a * b)) / (scale_a * scale_b)
    fitted = b * (correlation * scale_a / scale_b)
    return Agreement(correlation, float(np.sqrt(np.mean(np.square(a - fitted)))) / scale_a, a.size)


def on_grid(image: Image, grid: Grid) -> Image:
    """Return an image on a grid; what lies beyond it is no number."""
    values = resample(image, grid)
    shape = (image.shape[0], image.shape[1])
    return np.where(covered(grid, shape, 1, 1), values, np.float32(np.nan))


def other_grid(
    image: Image, grid: Grid, view: SliceViewState, source: SliceSource, other: SliceSource
) -> Image:
    """Return a slice of another source on a grid of this one's slice; no number beyond it.

    Parameters
    ----------
    image
        The slice of ``other`` that corresponds to that of ``source`` in ``view``.
    """
    ratio = source.pixel_size_angstrom / other.pixel_size_angstrom
    here, there = (
        [n // 2 + 0.5 for axis, n in zip(AXES, one.shape, strict=True) if axis != view.axis]
        for one in (source, other)
    )
    moved = Grid(
        grid.rows,
        grid.columns,
        (grid.top - here[0]) * ratio + there[0],
        (grid.left - here[1]) * ratio + there[1],
        grid.row_step * ratio,
        grid.column_step * ratio,
    )
    return on_grid(image, moved)
