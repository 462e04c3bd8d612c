from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tomotui.imaging.ctf import CtfOptics, ctf_1d, ctf_2d, defocus_along, frequency_polar
from tomotui.simulate.optics import Optics, astigmatic_defocus

OPTICS = CtfOptics(300.0, 2.7, 0.07)


@pytest.mark.parametrize(("voltage", "wavelength"), [(300.0, 0.019687), (200.0, 0.025079)])
def test_the_wavelength_is_that_of_the_tables(voltage: float, wavelength: float) -> None:
    assert CtfOptics(voltage).wavelength_angstrom == pytest.approx(wavelength, rel=1e-4)


@pytest.mark.parametrize("shape", [(64, 64), (48, 80), (33, 47)])
@pytest.mark.parametrize("phase", [0.0, 70.0])
def test_it_is_what_torch_ctf_computes(shape: tuple[int, int], phase: float) -> None:
    from torch_ctf import calculate_ctf_2d

    u, v, angle = 31_000.0, 27_000.0, 25.0
    ours = ctf_2d(shape, 2.3, u, v, angle, phase, CtfOptics(200.0, 2.0, 0.1))
    theirs = calculate_ctf_2d(
        defocus=0.5 * (u + v) * 1e-4,
        astigmatism=0.5 * (u - v) * 1e-4,
        astigmatism_angle=angle,
        voltage=200.0,
        spherical_aberration=2.0,
        amplitude_contrast=0.1,
        phase_shift=phase,
        pixel_size=2.3,
        image_shape=shape,
        rfft=True,
        fftshift=False,
    )
    theirs = theirs.reshape(ours.shape)
    # Where a frequency is +-Nyquist both signs are right; they differ by the sign of astigmatism.
    inside = torch.ones_like(ours, dtype=torch.bool)
    if shape[0] % 2 == 0:
        inside[shape[0] // 2] = False
    if shape[1] % 2 == 0:
        inside[:, -1] = False
    assert (ours - theirs)[inside].abs().max() < 2e-3


def test_it_is_what_the_simulated_microscope_does() -> None:
    shape, pixel = (40, 56), 3.0
    ky = np.fft.fftfreq(shape[0], pixel)[:, None]
    kx = np.fft.rfftfreq(shape[1], pixel)[None, :]
    defocus = astigmatic_defocus(kx, ky, 42_000.0, 40_500.0, -35.0)
    expected = Optics(300.0, 2.7, 0.07, 30.0).ctf(kx**2 + ky**2, defocus)
    found = ctf_2d(shape, pixel, 42_000.0, 40_500.0, -35.0, 30.0, OPTICS)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_a_batch_is_its_images_one_by_one() -> None:
    u = torch.tensor([[10_000.0, 20_000.0, 30_000.0], [5_000.0, 80_000.0, 120_000.0]])
    angle = torch.tensor([10.0, -50.0, 80.0])
    together = ctf_2d((32, 24), 1.5, u, u - 700.0, angle, 0.0, OPTICS)
    assert together.shape == (2, 3, 32, 13)
    assert together.dtype == torch.float32
    for i, j in [(0, 0), (1, 2)]:
        value = float(u[i, j])
        alone = ctf_2d((32, 24), 1.5, value, value - 700.0, float(angle[j]), 0.0, OPTICS)
        assert (together[i, j] - alone).abs().max() < 1e-6


def test_a_line_is_the_image_along_x() -> None:
    image = ctf_2d((16, 64), 2.0, 21_000.0, 18_000.0, 0.0, 20.0, OPTICS)
    frequency = torch.fft.rfftfreq(64, d=2.0)
    line = ctf_1d(frequency, torch.tensor([21_000.0, 18_000.0]), 20.0, OPTICS)
    assert line.shape == (2, 33)
    assert (line[0] - image[0]).abs().max() < 1e-5


def test_it_starts_with_amplitude_contrast_and_rises_in_underfocus() -> None:
    line = ctf_1d(torch.linspace(0, 0.01, 11), 20_000.0, 0.0, OPTICS)
    assert float(line[0]) == pytest.approx(0.07, abs=1e-6)
    assert bool((line.diff() > 0).all())


def test_the_phase_stays_exact_far_from_focus() -> None:
    frequency = torch.tensor([0.5], dtype=torch.float64)
    found = float(ctf_1d(frequency, 120_000.0, 0.0, OPTICS))
    wavelength = OPTICS.wavelength_angstrom
    phase = math.pi * wavelength * 0.25 * 120_000.0 - 0.5 * math.pi * 2.7e7 * wavelength**3 / 16
    assert found == pytest.approx(math.sin(phase + math.asin(0.07)), abs=1e-6)


def test_defocus_u_lies_along_its_angle() -> None:
    _, azimuth = frequency_polar((8, 8), 1.0)
    defocus = defocus_along(azimuth, 30_000.0, 20_000.0, 90.0)
    assert float(defocus[1, 0]) == pytest.approx(30_000.0)
    assert float(defocus[0, 1]) == pytest.approx(20_000.0)


def test_gradients_reach_the_defocus() -> None:
    defocus = torch.tensor([20_000.0], dtype=torch.float64, requires_grad=True)
    ctf_2d((16, 16), 3.0, defocus, defocus, 0.0, 0.0, OPTICS).square().sum().backward()
    assert defocus.grad is not None
    assert float(defocus.grad.abs()) > 0
