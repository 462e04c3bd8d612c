"""What the joint fit finds: its parameters, and what is derived from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.ctf.curves import Curves

Array = NDArray[np.float64]

LEAST_SCATTER_ANGSTROM, MOST_SCATTER_ANGSTROM = 100.0, 3000.0
_TREND_WIDTH = 3.0


@dataclass(frozen=True)
class Choices:
    """What is fitted."""

    hand: int = 1
    astigmatism: bool = True
    phase: bool = False
    plane: bool = True


@dataclass(frozen=True)
class State:
    """Parameters of the joint fit.

    Attributes
    ----------
    defocus_angstrom
        Mean of both directions at the specimen's centre, ``[tilts]``.
    astigmatism_angstrom
        Half the difference, as cosine and sine of twice the angle, at control points in the
        order of acquisition, ``[points, 2]``.
    phase_deg
        Phase shift at control points, ``[points]``.
    plane_deg
        The specimen's plane (see `plane.depth_gradients`).
    trend_angstrom, scatter_angstrom
        Where the prior expects each tilt's defocus, and how far from it.
    """

    defocus_angstrom: Array
    astigmatism_angstrom: Array
    phase_deg: Array
    plane_deg: Array
    trend_angstrom: Array
    scatter_angstrom: float = MOST_SCATTER_ANGSTROM


@dataclass(frozen=True)
class Fitted:
    """The end of a fit.

    Attributes
    ----------
    curves
        Background, envelope and variance of every tilt.
    rings
        ``-attenuation * cos(2 phase)``, ``[cells, sectors, rings]``.
    gain
        What the rings add to the logarithm of the likelihood of each tilt, ``[tilts]``.
    error_angstrom
        Standard error of each tilt's defocus.
    shrinkage
        Share of each tilt's defocus that comes from its neighbours, 0..1.
    """

    state: State
    curves: Curves
    rings: Tensor
    gain: Array
    error_angstrom: Array
    shrinkage: Array


def smooth_trend(values: Array, precision: Array, order: Array) -> Array:
    """Return for each tilt what its neighbours in time say, itself left out.

    Parameters
    ----------
    values, precision, order
        Of the tilts; neighbours count by a Gaussian of 3 places.
    """
    if len(values) < 2:
        return values.copy()
    distance = order[:, None] - order[None, :]
    kernel = np.exp(-0.5 * (distance / _TREND_WIDTH) ** 2) + 1e-6
    np.fill_diagonal(kernel, 0.0)
    middle = np.median(values)
    spread = max(1.4826 * np.median(np.abs(values - middle)), LEAST_SCATTER_ANGSTROM)
    robust = precision / (1 + ((values - middle) / (4 * spread)) ** 2)
    trend: Array = (kernel @ (robust * values)) / (kernel @ robust)
    return trend
