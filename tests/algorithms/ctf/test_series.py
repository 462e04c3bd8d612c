from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tomotui.algorithms.ctf.series import NoRingsPossible, Settings

Fitter = Callable[..., Any]
PLAIN: dict[str, Any] = {
    "defocus_angstrom": 28_000.0,
    "astigmatism_angstrom": 900.0,
    "astigmatism_angle_deg": -40.0,
}


@pytest.mark.parametrize("hand", [1, -1])
def test_defocus_astigmatism_and_hand_are_found(fit_simulated: Fitter, hand: int) -> None:
    fit = fit_simulated(handedness=hand, seed=3, **PLAIN)
    assert fit.found.verdict == "good"
    assert fit.found.hand == hand
    assert fit.found.hand_score * hand > 3
    assert np.median(np.abs(fit.defocus_error_angstrom)) < 100
    assert np.abs(fit.defocus_error_angstrom).max() < 500
    assert np.median(fit.astigmatism_error_angstrom) < 150
    assert np.nanmedian(fit.found.curves.resolution_angstrom) < 9
    assert (fit.found.curves.score > 0.5).all()


def test_standard_errors_are_those_of_the_errors(fit_simulated: Fitter) -> None:
    fit = fit_simulated(handedness=1, seed=3, **PLAIN)
    ratio = fit.defocus_error_angstrom / fit.found.error_angstrom
    assert 0.2 < np.sqrt(np.mean(ratio**2)) < 3.0


def test_missing_tilts_do_not_matter(fit_simulated: Fitter) -> None:
    used = (0, 1, 3, 4, 6, 8)
    fit = fit_simulated(used=used, handedness=1, seed=3, **PLAIN)
    assert len(fit.found.defocus_u_angstrom) == len(used)
    assert fit.found.hand == 1
    assert np.median(np.abs(fit.defocus_error_angstrom)) < 150


def test_one_image_alone_will_do(fit_simulated: Fitter) -> None:
    fit = fit_simulated(used=(4,), handedness=1, seed=3, **PLAIN)
    assert fit.found.verdict != "bad"
    assert fit.found.hand is None
    assert abs(fit.defocus_error_angstrom[0]) < 400


def test_a_known_hand_is_taken(fit_simulated: Fitter) -> None:
    fit = fit_simulated(Settings(hand=-1), handedness=-1, seed=3, **PLAIN)
    assert fit.found.hand == -1
    assert fit.found.hand_score is None
    assert np.isnan(fit.found.hand_gain[1])


def test_pixels_too_coarse_for_any_ring_are_refused(fit_simulated: Fitter) -> None:
    settings = Settings(defocus_range_angstrom=(3_000.0, 6_000.0), finest_angstrom=30.0)
    with pytest.raises(NoRingsPossible, match="no room"):
        fit_simulated(settings, handedness=1, seed=3, **PLAIN)
