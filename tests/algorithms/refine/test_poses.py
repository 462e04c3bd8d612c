from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.refine.poses import Poses, batches, refine_poses
from tomotui.algorithms.subtomograms.views import SeriesModel
from tomotui.geometry import TiltGeometry
from tomotui.geometry.symmetry import symmetric_angle_deg

MODEL = SeriesModel(TiltGeometry.of(np.arange(-48.0, 49.0, 12.0), axis_deg=80.0))
N = 16


@pytest.fixture(scope="module")
def scene(phantom: Tensor, make_views: Any) -> Any:
    return make_views(phantom, MODEL, n_particles=N, strength=0.02)


@pytest.fixture(scope="module")
def begun(scene: Any) -> Poses:
    """Poses that are about 7 degrees and 7 Angstrom from the truth."""
    chance = np.random.default_rng(0)
    shifts, turns = chance.normal(size=(2, N, 3))
    return scene.poses.moved(4.0 * shifts, np.deg2rad(4.0) * turns)


def errors(found: Poses, truth: Poses) -> tuple[np.ndarray, np.ndarray]:
    degrees = symmetric_angle_deg(found.rotations, truth.rotations, np.eye(3)[None])
    return degrees, np.linalg.norm(found.positions_angstrom - truth.positions_angstrom, axis=1)


def test_disturbed_poses_come_back(scene: Any, begun: Poses) -> None:
    source = scene.source()
    before = refine_poses(source, scene.views, MODEL, begun, scene.n_terms, n_steps=0)
    found = refine_poses(source, scene.views, MODEL, begun, scene.n_terms)
    degrees, angstrom = errors(found.poses, scene.poses)
    assert np.median(errors(begun, scene.poses)[0]) > 5
    assert np.median(degrees) < 1.5
    assert np.median(angstrom) < 0.6
    assert (found.score > before.score).all()
    assert np.allclose(found.poses.rotations @ found.poses.rotations.transpose(0, 2, 1), np.eye(3))
    # Errors are such as the curvature says.
    spread = torch.linalg.inv(found.curvature.double()).diagonal(dim1=1, dim2=2)
    expected = np.rad2deg(np.sqrt(float(spread[:, 3:].sum(dim=1).median())))
    assert 0.5 < np.median(degrees) / expected < 2


def test_the_order_and_number_of_particles_do_not_matter(scene: Any, begun: Poses) -> None:
    source, some = scene.source(), np.array([5, 2])
    whole = refine_poses(source, scene.views, MODEL, begun, scene.n_terms)
    part = refine_poses(source, scene.views.select(some), MODEL, begun.select(some), scene.n_terms)
    assert part.score == pytest.approx(whole.score[some], rel=1e-3)
    assert begun.positions_angstrom[5] != pytest.approx(whole.poses.positions_angstrom[5], abs=0.1)


def test_a_prior_holds_particles_where_they_were_picked(scene: Any, begun: Poses) -> None:
    source = scene.source()

    def moved(spread: float) -> float:
        found = refine_poses(source, scene.views, MODEL, begun, scene.n_terms, 8, spread)
        away = found.poses.positions_angstrom - begun.positions_angstrom
        return float(np.linalg.norm(away, axis=1).mean())

    free, wide, tight = moved(0.0), moved(30.0), moved(0.02)
    assert wide == pytest.approx(free, rel=0.05)
    assert tight < 0.2 * free


def test_a_particle_that_no_view_shows_stays(scene: Any, begun: Poses) -> None:
    views = replace(scene.views, transfer=scene.views.transfer.clone())
    views.transfer[3] = 0
    found = refine_poses(scene.source(), views, MODEL, begun, scene.n_terms)
    assert found.score[3] == 0
    assert found.poses.rotations[3] == pytest.approx(begun.rotations[3])
    assert found.poses.positions_angstrom[3] == pytest.approx(begun.positions_angstrom[3])
    assert np.isfinite(found.poses.rotations).all()


def test_runs_of_particles_fit_the_room_and_leave_nobody_out() -> None:
    runs = list(batches(10, n_points=1000, room_bytes=320 * 1000 * 4))
    assert [(one.start, one.stop) for one in runs] == [(0, 4), (4, 8), (8, 10)]
    assert [one.stop for one in batches(2, n_points=10**9)] == [1, 2]
    assert list(batches(0, n_points=10)) == []
