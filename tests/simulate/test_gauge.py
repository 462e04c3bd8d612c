from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tomotui.geometry import TiltGeometry
from tomotui.records import Alignment
from tomotui.simulate import AlignmentError, alignment_error

EXTENT = (4000.0, 4000.0, 1500.0)
TILTS = np.arange(-60.0, 61.0, 6.0)


def geometry(seed: int = 0) -> TiltGeometry:
    shift = np.random.default_rng(seed).normal(0, 30, (len(TILTS), 2))
    return TiltGeometry.of(TILTS, 85.3, 0.0, shift)


def record(made: TiltGeometry) -> Alignment:
    return Alignment(series_uid="s", tilts=made.to_tilt_alignments())


def measure(estimate: TiltGeometry, twins: bool = False) -> AlignmentError:
    return alignment_error(record(estimate), record(geometry()), 6.0, EXTENT, best_of_twins=twins)


def with_shift(made: TiltGeometry, shift: NDArray) -> TiltGeometry:
    return TiltGeometry.of(made.tilt_deg, made.axis_deg, made.x_tilt_deg, shift)


def test_the_truth_has_no_error() -> None:
    found = measure(geometry())
    assert found.rms_px < 1e-6
    assert found.axis_error_deg == pytest.approx(0)
    assert not found.mirrored


def test_the_error_is_the_mean_over_the_whole_specimen() -> None:
    true = geometry()
    wrong = TiltGeometry.of(TILTS + 0.3 * np.sin(TILTS), 85.8, 0.0, true.shift_angstrom + 5.0)
    found = measure(wrong)
    points = np.random.default_rng(2).uniform(-0.5, 0.5, (20_000, 3)) * EXTENT
    moved = points @ found.rotation.T + found.translation_angstrom
    difference = (wrong.project(moved) - true.project(points))[..., :2]
    sampled = float(np.sqrt((difference**2).sum(axis=-1).mean()))
    assert found.rms_angstrom == pytest.approx(sampled, rel=0.01)
    assert found.rms_angstrom > 3.0


def test_a_moved_specimen_is_no_error() -> None:
    true = geometry()
    moved = np.einsum("tij,j->ti", true.projection_matrices, [120.0, -80.0, 60.0])[:, :2]
    found = measure(with_shift(true, true.shift_angstrom + moved))
    assert found.rms_px < 1e-6
    np.testing.assert_allclose(found.translation_angstrom, [-120, 80, -60], atol=1e-3)


def test_a_tilt_offset_turns_the_specimen_and_is_no_error_but_is_told() -> None:
    true = geometry()
    found = measure(TiltGeometry.of(TILTS + 7.0, 85.3, 0.0, true.shift_angstrom))
    assert found.rms_px < 1e-6
    assert found.tilt_offset_error_deg == pytest.approx(7.0)


def test_the_axis_the_other_way_round_with_reversed_tilts_is_the_same() -> None:
    true = geometry()
    found = measure(TiltGeometry.of(-TILTS, 85.3 + 180.0, 0.0, true.shift_angstrom))
    assert found.rms_px < 1e-6
    assert found.axis_error_deg == pytest.approx(0)
    assert found.tilt_offset_error_deg == pytest.approx(0)


@pytest.mark.parametrize(("sign", "turn"), [(-1.0, 0.0), (1.0, 180.0)])
def test_the_mirrored_twin_is_an_error_unless_twins_are_allowed(sign: float, turn: float) -> None:
    true = geometry()
    twin = TiltGeometry.of(sign * TILTS, 85.3 + turn, 0.0, true.shift_angstrom)
    assert measure(twin).rms_px > 20
    found = measure(twin, twins=True)
    assert found.mirrored
    assert found.rms_px < 1e-6
    assert np.linalg.det(found.rotation) == pytest.approx(-1)
    assert found.tilt_offset_error_deg == pytest.approx(0)


def test_shift_errors_are_measured_per_tilt() -> None:
    true = geometry()
    shift = true.shift_angstrom.copy()
    shift[4] += [30.0, 0.0]
    found = measure(with_shift(true, shift))
    worst = int(np.argmax(found.tilt_rms_angstrom))
    assert worst == 4
    # The specimen follows the one bad tilt a little.
    assert 24 < found.tilt_rms_angstrom[4] < 30
    assert found.rms_angstrom == pytest.approx(30 / np.sqrt(len(TILTS)), rel=0.1)
    assert found.rms_px == pytest.approx(found.rms_angstrom / 6.0)


def test_random_shift_errors_lose_little_to_the_motion_removed() -> None:
    true = geometry()
    noise = np.random.default_rng(5).normal(0, 6.0, true.shift_angstrom.shape)
    found = measure(with_shift(true, true.shift_angstrom + noise))
    assert found.rms_angstrom == pytest.approx(6.0 * np.sqrt(2), rel=0.2)


def test_an_axis_error_is_an_error() -> None:
    true = geometry()
    found = measure(TiltGeometry.of(TILTS, 86.3, 0.0, true.shift_angstrom), twins=True)
    assert found.axis_error_deg == pytest.approx(1.0)
    assert 1.0 < found.rms_angstrom < 40.0
    assert not found.mirrored


def test_excluded_tilts_are_left_out() -> None:
    true = record(geometry())
    shift = geometry().shift_angstrom.copy()
    shift[2] += 500.0
    tilts = list(record(with_shift(geometry(), shift)).tilts)
    tilts[2] = tilts[2].replace(excluded=True)
    found = alignment_error(true.replace(tilts=tilts), true, 6.0, EXTENT)
    assert 2 not in found.indices
    assert found.rms_px < 1e-6
    none = true.replace(tilts=[t.replace(excluded=True) for t in true.tilts])
    with pytest.raises(ValueError, match="no included tilt in common"):
        alignment_error(none, true, 6.0, EXTENT)
