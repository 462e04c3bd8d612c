from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.frame import Frame, Sampling, make_frame
from tomotui.algorithms.reconstruct.level import (
    depth_of_origin,
    is_significant,
    leveling_motion,
    moved_geometry,
)
from tomotui.algorithms.reconstruct.prepare import FrameImages, Weighting, normalise
from tomotui.algorithms.reconstruct.slabs import Part, default_scale, reconstruct_slabs
from tomotui.algorithms.reconstruct.specimen import (
    find_slab,
    ice_thickness,
    without_outliers,
)
from tomotui.geometry import TiltGeometry

TILTS = np.arange(-60.0, 61.0, 3.0)
VOXEL = 50.0
SIDE, N_Z = 64, 56


def scatter(
    thickness: float, height: float, slopes: tuple[float, float], seed: int, n: int = 4000
) -> np.ndarray:
    """Return small particles, whole ones, anywhere between the faces."""
    chance = np.random.default_rng(seed)
    x, y = chance.uniform(-2600, 2600, (2, n))
    inside = (thickness / 2 - 40) * chance.uniform(-1, 1, n)
    return np.stack([x, y, inside + height + slopes[0] * x + slopes[1] * y], axis=-1)


def images_of(points: np.ndarray, geometry: TiltGeometry, noise: float, seed: int) -> Tensor:
    places = geometry.project(points)[..., :2] / VOXEL + SIDE // 2
    line = np.arange(SIDE)
    by_x, by_y = (np.exp(-((line - places[..., c, None]) ** 2) / (2 * 0.8**2)) for c in (0, 1))
    clean = -np.einsum("tpy,tpx->tyx", by_y, by_x)
    chance = np.random.default_rng(100 + seed)
    return torch.from_numpy(clean + noise * chance.standard_normal(clean.shape)).float()


def halves(images: Tensor, geometry: TiltGeometry) -> tuple[Tensor, Tensor, tuple[Frame, Frame]]:
    frame = make_frame(geometry, Sampling(VOXEL, SIDE, SIDE, N_Z))
    weighted = FrameImages(normalise(images), frame, Weighting("hamming"))
    parts = [Part(weighted.select(range(i, 41, 2)), default_scale(41)) for i in (0, 1)]
    slabs = list(reconstruct_slabs(parts, "fourier"))
    even, odd = (torch.cat([slab.parts[i] for slab in slabs]) for i in (0, 1))
    return even, odd, (parts[0].frame, parts[1].frame)


@pytest.mark.parametrize("thickness", [600.0, 1000.0, 1600.0])
@pytest.mark.parametrize(("noise", "seed"), [(0.3, 0), (1.0, 1)])
def test_faces_and_lean_are_found(thickness: float, noise: float, seed: int) -> None:
    slopes = [(0.0, 0.0), (0.12, -0.1)][seed]
    height = [0.0, 150.0][seed]
    geometry = TiltGeometry.of(TILTS)
    images = images_of(scatter(thickness, height, slopes, seed), geometry, noise, seed)
    even, odd, frames = halves(images, geometry)
    fit = find_slab(even, odd, frames, "hamming")
    assert fit.thickness_angstrom == pytest.approx(thickness, rel=0.1, abs=80)
    assert fit.centre_angstrom == pytest.approx(height, abs=40)
    for found, sigma, true in (
        (fit.slope_x, fit.slope_x_sigma, slopes[0]),
        (fit.slope_y, fit.slope_y_sigma, slopes[1]),
    ):
        assert np.rad2deg(np.arctan(found)) == pytest.approx(np.rad2deg(np.arctan(true)), abs=1.2)
        assert is_significant(found, sigma) == (true != 0)
    low, high = fit.faces_angstrom
    assert high - low == pytest.approx(fit.thickness_angstrom)
    assert fit.covering_angstrom() > 2 * max(abs(low), abs(high))
    assert fit.explained > 0.5


