"""How far two sortings agree."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.algorithms.classify.agreement import adjusted_rand, agreements


def test_names_of_classes_do_not_matter() -> None:
    first = np.array([0, 0, 1, 1, 2, 2])
    assert adjusted_rand(first, (first + 1) % 3) == 1.0


def test_known_values() -> None:
    assert adjusted_rand(np.array([0, 0, 1, 2]), np.array([0, 0, 1, 1])) == pytest.approx(4 / 7)
    assert adjusted_rand(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])) == pytest.approx(-0.5)
    assert adjusted_rand(np.zeros(5, dtype=int), np.zeros(5, dtype=int)) == 1.0


def test_chance_agrees_with_nothing() -> None:
    chance = np.random.default_rng(0)
    runs = [chance.integers(0, 3, 2000) for _ in range(3)]
    found = agreements(runs)
    assert np.allclose(np.diag(found), 1)
    assert np.abs(found[np.triu_indices(3, 1)]).max() < 0.02
