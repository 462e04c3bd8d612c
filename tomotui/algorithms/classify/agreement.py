"""How far two ways of sorting the same particles agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def table_of(first: Labels, second: Labels) -> Array:
    """Return how many particles are of each class in both, ``[a, b]``."""
    rows, columns = int(first.max(initial=0)) + 1, int(second.max(initial=0)) + 1
    counted = np.bincount(first * columns + second, minlength=rows * columns)
    return np.asarray(counted.reshape(rows, columns).astype(np.float64))


def adjusted_rand(first: Labels, second: Labels) -> float:
    """Return the adjusted Rand index (Hubert and Arabie 1985, J. Classif. 2:193).

    It is 1 where both sort alike, whatever classes are called, and 0 where they agree no more
    than chance makes them.
    """
    counts = table_of(first, second)
    together = _pairs(counts).sum()
    one, other = _pairs(counts.sum(axis=1)).sum(), _pairs(counts.sum(axis=0)).sum()
    everyone = _pairs(np.array(float(len(first))))
    expected = one * other / max(float(everyone), 1.0)
    most = 0.5 * (one + other)
    return 1.0 if most == expected else float((together - expected) / (most - expected))


def _pairs(counts: Array) -> Array:
    return np.asarray(counts * (counts - 1) / 2)


def matched(labels: Labels, to: Labels, n: int) -> Labels:
    """Return for each of ``n`` classes the class of the other sorting that it is most like."""
    counts = np.zeros((n, n))
    found = table_of(labels, to)[:n, :n]
    counts[: found.shape[0], : found.shape[1]] = found
    _, columns = linear_sum_assignment(-counts)
    return np.asarray(columns, dtype=np.int64)


def agreements(runs: list[Labels]) -> Array:
    """Return the adjusted Rand index between all runs, ``[r, r]``."""
    return np.array([[adjusted_rand(a, b) for b in runs] for a in runs])


def mean_agreement(agreements: Array) -> float | None:
    """Return the mean agreement of two runs; ``None`` for a single run.

    Parameters
    ----------
    agreements
        Between all runs, ``[r, r]``.
    """
    n = len(agreements)
    return float(agreements[np.triu_indices(n, 1)].mean()) if n > 1 else None
