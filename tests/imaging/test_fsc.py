from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.imaging.fsc import (
    Fsc,
    corrected_for_mask,
    fourier_shell_correlation,
    randomised_beyond,
    shell_correlation,
)
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.shells import Shells

SIZE = 64


def noise(seed: int, n: int = SIZE) -> Tensor:
    return torch.randn(n, n, n, generator=torch.Generator().manual_seed(seed))


def filtered(values: Tensor, curve: Tensor) -> Tensor:
    shells = Shells(values.shape[0])
    return torch.fft.irfftn(torch.fft.rfftn(values) * shells.spread(curve).float(), s=values.shape)


def fsc_of(corrected: list[float], **changes: Any) -> Fsc:
    curve = np.array(corrected)
    n = len(curve)
    values = {"n_terms": np.full(n, 2e4), **changes}
    frequency = np.arange(n) / (2 * (n - 1)) / 2.0
    return Fsc(frequency, curve, curve, np.zeros(n), curve, randomised_from_shell=n, **values)


def test_noise_of_known_strength_gives_the_known_correlation() -> None:
    fall = torch.exp(-((Shells(SIZE).frequency / 0.2) ** 2))
    signal = filtered(noise(0), 3 * fall)
    found = fourier_shell_correlation(signal + noise(1), signal + noise(2), 3.0)
    ratio = (3 * fall.numpy()) ** 2
    expected = ratio / (1 + ratio)
    chance = 3.5 / np.sqrt(found.n_terms / 2)
    assert (np.abs(found.corrected - expected)[1:] < chance[1:]).all()
    assert np.array_equal(found.masked, found.corrected)
    crossing = 0.2 * math.sqrt(math.log(9 * (1 / 0.143 - 1)) / 2)
    assert found.resolution() == pytest.approx(3.0 / crossing, rel=0.03)


def test_batches_are_correlated_one_by_one() -> None:
    first, second = torch.stack([noise(0, 16), noise(1, 16)]), torch.stack([noise(0, 16)] * 2)
    both = shell_correlation(first, second)
    assert both[0].numpy() == pytest.approx(1.0, abs=1e-6)
    assert torch.allclose(both[1], shell_correlation(first[1], second[1]))
    assert abs(float(both[1, 5:].mean())) < 0.1


def test_an_empty_shell_does_not_correlate() -> None:
    curve = torch.ones(17)
    curve[8:12] = 0
    maps = [filtered(noise(seed, 32), curve) for seed in (1, 1)]
    exact = shell_correlation(maps[0].double() * 0, maps[1].double())
    assert torch.equal(exact, torch.zeros(17, dtype=torch.float64))
    assert bool(torch.isfinite(shell_correlation(*maps)).all())


def test_random_phases_keep_amplitudes_and_coarse_detail() -> None:
    values = noise(3, 32)
    changed = randomised_beyond(values, 6, torch.Generator().manual_seed(0))
    again = randomised_beyond(values, 6, torch.Generator().manual_seed(0))
    assert torch.equal(changed, again)
    before, after = torch.fft.rfftn(values), torch.fft.rfftn(changed)
    assert torch.allclose(before.abs(), after.abs(), rtol=1e-3, atol=1e-2)
    curve = shell_correlation(values, changed)
    assert curve[:6].numpy() == pytest.approx(1.0, abs=1e-4)
    assert curve[7:].abs().max() < 0.3
    assert curve[7:].mean().abs() < 0.05


