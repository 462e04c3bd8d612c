"""Particles of two kinds as sums in Fourier space, with wedges that hide parts of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.classify.evidence import Evidence, Support, above_noise
from tomotui.algorithms.subtomograms.reference_sums import Terms
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.imaging.masks import soft_ball

SIZE, RADIUS, PIXEL_ANGSTROM = 20, 6.5, 10.0
DIAMETER_ANGSTROM = 120.0


@dataclass(frozen=True)
class Kinds:
    """Particles, what tells them apart, and of which kind each is."""

    evidence: Evidence
    support: Support
    labels: NDArray[np.int64]
    maps: tuple[Tensor, Tensor]


MakeKinds = Callable[..., Kinds]


def blob(x: float, y: float, z: float, sigma: float = 1.7) -> Tensor:
    line = torch.arange(SIZE) - SIZE // 2
    by_x, by_y, by_z = (torch.exp(-((line - at) ** 2) / (2 * sigma**2)) for at in (x, y, z))
    return by_z[:, None, None] * by_y[:, None] * by_x


@pytest.fixture(scope="session")
def make_kinds() -> MakeKinds:
    def make(
        share: float = 0.5,
        n: int = 100,
        strength: float = 1.0,
        shift_px: float = 0.0,
        n_noise: int = 0,
        seed: int = 0,
    ) -> Kinds:
        """Particles with a body, of which a share have no arm; some may be nothing at all."""
        chance = np.random.default_rng(seed)
        terms = Terms(SIZE, RADIUS)
        body, arm = blob(-1, 0, 0.5, 2.2) + blob(2, 2, -1), blob(0, -3, 2)
        labels = (chance.random(n) >= share).astype(np.int64)
        labels[n - n_noise :] = 2
        real = labels < 2
        maps = (body + arm, body)
        common = body + float(np.mean(labels[real] == 0)) * arm
        seen = torch.stack([*maps, torch.zeros_like(body)])[labels]
        spectra = terms.of(seen)
        shifts = torch.as_tensor(chance.normal(0, shift_px, (n, 3)), dtype=torch.float32)
        turns = 2 * np.pi / SIZE * (shifts @ terms.frequencies.T)
        spectra = spectra * torch.polar(torch.ones_like(turns), -turns)
        weights = strength * wedges(terms, n, chance)
        drawn = chance.normal(size=(2, *weights.shape)).astype(np.float32)
        noise = torch.complex(*map(torch.from_numpy, drawn)) * weights.sqrt()
        whole = terms.of(common)
        data = weights * spectra + noise
        agreement = (data * whole.conj()).real.sum(dim=1)
        power = weights @ whole.abs().square()
        evidence = Evidence(
            terms,
            data - weights * whole,
            weights,
            above_noise(agreement, power),
            whole,
            torch.as_tensor(chance.permutation(n) % 2),
            np.arange(n),
            PIXEL_ANGSTROM,
            whole.new_zeros(0, len(whole)),
        )
        support = Support(terms, soft_ball(SIZE, 7.0, 2.0), np.eye(3)[None])
        return Kinds(evidence, support, labels, maps)

    return make


def wedges(terms: Terms, n: int, chance: np.random.Generator) -> Tensor:
    """Weights of 0 within 30 degrees of a plane's normal that lies differently for each."""
    turns = rotations_of_vectors(chance.normal(size=(n, 3)) * 2)
    k = torch.einsum("nij,kj->nki", torch.as_tensor(turns, dtype=torch.float32), terms.frequencies)
    hidden = k[..., 2].abs() > 3**0.5 * k[..., 0].abs()
    hidden[:, 0] = False
    return torch.where(hidden, 0.0, 0.02) / (1 + (terms.length / 4).square())
