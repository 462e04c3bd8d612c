from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomotui.geometry import TiltGeometry, rotation_x, rotation_y, rotation_z
from tomotui.records import Alignment

angles = st.floats(-75, 75)
lengths = st.floats(-5000, 5000)
points = st.tuples(lengths, lengths, lengths)


@pytest.mark.parametrize(
    ("geometry", "point", "expected"),
    [
        # +30 degrees: matter above the centre moves towards +x by z sin(tilt).
        (TiltGeometry.of([30.0]), (0, 0, 10), (5.0, 0.0, 10 * np.cos(np.pi / 6))),
        (TiltGeometry.of([30.0]), (10, 0, 0), (10 * np.cos(np.pi / 6), 0.0, -5.0)),
        # The axis is counter-clockwise from +y: at 90 degrees it lies along -x.
        (TiltGeometry.of([0.0], axis_deg=90), (0, 10, 0), (-10.0, 0.0, 0.0)),
        (TiltGeometry.of([0.0], axis_deg=90), (10, 0, 0), (0.0, 10.0, 0.0)),
        # A lean about x moves matter above the centre towards -y.
        (TiltGeometry.of([0.0], x_tilt_deg=30), (0, 0, 10), (0.0, -5.0, 10 * np.cos(np.pi / 6))),
        # The shift is where the centre falls, whatever the angles.
        (TiltGeometry.of([50.0], 33, 4, (7.0, -3.0)), (0, 0, 0), (7.0, -3.0, 0.0)),
        # First lean, then tilt, then turn the camera.
        (TiltGeometry.of([90.0], 90, 90), (0, 10, 0), (0.0, 10.0, 0.0)),
    ],
)
def test_projection_of_known_points(
    geometry: TiltGeometry, point: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    np.testing.assert_allclose(geometry.project(point), [[expected]], atol=1e-12)


def test_points_on_the_axis_stay_while_the_stage_tilts() -> None:
    geometry = TiltGeometry.of(np.arange(-60, 61, 10.0), axis_deg=35)
    projected = geometry.project([0, 100, 0])[:, 0]
    along = 100 * np.array([-np.sin(np.deg2rad(35)), np.cos(np.deg2rad(35)), 0])
    np.testing.assert_allclose(projected, np.broadcast_to(along, projected.shape), atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(angles, angles, st.floats(-180, 180), points)
def test_depth_and_position_keep_the_distance_from_the_centre(
    tilt: float, x_tilt: float, axis: float, point: tuple[float, float, float]
) -> None:
    geometry = TiltGeometry.of([tilt], axis, x_tilt)
    projected = geometry.project(point)[0, 0]
    assert np.linalg.norm(projected) == pytest.approx(np.linalg.norm(point), abs=1e-6)
    stage = geometry.stage_matrices[0] @ np.asarray(point)
    assert projected[2] == pytest.approx(stage[2], abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(angles, angles, st.floats(-180, 180), points)
def test_derivatives_are_finite_differences(
    tilt: float, x_tilt: float, axis: float, point: tuple[float, float, float]
) -> None:
    values = {"tilt_deg": tilt, "axis_deg": axis, "x_tilt_deg": x_tilt}
    derivatives = TiltGeometry.of(**values).derivatives(point)
    assert set(derivatives) == set(values)
    step = 1e-3
    for name, found in derivatives.items():
        before, after = (
            TiltGeometry.of(**{**values, name: values[name] + sign * step}).project(point)
            for sign in (-1, 1)
        )
        expected = ((after - before) / (2 * step))[..., :2]
        assert found.shape == (1, 1, 2)
        np.testing.assert_allclose(found, expected, atol=1e-6 * max(1.0, np.abs(point).max()))


@settings(deadline=None, max_examples=50)
@given(angles, angles, st.floats(-180, 180), points)
def test_the_opposite_axis_is_the_negated_tilt_of_a_specimen_turned_about_z(
    tilt: float, x_tilt: float, axis: float, point: tuple[float, float, float]
) -> None:
    turned = rotation_z(180) @ np.asarray(point)
    one = TiltGeometry.of([tilt], axis, x_tilt).project(point)
    other = TiltGeometry.of([-tilt], axis + 180, -x_tilt).project(turned)
    np.testing.assert_allclose(one, other, atol=1e-8)


@pytest.mark.parametrize("rotation", [rotation_x, rotation_y, rotation_z])
def test_rotations_are_proper_and_add_up(rotation: object) -> None:
    matrices = rotation([20.0, 35.0, 55.0])  # type: ignore[operator]
    np.testing.assert_allclose(matrices[0] @ matrices[1], matrices[2], atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrices), 1.0)


def test_select_keeps_the_order_asked_for() -> None:
    geometry = TiltGeometry.of([-10.0, 0.0, 10.0], [1.0, 2.0, 3.0], 0.0, np.arange(6).reshape(3, 2))
    chosen = geometry.select([2, 0])
    assert chosen.n_tilts == 2
    assert chosen.tilt_deg.tolist() == [10.0, -10.0]
    assert chosen.axis_deg.tolist() == [3.0, 1.0]
    assert chosen.shift_angstrom.tolist() == [[4.0, 5.0], [0.0, 1.0]]


def test_geometry_survives_the_records() -> None:
    rng = np.random.default_rng(0)
    geometry = TiltGeometry.of(
        rng.uniform(-60, 60, 5),
        rng.uniform(-90, 90, 5),
        rng.normal(size=5),
        rng.normal(size=(5, 2)),
    )
    tilts = geometry.to_tilt_alignments()
    assert [tilt.index for tilt in tilts] == [0, 1, 2, 3, 4]
    tilts = (*tilts[:2], tilts[2].replace(excluded=True), *tilts[3:])
    alignment = Alignment(series_uid="a", tilts=tilts)
    back = TiltGeometry.from_alignment(alignment)
    point = rng.normal(size=(4, 3)) * 1000
    np.testing.assert_array_equal(back.project(point), geometry.project(point))
    kept = TiltGeometry.from_alignment(alignment, included_only=True)
    np.testing.assert_array_equal(kept.tilt_deg, geometry.tilt_deg[[0, 1, 3, 4]])


@pytest.mark.parametrize("shape", [(2, 2), (3,), (3, 3)])
def test_shapes_that_disagree_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="disagree"):
        TiltGeometry(np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(shape))
