from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.bodies.masks import (
    BodyError,
    bodies_by_seeds,
    bodies_by_valleys,
    inertia_of,
    pivots_of,
    shared_out,
    softened,
)

N = 32
Z, Y, X = torch.meshgrid(*[torch.arange(N) - N // 2.0] * 3, indexing="ij")


@pytest.fixture
def dumbbell() -> tuple[Tensor, Tensor]:
    """A large ball at x = 6, a small one at x = -7, and the mask of both."""
    large = torch.exp(-((X - 6) ** 2 + Y**2 + Z**2) / 30)
    small = 0.9 * torch.exp(-((X + 7) ** 2 + Y**2 + Z**2) / 14)
    return large + small, (large + small > 0.12).float()


def test_a_map_is_cut_along_its_valley(dumbbell: tuple[Tensor, Tensor]) -> None:
    volume, mask = dumbbell
    labels = torch.from_numpy(bodies_by_valleys(volume, mask, 2))
    assert set(labels.unique().tolist()) == {0, 1, 2}
    assert ((labels > 0) == (mask > 0.5)).all()
    assert (X[labels == 1] > -5).all()
    assert (X[labels == 2] < 0).all()


def test_more_bodies_than_the_map_shows_are_refused(dumbbell: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(BodyError, match="does not show 5 bodies"):
        bodies_by_valleys(*dumbbell, 5)


def test_seeds_say_which_body_is_which(dumbbell: tuple[Tensor, Tensor]) -> None:
    volume, mask = dumbbell
    labels = bodies_by_seeds(
        volume, mask, [np.array([[-7, 0, 0]]), np.array([[6, 0, 0], [7, 1, 0]])]
    )
    assert labels[N // 2, N // 2, N // 2 - 7] == 1
    assert labels[N // 2, N // 2, N // 2 + 6] == 2
    with pytest.raises(BodyError, match="no point of body 2"):
        bodies_by_seeds(volume, mask, [np.array([[6, 0, 0]]), np.array([[0, 14, 0]])])


def test_soft_masks_share_out_the_particle(dumbbell: tuple[Tensor, Tensor]) -> None:
    volume, mask = dumbbell
    soft = softened(bodies_by_valleys(volume, mask, 2), mask, 4.0)
    torch.testing.assert_close(soft.sum(dim=0), mask)
    assert ((soft > 0.2).sum(dim=0) > 1).any()
    assert np.abs(pivots_of(volume, soft) - [[6, 0, 0], [-7, 0, 0]]).max() <= 1


def test_given_masks_are_made_to_cover_the_particle_once(dumbbell: tuple[Tensor, Tensor]) -> None:
    _, mask = dumbbell
    found = shared_out([(X > -1).float(), (X < -4).float()], mask, 3.0)
    torch.testing.assert_close(found.sum(dim=0), mask, atol=1e-5, rtol=0)
    twice = shared_out([(X > -3).float(), (X < 1).float()], mask, 3.0)
    torch.testing.assert_close(twice.sum(dim=0), mask, atol=1e-5, rtol=0)


def test_useless_masks_are_refused(dumbbell: tuple[Tensor, Tensor]) -> None:
    _, mask = dumbbell
    right = (X > 0).float()
    with pytest.raises(BodyError, match="mask 2 holds nothing"):
        shared_out([right, torch.zeros_like(mask)], mask, 3.0)
    with pytest.raises(BodyError, match="masks 1 and 2 hold the same part"):
        shared_out([right, right], mask, 3.0)


def test_moments_are_those_of_a_ball(dumbbell: tuple[Tensor, Tensor]) -> None:
    ball = ((X - 3) ** 2 + Y**2 + Z**2 <= 64).float()
    shares, moments = inertia_of(ball, ball[None], np.array([[3, 0, 0]]))
    assert shares.tolist() == [1.0]
    np.testing.assert_allclose(moments[0], np.eye(3) * 64 / 5, atol=0.5)
