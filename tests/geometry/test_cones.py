"""Orientations held to a cone about a known direction."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.geometry.angles import super_fibonacci
from tomotui.geometry.cones import Cone
from tomotui.geometry.symmetry import symmetry_rotations

ROTATIONS = super_fibonacci(60)
ONE = symmetry_rotations("C1")


def axis_angle_deg(rotations: np.ndarray, directions: np.ndarray) -> np.ndarray:
    return np.rad2deg(np.arccos(np.clip((rotations[..., 2] * directions).sum(axis=-1), -1, 1)))


@pytest.fixture
def directions() -> np.ndarray:
    chance = np.random.default_rng(1).normal(size=(len(ROTATIONS), 3))
    return chance / np.linalg.norm(chance, axis=1, keepdims=True)


def test_axes_come_to_lie_on_the_rim_and_no_further(directions: np.ndarray) -> None:
    before = axis_angle_deg(ROTATIONS, directions)
    held = Cone(directions * 3.0, 40.0, ONE).held(ROTATIONS)
    after = axis_angle_deg(held, directions)
    np.testing.assert_allclose(after, np.minimum(before, 40.0), atol=1e-6)
    np.testing.assert_allclose(
        held @ held.transpose(0, 2, 1), np.tile(np.eye(3), (60, 1, 1)), atol=1e-9
    )
    # The turn is no longer than it must be.
    turned = held @ ROTATIONS.transpose(0, 2, 1)
    angle = np.rad2deg(np.arccos(np.clip((np.trace(turned, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    np.testing.assert_allclose(angle, np.maximum(before - 40.0, 0.0), atol=1e-4)


def test_those_within_and_those_of_which_nothing_is_known_stay(directions: np.ndarray) -> None:
    unknown = directions.copy()
    unknown[::2] = np.nan
    held = Cone(unknown, 40.0, ONE).held(ROTATIONS)
    stays = np.isnan(unknown[:, 0]) | (axis_angle_deg(ROTATIONS, directions) <= 40.0)
    np.testing.assert_array_equal(held[stays], ROTATIONS[stays])
    assert not np.isnan(held).any()


def test_an_axis_that_symmetry_makes_equal_will_do(directions: np.ndarray) -> None:
    group = symmetry_rotations("D2")
    held = Cone(directions, 95.0, group).held(ROTATIONS)
    # Of two opposite axes one is always within 90 degrees.
    np.testing.assert_array_equal(held, ROTATIONS)


def test_opposite_axes_are_turned_too() -> None:
    held = Cone(np.array([[0.0, 0.0, -1.0]]), 30.0, ONE).held(np.eye(3)[None])
    assert axis_angle_deg(held, np.array([[0.0, 0.0, -1.0]]))[0] == pytest.approx(30.0)
