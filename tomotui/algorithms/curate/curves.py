"""Particles along filaments that were traced as points.

A curve is a cubic spline through (or near) its points, measured by its own length, so that
particles lie at equal distances whatever the distances of the points are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import splev, splprep

Floats = NDArray[np.float64]

_STEPS_PER_SPAN = 64
"""Straight steps by which the length between two points is measured: good to 1e-4."""


def along_curve(
    points_angstrom: Floats,
    spacing_angstrom: float,
    *,
    is_closed: bool = False,
    smoothing_angstrom: float = 0.0,
) -> tuple[Floats, Floats]:
    """Return places at equal distances along a curve, and its direction there.

    Parameters
    ----------
    points_angstrom
        ``[n, 3]`` in the order of the curve; at least two different ones, three if it is closed.
    spacing_angstrom
        From one place to the next along the curve. What is left over at an open curve is shared
        by its two ends; the places of a closed one are as near to this as fits a whole number.
    smoothing_angstrom
        How far the curve may pass the points, root mean square; 0 passes through them.

    Returns
    -------
    Places and unit directions, ``[m, 3]`` each, with m at least 1.

    Raises
    ------
    ValueError
        When there are too few different points.
    """
    line, tangents = _fine(points_angstrom, is_closed, smoothing_angstrom)
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    length = float(at[-1])
    wanted: Floats
    if is_closed:
        wanted = np.linspace(0, length, max(1, round(length / spacing_angstrom)), endpoint=False)
    else:
        rest = length % spacing_angstrom
        wanted = np.linspace(rest / 2, length - rest / 2, int(length // spacing_angstrom) + 1)
    places = _between(wanted, at, line)
    directions = _between(wanted, at, tangents)
    return places, directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _fine(points: Floats, is_closed: bool, smoothing: float) -> tuple[Floats, Floats]:
    """Return many points of the spline, and its derivative there."""
    points = _different(np.asarray(points, dtype=np.float64).reshape(-1, 3), is_closed)
    n = len(points)
    if n < 2 + is_closed:
        raise ValueError(f"a curve of {n} different points; give {2 + is_closed} or more")
    if is_closed:
        points = np.concatenate([points, points[:1]])
    # FITPACK wants more points than the degree has.
    degree = min(3, len(points) - 1)
    spline: Any = splprep(points.T, s=n * smoothing**2, k=degree, per=is_closed)[0]
    parameter = np.linspace(0, 1, _STEPS_PER_SPAN * n + 1)
    line = np.array(splev(parameter, spline), dtype=np.float64)
    slopes = np.array(splev(parameter, spline, der=1), dtype=np.float64)
    return line.T, slopes.T


def _different(points: Floats, is_closed: bool) -> Floats:
    """Leave out points that repeat the one before; of a closed curve also the last, if it does."""
    if len(points) < 2:
        return points
    is_new = np.linalg.norm(np.diff(points, axis=0), axis=1) > 1e-6
    kept: Floats = points[np.concatenate([[True], is_new])]
    if is_closed and np.linalg.norm(kept[-1] - kept[0]) <= 1e-6:
        return kept[:-1]
    return kept


def _between(wanted: Floats, at: Floats, values: Floats) -> Floats:
    return np.stack([np.interp(wanted, at, column) for column in values.T], axis=1)
