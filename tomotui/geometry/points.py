"""Points that must not lie too near to each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


def kept_apart(points: NDArray[np.floating | np.integer], distance: float) -> NDArray[np.bool_]:
    """Tell which of ordered points stay when each that stays sends away those near it.

    Greedy from the first on: a point that was sent away sends no other away.

    Parameters
    ----------
    points
        ``[n, 3]``, the best first.
    distance
        As near as this, or nearer, only one stays.
    """
    if len(points) < 2:
        return np.ones(len(points), dtype=bool)
    return kept_of_pairs(cKDTree(points).query_pairs(distance, output_type="ndarray"), len(points))


def kept_of_pairs(pairs: NDArray[np.integer], n: int) -> NDArray[np.bool_]:
    """Tell which of n ordered things stay when of each pair that is too alike one must go.

    Parameters
    ----------
    pairs
        Their numbers, ``[n_pairs, 2]``; see `kept_apart`.
    """
    kept = np.ones(n, dtype=bool)
    pairs = np.sort(pairs, axis=1)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    starts = np.searchsorted(pairs[:, 0], np.arange(n + 1))
    for first in np.unique(pairs[:, 0]):
        if kept[first]:
            kept[pairs[starts[first] : starts[first + 1], 1]] = False
    return kept
