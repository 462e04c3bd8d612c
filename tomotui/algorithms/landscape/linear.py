"""Motions as far as spectra change in proportion to them: the beginning, and the test for any.

Every particle's slope of the likelihood by the anchors' motions, what errors of its pose and its
contrast could cause taken out, is linear in its motion, with noise whose covariance is known.
Two shares of its views give two slopes with independent noise: their covariance over particles
is the motions' own, without noise in the mean, so that its eigenvectors are the motions and its
eigenvalues how far they stand out. Dealing the second shares out among other particles shows what
chance alone makes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.landscape.mixture import Mixture
from tomotui.algorithms.landscape.sums import ParticleSums

LEAST_CURVATURE = 1e-3
"""Of the greatest, below which a motion is not told by the views."""

SHUFFLES = 30
"""Deals of the second shares, for what chance makes."""

_BATCH = 64


@dataclass(frozen=True)
class Slopes:
    """First and second derivatives of particles' log-likelihood.

    Attributes
    ----------
    gradient
        By the motions, of both shares of the views, ``[2, p, m]``, nuisances taken out.
    curvature
        Mean over the particles, of all views, ``[m, m]``.
    """

    gradient: Tensor
    curvature: Tensor


@dataclass(frozen=True)
class LinearMotions:
    """Motions found from slopes.

    Attributes
    ----------
    axes
        Motion of the anchors for one standard deviation of each, ``[d, a * 4]``, the most telling
        first.
    strengths
        Variance of each over that of the noise of one particle, ``[d]``.
    by_chance
        Greatest strength in each deal of shares among other particles, ``[shuffles]``.
    coordinates
        Of the particles in standard deviations, ``[p, d]``, drawn towards 0 where they are noisy.
    """

    axes: Tensor
    strengths: Tensor
    by_chance: Tensor
    coordinates: Tensor

    @property
    def n_significant(self) -> int:
        """How many stand out of what chance makes."""
        return int((self.strengths > 1.2 * self.by_chance.max()).sum())


def slopes_of(
    sums: ParticleSums,
    mixture: Mixture,
    reference: Tensor,
    told: Callable[[float], None] = lambda share: None,
) -> Slopes:
    """Work out the slopes of all particles, their poses' and contrast's part taken out.

    Parameters
    ----------
    reference
        Terms of the map that particles were compared with, ``[k]``.
    """
    response = torch.cat([mixture.responses(), mixture.rigid_responses(), reference[None]])
    n_motions = len(response) - 7
    gradients = torch.zeros(2, len(sums), len(response), device=reference.device)
    for first in range(0, len(sums), _BATCH):
        part = slice(first, min(first + _BATCH, len(sums)))
        gradients[:, part] = _real_product(sums.values[:, part], response)
        told(part.stop / len(sums))
    mean = sums.weights.sum(dim=0).mean(dim=0)
    curvature = _real_product(response * mean, response).double()
    motions, rest = slice(0, n_motions), slice(n_motions, None)
    # Only where views tell poses and contrast at all; a floor keeps the system solvable.
    floor = torch.diag(curvature[rest, rest].diagonal() * 1e-6 + 1e-12)
    taken = torch.linalg.solve(curvature[rest, rest] + floor, curvature[rest, motions])
    free = gradients[..., motions] - gradients[..., rest] @ taken.float()
    left_over = curvature[motions, motions] - curvature[motions, rest] @ taken
    return Slopes(free, left_over)


def _real_product(left: Tensor, right: Tensor) -> Tensor:
    """Return the real part of products over frequencies, ``[..., k]`` by ``[m, k]``."""
    return left.real @ right.real.T + left.imag @ right.imag.T


def linear_motions(
    slopes: Slopes, mixture: Mixture, n_wanted: int, smoothness: float = 0.0, seed: int = 0
) -> LinearMotions:
    """Find the motions that two shares of the views agree on.

    Parameters
    ----------
    n_wanted
        Motions to return at most.
    smoothness
        Reserved curvature against motions that no neighbour shares, over the mean curvature.
    """
    basis = _whitening(slopes, mixture, smoothness)
    first, second = slopes.gradient.double() @ basis
    strengths, turn = _agreed(first, second)
    order = strengths.argsort(descending=True)[:n_wanted]
    kept = strengths[order].clamp_min(0)
    chance = torch.Generator().manual_seed(seed)
    by_chance = torch.stack(
        [
            _agreed(first, second[torch.randperm(len(second), generator=chance)])[0].max()
            for _ in range(SHUFFLES)
        ]
    )
    directions = basis @ turn[:, order]
    seen = (first + second) @ turn[:, order]
    # The mean is the map's own; the noise of `seen` has unit variance, its motion `kept`.
    seen = seen - seen.mean(dim=0)
    coordinates = seen * (kept.sqrt() / (kept + 1))
    axes = (directions * kept.sqrt()).T
    return LinearMotions(
        mixture.without_still(axes.float()), kept.float(), by_chance.float(), coordinates.float()
    )


def _whitening(slopes: Slopes, mixture: Mixture, smoothness: float) -> Tensor:
    """Return motions in which the noise of slopes is white, ``[m, w]``."""
    curvature = slopes.curvature
    if smoothness:
        penalty = smoothness * curvature.diagonal().mean()
        curvature = curvature + penalty * torch.eye(len(curvature), dtype=curvature.dtype)
    values, vectors = torch.linalg.eigh(curvature)
    told = values > LEAST_CURVATURE * values.max()
    return vectors[:, told] / values[told].sqrt()


def _agreed(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return variance over noise and direction of what two shares agree on, ``[w]``, ``[w, w]``."""
    first, second = first - first.mean(dim=0), second - second.mean(dim=0)
    covariance = first.T @ second / max(1, len(first) - 1)
    # Each share holds half of the views, and shows half of the motion.
    return torch.linalg.eigh(2 * (covariance + covariance.T))
