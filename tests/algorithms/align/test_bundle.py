from __future__ import annotations

import numpy as np
import pytest
import torch

from tomotui.algorithms.align.bundle import adjust
from tomotui.algorithms.align.geometry import AxisGeometry, gauge_modes, remove_gauge
from tomotui.geometry import TiltGeometry

TILTS = np.arange(-60.0, 61.0, 4.0)
N_LANDMARKS = 30


def true_corrections(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return landmarks, and corrections without motions of the whole specimen, in pixels."""
    rng = np.random.default_rng(seed)
    landmarks = rng.uniform(-1, 1, (N_LANDMARKS, 3)) * [150, 150, 40]
    shift = remove_gauge(
        torch.from_numpy(rng.normal(size=(len(TILTS), 2))), torch.from_numpy(TILTS)
    ).numpy()
    return landmarks, shift, rng.normal(size=(N_LANDMARKS, 3)), 0.3


def displacements(
    landmarks: np.ndarray, shift: np.ndarray, motion: np.ndarray, axis_deg: float
) -> np.ndarray:
    """Return what corrections do to the images, by the projection equation itself."""
    before = TiltGeometry.of(TILTS).project(landmarks)[..., :2]
    after = TiltGeometry.of(TILTS, axis_deg, 0.0, shift).project(landmarks + motion)[..., :2]
    return after - before


def test_corrections_are_recovered_in_spite_of_outliers() -> None:
    landmarks, shift, motion, axis = true_corrections(0)
    measured = displacements(landmarks, shift, motion, axis)
    rng = np.random.default_rng(1)
    measured += rng.normal(scale=0.05, size=measured.shape)
    wrong = rng.random(measured.shape[:2]) < 0.2
    measured[wrong] += rng.uniform(-8, 8, size=(wrong.sum(), 2))
    found = adjust(TILTS, landmarks, measured, np.ones(measured.shape[:2]), scale=0.5)
    assert found.axis_deg == pytest.approx(axis, abs=0.03)
    assert np.sqrt(np.mean((found.shift - shift) ** 2)) < 0.05
    assert np.sqrt(np.mean((found.landmarks - motion) ** 2)) < 0.15
    assert found.weight[wrong].mean() < 0.2 * found.weight[~wrong].mean()
    assert found.residual_rms() < 0.5
    plain = adjust(TILTS, landmarks, measured, np.ones(measured.shape[:2]), scale=1e6)
    error, plain_error = (np.abs(a.shift - shift).mean() for a in (found, plain))
    assert error < plain_error / 3


def test_without_noise_nothing_is_left() -> None:
    landmarks, shift, _, _ = true_corrections(2)
    measured = displacements(landmarks, shift, np.zeros_like(landmarks), 0.0)
    found = adjust(TILTS, landmarks, measured, np.ones(measured.shape[:2]), scale=1.0)
    np.testing.assert_allclose(found.shift, shift, atol=0.01)
    assert np.nanmax(found.residual_per_tilt()) < 0.02


def test_the_axis_is_held_when_asked() -> None:
    landmarks, shift, motion, axis = true_corrections(3)
    measured = displacements(landmarks, shift, motion, axis)
    weight = np.ones(measured.shape[:2])
    held = adjust(TILTS, landmarks, measured, weight, scale=1.0, fit_axis=False)
    assert abs(held.axis_deg) < 1e-6


def test_tilts_without_observations_are_unknown_and_harm_nobody() -> None:
    landmarks, shift, motion, axis = true_corrections(4)
    measured = displacements(landmarks, shift, motion, axis)
    weight = np.ones(measured.shape[:2])
    weight[5] = 0
    measured[5] = 100
    found = adjust(TILTS, landmarks, measured, weight, scale=1.0)
    assert np.isnan(found.residual_per_tilt()[5])
    others = np.arange(len(TILTS)) != 5
    left = torch.from_numpy((found.shift - shift)[others])
    assert remove_gauge(left, torch.from_numpy(TILTS[others])).abs().max() < 0.05
    with pytest.raises(ValueError, match="no landmark agrees"):
        adjust(TILTS, landmarks, measured, np.zeros_like(weight), scale=1.0)


def test_no_motion_of_the_whole_specimen_remains() -> None:
    tilts = torch.from_numpy(TILTS)
    torch.manual_seed(0)
    kept = remove_gauge(10 * torch.randn(len(TILTS), 2, dtype=torch.float64), tilts)
    modes = gauge_modes(tilts)
    assert (modes.T @ kept[:, 0]).abs().max() < 1e-9
    assert kept[:, 1].mean().abs() < 1e-12
    torch.testing.assert_close(remove_gauge(kept, tilts), kept)
    moved = torch.stack([3 * modes[:, 0] - 2 * modes[:, 1], torch.full_like(tilts, 5)], dim=1)
    assert remove_gauge(moved, tilts).abs().max() < 1e-9


@pytest.mark.parametrize("axis", [0.0, 40.0, -85.0])
def test_moves_in_the_aligned_frame_follow_the_projection_equation(axis: float) -> None:
    """Moving the specimen by (x, y, 0) is a move by (x cos(tilt), y) in the aligned frame."""
    tilts = torch.from_numpy(TILTS)
    start = AxisGeometry(tilts, axis, torch.zeros(len(TILTS), 2, dtype=torch.float64))
    x, y, z = 30.0, -12.0, 8.0
    modes = gauge_modes(tilts)
    across = x * modes[:, 0] + z * modes[:, 1]
    found = start.moved(torch.stack([across, torch.full_like(across, y)], dim=1))
    expected = TiltGeometry.of(TILTS, axis).project([x, y, z])[:, 0, :2]
    np.testing.assert_allclose(found.shift_angstrom.numpy(), expected, atol=1e-9)
    assert found.with_axis(5.0).axis_per_tilt().unique().tolist() == [5.0]
