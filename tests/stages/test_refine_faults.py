"""Refinement that is stopped, and what may be wrong with what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

from tests.stages.conftest import (
    PIXEL_ANGSTROM,
    PosedSample,
    Run,
    alignments,
    errors_of,
    map_of,
)
from tomotui.formats.mrc import read_volume, write_volume
from tomotui.records import ParticleSet, TiltSeries
from tomotui.records.particle_table import ParticleTable
from tomotui.stages.base import Cancelled, StageError

# Going on


def test_what_was_stopped_goes_on_where_it_was(
    near: ParticleTable, refine: Run, tmp_path: Path
) -> None:
    few, choices = near.select(range(8)), {"iterations": "p,t,p"}
    whole, _ = refine(tmp_path / "whole", few, **choices)
    for fraction, n_done in ((0.06, 1), (0.97, 3)):
        folder = tmp_path / f"stopped-{n_done}"
        with pytest.raises(Cancelled):
            refine(folder, few, cancel_at=fraction, **choices)
        with np.load(folder / "progress.npz") as details:
            assert len(details["iteration_number"]) == n_done
        result, task = refine(folder, few, **choices)
        assert sum("A/px" in message for message in task.messages) == 3 - n_done
        for one in ("path", "unfiltered_path", "mask_path"):
            ours, theirs = (read_volume(Path(getattr(map_of(r), one)))[0] for r in (result, whole))
            np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())
        ours, theirs = (r.particles[0] for r in (result, whole))
        np.testing.assert_allclose(ours.positions_angstrom, theirs.positions_angstrom, atol=1e-4)
        np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-4)
        ours, theirs = (np.load(map_of(r).details_path)["tilt_score_0"] for r in (result, whole))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_a_checkpoint_that_is_of_no_use_is_not_used(
    near: ParticleTable, refine: Run, tmp_path: Path
) -> None:
    few = near.select(range(6))
    refine(tmp_path, few)
    _, task = refine(tmp_path, few, shift_reach_angstrom=14.0)
    assert any("other choices or particles" in message for message in task.messages)
    (tmp_path / "checkpoint.pt").write_bytes(b"torn")
    result, task = refine(tmp_path, few)
    assert any("begins anew" in warning for warning in task.warnings)
    assert result.metrics["particles"] == 6


# Images and particles that are not as they should be


def spoilt(sample: PosedSample, folder: Path, change: Callable[[np.ndarray], None]) -> TiltSeries:
    """Return the first series with other images, as real numbers."""
    series: TiltSeries = sample.all("tilt_series")[0]
    values = mrcfile.read(series.stack_path).astype(np.float32)
    change(values)
    path = folder / "spoilt.mrc"
    with mrcfile.new(path) as file:
        file.set_data(values)
        file.voxel_size = PIXEL_ANGSTROM
    return series.replace(stack_path=str(path))


@pytest.mark.filterwarnings("ignore:Data array contains NaN")
def test_images_that_show_nothing_are_done_without(
    posed: PosedSample, near: ParticleTable, refine: Run, tmp_path: Path
) -> None:
    def change(values: np.ndarray) -> None:
        values[3] = np.nan
        values[5] = 0.0
        values[16] = 7.0
        values[12, 40:44, 50:60] = np.nan

    series = spoilt(posed, tmp_path, change)
    series = series.replace(
        tilts=[tilt.replace(excluded=tilt.index == 20) for tilt in series.tilts]
    )
    lost = near.select([0])
    lost.positions_angstrom[0] = (3000.0, 0.0, 0.0)
    lost.uids[0] = "lost"
    edge = near.positions_angstrom.copy()
    table = ParticleTable.joined([replace(near, positions_angstrom=edge), lost])
    result, task = refine(tmp_path, table, posed.replaced(series), iterations="p,t,g,d,p")
    assert any("1 particles lie on no image" in warning for warning in task.warnings)
    (found,) = result.particles
    assert "lost" not in found.origins
    errors = errors_of(posed, found)
    assert np.median(errors.turn_deg) < 1.0
    assert np.median(errors.angstrom) < 0.2 * PIXEL_ANGSTROM
    with np.load(map_of(result).details_path or "") as details:
        assert details["tilt_score_0"].shape == (20,)
        assert not details["tilt_score_0"][[3, 5, 16]].any()
        assert not details["tilt_shift_angstrom_0"][[3, 5, 16]].any()
    for one in alignments(result):
        assert len(one.tilts) == 21


def test_bad_input_ends_in_one_clear_message(
    posed: PosedSample, near: ParticleTable, refine: Run, tmp_path: Path
) -> None:
    values, pixel = read_volume(posed.reference)
    files = {
        "flat": np.ones_like(values),
        "slab": values[:-2],
        "dark": -values,
        "holes": np.where(values > values.mean(), np.nan, values).astype(np.float32),
    }
    for name, content in files.items():
        write_volume(tmp_path / f"{name}.mrc", content, pixel)
    write_volume(tmp_path / "sizeless.mrc", values, 0.0)
    series = posed.all("tilt_series")[0]
    whole = posed.records[0]
    gone = posed.replaced(series.replace(stack_path=str(tmp_path / "moved.mrc")))
    unknown = posed.replaced(whole.replace(diameter_angstrom=None))
    other = posed.replaced(series.replace(pixel_size_angstrom=11.0))
    one_half = replace(near, halves=np.zeros(len(near), dtype=np.int64))
    alone = ParticleSet(name="other")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"reference": str(tmp_path / "flat.mrc")}, "same everywhere.*import-map"),
        ({"reference": str(tmp_path / "slab.mrc")}, "must be a cube.*import-map"),
        ({"reference": str(tmp_path / "dark.mrc")}, "protein is dark.*import-map"),
        ({"reference": str(tmp_path / "holes.mrc")}, "not numbers.*import-map"),
        ({"reference": str(tmp_path / "sizeless.mrc")}, "voxel size.*--pixel-size"),
        ({"reference": "/nowhere/map.mrc"}, "/nowhere/map.mrc is not there"),
        ({"reference": ""}, "no map of these particles.*reference=MAP"),
        ({"mask": str(posed.reference)}, "is no mask.*--what mask"),
        ({"iterations": "p,q2"}, "'q2' is no iteration.*P .poses, over all.*motion.*or auto"),
        ({"iterations": "p99,t9"}, "108 iterations.*100 at most"),
        ({"symmetry": "Q7"}, "Q7"),
        ({"table": near.select([0, 1, 2])}, "has 3 particles.*at least 4"),
        ({"table": one_half}, "24 and 0 particles.*split-halves ribosome"),
        ({"min_score": 0.5}, "has 0 particles"),
        ({"records": gone}, "moved.mrc"),
        ({"records": unknown}, "diameter of ribosome is not known.*diameter_angstrom="),
        ({"records": other}, "different pixel sizes.*one .11 A.*--on"),
        ({"records": [*posed.records, alone]}, "several particle sets: ribosome, other"),
        ({"records": posed.records[1:]}, "particle set"),
    ]
    for choices, words in cases:
        with pytest.raises(StageError, match=f"(?s){words}"):
            refine(tmp_path / "task", **choices)
