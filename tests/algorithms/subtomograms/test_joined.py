from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from tomotui.algorithms.refine.equations import view_fits
from tomotui.algorithms.refine.poses import Poses
from tomotui.algorithms.refine.search import turned_references
from tomotui.algorithms.subtomograms.joined import HalfBall, JoinedViews, join_views
from tomotui.algorithms.subtomograms.views import SeriesModel
from tomotui.geometry import TiltGeometry

RADIUS = 6.0
MODEL = SeriesModel(TiltGeometry.of(np.arange(-56.0, 57.0, 7.0), axis_deg=25.0))


def joined_of(scene: Any, radius: float = RADIUS) -> JoinedViews:
    offsets = scene.views.offsets_px(MODEL, scene.poses.positions_angstrom)
    ball = HalfBall(scene.views.box, radius)
    return join_views(scene.views, MODEL.geometry.projection_matrices, offsets, ball)


def joined_scores(joined: JoinedViews, references: Tensor) -> Tensor:
    """Return the log-likelihood of every particle and turned reference, ``[p, o]``."""
    agreement = (joined.values @ references.conj().T).real
    return agreement - 0.5 * joined.weights @ references.abs().square().T


def test_joined_views_are_as_likely_as_the_views_themselves(
    phantom: Tensor, make_views: Any
) -> None:
    scene = make_views(phantom, MODEL, n_particles=3, strength=0.02)
    joined = joined_of(scene)
    source = scene.source()
    turns = Rotation.random(30, random_state=3).as_matrix()
    n_terms = scene.views.plane.within(RADIUS)
    offsets = scene.views.offsets_px(MODEL, scene.poses.positions_angstrom)
    for particle, truth in enumerate(scene.poses.rotations):
        tried = np.concatenate([truth[None], turns])
        one = scene.views.select([particle])
        references = turned_references(source, joined.ball, torch.as_tensor(tried).float())
        quick = joined_scores(joined, references)[particle]
        scores = []
        for turn in tried:
            still = Poses(turn[None], np.zeros((1, 3)))
            camera = still.cameras(MODEL, torch.device("cpu"))
            agreement, power = view_fits(source, one, camera, offsets[[particle]], n_terms)
            scores.append((agreement - 0.5 * power).sum())
        exact = torch.stack(scores)
        assert quick.argmax() == exact.argmax() == 0
        # Spreading values over grid points takes a little of all, and nothing of the order.
        assert torch.corrcoef(torch.stack([quick, exact]))[0, 1] > 0.995
        slope, _ = np.polyfit(exact.numpy(), quick.numpy(), 1)
        assert 0.8 < slope < 1.05


def test_half_a_ball_has_one_of_each_pair() -> None:
    ball = HalfBall(16, 5.0)
    assert len(torch.unique(torch.cat([ball.frequencies, -ball.frequencies]), dim=0)) == 2 * len(
        ball
    )
    line = np.arange(-5, 6)
    distance = np.sqrt(line[:, None, None] ** 2 + line[:, None] ** 2 + line**2)
    assert 2 * len(ball) == (distance <= 5).sum() - 1
    assert torch.allclose(ball.length, ball.frequencies.norm(dim=1))


def test_a_shift_is_undone_by_its_ramp(phantom: Tensor, make_views: Any) -> None:
    scene = make_views(phantom, MODEL, n_particles=2, strength=0.02, noise=0.0)
    moved = scene.poses.positions_angstrom + np.array([8.0, -4.0, 0.0])
    here = joined_of(scene)
    offsets = scene.views.offsets_px(MODEL, moved)
    there = join_views(scene.views, MODEL.geometry.projection_matrices, offsets, here.ball)
    back = there.values * here.ball.ramps(torch.tensor([[-2.0, 1.0, 0.0]]))
    assert (back - here.values).abs().max() < 0.08 * here.values.abs().max()
    assert torch.equal(there.weights, here.weights)


def test_weights_lie_where_the_tilts_see(phantom: Tensor, make_views: Any) -> None:
    scene = make_views(phantom, MODEL, n_particles=1, strength=1.0)
    joined = joined_of(scene)
    tilt_axis = torch.tensor([-math.sin(math.radians(25)), math.cos(math.radians(25)), 0.0])
    # Along the beam of no tilt nothing is measured, along the axis everything is.
    direction = joined.ball.frequencies / joined.ball.length[:, None]
    wedge = (direction[:, 2].abs() > 0.97) & (joined.ball.length > 3)
    axis = ((direction @ tilt_axis).abs() > 0.97) & (joined.ball.length > 3)
    assert joined.weights[0, wedge].mean() < 0.1 * joined.weights[0, axis].mean()
    total = scene.views.transfer[..., : scene.views.plane.within(RADIUS)].square().sum()
    assert joined.weights.sum() == pytest.approx(float(total), rel=0.1)


def test_particles_are_put_one_after_another(phantom: Tensor, make_views: Any) -> None:
    first, second = (joined_of(make_views(phantom, MODEL, n, seed=n)) for n in (2, 3))
    both = JoinedViews.of_all([first, second])
    assert len(both) == 5
    assert torch.equal(both.values[2:], second.values)
    assert torch.equal(both.weights[:2], first.weights)
