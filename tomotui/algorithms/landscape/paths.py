"""Paths through a landscape, and which particles count at a point of one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

LEAST_WEIGHT = 0.02
"""Below which a particle is left out of a map."""


def along_path(points: ArrayLike, n: int) -> Array:
    """Return points at even distances along straight lines between points, ``[n, d]``.

    Raises
    ------
    ValueError
        When there are fewer than two different points.
    """
    corners = np.atleast_2d(np.asarray(points, dtype=np.float64))
    lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    corners = corners[np.r_[True, lengths > 0]]
    if len(corners) < 2:
        raise ValueError("a path needs two different points")
    at = np.r_[0, np.cumsum(lengths[lengths > 0])]
    wanted = np.linspace(0, at[-1], n)
    return np.stack([np.interp(wanted, at, one) for one in corners.T], axis=1)


def weights_about(
    coordinates: ArrayLike, point: ArrayLike, n_effective: float
) -> tuple[Array, float]:
    """Return how much particles count for the map at a point.

    The weight falls as a Gaussian of the distance, which is as wide as it must be for about as
    many particles to count as are wanted.

    Parameters
    ----------
    coordinates
        Of particles, ``[p, d]``.
    point
        ``[d]``.
    n_effective
        Wanted sum of weights.

    Returns
    -------
    ``[p]``, up to 1; and the width in the coordinates' unit.
    """
    squares = np.square(np.asarray(coordinates, float) - np.asarray(point, float)).sum(axis=1)
    wanted = min(n_effective, 0.99 * len(squares))
    # Widths are tried by halving the range of their logarithm.
    low, high = 1e-4, 1e4
    for _ in range(60):
        width = float(np.sqrt(low * high))
        if np.exp(-0.5 * squares / width**2).sum() < wanted:
            low = width
        else:
            high = width
    weights = np.exp(-0.5 * squares / high**2)
    weights[weights < LEAST_WEIGHT] = 0
    return weights, high
