"""Tomograms small enough to train on in seconds, with their truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.restore.comb import Comb, measured
from tomotui.algorithms.restore.material import Material, prepare
from tomotui.geometry import TiltGeometry


class Scene(NamedTuple):
    """A volume of balls, and two noisy halves of it behind a wedge."""

    truth: Tensor
    comb: Comb
    material: Material


def make_scene(seed: int, side: int = 64, noise: float = 0.4) -> Scene:
    chance = np.random.default_rng(seed)
    line = torch.arange(side).float()
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    truth = torch.zeros(side, side, side)
    for _ in range(20):
        centre = chance.uniform(4, side - 4, 3)
        radius = chance.uniform(3.5, 5.0)
        distance = ((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2).sqrt()
        truth += torch.sigmoid((radius - distance) * 2)
    comb = Comb(TiltGeometry.of(np.arange(-60, 61, 5.0)).stage_matrices[:, 2, :])
    seen = measured(comb, (side,) * 3, 10.0).coverage
    generator = torch.Generator().manual_seed(seed)
    halves = []
    for _ in range(2):
        grain = noise * torch.randn(side, side, side, generator=generator)
        halves.append(-torch.fft.irfftn(torch.fft.rfftn(truth + grain) * seen, s=truth.shape))
    return Scene(truth, comb, prepare(f"scene {seed}", torch.stack(halves), (comb, comb), 10.0))


@pytest.fixture(scope="package")
def scene() -> Scene:
    return make_scene(1)
