from __future__ import annotations

import numpy as np
import pytest

from tomotui.algorithms.bodies.spread import Estimates, first_prior, learnt_prior


def estimates(true: np.ndarray, error: float, seed: int = 0) -> Estimates:
    """Return what a wide prior makes of motions that are seen with an error."""
    prior = first_prior(2, 10.0, 10.0)
    told = np.eye(6) / error**2
    covariance = np.linalg.inv(told + np.linalg.inv(prior))
    seen = true + np.random.default_rng([seed, 4]).normal(0, error, true.shape)
    return Estimates(seen @ told @ covariance, np.tile(covariance, (len(true), 1, 1)), prior)


def test_spread_is_found_below_the_noise() -> None:
    chance = np.random.default_rng(1)
    true = np.zeros((400, 6))
    true[:, 2] = chance.normal(0, 3, 400)
    found = np.sqrt(np.diag(learnt_prior(estimates(true, 4.0))))
    assert found[2] == pytest.approx(3.0, rel=0.25)
    assert found[[0, 1, 3, 4, 5]].max() < 2.0


def test_motions_that_are_not_there_are_not_believed() -> None:
    found = estimates(np.zeros((300, 6)), 4.0)
    believed = found.under(learnt_prior(found))
    assert np.abs(believed.means).max() < np.abs(found.means).max() / 4


def test_another_prior_is_as_if_it_had_been_there_before() -> None:
    true = np.random.default_rng(2).normal(0, 3, (10, 6))
    wide = estimates(true, 2.0)
    narrow = first_prior(2, 1.0, 1.0)
    again = wide.under(narrow).under(wide.prior)
    np.testing.assert_allclose(again.means, wide.means, atol=1e-6)
    np.testing.assert_allclose(again.covariances, wide.covariances, atol=1e-6)
