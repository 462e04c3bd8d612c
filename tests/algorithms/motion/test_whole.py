from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from tomotui.algorithms.motion.likelihood import FrameSpectra
from tomotui.algorithms.motion.smooth import smooth_path
from tomotui.algorithms.motion.whole import align_whole
from tomotui.simulate.movies import Motion, draw_camera, draw_motion, expose_movie

SIDE = 256
PER_FRAME = 3.4
"""Counts in a pixel of 3 A at 0.375 e/A^2."""


@cache
def _scene(contrast: float = 0.12) -> np.ndarray:
    """Return a crowded picture, 1 on average, with the detail of proteins at 3 A per pixel."""
    noise = np.random.default_rng(8).standard_normal((SIDE, SIDE))
    coarse = ndimage.gaussian_filter(noise, 6, mode="wrap")
    fine = ndimage.gaussian_filter(noise, 1.5, mode="wrap")
    picture = coarse / coarse.std() + 0.5 * fine / fine.std()
    return np.maximum(1 + contrast * picture, 0.05)


def _frames(motion: Motion, gain_spread: float = 0.0, mean: float = PER_FRAME) -> Tensor:
    camera = draw_camera(4, (SIDE, SIDE), gain_spread=gain_spread, dead_share=0, hot_share=0)
    expected = _scene() * mean * motion.n_frames
    movie = expose_movie(expected, motion, camera, seed=1).astype(np.float32)
    frames = torch.from_numpy(movie)
    return frames - frames.mean(dim=(1, 2), keepdim=True)


def _error(found: Tensor, motion: Motion) -> float:
    off = found.numpy() - motion.shift_px
    return float(np.sqrt(np.mean((off - off.mean(axis=0)) ** 2)))


@pytest.mark.parametrize(("drift_px", "n_frames"), [(4.0, 8), (40.0, 8), (3.0, 2), (6.0, 12)])
def test_frames_are_found_at_tomographic_doses(drift_px: float, n_frames: int) -> None:
    motion = draw_motion(2, n_frames, drift_px=drift_px)
    found = align_whole(_frames(motion), largest_px=60)
    assert _error(found.displacement_px, motion) < 0.1
    assert found.error_px < 0.15
    assert found.displacement_px.mean().abs() < 1e-4


def test_a_fixed_pattern_does_not_hold_frames_back() -> None:
    motion = draw_motion(5, 8, drift_px=5)
    found = align_whole(_frames(motion, gain_spread=0.15), largest_px=30)
    assert found.pattern > 0
    assert _error(found.displacement_px, motion) < 0.15


def test_still_frames_stay() -> None:
    motion = Motion(np.zeros((6, 2)))
    found = align_whole(_frames(motion, gain_spread=0.02), largest_px=30)
    assert _error(found.displacement_px, motion) < 0.06


def test_frames_without_a_picture_are_left_alone() -> None:
    noise = torch.from_numpy(np.random.default_rng(0).poisson(3.0, (6, 128, 128)).astype("f4"))
    found = align_whole(noise - noise.mean(), largest_px=20)
    assert found.error_px == np.inf
    assert float(found.displacement_px.abs().max()) == 0


def test_one_frame_does_not_move() -> None:
    found = align_whole(torch.zeros(1, 32, 32), largest_px=5)
    assert found.displacement_px.tolist() == [[0, 0]]


def test_the_slope_is_that_of_the_likelihood() -> None:
    motion = draw_motion(7, 4, drift_px=2)
    spectra = FrameSpectra(_frames(motion)[None, :, :64, :64].double(), pattern=0.01)
    place = torch.tensor(np.random.default_rng(1).normal(0, 0.5, (1, 4, 2)))
    coherence = spectra.coherence(place)
    slope = spectra.slope(place, coherence)
    step = 1e-4
    for frame in range(4):
        for axis in range(2):
            off = torch.zeros_like(place)
            off[0, frame, axis] = step
            up = spectra.likelihood(place + off, coherence)
            down = spectra.likelihood(place - off, coherence)
            assert float((up - down) / (2 * step)) == pytest.approx(
                float(slope[0, frame, axis]), rel=1e-3, abs=1e-4
            )
    assert float(slope.sum(dim=1).abs().max()) < 1e-3 * float(slope.abs().max())


def test_weak_paths_are_smoothed_and_sharp_ones_kept() -> None:
    t = np.linspace(0, 1, 12)
    truth = np.stack([5 * t, 3 * t**2], axis=-1)
    noise = np.random.default_rng(4).standard_normal(truth.shape)
    weak = smooth_path(truth + 0.6 * noise, 0.6)
    assert np.sqrt(np.mean((weak - truth) ** 2)) < 0.35
    sharp = truth + 2.0 * np.sign(noise)
    np.testing.assert_allclose(smooth_path(sharp, 0.01), sharp, atol=0.01)
    assert smooth_path(truth[:3], 0.5) is not None
