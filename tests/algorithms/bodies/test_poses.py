from __future__ import annotations

import numpy as np

from tests.algorithms.conftest import random_poses
from tomotui.algorithms.bodies.poses import Arrangement, BodyPoses
from tomotui.geometry.angles import rotations_of_vectors

PIVOTS = np.array([[20.0, 0.0, 5.0], [-40.0, 10.0, 0.0], [0.0, 50.0, -10.0]])


def test_bodies_of_rigid_particles_have_not_moved() -> None:
    whole = random_poses(4, np.random.default_rng(1))
    poses = BodyPoses.rigid(whole, PIVOTS)
    np.testing.assert_allclose(Arrangement(1, PIVOTS).motions(poses), 0, atol=1e-9)
    back = poses.whole(2, PIVOTS)
    np.testing.assert_allclose(back.positions_angstrom, whole.positions_angstrom)
    np.testing.assert_allclose(back.rotations, whole.rotations)


def test_motions_are_told_in_the_frame_of_the_fixed_body() -> None:
    """However the particle lies, a body that turned by 10 degrees about x has done just that."""
    whole = random_poses(5, np.random.default_rng(2))
    poses = BodyPoses.rigid(whole, PIVOTS)
    poses.rotations[:, 2] = whole.rotations @ rotations_of_vectors([np.deg2rad(10), 0, 0])
    poses.positions_angstrom[:, 2] += whole.rotations @ np.array([1.0, 2.0, 3.0])
    found = Arrangement(0, PIVOTS).motions(poses)
    np.testing.assert_allclose(found[:, :6], 0, atol=1e-9)
    np.testing.assert_allclose(found[:, 6:], [[10, 0, 0, 1, 2, 3]] * 5, atol=1e-9)


def test_slopes_are_those_of_motions() -> None:
    chance = np.random.default_rng(3)
    poses = BodyPoses.rigid(random_poses(3, chance), PIVOTS)
    poses = poses.moved(chance.normal(0, 3, (3, 3, 3)), chance.normal(0, 0.08, (3, 3, 3)))
    arrangement, pixel, step = Arrangement(1, PIVOTS), 4.0, 1e-5
    slopes = arrangement.slopes(poses, pixel)
    for column in range(18):
        move = np.zeros((3, 3, 6))
        move.reshape(3, -1)[:, column] = step
        there = arrangement.motions(poses.moved(move[..., :3] * pixel, move[..., 3:]))
        back = arrangement.motions(poses.moved(-move[..., :3] * pixel, -move[..., 3:]))
        np.testing.assert_allclose(slopes[:, :, column], (there - back) / (2 * step), atol=0.05)
