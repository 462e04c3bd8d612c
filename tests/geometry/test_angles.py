from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tomotui.geometry.angles import (
    angular_step_deg,
    local_grid,
    orientation_grid,
    rotations_of_vectors,
    super_fibonacci,
    vectors_of_rotations,
)
from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations

ANYWHERE = Rotation.random(400, random_state=2).as_matrix()


def distances_deg(grid: np.ndarray, symmetry: str = "C1") -> np.ndarray:
    group = symmetry_rotations(symmetry)
    traces = np.full((len(ANYWHERE), len(grid)), -1.0)
    for g in group:
        np.maximum(traces, np.einsum("nij,mij->nm", ANYWHERE, grid @ g), out=traces)
    return np.rad2deg(np.arccos(np.clip((traces.max(axis=1) - 1) / 2, -1, 1)))


def test_a_grid_covers_all_rotations_evenly() -> None:
    grid = orientation_grid(15.0)
    assert len(grid) == pytest.approx(8 * np.pi**2 / np.deg2rad(15.0) ** 3, abs=1)
    assert np.allclose(grid @ grid.transpose(0, 2, 1), np.eye(3))
    distances = distances_deg(grid)
    # Neighbours a step apart leave the farthest place in a cubic cell at 0.87 steps.
    assert distances.mean() < 0.52 * 15
    assert distances.max() < 0.95 * 15


@pytest.mark.parametrize("symmetry", ["C3", "D2", "O"])
def test_a_symmetric_grid_covers_the_same_with_its_share(symmetry: str) -> None:
    full, reduced = orientation_grid(12.0), orientation_grid(12.0, symmetry)
    order = len(symmetry_rotations(symmetry))
    assert len(reduced) == pytest.approx(len(full) / order, rel=0.05)
    distances = distances_deg(reduced, symmetry)
    assert distances.mean() < 0.54 * 12
    assert distances.max() < 1.1 * 12


def test_the_step_follows_resolution_and_diameter() -> None:
    assert angular_step_deg(30.0, 300.0) == pytest.approx(5.73, abs=0.01)


def test_a_cone_keeps_the_axis_near_directions() -> None:
    tilted = np.array([[1.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    grid = orientation_grid(12.0, cone_deg=20.0, axes=tilted)
    unit = tilted / np.linalg.norm(tilted, axis=1, keepdims=True)
    cosines = grid[:, :, 2] @ unit.T
    assert (cosines.max(axis=1) >= np.cos(np.deg2rad(20.0)) - 1e-6).all()
    assert set(cosines.argmax(axis=1)) == {0, 1}
    full = orientation_grid(12.0)
    assert len(grid) / len(full) == pytest.approx(2 * (1 - np.cos(np.deg2rad(20))) / 2, rel=0.2)


def test_turns_in_plane_are_limited_too() -> None:
    grid = orientation_grid(12.0, cone_deg=40.0, in_plane_deg=30.0)
    kept = len(grid) / len(orientation_grid(12.0, cone_deg=40.0))
    assert kept == pytest.approx(1 / 6, rel=0.25)
    x_axes = grid[:, :, 0]
    assert (x_axes[:, 0] > 0).all()


def test_limits_count_every_member_of_an_orbit() -> None:
    # Turned about x by 180 degrees, a D1 particle is the same: pointing down is pointing up.
    up = orientation_grid(15.0, "D1", cone_deg=30.0)
    assert (up[:, 2, 2] > 0.86).all()
    assert len(up) == pytest.approx(len(orientation_grid(15.0, cone_deg=30.0)), rel=0.25)


def test_limits_that_leave_nothing_are_told() -> None:
    with pytest.raises(ValueError, match="no orientation lies within"):
        orientation_grid(40.0, cone_deg=0.5, in_plane_deg=1.0)


def test_the_local_grid_holds_the_identity_and_its_steps() -> None:
    vectors = local_grid(3.0)
    assert len(vectors) == 27
    turns = rotations_of_vectors(vectors)
    assert np.allclose(turns[13], np.eye(3))
    assert np.allclose(turns, Rotation.from_rotvec(vectors).as_matrix())
    angles = symmetric_angle_deg(turns, np.eye(3), symmetry_rotations("C1"))
    assert sorted(np.round(angles, 1))[1:7] == [3.0] * 6


def test_super_fibonacci_takes_any_number() -> None:
    assert super_fibonacci(7).shape == (7, 3, 3)


def test_vectors_of_rotations_are_those_that_made_them() -> None:
    chance = np.random.default_rng(8)
    vectors = chance.normal(size=(50, 3))
    vectors *= chance.uniform(0, np.pi, (50, 1)) / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[:3] = [[0, 0, 0], [1e-9, 0, 0], [0, np.pi - 1e-9, 0]]
    found = vectors_of_rotations(rotations_of_vectors(vectors))
    np.testing.assert_allclose(found, vectors, atol=1e-7)
