"""From which score on a peak is no chance: the tail of what a random template finds.

Of a Gaussian score, tried at so many places and orientations, the peaks above t number

    N(t) = places / 2 erfc(t / (sqrt(2) s)),

and the cut-off for n false positives is ``t = sqrt(2) s erfcinv(2 n / places)``. Neither number is
taken on trust: places and orientations are no independent trials, tomograms are no white noise. So
both are fitted to the peaks that the template of random phases has found in the same tomogram.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc, erfcinv

Array = NDArray[np.float64]

MOST_FITTED = 300
LEAST_FITTED = 12
SHARE_FITTED = 0.25
BULK = (0.2, 0.5)
"""Shares of the peaks of the template itself, highest first, that hold hardly any particle.

Lower ones are hidden by others too often to tell of the tail.
"""

ROUNDS = 4
EXCESS, EXCESS_SIGMA = 1.5, 3.0
"""So many times more peaks than the bulk tells, and beyond what numbers scatter, hold particles."""


@dataclass(frozen=True)
class Tail:
    """The number of peaks by chance above a score.

    Attributes
    ----------
    trials
        Effective number of independent trials.
    deviation
        Of the score of one.
    """

    trials: float
    deviation: float

    def expected(self, score: ArrayLike) -> Array:
        """Return the expected number of peaks by chance above scores."""
        argument = np.asarray(score, dtype=np.float64) / (np.sqrt(2) * self.deviation)
        found: Array = self.trials / 2 * erfc(argument)
        return found

    def threshold(self, false_positives: float) -> float:
        """Return the score above which so many peaks by chance are expected."""
        share = min(2 * false_positives / self.trials, 1.0)
        return float(np.sqrt(2) * self.deviation * erfcinv(share))


def fit_tail(
    peaks: ArrayLike, first: int = 0, last: int | None = None, particles: int = 0
) -> Tail | None:
    """Fit the tail to the scores of peaks, of which some ranks count.

    Parameters
    ----------
    peaks
        Scores of all peaks, ``[n]``.
    first, last
        Ranks that count, from the highest; by default a quarter of all, at most 300.
    particles
        So many of the peaks above those are no chance.

    Returns
    -------
    ``None`` where there are too few peaks, or they do not fall off as a tail does.

    Notes
    -----
    For large arguments ``log N = log(trials s / sqrt(2 pi)) - log t - t^2 / (2 s^2)``: a straight
    line over ``t^2``, found by weights that are what ranks scatter.
    """
    ordered = np.sort(np.asarray(peaks, dtype=np.float64))[::-1]
    if last is None:
        last = min(MOST_FITTED, max(LEAST_FITTED, int(SHARE_FITTED * len(ordered))))
    rank = np.arange(max(first, particles), min(last, len(ordered)))
    score = ordered[rank]
    rank, score = rank[score > 0] - particles, score[score > 0]
    if len(score) < LEAST_FITTED:
        return None
    square = score**2
    # A peak hides what is lower about it: the more peaks, the more are hidden.
    n_chance = len(ordered) - particles
    count = -n_chance * np.log1p(-(rank + 0.5) / n_chance)
    log_count = np.log(count) + np.log(score)
    if not np.ptp(square) > 0:
        return None
    slope, level = np.polyfit(square, log_count, 1, w=np.sqrt(rank + 0.5))
    if not slope < 0:
        return None
    deviation = float(np.sqrt(-0.5 / slope))
    trials = float(np.exp(level) * np.sqrt(2 * np.pi) / deviation)
    return Tail(max(trials, 2.0 * len(ordered)), deviation)


def fit_bulk(peaks: ArrayLike, particles: int = 0) -> Tail | None:
    """Fit the tail to the bulk of the template's own peaks, whatever stands out of it."""
    n = len(np.asarray(peaks))
    return fit_tail(peaks, int(BULK[0] * n), int(BULK[1] * n), particles)


def fit_beside_particles(peaks: ArrayLike) -> Tail | None:
    """Fit the tail to the template's own peaks, but for those that are particles.

    The bulk tells roughly where particles begin; where few lie beyond, the peaks just below tell
    better. But hundreds of particles reach far down into the peaks of chance, and a tail fitted
    to them would call them chance. Then the bulk alone is trusted, and how many more peaks than
    it tells there are above it says how many of its ranks are particles, and so on.
    """
    ordered = np.sort(np.asarray(peaks, dtype=np.float64))[::-1]
    tail = fit_bulk(ordered)
    for _ in range(ROUNDS):
        if tail is None:
            return None
        rest = ordered[int((ordered > tail.threshold(1.0)).sum()) :]
        if _has_particles(rest, tail):
            tail = fit_bulk(ordered, _excess(ordered, tail)) or tail
        else:
            tail = fit_tail(rest) or tail
    return tail


def _has_particles(ordered: Array, tail: Tail) -> bool:
    """Tell whether there are many more peaks above the bulk than a tail tells."""
    count, expected = _counts(ordered, tail)
    return bool((count > EXCESS * expected + EXCESS_SIGMA * np.sqrt(expected)).any())


def _excess(ordered: Array, tail: Tail) -> int:
    """Return how many more peaks above the bulk there are than a tail tells."""
    count, expected = _counts(ordered, tail)
    return max(0, int((count - expected).max())) if len(count) else 0


def _counts(ordered: Array, tail: Tail) -> tuple[Array, Array]:
    """Return the number of peaks down to each above the bulk, and that which a tail tells."""
    last = int(BULK[0] * len(ordered))
    count = np.arange(LEAST_FITTED, max(last, LEAST_FITTED)).astype(np.float64)
    return count, tail.expected(ordered[LEAST_FITTED - 1 : LEAST_FITTED - 1 + len(count)])


def likely_particles(ordered: ArrayLike, tail: Tail) -> int:
    """Return how many of the highest peaks hold at least as many particles as peaks by chance.

    Parameters
    ----------
    ordered
        Scores of all peaks, the highest first.
    """
    scores = np.asarray(ordered, dtype=np.float64)
    good = np.flatnonzero(tail.expected(scores) <= np.arange(1, len(scores) + 1) / 2)
    return int(good[-1]) + 1 if len(good) else 0


def independent_trials(n_places: int, n_orientations: int, deviation: float) -> Tail:
    """Return the tail if all places and orientations were independent trials: too strict."""
    return Tail(float(n_places) * n_orientations, deviation)


def uncertainties(scores: ArrayLike, threshold: float, deviation: float) -> Array:
    """Return 1 for scores at the threshold, falling to 0 several deviations away.

    Parameters
    ----------
    deviation
        Of the score of one orientation by chance.
    """
    distance = (np.asarray(scores, dtype=np.float64) - threshold) / deviation
    found: Array = np.exp(-0.5 * distance**2)
    return found
