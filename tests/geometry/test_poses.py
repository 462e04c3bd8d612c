from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from tomotui.geometry.poses import (
    angles_facing,
    angles_of_matrices,
    directions_of_angles,
    matrices_of_angles,
)


def test_angles_are_relions() -> None:
    """RELION's matrix, written out, maps the reference into the tomogram."""
    angles = np.random.default_rng(1).uniform([-180, 0, -180], [180, 180, 180], (50, 3))
    rot, tilt, psi = np.deg2rad(angles).T
    third_column = [-np.cos(psi) * np.sin(tilt), np.sin(psi) * np.sin(tilt), np.cos(tilt)]
    third_row = [np.sin(tilt) * np.cos(rot), np.sin(tilt) * np.sin(rot), np.cos(tilt)]
    matrices = matrices_of_angles(angles)
    np.testing.assert_allclose(matrices[:, :, 2], np.transpose(third_column), atol=1e-12)
    np.testing.assert_allclose(matrices[:, 2, :], np.transpose(third_row), atol=1e-12)
    by_scipy = Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix()
    np.testing.assert_allclose(matrices, by_scipy, atol=1e-12)


def test_matrices_give_their_angles_back_at_the_poles_too() -> None:
    angles = np.array(
        [[10, 20, 30], [-170, 179, 95], [40, 0, 25], [40, 180, 25], [0, 0, 0], [190, -30, 5]]
    )
    matrices = matrices_of_angles(angles)
    again = angles_of_matrices(matrices)
    np.testing.assert_allclose(matrices_of_angles(again), matrices, atol=1e-9)
    np.testing.assert_allclose(again[:2], angles[:2])
    np.testing.assert_allclose(again[2:4, 2], 0)


def test_z_axis_faces_the_direction() -> None:
    directions = np.array([[0, 0, 2], [0, 0, -1], [3, 0, 0], [0, -1, 0], [1, 2, -3.0]])
    angles = angles_facing(directions)
    axes = matrices_of_angles(angles)[:, :, 2]
    units = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    np.testing.assert_allclose(axes, units, atol=1e-12)
    assert (angles[:, 0] == 0).all()


def test_a_direction_needs_no_rot() -> None:
    angles = np.random.default_rng(4).uniform([-180, 0, -180], [180, 180, 180], (20, 3))
    expected = matrices_of_angles(angles)[:, :, 2]
    angles[5:, 0] = np.nan
    np.testing.assert_allclose(directions_of_angles(angles), expected, atol=1e-12)
    angles[0, 1], angles[1, 2] = np.nan, np.nan
    unknown = np.isnan(directions_of_angles(angles))
    assert unknown[:2].all()
    assert not unknown[2:].any()
