"""Motions of the particles of all series, put together by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.bodies.poses import BodyPoses
from tomotui.algorithms.bodies.spread import Estimates
from tomotui.algorithms.refine.work import Work

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """Motions of all particles by row, from several sides.

    Attributes
    ----------
    own
        With maps of each particle's half.
    other
        With maps of the other half.
    first, second
        The same, from every other tilt image alone: of the same motion, with noise of their own.
    rows
        Of the particles.
    rotations, turns_rad2
        With maps of the other half: rotations of bodies and covariances of their turns in the
        specimen, ``[p, b, 3, 3]`` each.
    """

    rows: NDArray[np.intp]
    own: Estimates
    other: Estimates
    first: Estimates
    second: Estimates
    rotations: Array
    turns_rad2: Array


class MotionRows:
    """Motions of the particles of each series, as they are found."""

    def __init__(self, poses: Sequence[BodyPoses], n_numbers: int) -> None:
        self.means = [np.zeros((len(one), n_numbers)) for one in poses]
        self.covariances = [np.zeros((len(one), n_numbers, n_numbers)) for one in poses]

    def put(self, series: int, rows: NDArray[np.intp], found: Estimates) -> None:
        """Take down what was found of some particles."""
        self.means[series][rows] = found.means
        self.covariances[series][rows] = found.covariances

    def rows(self, work: Work) -> list[Tensor]:
        """Return the motions of the particles of all processes by row."""
        both = (self.means, self.covariances)
        return [torch.as_tensor(work.all_rows(one)) for one in both]

    def take_up(self, rows: Sequence[Tensor], work: Work) -> None:
        """Take up what `rows` has given."""
        means, covariances = (one.cpu().numpy() for one in rows)
        self.means = [means[one.rows] for one in work.series]
        self.covariances = [covariances[one.rows] for one in work.series]

    def gathered(self, work: Work, prior: Array) -> tuple[NDArray[np.intp], Estimates]:
        """Return rows and estimates of the particles of all processes; all must ask.

        Parameters
        ----------
        prior
            That they were found with.
        """
        mean, covariance = work.all_rows(self.means), work.all_rows(self.covariances)
        rows = np.flatnonzero(np.isfinite(mean).all(axis=1))
        return rows, Estimates(mean[rows], covariance[rows], prior)
