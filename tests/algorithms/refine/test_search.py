from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.refine.poses import Poses
from tomotui.algorithms.refine.search import SPAN, Found, SearchGrid, search, shift_grid
from tomotui.algorithms.subtomograms.joined import HalfBall, JoinedViews, join_views
from tomotui.algorithms.subtomograms.views import SeriesModel
from tomotui.geometry import TiltGeometry
from tomotui.geometry.angles import orientation_grid
from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations
from tomotui.imaging.slices import SliceSource

MODEL = SeriesModel(TiltGeometry.of(np.arange(-56.0, 57.0, 8.0), axis_deg=30.0))
STEP_DEG = 20.0
RADIUS = 6.0


def grid_of(symmetry: str = "C1", reach: float = 2.0) -> SearchGrid:
    return SearchGrid(
        orientation_grid(STEP_DEG, symmetry),
        STEP_DEG,
        shift_grid(reach, 1.0),
        symmetry_rotations(symmetry),
    )


def joined_of(scene: Any, poses: Poses) -> JoinedViews:
    offsets = scene.views.offsets_px(MODEL, poses.positions_angstrom)
    projection = MODEL.geometry.projection_matrices
    return join_views(scene.views, projection, offsets, HalfBall(scene.views.box, RADIUS))


def angle_deg(first: np.ndarray, second: np.ndarray, symmetry: str = "C1") -> np.ndarray:
    return symmetric_angle_deg(first, second, symmetry_rotations(symmetry))


@pytest.fixture(scope="module")
def found(phantom: Tensor, make_views: Any) -> tuple[Any, np.ndarray, Found]:
    """Six particles that are not where they were thought to be, and what the search says."""
    scene = make_views(phantom, MODEL, n_particles=6, strength=0.02)
    shifts = np.array([[1, 0, 0], [0, -1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 0], [-1, 0, 1]])
    thought = Poses(scene.poses.rotations, scene.poses.positions_angstrom - 4.0 * shifts)
    source = SliceSource(scene.volume, RADIUS + 0.5)
    return scene, shifts, search(source, joined_of(scene, thought), grid_of(), 5)


def test_the_planted_orientation_and_shift_are_found(found: Any) -> None:
    scene, shifts, candidates = found
    away = angle_deg(candidates.rotations[:, 0].numpy(), scene.poses.rotations)
    assert away.max() < STEP_DEG
    assert np.abs(candidates.shifts_px[:, 0].numpy() - shifts).max() <= 1
    assert np.abs(candidates.shifts_px[:, 0].numpy() - shifts).mean() < 0.4


def test_candidates_are_the_best_and_no_neighbours(found: Any) -> None:
    _, _, candidates = found
    assert candidates.score.shape == (6, 5)
    assert (candidates.score.diff(dim=1) <= 0).all()
    for one, score in zip(candidates.rotations.numpy(), candidates.score, strict=True):
        between = angle_deg(one[:, None], one[None])
        real = score.isfinite().numpy()
        pairs = ~np.eye(5, dtype=bool) & real[:, None] & real
        assert between[pairs].min() > SPAN * STEP_DEG


def test_symmetry_mates_are_one_candidate(phantom: Tensor, make_views: Any) -> None:
    # Twofold about z: what is at (x, y) is at (-x, -y) as well.
    twofold = phantom + torch.roll(phantom.flip(1, 2), (1, 1), (1, 2))
    scene = make_views(twofold, MODEL, n_particles=4, strength=0.02)
    joined = joined_of(scene, scene.poses)
    source = SliceSource(twofold, RADIUS + 0.5)
    candidates = search(source, joined, grid_of("C2", 1.0), 4)
    best = candidates.rotations[:, 0].numpy()
    assert angle_deg(best, scene.poses.rotations, "C2").max() < STEP_DEG
    for one, score in zip(candidates.rotations.numpy(), candidates.score, strict=True):
        real = score.isfinite().numpy()
        pairs = ~np.eye(4, dtype=bool) & real[:, None] & real
        assert angle_deg(one[:, None], one[None], "C2")[pairs].min() > SPAN * STEP_DEG
    # The whole grid holds every pose twice, and still there is one candidate for both.
    whole = SearchGrid(
        grid_of().rotations, STEP_DEG, shift_grid(1.0, 1.0), symmetry_rotations("C2")
    )
    twice = search(source, joined, whole, 2)
    first, second = twice.rotations[:, 0].numpy(), twice.rotations[:, 1].numpy()
    assert (symmetric_angle_deg(first, second, whole.group) > SPAN * STEP_DEG).all()


def test_only_what_is_allowed_is_tried(found: Any) -> None:
    scene, _, _ = found
    grid = grid_of(reach=0.0)
    allowed = torch.zeros(6, len(grid.rotations), dtype=torch.bool)
    allowed[:, 7] = allowed[:, 11] = True
    told: list[float] = []
    source = SliceSource(scene.volume, RADIUS + 0.5)
    candidates = search(source, joined_of(scene, scene.poses), grid, 3, allowed, told.append)
    assert candidates.score.isfinite().sum(dim=1).max() <= 2
    permitted = torch.as_tensor(grid.rotations[[7, 11]]).float()
    best = candidates.rotations[:, 0]
    assert (best[:, None] - permitted).abs().amax(dim=(2, 3)).amin(dim=1).max() < 1e-6
    assert told[-1] == 1.0
    part = candidates.select(slice(2, 4))
    assert torch.equal(part.score, candidates.score[2:4])


def test_shifts_fill_a_ball_about_the_origin() -> None:
    grid = shift_grid(2.0, 1.0)
    assert len(grid) == 33
    assert [0.0, 0.0, 0.0] in grid.tolist()
    assert np.linalg.norm(grid, axis=1).max() <= 2
    assert shift_grid(0.0, 1.0).tolist() == [[0.0, 0.0, 0.0]]
    assert Found.none().score.shape == (0, 0)
