"""The pieces of the fit, each against what it must do."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tomotui.algorithms.ctf.background import spline_basis
from tomotui.algorithms.ctf.joint import smooth_trend
from tomotui.algorithms.ctf.plane import depth_gradients, gradient_derivatives
from tomotui.algorithms.ctf.rings import RingModel
from tomotui.algorithms.ctf.spectra import PolarGrid, measure_spectra
from tomotui.algorithms.ctf.tiles import Windows, choose_windows, lay_cells, prepare_image
from tomotui.algorithms.ctf.verdict import vote_score
from tomotui.geometry import TiltGeometry
from tomotui.imaging.ctf import CtfOptics

OPTICS = CtfOptics(300.0, 2.7, 0.07)


def test_depth_gradients_are_those_of_the_projection_equation() -> None:
    geometry = TiltGeometry.of([-40.0, 10.0, 55.0], axis_deg=77.0, x_tilt_deg=6.0)
    about_x, about_y = np.deg2rad([4.0, -7.0])
    # Two steps within the plane z = 0 after Ry(about_y) Rx(about_x).
    turn_x = np.array(
        [
            [1, 0, 0],
            [0, math.cos(about_x), -math.sin(about_x)],
            [0, math.sin(about_x), math.cos(about_x)],
        ]
    )
    turn_y = np.array(
        [
            [math.cos(about_y), 0, math.sin(about_y)],
            [0, 1, 0],
            [-math.sin(about_y), 0, math.cos(about_y)],
        ]
    )
    steps = (turn_y @ turn_x @ np.array([[300.0, -120.0], [50.0, 410.0], [0.0, 0.0]])).T
    projected = geometry.project(steps)
    gradient = depth_gradients(geometry, (4.0, -7.0))
    found = np.einsum("tc,tpc->tp", gradient, projected[..., :2])
    np.testing.assert_allclose(found, projected[..., 2], atol=1e-6)


def test_a_turn_about_y_is_a_change_of_tilt() -> None:
    plain = TiltGeometry.of([-30.0, 0.0, 45.0], axis_deg=20.0)
    turned = TiltGeometry.of([-25.0, 5.0, 50.0], axis_deg=20.0)
    np.testing.assert_allclose(depth_gradients(plain, (0, 5)), depth_gradients(turned), atol=1e-12)
    slope = gradient_derivatives(plain, (0.0, 0.0))[..., 1] * 0.01
    change = depth_gradients(plain, (0, 0.01)) - depth_gradients(plain)
    np.testing.assert_allclose(slope, change, atol=1e-6)


def test_windows_narrow_across_the_axis_at_high_tilt() -> None:
    geometry = TiltGeometry.of([0.0, 30.0, -60.0])
    windows = choose_windows(geometry, 30_000.0, OPTICS, 2.0, (2048, 2048))
    across, along = windows.sigma_angstrom.T
    assert np.all(np.diff(across) <= 0)
    assert np.all(across <= along)
    low = choose_windows(geometry, 8_000.0, OPTICS, 2.0, (2048, 2048))
    assert low.sigma_angstrom[2, 0] < across[2]
    assert windows.size_px % 2 == 0


def test_cells_are_strips_of_like_depth_within_the_image() -> None:
    cells = lay_cells((600, 900), (3.0, 3.0), 30.0, 50.0, np.array([150.0, 200.0]), 300.0)
    turn = np.deg2rad(30.0)
    assert len(cells) > 10
    for cell in cells:
        x, y = (cell.columns - 450) * 3.0, (cell.rows - 300) * 3.0
        assert np.abs(x).max() < 1350
        assert np.abs(y).max() < 900
        across = np.cos(turn) * x + np.sin(turn) * y
        assert np.ptp(across) < 240
        np.testing.assert_allclose(cell.place_angstrom, [x.mean(), y.mean()], atol=1e-6)


def test_the_polar_grid_keeps_the_average_and_leaves_the_cross_out() -> None:
    grid = PolarGrid(128, (2.0, 2.0), 1 / 40, 1 / 5, torch.device("cpu"))
    ky = torch.fft.fftfreq(128, d=2.0)[:, None]
    kx = torch.fft.rfftfreq(128, d=2.0)[None, :]
    picture = (kx**2 + ky**2).clone()
    picture[0], picture[:, 0] = 1e6, 1e6
    gathered = grid.gather(picture)
    filled = grid.n_pixels > 0
    np.testing.assert_allclose(gathered[filled], grid.k2[filled], rtol=1e-5)
    direction = grid.gather(torch.atan2(ky.expand(128, 65), kx.expand(128, 65)))
    assert (direction - grid.azimuth_rad[:, None])[filled].abs().max() < math.pi / 16


def test_working_images_are_flat_and_without_outliers() -> None:
    chance = np.random.default_rng(0)
    image = chance.normal(50, 2, (300, 400)) + np.linspace(0, 40, 400)[None, :]
    image[100, 100] = 1e6
    prepared = prepare_image(torch.from_numpy(image).float(), 5.0, 10.0)
    assert prepared.values.shape == (150, 200)
    assert prepared.pixel_yx_angstrom == pytest.approx((10.0, 10.0))
    assert prepared.values.abs().max() < 20
    assert prepared.values.mean().abs() < 0.1


def test_the_attenuation_is_what_the_windows_do_to_rings() -> None:
    """White noise behind a CTF whose defocus changes over the image, seen through one window."""
    size, pixel, defocus, slope = 512, 2.5, 30_000.0, 1.2
    chance = torch.Generator().manual_seed(1)
    step = 150.0
    x = (torch.arange(size) - size // 2) * pixel
    depth = slope * x
    kx = torch.fft.rfftfreq(size, d=pixel)[None, :]
    ky = torch.fft.fftfreq(size, d=pixel)[:, None]
    k2 = (kx**2 + ky**2).double()
    images = torch.zeros(8, size, size)
    for layer in torch.arange(-6, 7):
        inside = ((depth / step).round() == layer).float()
        noise = torch.randn(8, size, size, generator=chance) * inside
        phase = OPTICS.phase_per_defocus(k2) * (defocus + layer * step)
        transfer = torch.sin(phase + OPTICS.phase_in_focus(k2)).float()
        images += torch.fft.irfft2(torch.fft.rfft2(noise) * transfer, s=(size, size))
    geometry = TiltGeometry.of([-math.degrees(math.atan(slope))] * 8)
    sigma = np.tile([[130.0, 260.0]], (8, 1))
    spectra = measure_spectra(
        lambda index: images[index],
        range(8),
        geometry,
        Windows(512, sigma),
        pixel,
        1.0,
        (1 / 25, 1 / 9),
        OPTICS,
        lambda fraction: None,
    )
    model = RingModel(spectra, OPTICS)
    gradient = torch.from_numpy(depth_gradients(geometry))
    left = model.attenuation(torch.full((8,), defocus).double(), gradient)
    place = spectra.place_angstrom[:, 0]
    local = defocus + gradient[0, 0] * place
    phase = model.phase(local[:, None].expand(-1, 16), torch.zeros(8).double())
    weight = spectra.n_tiles[:, None, None] * spectra.n_pixels * (place.abs() < 350)[:, None, None]
    rings = torch.cos(phase)
    mean = (weight * spectra.power).sum() / weight.sum()
    shown = (weight * rings * (spectra.power / mean - 1)).sum(0) / (weight * rings**2).sum(0)
    # White noise would show rings of height 1 without windows.
    for sectors in ([0, 1, 14, 15], [6, 7, 8, 9]):  # along y, along x
        observed = -shown[sectors].mean()
        expected = left[0][sectors].mean()
        assert float(observed) == pytest.approx(float(expected), abs=0.12)


def test_splines_make_any_straight_line() -> None:
    frequency = torch.linspace(0.02, 0.2, 100).double()
    basis = spline_basis(frequency, 7)
    line = 3 - 2 * frequency
    weights = torch.linalg.lstsq(basis, line).solution
    assert (basis @ weights - line).abs().max() < 1e-9


def test_the_trend_leaves_each_tilt_itself_out_and_outliers_aside() -> None:
    order = np.arange(15.0)
    values = 30_000 + 40 * order
    values[6] += 9_000
    trend = smooth_trend(values, np.ones(15), order)
    assert abs(trend[6] - 30_240) < 100
    assert np.abs(trend - 30_000 - 40 * order)[3:12].max() < 400


def test_the_hands_score_needs_agreement_of_the_tilts() -> None:
    distance = np.abs(np.linspace(-60, 60, 41))
    chance = np.random.default_rng(2)
    noise = np.sqrt(distance) * chance.standard_normal(41)
    assert vote_score(0.5 * distance + noise, distance) > 10
    assert vote_score(-0.5 * distance + noise, distance) < -10
    assert abs(vote_score(noise, distance)) < 3
    one_tilt = np.zeros(41)
    one_tilt[3] = 400.0
    assert abs(vote_score(one_tilt, distance)) < 3
    assert vote_score(np.ones(2), np.ones(2)) == 0.0
