from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.algorithms.bodies.test_spread import estimates
from tomotui.algorithms.bodies.motions import Motions, displacement_metric, find_motions
from tomotui.algorithms.bodies.spread import believed

Array = NDArray[np.float64]
METRIC = displacement_metric(np.array([0.4]), np.eye(3)[None] * 900.0)


def found_motions(true: Array, error: float, seed: int = 0) -> Motions:
    halves = [estimates(true, error * 2**0.5, seed + n) for n in (1, 2)]
    (told, pull), (more, pulls) = (one.evidence() for one in halves)
    whole = believed(told + more, pull + pulls, halves[0].prior)
    return find_motions(whole, halves[0], halves[1], METRIC, seed)


def test_displacement_is_that_of_the_mass() -> None:
    """A ball of 1000 points about its pivot, turned by one degree."""
    points = np.random.default_rng(1).normal(0, 30, (1000, 3))
    moment = points.T @ points / len(points)
    metric = displacement_metric(np.array([1.0]), moment[None])
    turn = np.array([0.4, -0.3, 0.8, 0.2, 0.1, 0.0])
    moved = np.cross(np.deg2rad(turn[:3]), points) + turn[3:]
    expected = (moved**2).sum(axis=1).mean() - 2 * (
        np.cross(np.deg2rad(turn[:3]), points.mean(axis=0)) @ turn[3:]
    )
    assert turn @ metric @ turn == pytest.approx(expected, rel=1e-6)


def test_a_hinge_is_one_motion() -> None:
    chance = np.random.default_rng(2)
    angle = chance.uniform(-8, 8, 150)
    true = np.zeros((150, 6))
    true[:, 1], true[:, 3] = angle, 0.5 * angle
    found = found_motions(true, 2.0)
    assert found.n_motions == 1
    assert abs(np.corrcoef(found.amplitudes_angstrom[:, 0], angle)[0, 1]) > 0.9
    direction = found.modes[0] / np.linalg.norm(found.modes[0])
    expected = np.array([0, 1, 0, 0.5, 0, 0]) / np.hypot(1, 0.5)
    assert abs(direction @ expected) > 0.95
    turned = found.modes[0, 1] * found.deviations_angstrom[0]
    assert abs(turned) == pytest.approx(angle.std(), rel=0.15)


def test_the_bend_of_a_path_is_no_motion_of_its_own() -> None:
    angle = np.random.default_rng(3).uniform(-10, 10, 200)
    true = np.zeros((200, 6))
    true[:, 1], true[:, 4] = angle, 0.05 * (angle**2 - (angle**2).mean())
    assert found_motions(true, 1.0).n_motions == 1


def test_two_motions_are_two() -> None:
    true = np.zeros((200, 6))
    true[:, :2] = np.random.default_rng(4).normal(0, [6, 3], (200, 2))
    assert found_motions(true, 1.5).n_motions == 2


@pytest.mark.parametrize("seed", [11, 12])
def test_rigid_particles_show_none(seed: int) -> None:
    assert found_motions(np.zeros((120, 6)), 3.0, seed).n_motions == 0
