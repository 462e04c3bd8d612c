from __future__ import annotations

import numpy as np
import pytest
import torch

from tomotui.imaging.shells import Shells


@pytest.mark.parametrize("size", [9, 12])
def test_sums_are_those_of_the_whole_transform(size: int) -> None:
    values = torch.randn(2, 3, size, size, size, generator=torch.Generator().manual_seed(1))
    shells = Shells(size)
    half = torch.fft.rfftn(values, dim=(-3, -2, -1)).abs().square()
    whole = torch.fft.fftn(values.double(), dim=(-3, -2, -1)).abs().square().numpy()
    line = np.fft.fftfreq(size) * size
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(line, line, line)))
    expected = np.stack(
        [whole[..., np.round(radius) == shell].sum(axis=-1) for shell in range(size // 2 + 1)], -1
    )
    assert shells.sum(half).shape == (2, 3, size // 2 + 1)
    assert np.allclose(shells.sum(half).numpy(), expected, rtol=1e-5)
    counts = [(np.round(radius) == shell).sum() for shell in range(size // 2 + 1)]
    assert np.array_equal(shells.n_terms.numpy(), counts)


def test_sums_keep_digits_that_single_precision_would_lose() -> None:
    shells = Shells(64)
    values = torch.full(shells.index.shape, 0.1)
    assert shells.mean(values).numpy() == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_curves_come_back_from_the_grid() -> None:
    shells = Shells(10)
    curve = torch.arange(12, dtype=torch.float64).reshape(2, 6)
    grid = shells.spread(curve, beyond=-1.0)
    assert torch.allclose(shells.mean(grid), curve)
    assert grid[0, 5, 5, 5] == -1
    assert shells.frequency[-1] == 0.5
