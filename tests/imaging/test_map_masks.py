from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.imaging.map_masks import map_mask
from tomotui.imaging.potential import sample
from tomotui.simulate.shapes import shape

SIZE = 64
VOXEL_ANGSTROM = 6.0


def noise(strength: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return strength * torch.randn(SIZE, SIZE, SIZE, generator=generator)


def distance() -> Tensor:
    line = (torch.arange(SIZE) - SIZE // 2) * VOXEL_ANGSTROM
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    return (z.square() + y.square() + x.square()).sqrt()


def hollow_shell() -> Tensor:
    """Apoferritin: a shell of 12 nm with a cavity of 8."""
    return ((distance() < 61) & (distance() > 40)).float()


@cache
def ribosome() -> Tensor:
    made = torch.from_numpy(sample(shape("ribosome"), "r", VOXEL_ANGSTROM).potential_v)
    out = torch.zeros(SIZE, SIZE, SIZE)
    first = SIZE // 2 - made.shape[0] // 2
    inside = slice(first, first + made.shape[0])
    out[inside, inside, inside] = made
    return out


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_a_hollow_shell_stays_hollow(strength: float) -> None:
    support = hollow_shell()
    found = map_mask(support + noise(strength), VOXEL_ANGSTROM, radius_angstrom=85.0)
    assert found.values[support > 0].mean() > 0.99
    assert found.volume_a3 == pytest.approx(float(support.sum()) * VOXEL_ANGSTROM**3, rel=0.25)
    assert found.values[SIZE // 2, SIZE // 2, SIZE // 2] == 0
    assert found.values[distance() > 61 + 6 + 12 + 12].max() == 0


@pytest.mark.parametrize("radius", [None, 130.0, 170.0])
@pytest.mark.parametrize("strength", [0.0, 2.0])
def test_a_ribosome_is_held_whole(radius: float | None, strength: float) -> None:
    density = ribosome()
    found = map_mask(density + 7 + noise(strength), VOXEL_ANGSTROM, radius_angstrom=radius)
    core = density > 0.25 * density.max()
    assert found.values[core].mean() > 0.99
    assert found.solvent == pytest.approx(7.0, abs=0.15)
    assert 2.2e6 < found.volume_a3 < 4.5e6
    assert found.values.mean() < 0.16


def test_the_mask_is_soft_and_as_wide_as_asked() -> None:
    ball = (distance() < 80).float()
    found = map_mask(ball, VOXEL_ANGSTROM, widen_angstrom=12.0, edge_angstrom=24.0)
    profile = found.values[SIZE // 2, SIZE // 2, SIZE // 2 :]
    across = (torch.arange(len(profile)) * VOXEL_ANGSTROM - 80 - 12).numpy()
    expected = 0.5 + 0.5 * np.cos(np.pi * np.clip(across / 24, 0, 1))
    assert np.abs(profile.numpy() - expected).max() < 0.4
    assert (profile.diff() <= 1e-6).all()
    assert found.values.min() >= 0
    assert found.values.max() <= 1


def test_what_lies_apart_and_is_small_is_left_out() -> None:
    density = hollow_shell()
    # A speck of solvent noise, and a second large part that belongs to the particle.
    density[30:33, 30:33, 52:55] = 1.0
    density[10:17, 28:36, 28:36] = 1.0
    found = map_mask(density, VOXEL_ANGSTROM, radius_angstrom=150.0)
    assert found.values[31, 31, 53] == 0
    assert found.values[13, 32, 32] == 1


def test_noise_is_smoothed_until_protein_stands_out() -> None:
    clean = map_mask(hollow_shell(), VOXEL_ANGSTROM, radius_angstrom=85.0)
    noisy = map_mask(hollow_shell() + noise(1.0), VOXEL_ANGSTROM, radius_angstrom=85.0)
    assert clean.low_pass_angstrom == 15.0
    assert 15.0 < noisy.low_pass_angstrom <= 42.5


def test_a_given_threshold_is_obeyed() -> None:
    found = map_mask(ribosome(), VOXEL_ANGSTROM, threshold=4.0)
    assert found.threshold == 4.0
    assert found.volume_a3 < 0.8 * map_mask(ribosome(), VOXEL_ANGSTROM).volume_a3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (torch.zeros(8, 8, 9), "must be a cube"),
        (torch.ones(8, 8, 8), "the same everywhere"),
        (torch.full((8, 8, 8), math.nan), "not numbers"),
        (noise(1.0, 1), "no protein stands out"),
        (noise(0.2) - hollow_shell(), "protein is dark"),
    ],
)
def test_maps_that_give_no_mask(values: Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        map_mask(values, VOXEL_ANGSTROM)
