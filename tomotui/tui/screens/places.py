"""Between Angstrom and voxels of a volume, and which particles are near a slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tomotui.project.curation import Rows
from tomotui.project.decisions import Position
from tomotui.tui.raster.cutouts import Voxel
from tomotui.tui.raster.picture import Mark
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import AXES, SliceSource
from tomotui.tui.review import Review
from tomotui.tui.widgets.candidate_list import verdict_glyph

DEFAULT_RADIUS_ANGSTROM = 100.0
MOST_MARKS = 500


def to_voxel(source: SliceSource, position: Position) -> Voxel:
    """Return the voxel (z, y, x) of a point (x, y, z) in Angstrom from the centre."""
    z, y, x = (
        at / source.pixel_size_angstrom + n // 2
        for at, n in zip(position[::-1], source.shape, strict=True)
    )
    return z, y, x


def from_voxel(source: SliceSource, voxel: Sequence[float]) -> Position:
    """Return the point (x, y, z) in Angstrom from the centre of a voxel (z, y, x)."""
    z, y, x = (
        (float(at) - n // 2) * source.pixel_size_angstrom
        for at, n in zip(voxel, source.shape, strict=True)
    )
    return x, y, z


def looking_at(source: SliceSource, position: Position, view: SliceViewState) -> SliceViewState:
    """Return the view with its slice through a point, and the point in the middle when zoomed."""
    voxel = dict(zip(AXES, to_voxel(source, position), strict=True))
    rest = [voxel[axis] + 0.5 for axis in AXES if axis != view.axis]
    centre = (rest[0], rest[1]) if view.zoom is not None else view.centre
    moved = replace(view, centre=centre).at(round(voxel[view.axis]), source.shape)
    return moved.clamped(source.shape, source.axes)


def point_on_slice(
    source: SliceSource, view: SliceViewState, row: float, column: float
) -> Position:
    """Return the point under a place on the slice."""
    rest = iter((row, column))
    return from_voxel(source, [view.index if a == view.axis else next(rest) for a in AXES])


def marks_near(
    source: SliceSource,
    view: SliceViewState,
    review: Review,
    rows: Rows,
    ascii_only: bool,
    extent_voxels: tuple[float, float],
) -> list[Mark]:
    """Return the marks of particles within half a radius of the slice and inside the view.

    Their size falls with the distance to the slice. What was decided is told by a sign beside the
    bracket and by its colour; those of a class have its colour.
    """
    table, radius_angstrom = review.curation.table, _radius(review)
    radius = radius_angstrom / source.pixel_size_angstrom
    voxels = voxels_of(source, table.positions_angstrom[rows])
    across = AXES.index(view.axis)
    away = np.abs(voxels[:, across] - view.index)
    row_axis, column_axis = (i for i in range(3) if i != across)
    middle = view.middle(source.shape)
    seen = (away <= max(radius / 2, view.slab, 1)) & (table.decisions[rows] != "removed")
    for axis, at, extent in zip((row_axis, column_axis), middle, extent_voxels, strict=True):
        seen &= np.abs(voxels[:, axis] - at) <= extent / 2 + radius
    chosen = np.flatnonzero(seen)
    if len(chosen) > MOST_MARKS:
        chosen = chosen[np.argsort(away[chosen])[:MOST_MARKS]]
    marks = []
    for at in chosen.tolist():
        row = int(rows[at])
        size = radius * (1 - 0.4 * min(float(away[at]) / max(radius / 2, 1), 1.0))
        voxel = voxels[at]
        marks.append(
            _mark(review, row, float(voxel[row_axis]), float(voxel[column_axis]), size, ascii_only)
        )
    # The one that is looked at is drawn last, over the others.
    return sorted(marks, key=lambda mark: mark.role == "accent")


def _mark(
    review: Review, at: int, row: float, column: float, size: float, ascii_only: bool
) -> Mark:
    verdict = str(review.curation.table.decisions[at])
    number = int(review.curation.table.classes[at])
    sign = "" if verdict == "undecided" else verdict_glyph(verdict, ascii_only)
    label = sign + (str(number) if number > 0 else "")
    if at == review.row:
        return Mark(row, column, size, "accent", f"{label} {review.place + 1}".strip(), True)
    return Mark(row, column, size, f"class{number}" if number > 0 else verdict, label, True)


def _radius(review: Review) -> float:
    diameter = review.curation.particle_set.diameter_angstrom
    return diameter / 2 if diameter else DEFAULT_RADIUS_ANGSTROM


def voxels_of(source: SliceSource, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return voxels (z, y, x) of points, shape ``[n, 3]``."""
    middle = np.array([n // 2 for n in source.shape], dtype=np.float64)
    voxels: NDArray[np.float64] = positions[:, ::-1] / source.pixel_size_angstrom + middle
    return voxels
