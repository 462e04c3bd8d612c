from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.imaging.fsc import Fsc, fourier_shell_correlation
from tomotui.imaging.potential import sample
from tomotui.imaging.sharpening import (
    Profile,
    guinier,
    profile_of,
    protein_profile,
    reference_weight,
    sharpened,
    shell_amplitude,
)
from tomotui.imaging.shells import Shells
from tomotui.simulate.shapes import shape

SIZE = 64
VOXEL_ANGSTROM = 2.0
B_FACTOR_A2 = 150.0


def noise(seed: int, n: int = SIZE) -> Tensor:
    return torch.randn(n, n, n, generator=torch.Generator().manual_seed(seed))


def with_curve(values: Tensor, curve: Tensor) -> Tensor:
    spread = Shells(values.shape[0]).spread(curve).float()
    return torch.fft.irfftn(torch.fft.rfftn(values) * spread, s=values.shape)


def halves(b_factor_a2: float, noise_level: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return a truth of even amplitudes, and two halves that are blurred and noisy."""
    truth = noise(0)
    frequency = Shells(SIZE).frequency / VOXEL_ANGSTROM
    blurred = with_curve(truth, torch.exp(-b_factor_a2 * frequency**2 / 4))
    return truth, blurred + noise_level * noise(1), blurred + noise_level * noise(2)


def fsc_of(first: Tensor, second: Tensor) -> Fsc:
    return fourier_shell_correlation(first, second, VOXEL_ANGSTROM)


def test_the_weight_is_the_correlation_with_the_truth() -> None:
    truth, first, second = halves(B_FACTOR_A2, 0.3)
    both = fourier_shell_correlation(truth, (first + second) / 2, VOXEL_ANGSTROM)
    weight = reference_weight(fsc_of(first, second).corrected)
    assert np.abs(both.unmasked - weight)[3:24].max() < 0.1
    assert reference_weight(np.array([-0.2, 0.0, 1.0])).tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("noise_level", [0.0, 0.2])
def test_the_fall_off_is_found_through_noise(noise_level: float) -> None:
    _, first, second = halves(B_FACTOR_A2, noise_level)
    fit = guinier((first + second) / 2, fsc_of(first, second))
    assert fit.b_factor_a2 == pytest.approx(B_FACTOR_A2, rel=0.1)
    spacing = 1 / np.sqrt(fit.squared_frequency_per_a2[fit.is_fitted])
    assert spacing.max() <= 10.0


def test_sharpening_brings_the_truth_back() -> None:
    truth, first, second = halves(B_FACTOR_A2, 0.5)
    mean, fsc = (first + second) / 2, fsc_of(first, second)
    result = sharpened(mean, fsc)
    assert 4.3 < fsc.resolution() < 6.0
    assert result.b_factor_a2 == pytest.approx(B_FACTOR_A2, rel=0.1)
    amplitude = shell_amplitude(result.values) / shell_amplitude(truth)
    resolved = fsc.frequency_per_angstrom < 0.9 / fsc.resolution()
    assert amplitude[resolved][2:] == pytest.approx(1.0, abs=0.25)
    # Beyond what is resolved nothing is shown.
    assert amplitude[fsc.frequency_per_angstrom > 1.2 / fsc.resolution()].max() < 0.01


def test_a_given_fall_off_is_obeyed_and_a_rise_is_none() -> None:
    _, first, second = halves(-60.0, 0.1)
    mean, fsc = (first + second) / 2, fsc_of(first, second)
    assert sharpened(mean, fsc).b_factor_a2 == 0.0
    given = sharpened(mean, fsc, b_factor_a2=80.0)
    assert given.guinier is None
    frequency = fsc.frequency_per_angstrom[10]
    expected = reference_weight(fsc.corrected)[10] * math.exp(20 * frequency**2)
    assert given.gain[10] == pytest.approx(expected)


def test_a_coarse_map_gets_the_amplitudes_of_a_reference() -> None:
    voxel = 8.0
    reference = torch.from_numpy(sample(shape("ribosome"), "r", voxel).potential_v)
    side = 48
    first = side // 2 - reference.shape[0] // 2
    truth = torch.zeros(side, side, side)
    truth[(slice(first, first + reference.shape[0]),) * 3] = reference
    frequency = Shells(side).frequency / voxel
    blurred = with_curve(truth, torch.exp(-1500 * frequency**2))
    pair = [blurred + 0.02 * noise(seed, side) for seed in (1, 2)]
    mean, fsc = (pair[0] + pair[1]) / 2, fourier_shell_correlation(pair[0], pair[1], voxel)
    assert 16 < fsc.resolution() < 40
    with pytest.raises(ValueError, match="between 10 A and the resolution, and the map ends at"):
        sharpened(mean, fsc)
    result = sharpened(mean, fsc, profile=profile_of(truth, voxel))
    assert result.b_factor_a2 is None
    ratio = shell_amplitude(result.values) / shell_amplitude(truth)
    shown = ratio[2 : int(0.9 * side * voxel / fsc.resolution())]
    assert np.abs(np.log(shown / np.median(shown))).max() < 0.5
    before = (shell_amplitude(mean) / shell_amplitude(truth))[2 : 2 + len(shown)]
    assert np.log(before.max() / before.min()) > 2 * np.log(shown.max() / shown.min())


def test_a_profile_can_be_preferred() -> None:
    _, first, second = halves(B_FACTOR_A2, 0.1)
    mean, fsc = (first + second) / 2, fsc_of(first, second)
    flat = Profile(np.array([0.01, 0.2]), np.array([1.0, 1.0]))
    assert sharpened(mean, fsc, profile=flat).b_factor_a2 is not None
    preferred = sharpened(mean, fsc, profile=flat, prefer_profile=True)
    assert preferred.b_factor_a2 is None
    amplitude = shell_amplitude(preferred.values)
    resolved = fsc.frequency_per_angstrom < 0.9 / fsc.resolution()
    assert np.log(amplitude[resolved][2:]).std() < 0.15


def test_the_profile_of_any_protein_is_near_that_of_one() -> None:
    made = sample(shape("ribosome"), "r", 5.0)
    reference = torch.from_numpy(made.potential_v)
    padded = torch.nn.functional.pad(reference, (12,) * 6)
    spacing = np.array([200.0, 150, 100, 80, 60, 50, 40, 30, 25, 20])
    own = np.log(profile_of(padded, 5.0).at(1 / spacing))
    generic = np.log(protein_profile(made.mass_kda).at(1 / spacing))
    difference = own - generic
    assert np.abs(difference - np.median(difference)).max() < 0.8
    assert np.ptp(own) > 3


def test_maps_that_cannot_be_sharpened() -> None:
    first = noise(1, 16)
    fsc = fourier_shell_correlation(first, -first, 4.0)
    with pytest.raises(ValueError, match="do not agree at all"):
        sharpened(first, fsc)
    with pytest.raises(ValueError, match="reference structure is empty"):
        profile_of(torch.zeros(8, 8, 8), 4.0)
