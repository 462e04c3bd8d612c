from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tomotui.geometry import rotation_z
from tomotui.geometry.symmetry import (
    is_representative,
    representatives,
    symmetric_angle_deg,
    symmetry_rotations,
)

ORDERS = {"C1": 1, "c5": 5, "D1": 2, "D7": 14, "T": 12, "O": 24, "I": 60, "I1": 60, "I3": 60}
POSES = Rotation.random(300, random_state=1).as_matrix()


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_groups_are_closed_and_of_the_right_order(name: str, order: int) -> None:
    group = symmetry_rotations(name)
    assert len(group) == order
    assert np.allclose(group[0], np.eye(3))
    assert np.allclose(np.linalg.det(group), 1)
    products = (group[:, None] @ group[None]).reshape(-1, 9)
    distances = np.abs(products[:, None] - group.reshape(1, -1, 9)).max(axis=-1).min(axis=1)
    assert distances.max() < 1e-6


@pytest.mark.parametrize("name", ["C4", "D2", "T", "O", "I"])
def test_each_orbit_has_exactly_one_representative(name: str) -> None:
    group = symmetry_rotations(name)
    orbits = POSES[:, None] @ group
    marked = is_representative(orbits.reshape(-1, 3, 3), group).reshape(orbits.shape[:2])
    assert (marked.sum(axis=1) == 1).all()
    expected = representatives(POSES, group)
    assert np.allclose(orbits[marked], expected)
    moved = representatives(orbits[:, -1], group)
    assert np.allclose(moved, expected)


@pytest.mark.parametrize("name", ["C2", "D3", "O"])
def test_poses_on_the_border_have_one_representative_too(name: str) -> None:
    group = symmetry_rotations(name)
    border = np.concatenate([group, rotation_z([45.0, 60.0, 90.0])])
    orbits = border[:, None] @ group
    marked = is_representative(orbits.reshape(-1, 3, 3), group).reshape(orbits.shape[:2])
    distinct = [
        len({tuple(np.round(r, 5).ravel() + 0.0) for r in orbit[m]})
        for orbit, m in zip(orbits, marked, strict=True)
    ]
    assert distinct == [1] * len(border)


@pytest.mark.parametrize(
    ("name", "axis", "fold"),
    [
        ("T", (0, 0, 1), 3),
        ("O", (0, 0, 1), 4),
        ("I", (0, 0, 1), 2),
        ("I3", (0, 0, 1), 5),
        ("I", (0.525731, 0, 0.850651), 5),
        ("I1", (0.850651, 0, -0.525731), 5),
        ("D3", (1, 0, 0), 2),
    ],
)
def test_axes_lie_as_in_relion(name: str, axis: tuple[float, float, float], fold: int) -> None:
    turn = Rotation.from_rotvec(2 * np.pi / fold * np.array(axis)).as_matrix()
    assert np.abs(symmetry_rotations(name) - turn).max(axis=(1, 2)).min() < 1e-5


def test_angles_between_poses_forget_what_symmetry_allows() -> None:
    group = symmetry_rotations("D3")
    turn = Rotation.from_rotvec([0.1, 0, 0]).as_matrix()
    angles = symmetric_angle_deg(turn @ POSES @ group[4], POSES, group)
    assert np.allclose(angles, np.rad2deg(0.1))


@pytest.mark.parametrize("name", ["X", "C0", "I9", "", "D"])
def test_an_unknown_group_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="there are C1"):
        symmetry_rotations(name)
