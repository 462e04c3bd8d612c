"""Principal differences and the clusters in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tests.algorithms.classify.conftest import MakeKinds
from tomotui.algorithms.classify.seeding import clusters, principal_differences


def right(found: np.ndarray, true: np.ndarray) -> float:
    same = float(np.mean(found == true))
    return max(same, 1 - same)


def test_what_tells_particles_apart_comes_first(make_kinds: MakeKinds) -> None:
    kinds = make_kinds()
    drawn = torch.ones(100, dtype=torch.bool)
    found = principal_differences(kinds.evidence, kinds.support, 2, 6.0, drawn, 0)
    arm = kinds.evidence.terms.of(kinds.maps[0] - kinds.maps[1])
    inside = kinds.evidence.terms.length <= 6.0
    overlap = (found.components[:, inside] * arm[inside].conj()).real.sum(dim=1)
    norms = found.components[:, inside].norm(dim=1) * arm[inside].norm()
    assert float((overlap / norms).abs().max()) > 0.9
    score = np.abs(np.corrcoef(found.coordinates.numpy().T, kinds.labels)[-1, :-1])
    assert score.max() > 0.9


def test_clusters_of_unequal_size_are_told_apart() -> None:
    chance = np.random.default_rng(1)
    labels = (chance.random(200) < 0.15).astype(int)
    points = chance.normal(size=(200, 2)) * [0.5, 1.5] + labels[:, None] * [4.0, 0.0]
    found = clusters(points, 2, seed=3)
    assert found.shape == (200, 2)
    assert np.allclose(found.sum(axis=1), 1)
    assert right(found.argmax(axis=1), labels) > 0.97


def test_points_that_are_all_alike_are_no_trouble() -> None:
    found = clusters(np.zeros((10, 2)), 3, seed=0)
    assert np.isfinite(found).all()


def test_the_same_seed_begins_alike(make_kinds: MakeKinds) -> None:
    kinds = make_kinds(n=40)
    drawn = torch.ones(40, dtype=torch.bool)
    both: list[Any] = [
        principal_differences(kinds.evidence, kinds.support, 2, 6.0, drawn, 5).coordinates
        for _ in range(2)
    ]
    assert torch.equal(*both)
