"""Several runs of sorting particles, how far they agree, and whether there are classes at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.classify.agreement import agreements, mean_agreement
from tomotui.algorithms.classify.beginnings import Begin
from tomotui.algorithms.classify.evidence import Evidence, Support
from tomotui.algorithms.classify.mixture import (
    ClassPlan,
    Sorted,
    log_probabilities,
    small_errors,
    solve_differences,
    sort_particles,
)

Array = NDArray[np.float64]

FOLDS = 4
"""Shares of the particles that are held out, one after another."""

CLEARLY = 3.0
"""Standard errors by which classes must foretell particles that they do not know."""

WORTH = 0.5
"""Log-likelihood of a particle that classes must gain to tell it from the others."""

MODEL_ERROR = 1e-3
"""Of what the map of all tells, below which differences may be those of images and their model."""

ALIKE = 0.6
"""Adjusted Rand index between runs, below which classes are called not reproducible."""


@dataclass(frozen=True)
class Gain:
    """How much better several classes foretell particles they were not made of than one does.

    Attributes
    ----------
    mean
        Of the log-likelihood of a particle.
    error
        Standard error of that.
    of_map
        What the map of all gains a particle beside noise.
    """

    mean: float
    error: float
    of_map: float = 0.0

    @property
    def is_evident(self) -> bool:
        """Whether the particles are of several kinds beyond what chance makes."""
        least = max(CLEARLY * self.error, WORTH, MODEL_ERROR * self.of_map)
        return self.mean > least


@dataclass(frozen=True)
class Outcome:
    """Particles sorted.

    Attributes
    ----------
    best
        Of the runs, the one that the particles agree with most.
    agreements
        Adjusted Rand index between the runs, of particles that are no noise, ``[r, r]``.
    gain
        Of several classes over one, on particles held out.
    """

    best: Sorted
    agreements: Array
    gain: Gain

    @property
    def reproducibility(self) -> float | None:
        """Mean agreement of two runs; ``None`` for a single run."""
        return mean_agreement(self.agreements)


def classify(
    evidence: Evidence,
    support: Support,
    plan: ClassPlan,
    begin: Begin,
    seeds: list[int],
    told: Callable[[int, Sorted], None] = lambda run, found: None,
) -> Outcome:
    """Sort particles from several beginnings, and judge what has come of it.

    Parameters
    ----------
    seeds
        Of the runs.
    told
        Is told after every round of a run; may raise to stop.
    """
    runs = [
        sort_particles(evidence, support, plan, begin(evidence, seed), partial(told, run))
        for run, seed in enumerate(seeds)
    ]
    best = max(runs, key=lambda one: one.score)
    real = best.labels < plan.n_classes
    labels = [one.labels[real] for one in runs]
    gain = held_out_gain(evidence, support, plan, begin, seeds[0])
    return Outcome(best, agreements(labels), gain)


def held_out_gain(
    evidence: Evidence, support: Support, plan: ClassPlan, begin: Begin, seed: int
) -> Gain:
    """Return how well classes foretell particles that had no part in them, beside one class.

    Classes are made anew without each share of the particles in turn.
    """
    chance = np.random.default_rng([seed, 23])
    fold = np.zeros(len(evidence), dtype=np.int64)
    for half in (0, 1):
        mine = np.flatnonzero((evidence.halves == half).cpu().numpy())
        fold[chance.permutation(mine)] = np.arange(len(mine)) % FOLDS
    gains = []
    for number in range(FOLDS):
        held = torch.as_tensor(fold == number, device=evidence.weights.device)
        gains.append(_gain(evidence.select(~held), evidence.select(held), support, plan, begin))
    found = np.concatenate(gains)
    error = float(found.std() / np.sqrt(max(1, len(found))))
    return Gain(float(found.mean()), error, float(evidence.base.clamp_min(0).mean()))


def _gain(
    known: Evidence, held: Evidence, support: Support, plan: ClassPlan, begin: Begin
) -> Array:
    """Return the gain of each particle that was held out, ``[p]``."""
    found = sort_particles(known, support, plan, begin(known, 0))
    alone = replace(plan, n_classes=1)
    together = found.probabilities[:, : plan.n_classes].sum(dim=1, keepdim=True)
    together = torch.cat([together, found.probabilities[:, plan.n_classes :]], dim=1)
    several = _foretold(known, held, support, plan, found.probabilities, found.errors)
    errors = small_errors(known, alone)
    one = _foretold(known, held, support, alone, together, errors)
    return (several - one).double().cpu().numpy()


def _foretold(
    known: Evidence,
    held: Evidence,
    support: Support,
    plan: ClassPlan,
    probabilities: Tensor,
    errors: Tensor,
) -> Tensor:
    """Return the log-likelihood of particles by classes that others have made, ``[p]``."""
    maps = solve_differences(known, probabilities, errors, support, plan, is_joined=True)[0]
    populations = probabilities.mean(dim=0)
    scores = held.judged(maps).gains
    return log_probabilities(scores, held.base, populations, plan, plan.temperature)[1]
