from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tomotui.algorithms.analyse.chains import (
    directed_by_chance,
    directed_chains,
    plain_chains,
)
from tomotui.geometry import rotation_z

Array = NDArray[np.float64]

LEAVING = np.array([60.0, 80.0, 0.0])
ENTERING = np.array([-70.0, 60.0, 20.0])


def polysome(n: int, seed: int, start: Array) -> tuple[Array, Array]:
    """Return ribosomes of which each is entered 40 A from where the one before is left."""
    chance = np.random.default_rng(seed)
    turns = Rotation.random(n, random_state=seed).as_matrix()
    positions = [start]
    for number in range(1, n):
        gap = chance.normal(size=3)
        gap *= 40 / np.linalg.norm(gap)
        exit_ = positions[-1] + turns[number - 1] @ LEAVING
        positions.append(exit_ + gap - turns[number] @ ENTERING)
    return np.array(positions), turns


def test_polysomes_are_found_in_order_among_others() -> None:
    positions, turns = zip(
        *[polysome(6, 1, np.zeros(3)), polysome(4, 2, np.full(3, 4000.0))], strict=True
    )
    alone = np.random.default_rng(0).uniform(-9000, -7000, (20, 3))
    order = np.random.default_rng(5).permutation(30)
    places = np.concatenate([*positions, alone])[order]
    rotations = np.concatenate([*turns, Rotation.random(20, random_state=9).as_matrix()])[order]
    found = directed_chains(places, rotations, LEAVING, ENTERING, 60.0)
    assert len(found.links) == 5 + 3
    assert np.allclose(found.length_angstrom, 40.0)
    assert sorted(found.sizes) == [4, 6]
    original = np.argsort(order)
    first = found.chain[original[:6]]
    assert (first == first[0]).all()
    assert found.place[original[:6]].tolist() == list(range(6))
    assert found.place[original[6:10]].tolist() == list(range(4))
    assert (found.chain[original[10:]] == -1).all()
    by_chance = directed_by_chance(places, LEAVING, ENTERING, 60.0)
    assert by_chance < 2


def test_each_is_left_and_entered_once() -> None:
    positions = np.array([[0.0, 0, 0], [100, 0, 0], [110, 0, 0]])
    turns = np.tile(np.eye(3), (3, 1, 1))
    ahead = np.array([50.0, 0, 0])
    found = directed_chains(positions, turns, ahead, -ahead, 30.0)
    assert found.links.tolist() == [[0, 1]]
    assert found.chain.tolist() == [0, 0, -1]


def test_no_ring_closes() -> None:
    angles = np.arange(6) * 60.0
    turns = rotation_z(angles)
    positions = turns @ np.array([100.0, 0, 0])
    found = directed_chains(positions, turns, np.array([0, 50.0, 0]), np.array([0, -50.0, 0]), 60.0)
    assert len(found.links) == 5
    assert sorted(found.place) == list(range(6))


def test_plain_chains_follow_near_centres() -> None:
    line = np.stack([np.arange(5) * 200.0, np.zeros(5), np.zeros(5)], axis=1)
    places = np.concatenate([line[[3, 0, 4, 1, 2]], [[0.0, 5000, 0]]])
    found = plain_chains(places, 250.0)
    assert len(found.links) == 4
    assert found.sizes.tolist() == [5]
    assert sorted(found.place[:5]) == list(range(5))
    along = places[np.argsort(found.place[:5]), 0]
    assert np.abs(np.diff(along)).max() == 200.0
    assert found.chain[5] == -1


def test_what_is_turned_in_a_way_not_known_stays_alone() -> None:
    positions, turns = polysome(4, 1, np.zeros(3))
    turns[2] = np.nan
    found = directed_chains(positions, turns, LEAVING, ENTERING, 60.0)
    assert found.links.tolist() == [[0, 1]]
    assert found.chain.tolist() == [0, 0, -1, -1]


def test_nothing_to_link() -> None:
    found = directed_chains(np.zeros((0, 3)), np.zeros((0, 3, 3)), LEAVING, ENTERING, 50.0)
    assert found.links.shape == (0, 2)
    assert found.sizes.tolist() == []
    assert plain_chains(np.zeros((1, 3)), 50.0).chain.tolist() == [-1]
