"""Surfaces against analytic bodies, and against rays followed without any shortcut."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.tui.raster.density import Density
from tomotui.tui.raster.surface import Screen, Surface, turned

N, VOXEL = 48, 4.0
Z, Y, X = (np.mgrid[:N, :N, :N] - N // 2) * VOXEL
PLAIN = np.eye(3)


def ball(x: float, y: float, z: float, radius: float) -> np.ndarray:
    """A ball whose density falls by 1 every 10 Angstrom and is 0 at its surface."""
    return ((radius - np.sqrt((X - x) ** 2 + (Y - y) ** 2 + (Z - z) ** 2)) / 10).astype(np.float32)


def screen(turn: np.ndarray = PLAIN, size: int = 97, step: float = 2.0) -> Screen:
    return Screen(turn, (size, size), step, step)


def middle_of(seen: np.ndarray) -> tuple[float, float]:
    """Mean place of what is seen, Angstrom from the middle: right and down."""
    rows, columns = np.nonzero(np.isfinite(seen))
    return (columns.mean() - 48) * 2.0, (rows.mean() - 48) * 2.0


def test_a_ball_is_a_disc_of_its_radius_lit_from_the_upper_left() -> None:
    seen = Surface(Density(ball(0, 0, 0, 60.0), VOXEL), 0.0).shaded(screen())
    area = np.isfinite(seen).sum() * 4.0
    assert area == pytest.approx(np.pi * 60.0**2, rel=0.03)
    assert middle_of(seen) == pytest.approx((0, 0), abs=1.0)
    row, column = np.unravel_index(np.nanargmax(seen), seen.shape)
    assert row < 44
    assert column < 44
    assert 0 <= np.nanmin(seen) < np.nanmax(seen) <= 1


def test_x_is_right_y_is_down_and_what_is_at_low_z_is_in_front() -> None:
    at_right = Surface(Density(ball(40, 0, 0, 20.0), VOXEL), 0.0).shaded(screen())
    assert middle_of(at_right) == pytest.approx((40, 0), abs=1.5)
    below = Surface(Density(ball(0, 40, 0, 20.0), VOXEL), 0.0).shaded(screen())
    assert middle_of(below) == pytest.approx((0, 40), abs=1.5)
    near = Surface(Density(ball(0, 0, -40, 20.0), VOXEL), 0.0)
    assert middle_of(near.shaded(screen(turned(PLAIN, right_deg=30))))[0] > 15
    assert middle_of(near.shaded(screen(turned(PLAIN, down_deg=30))))[1] > 15


def test_what_is_behind_is_hidden_and_what_is_beside_is_not() -> None:
    front, behind = ball(0, 0, -45, 20.0), ball(0, 0, 45, 40.0)
    both = Surface(Density(np.maximum(front, behind), VOXEL), 0.0).shaded(screen())
    alone = Surface(Density(front, VOXEL), 0.0).shaded(screen())
    rear = Surface(Density(behind, VOXEL), 0.0).shaded(screen())
    shown = np.isfinite(alone)
    rim = np.isfinite(rear) & ~shown
    np.testing.assert_array_equal(np.isfinite(both), shown | rim)
    assert (both[shown] >= alone[shown] - 0.02).all()
    # What stands in front takes light from what is just behind it, and from nothing else.
    assert (both[rim] <= rear[rim] + 0.02).all()
    assert (rear[rim] - both[rim]).max() > 0.1
    assert (np.abs(both[rim] - rear[rim]) < 0.02).mean() > 0.3


def test_rays_find_the_surface_wherever_following_them_whole_does() -> None:
    rng = np.random.default_rng(4)
    values = np.max([ball(*rng.uniform(-50, 50, 3), 18.0) for _ in range(9)], axis=0)
    density = Density(values, VOXEL)
    view = screen(turned(PLAIN, 33, -21, 12), size=61, step=3.0)
    seen = np.isfinite(Surface(density, 0.0).shaded(view))
    depths = np.arange(-150, 150, 1.0)
    right, down, away = view.turn
    places = (
        view.right()[None, :, None, None] * right
        + view.down()[:, None, None, None] * down
        + depths[None, None, :, None] * away
    )
    whole = density.at(places[..., 2], places[..., 1], places[..., 0])
    inside = np.abs(places).max(axis=-1) < (N // 2 - 1) * VOXEL
    expected = ((whole >= 0) & inside).any(axis=2)
    assert (seen != expected).mean() < 0.01


def test_a_surface_that_leaves_the_box_is_closed_there() -> None:
    solid = Surface(Density(np.ones((8, 8, 8), np.float32), 10.0), 0.5)
    seen = solid.shaded(Screen(PLAIN, (41, 41), 4.0, 4.0))
    assert np.isfinite(seen).sum() * 16 == pytest.approx(80.0**2, rel=0.25)


def test_nothing_reaches_a_level_that_is_too_high() -> None:
    seen = Surface(Density(ball(0, 0, 0, 20.0), VOXEL), 9.0).shaded(screen())
    assert np.isnan(seen).all()


def test_a_close_look_fills_the_screen_without_holes() -> None:
    seen = Surface(Density(ball(0, 0, 0, 60.0), VOXEL), 0.0).shaded(screen(step=0.2))
    assert np.isfinite(seen).all()


def test_many_turns_stay_a_rotation() -> None:
    turn = PLAIN
    for _ in range(500):
        turn = turned(turn, 7, 3, -5)
    np.testing.assert_allclose(turn @ turn.T, PLAIN, atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    back = turned(turned(PLAIN, right_deg=20), right_deg=-20)
    np.testing.assert_allclose(back, PLAIN, atol=1e-12)
