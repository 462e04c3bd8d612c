"""Motions as far as spectra change in proportion to them: the beginning, and the test for any.

Every particle's slope of the likelihood by the anchors' motions, what errors of its pose and its
contrast could cause taken out, is linear in its motion, with noise whose covariance is known.
Two shares of its views give two slopes with independent noise: their covariance over particles
is the motions' own, without noise in the mean, so that its eigenvectors are the motions and its
eigenvalues how far they stand out. Dealing the second shares out among other particles shows what
chance alone makes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.landscape.mixture import Mixture
from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.subtomograms.reference_sums import ParticleSums, real_product

LEAST_CURVATURE = 1e-3
"""Of the greatest, below which a motion is not told by the views."""

CLEARLY = 1.2
"""Times the greatest strength by chance: stands out."""

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

    def of(self, rows: Tensor) -> Slopes:
        """Return those of some particles."""
        return Slopes(self.gradient[:, rows], self.curvature)


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
    sizes
        Root mean square displacement of one standard deviation, voxels, ``[d]``; for motions of
        strength alone the change of a logarithm.
    projection
        From slopes to features, by which a particle is described: along the directions in which
        shares agree, the most telling first, with noise of unit variance, ``[m, w]``.
    feature_means, feature_deviations
        Of the particles, ``[w]``.
    seeing
        From features to coordinates in standard deviations, drawn towards 0 where they are
        noisy, ``[d, w]``.
    """

    axes: Tensor
    strengths: Tensor
    by_chance: Tensor
    sizes: Tensor
    projection: Tensor
    feature_means: Tensor
    feature_deviations: Tensor
    seeing: Tensor

    def n_significant(self, least_px: float) -> int:
        """How many stand out of what chance makes, and are larger than errors of poses make.

        Parameters
        ----------
        least_px
            Root mean square displacement, voxels.
        """
        stands_out = self.strengths > CLEARLY * self.by_chance.max()
        return int((stands_out & (self.sizes > least_px)).sum())

    def features(self, slopes: Slopes) -> Tensor:
        """Return what describes particles, from all of their views, ``[p, w]``."""
        return slopes.gradient.sum(dim=0) @ self.projection - self.feature_means

    def coordinates(self, slopes: Slopes) -> Tensor:
        """Return the particles' coordinates, ``[p, d]``."""
        return self.features(slopes) @ self.seeing.T


def slopes_of(
    sums: ParticleSums,
    mixture: Mixture,
    reference: Tensor,
    ranks: Ranks | None = None,
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
        gradients[:, part] = real_product(sums.values[:, part], response)
    total = torch.cat([sums.weights.sum(dim=(0, 1)), sums.weights.new_tensor([len(sums)])])
    (ranks or Ranks()).sum_(total)
    mean = total[:-1] / total[-1].clamp_min(1)
    curvature = real_product(response * mean, response).double()
    motions, rest = slice(0, n_motions), slice(n_motions, None)
    # Only where views tell poses and contrast at all; a floor keeps the system solvable.
    floor = torch.diag(curvature[rest, rest].diagonal() * 1e-6 + 1e-12)
    taken = torch.linalg.solve(curvature[rest, rest] + floor, curvature[rest, motions])
    free = gradients[..., motions] - gradients[..., rest] @ taken.float()
    left_over = curvature[motions, motions] - curvature[motions, rest] @ taken
    return Slopes(free, left_over)


def linear_motions(
    slopes: Slopes,
    mixture: Mixture,
    n_wanted: int,
    ranks: Ranks | None = None,
    seed: int = 0,
) -> LinearMotions:
    """Find the motions that two shares of the views agree on.

    Parameters
    ----------
    n_wanted
        Motions to return at most.
    """
    ranks = ranks or Ranks()
    basis = _whitening(slopes)
    first, second = slopes.gradient.double() @ basis
    mean = _means(torch.cat([first, second], dim=1), ranks)
    first, second = first - mean[: basis.shape[1]], second - mean[basis.shape[1] :]
    strengths, turn = _agreed(first, second, ranks)
    order = strengths.argsort(descending=True)
    chance = torch.Generator().manual_seed(seed)
    by_chance = torch.stack(
        [
            _agreed(first, second[torch.randperm(len(second), generator=chance)], ranks)[0].max()
            for _ in range(SHUFFLES)
        ]
    )
    projection = basis @ turn[:, order]
    features = slopes.gradient.sum(dim=0).double() @ projection
    middle = _means(features, ranks)
    spread = _means((features - middle).square(), ranks).sqrt()
    kept = strengths[order[:n_wanted]].clamp_min(0)
    seeing = torch.zeros(len(kept), len(order), dtype=kept.dtype, device=kept.device)
    # The noise of a feature has unit variance, and its motion `kept`.
    seeing[:, : len(kept)] = torch.diag(kept.sqrt() / (kept + 1))
    axes = (projection[:, : len(kept)] * kept.sqrt()).T
    still = mixture.without_still(axes.float())
    return LinearMotions(
        still,
        kept.float(),
        by_chance.float(),
        mixture.sizes(still),
        projection.float(),
        middle.float(),
        spread.clamp_min(1.0).float(),
        seeing.float(),
    )


def _whitening(slopes: Slopes) -> Tensor:
    """Return motions in which the noise of slopes is white, ``[m, w]``."""
    values, vectors = torch.linalg.eigh(slopes.curvature)
    told = values > LEAST_CURVATURE * values.max()
    return vectors[:, told] / values[told].sqrt()


def _means(values: Tensor, ranks: Ranks) -> Tensor:
    """Return the means of columns over the particles of all processes."""
    total = torch.cat([values.sum(dim=0), values.new_tensor([len(values)])])
    ranks.sum_(total)
    return total[:-1] / total[-1].clamp_min(1)


def _agreed(first: Tensor, second: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """Return variance over noise and direction of what two shares agree on, ``[w]``, ``[w, w]``."""
    covariance = torch.cat([first.T @ second, first.new_full((1, first.shape[1]), len(first))])
    ranks.sum_(covariance)
    mean = covariance[:-1] / covariance[-1, 0].clamp_min(1)
    # Each share holds half of the views, and shows half of the motion.
    return torch.linalg.eigh(2 * (mean + mean.T))
