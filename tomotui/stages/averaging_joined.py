"""Particles as searches for first maps take them: joined views, and the directions known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomotui.stages.averaging_inputs import Subjects, box_of

if TYPE_CHECKING:
    from tomotui.algorithms.subtomograms.joined import JoinedViews

Array = NDArray[np.float64]

FINEST_SHARE = 0.11
"""Detail that first maps are made to, over the diameter: it tells directions apart also of
particles that are nearly round."""


@dataclass(frozen=True)
class Joined:
    """All particles at a binning that just holds the wanted detail.

    Attributes
    ----------
    views
        Series after series.
    directions
        Of the reference's z axis in the specimen, NaN where it is not known, ``[p, 3]``.
    halves
        ``[p]``.
    pixel_size_angstrom
        Of the views.
    """

    views: JoinedViews
    directions: Array
    halves: NDArray[np.int64]
    pixel_size_angstrom: float

    def of_half(self, half: int) -> Joined:
        """Return the particles of one half."""
        from tomotui.algorithms.subtomograms.joined import JoinedViews

        rows = np.flatnonzero(self.halves == half)
        views = JoinedViews(self.views.ball, self.views.values[rows], self.views.weights[rows])
        return Joined(views, self.directions[rows], self.halves[rows], self.pixel_size_angstrom)


def join_particles(
    subjects: Subjects,
    diameter_angstrom: float,
    resolution_angstrom: float,
    device: str,
    told: Callable[[float, str], None],
) -> Joined:
    """Join the views of all particles.

    Parameters
    ----------
    resolution_angstrom
        Finest detail that will be asked for.
    told
        Is told the share done, and what is done.
    """
    from tomotui.algorithms.refine.particles import Level, ViewStore
    from tomotui.algorithms.subtomograms.joined import HalfBall, JoinedViews, join_views

    binning = max(1, int(resolution_angstrom / 2.5 / subjects.pixel_size_angstrom))
    pixel = subjects.pixel_size_angstrom * binning
    box = max(16, 2 * round(box_of(diameter_angstrom, None) / (2 * pixel)))
    ball = HalfBall(box, min(box * pixel / resolution_angstrom, box / 2 - 2), device)
    store = ViewStore(0, device)
    store.at(Level(binning, box))
    parts, directions, halves = [], [], []
    for number, one in enumerate(subjects.series):
        told(number / len(subjects.series), f"reading {one.name}")
        views = store.views(one)
        offsets = views.offsets_px(one.model, one.poses.positions_angstrom)
        parts.append(join_views(views, one.model.geometry.projection_matrices, offsets, ball))
        assert one.directions is not None
        directions.append(one.directions)
        halves.append(one.halves)
    return Joined(
        JoinedViews.of_all(parts), np.concatenate(directions), np.concatenate(halves), pixel
    )
