"""What classes begin with: given maps, principal differences, or chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.classify.evidence import Evidence, Support
from tomotui.algorithms.classify.mixture import ClassPlan, log_probabilities
from tomotui.algorithms.classify.seeding import SHARE_DRAWN, clusters, principal_differences

Begin = Callable[[Evidence, int], Tensor]
"""Returns how probably each particle is of each class, ``[p, k]``, for a seed."""

DETAIL_PER_DIAMETER = 1 / 8
"""Finest detail in which particles are compared before there are classes."""

_SCALE_ROUNDS = 4
_LEAST_COMPONENTS = 2


def from_differences(support: Support, plan: ClassPlan, diameter_angstrom: float) -> Begin:
    """Begin with clusters in the principal differences of the particles."""

    def begin(evidence: Evidence, seed: int) -> Tensor:
        chance = np.random.default_rng([seed, 17])
        good = _of_structure(evidence, plan)
        drawn = good & torch.as_tensor(
            chance.random(len(evidence)) < SHARE_DRAWN, device=good.device
        )
        if int(drawn.sum()) < 2 * plan.n_classes:
            drawn = good
        extent = evidence.terms.size * evidence.pixel_size_angstrom
        radius = extent / (DETAIL_PER_DIAMETER * diameter_angstrom)
        n = max(_LEAST_COMPONENTS, plan.n_classes)
        found = principal_differences(evidence, support, n, radius, drawn, seed)
        points = found.coordinates[good].double().cpu().numpy()
        return _spread(evidence, plan, good, clusters(points, plan.n_classes, seed))

    return begin


def at_random(plan: ClassPlan) -> Begin:
    """Begin with particles dealt out by chance."""

    def begin(evidence: Evidence, seed: int) -> Tensor:
        chance = np.random.default_rng([seed, 19])
        good = _of_structure(evidence, plan)
        dealt = chance.dirichlet(np.ones(plan.n_classes), int(good.sum()))
        return _spread(evidence, plan, good, dealt)

    return begin


def from_maps(maps: Sequence[Tensor], support: Support, plan: ClassPlan) -> Begin:
    """Begin with given maps, each at the scale at which it fits its particles best.

    Parameters
    ----------
    maps
        One for each class, ``[n, n, n]``, on the evidence's box and pixels.
    """

    def begin(evidence: Evidence, seed: int) -> Tensor:
        given = evidence.terms.of(torch.stack(list(maps)).to(evidence.weights.device))
        shares = torch.full((len(evidence), len(maps)), 1 / len(maps)).to(evidence.weights)
        populations = torch.full((plan.n_all,), 1 / plan.n_all).to(evidence.weights)
        found = shares
        for _ in range(_SCALE_ROUNDS):
            scaled = given * _scales(evidence, given, shares)[:, None]
            gains = evidence.judged(support.within(scaled - evidence.common)).gains
            log, _ = log_probabilities(gains, evidence.base, populations, plan, plan.temperature)
            found = log.exp()
            shares = found[:, : len(maps)]
        return found

    return begin


def _scales(evidence: Evidence, given: Tensor, shares: Tensor) -> Tensor:
    """Return by what maps must be multiplied to fit the particles of their classes, ``[c]``."""
    values = torch.complex(shares.T @ evidence.values.real, shares.T @ evidence.values.imag)
    weights = shares.T @ evidence.weights
    seen = values + weights * evidence.common
    power = (weights * given.abs().square()).sum(dim=1)
    scale = (seen * given.conj()).real.sum(dim=1) / power.clamp_min(1e-30)
    # A class that has no particles yet is of the others' scale.
    some = shares.sum(dim=0) > 1
    usual = scale[some].mean() if some.any() else scale.new_tensor(1.0)
    return torch.where(some & (scale > 0), scale, usual.clamp_min(1e-6))


def _of_structure(evidence: Evidence, plan: ClassPlan) -> Tensor:
    """Tell which particles look more like the common map than like noise, ``[p]``."""
    good = evidence.base > 0
    if not plan.has_noise_class or int(good.sum()) < 2 * plan.n_classes:
        return torch.ones_like(good)
    return good


def _spread(
    evidence: Evidence, plan: ClassPlan, good: Tensor, dealt: NDArray[np.float64]
) -> Tensor:
    """Return probabilities of all particles: those that look like noise are of its class."""
    found = torch.zeros(len(evidence), plan.n_all).to(evidence.weights)
    found[good, : plan.n_classes] = torch.as_tensor(dealt).to(found)
    if plan.has_noise_class:
        found[~good, -1] = 1
    return found
