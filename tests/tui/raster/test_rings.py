"""Rings of a transfer function: where it vanishes, along every direction."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tui.conftest import make_series
from tomotui.records import TiltCtf
from tomotui.tui.raster.rings import defocus_along, ring_trails, ring_zeros, wavelength_angstrom

CTF = TiltCtf(index=0, defocus_u_angstrom=33000, defocus_v_angstrom=27000, astigmatism_angle_deg=30)


def test_the_wavelength_is_that_of_the_books() -> None:
    assert wavelength_angstrom(300) == pytest.approx(0.019687, abs=1e-5)
    assert wavelength_angstrom(200) == pytest.approx(0.025079, abs=1e-5)


def test_the_function_vanishes_on_every_ring() -> None:
    series, angle = make_series("s"), np.deg2rad(np.arange(0, 180, 15))
    zeros = ring_zeros(series, CTF, angle, 0.2)
    assert len(zeros) > 10
    wave, cs = wavelength_angstrom(300), 2.7e7
    phase = np.pi * wave * defocus_along(CTF, angle) * zeros**2
    phase = phase - np.pi / 2 * cs * wave**3 * zeros**4 + np.arcsin(series.amplitude_contrast)
    known = np.isfinite(zeros)
    assert np.abs(np.sin(phase[known])).max() < 1e-6
    assert (np.diff(np.nanmean(zeros, axis=1)) > 0).all()


def test_rings_are_narrow_where_the_defocus_is_large() -> None:
    zeros = ring_zeros(make_series("s"), CTF, np.deg2rad([30.0, 120.0]), 0.2)
    assert zeros[0, 0] < zeros[0, 1]


def test_trails_cover_the_right_half_and_leave_room_between() -> None:
    trails = ring_trails(make_series("s"), CTF, 128, 0.003, least_gap=4.0, resolution_angstrom=8.0)
    rings, limit = trails[:-1], trails[-1]
    assert all((ring.columns[np.isfinite(ring.columns)] >= 64 - 1e-6).all() for ring in rings)
    radii = [np.nanmean(np.hypot(ring.rows - 64, ring.columns - 64)) for ring in rings]
    assert (np.diff(radii) >= 4.0).all()
    assert np.hypot(limit.rows - 64, limit.columns - 64) == pytest.approx(1 / 8 / 0.003)
