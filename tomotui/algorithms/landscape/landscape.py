"""A landscape from end to end: is there motion, what does it look like, and who is where in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.landscape.likelihood import ShapeLikelihood
from tomotui.algorithms.landscape.linear import (
    LinearMotions,
    Slopes,
    linear_motions,
    slopes_of,
)
from tomotui.algorithms.landscape.mixture import Mixture
from tomotui.algorithms.landscape.network import LandscapeNetwork
from tomotui.algorithms.landscape.training import (
    LandscapeTraining,
    Lessons,
    Places,
    place_particles,
)
from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.subtomograms.reference_sums import ParticleSums

Array = NDArray[np.float64]

LEAST_MOTION = 0.035
"""Of the finest detail: smaller motions cannot be told from what errors of poses leave.

Measured on simulated particles of two seeds at two noises: what is left beside one true motion or
two came to 0.031 at most, true second motions to 0.038 at least."""

LEAST_OCCUPANCY = 0.05
"""Change of a logarithm, likewise."""

Told = Callable[[float, str], None]


@dataclass(frozen=True)
class LandscapePlan:
    """What is asked of a landscape.

    Attributes
    ----------
    n_coordinates
        Of each particle.
    epochs
        How often the network is shown every particle.
    n_features
        That describe a particle to the network.
    is_forced
        Learn even where the particles show no motion.
    """

    n_coordinates: int = 4
    epochs: int = 20
    n_features: int = 24
    is_forced: bool = False
    seed: int = 0


@dataclass(frozen=True)
class FoundLandscape:
    """What was found.

    Attributes
    ----------
    network
        Trained on all particles; as the linear motions say where there was nothing to learn.
    linear
        Motions as far as spectra change in proportion to them.
    n_motions
        That stand out.
    places
        Of the particles.
    axes
        Directions of the coordinates, unit length, ``[d, d]``, the one told best first.
    deviations
        Standard deviation along each, ``[d]``.
    agreement
        Mean canonical correlation of the coordinates that networks of both halves give, over the
        motions that stand out; ``None`` where there is none.
    """

    network: LandscapeNetwork
    linear: LinearMotions
    n_motions: int
    places: Places
    axes: Array
    deviations: Array
    agreement: float | None


class LandscapeLearning:
    """One landscape at work.

    Parameters
    ----------
    sums
        Of the particles of this process.
    mixture
        Gaussians of the map.
    reference
        Terms of the map that particles were compared with.
    told
        Is told the share that is done, and what is; may raise to stop.
    keep
        Is given the state after every epoch.
    """

    def __init__(
        self,
        sums: ParticleSums,
        mixture: Mixture,
        reference: Tensor,
        plan: LandscapePlan,
        *,
        ranks: Ranks | None = None,
        told: Told = lambda share, words: None,
        keep: Callable[[dict[str, Any]], None] = lambda state: None,
    ) -> None:
        self.sums, self.mixture, self.plan = sums, mixture, plan
        self.ranks, self.told, self.keep = ranks or Ranks(), told, keep
        told(0.0, "slopes")
        self.slopes: Slopes = slopes_of(sums, mixture, reference, self.ranks)
        self.likelihood = ShapeLikelihood(sums, mixture, reference)
        self.linear = self._linear(None)
        detail = mixture.terms.size / float(mixture.terms.length.max())
        is_moving = bool(mixture.components[0])
        least = LEAST_MOTION * detail if is_moving else LEAST_OCCUPANCY
        self.n_motions = self.linear.n_significant(least)
        self._done: list[dict[str, Any]] = []
        self._under_way: dict[str, Any] | None = None

    def _linear(self, half: int | None) -> LinearMotions:
        slopes = self.slopes if half is None else self.slopes.of(self._rows(half))
        return linear_motions(
            slopes, self.mixture, self.plan.n_coordinates, self.ranks, self.plan.seed
        )

    def _rows(self, half: int | None) -> Tensor:
        halves = self.sums.halves
        chosen = np.arange(len(halves)) if half is None else np.flatnonzero(halves == half)
        return torch.as_tensor(chosen, device=self.slopes.gradient.device)

    def take_up(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same particles."""
        self._done, self._under_way = list(state["done"]), state["under_way"]

    def run(self) -> FoundLandscape:
        """Learn from all particles and from each half of them, and place everybody."""
        learns = self.n_motions > 0 or self.plan.is_forced
        networks = [self._learnt(part, learns) for part in (None, 0, 1)]
        network, linear = networks[0]
        features = linear.features(self.slopes)[:, : self.plan.n_features]
        places = place_particles(
            network,
            self.likelihood,
            features,
            told=lambda share: self.told(0.9 + 0.1 * share, "placing particles"),
        )
        agreement = None
        if self.n_motions:
            first, second = (self._encoded(*one) for one in networks[1:])
            agreement = canonical_correlation(first, second, self.n_motions, self.ranks)
        axes, deviations = principal_axes(places.coordinates, places.spread, self.ranks)
        return FoundLandscape(network, linear, self.n_motions, places, axes, deviations, agreement)

    def _encoded(self, network: LandscapeNetwork, linear: LinearMotions) -> Tensor:
        with torch.no_grad():
            features = linear.features(self.slopes)[:, : self.plan.n_features]
            return network.encode(features)[0]

    def _learnt(self, half: int | None, learns: bool) -> tuple[LandscapeNetwork, LinearMotions]:
        """Return the network of all particles, or of half of them, and where it began."""
        number = 0 if half is None else half + 1
        linear = self.linear if half is None else self._linear(half)
        rows = self._rows(half).cpu().numpy()
        features = linear.features(self.slopes)[:, : self.plan.n_features]
        lessons = Lessons(self.likelihood, features, rows)
        training = LandscapeTraining(
            lessons,
            linear,
            self.plan.epochs if learns else 0,
            seed=self.plan.seed + number,
            device=features.device,
            ranks=self.ranks,
        )
        if number < len(self._done):
            training.go_on(self._done[number])
        elif self._under_way is not None:
            training.go_on(self._under_way)
        whose = "all particles" if half is None else f"half {half + 1}"
        # Of all particles, and of two halves: four halves of the work.
        before, share = ((0, 0.5), (0.5, 0.25), (0.75, 0.25))[number]

        def heard() -> None:
            at = before + share * training.epoch / max(1, training.epochs)
            last = training.course[-1]
            words = f"{whose}: epoch {last.epoch} of {training.epochs}, gain {last.gain:.2f}"
            self.keep({"done": self._done, "under_way": training.state()})
            self.told(0.05 + 0.85 * at, words)

        network = training.run(lambda course: heard())
        self._under_way = None
        if number >= len(self._done):
            self._done.append(training.state())
        return network, linear


