from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.landscape.mixture import Mixture, What
from tomotui.algorithms.landscape.seeding import gaussians_of_map
from tomotui.algorithms.subtomograms.reference_sums import ParticleSums, SumMaker, Terms
from tomotui.algorithms.subtomograms.views import SeriesModel
from tomotui.geometry import TiltGeometry
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.geometry.mixtures import drawn

SIZE, RADIUS = 24, 9.0
MODEL = SeriesModel(TiltGeometry.of(np.arange(-60.0, 61.0, 4.0), axis_deg=80.0))


class Varied(NamedTuple):
    """Particles of two lumps, of which the second turns on the first or comes and goes."""

    sums: ParticleSums
    reference: Tensor
    consensus: Tensor
    truth: NDArray[np.float64]

    def mixture(self, what: What = "both") -> Mixture:
        centres, amplitudes, widths = gaussians_of_map(self.consensus, 1.0, 120)
        parts = torch.from_numpy(centres), torch.from_numpy(amplitudes)
        return Mixture.of(self.sums.terms, *parts, float(widths[0]), 12, what=what)


def _lump(chance: np.random.Generator, middle: list[float], radius: float, n: int) -> Any:
    places = chance.normal(size=(n, 3))
    places *= radius * chance.random((n, 1)) ** (1 / 3)
    return places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True) / radius, 1) + middle


_BODY = _lump(np.random.default_rng(4), [0, 0, -2.5], 4.0, 80)
_HEAD = _lump(np.random.default_rng(5), [0, 0, 4.0], 3.0, 40)


def shape(angle_deg: float, strength: float = 1.0) -> Tensor:
    turn = rotations_of_vectors(np.array([[np.deg2rad(angle_deg), 0, 0]]))[0]
    places = np.concatenate([_BODY, _HEAD @ turn.T]).astype(np.float32)
    strengths = np.r_[np.ones(len(_BODY)), np.full(len(_HEAD), strength)].astype(np.float32)
    widths = np.full(len(places), 1.1, np.float32)
    return torch.from_numpy(drawn(places, strengths, widths, SIZE, 1.0))


@pytest.fixture(scope="package")
def make_varied(make_views: Any) -> Callable[..., Varied]:
    def make(kind: str, n: int = 100, strength: float = 0.006) -> Varied:
        chance = np.random.default_rng(8)
        truth = chance.uniform(-1, 1, n)

        def of(value: float) -> Tensor:
            if kind == "occupancy":
                return shape(0.0, 0.6 + 0.4 * value)
            return shape(15.0 * value if kind == "hinge" else 0.0)

        consensus = torch.stack([of(value) for value in truth[:30]]).mean(dim=0)
        terms = Terms(SIZE, RADIUS)
        maker = SumMaker(terms, [consensus, consensus], torch.device("cpu"))
        halves = np.arange(n) % 2
        found = []
        for i, value in enumerate(truth):
            scene = make_views(of(value), MODEL, n_particles=1, strength=strength, seed=50 + i)
            found.append(maker.sums(scene.views, MODEL, scene.poses, halves[i : i + 1]))
        values, weights = (torch.cat([one[k] for one in found], dim=1) for k in (0, 1))
        sums = ParticleSums(terms, values, weights, np.arange(n), halves, 4.0)
        return Varied(sums, terms.of(consensus), consensus, truth)

    return make


@pytest.fixture(scope="package")
def hinge(make_varied: Callable[..., Varied]) -> Varied:
    return make_varied("hinge")


@pytest.fixture(scope="package")
def rigid(make_varied: Callable[..., Varied]) -> Varied:
    return make_varied("rigid")
