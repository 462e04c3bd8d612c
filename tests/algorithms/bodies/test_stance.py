from __future__ import annotations

import numpy as np

from tests.algorithms.conftest import random_poses
from tomotui.algorithms.bodies.stance import across_axis, stance_noise, stance_of, sway_of
from tomotui.geometry.angles import rotations_of_vectors


def tilted(components_deg: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rotations of bodies that stand with given components, and the normals."""
    first, second, _ = across_axis(axis)
    n = len(components_deg)
    whole = random_poses(n, np.random.default_rng(5)).rotations
    toward = components_deg[:, :1] * first + components_deg[:, 1:] * second
    turn = rotations_of_vectors(np.deg2rad(np.cross(axis, toward)))
    # The normal is what the axis was before the body tilted away from it.
    return whole @ turn.transpose(0, 2, 1), whole @ axis


def test_tilts_from_the_normal_come_back() -> None:
    given = np.random.default_rng(1).uniform(-20, 20, (10, 2))
    for axis in ((0.0, 0.0, 1.0), (0.6, 0.0, 0.8)):
        found = stance_of(*tilted(given, np.array(axis)), axis)
        np.testing.assert_allclose(found.components_deg, given, atol=1e-6)
        np.testing.assert_allclose(found.tilt_deg, np.hypot(*given.T), atol=1e-6)


def test_the_axis_of_z_is_crossed_by_x_and_y() -> None:
    np.testing.assert_allclose(across_axis((0, 0, 2)), np.eye(3))


def test_noise_of_turns_is_that_of_components() -> None:
    chance = np.random.default_rng(2)
    rotations, normals = tilted(np.tile([[8.0, -3.0]], (2000, 1)), np.array([0.0, 0.0, 1.0]))
    rotations, normals = rotations[:1], normals[:1]
    errors = np.diag([0.01, 0.02, 0.03]) ** 2
    drawn = chance.multivariate_normal(np.zeros(3), errors, 4000)
    moved = rotations_of_vectors(drawn) @ rotations
    seen = stance_of(moved, np.repeat(normals, 4000, axis=0)).components_deg
    expected = stance_noise(rotations, errors[None], np.zeros(1))[0]
    np.testing.assert_allclose(np.cov(seen.T), expected, rtol=0.15, atol=0.05)


def test_modes_are_those_beyond_noise() -> None:
    chance = np.random.default_rng(3)
    sway = chance.normal(0, [6.0, 0.0], (500, 2)) @ np.array([[0.6, 0.8], [-0.8, 0.6]])
    seen = sway + chance.normal(0, 2.0, sway.shape) + [5.0, 1.0]
    noise = np.tile(np.eye(2) * 4.0, (500, 1, 1))
    seen[0], noise[0] = [300, 100], np.eye(2) * 1e5  # at the rim of the images
    found = sway_of(seen, noise)
    np.testing.assert_allclose(found.mean_deg, [5, 1], atol=0.7)
    assert abs(found.directions[0] @ [0.6, 0.8]) > 0.98
    np.testing.assert_allclose(found.deviations_deg, [6.0, 0.0], atol=0.9)
    np.testing.assert_allclose(found.noise_deg, 2.0)
