"""Gaussians on maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tomotui.algorithms.landscape.seeding import automatic_number, gaussians_of_map
from tomotui.geometry.mixtures import drawn

PIXEL = 5.0


def blobs() -> torch.Tensor:
    """Return a map of thirty smooth lumps."""
    chance = np.random.default_rng(3)
    centres = chance.normal(0, 28, (30, 3)).astype(np.float32)
    strengths = chance.uniform(0.5, 2, 30).astype(np.float32)
    return torch.from_numpy(drawn(centres, strengths, np.full(30, 9.0, np.float32), 40, PIXEL))


def test_gaussians_look_like_the_map() -> None:
    volume = blobs()
    centres, amplitudes, widths = gaussians_of_map(volume, PIXEL, 150)
    assert len(centres) == 150
    again = drawn(centres, amplitudes, widths, 40, PIXEL)
    assert np.corrcoef(again.ravel(), volume.numpy().ravel())[0, 1] > 0.99
    assert again.max() == pytest.approx(float(volume.max()), rel=0.1)
    assert amplitudes.min() >= 0


def test_only_what_the_mask_shows_is_described() -> None:
    mask = torch.zeros(40, 40, 40)
    mask[:, :, 20:] = 1
    centres, amplitudes, _ = gaussians_of_map(blobs(), PIXEL, 60, mask)
    assert centres[amplitudes > 0.1 * amplitudes.max(), 0].min() > -2 * PIXEL


def test_more_are_asked_for_than_there_are_voxels() -> None:
    volume = torch.zeros(12, 12, 12)
    volume[5:7, 5:7, 5:7] = 1
    centres, _, _ = gaussians_of_map(volume, PIXEL, 500)
    assert len(centres) == 8


def test_nothing_stands_out() -> None:
    with pytest.raises(ValueError, match="nothing stands out"):
        gaussians_of_map(torch.zeros(8, 8, 8), PIXEL, 10)


def test_finer_maps_need_more() -> None:
    volume = blobs()
    assert automatic_number(volume, PIXEL, 15.0) > 2 * automatic_number(volume, PIXEL, 25.0)
