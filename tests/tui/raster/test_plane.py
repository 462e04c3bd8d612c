from __future__ import annotations

import numpy as np
import pytest

from tomotui.tui.raster.plane import Span, are_inside, density_of, span_of


def test_places_and_shares_are_each_others_inverse() -> None:
    span = Span((-2.0, 4.0), (0.0, 1.0))
    down, across = span.shares(np.array([-2.0, 1.0]), np.array([1.0, 0.25]))
    np.testing.assert_allclose(down, (0.0, 0.75))
    np.testing.assert_allclose(across, (0.0, 0.5))
    assert span.place(0.75, 0.5) == pytest.approx((1.0, 0.25))


def test_zooming_keeps_its_place_and_the_cursor_stays_in_sight() -> None:
    span = Span((-2.0, 2.0), (-1.0, 1.0))
    near = span.zoomed(2.0, (1.0, 0.5))
    assert near == Span((-0.5, 1.5), (-0.25, 0.75))
    assert near.zoomed(0.5, (1.0, 0.5)) == span
    assert near.containing((2.0, 0.0)) == Span((0.0, 2.0), (-0.25, 0.75))
    assert near.containing((0.0, 0.0)) == near


def test_the_densest_place_is_where_most_points_are_and_y_grows_upwards() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-1, 0.2, 900), rng.normal(1, 0.2, 300)])
    y = np.concatenate([rng.normal(1, 0.2, 900), rng.normal(-1, 0.2, 300)])
    found = density_of(x, y, Span((-2.0, 2.0), (-2.0, 2.0)), (40, 80))
    assert found.shape == (40, 80)
    assert found.max() == 1.0
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert (abs(row - 10) <= 2, abs(column - 20) <= 3) == (True, True)
    assert 0.2 < found[28:33, 55:65].max() < 0.5
    assert found[:5, 70:].max() < 0.01


@pytest.mark.parametrize("n", [0, 1])
def test_few_points_have_a_density_too(n: int) -> None:
    places = np.zeros(n)
    span = span_of(places, places)
    found = density_of(places, places, span, (8, 8))
    assert np.isfinite(found).all()
    assert found.max() == n


def test_all_but_outliers_are_seen_and_the_origin_is() -> None:
    values = np.concatenate([np.linspace(2, 3, 500), [1e6]])
    span = span_of(values, values)
    assert span.x[0] < 0
    assert 3 < span.x[1] < 10


def test_points_inside_of_a_line_that_is_not_convex() -> None:
    corners = np.array([(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (2.0, 1.0), (0.0, 4.0)])
    x, y = np.array([2.0, 2.0, 0.5, 3.5, 5.0]), np.array([0.5, 3.0, 2.5, 2.5, 1.0])
    np.testing.assert_array_equal(are_inside(x, y, corners), (True, False, True, True, False))
