from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomotui.formats.mrc import MrcStack
from tomotui.formats.pairing import find_stacks, pair_files
from tomotui.formats.stacks import judge_images, open_stack, scan_images
from tomotui.formats.understanding import understand


def test_sample_series_is_understood_by_itself(repository: Path) -> None:
    folder = repository / "sample_data"
    (pair,) = pair_files(find_stacks([folder]))
    plan = understand(pair.stack, pair.mdoc, pair.tilts)
    assert (plan.problems, plan.warnings) == ((), ())
    series = plan.to_series()
    assert (series.n_tilts, series.width_px, series.height_px) == (41, 652, 630)
    assert series.pixel_size_angstrom == 10
    assert series.nominal_tilt_axis_deg == -4.3
    assert series.intensity_scale != 1
    assert sorted(t.acquisition_order or 0 for t in series.tilts) == list(range(41))
    assert series.tilts[0].prior_dose_e_per_a2 == 117
    assert sum(f.stat().st_size for f in folder.iterdir()) < 20e6
    with open_stack(pair.stack) as stack:
        assert {s.verdict for s in judge_images(list(scan_images(stack)))} == {"good"}


def test_sample_images_are_the_real_ones(repository: Path, shared_data: Path) -> None:
    """One byte a pixel costs far less than the noise, and clips nothing."""
    with (
        MrcStack(repository / "sample_data/empiar_10499_00254.mrc") as sample,
        MrcStack(shared_data / "empiar10499_00254/00254.mrc") as original,
    ):
        for index in range(41):
            stored = sample.read(index)
            image = original.read(index)
            physical = stored * sample.intensity_scale + sample.intensity_offset
            error = np.abs(physical - image)
            noise = np.diff(np.diff(image, axis=0), axis=1).std() / 2
            assert error.max() <= 0.501 * sample.intensity_scale
            assert error.std() < 0.05 * noise
            assert np.corrcoef(physical.ravel(), image.ravel())[0, 1] > 0.9995
        assert original.intensity_scale == 1
        assert sample.pixel_size_angstrom == pytest.approx(10)
