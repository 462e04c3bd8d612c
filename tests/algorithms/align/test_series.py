from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tomotui.algorithms.align.series import Settings, align_series
from tomotui.simulate import alignment_error

TILTS = np.arange(-60.0, 61.0, 6.0)


def test_a_simulated_series_is_aligned(aligned_series: Any) -> None:
    """Frames of 144 x 128 px with one dark tilt, ribosomes and three beads."""
    error = alignment_error(
        aligned_series.alignment,
        aligned_series.simulation.alignment,
        pixel_size_angstrom=16.0,
        extent_angstrom=(144 * 16.0, 128 * 16.0, 800.0),
        best_of_twins=True,
    )
    assert error.rms_px < 1
    assert abs(error.axis_error_deg) < 1
    assert len(error.indices) >= 28


def test_a_dark_tilt_is_left_out(aligned_series: Any) -> None:
    dark = aligned_series.alignment.tilts[3]
    assert (dark.excluded, dark.verdict) == (True, "bad")
    assert "dark" in dark.note
    assert dark.score is None
    neighbours = [aligned_series.alignment.tilts[i] for i in (2, 4)]
    for name in ("shift_x_angstrom", "shift_y_angstrom"):
        low, high = sorted(getattr(tilt, name) for tilt in neighbours)
        assert low - 1e-3 <= getattr(dark, name) <= high + 1e-3


def test_fewer_than_three_usable_tilts_are_refused() -> None:
    torch.manual_seed(0)
    images = torch.zeros(len(TILTS), 48, 48)
    images[:2] = torch.poisson(torch.full((2, 48, 48), 50.0))
    with pytest.raises(ValueError, match=f"only 2 of {len(TILTS)} tilts hold a picture"):
        align_series(images, TILTS, 20.0, Settings(), lambda report: None)


def test_a_reporter_may_stop_the_work() -> None:
    class Stop(Exception):
        pass

    told: list[float] = []

    def report(found: Any) -> None:
        told.append(found.fraction)
        if len(told) == 3:
            raise Stop

    torch.manual_seed(0)
    images = torch.poisson(torch.full((len(TILTS), 40, 48), 50.0))
    settings = Settings(thickness_angstrom=400.0)
    with pytest.raises(Stop):
        align_series(images, TILTS, 40.0, settings, report)
    assert told == sorted(told)
    assert len(told) == 3
    assert told[-1] < 0.2
