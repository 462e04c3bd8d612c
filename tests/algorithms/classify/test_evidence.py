"""What weights of particles come to where a view says nothing."""

from __future__ import annotations

import pytest
import torch

from tests.algorithms.classify.conftest import MakeKinds
from tomotui.algorithms.classify.evidence import LEAST_WEIGHT, above_noise, no_less_than_least
from tomotui.algorithms.classify.seeding import principal_differences


def test_the_origin_has_weight_where_the_transfer_leaves_none(make_kinds: MakeKinds) -> None:
    kinds = make_kinds()
    weights, shells = kinds.evidence.weights.clone(), kinds.evidence.shells
    origin = shells == 0
    assert int(origin.sum()) == 1
    weights[:, origin] = 0
    found = no_less_than_least(weights, shells)
    beside = weights[:, shells == 1].mean(dim=1, keepdim=True)
    torch.testing.assert_close(found[:, origin], LEAST_WEIGHT * beside)
    # What was there is left as it was.
    above = weights > found[:, origin]
    torch.testing.assert_close(found[above], weights[above])


def test_values_at_an_origin_without_weight_do_not_make_differences(make_kinds: MakeKinds) -> None:
    kinds = make_kinds()
    evidence, origin = kinds.evidence, kinds.evidence.shells == 0
    evidence.weights[:, origin] = 0
    evidence.values[:, origin] = 0.1 * evidence.values.abs().mean()
    evidence.weights[:] = no_less_than_least(evidence.weights, evidence.shells)
    everyone = torch.ones(len(evidence), dtype=torch.bool)
    found = principal_differences(evidence, kinds.support, 2, 6.0, everyone, seed=0)
    # In standard deviations: thousands where nothing holds the origin back.
    assert float(found.coordinates.abs().max()) < 10


def test_a_particle_of_a_rare_kind_is_no_noise_but_nothing_is() -> None:
    power = torch.full((4,), 1000.0)
    # As the map of all, four tenths of it, what chance shows, and the opposite.
    above = above_noise(torch.tensor([1.0, 0.4, 0.1, -1.0]) * power, power)
    assert above.tolist() == pytest.approx([500.0, 75.0, -400.0, -1500.0])
