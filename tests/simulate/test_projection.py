from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial.transform import Rotation

from tomotui.imaging.potential import Matter, Scatterers, gaussian_form, sample
from tomotui.simulate.projection import (
    FrequencyGrid,
    TemplateProjector,
    bilayer_layers,
    shell_transform,
    sphere_thickness,
    vesicle_transform,
)

POINTS = np.array([[40.0, 10, -5], [-30, 35, 20], [0, -45, 12], [5, 8, 44]])
SIGMA = 6.0


def projected_gaussians(points: NDArray, box: int, pixel: float) -> NDArray:
    axis = (np.arange(box) - box // 2) * pixel
    image = np.zeros((box, box))
    for x, y, _ in points:
        blob = np.exp(-((axis[None] - x) ** 2 + (axis[:, None] - y) ** 2) / (2 * SIGMA**2))
        image += 1000.0 / (2 * np.pi * SIGMA**2) * blob
    return image


def test_slices_are_the_projections_of_the_rotated_particle() -> None:
    group = Scatterers(POINTS, np.ones(4), gaussian_form(1000.0, SIGMA))
    room = Scatterers(65.0 * np.eye(3), np.zeros(3), group.form)
    made = sample(Matter((group, room), 1.0), "points", 4.0)
    projector = TemplateProjector(made, 48)
    rotations = np.concatenate([np.eye(3)[None], Rotation.random(6, random_state=1).as_matrix()])
    spectra = projector.slices(rotations)
    images = fft.fftshift(fft.irfft2(spectra, s=(48, 48)), axes=(1, 2))
    for i, (image, rotation) in enumerate(zip(images, rotations, strict=True)):
        expected = projected_gaussians(POINTS @ rotation.T, 48, 4.0)
        error = np.linalg.norm(image - expected) / np.linalg.norm(expected)
        # On the grid's own axes nothing is interpolated, and the correction is too much.
        assert error < (0.02 if i == 0 else 0.012), i


def test_shell_transform_is_the_radial_integral() -> None:
    radius, sigma = 200.0, 6.0
    r = np.linspace(radius - 10 * sigma, radius + 10 * sigma, 40_001)
    profile = np.exp(-((r - radius) ** 2) / (2 * sigma**2))
    for k in (0.0, 0.0031, 0.02, 0.06):
        integrand = 4 * np.pi * r**2 * profile * np.sinc(2 * k * r)
        expected = float(integrand.sum() * (r[1] - r[0]))
        found = float(shell_transform(np.array([k]), radius, sigma)[0])
        assert found == pytest.approx(expected, rel=1e-5, abs=2.0), k


def test_a_vesicle_projects_as_its_numerical_line_integral() -> None:
    pixel, box, radius = 3.0, 160, 150.0
    grid = FrequencyGrid((box, box), pixel)
    image = fft.fftshift(fft.irfft2(vesicle_transform(grid, radius), s=(box, box)))
    z = np.arange(-250, 250, 0.5)
    for offset_px in (0, 20, 44, 50, 57):
        r = np.sqrt((offset_px * pixel) ** 2 + z**2)
        volts = sum(v * np.exp(-((r - layer) ** 2) / (2 * s**2)) for layer, s, v in
                    bilayer_layers(radius))  # fmt: skip
        expected = float(np.sum(volts) * 0.5)
        found = image[box // 2, box // 2 + offset_px]
        assert found == pytest.approx(expected, rel=0.03, abs=1.0), offset_px


def test_sphere_thickness_keeps_the_volume_and_the_centre() -> None:
    image = sphere_thickness((10.3, 11.8), 6.0, 24)
    assert image.sum() == pytest.approx(4 / 3 * np.pi * 6.0**3, rel=2e-3)
    y, x = np.indices(image.shape)
    assert (x * image).sum() / image.sum() == pytest.approx(10.3, abs=0.01)
    assert (y * image).sum() / image.sum() == pytest.approx(11.8, abs=0.01)
