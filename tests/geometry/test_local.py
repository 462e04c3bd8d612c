"""Local displacements: what lies on the nodes, between them, and what comes back from a record."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from tomotui.geometry.local import LocalField, spline_weights
from tomotui.records import LocalShifts


def test_weights_reproduce_straight_lines_and_nodes() -> None:
    places = np.linspace(-1, 1, 23)
    weights = spline_weights(5, places)
    nodes = np.linspace(-1, 1, 5)
    np.testing.assert_allclose(weights @ (3 * nodes - 1), 3 * places - 1, atol=1e-12)
    np.testing.assert_allclose(spline_weights(5, nodes), np.eye(5), atol=1e-12)


def test_beyond_the_nodes_the_rim_goes_on() -> None:
    np.testing.assert_allclose(spline_weights(4, 1.7), spline_weights(4, 1.0))


def test_two_nodes_make_a_line() -> None:
    np.testing.assert_allclose(spline_weights(2, 0.5), [0.25, 0.75])


def test_points_and_grid_values_agree_and_the_record_comes_back() -> None:
    chance = np.random.default_rng(3)
    field = LocalField(chance.standard_normal((3, 4, 5, 2)), (800.0, 500.0))
    x, y = np.linspace(-700, 700, 7), np.linspace(-450, 450, 6)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    grid_values = field.over_grid(x, y)
    np.testing.assert_allclose(field.displacement(grid), grid_values.reshape(3, -1, 2), atol=1e-12)
    again = LocalField.from_record(field.to_record())
    np.testing.assert_allclose(again.over_grid(x, y), grid_values, atol=1e-12)
    np.testing.assert_allclose(field.select([2]).over_grid(x, y)[0], grid_values[2], atol=1e-12)


def test_a_record_with_missing_nodes_is_refused() -> None:
    with pytest.raises(ValidationError, match="4 numbers"):
        LocalShifts(
            n_x=2,
            n_y=2,
            half_width_angstrom=1,
            half_height_angstrom=1,
            x_angstrom=((0.0, 0.0, 0.0),),
            y_angstrom=((0.0, 0.0, 0.0),),
        )
