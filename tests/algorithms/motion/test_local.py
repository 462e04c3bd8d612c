from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from tomotui.algorithms.motion.field import MotionField, space_terms, time_terms
from tomotui.algorithms.motion.local import align_local, patch_grid
from tomotui.algorithms.motion.movie import Settings, correct_movie
from tomotui.simulate.movies import Motion, draw_motion, expose_movie

SIDE = 384
LINE = torch.linspace(-0.9, 0.9, 9)


@cache
def _scene() -> np.ndarray:
    noise = np.random.default_rng(8).standard_normal((SIDE, SIDE))
    coarse = ndimage.gaussian_filter(noise, 5, mode="wrap")
    fine = ndimage.gaussian_filter(noise, 1.5, mode="wrap")
    picture = coarse / coarse.std() + 0.5 * fine / fine.std()
    return np.maximum(1 + 0.15 * picture, 0.05)


def _frames(motion: Motion) -> Tensor:
    movie = expose_movie(_scene() * 4.0 * motion.n_frames, motion, seed=3)
    return torch.from_numpy(movie.astype(np.float32))


def _residual(field: MotionField, motion: Motion) -> float:
    """Return the RMS of what is left of the motion, over the field and the frames."""
    u, v = (one.reshape(-1) for one in torch.meshgrid(LINE, LINE, indexing="xy"))
    truth = np.stack(
        [motion.displacement(i, u.numpy(), v.numpy()).T for i in range(motion.n_frames)], axis=1
    )
    left = truth - field.displacement(u, v).numpy()
    left = left - left.mean(axis=1, keepdims=True)
    return float(np.sqrt(np.mean(left**2)))


def _centred(frames: Tensor) -> Tensor:
    return frames - frames.mean(dim=(1, 2), keepdim=True)


def test_a_smooth_field_is_found_and_accepted() -> None:
    motion = draw_motion(1, 8, drift_px=0, jitter_px=0, local_px=1.5)
    found = align_local(_centred(_frames(motion)), (4, 4), 0.0, 0.4)
    assert found.gain > 20
    assert found.coefficients_px is not None
    still = MotionField(torch.zeros(8, 2))
    field = MotionField(torch.zeros(8, 2), found.coefficients_px)
    assert _residual(field, motion) < 0.3 * _residual(still, motion)
    measured = found.patch_px[torch.isfinite(found.patch_px[:, 0, 0])]
    assert len(measured) == 16


def test_a_rigid_specimen_gets_no_field() -> None:
    motion = Motion(np.zeros((8, 2)))
    found = align_local(_centred(_frames(motion)), (4, 4), 0.0, 0.4)
    assert found.coefficients_px is None
    assert found.gain < 4
    forced = align_local(_centred(_frames(motion)), (4, 4), 0.0, 0.4, "on")
    assert forced.coefficients_px is not None


@pytest.mark.parametrize("n_frames", [2, 3, 8])
def test_the_local_part_is_zero_on_average(n_frames: int) -> None:
    time = time_terms(n_frames)
    assert time.shape == (min(3, n_frames - 1), n_frames)
    np.testing.assert_allclose(time.sum(dim=1), 0, atol=1e-5)
    np.testing.assert_allclose(time @ time.T / n_frames, np.eye(len(time)), atol=1e-5)
    assert space_terms(LINE, LINE).shape == (9, 6)


def test_patches_are_as_square_as_can_be() -> None:
    assert patch_grid((400, 400), 5) == (5, 5)
    assert patch_grid((400, 580), 6) == (4, 6)
    assert patch_grid((100, 900), 6) == (2, 6)


def test_a_whole_movie_comes_close_to_one_without_motion() -> None:
    motion = draw_motion(2, 8, drift_px=6, local_px=1.5)
    frames = _frames(motion)
    made = correct_movie(lambda i: frames[i], 8, None, 6.0, Settings())
    assert _residual(made.field, motion) < 0.2
    figures = made.figures
    assert figures.local_rms > 1
    assert figures.drift == pytest.approx(figures.early + figures.late)
    assert figures.early > figures.late / 3
    inner = (slice(24, -24), slice(24, -24))
    truth = _scene()[inner]

    def likeness(image: np.ndarray) -> float:
        return float(np.corrcoef(image[inner].ravel(), truth.ravel())[0, 1])

    still = expose_movie(_scene() * 32.0, Motion(np.zeros((8, 2))), seed=3).sum(axis=0)
    corrected = likeness(made.sums.whole.numpy())
    assert corrected > 0.98 * likeness(still)
    assert corrected > 1.05 * likeness(frames.sum(dim=0).numpy())


def test_fast_motion_is_told() -> None:
    motion = Motion(np.stack([4.0 * np.arange(-4, 4), np.zeros(8)], axis=-1))
    frames = _frames(motion)
    made = correct_movie(lambda i: frames[i], 8, None, 6.0, Settings(local="off"))
    assert made.figures.verdict == "poor"
    assert "within a frame" in made.figures.note
    assert made.figures.fastest == pytest.approx(24, rel=0.05)