def principal_axes(coordinates: Tensor, spread: Tensor, ranks: Ranks) -> tuple[Array, Array]:
    """Return directions of coordinates, the one told best first, and the deviation along each.

    A coordinate's width says little: each was learnt to have about that of its prior. What tells
    motions from noise is the variance of coordinates over that of their errors.

    Parameters
    ----------
    coordinates, spread
        Of particles, and their standard deviations, ``[p, d]``.

    Returns
    -------
    Unit directions ``[d, d]``, and standard deviations ``[d]``.
    """
    d = coordinates.shape[1]
    one = torch.cat([coordinates, torch.ones_like(coordinates[:, :1])], dim=1).double()
    moments = torch.cat([one.T @ one, torch.zeros_like(one[:1])])
    moments[-1, :d] = spread.double().square().sum(dim=0)
    ranks.sum_(moments)
    moments /= moments[d, d].clamp_min(1)
    covariance = moments[:d, :d] - torch.outer(moments[:d, d], moments[:d, d])
    noise = moments[-1, :d].clamp_min(1e-12).sqrt()
    values, vectors = torch.linalg.eigh(covariance / torch.outer(noise, noise))
    directions = (vectors / noise[:, None])[:, values.argsort(descending=True)].T
    directions = directions / directions.norm(dim=1, keepdim=True)
    widths = torch.einsum("md,de,me->m", directions, covariance, directions)
    return directions.cpu().numpy(), widths.clamp_min(0).sqrt().cpu().numpy()


def canonical_correlation(first: Tensor, second: Tensor, n: int, ranks: Ranks) -> float:
    """Return the mean of the n greatest canonical correlations of two sets of coordinates."""
    d = first.shape[1]
    both = torch.cat([first, second, torch.ones_like(first[:, :1])], dim=1).double()
    moments = both.T @ both
    ranks.sum_(moments)
    moments /= moments[-1, -1].clamp_min(1)
    mean = moments[:-1, -1]
    covariance = moments[:-1, :-1] - torch.outer(mean, mean)
    floor = 1e-9 * torch.eye(d, dtype=torch.float64, device=first.device)
    own, other = covariance[:d, :d] + floor, covariance[d:, d:] + floor
    left = torch.linalg.cholesky(own)
    right = torch.linalg.cholesky(other)
    mixed = torch.linalg.solve_triangular(left, covariance[:d, d:], upper=False)
    mixed = torch.linalg.solve_triangular(right, mixed.T, upper=False)
    return float(torch.linalg.svdvals(mixed)[:n].mean())
