"""Training of a landscape's network: a variational one, whose noise is that of the views."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.landscape.likelihood import ShapeLikelihood
from tomotui.algorithms.landscape.linear import LinearMotions
from tomotui.algorithms.landscape.network import LandscapeNetwork
from tomotui.algorithms.learning import Learner, cosine_rate
from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.subtomograms.reference_sums import real_product

LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-2
WARM_UP_STEPS, LEAST_RATE = 20, 0.02
LONGEST_MEMORY = 0.98
BATCH = 16
_CHUNK = 64


@dataclass(frozen=True)
class Course:
    """What a training did in an epoch.

    Attributes
    ----------
    gain
        Log-likelihood above that of the map at rest, mean over the particles.
    cost
        Information of the coordinates that it took, in the same unit (Kullback and Leibler).
    """

    epoch: int
    gain: float
    cost: float


@dataclass(frozen=True)
class Lessons:
    """Particles to learn from.

    Attributes
    ----------
    likelihood
        Of all particles of this process.
    features
        Of the same, ``[p, w]``.
    rows
        Numbers of those to learn from.
    """

    likelihood: ShapeLikelihood
    features: Tensor
    rows: NDArray[np.intp]


class LandscapeTraining:
    """A network in training.

    Parameters
    ----------
    lessons
        Of this process.
    linear
        Where to begin.
    epochs
        How often every particle is shown.
    smoothness
        Weight of differences between the motions of neighbouring anchors, voxels.
    """

    def __init__(
        self,
        lessons: Lessons,
        linear: LinearMotions,
        epochs: int,
        *,
        smoothness: float = 0.02,
        seed: int = 0,
        device: torch.device | str = "cpu",
        ranks: Ranks | None = None,
    ) -> None:
        self.lessons, self.epochs, self.smoothness = lessons, epochs, smoothness
        mixture = lessons.likelihood.mixture
        n_features = lessons.features.shape[1]
        self.learner = Learner(
            lambda: LandscapeNetwork(mixture, linear, n_features).to(device),
            learning_rate=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
            longest_memory=LONGEST_MEMORY,
            seed=seed,
            device=device,
            ranks=ranks,
        )
        self.neighbours = _neighbours(mixture.anchors)
        most = torch.tensor([math.ceil(len(lessons.rows) / BATCH)], device=device)
        self.learner.ranks.max_(most)
        self.steps_per_epoch = max(1, int(most))
        self.course: list[Course] = []

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.course)

    def run(self, told: Callable[[Course], None]) -> LandscapeNetwork:
        """Train until the end, and return the network with the mean of its last weights.

        Parameters
        ----------
        told
            Is told of every epoch; may raise to stop.
        """
        while self.epoch < self.epochs:
            told(self._learn_epoch())
        return self.learner.mean

    def _learn_epoch(self) -> Course:
        order = self.learner.chance.permutation(self.lessons.rows)
        found = []
        for step in range(self.steps_per_epoch):
            # A process with fewer particles begins again, so that all do as many steps.
            at = (step * BATCH) % max(1, len(order))
            found.append(self._learn_step(order[at : at + BATCH]))
        gain, cost = np.mean(found, axis=0)
        self.course.append(Course(self.epoch + 1, float(gain), float(cost)))
        return self.course[-1]

    def _learn_step(self, chosen: NDArray[np.intp]) -> list[float]:
        learner = self.learner
        total = self.epochs * self.steps_per_epoch
        learner.begin_step(
            LEARNING_RATE * cosine_rate(learner.step, total, WARM_UP_STEPS, LEAST_RATE)
        )
        weight = self._weight_of_each(len(chosen))
        # A process without lessons takes part in the exchange with one that does not count.
        rows = torch.as_tensor(chosen if len(chosen) else [0], device=learner.device)
        network = learner.network
        features = self.lessons.features[rows]
        mean, log_variance = network.encode(features)
        # What the encoder answers is improved on by the likelihood itself; it learns to do so.
        best = _climb(network, self.lessons.likelihood, mean.detach(), rows, 1)
        missed = (mean - best.coordinates).square() / best.spread.square()
        unsure = log_variance - 2 * best.spread.log()
        noise = torch.randn(mean.shape, device=mean.device)
        motion = network.decode(best.coordinates + noise * best.spread)
        gain = weight * self.lessons.likelihood.gain(rows, motion).sum()
        uneven = (self.neighbours @ motion.unflatten(-1, (-1, 4))).square().sum()
        answer = 0.5 * weight * (missed + unsure.square()).sum()
        (answer - gain + self.smoothness * weight * uneven).backward()
        variance = best.spread.square()
        cost = 0.5 * weight * (best.coordinates.square() + variance - 1 - variance.log()).sum()
        losses = torch.stack([gain.detach(), cost.detach()])
        found = learner.end_step(losses)
        learner.step += 1
        return found

    def _weight_of_each(self, n: int) -> float:
        """Return by how much a particle counts, so that the mean over processes is that over all.

        Parameters
        ----------
        n
            Particles of this process in this step; there may be none.
        """
        ranks = self.learner.ranks
        if ranks.count == 1:
            return 1 / max(1, n)
        total = torch.tensor([float(n)], device=self.learner.device)
        ranks.sum_(total)
        return ranks.count / max(1.0, float(total)) if n else 0.0

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on as if nothing had happened."""
        return {
            "learner": self.learner.state(),
            "course": [[one.epoch, one.gain, one.cost] for one in self.course],
        }

    def go_on(self, state: dict[str, Any]) -> None:
        """Take up a state."""
        self.learner.go_on(state["learner"])
        self.course = [Course(int(epoch), gain, cost) for epoch, gain, cost in state["course"]]


