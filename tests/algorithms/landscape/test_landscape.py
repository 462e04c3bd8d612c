"""Landscapes of particles whose motion is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from scipy.stats import spearmanr

from tomotui.algorithms.landscape.landscape import (
    LandscapeLearning,
    LandscapePlan,
    canonical_correlation,
    principal_axes,
)
from tomotui.algorithms.parallel import Ranks

PLAN = LandscapePlan(n_coordinates=2, epochs=3)


def learning(varied: Any, what: Any = "both", plan: LandscapePlan = PLAN, **more: Any) -> Any:
    return LandscapeLearning(varied.sums, varied.mixture(what), varied.reference, plan, **more)


@pytest.fixture(scope="module")
def found(hinge: Any) -> Any:
    return learning(hinge, "motion").run()


def test_a_hinge_is_found_and_everybody_is_placed_on_it(hinge: Any, found: Any) -> None:
    assert found.n_motions >= 1
    along = found.places.coordinates.numpy() @ found.axes[0]
    assert abs(spearmanr(along, hinge.truth)[0]) > 0.85
    assert found.agreement > 0.8
    assert float(found.places.gain.mean()) > 3
    assert (found.places.spread > 0).all()


def turn_between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the rotation vector in degrees that turns points about their middle."""
    u, _, v = np.linalg.svd((after - after.mean(axis=0)).T @ (before - before.mean(axis=0)))
    turn = u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v
    return np.rad2deg(Rotation.from_matrix(turn).as_rotvec())


def test_along_it_the_head_turns_on_the_body(hinge: Any, found: Any) -> None:
    mixture = learning(hinge, "motion").mixture
    along = found.places.coordinates.numpy() @ found.axes[0]
    way = found.axes[0] * np.sign(np.corrcoef(along, hinge.truth)[0, 1])
    centres = mixture.centres.numpy()
    moving = found.network.arrays(1.0, mixture.following)
    reach = np.abs(along).max()
    ends = [moving.at((side * reach * way).astype(np.float32), centres)[0] for side in (-1.0, 1.0)]
    head, body = centres[:, 2] > 3, centres[:, 2] < -2
    turned = turn_between(ends[0][head], ends[1][head]) - turn_between(ends[0][body], ends[1][body])
    # From -15 to 15 degrees about x; Gaussians in between follow both.
    assert 15 < turned[0] < 40
    assert np.abs(turned[1:]).max() < 8


def test_plain_arrays_move_as_the_network_does(hinge: Any, found: Any) -> None:
    mixture = learning(hinge, "motion").mixture
    at = torch.tensor([0.7, -0.4])
    with torch.no_grad():
        motion = found.network.decode(at).unflatten(-1, (mixture.n_anchors, 4))
        centres, amplitudes = mixture.moved(motion)
    plain = found.network.arrays(5.0, mixture.following)
    moved, stronger = plain.at(at.numpy(), 5.0 * mixture.centres.numpy())
    assert moved == pytest.approx(5.0 * centres.numpy(), abs=1e-3)
    assert stronger * mixture.amplitudes.numpy() == pytest.approx(amplitudes.numpy(), rel=1e-4)


def test_particles_that_are_all_alike_show_no_motion(rigid: Any) -> None:
    nothing = learning(rigid).run()
    assert nothing.n_motions == 0
    assert nothing.agreement is None


def test_what_comes_and_goes_is_told_from_what_moves(
    make_varied: Callable[..., Any],
) -> None:
    coming = make_varied("occupancy", n=80)
    weighed = learning(coming, "occupancy")
    assert weighed.n_motions >= 1
    first = weighed.linear.coordinates(weighed.slopes)[:, 0].numpy()
    assert abs(spearmanr(first, coming.truth)[0]) > 0.8
    assert float(weighed.linear.axes.unflatten(-1, (-1, 4))[..., :3].abs().max()) == 0


@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped(hinge: Any) -> None:
    plan = LandscapePlan(n_coordinates=2, epochs=2)
    states: list[Any] = []
    whole = learning(hinge, plan=plan, keep=states.append).run()
    assert len(states) == 6
    again = learning(hinge, plan=plan)
    again.take_up(states[2])  # after the first epoch of the first half
    resumed = again.run()
    assert torch.allclose(resumed.places.coordinates, whole.places.coordinates, atol=1e-5)
    assert resumed.agreement == pytest.approx(whole.agreement)


def test_principal_axes_and_agreement_of_known_coordinates() -> None:
    chance = np.random.default_rng(0)
    plain = torch.from_numpy(chance.normal(size=(4000, 2)) * [3.0, 1.0])
    turn = torch.tensor([[0.6, 0.8], [-0.8, 0.6]], dtype=torch.float64)
    axes, deviations = principal_axes(plain @ turn, torch.ones_like(plain), Ranks())
    assert deviations == pytest.approx([3, 1], rel=0.05)
    assert abs(axes[0] @ turn[0].numpy()) == pytest.approx(1, abs=0.01)
    # As wide as another, but told better.
    even = torch.from_numpy(chance.normal(size=(4000, 2)))
    axes, _ = principal_axes(even, torch.tensor([[0.9, 0.1]]).expand(4000, 2), Ranks())
    assert abs(axes[0]) == pytest.approx([0, 1], abs=0.05)
    noise = torch.from_numpy(chance.normal(size=(4000, 2)))
    assert canonical_correlation(plain, plain @ turn + 5, 2, Ranks()) == pytest.approx(1)
    assert canonical_correlation(plain, noise, 1, Ranks()) < 0.1
