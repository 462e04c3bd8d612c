from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.align.correlate import (
    coherence_weight,
    correlate,
    find_peaks,
    information,
)
from tomotui.imaging.fourier import Rings, low_pass, radial_frequency

SIZE = 64


def texture(n: int, seed: int, cut_off: float = 0.1) -> Tensor:
    """Return random smooth images of unit deviation, as transforms."""
    torch.manual_seed(seed)
    keep = low_pass(radial_frequency((SIZE, SIZE)), cut_off)
    spectrum = torch.fft.rfft2(torch.randn(n, SIZE, SIZE)) * keep
    image = torch.fft.irfft2(spectrum, s=(SIZE, SIZE))
    return spectrum / image.std()


def moved(spectrum: Tensor, displacement: Tensor) -> Tensor:
    """Return images moved along both axes, ``displacement`` is ``[n, 2]`` in pixels."""
    first, second = torch.fft.fftfreq(SIZE)[:, None], torch.fft.rfftfreq(SIZE)[None, :]
    phase = first * displacement[:, 0, None, None] + second * displacement[:, 1, None, None]
    return torch.fft.irfft2(spectrum * torch.exp(-2j * torch.pi * phase), s=(SIZE, SIZE))


def noisy(images: Tensor, noise: float, seed: int) -> Tensor:
    return images + noise * torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))


def test_sub_pixel_displacements_are_found_under_noise() -> None:
    spectrum = texture(24, 0)
    generator = torch.Generator().manual_seed(1)
    true = 6 * torch.rand(24, 2, generator=generator) - 3
    images = noisy(moved(spectrum, true), 0.3, 2)
    predictions = noisy(moved(spectrum, torch.zeros(24, 2)), 0.3, 3)
    found, height = find_peaks(correlate(images, predictions, Rings(SIZE)).maps, 5)
    assert (found - true).square().mean().sqrt() < 0.05
    assert (height > 0).all()


def test_the_peak_says_how_much_is_shared() -> None:
    spectrum = texture(8, 0)
    still = torch.zeros(8, 2)
    same = moved(spectrum, still)
    agreement = []
    for noise in (0.0, 0.5, 2.0):
        found = correlate(noisy(same, noise, 1), same, Rings(SIZE))
        height = find_peaks(found.maps, 3)[1]
        agreement.append(float((height / found.norm).mean()))
    assert agreement[0] == pytest.approx(1, abs=0.01)
    assert agreement[0] > agreement[1] > agreement[2] > 0


def test_pooled_items_share_one_coherence() -> None:
    spectrum = texture(12, 0)
    images = moved(spectrum, torch.zeros(12, 2)).reshape(3, 4, SIZE, SIZE)
    found = correlate(noisy(images, 1.0, 1), images, Rings(SIZE), pool=1)
    rings = SIZE // 2 + 1
    assert found.maps.shape == (3, 4, SIZE, SIZE)
    assert found.coherence.shape == (3, 1, rings)
    assert found.norm.shape == (3, 4)
    assert found.pooled.shape == (rings,)


def test_information_grows_with_the_signal_and_is_zero_for_noise() -> None:
    rings = Rings(SIZE)
    spectrum = texture(40, 0)
    signal = moved(spectrum, torch.zeros(40, 2))
    values = []
    for strength in (0.0, 0.25, 0.5, 1.0, 2.0):
        images = noisy(strength * signal, 1.0, 1)
        others = noisy(strength * signal, 1.0, 2)
        # The coherence of all images together: single ones have little else than chance.
        values.append(float(information(correlate(images, others, rings).pooled, rings)))
    assert values[0] < 1e-3
    assert values == sorted(values)
    assert values[-1] > 20 * max(values[0], 1e-4)


def test_weights_leave_out_mean_corners_and_what_does_not_agree() -> None:
    coherence = torch.full((10,), 0.5)
    coherence[6:] = -0.2
    weight = coherence_weight(coherence)
    assert weight[0] == 0
    assert weight[-1] == 0
    assert weight[1:5].tolist() == pytest.approx([0.5 / 0.75] * 4)
    assert (weight[7:] == 0).all()
    assert torch.isfinite(coherence_weight(torch.ones(10))).all()


def test_peaks_are_sought_only_within_reach() -> None:
    maps = torch.zeros(2, SIZE, SIZE)
    maps[0, 3, SIZE - 2], maps[0, 20, 20] = 1.0, 9.0
    maps[1, 0, 0] = 1.0
    found, height = find_peaks(maps, 5)
    assert found.tolist() == [[3, -2], [0, 0]]
    assert height.tolist() == [1, 1]


def test_a_flat_map_gives_no_displacement_that_is_no_number() -> None:
    found, _ = find_peaks(torch.zeros(3, SIZE, SIZE), 4)
    assert np.isfinite(found.numpy()).all()
