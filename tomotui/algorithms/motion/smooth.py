"""Smoothing a path in time, as far as the measurements leave it open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ACCELERATIONS = np.geomspace(0.02, 20.0, 25)
"""RMS changes of velocity from frame to frame that are tried, in pixels."""


def smooth_path(path: Array, error: float) -> Array:
    """Return the most probable path given a measured one.

    Specimens keep their velocity more or less. How much it changes from frame to frame is learnt
    from the path itself, by the evidence of a Gaussian model in which the second differences of
    the true path are drawn with one deviation. Well measured paths stay as they are.

    Parameters
    ----------
    path
        Measured places, ``[n_frames, 2]``.
    error
        RMS error of each coordinate of each place.
    """
    n = len(path)
    if n < 4 or not np.isfinite(error) or error <= 0:
        return path
    second = np.diff(np.eye(n), n=2, axis=0)
    bend = second @ path
    noise = error**2 * second @ second.T
    best, evidence = ACCELERATIONS[-1], -np.inf
    for acceleration in ACCELERATIONS:
        covariance = noise + acceleration**2 * np.eye(n - 2)
        solved = np.linalg.solve(covariance, bend)
        found = -0.5 * float((bend * solved).sum()) - np.linalg.slogdet(covariance)[1]
        if found > evidence:
            best, evidence = acceleration, found
    precision = np.eye(n) / error**2 + second.T @ second / best**2
    return np.asarray(np.linalg.solve(precision, path / error**2))