def test_a_tight_mask_makes_noise_agree_and_the_correction_takes_it_off() -> None:
    n, voxel = 64, 2.0
    cut = (Shells(n).frequency < 10 / n).double()
    signal = filtered(noise(0), cut) * 12
    # Thin and nearly sharp: it mixes neighbouring shells far.
    mask = soft_ball(n, 7, 2) - soft_ball(n, 4, 2)
    halves = [signal * soft_ball(n, 10, 2) + noise(seed) for seed in (1, 2)]
    found = fourier_shell_correlation(*halves, voxel, mask)
    assert 10 <= found.randomised_from_shell <= 12
    beyond = slice(found.randomised_from_shell + 2, None)
    assert found.masked[beyond].mean() > 0.25
    assert abs(found.corrected[beyond].mean()) < 0.1
    assert np.array_equal(found.masked[:10], found.corrected[:10])
    # The truth is 12.8: the mask blurs it by a few shells, and alone pretends to much more.
    assert 8.5 < found.resolution() < 12.8
    assert fsc_of(list(found.masked)).resolution() < 6.5


def test_noise_around_a_small_particle_does_not_move_where_phases_become_random() -> None:
    cut = (Shells(SIZE).frequency < 10 / SIZE).double()
    signal = filtered(noise(0), cut) * 12 * soft_ball(SIZE, 10, 2)
    found = fourier_shell_correlation(
        signal + noise(1), signal + noise(2), 2.0, soft_ball(SIZE, 9, 5)
    )
    assert (found.unmasked[2:6] < 0.8).all()
    assert 9 <= found.randomised_from_shell <= 12


def test_correction_by_hand() -> None:
    masked = torch.tensor([1.0, 0.9, 0.6, 0.5, 0.4, 0.3, 0.9])
    random = torch.tensor([1.0, 0.9, 0.1, 0.2, 0.2, 0.5, 1.0])
    corrected = corrected_for_mask(masked, random, 2)
    expected = [1.0, 0.9, 0.6, 0.5, 0.25, -0.4, 0.0]
    assert corrected.numpy() == pytest.approx(np.array(expected), abs=1e-6)


def test_resolution_is_the_first_crossing_between_shells() -> None:
    curve = fsc_of([1.0, 0.9, 0.5, 0.1, 0.0, 0.0, 0.4, 0.5, 0.0])
    between = 2 + (0.5 - 0.143) / (0.5 - 0.1)
    assert curve.resolution() == pytest.approx(2.0 * 16 / between)
    assert curve.resolution(0.5) == pytest.approx(2.0 * 16 / 2)
    assert curve.returns_at() == pytest.approx(2.0 * 16 / 6)
    assert fsc_of([1.0, 0.9, 0.5, 0.1, 0.0, 0.0, 0.4, 0.0, 0.0]).returns_at() is None
    few = fsc_of([1.0, 0.9, 0.5, 0.1, 0.0, 0.0, 0.4, 0.5, 0.0], n_terms=np.full(9, 10.0))
    assert few.returns_at() is None


def test_resolution_ends_at_nyquist_and_may_not_be_there() -> None:
    assert fsc_of([1.0] * 9).resolution() == pytest.approx(4.0)
    assert fsc_of([1.0] * 9).returns_at() is None
    assert math.isinf(fsc_of([1.0, 0.1, 0.9, 0.0]).resolution())


def test_the_same_map_twice_resolves_to_nyquist_under_a_mask() -> None:
    values = noise(5, 24)
    found = fourier_shell_correlation(values, values, 4.0, soft_ball(24, 6, 3))
    assert found.resolution() == pytest.approx(8.0)
    assert found.randomised_from_shell == 13


@pytest.mark.parametrize(
    ("second", "mask", "words"),
    [
        (torch.zeros(8, 8, 10), None, "second half map has shape"),
        (torch.zeros(8, 8, 8), torch.zeros(9, 9, 9), "mask has shape"),
        (torch.full((8, 8, 8), math.nan), None, "not numbers"),
    ],
)
def test_maps_that_cannot_be_compared(second: Tensor, mask: Tensor | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fourier_shell_correlation(torch.zeros(8, 8, 8), second, 1.0, mask)
    with pytest.raises(ValueError, match="cubes"):
        fourier_shell_correlation(torch.zeros(8, 8, 9), second, 1.0)
