from __future__ import annotations

import numpy as np
import pytest

from tomotui.geometry import TiltGeometry
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.geometry.frames import motion_between
from tomotui.geometry.tilt import angles_of_projections
from tomotui.records import Alignment

REACH = (2000.0, 1800.0, 500.0)
TURN = rotations_of_vectors(np.array([[0.05, -0.08, 0.3]]))[0]
SHIFT = np.array([40.0, -120.0, 250.0])


def alignment_of(geometry: TiltGeometry) -> Alignment:
    return Alignment(series_uid="s", tilts=geometry.to_tilt_alignments())


@pytest.fixture
def before() -> TiltGeometry:
    chance = np.random.default_rng(1)
    tilts = np.arange(-60.0, 61.0, 6.0)
    return TiltGeometry.of(
        tilts, axis_deg=83.0, x_tilt_deg=2.0, shift_angstrom=chance.normal(0, 60, (len(tilts), 2))
    )


def moved(geometry: TiltGeometry, errors: np.ndarray | float = 0.0) -> TiltGeometry:
    """The same images seen from a frame that was turned and shifted."""
    matrices = geometry.projection_matrices @ TURN.T
    axis, tilt, x_tilt = angles_of_projections(matrices)
    shifts = geometry.shift_angstrom - (matrices @ SHIFT)[:, :2] + errors
    return TiltGeometry(tilt, x_tilt, axis, shifts)


def test_a_frame_that_was_moved_is_found(before: TiltGeometry) -> None:
    after = moved(before)
    found = motion_between(alignment_of(before), alignment_of(after), REACH)
    np.testing.assert_allclose(found.rotation, TURN, atol=1e-8)
    np.testing.assert_allclose(found.translation_angstrom, SHIFT, atol=1e-5)
    assert found.residual_angstrom < 1e-5
    points = np.random.default_rng(2).uniform(-1, 1, (10, 3)) * REACH
    np.testing.assert_allclose(
        after.project(found.moved(points))[..., :2], before.project(points)[..., :2], atol=1e-5
    )


def test_what_tilts_were_corrected_by_is_left(before: TiltGeometry) -> None:
    errors = np.random.default_rng(3).normal(0, 5.0, (before.n_tilts, 2))
    found = motion_between(alignment_of(before), alignment_of(moved(before, errors)), REACH)
    assert found.residual_angstrom == pytest.approx(7.0, abs=1.5)
    assert np.abs(found.translation_angstrom - SHIFT).max() < 10.0
    one = alignment_of(before)
    assert motion_between(one, one, REACH).residual_angstrom == 0


def test_other_images_have_no_common_frame(before: TiltGeometry) -> None:
    one, few = alignment_of(before), alignment_of(before.select([0, 1]))
    with pytest.raises(ValueError, match="only 2 tilts"):
        motion_between(one, few, REACH)
    flipped = TiltGeometry(
        -before.tilt_deg, before.x_tilt_deg, before.axis_deg, before.shift_angstrom
    )
    assert motion_between(one, alignment_of(flipped), REACH).residual_angstrom > 100
