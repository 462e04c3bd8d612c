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
    evident
        Strengths once the motions before, and what is a bend of them, are taken out: a part that
        turns goes along an arc, and the path's bend is no motion of its own, ``[d]``.
    by_chance
        The greatest that comes of that in any deal of shares among other particles, ``[d]``.
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
    evident: Tensor
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
        stands_out = self.evident > CLEARLY * self.by_chance
        # What comes after a motion that is none is none either.
        return int((stands_out.cumprod(dim=0).bool() & (self.sizes > least_px)).sum())

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
    evident, by_chance = _one_after_another(
        first, second, turn[:, order[:n_wanted]], ranks, torch.Generator().manual_seed(seed)
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
        evident.float(),
        by_chance.float(),
        mixture.sizes(still),
        projection.float(),
        middle.float(),
        spread.clamp_min(1.0).float(),
        seeing.float(),
    )


def _one_after_another(
    first: Tensor, second: Tensor, turn: Tensor, ranks: Ranks, chance: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return how strong each motion is beside those before it, and what chance makes, ``[d]`` each.

    A strong motion lends strength to everything by chance: it is taken out before weaker ones are
    judged.

    Parameters
    ----------
    first, second
        What two shares say, noise white, ``[p, w]``.
    turn
        Motions, the strongest first, ``[w, d]``.
    """
    evident, by_chance = [], []
    for number in range(turn.shape[1]):
        before = turn[:, :number]
        one, two = (_without(share, first + second, before, ranks) for share in (first, second))
        evident.append(_agreed(one, two, ranks)[0].max())
        deals = [
            _agreed(one, two[torch.randperm(len(two), generator=chance)], ranks)[0].max()
            for _ in range(SHUFFLES)
        ]
        by_chance.append(torch.stack(deals).max())
    return torch.stack(evident), torch.stack(by_chance)


def _without(share: Tensor, both: Tensor, before: Tensor, ranks: Ranks) -> Tensor:
    """Return what a share says beside motions, and beside their squares, cubes and products."""
    if not before.shape[1]:
        return share
    along = both @ before
    spread = _means(along.square(), ranks).sqrt().clamp_min(1e-12)
    along = along / spread
    pairs = [
        along[:, i] * along[:, j] for i in range(along.shape[1]) for j in range(i, along.shape[1])
    ]
    # What moves far is no longer met by the slope where it began: that goes with the cube.
    bends = torch.stack([torch.ones_like(pairs[0]), *pairs, *along.T, *along.pow(3).T], dim=1)
    normal, right = bends.T @ bends, bends.T @ share
    ranks.sum_(normal)
    ranks.sum_(right)
    floor = 1e-9 * torch.diag(normal.diagonal())
    left = share - bends @ torch.linalg.solve(normal + floor, right)
    return left - (left @ before) @ before.T


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
