"""How far bodies move, learnt from all particles: what holds back those that tell little.

The motions of a particle are drawn from a normal distribution about none, whose covariance is
found by maximising the likelihood of all particles (empirical Bayes): of a weak body, whose motions
the images hardly tell, only as much is believed as others show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ROUNDS = 400
LEAST_SPREAD = 0.05
"""Standard deviation of every motion at least, degrees or Angstrom."""

_OWN_WEIGHT, _OWN_SPREAD = 5.0, 0.5
"""How many particles of how wide a spread are thought to have been seen before: what no image
tells, such as the turn of a round body about its axis, is thought to be still."""


@dataclass(frozen=True)
class Estimates:
    """Motions of particles as they are believed after their images were seen.

    Attributes
    ----------
    means
        Turns (degrees) and shifts (Angstrom), body after body, ``[p, d]``.
    covariances
        Of each, ``[p, d, d]``.
    prior
        Covariance of motions that was believed before, ``[d, d]``.
    """

    means: Array
    covariances: Array
    prior: Array

    def select(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Estimates:
        """Return those of some particles."""
        return Estimates(self.means[which], self.covariances[which], self.prior)

    def evidence(self) -> tuple[Array, Array]:
        """Return what the images alone say: information ``[p, d, d]``, and it times the means."""
        inverse = np.linalg.inv(self.covariances)
        told = inverse - np.linalg.inv(self.prior)
        values, vectors = np.linalg.eigh(0.5 * (told + told.transpose(0, 2, 1)))
        told = np.einsum("pij,pj,pkj->pik", vectors, values.clip(0.0), vectors)
        return told, np.einsum("pij,pj->pi", inverse, self.means)

    def under(self, prior: Array) -> Estimates:
        """Return what another prior makes of the same images."""
        return believed(*self.evidence(), prior)


def believed(told: Array, pull: Array, prior: Array) -> Estimates:
    """Return what a prior makes of evidence."""
    covariances = np.linalg.inv(told + np.linalg.inv(prior))
    return Estimates(np.einsum("pij,pj->pi", covariances, pull), covariances, prior)


def first_prior(n_bodies: int, turn_deg: float, shift_angstrom: float) -> Array:
    """Return what is believed of motions before any was seen, ``[d, d]``."""
    spread = np.tile([turn_deg] * 3 + [shift_angstrom] * 3, n_bodies - 1)
    return np.diag(np.maximum(spread, LEAST_SPREAD) ** 2)


def learnt_prior(estimates: Estimates) -> Array:
    """Return the covariance of motions that makes all images most likely, ``[d, d]``."""
    return most_likely(*estimates.evidence(), estimates.prior)


def most_likely(
    told: Array, pull: Array, prior: Array, rounds: int = ROUNDS, tolerance: float = 1e-4
) -> Array:
    """Return the covariance of motions that makes evidence most likely, ``[d, d]``.

    Parameters
    ----------
    told, pull
        Information, and it times the means, as `Estimates.evidence` gives them.
    prior
        To begin with.
    rounds, tolerance
        Of expectation maximisation: most of them, and the share of change that is none.
    """
    n, d = pull.shape
    if not n:
        return prior
    own = _OWN_WEIGHT * _OWN_SPREAD**2 * np.eye(d)
    for _ in range(rounds):
        now = believed(told, pull, prior)
        found = (now.means.T @ now.means + now.covariances.sum(axis=0) + own) / (n + _OWN_WEIGHT)
        values, vectors = np.linalg.eigh(0.5 * (found + found.T))
        found = (vectors * values.clip(LEAST_SPREAD**2)) @ vectors.T
        settled = np.abs(found - prior).max() < tolerance * np.abs(prior).max()
        prior = found
        if settled:
            break
    return np.asarray(prior)
