from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tomotui.simulate import SimulationParameters
from tomotui.simulate.acquisition import acquire, acquisition_order


def test_dose_symmetric_order_goes_in_groups_of_two() -> None:
    tilts = np.arange(-9.0, 10.0, 3.0)
    order = acquisition_order(tilts, "dose-symmetric")
    assert list(tilts[np.argsort(order)]) == [0, 3, -3, -6, 6, 9, -9]
    assert list(tilts[np.argsort(acquisition_order(tilts, "bidirectional"))]) == [
        0, 3, 6, 9, -3, -6, -9,
    ]  # fmt: skip
    assert list(acquisition_order(tilts, "continuous")) == list(range(7))


def test_uneven_ranges_take_every_tilt_once() -> None:
    order = acquisition_order(np.arange(-30.0, 61.0, 3.0), "dose-symmetric")
    assert sorted(order) == list(range(31))


def test_shifts_have_the_asked_length_and_the_dose_adds_up() -> None:
    made = acquire(SimulationParameters(tilt_offset_deg=2.0, tilt_jitter_deg=0.1))
    length = np.linalg.norm(made.geometry.shift_angstrom, axis=1)
    assert length.min() >= 20
    assert length.max() <= 30
    assert made.prior_dose_e_per_a2.max() == pytest.approx(40 * 3.0)
    assert made.prior_dose_e_per_a2[20] == 0
    assert np.mean(made.geometry.tilt_deg - made.nominal_tilt_deg) == pytest.approx(2, abs=0.1)


def test_the_axis_wanders_smoothly_about_its_mean() -> None:
    axis = acquire(SimulationParameters(axis_wander_deg=0.5)).geometry.axis_deg
    assert axis.mean() == pytest.approx(85.3)
    assert axis.std() == pytest.approx(0.5)
    assert np.abs(np.diff(axis)).max() < 0.5


def test_deformation_moves_projected_points_smoothly() -> None:
    made = acquire(SimulationParameters(deformation_angstrom=15.0))
    assert made.deformation is not None
    x = np.linspace(-2000, 2000, 201)
    points = np.stack([x, 0 * x, 0 * x], axis=-1)
    moved = made.project(10, points)[:, :2] - made.geometry.select([10]).project(points)[0, :, :2]
    np.testing.assert_allclose(moved, made.deformation.displacement(10, points))
    assert 2 < np.sqrt(np.mean(moved**2)) < 60
    assert np.abs(np.diff(moved, axis=0)).max() < 2.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tilt_min_deg": 10.0, "tilt_max_deg": -10.0}, "exchange them"),
        ({"shift_min_angstrom": 50.0}, "exchange them"),
        ({"pixel_size_angstrom": 0.0}, "greater than 0"),
        ({"dark_tilts": (41,)}, "there are 41 tilts"),
        ({"species": ("ribosome:0",)}, "above 0"),
        ({"species": ("ring", "ring:2")}, "named twice"),
        ({"species": ()}, "species is empty"),
        ({"sise_px": 100}, "sise_px"),
    ],
)
def test_wrong_parameters_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SimulationParameters(**changes)


def test_a_path_with_a_colon_and_a_share_is_read() -> None:
    shares = SimulationParameters(species=("a:b.pdb:2.5", "c:d.cif", "ring")).species_shares()
    assert [tuple(s) for s in shares] == [("a:b.pdb", 2.5), ("c:d.cif", 1.0), ("ring", 1.0)]


def test_the_stage_walks_in_the_order_of_time() -> None:
    made = acquire(
        SimulationParameters(shift_min_angstrom=0, shift_max_angstrom=0, shift_walk_angstrom=20)
    )
    in_time = made.geometry.shift_angstrom[np.argsort(made.acquisition_order)]
    steps = np.diff(in_time, axis=0)
    assert np.sqrt(np.mean(steps**2)) == pytest.approx(20, rel=0.25)
    assert np.abs(in_time).max() > 40
