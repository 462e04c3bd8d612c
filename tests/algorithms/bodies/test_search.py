from __future__ import annotations

import numpy as np
import torch

from tests.algorithms.bodies.conftest import AXIS, PIXEL_ANGSTROM, MakeHinge
from tomotui.algorithms.bodies.equations import body_equations
from tomotui.algorithms.bodies.poses import BodyPoses
from tomotui.algorithms.bodies.search import BodySearch
from tomotui.algorithms.bodies.spread import first_prior


def test_gradient_is_that_of_the_likelihood(make_hinge: MakeHinge) -> None:
    hinge = make_hinge(2, 5.0, 0.3)
    poses = hinge.poses.moved(np.full((2, 2, 3), 1.5), np.full((2, 2, 3), 0.02))
    sources, pixel, step = hinge.sources(), PIXEL_ANGSTROM, 2e-2

    def score(at: BodyPoses) -> np.ndarray:
        found = body_equations(sources, hinge.views, hinge.model, at, hinge.n_terms)
        return found.score.numpy()

    found = body_equations(sources, hinge.views, hinge.model, poses, hinge.n_terms)
    scale = found.gradient.abs().max()
    for column in range(12):
        move = np.zeros((2, 2, 6))
        size = step if column % 6 < 3 else step / 5
        move.reshape(2, -1)[:, column] = size
        there, back = (
            score(poses.moved(sign * move[..., :3] * pixel, sign * move[..., 3:]))
            for sign in (1, -1)
        )
        slope = torch.from_numpy((there - back) / (2 * size))
        assert (slope - found.gradient[:, column]).abs().max() < 0.05 * scale


def test_bodies_are_found_from_where_the_particle_is(make_hinge: MakeHinge) -> None:
    hinge = make_hinge(6, 8.0, 0.5)
    search = BodySearch(hinge.sources(), hinge.arrangement, first_prior(2, 10.0, 5.0))
    whole = hinge.poses.whole(0, hinge.arrangement.pivots_angstrom)
    rigid = BodyPoses.rigid(whole, hinge.arrangement.pivots_angstrom)
    found = search.climb(hinge.views, hinge.model, rigid, hinge.n_terms)
    turns = found.estimates.means[:, :3]
    np.testing.assert_allclose(turns @ AXIS, hinge.angles_deg, atol=1.0)
    errors = (turns - hinge.angles_deg[:, None] * AXIS) ** 2
    expected = np.einsum("pii->pi", found.estimates.covariances)[:, :3]
    assert 0.3 < errors.mean() / expected.mean() < 3.0


def test_a_particle_without_views_stays_with_what_was_believed(make_hinge: MakeHinge) -> None:
    hinge = make_hinge(3, 8.0, 0.5)
    hinge.views.data[1], hinge.views.transfer[1] = 0, 0
    prior = first_prior(2, 3.0, 2.0)
    search = BodySearch(hinge.sources(), hinge.arrangement, prior)
    whole = hinge.poses.whole(0, hinge.arrangement.pivots_angstrom)
    rigid = BodyPoses.rigid(whole, hinge.arrangement.pivots_angstrom)
    found = search.climb(hinge.views, hinge.model, rigid, hinge.n_terms)
    np.testing.assert_allclose(found.estimates.means[1], 0, atol=1e-6)
    np.testing.assert_allclose(np.diag(found.estimates.covariances[1]), np.diag(prior), rtol=0.01)
