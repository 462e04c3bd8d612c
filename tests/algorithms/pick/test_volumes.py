"""Resampling keeps places where they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tomotui.algorithms.pick.volumes import Volume, resampled, sampling_for


@pytest.mark.parametrize("shape", [(60, 80, 100), (61, 81, 99)])
@pytest.mark.parametrize("wanted", [10.0, 17.0, 25.0])
def test_a_blob_stays_at_its_place(shape: tuple[int, int, int], wanted: float) -> None:
    position = np.array([[110.0, -85.0, 62.0]])
    middle = np.array([n // 2 for n in shape])
    place = position[0, ::-1] / 10.0 + middle
    line = [torch.arange(n).float() for n in shape]
    z, y, x = torch.meshgrid(*line, indexing="ij")
    distance = (z - place[0]) ** 2 + (y - place[1]) ** 2 + (x - place[2]) ** 2
    blob = torch.exp(-distance / (2 * 4.0**2))
    volume = resampled("t", blob[None], torch.ones(shape), 10.0, wanted)
    assert volume.voxel_zyx_angstrom == pytest.approx([wanted] * 3, rel=0.06)
    found = volume.halves[0].clamp_min(0.3 * float(volume.halves[0].max()))
    found = found - found.min()
    grids = torch.meshgrid(*[torch.arange(n).float() for n in volume.shape], indexing="ij")
    centre = np.array([[float((g * found).sum() / found.sum()) for g in grids]])
    assert volume.to_angstrom(centre) == pytest.approx(position, abs=1.5)
    assert volume.to_angstrom(volume.to_voxels(position)) == pytest.approx(position)


def test_what_is_not_clear_is_blank_and_the_rest_has_unit_deviation() -> None:
    noise = torch.randn(2, 40, 40, 40, generator=torch.Generator().manual_seed(1))
    clear = torch.ones(40, 40, 40)
    clear[:, :, :10] = 0
    volume = resampled("t", noise, clear, 10.0, 10.0)
    assert float(volume.halves[:, :, :, :10].abs().max()) == 0
    assert float(volume.halves.mean(dim=0)[:, :, 10:].std()) == pytest.approx(1, rel=0.2)


def test_sampling_follows_the_smallest_species_and_never_the_tomogram_down() -> None:
    assert sampling_for([260.0], 10.0) == pytest.approx(20.0)
    assert sampling_for([260.0, 143.0], 10.0) == pytest.approx(11.0)
    assert sampling_for([80.0], 10.0) == 10.0


def test_gold_and_its_streaks_are_known() -> None:
    clear = torch.ones(60, 40, 40)
    clear[30, 20, 20] = 0
    volume = Volume("t", torch.zeros(1, 60, 40, 40), clear, np.full(3, 10.0))
    places = np.array([[30.0, 20, 20], [30, 24, 20], [30, 26, 20], [44, 20, 20], [48, 20, 20]])
    assert volume.is_beside_gold(places, 50.0).tolist() == [True, True, False, True, False]
