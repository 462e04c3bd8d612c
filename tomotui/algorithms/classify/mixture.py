"""Soft classes by expectation maximisation, with poses as they are.

A particle has a share in the map that it is compared with, and at the noise of tomograms that
share is enough to keep it where it happens to be. Particles are therefore compared with class
maps made of the other half of the particles. Halves begin with the same differences, and what
sorts one is always made of the other, so that classes are called the same in both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.classify.evidence import Evidence, Judged, Support, shell_means

Array = NDArray[np.float64]

ComparedWith = Literal["other half", "everyone"]

_LEAST_SHARE = 1e-3
"""Of the particles, as which the share of a class enters probabilities at least."""

_LEAST_POWER = 1e-3
"""Of differences, beside the common map's at the same frequency."""

_COOL = 1.01
"""Over the last temperature, below which a round counts as one of the last."""

_SETTLED = 2e-3
"""Share of particles that still change, below which nothing more happens."""


@dataclass(frozen=True)
class ClassPlan:
    """How particles are sorted.

    Attributes
    ----------
    n_classes
        With a map; the class of noise comes on top.
    has_noise_class
        Whether particles may be of no structure at all.
    temperature
        By which log-likelihoods are divided: above 1 particles are less sure of their class.
    trust
        Factor by which differences may be stronger than what halves agree on (1: as found).
    n_rounds
        At most.
    first_temperature
        In the first round; it falls to the last within half of the rounds.
    compared_with
        Class maps of the other half of the particles, or of all, themselves included.
    """

    n_classes: int
    has_noise_class: bool = True
    temperature: float = 1.0
    trust: float = 1.0
    n_rounds: int = 40
    first_temperature: float = 1.0
    compared_with: ComparedWith = "other half"

    @property
    def n_all(self) -> int:
        """Classes, that of noise included."""
        return self.n_classes + self.has_noise_class


@dataclass(frozen=True)
class Round:
    """What a round has done.

    Attributes
    ----------
    number
        Counted from 1.
    populations
        Share of the particles in each class, that of noise last, ``[k]``.
    changed
        Share of the particles whose most probable class is another than before.
    score
        Mean over particles of the log-likelihood above that of the common map.
    """

    number: int
    populations: Array
    changed: float
    score: float


@dataclass
class Sorted:
    """Particles in classes.

    Attributes
    ----------
    probabilities
        ``[p, k]``, the class of noise last.
    differences
        Of each half's class maps from the common map, complex, ``[2, c, k]``.
    errors
        Small errors of the particles in each class, ``[p, c, m]``.
    rounds
        What each did.
    """

    probabilities: Tensor
    differences: Tensor
    errors: Tensor
    rounds: list[Round] = field(default_factory=list)

    @property
    def labels(self) -> NDArray[np.int64]:
        """The most probable class of each particle, ``[p]``."""
        return self.probabilities.argmax(dim=1).cpu().numpy()

    @property
    def populations(self) -> Array:
        """Share of each class, ``[k]``."""
        return self.probabilities.double().mean(dim=0).cpu().numpy()

    @property
    def score(self) -> float:
        """Of the last round."""
        return self.rounds[-1].score if self.rounds else -np.inf


