"""Where classes begin: principal differences between particles, and clusters in them.

The principal differences are found by expectation maximisation for probabilistic principal
components (Tipping and Bishop 1999, J. R. Stat. Soc. B 61:611) in which every Fourier term of
every particle has its own weight, so that what a particle's missing wedge hides pulls it nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.classify.evidence import Evidence, Support, shell_means
from tomotui.algorithms.subtomograms.reference_sums import real_product

Array = NDArray[np.float64]

ROUNDS = 30
TRIES = 12
"""Of expectation maximisation, and beginnings of a mixture."""

PRIOR_SHARE = 0.3
"""Of the mean weight of a shell over all particles, that is added: components are smooth."""

SHARE_DRAWN = 0.7
"""Of the particles from which a run's components are found: runs begin differently."""

_LEAST_SHARE = 0.02
"""Of the particles, that a cluster may come down to."""


@dataclass(frozen=True)
class PrincipalDifferences:
    """Components of how particles differ from their common map.

    Attributes
    ----------
    components
        For one standard deviation each, complex, ``[m, k]``.
    coordinates
        Of all particles, in standard deviations, ``[p, m]``.
    """

    components: Tensor
    coordinates: Tensor


def principal_differences(
    evidence: Evidence,
    support: Support,
    n: int,
    radius: float,
    drawn: Tensor,
    seed: int,
) -> PrincipalDifferences:
    """Find the components by which particles differ most, beside small errors of poses.

    Parameters
    ----------
    n
        How many.
    radius
        Greatest frequency that counts, cycles per box.
    drawn
        Particles to find them from, ``[p]`` of true and false; all get coordinates.
    """
    inside = evidence.terms.length <= radius
    values, weights = evidence.values * inside, evidence.weights * inside
    small = evidence.responses * inside
    some, some_weights = values[drawn], weights[drawn]
    chance = torch.Generator().manual_seed(seed)
    m = n + len(small)
    z = torch.randn(len(some), m, generator=chance).to(some_weights)
    z[:, n:] = 0
    second = 0.1 * torch.eye(m).to(z) + z[:, :, None] * z[:, None, :]
    shells = evidence.shells
    prior = PRIOR_SHARE * shell_means(some_weights.sum(dim=0), shells)[shells]
    components = values.new_zeros(n, values.shape[1])
    for _ in range(ROUNDS):
        components = _components(some, some_weights, z, second, small, prior) * inside
        components = support.within(components) * inside
        z, second = _coordinates(some, some_weights, torch.cat([components, small]))
    everyone, _ = _coordinates(values, weights, torch.cat([components, small]))
    return PrincipalDifferences(components, everyone[:, :n])


def _components(
    values: Tensor, weights: Tensor, z: Tensor, second: Tensor, small: Tensor, prior: Tensor
) -> Tensor:
    """Return components from coordinates: a small system of equations at each frequency.

    Parameters
    ----------
    small
        What small errors add; their coordinates are the last, ``[m, k]``.
    """
    n = z.shape[1] - len(small)
    every = (second[:, :n].flatten(1).T @ weights).T.view(-1, n, z.shape[1])
    system = every[..., :n] + prior.clamp_min(1e-12)[:, None, None] * torch.eye(n).to(every)
    own = z[:, :n].T
    right = torch.complex(own @ values.real, own @ values.imag)
    right = right - (every[..., n:].to(right.dtype) @ small.T[..., None])[..., 0].T
    found = torch.linalg.solve(system, torch.view_as_real(right.T.contiguous()))
    return torch.complex(found[..., 0], found[..., 1]).T.contiguous()


def _coordinates(values: Tensor, weights: Tensor, components: Tensor) -> tuple[Tensor, Tensor]:
    """Return means and second moments of coordinates, ``[p, m]`` and ``[p, m, m]``."""
    n = len(components)
    products = (components[:, None] * components[None].conj()).real
    system = (weights @ products.flatten(0, 1).T).view(len(values), n, n)
    system = system + torch.eye(n).to(system)
    spread = torch.linalg.inv(system)
    mean = (spread @ real_product(values, components)[..., None])[..., 0]
    return mean, spread + mean[:, :, None] * mean[:, None, :]


def clusters(coordinates: Array, n: int, seed: int) -> Array:
    """Return how probably each particle is of each of some clusters, ``[p, n]``.

    They are a mixture of normal distributions of one shape, the best of several beginnings.

    Parameters
    ----------
    coordinates
        ``[p, m]``.
    """
    chance = np.random.default_rng([seed, 13])
    best, best_score = np.full((len(coordinates), n), 1 / n), -np.inf
    for _ in range(TRIES):
        found, score = _mixture(coordinates, n, chance)
        if score > best_score:
            best, best_score = found, score
    return best


def _mixture(points: Array, n: int, chance: np.random.Generator) -> tuple[Array, float]:
    """Fit a mixture from centres that were drawn far from each other (k-means++)."""
    centres = points[chance.integers(len(points))][None]
    while len(centres) < n:
        gaps = ((points[:, None] - centres) ** 2).sum(axis=-1).min(axis=1)
        total = gaps.sum()
        share = gaps / total if total > 0 else None
        centres = np.vstack([centres, points[chance.choice(len(points), p=share)]])
    nearest = ((points[:, None] - centres) ** 2).sum(axis=-1).argmin(axis=1)
    probable = np.eye(n)[nearest]
    score = -np.inf
    for _ in range(100):
        before = score
        log = _log_densities(points, probable)
        most = log.max(axis=1, keepdims=True)
        total = most[:, 0] + np.log(np.exp(log - most).sum(axis=1))
        probable = np.exp(log - total[:, None])
        score = float(total.sum())
        if abs(score - before) < 1e-4 * len(points):
            break
    return probable, score


def _log_densities(points: Array, probable: Array) -> Array:
    """Return the log-density of points in each part of a mixture, its share counted, ``[p, n]``."""
    p, m = points.shape
    mass = probable.sum(axis=0) + 1e-9
    centres = (probable.T @ points) / mass[:, None]
    gaps = points[:, None] - centres
    shape = np.einsum("pn,pni,pnj->ij", probable, gaps, gaps) / p
    shape += np.eye(m) * (1e-3 * np.trace(shape) / m + 1e-9)
    distance = np.einsum("pni,ij,pnj->pn", gaps, np.linalg.inv(shape), gaps)
    shares = np.maximum(mass / p, _LEAST_SHARE)
    _, log_volume = np.linalg.slogdet(shape)
    return np.asarray(np.log(shares) - 0.5 * distance - 0.5 * log_volume)