def _neighbours(anchors: Tensor, n: int = 4) -> Tensor:
    """Return differences between each anchor and its nearest ones, as a matrix ``[e, a]``."""
    apart = torch.cdist(anchors, anchors)
    nearest = apart.argsort(dim=1)[:, 1 : n + 1]
    first = torch.arange(len(anchors), device=anchors.device)[:, None].expand_as(nearest)
    pairs = torch.stack([first.flatten(), nearest.flatten()], dim=1)
    pairs = torch.unique(pairs.sort(dim=1).values, dim=0)
    matrix = anchors.new_zeros(len(pairs), len(anchors))
    every = torch.arange(len(pairs), device=anchors.device)
    matrix[every, pairs[:, 0]] = 1
    matrix[every, pairs[:, 1]] = -1
    return matrix


@dataclass(frozen=True)
class Places:
    """Where particles lie in a landscape.

    Attributes
    ----------
    coordinates, spread
        And their standard deviations, ``[p, d]``.
    gain
        Log-likelihood above that of the map at rest, ``[p]``.
    """

    coordinates: Tensor
    spread: Tensor
    gain: Tensor


def place_particles(
    network: LandscapeNetwork,
    likelihood: ShapeLikelihood,
    features: Tensor,
    steps: int = 3,
    told: Callable[[float], None] = lambda share: None,
) -> Places:
    """Find the most probable coordinates of all particles: encoded first, then climbed to.

    Steps are after Gauss and Newton, kept where they are better.
    """
    parts = []
    for first in range(0, len(features), _CHUNK):
        rows = torch.arange(first, min(first + _CHUNK, len(features)), device=features.device)
        with torch.no_grad():
            began = network.encode(features[rows])[0]
        parts.append(_climb(network, likelihood, began, rows, steps))
        told((first + len(rows)) / len(features))
    return Places(*(torch.cat([getattr(one, name) for one in parts])
                    for name in ("coordinates", "spread", "gain")))  # fmt: skip


def _climb(
    network: LandscapeNetwork,
    likelihood: ShapeLikelihood,
    at: Tensor,
    rows: Tensor,
    steps: int,
) -> Places:
    with torch.no_grad():
        gain = likelihood.gain(rows, network.decode(at))
        merit = gain - 0.5 * at.square().sum(dim=-1)
        damping = torch.full_like(merit, 1e-2)
        for step in range(steps + 1):
            slope, curvature = _expansion(network, likelihood, at, rows)
            if step == steps:
                break
            slope = slope - at
            diagonal = torch.diag_embed(damping[:, None] * curvature.diagonal(dim1=1, dim2=2))
            trial = at + torch.linalg.solve(curvature + diagonal, slope)
            found = likelihood.gain(rows, network.decode(trial))
            value = found - 0.5 * trial.square().sum(dim=-1)
            better = value > merit
            at = torch.where(better[:, None], trial, at)
            gain, merit = torch.where(better, found, gain), torch.where(better, value, merit)
            damping = torch.where(better, damping * 0.3, damping * 8)
        spread = torch.linalg.inv(curvature).diagonal(dim1=1, dim2=2).clamp_min(0).sqrt()
    return Places(at, spread, gain)


def _expansion(
    network: LandscapeNetwork, likelihood: ShapeLikelihood, at: Tensor, rows: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the likelihood's slope, and its curvature with the prior's, ``[b, d(, d)]``."""
    values, weights = likelihood.sums.whole(rows)
    here = likelihood.difference(network.decode(at))
    step = 0.05
    response = []
    for axis in range(at.shape[1]):
        way = at.new_zeros(at.shape[1])
        way[axis] = step
        there = likelihood.difference(network.decode(at + way))
        response.append((there - here) / step)
    slopes = torch.stack(response, dim=1)
    left = (values - weights * here)[:, None]
    slope = (left.conj() * slopes).real.sum(dim=-1)
    weighed = slopes * weights[:, None]
    curvature = (weighed.conj()[:, :, None] * slopes[:, None]).real.sum(dim=-1)
    # What a particle's pose and contrast could explain as well is no evidence.
    nuisance = likelihood.nuisance
    mixed = real_product(weighed, nuisance)
    covariance = likelihood.covariance[rows]
    of_pose = real_product(left[:, 0], nuisance)
    slope = slope - torch.einsum("bdi,bij,bj->bd", mixed, covariance, of_pose)
    curvature = curvature - torch.einsum("bdi,bij,bej->bde", mixed, covariance, mixed)
    return slope, curvature + torch.eye(at.shape[1], device=at.device)