def log_probabilities(
    scores: Tensor, base: Tensor, populations: Tensor, plan: ClassPlan, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return log-probabilities of classes, and each particle's likelihood, ``[p, k]``, ``[p]``.

    Parameters
    ----------
    scores
        Log-likelihood of each class with a map above that of the common map, ``[p, c]``.
    base
        Of the common map above that of noise, ``[p]``.
    populations
        ``[k]``.
    """
    if plan.has_noise_class:
        scores = torch.cat([scores, -base[:, None]], dim=1)
    joint = scores / temperature + populations.clamp_min(_LEAST_SHARE).log()
    likelihood = torch.logsumexp(joint, dim=1)
    return joint - likelihood[:, None], likelihood


def solve_differences(
    evidence: Evidence,
    probabilities: Tensor,
    errors: Tensor,
    support: Support,
    plan: ClassPlan,
    is_joined: bool = False,
) -> Tensor:
    """Return how class maps of each half differ from the common map, ``[2, c, k]``.

    How strong they may be at a frequency is what the two halves agree on there.

    Parameters
    ----------
    probabilities
        Of the classes with maps first, ``[p, k]``.
    errors
        Small errors of the particles in each class, ``[p, c, m]``.
    is_joined
        Make both of all particles.
    """
    values, weights = [], []
    for half in (0, 1):
        mine = (evidence.halves == half).nonzero()[:, 0]
        shares = probabilities[mine, : plan.n_classes]
        of_half = evidence.select(mine).sums(shares, errors[mine])
        values.append(of_half[0])
        weights.append(of_half[1])
    v, w = torch.stack(values), torch.stack(weights)
    power = agreed_power(v, w, evidence.shells) * plan.trust
    floor = _LEAST_POWER * shell_means(evidence.common.abs().square(), evidence.shells)
    prior = 1 / torch.maximum(power, floor).clamp_min(1e-30) / support.n_copies
    if is_joined or plan.compared_with == "everyone":
        v, w = (one.sum(dim=0, keepdim=True).expand(2, -1, -1) for one in (v, w))
    return support.within(v / (w + prior[:, evidence.shells]))


def agreed_power(values: Tensor, weights: Tensor, shells: Tensor) -> Tensor:
    """Return the power of differences by shell as two halves agree on it, ``[c, s]``.

    Parameters
    ----------
    values, weights
        Sums of both halves, ``[2, c, k]``.
    """
    both = (values[0] * values[1].conj()).real
    square = weights[0] * weights[1]
    n = int(shells.max()) + 1
    total = both.new_zeros(len(both), n).index_add_(1, shells, both)
    scale = square.new_zeros(len(both), n).index_add_(1, shells, square)
    # Neighbours help: a shell near the origin has few terms.
    total, scale = _smooth(total), _smooth(scale)
    return (total / scale.clamp_min(1e-30)).clamp_min(0)


def _smooth(curves: Tensor) -> Tensor:
    padded = torch.cat([curves[:, :1], curves, curves[:, -1:]], dim=1)
    return (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4


def judged_by_halves(evidence: Evidence, differences: Tensor) -> Judged:
    """Return how well classes describe particles, by the maps of the other half.

    Parameters
    ----------
    differences
        Of each half, ``[2, c, k]``.
    """
    by_map = [evidence.judged(one) for one in differences]
    first = evidence.halves == 0
    return Judged(
        torch.where(first[:, None], by_map[1].gains, by_map[0].gains),
        torch.where(first[:, None, None], by_map[1].errors, by_map[0].errors),
    )


def small_errors(evidence: Evidence, plan: ClassPlan) -> Tensor:
    """Return small errors of particles beside the common map, for each class, ``[p, c, m]``."""
    alone = evidence.judged(torch.zeros_like(evidence.common)[None]).errors
    return alone.expand(-1, plan.n_classes, -1)


def sort_particles(
    evidence: Evidence,
    support: Support,
    plan: ClassPlan,
    begin: Tensor,
    told: Callable[[Sorted], None] = lambda found: None,
) -> Sorted:
    """Sort particles until they stay where they are.

    Parameters
    ----------
    begin
        How probably each particle is of each class, ``[p, k]``.
    told
        Is told after every round; may raise to stop.
    """
    is_hot = plan.first_temperature > 1
    errors = small_errors(evidence, plan)
    maps = solve_differences(evidence, begin, errors, support, plan, is_hot)
    found = Sorted(begin, maps, errors)
    calm = 0
    for number in range(1, plan.n_rounds + 1):
        cooled = max(0.0, 1 - 2 * number / plan.n_rounds)
        heat = plan.temperature * plan.first_temperature**cooled
        found = _round(evidence, support, plan, found, number, heat)
        told(found)
        is_cool = heat <= _COOL * plan.temperature
        calm = calm + 1 if is_cool and found.rounds[-1].changed < _SETTLED else 0
        if calm >= 2:
            break
    return found


def _round(
    evidence: Evidence, support: Support, plan: ClassPlan, now: Sorted, number: int, heat: float
) -> Sorted:
    judged = judged_by_halves(evidence, now.differences)
    populations = now.probabilities.mean(dim=0)
    # Halves that begin by chance must first find the same classes, and none may die meanwhile.
    is_hot = heat > _COOL * plan.temperature
    if is_hot:
        populations = torch.full_like(populations, 1 / len(populations))
    log, likelihood = log_probabilities(judged.gains, evidence.base, populations, plan, heat)
    fresh = log.exp()
    changed = float((fresh.argmax(dim=1) != now.probabilities.argmax(dim=1)).float().mean())
    done = Round(
        number,
        fresh.double().mean(dim=0).cpu().numpy(),
        changed,
        float(likelihood.mean()) * heat,
    )
    differences = solve_differences(evidence, fresh, judged.errors, support, plan, is_hot)
    return Sorted(fresh, differences, judged.errors, [*now.rounds, done])
