from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tomotui.algorithms.restore.comb import Comb
from tomotui.algorithms.restore.material import prepare
from tomotui.algorithms.restore.spectra import cross_spectra, half_spectra
from tomotui.geometry import TiltGeometry


def full_comb(n_tilts: int = 60) -> Comb:
    tilts = np.linspace(-90, 90, n_tilts, endpoint=False)
    return Comb(TiltGeometry.of(tilts).stage_matrices[:, 2, :])


def test_halves_of_white_noise_hold_no_signal_and_all_their_power_as_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    halves = torch.randn(2, 64, 64, 64, generator=generator)
    found = half_spectra(halves, (full_comb(), full_comb()))
    assert found.noise[4:-2].numpy() == pytest.approx(1.0, rel=0.15)
    assert float(found.signal[2:-2].max()) < 0.1
    assert float(found.wiener[2:-2].max()) < 0.1


def test_signal_and_noise_are_told_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    signal = 2 * torch.randn(64, 64, 64, generator=generator)
    halves = torch.stack([signal + torch.randn(64, 64, 64, generator=generator) for _ in range(2)])
    matrix = cross_spectra(halves, (full_comb(),))
    assert matrix[0, 1, 3:-2].numpy() == pytest.approx(4.0, rel=0.2)
    assert matrix[0, 0, 3:-2].numpy() == pytest.approx(5.0, rel=0.2)
    assert torch.equal(matrix[0, 1], matrix[1, 0])


def test_the_contrast_transfer_is_undone(scene: Any) -> None:
    """A volume damped by a known transfer comes back as the one that was not."""
    n = 64
    transfer = np.full((len(scene.comb.normals), 4), 0.5)
    damped = Comb(scene.comb.normals, transfer, 0.02)
    volumes = torch.randn(2, n, n, n, generator=torch.Generator().manual_seed(3))
    plain = prepare("plain", volumes, (scene.comb, scene.comb), 10.0)
    undone = prepare("damped", 0.5 * volumes, (damped, damped), 10.0)
    assert torch.allclose(plain.targets * plain.scale, undone.targets * undone.scale, atol=1e-3)


def test_protein_is_bright_and_inputs_have_unit_deviation(scene: Any) -> None:
    material = scene.material
    assert float(material.inputs.std()) == pytest.approx(1.0, rel=1e-3)
    flat = torch.corrcoef(torch.stack([material.inputs.mean(dim=0).ravel(), scene.truth.ravel()]))
    assert float(flat[0, 1]) > 0.6


def test_gold_is_neither_learnt_from_nor_measured_by(scene: Any) -> None:
    volumes = scene.material.mean - scene.material.scale * scene.material.targets
    beads = volumes.clone()
    beads[:, 30:36, 20:26, 40:46] -= 60 * float(volumes.std())
    gold = prepare("gold", beads, (scene.comb, scene.comb), 10.0)
    assert float(gold.clear[32, 22, 42]) == 0
    assert float(gold.clear[28, 18, 38]) == 0
    assert float(gold.clear.mean()) > 0.97
    assert float(scene.material.clear.min()) == 1
    assert float(gold.inputs.abs().max()) < 40
    before, after = (one.spectra.scaled(one.scale) for one in (scene.material, gold))
    assert after.noise[4:-2].numpy() == pytest.approx(before.noise[4:-2].numpy(), rel=0.3)


@pytest.mark.parametrize(
    ("value", "words"), [(float("nan"), "not numbers"), (0.0, "same everywhere")]
)
def test_what_cannot_be_worked_on_is_refused(scene: Any, value: float, words: str) -> None:
    volumes = torch.zeros(2, 32, 32, 32)
    volumes[0, 3, 3, 3] = value
    with pytest.raises(ValueError, match=words):
        prepare("ts_1", volumes, (scene.comb, scene.comb), 10.0)
