"""Which candidates to judge first: those that the network cannot tell, and no two alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST_COMPARED = 150
"""Candidates among which likeness is looked at; the others follow by uncertainty alone."""


def uncertainty(shares: Array, spread: Array) -> Array:
    """Return 0 for what is certain and 1 for what is not.

    Parameters
    ----------
    shares
        ``[n]``: how likely each is a particle.
    spread
        ``[n]``: standard deviation of the log odds between looks.
    """
    undecided = 1 - np.abs(2 * shares - 1)
    # Looks that contradict each other tell of doubt too: the mean share over a normal spread.
    logit = np.log(np.clip(shares, 1e-6, 1 - 1e-6) / np.clip(1 - shares, 1e-6, 1 - 1e-6))
    doubted = 1 / (1 + np.exp(-np.abs(logit) / np.sqrt(1 + np.pi * spread**2 / 8)))
    found: Array = np.clip(np.maximum(undecided, 2 * (1 - doubted)), 0, 1)
    return found


def priorities(uncertain: Array, features: Array) -> Array:
    """Return numbers between 0 and 1, greatest for what should be judged first.

    The most uncertain comes first; after that each time the one whose uncertainty, times how
    unlike it is to all before, is greatest (a greedy cover, as in Sener and Savarese 2018).

    Parameters
    ----------
    uncertain
        ``[n]``.
    features
        ``[m, width]`` of the ``m`` most uncertain, in the order of their uncertainty.
    """
    order = np.argsort(-uncertain, kind="stable")
    found = np.empty(len(uncertain))
    ranks = np.arange(len(uncertain))
    m = min(len(features), MOST_COMPARED, len(uncertain))
    if m > 1:
        first = order[:m]
        unit = features[:m] - features[:m].mean(axis=0)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True) + 1e-9
        unlike = np.full(m, np.inf)
        chosen = np.zeros(m, dtype=np.int64)
        free = np.ones(m, dtype=bool)
        for step in range(m):
            worth = np.where(free, uncertain[first] * np.minimum(unlike, 2.0), -1.0)
            best = int(np.argmax(worth))
            chosen[step], free[best] = best, False
            unlike = np.minimum(unlike, 1 - unit @ unit[best])
        order = np.concatenate([first[chosen], order[m:]])
    found[order] = 1 - ranks / max(1, len(uncertain))
    return found
