from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.imaging.fourier import radial_frequency
from tomotui.imaging.local_resolution import (
    LocalResolution,
    local_resolution,
    locally_filtered,
)
from tomotui.imaging.masks import raised_cosine, soft_ball

SIZE = 56
VOXEL_ANGSTROM = 3.0
FINE_ANGSTROM, COARSE_ANGSTROM = 8.0, 16.0


def noise(seed: int) -> Tensor:
    return torch.randn(SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def low_passed(values: Tensor, spacing: float) -> Tensor:
    shape = values.shape
    passed = raised_cosine(radial_frequency(tuple(shape)) - VOXEL_ANGSTROM / spacing, 2 / SIZE)
    return torch.fft.irfftn(torch.fft.rfftn(values) * passed, s=shape)


class Halves(NamedTuple):
    """A ball whose right half shows finer detail than its left half."""

    first: Tensor
    second: Tensor
    signal: Tensor
    mask: Tensor


@pytest.fixture(scope="module")
def halves() -> Halves:
    right = torch.arange(SIZE).expand(SIZE, SIZE, SIZE) > SIZE // 2
    detail = noise(0)
    signal = torch.where(
        right, low_passed(detail, FINE_ANGSTROM), low_passed(detail, COARSE_ANGSTROM)
    )
    signal = 3 * signal * soft_ball(SIZE, 18, 4)
    return Halves(signal + noise(1), signal + noise(2), signal, soft_ball(SIZE, 18, 5))


@pytest.fixture(scope="module")
def found(halves: Halves) -> LocalResolution:
    told: list[float] = []
    result = local_resolution(
        halves.first, halves.second, VOXEL_ANGSTROM, halves.mask, told=told.append
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
    return result


def test_each_side_has_its_own_resolution(found: LocalResolution) -> None:
    x = found.places_zyx[:, 2] - SIZE // 2
    fine, coarse = found.at_places_angstrom[x > 6], found.at_places_angstrom[x < -6]
    assert np.median(fine) == pytest.approx(6.7, abs=1.0)
    assert np.median(coarse) == pytest.approx(12.5, abs=2.5)
    assert np.quantile(fine, 0.9) < np.quantile(coarse, 0.1)
    assert found.quantiles(0.0, 1.0)[0] >= 2 * VOXEL_ANGSTROM


def test_every_voxel_has_a_resolution(found: LocalResolution) -> None:
    values = found.resolution_angstrom
    assert values.shape == (SIZE,) * 3
    assert bool(torch.isfinite(values).all())
    at_places = values[tuple(torch.from_numpy(found.places_zyx).T)]
    assert np.allclose(at_places.numpy(), found.at_places_angstrom, rtol=1e-3)
    centre = SIZE // 2
    assert values[centre, centre, -1] < values[centre, centre, 0]


def test_one_half_is_the_more_careful_threshold(halves: Halves, found: LocalResolution) -> None:
    careful = local_resolution(
        halves.first, halves.second, VOXEL_ANGSTROM, halves.mask, threshold=0.5, step_voxels=8
    )
    assert careful.quantiles(0.5)[0] > found.quantiles(0.5)[0]


def test_noise_alone_is_not_resolved() -> None:
    mask = soft_ball(SIZE, 18, 5)
    found = local_resolution(noise(1), noise(2), VOXEL_ANGSTROM, mask, step_voxels=6)
    assert found.quantiles(0.3)[0] > 20.0
    assert found.level.min() >= 0.143


def test_a_local_filter_takes_noise_off_where_there_is_no_detail(
    halves: Halves, found: LocalResolution
) -> None:
    mean = (halves.first + halves.second) / 2
    shown = locally_filtered(mean, found.resolution_angstrom, VOXEL_ANGSTROM)
    inside = halves.mask > 0.9

    def error(values: Tensor, side: Tensor) -> float:
        return float((values - halves.signal)[side & inside].square().mean())

    left = torch.arange(SIZE).expand(SIZE, SIZE, SIZE) < SIZE // 2 - 6
    assert error(shown, left) < 0.4 * error(mean, left)
    uniform = locally_filtered(mean, torch.full_like(mean, 6.7), VOXEL_ANGSTROM)
    assert error(shown, left) < 0.7 * error(uniform, left)


def test_a_filter_of_one_resolution_is_a_low_pass() -> None:
    values = noise(4)
    shown = locally_filtered(values, torch.full_like(values, COARSE_ANGSTROM), VOXEL_ANGSTROM)
    cut = VOXEL_ANGSTROM / COARSE_ANGSTROM
    passed = raised_cosine(radial_frequency(tuple(values.shape)) - cut, 3 / SIZE)
    expected = torch.fft.irfftn(torch.fft.rfftn(values) * passed, s=values.shape)
    assert torch.allclose(shown, expected, atol=1e-5)


def test_an_empty_mask_is_refused(halves: Halves) -> None:
    with pytest.raises(ValueError, match="mask is empty"):
        local_resolution(halves.first, halves.second, VOXEL_ANGSTROM, torch.zeros_like(halves.mask))
