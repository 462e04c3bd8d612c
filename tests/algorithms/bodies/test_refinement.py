from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tests.algorithms.bodies.conftest import AXIS, PIXEL_ANGSTROM, Hinge, MakeHinge
from tomotui.algorithms.bodies.masks import bodies_by_seeds, inertia_of, softened
from tomotui.algorithms.bodies.motions import (
    Motions,
    centred,
    displacement_metric,
    find_motions,
)
from tomotui.algorithms.bodies.refinement import BodyPlan, MultibodyRefinement

pytestmark = pytest.mark.usefixtures("without_gradients")


@pytest.fixture
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def refined(hinge: Hinge, n_rounds: int) -> MultibodyRefinement:
    refinement = hinge.refinement()
    maps = refinement.maps
    assert maps is not None
    mean = 0.5 * (maps.references[0] + maps.references[1])
    pivots = hinge.arrangement.pivots_angstrom / PIXEL_ANGSTROM
    masks = softened(bodies_by_seeds(mean, maps.mask, list(pivots[:, None])), maps.mask, 4.0)
    bodies = MultibodyRefinement(refinement, masks, BodyPlan(coarse_angstrom=25.0))
    for _ in range(n_rounds):
        bodies.iterate()
    return bodies


def motions_of(bodies: MultibodyRefinement) -> Motions:
    measured, maps = bodies.measure(), bodies.consensus
    mean, moving = maps.references[0] + maps.references[1], bodies.arrangement.moving
    shares, moments = inertia_of(mean, bodies.masks, bodies.pivots_px)
    metric = displacement_metric(shares[moving], moments[moving] * PIXEL_ANGSTROM**2)
    halves = bodies.work.series[0].halves
    return find_motions(
        *(centred(one, halves) for one in (measured.other, measured.first, measured.second)),
        metric,
    )


def test_a_hinge_is_found_and_tells_more_than_a_rigid_particle(make_hinge: MakeHinge) -> None:
    hinge = make_hinge(28, 20.0, 0.04)
    bodies = refined(hinge, 2)
    found = motions_of(bodies)
    assert found.n_motions == 1
    turns = found.estimates.means[:, :3] @ AXIS
    assert np.corrcoef(turns, hinge.angles_deg)[0, 1] > 0.9
    assert found.estimates.means[:, :3].std(axis=0) @ np.abs(AXIS) > 5.0
    score = bodies.work.series[0].scores.mean()
    assert bodies.rounds[-1].score > score + 3


@pytest.mark.slow
def test_rigid_particles_move_by_no_more_than_noise(make_hinge: MakeHinge) -> None:
    bodies = refined(make_hinge(24, 0.0, 0.02), 1)
    assert motions_of(bodies).n_motions == 0


@pytest.mark.slow
def test_a_course_goes_on_where_it_was_stopped(make_hinge: MakeHinge) -> None:
    hinge = make_hinge(12, 10.0, 0.01)
    bodies = refined(hinge, 1)
    state = bodies.state()
    other = refined(hinge, 0)
    other.take_up(state)
    first, second = bodies.iterate(), other.iterate()
    assert second.number == 2
    assert second.score == pytest.approx(first.score, rel=1e-3)
    np.testing.assert_allclose(other.prior, bodies.prior, rtol=0.05, atol=0.05)
