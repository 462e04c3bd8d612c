from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.extent import contrast_window, find_depth_range
from tomotui.algorithms.reconstruct.filters import Filter, column_filter, filter_columns

N = 128


@pytest.mark.parametrize("kind", get_args(Filter))
def test_filters_are_positive_and_no_larger_than_the_ramp(kind: Filter) -> None:
    found, ramp = column_filter(kind, N), column_filter("ramp", N)
    assert found.shape == (N // 2 + 1,)
    assert (found > 0).all()
    assert (found <= ramp + 1e-7).all()
    assert found[0] < 0.02 * ramp.max()
    low = found[:5]
    assert (low.diff() > 0).all()


def test_the_ramp_is_the_frequency() -> None:
    ramp = column_filter("ramp", N)
    np.testing.assert_allclose(ramp[1:], np.fft.rfftfreq(N)[1:], rtol=1e-6)
    # The mean of |f| over the Fourier pixel about zero.
    assert float(ramp[0]) == pytest.approx(0.25 / N)


def test_filters_differ_where_they_should() -> None:
    ramp, hamming, gaussian, sirt = (column_filter(kind, N) for kind in get_args(Filter))
    nyquist = N // 2
    assert hamming[nyquist] == pytest.approx(0.08 * 0.5, rel=1e-3)
    assert gaussian[nyquist] < 0.1 * ramp[nyquist]
    # Like some iterations of SIRT: low frequencies weigh more than those of the ramp.
    assert sirt[4] / sirt[nyquist] > 2 * ramp[4] / ramp[nyquist]
    assert (sirt.diff() > -1e-4).all()


def test_columns_are_filtered_without_meeting_round_the_corner() -> None:
    images = torch.zeros(2, 40, 3)
    images[:, 0] = 1
    found = filter_columns(images, "ramp")
    assert found.shape == images.shape
    assert found.is_contiguous()
    assert found[:, 0].min() > 0
    assert found[:, -1].abs().max() < 0.02 * found[:, 0].max()


def halves_of_a_slab(low: int, high: int, noise: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return two volumes that share structure between two sections, each with own noise."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.zeros(100, 64, 64)
    shared[low:high] = torch.randn(high - low, 64, 64, generator=generator)
    shared = torch.nn.functional.avg_pool3d(shared[None, None], (1, 3, 3), 1, (0, 1, 1))[0, 0]
    first, second = (
        shared + noise * torch.randn(shared.shape, generator=generator) for _ in range(2)
    )
    return first, second


@pytest.mark.parametrize(("low", "high"), [(30, 70), (15, 60), (42, 58)])
@pytest.mark.parametrize("noise", [0.1, 0.4])
def test_the_specimen_is_found_in_depth(low: int, high: int, noise: float) -> None:
    even, odd = halves_of_a_slab(low, high, noise)
    found = find_depth_range(even, odd, 50.0)
    thickness = (high - low) * 50.0
    assert found.thickness_angstrom == pytest.approx(thickness, rel=0.1, abs=4 * 50)
    centre = (found.lowest_angstrom + found.highest_angstrom) / 2
    assert centre == pytest.approx(((low + high - 1) / 2 - 50) * 50, abs=75)
    reach = max(abs(found.lowest_angstrom), abs(found.highest_angstrom))
    assert found.covering_angstrom == pytest.approx(2 * reach + 0.2 * found.thickness_angstrom)


def test_nothing_at_all_still_gives_a_range() -> None:
    found = find_depth_range(torch.zeros(40, 32, 32), torch.zeros(40, 32, 32), 50.0)
    assert found.thickness_angstrom > 0


def test_the_contrast_window_is_robust() -> None:
    values = torch.from_numpy(np.random.default_rng(0).normal(5, 2, 20000))
    values[:20] = 1e6
    low, high = contrast_window(values)
    assert low == pytest.approx(5 - 6, abs=0.3)
    assert high == pytest.approx(5 + 6, abs=0.3)
    narrow = contrast_window(values, n_sigma=1.0)
    assert low < narrow[0] < narrow[1] < high
    flat = contrast_window(torch.full((100,), 3.0))
    assert flat[0] < 3 < flat[1]
