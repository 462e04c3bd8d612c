"""Crops show what their targets say, however they are turned."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tomotui.algorithms.pick.lessons import CropSampler


@pytest.mark.parametrize("free_share", [0.0, 1.0])
def test_targets_are_where_the_particles_are(balls: SimpleNamespace, free_share: float) -> None:
    labels = balls.labels(25)
    sampler = CropSampler([balls.volume], labels, [10.0], 32, free_share, "cpu")
    chance = np.random.default_rng(1)
    reach = 5
    total = np.zeros((2 * reach + 1,) * 3)
    for centre in labels.voxels[:25]:
        lesson = sampler._crop(0, np.round(centre) + chance.integers(-5, 6, 3), chance)
        image, target = lesson.image[0, 0].numpy(), lesson.target[0, 0].numpy()
        z, y, x = np.unravel_index(int(target.argmax()), target.shape)
        if target.max() < 0.5 or min(z, y, x) < 4 or max(z, y, x) > 11:
            continue
        first = [2 * c - reach for c in (z, y, x)]
        total += image[tuple(slice(f, f + 2 * reach + 1) for f in first)]
    weight = np.clip(total - 0.5 * total.max(), 0, None)
    offset = (np.indices(total.shape) - reach).reshape(3, -1) @ weight.ravel() / weight.sum()
    # A cell of the answer is two voxels: its middle lies half a voxel beyond its first.
    assert offset == pytest.approx([0.5] * 3, abs=0.6)


def test_a_judged_particle_counts_as_one_and_is_not_unknown(balls: SimpleNamespace) -> None:
    labels = balls.labels(1)
    sampler = CropSampler([balls.volume], labels, [10.0], 32, 0.0, "cpu")
    chance = np.random.default_rng(1)
    lesson = sampler._crop(0, np.round(labels.voxels[0]), chance)
    assert float(lesson.known.sum()) == pytest.approx(1.0, abs=0.01)
    assert float((lesson.unknown * (lesson.target > 0.1)).sum()) == 0
    assert float(lesson.unknown.sum()) == pytest.approx(1.0, abs=0.2)


def test_one_species_is_no_other_and_a_rejected_one_may_be_any_other(
    balls: SimpleNamespace,
) -> None:
    labels = balls.labels(1)
    sampler = CropSampler([balls.volume], labels, [10.0, 5.0], 32, 0.0, "cpu")
    chance = np.random.default_rng(1)
    accepted = sampler._crop(0, np.round(labels.voxels[0]), chance)
    assert float(accepted.target[0, 0].max()) > 0.5
    assert float(accepted.known[0, 1].sum()) > 0.9
    assert float(accepted.target[0, 1].max()) == 0
    rejected = sampler._crop(0, np.round(labels.voxels[1]), chance)
    assert float(rejected.known[0, 0].sum()) > 0.9
    assert float(rejected.known[0, 1].sum()) == 0


def test_what_is_held_out_is_neither_learnt_nor_taken_for_background(
    balls: SimpleNamespace,
) -> None:
    labels = balls.labels(1, held_out=1)
    sampler = CropSampler([balls.volume], labels, [10.0], 32, 0.0, "cpu")
    lesson = sampler._crop(0, np.round(labels.voxels[0]), np.random.default_rng(1))
    assert float(lesson.known.sum()) == 0
    middle = slice(7, 9)
    assert float(lesson.unknown[0, 0, middle, middle, middle].sum()) == 0
