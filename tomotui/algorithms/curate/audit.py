"""How good candidates are, told from a random sample of them that a person has judged.

Those that were judged in order of doubt tell nothing about the others. A random sample does: its
interval holds whatever the search does, and whatever else was judged before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A fraction, and the interval that holds it with some confidence."""

    estimate: float
    low: float
    high: float


UNKNOWN = Interval(math.nan, 0.0, 1.0)


@dataclass(frozen=True)
class Stratum:
    """What a random sample of a part of the candidates has shown so far.

    Attributes
    ----------
    n_members
        Candidates of this part that nobody had judged when the sample was drawn.
    n_accepted, n_rejected, n_unsure
        Those of its sample that were judged since.
    """

    n_members: int
    n_accepted: int = 0
    n_rejected: int = 0
    n_unsure: int = 0

    @property
    def n_judged(self) -> int:
        """How many of the sample were judged."""
        return self.n_accepted + self.n_rejected + self.n_unsure


def draw_sample(
    scores: NDArray[np.floating], n: int, seed: int, n_strata: int = 1
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Draw candidates at random, in random order.

    Parameters
    ----------
    scores
        ``[m]``, of the candidates that may be drawn.
    n
        How many; all when there are fewer.
    n_strata
        Parts of equal size by score, from each of which its share is drawn: the answer is nearer
        where the score tells good from bad.

    Returns
    -------
    chosen, strata, sizes
        Numbers of the candidates drawn ``[n]``, the part that each is of, and the members of
        each part.
    """
    random = np.random.default_rng(seed)
    m = len(scores)
    n, n_strata = min(n, m), max(min(n_strata, n, m), 1)
    parts = np.array_split(np.argsort(scores, kind="stable"), n_strata)
    bounds = np.round(np.cumsum([0, *map(len, parts)]) * n / max(m, 1)).astype(int)
    drawn = [
        random.choice(part, size, replace=False)
        for part, size in zip(parts, np.diff(bounds), strict=True)
    ]
    chosen = np.concatenate(drawn).astype(np.intp)
    strata = np.repeat(np.arange(n_strata), np.diff(bounds))
    order = random.permutation(len(chosen))
    return chosen[order], strata[order], np.array([len(part) for part in parts])


def precision(
    strata: Sequence[Stratum],
    n_known: int = 0,
    n_known_accepted: float = 0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Return which fraction of candidates is right.

    Parameters
    ----------
    strata
        What the sample has shown of those that nobody had judged.
    n_known, n_known_accepted
        Candidates that had been judged before the sample was drawn, and the accepted ones of
        them. They are counted, not estimated.

    Notes
    -----
    One stratum: the exact interval of sampling without replacement, both tails of the
    hypergeometric distribution (Buonaccorsi 1987). Several: the stratified mean, with Wilson's
    interval at the sample size of equal variance. The unsure ones count as wrong for the lower
    and as right for the upper end, and half in the middle.
    """
    n_unknown = sum(stratum.n_members for stratum in strata)
    total = n_unknown + n_known
    if not total:
        return UNKNOWN
    of_unknown = _fraction([one for one in strata if one.n_members], confidence)
    if n_unknown and math.isnan(of_unknown.estimate):
        low, high = n_known_accepted, n_known_accepted + n_unknown
        return Interval(math.nan, low / total, high / total)

    def of_all(fraction: float) -> float:
        return (n_known_accepted + n_unknown * fraction) / total

    if not n_unknown:
        return Interval(*[n_known_accepted / total] * 3)
    return Interval(*map(of_all, (of_unknown.estimate, of_unknown.low, of_unknown.high)))


def _fraction(strata: Sequence[Stratum], confidence: float) -> Interval:
    """Return the fraction of right ones among those of all strata."""
    if not strata or not all(one.n_judged for one in strata):
        # Before every part was asked the sample is taken as one, for its order is random.
        strata = [_together(strata)] if strata else []
    if not strata or not strata[0].n_judged:
        return UNKNOWN
    if len(strata) == 1:
        only = strata[0]
        n = only.n_judged
        low = hypergeometric_interval(only.n_accepted, n, only.n_members, confidence).low
        high = hypergeometric_interval(
            only.n_accepted + only.n_unsure, n, only.n_members, confidence
        ).high
        return Interval((only.n_accepted + only.n_unsure / 2) / n, low, high)
    low = _stratified([one.n_accepted for one in strata], strata, confidence).low
    high = _stratified([one.n_accepted + one.n_unsure for one in strata], strata, confidence).high
    middle = _stratified([one.n_accepted + one.n_unsure / 2 for one in strata], strata, confidence)
    return Interval(middle.estimate, low, high)


def _together(strata: Sequence[Stratum]) -> Stratum:
    return Stratum(
        sum(one.n_members for one in strata),
        sum(one.n_accepted for one in strata),
        sum(one.n_rejected for one in strata),
        sum(one.n_unsure for one in strata),
    )


def _stratified(right: Sequence[float], strata: Sequence[Stratum], confidence: float) -> Interval:
    """Return the stratified mean with Wilson's interval at the effective sample size.

    The variance is taken at fractions drawn in from 0 and 1 (one right and one wrong added to
    each part): parts that are all right so far must not look certain.
    """
    members = np.array([one.n_members for one in strata], dtype=np.float64)
    judged = np.array([one.n_judged for one in strata], dtype=np.float64)
    k = np.array(right, dtype=np.float64)
    weights = members / members.sum()
    drawn_in = (k + 1) / (judged + 2)
    not_seen = 1 - judged / members
    variance = float(np.sum(weights**2 * not_seen * drawn_in * (1 - drawn_in) / judged))
    estimate = float(np.sum(weights * k / judged))
    if variance <= 0:
        return Interval(estimate, estimate, estimate)
    middle = float(np.sum(weights * drawn_in))
    effective = middle * (1 - middle) / variance
    return _wilson(estimate, effective, confidence)


def wilson_interval(k: float, n: float, confidence: float = CONFIDENCE) -> Interval:
    """Return Wilson's interval (1927) for ``k`` of ``n`` independent trials."""
    return _wilson(k / n, n, confidence) if n > 0 else UNKNOWN


def _wilson(p: float, n: float, confidence: float) -> Interval:
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, max(middle - reach, 0.0), min(middle + reach, 1.0))


