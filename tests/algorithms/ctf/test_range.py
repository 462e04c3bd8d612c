"""Low and high defocus, phase plates, and noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tomotui.algorithms.ctf.series import Settings

Fitter = Callable[..., Any]


@pytest.mark.parametrize(
    ("pixel", "defocus", "within"),
    [
        (3.0, 10_000.0, 150.0),
        pytest.param(3.0, 70_000.0, 250.0, marks=pytest.mark.slow),
        pytest.param(5.0, 35_000.0, 300.0, marks=pytest.mark.slow),
        pytest.param(2.0, 15_000.0, 150.0, marks=pytest.mark.slow),
    ],
)
def test_the_search_spans_low_and_high_defocus(
    fit_simulated: Fitter, pixel: float, defocus: float, within: float
) -> None:
    fit = fit_simulated(
        Settings(hand=1),
        defocus_angstrom=defocus,
        pixel_size_angstrom=pixel,
        astigmatism_angstrom=300.0,
        seed=5,
    )
    assert fit.found.verdict != "bad"
    assert np.median(np.abs(fit.defocus_error_angstrom)) < within


def test_a_phase_plate_is_noticed(fit_simulated: Fitter) -> None:
    changes = {"defocus_angstrom": 20_000.0, "phase_shift_deg": 75.0, "seed": 6}
    fit = fit_simulated(Settings((8_000.0, 60_000.0), phase_plate="auto", hand=1), **changes)
    assert np.median(np.abs(fit.found.phase_shift_deg - 75)) < 10
    assert np.median(np.abs(fit.defocus_error_angstrom)) < 300


def test_without_a_phase_plate_none_is_believed(fit_simulated: Fitter) -> None:
    fit = fit_simulated(
        Settings((8_000.0, 60_000.0), phase_plate="auto", hand=1), handedness=1, seed=3
    )
    assert (fit.found.phase_shift_deg == 0).all()


def test_noise_is_not_believed(fit_simulated: Fitter) -> None:
    fit = fit_simulated(Settings((5_000.0, 60_000.0)), ice_noise=0.0, seed=7)
    assert fit.found.verdict == "bad"
    assert "no rings" in fit.found.note
    assert fit.found.hand is None
    assert fit.found.hand_score is None
