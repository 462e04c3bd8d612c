"""Of points too near to each other the first stays."""

from __future__ import annotations

import numpy as np

from tomotui.geometry.points import kept_apart


def _slowly(points: np.ndarray, distance: float) -> list[bool]:
    kept: list[int] = []
    for number, point in enumerate(points):
        gaps = [np.linalg.norm(points[other] - point) for other in kept]
        if all(gap > distance for gap in gaps):
            kept.append(number)
    return [number in kept for number in range(len(points))]


def test_it_is_what_comparing_each_with_all_before_gives() -> None:
    chance = np.random.default_rng(1)
    for distance in (0.0, 0.8, 3.0, 100.0):
        points = chance.uniform(0, 10, (200, 3))
        assert kept_apart(points, distance).tolist() == _slowly(points, distance)


def test_one_that_was_sent_away_sends_nobody_away() -> None:
    line = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    assert kept_apart(line, 1.0).tolist() == [True, False, True]
    assert kept_apart(line[:1], 1.0).tolist() == [True]
    assert kept_apart(np.zeros((0, 3)), 1.0).tolist() == []
