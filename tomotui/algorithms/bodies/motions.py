"""Principal motions of bodies, and how many of them are more than noise.

Motions are compared by how far they displace the particle's mass: a turn of a large body counts for
more than that of a small one, and turns and shifts have one unit, Angstrom root mean square. The
principal motions are those of the spread that remains when the noise of every particle is taken
off, as `spread.learnt_prior` finds it. Whether there is a motion at all is asked of two estimates
for each particle that share nothing but the particle: from the odd and from the even tilts, with a
map that the particle has no share in. They go together only where something moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.algorithms.bodies.poses import SIX
from tomotui.algorithms.bodies.spread import Estimates, believed, learnt_prior, most_likely

Array = NDArray[np.float64]

TRIALS, TRIAL_ROUNDS = 100, 30
DEVIATIONS = 3.0
"""Of trials without motion, by which a motion must exceed their mean, and all of them."""

LEAST_AGREEMENT = 0.2
"""Correlation of two estimates below which a motion is not worth telling of."""


LEAST_SHARE = 0.1
"""Of the greatest motion, below which another is taken for what the model of rigid bodies misses
of it: their maps are not perfect, and follow it a little."""


@dataclass(frozen=True)
class Motions:
    """How bodies of particles move.

    Attributes
    ----------
    modes
        Turn (degrees) and shift (Angstrom) of the bodies but the fixed one for one Angstrom of
        each principal motion, ``[k, 6 (b - 1)]``, the greatest first.
    deviations_angstrom
        Standard deviation of particles along each, without their noise, ``[k]``.
    amplitudes_angstrom
        Of each particle along each, ``[p, k]``.
    spread_angstrom
        Standard error of each, ``[p, k]``.
    agreements
        Correlation of each between odd and even tilts, ``[k]``.
    estimates
        Of the motions themselves, about their mean.
    n_motions
        How many are more than noise makes.
    by_chance
        What agreements do not exceed without motion, ``[k]``.
    """

    modes: Array
    deviations_angstrom: Array
    amplitudes_angstrom: Array
    spread_angstrom: Array
    agreements: Array
    estimates: Estimates
    n_motions: int
    by_chance: Array


def displacement_metric(shares: Array, moments_a2: Array) -> Array:
    """Return the square of displacement that motions make, ``[6 b, 6 b]``.

    Parameters
    ----------
    shares
        Of the particle's mass in each moving body, ``[b]``.
    moments_a2
        Second moments of each about its pivot, A^2, ``[b, 3, 3]``.

    Returns
    -------
    ``G`` with ``m G m`` the mean square displacement of the particle's mass in A^2, for motions m
    in degrees and Angstrom.
    """
    metric = np.zeros((SIX * len(shares),) * 2)
    for body, (share, moment) in enumerate(zip(shares, moments_a2, strict=True)):
        turn = (np.trace(moment) * np.eye(3) - moment) * np.deg2rad(1) ** 2
        at = body * SIX
        metric[at : at + 3, at : at + 3] = share * turn
        metric[at + 3 : at + 6, at + 3 : at + 6] = share * np.eye(3)
    return metric


def centred(estimates: Estimates, groups: NDArray[np.int64]) -> Estimates:
    """Return motions about the mean of each group: halves have frames of their own."""
    means = estimates.means.copy()
    for group in np.unique(groups):
        means[groups == group] -= means[groups == group].mean(axis=0)
    return Estimates(means, estimates.covariances, estimates.prior)


def find_motions(
    whole: Estimates, first: Estimates, second: Estimates, metric: Array, seed: int = 0
) -> Motions:
    """Find the principal motions, and how many are real.

    Parameters
    ----------
    whole
        Motions of particles, from all tilts.
    first, second
        From every other tilt.
    metric
        Of displacement, see `displacement_metric`.
    """
    prior = learnt_prior(whole)
    now = whole.under(prior)
    deviations, along = _principal(now, metric)
    spread = np.einsum("ik,pij,jk->pk", along, now.covariances, along)
    halves = _Halves(first, second, metric)
    agreements = halves.agreements()
    by_chance = halves.by_chance(seed)
    is_real = agreements > np.maximum(by_chance, LEAST_AGREEMENT)
    is_real &= deviations >= LEAST_SHARE * deviations.max()
    return Motions(
        np.asarray(np.linalg.solve(metric, along).T),
        deviations,
        now.means @ along,
        np.sqrt(spread.clip(0.0)),
        agreements,
        now,
        int(np.cumprod(is_real).sum()),
        by_chance,
    )


def _principal(estimates: Estimates, metric: Array) -> tuple[Array, Array]:
    """Return deviations ``[k]``, and what to multiply motions by for amplitudes, ``[d, k]``.

    Those come first along which particles are seen to differ most, whatever is thought of others.
    """
    root = _root(metric)
    values, vectors = np.linalg.eigh(root @ estimates.prior @ root)
    along = root @ vectors
    order = np.argsort(-(estimates.means @ along).var(axis=0))
    return np.sqrt(values[order].clip(0)), along[:, order]


class _Halves:
    """Two estimates for each particle, and how far they go together.

    What they would do without motion is found by putting together estimates of different
    particles, and looking for principal motions of these strangers in the same way.
    """

    def __init__(self, first: Estimates, second: Estimates, metric: Array) -> None:
        self._first, self._second = first.evidence(), second.evidence()
        self._start, self._metric = first.prior, metric

    def agreements(self, order: NDArray[np.intp] | None = None) -> Array:
        """Return correlations along the principal motions of pairs, ``[k]``.

        Parameters
        ----------
        order
            Of the second estimates; each particle with its own when not said.
        """
        (told, pull), (more, pulls) = self._first, self._second
        if order is not None:
            more, pulls = more[order], pulls[order]
        prior = most_likely(told + more, pull + pulls, self._start, TRIAL_ROUNDS, 1e-2)
        both = believed(told + more, pull + pulls, prior)
        _, along = _principal(both, self._metric)
        one = _straightened(believed(told, pull, prior).means @ along)
        two = _straightened(believed(more, pulls, prior).means @ along)
        power = np.sqrt((one**2).sum(axis=0) * (two**2).sum(axis=0))
        return np.asarray((one * two).sum(axis=0) / power.clip(1e-20))

    def by_chance(self, seed: int) -> Array:
        """Return what agreements of strangers do not exceed, ``[k]``."""
        chance = np.random.default_rng([seed, 23])
        n = len(self._first[1])
        found = [self.agreements(chance.permutation(n)) for _ in range(TRIALS)]
        wide = np.mean(found, axis=0) + DEVIATIONS * np.std(found, axis=0)
        return np.asarray(np.maximum(wide, np.max(found, axis=0)))


def _straightened(amplitudes: Array) -> Array:
    """Return amplitudes without what is a bend of the motions before, ``[p, k]``.

    A body that turns goes along an arc: its path's bend is no motion of its own.
    """
    left = amplitudes - amplitudes.mean(axis=0)
    for number in range(1, left.shape[1]):
        before = amplitudes[:, :number]
        pairs = [before[:, i] * before[:, j] for i in range(number) for j in range(i + 1)]
        bends = np.stack([np.ones(len(left)), *pairs], axis=1)
        if len(left) > 2 * bends.shape[1]:
            left[:, number] -= bends @ np.linalg.lstsq(bends, left[:, number], rcond=None)[0]
    return np.asarray(left)


def _root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return np.asarray((vectors * np.sqrt(values.clip(1e-20))) @ vectors.T)
