"""A volume of large and small balls in noise: two species that a network tells in seconds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch

from tomotui.algorithms.pick.lessons import Labels
from tomotui.algorithms.pick.volumes import Volume

SIDE = 96
RADII = (5.0, 2.5)


class Balls(NamedTuple):
    """The volume, and where the balls of each size are, (z, y, x)."""

    volume: Volume
    centres: tuple[np.ndarray, np.ndarray]

    def labels(self, n_each: int, held_out: int = 0) -> Labels:
        """Return the first balls of each size, large ones accepted and small ones rejected."""
        large, small = (c[:n_each] for c in self.centres)
        accepted = np.r_[np.ones(len(large), bool), np.zeros(len(small), bool)]
        n = len(accepted)
        held = np.zeros(n, dtype=bool)
        held[:held_out] = True
        voxels = np.concatenate([large, small])
        return Labels(np.zeros(n, int), voxels, np.zeros(n, int), accepted, held)


def make_balls(seed: int = 3) -> Balls:
    chance = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(12, SIDE - 8, 18)] * 3, indexing="ij"), -1)
    centres = grid.reshape(-1, 3) + chance.uniform(-3, 3, (grid[..., 0].size, 3))
    chance.shuffle(centres)
    kinds = (centres[:25], centres[25:75])
    line = torch.arange(SIDE).float()
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    truth = torch.zeros(SIDE, SIDE, SIDE)
    for places, radius in zip(kinds, RADII, strict=True):
        for c in places:
            distance = ((z - c[0]) ** 2 + (y - c[1]) ** 2 + (x - c[2]) ** 2).sqrt()
            truth += torch.sigmoid((radius - distance) * 2)
    noise = torch.randn(2, SIDE, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    halves = truth - truth.mean() + 0.3 * noise
    halves /= halves.mean(dim=0).std()
    return Balls(Volume("balls", halves, torch.ones_like(truth), np.full(3, 10.0)), kinds)


@pytest.fixture(scope="package")
def balls() -> Balls:
    return make_balls()