def hypergeometric_interval(
    k: int, n: int, n_members: int, confidence: float = CONFIDENCE
) -> Interval:
    """Return the exact interval for ``k`` right ones among ``n`` of so many members.

    An end is the last number of right members under which a sample as extreme as this one is
    not rarer than half of what the confidence leaves.
    """
    tail = (1 - confidence) / 2
    log_factorial = _log_factorial(n_members)

    def at_least(right: int, least: int, most: int) -> float:
        """Return the chance of ``least`` to ``most`` right ones in the sample."""
        x = np.arange(max(least, 0, n - (n_members - right)), min(most, n, right) + 1)
        if not len(x):
            return 0.0
        wrong = n_members - right
        logs = (
            _log_choose(log_factorial, right, x)
            + _log_choose(log_factorial, wrong, n - x)
            - _log_choose(log_factorial, n_members, np.array([n]))
        )
        return float(np.exp(logs).sum())

    fewest = _bisect(k, n_members - (n - k), lambda right: at_least(right, k, n) >= tail)
    most = n_members - _bisect(
        n - k, n_members - k, lambda wrong: at_least(n_members - wrong, 0, k) >= tail
    )
    return Interval(k / n, fewest / n_members, most / n_members)


@lru_cache(maxsize=8)
def _log_factorial(n: int) -> NDArray[np.float64]:
    """Return the logarithms of 0! to n!."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])


def _log_choose(
    log_factorial: NDArray[np.float64], n: int, k: NDArray[np.integer]
) -> NDArray[np.float64]:
    chosen: NDArray[np.float64] = log_factorial[n] - log_factorial[k] - log_factorial[n - k]
    return chosen


def _bisect(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Return the least whole number for which something holds that holds from there on."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