def test_nothing_at_all_still_gives_a_slab() -> None:
    geometry = TiltGeometry.of(TILTS)
    frame = make_frame(geometry, Sampling(VOXEL, 32, 32, 40))
    pair = (frame.select(range(0, 41, 2)), frame.select(range(1, 41, 2)))
    fit = find_slab(torch.zeros(40, 32, 32), torch.zeros(40, 32, 32), pair, "hamming")
    assert fit.thickness_angstrom > 0
    assert np.isfinite(fit.covering_angstrom())
    assert not is_significant(fit.slope_x, fit.slope_x_sigma) or fit.explained < 0.25


def test_gold_is_taken_for_what_it_is() -> None:
    torch.manual_seed(0)
    images = 100 + torch.randn(3, 40, 40)
    marked = images.clone()
    marked[:, 20, 20] = 10
    cleaned = without_outliers(marked)
    assert (cleaned[:, 19:22, 19:22] > 90).all()
    torch.testing.assert_close(cleaned[:, :15], images[:, :15])


@pytest.mark.parametrize("offset_deg", [0.0, 8.0])
def test_the_ice_is_as_thick_as_it_absorbs(offset_deg: float) -> None:
    geometry = TiltGeometry.of(np.arange(-54.0, 55.0, 3.0))
    path = 1 / np.cos(np.deg2rad(geometry.tilt_deg - offset_deg))
    chance = np.random.default_rng(0)
    dose = chance.uniform(1, 3, geometry.n_tilts)
    counts = 40 * dose * np.exp(-1200 * path / 2900)
    counts[5] *= 0.3
    found = ice_thickness(counts, dose, geometry, 300.0)
    assert found == pytest.approx(1200, rel=0.03)
    slower = ice_thickness(counts, dose, geometry, 200.0)
    assert slower is not None
    assert slower < 0.9 * 1200
    assert ice_thickness(np.zeros(37), dose, geometry, 300.0) is None
    assert ice_thickness(chance.uniform(30, 60, 37), dose, geometry, 300.0) is None


@pytest.mark.parametrize("x_tilt_deg", [0.0, 2.5])
def test_levelling_changes_no_image(x_tilt_deg: float) -> None:
    shift = np.random.default_rng(0).normal(0, 50, (41, 2))
    geometry = TiltGeometry.of(TILTS, 84.0, x_tilt_deg, shift)
    rotation, translation = leveling_motion(geometry, 0.12, -0.05, 130.0)
    moved = moved_geometry(geometry, rotation, translation)
    points = np.random.default_rng(1).normal(0, 800, (50, 3))
    np.testing.assert_allclose(
        moved.project(points)[..., :2],
        geometry.project(points @ rotation.T + translation)[..., :2],
        atol=1e-8,
    )
    # Points of the plane lie in the middle of the new frame.
    x, y = np.random.default_rng(2).normal(0, 500, (2, 20))
    plane = np.stack([x, y, 130 + 0.12 * x - 0.05 * y], axis=-1)
    np.testing.assert_allclose(((plane - translation) @ rotation)[:, 2], 0, atol=1e-9)
    # One x-tilt for all, one offset for all, and the axis as it was.
    np.testing.assert_allclose(moved.axis_deg, 84.0, atol=1e-9)
    assert np.ptp(moved.x_tilt_deg) < 1e-9
    assert np.ptp(moved.tilt_deg - TILTS) < 1e-9
    origin = geometry.project(translation[None])[:, 0, 2]
    np.testing.assert_allclose(depth_of_origin(geometry, translation), origin, atol=1e-9)


def test_only_a_clear_lean_counts() -> None:
    assert is_significant(np.tan(np.deg2rad(2.0)), np.deg2rad(0.3))
    assert not is_significant(np.tan(np.deg2rad(2.0)), np.deg2rad(0.8))
    assert not is_significant(np.tan(np.deg2rad(0.4)), np.deg2rad(0.01))
