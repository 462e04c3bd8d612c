from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_ctf import calculate_ctf_2d

from tomotui.simulate.optics import (
    Optics,
    astigmatic_defocus,
    critical_exposure,
    exposure_filter,
)


def test_electron_constants_at_300_kv() -> None:
    optics = Optics(300.0, 2.7, 0.07)
    assert optics.wavelength_angstrom == pytest.approx(0.0196875, rel=1e-4)
    assert optics.interaction_rad_per_v_a == pytest.approx(6.526e-4, rel=1e-3)


def test_ctf_agrees_with_an_independent_program() -> None:
    n, pixel = 64, 3.0
    kx, ky = np.fft.rfftfreq(n, pixel)[None], np.fft.fftfreq(n, pixel)[:, None]
    defocus = astigmatic_defocus(kx, ky, 30_600.0, 29_400.0, 30.0)
    ours = Optics(300.0, 2.7, 0.07, 20.0).ctf(kx**2 + ky**2, defocus)
    theirs = calculate_ctf_2d(
        defocus=torch.tensor(3.0),
        astigmatism=torch.tensor(0.06),
        astigmatism_angle=torch.tensor(30.0),
        voltage=torch.tensor(300.0),
        spherical_aberration=torch.tensor(2.7),
        amplitude_contrast=torch.tensor(0.07),
        phase_shift=torch.tensor(20.0),
        pixel_size=pixel,
        image_shape=(n, n),
        rfft=True,
        fftshift=False,
    )
    np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-3)


def test_critical_exposure_has_the_published_values() -> None:
    found = critical_exposure(1 / np.array([20.0, 10.0, 5.0, 3.0]), 300.0)
    np.testing.assert_allclose(found, [38.7, 14.1, 6.4, 4.3], atol=0.06)
    assert critical_exposure(np.array([0.1]), 200.0)[0] == pytest.approx(0.8 * found[1])


def test_exposure_filter_is_the_mean_over_the_exposure() -> None:
    k = np.array([0.0, 0.02, 0.1, 0.2])
    times = np.linspace(30, 33, 20_001)
    critical = critical_exposure(k, 300.0)
    numeric = np.exp(-times[:, None] / (2 * critical)).mean(axis=0)
    np.testing.assert_allclose(exposure_filter(k, 30.0, 3.0, 300.0), numeric, rtol=1e-6)
