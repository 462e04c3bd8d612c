from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tomotui.algorithms.subtomograms.expansion import (
    recentred,
    subparticles,
    symmetry_mates,
    without_duplicates,
)
from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations

POSITIONS = np.array([[100.0, -50.0, 20.0], [-300.0, 10.0, 0.0]])
ROTATIONS = Rotation.random(2, random_state=1).as_matrix()


@pytest.mark.parametrize(("symmetry", "order"), [("C1", 1), ("C4", 4), ("D7", 14), ("I", 60)])
def test_mates_show_the_particle_the_same(symmetry: str, order: int) -> None:
    mates = symmetry_mates(POSITIONS, ROTATIONS, symmetry)
    assert len(mates) == 2 * order
    assert np.array_equal(mates.rows, np.repeat([0, 1], order))
    assert np.array_equal(mates.positions_angstrom, POSITIONS[mates.rows])
    assert np.allclose(mates.rotations[::order], ROTATIONS)
    group = symmetry_rotations(symmetry)
    assert symmetric_angle_deg(mates.rotations, ROTATIONS[mates.rows], group).max() < 1e-3
    apart = [
        symmetric_angle_deg(one, mates.rotations[0], np.eye(3)[None])
        for one in mates.rotations[1:order]
    ]
    assert min(apart, default=360 / 7) > 360 / 7.5


def test_parts_lie_on_the_turned_reference() -> None:
    offset = np.array([30.0, 0.0, 40.0])
    parts = subparticles(POSITIONS, ROTATIONS, offset, "C5")
    assert len(parts) == 10
    assert np.allclose(parts.positions_angstrom[0], POSITIONS[0] + ROTATIONS[0] @ offset)
    assert np.allclose(parts.rotations[0], ROTATIONS[0])
    # In the frame of their particle all are mates of the offset.
    local = np.einsum(
        "nji,nj->ni", ROTATIONS[parts.rows], parts.positions_angstrom - POSITIONS[parts.rows]
    )
    assert np.allclose(local[:, 2], 40.0)
    angles = np.rad2deg(np.arctan2(local[:5, 1], local[:5, 0])) % 360
    assert np.allclose(np.sort(angles.round(6) % 360), np.arange(5) * 72.0)
    # Each part sees the same surroundings: back along its own axes lies the particle's centre.
    back = np.einsum(
        "nji,nj->ni", parts.rotations, POSITIONS[parts.rows] - parts.positions_angstrom
    )
    assert np.allclose(back, -offset)


def test_parts_on_an_axis_come_once_and_can_face_out() -> None:
    vertex = np.array([0.0, 0.0, 150.0])
    assert len(subparticles(POSITIONS, ROTATIONS, vertex, "C5")) == 2
    assert len(subparticles(POSITIONS, ROTATIONS, vertex, "I3")) == 2 * 12
    assert len(subparticles(POSITIONS, ROTATIONS, (0.0, 0.0, 0.0), "I3")) == 2
    parts = subparticles(POSITIONS, ROTATIONS, (60.0, 10.0, 5.0), "D3", facing_out=True)
    outwards = parts.positions_angstrom - POSITIONS[parts.rows]
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    assert np.allclose(parts.rotations[:, :, 2], outwards)
    assert np.allclose(np.linalg.det(parts.rotations), 1.0)
    with pytest.raises(ValueError, match="faces no way"):
        subparticles(POSITIONS, ROTATIONS, (0.0, 0.0, 0.0), facing_out=True)


def test_a_moved_centre_leaves_every_point_where_it_is() -> None:
    offset = np.array([12.0, -7.0, 3.0])
    moved = recentred(POSITIONS, ROTATIONS, offset)
    point = np.array([20.0, 40.0, -11.0])
    before = ROTATIONS @ point + POSITIONS
    after = moved.rotations @ (point - offset) + moved.positions_angstrom
    assert np.allclose(before, after)
    assert moved.rows.tolist() == [0, 1]


def test_of_duplicates_the_best_stays() -> None:
    positions = np.array([[0.0, 0, 0], [3, 0, 0], [50, 0, 0], [51, 0, 0], [0, 0, 0]])
    assert without_duplicates(positions, 5.0).tolist() == [True, False, True, False, False]
    scores = [0.1, 0.9, np.nan, 0.2, 0.3]
    found = without_duplicates(positions, 5.0, scores=scores)
    assert found.tolist() == [False, True, False, True, False]
    tomograms = np.array(["a", "a", "a", "a", "b"])
    found = without_duplicates(positions, 5.0, scores=scores, tomograms=tomograms)
    assert found.tolist() == [False, True, False, True, True]
    assert without_duplicates(np.zeros((0, 3)), 5.0).tolist() == []


def test_what_is_turned_otherwise_is_no_duplicate() -> None:
    mates = symmetry_mates(POSITIONS[:1], ROTATIONS[:1], "C4")
    twice = np.concatenate([mates.positions_angstrom, mates.positions_angstrom + 1.0])
    turned = np.concatenate([mates.rotations, mates.rotations])
    kept = without_duplicates(twice, 5.0, rotations=turned, angle_deg=20.0)
    assert kept.tolist() == [True] * 4 + [False] * 4
    kept = without_duplicates(twice, 5.0, rotations=turned, angle_deg=20.0, symmetry="C4")
    assert kept.tolist() == [True] + [False] * 7


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rotations must be \[2, 3, 3\]"):
        symmetry_mates(POSITIONS, ROTATIONS[:1], "C2")
    with pytest.raises(ValueError, match="no point group"):
        symmetry_mates(POSITIONS, ROTATIONS, "Q")
    with pytest.raises(ValueError, match=r"positions must be \[n, 3\]"):
        recentred(POSITIONS.T, ROTATIONS, (0, 0, 1))
