from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tomotui.algorithms.analyse.neighbours import (
    Region,
    crowding,
    nearest_neighbours,
    pair_distribution,
)
from tomotui.geometry import rotation_z

Array = NDArray[np.float64]

SIZE = np.array([4000.0, 3600.0, 2000.0])
DEEP = np.array([4000.0, 3600.0, 800.0])


def by_chance(n: int, seed: int, size: Array = DEEP) -> Array:
    points: Array = np.random.default_rng(seed).uniform(-0.5, 0.5, (n, 3)) * size
    return points


def test_the_region_is_as_deep_as_the_particles() -> None:
    region = Region.of(by_chance(400, 0), SIZE)
    assert region.extent == pytest.approx(DEEP, rel=0.02)
    few = Region.of(np.array([[0.0, 0, 900], [0, 0, 950]]), SIZE)
    assert few.high[2] == 1000.0
    beyond = Region.of(np.array([[2100.0, 0, 0]]), SIZE)
    assert beyond.high[0] == 2100.0


def test_the_overlap_of_a_cube_with_itself() -> None:
    region = Region(np.zeros(3), np.full(3, 100.0))
    found = region.overlap(np.array([0.0, 30.0]))
    # Set covariance of a cube, mean over directions, for distances below its side.
    r = 0.3
    expected = 1 - 1.5 * r + 2 * r**2 / np.pi - r**3 / (4 * np.pi)
    assert found / 1e6 == pytest.approx([1.0, expected], abs=2e-3)


def test_points_by_chance_are_told_to_be_chance() -> None:
    sets = [by_chance(300, seed) for seed in range(6)]
    regions = [Region.of(one, SIZE) for one in sets]
    found = pair_distribution(sets, regions, 1500.0, 30)
    assert np.abs((found.density - 1) / found.deviation)[1:].max() < 4.5
    # Edges of the thin slab are accounted for, also where it is thinner than the distance.
    assert found.density[20:].mean() == pytest.approx(1.0, abs=0.03)
    assert found.peak() is None
    distances = [nearest_neighbours(one, np.tile(np.eye(3), (300, 1, 1)), 200.0) for one in sets]
    told = crowding([one.distance_angstrom for one in distances], regions)
    assert told is not None
    assert told.ratio == pytest.approx(1.0, abs=0.04)
    assert abs(told.deviations) < 4


def test_pairs_at_a_distance_stand_out() -> None:
    chance = np.random.default_rng(3)
    seeds = by_chance(150, 5, DEEP - 600)
    steps = chance.normal(size=(150, 3))
    steps *= 230.0 / np.linalg.norm(steps, axis=1, keepdims=True)
    points = np.concatenate([seeds, seeds + steps])
    region = Region.of(points, SIZE)
    found = pair_distribution([points], [region], 1200.0, 40)
    peak = found.peak()
    assert peak is not None
    assert peak[0] == pytest.approx(230.0, abs=25.0)
    assert peak[1] > 3
    farther = found.peak(least_angstrom=400.0)
    assert farther is None or farther[1] < 2
    neighbours = nearest_neighbours(points, np.tile(np.eye(3), (300, 1, 1)), 300.0)
    told = crowding([neighbours.distance_angstrom], [region])
    assert told is not None
    assert told.ratio < 0.95
    assert told.deviations < -4


def test_neighbours_know_direction_and_turn() -> None:
    positions = np.array([[0.0, 0, 0], [100, 0, 0], [0, 2000, 0]])
    turns = rotation_z([0, 90, 30])
    found = nearest_neighbours(positions, turns, 150.0)
    assert found.number.tolist() == [1, 0, 0]
    assert found.distance_angstrom == pytest.approx([100.0, 100.0, 2000.0])
    assert found.count.tolist() == [1, 1, 0]
    assert found.angle_deg == pytest.approx([90.0, 90.0, 30.0])
    assert found.direction[0] == pytest.approx([1, 0, 0], abs=1e-9)
    # The second is turned by 90 degrees: what is at -x in the tomogram is at +y for it.
    assert found.direction[1] == pytest.approx([0, 1, 0], abs=1e-9)
    fourfold = nearest_neighbours(positions, turns, 150.0, "C4")
    assert fourfold.angle_deg[:2] == pytest.approx([0.0, 0.0], abs=1e-5)


def test_unknown_orientations_and_particles_alone() -> None:
    positions = np.array([[0.0, 0, 0], [100, 0, 0]])
    found = nearest_neighbours(positions, np.full((2, 3, 3), np.nan), 150.0)
    assert found.distance_angstrom == pytest.approx([100.0, 100.0])
    assert np.isnan(found.angle_deg).all()
    assert np.isnan(found.direction).all()
    alone = nearest_neighbours(positions[:1], np.eye(3)[None], 150.0)
    assert alone.number.tolist() == [-1]
    assert np.isnan(alone.distance_angstrom).all()
    assert crowding([alone.distance_angstrom], [Region.of(positions[:1], SIZE)]) is None
    empty = pair_distribution([positions[:1]], [Region.of(positions[:1], SIZE)], 100.0, 4)
    assert np.isnan(empty.density).all()


def test_two_particles_at_one_place_are_each_others_neighbours() -> None:
    positions = np.array([[5.0, 0, 0], [5.0, 0, 0], [900, 0, 0]])
    found = nearest_neighbours(positions, np.tile(np.eye(3), (3, 1, 1)), 10.0)
    assert found.number[:2].tolist() == [1, 0]
    assert found.distance_angstrom[:2].tolist() == [0.0, 0.0]
