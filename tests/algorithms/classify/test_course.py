"""Sorting: right at unequal shares, honest where there is nothing, and deaf to small errors."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from tests.algorithms.classify.conftest import DIAMETER_ANGSTROM, Kinds, MakeKinds
from tomotui.algorithms.classify.beginnings import Begin, at_random, from_differences, from_maps
from tomotui.algorithms.classify.course import classify, held_out_gain
from tomotui.algorithms.classify.evidence import Support
from tomotui.algorithms.classify.freedom import with_freedom
from tomotui.algorithms.classify.mixture import ClassPlan, Sorted, sort_particles
from tomotui.imaging.masks import soft_ball

TWO = ClassPlan(2, has_noise_class=False)


def right(found: Sorted, kinds: Kinds) -> float:
    n = found.probabilities.shape[1]
    names = (np.array(one) for one in permutations(range(n)))
    return max(float(np.mean(one[found.labels] == kinds.labels)) for one in names)


def beginning(kinds: Kinds, plan: ClassPlan) -> Begin:
    return from_differences(kinds.support, plan, DIAMETER_ANGSTROM)


@pytest.mark.parametrize("share", [0.5, 0.85])
def test_two_kinds_are_sorted_from_nothing(make_kinds: MakeKinds, share: float) -> None:
    kinds = make_kinds(share)
    found = classify(kinds.evidence, kinds.support, TWO, beginning(kinds, TWO), [1, 2])
    assert right(found.best, kinds) > 0.95
    assert found.reproducibility is not None
    assert found.reproducibility > 0.95
    assert found.gain.is_evident
    true = np.bincount(kinds.labels) / len(kinds.labels)
    assert np.allclose(sorted(found.best.populations), sorted(true), atol=0.05)


def test_a_beginning_by_chance_finds_the_same(make_kinds: MakeKinds) -> None:
    kinds, plan = make_kinds(0.7), replace(TWO, first_temperature=8.0)
    found = classify(kinds.evidence, kinds.support, plan, at_random(plan), [1, 2, 3])
    assert right(found.best, kinds) > 0.95


def test_particles_all_alike_are_not_called_different(make_kinds: MakeKinds) -> None:
    kinds = make_kinds(1.0)
    gain = held_out_gain(kinds.evidence, kinds.support, TWO, beginning(kinds, TWO), 0)
    assert not gain.is_evident
    assert gain.mean < 0.2


def test_the_own_part_of_a_particle_is_not_counted(make_kinds: MakeKinds) -> None:
    """Where there is nothing to be found, maps of all particles seem to describe them better."""
    kinds = make_kinds(1.0)
    begin = at_random(TWO)(kinds.evidence, 1)
    scores = [
        sort_particles(kinds.evidence, kinds.support, plan, begin).score
        for plan in (TWO, replace(TWO, compared_with="everyone"))
    ]
    assert scores[0] < scores[1]
    assert scores[0] < 0.1


def test_particles_that_are_nothing_are_noise(make_kinds: MakeKinds) -> None:
    kinds, plan = make_kinds(0.6, n_noise=20), ClassPlan(2)
    found = classify(kinds.evidence, kinds.support, plan, beginning(kinds, plan), [1])
    assert (found.best.labels[kinds.labels == 2] == 2).all()
    assert (found.best.labels[kinds.labels < 2] < 2).mean() > 0.97
    assert right(found.best, kinds) > 0.95
    assert found.reproducibility is None


def test_small_errors_of_poses_make_no_classes(make_kinds: MakeKinds) -> None:
    kinds = make_kinds(1.0, n=60, shift_px=0.3, strength=3.0)
    plan = replace(TWO, n_rounds=15)
    begin = beginning(kinds, plan)
    assert held_out_gain(kinds.evidence, kinds.support, plan, begin, 0).is_evident
    free = with_freedom(kinds.evidence)
    assert not held_out_gain(free, kinds.support, plan, begin, 0).is_evident


def test_small_errors_of_poses_hide_no_classes(make_kinds: MakeKinds) -> None:
    kinds = make_kinds(0.7, shift_px=0.3)
    free = with_freedom(kinds.evidence)
    found = classify(free, kinds.support, TWO, beginning(kinds, TWO), [0])
    assert right(found.best, kinds) > 0.9
    assert found.gain.is_evident


def test_given_maps_of_any_scale_keep_their_order(make_kinds: MakeKinds) -> None:
    kinds = make_kinds(0.3)
    maps = [50.0 * one for one in kinds.maps]
    found = classify(kinds.evidence, kinds.support, TWO, from_maps(maps, kinds.support, TWO), [0])
    assert (found.best.labels == kinds.labels).mean() > 0.95


def test_nothing_differs_outside_the_mask(make_kinds: MakeKinds) -> None:
    """A mask that holds nothing of what differs leaves particles as they were."""
    kinds = make_kinds()
    far = soft_ball(20, 2.0, 1.0).roll((4, 5), dims=(1, 2))
    support = Support(kinds.evidence.terms, far, np.eye(3)[None])
    begin = from_differences(support, TWO, DIAMETER_ANGSTROM)
    found = sort_particles(kinds.evidence, support, TWO, begin(kinds.evidence, 0))
    outside = support.terms.volumes(found.differences)[..., far == 0]
    inside = support.terms.volumes(found.differences)[..., far > 0.9]
    assert float(outside.abs().max()) < 0.3 * float(inside.abs().max()) + 1e-6
    assert right(found, kinds) < 0.9


def test_a_round_that_is_told_may_stop_it(make_kinds: MakeKinds) -> None:
    kinds = make_kinds(n=40)

    def stop(found: Sorted) -> None:
        raise KeyboardInterrupt

    begin = beginning(kinds, TWO)(kinds.evidence, 0)
    with pytest.raises(KeyboardInterrupt):
        sort_particles(kinds.evidence, kinds.support, TWO, begin, stop)


def test_more_classes_than_kinds_leave_none_broken(make_kinds: MakeKinds) -> None:
    kinds, plan = make_kinds(0.5, n=60), ClassPlan(4, has_noise_class=False, n_rounds=12)
    found = classify(kinds.evidence, kinds.support, plan, beginning(kinds, plan), [1, 2])
    assert torch.isfinite(found.best.probabilities).all()
    assert found.best.populations.sum() == pytest.approx(1.0)
