"""The order in which candidates are looked at."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.algorithms.curate.queue import ORDERS, neighbour_distances, review_order
from tomotui.records.particle_table import ParticleTable


def _table(tomogram, priorities, **columns):
    n = len(priorities)
    positions = np.stack([np.arange(n) * 100.0, np.zeros(n), -np.arange(n)], axis=1)
    return ParticleTable.of(tomogram, positions, priorities=priorities, **columns)


def test_priority_goes_through_the_tomograms_in_turn():
    table = ParticleTable.joined(
        [_table("a", [0.9, 0.8, 0.7, np.nan]), _table("b", [0.1, 0.2, 0.3])]
    )
    order = review_order(table, "priority", run_length=2)
    assert order.tolist() == [0, 1, 6, 5, 2, 3, 4]
    assert review_order(table, "priority", run_length=1)[:4].tolist() == [0, 6, 1, 5]


def test_the_other_orders():
    scores = [0.2, np.nan, 0.9]
    table = _table("a", [0, 0, 0], scores=scores, uncertainties=[0.1, 0.5, 0.3])
    assert review_order(table, "score").tolist() == [2, 0, 1]
    assert review_order(table, "doubt").tolist() == [1, 2, 0]
    assert review_order(table, "z").tolist() == [2, 1, 0]
    assert sorted(review_order(table, "random", seed=1)) == [0, 1, 2]


@pytest.mark.parametrize("by", ORDERS)
def test_nothing_has_an_order(by):
    assert len(review_order(_table("a", []), by)) == 0


def test_neighbours_are_found_within_their_tomogram():
    random = np.random.default_rng(0)
    points = random.uniform(0, 1000, (300, 3))
    groups = random.integers(0, 3, 300)
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    gaps[(groups[:, None] != groups[None]) | np.eye(300, dtype=bool)] = np.inf
    expected = gaps.min(axis=1)
    expected[expected > 120] = np.inf
    assert neighbour_distances(points, groups, 120.0) == pytest.approx(expected)
