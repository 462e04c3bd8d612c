from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import mrcfile
import numpy as np
import pytest

from tomotui.formats.mrc import write_stack
from tomotui.geometry import TiltGeometry
from tomotui.records import Alignment, Tilt, TiltSeries
from tomotui.stages.align import AlignParameters, _named_axis
from tomotui.stages.base import Cancelled, StageError
from tomotui.stages.loading import load_binned, working_binning


def test_the_record_says_what_was_found(aligned_series: Any) -> None:
    alignment, series = aligned_series.alignment, aligned_series.series
    assert isinstance(alignment, Alignment)
    assert alignment.series_uid == series.uid
    assert [t.index for t in alignment.tilts] == list(range(series.n_tilts))
    assert alignment.verdict == "good"
    assert 0 < alignment.residual_angstrom < 16
    assert 0 < alignment.score <= 1
    for tilt, of_series in zip(alignment.tilts, series.tilts, strict=True):
        assert tilt.tilt_deg == pytest.approx(of_series.nominal_tilt_deg, abs=0.2)
        if not tilt.excluded:
            assert tilt.score is not None
            assert tilt.residual_angstrom is not None


def test_progress_metrics_and_warnings_are_told(aligned_series: Any) -> None:
    task, result = aligned_series.align_task, aligned_series.result
    assert task.fractions == sorted(task.fractions)
    assert task.fractions[0] == 0
    assert task.fractions[-1] > 0.9
    assert {"axis", "information", "residual", "update"} <= set(task.metrics)
    assert any(warning.startswith("tilt 3 (") for warning in task.warnings)
    assert result.metrics["axis_deg"] == aligned_series.alignment.axis_deg
    for part in ("30", "31 tilts", "good"):
        assert part in result.summary


def test_what_the_quality_screen_draws_is_kept(aligned_series: Any) -> None:
    folder, alignment = aligned_series.align_task.folder, aligned_series.alignment
    assert [str(path) for path in folder.iterdir()] == [alignment.details_path]
    details = np.load(alignment.details_path)
    n_tilts, n = details["track_residual_angstrom"].shape
    assert n_tilts == aligned_series.series.n_tilts
    assert details["track_angstrom"].shape == (n_tilts, n, 2)
    assert np.isnan(details["track_angstrom"][3]).all()
    # Landmarks are seen where the alignment says they are, but for their residual.
    geometry = TiltGeometry.from_alignment(alignment)
    places = geometry.project(details["landmarks_angstrom"])[..., :2]
    apart = np.linalg.norm(places - details["track_angstrom"], axis=2)
    assert np.nanmedian(apart) < 32
    best = details["axis_curve_deg"][np.argmax(details["axis_curve_score"])]
    assert abs(best - alignment.axis_deg) < 4


def test_import_has_found_the_dark_tilt_too(aligned_series: Any) -> None:
    assert [t.index for t in aligned_series.series.tilts if t.excluded] == [3]
    assert any(warning.startswith("tilt 3:") for warning in aligned_series.import_task.warnings)


@pytest.mark.parametrize(
    ("found", "nominal", "asked", "expected"),
    [
        (100.0, None, None, -80.0),
        (-95.0, 84.0, None, 85.0),
        (-4.0, 175.0, None, 176.0),
        (85.0, 84.0, -90.0, -95.0),
        (30.0, 28.0, None, 30.0),
    ],
)
def test_of_an_axis_and_its_opposite_the_one_nearer_to_what_was_said_is_named(
    found: float, nominal: float | None, asked: float | None, expected: float
) -> None:
    parameters = AlignParameters(tilt_axis_deg=asked)
    assert _named_axis(found, nominal, parameters) == pytest.approx(expected)


def test_cancelling_stops_promptly_and_leaves_nothing(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path / "task", "small", threads=1, cancel_at=0.06)
    with pytest.raises(Cancelled):
        stage_runner.run_stage("align", task, [aligned_series.series])
    assert task.fractions[-1] < 0.1
    assert list(task.folder.iterdir()) == []


def series_of(path: Path, images: np.ndarray, excluded: tuple[int, ...] = ()) -> TiltSeries:
    write_stack(path, images, 10.0)
    n, height, width = images.shape
    return TiltSeries(
        name="TS_01",
        stack_path=str(path),
        width_px=width,
        height_px=height,
        pixel_size_angstrom=10.0,
        tilts=[
            Tilt(index=i, nominal_tilt_deg=10.0 * i - 30, excluded=i in excluded) for i in range(n)
        ],
    )


def test_too_few_tilts_are_refused_by_name(stage_runner: ModuleType, tmp_path: Path) -> None:
    images = np.random.default_rng(0).poisson(50, (5, 32, 40)).astype(np.float32)
    task = stage_runner.RecordingTask(tmp_path / "task", threads=1)
    series = series_of(tmp_path / "a.mrc", images, excluded=(0, 1, 3))
    with pytest.raises(StageError, match=r"TS_01: only 2 tilts are not excluded. Include more"):
        stage_runner.run_stage("align", task, [series])
    images[1:4] = 0
    series = series_of(tmp_path / "b.mrc", images)
    with pytest.raises(StageError, match="TS_01: only 2 of 5 tilts hold a picture"):
        stage_runner.run_stage("align", task, [series])


@pytest.mark.parametrize("stage", ["align", "reconstruct"])
def test_a_stack_that_changed_or_vanished_is_named(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path, stage: str
) -> None:
    records = [aligned_series.series, aligned_series.alignment]
    task = stage_runner.RecordingTask(tmp_path / "task", threads=1)
    other = tmp_path / "other.mrc"
    write_stack(other, np.zeros((5, 16, 16), np.float32), 10.0)
    changed = records[0].replace(stack_path=str(other))
    with pytest.raises(StageError) as caught:
        stage_runner.run_stage(stage, task, [changed, records[1]])
    assert f"{other} now holds 5 images of 16 x 16 px" in str(caught.value)
    assert "Put the imported file back" in str(caught.value)
    other.write_bytes(other.read_bytes()[:-10])
    with pytest.raises(StageError, match=r"other\.mrc is truncated"):
        stage_runner.run_stage(stage, task, [changed, records[1]])
    other.unlink()
    with pytest.raises(StageError, match=r"other\.mrc does not exist; check the path"):
        stage_runner.run_stage(stage, task, [changed, records[1]])
    assert list(task.folder.iterdir()) == []


def test_images_are_read_as_physical_values_and_mended(
    stage_runner: ModuleType, tmp_path: Path
) -> None:
    images = np.random.default_rng(0).poisson(50, (4, 32, 40)).astype(np.float32)
    images[1, :4] = np.nan
    images[2, 0, 0] = np.inf
    images[3] = np.nan
    series = series_of(tmp_path / "a.mrc", images)
    series = series.replace(intensity_scale=0.5, intensity_offset=10.0)
    task = stage_runner.RecordingTask(tmp_path / "task", threads=1)
    found = load_binned(task, series, [2, 0, 1, 3], 2.0, 0.2, 0.6)
    assert found.shape == (4, 16, 20)
    assert found.isfinite().all()
    assert found[:3].mean(dim=(1, 2)).tolist() == pytest.approx([35] * 3, abs=1)
    assert found[3].std() == 0
    assert task.fractions == pytest.approx([0.3, 0.4, 0.5, 0.6])


@pytest.mark.parametrize(
    ("pixel", "width", "expected"), [(10.0, 652, 1), (1.35, 1000, 5), (4.0, 800, 2), (9.0, 5760, 4)]
)
def test_the_working_binning_reaches_a_pixel_size_within_a_frame(
    tmp_path: Path, pixel: float, width: int, expected: int
) -> None:
    series = series_of(tmp_path / "a.mrc", np.zeros((1, 8, 8), np.float32))
    series = series.replace(pixel_size_angstrom=pixel, width_px=width)
    assert working_binning(series, 8.0, 1440) == expected


@pytest.mark.parametrize("spoiled", [pytest.param("order", marks=pytest.mark.slow), "pictures"])
def test_images_that_do_not_belong_together_are_never_called_good(
    spoiled: str, aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    """A stack in the wrong order, and one of nothing but counting noise: no tomogram is there."""
    chance = np.random.default_rng(4)
    images = mrcfile.read(aligned_series.series.stack_path)[::2]
    if spoiled == "order":
        images = images[chance.permutation(len(images))]
    else:
        images = chance.poisson(images.mean(), images.shape).astype(images.dtype)
    with mrcfile.new(tmp_path / "spoiled.mrc", images) as file:
        file.voxel_size = aligned_series.series.pixel_size_angstrom
    tilts = aligned_series.series.tilts[::2]
    series = aligned_series.series.replace(
        stack_path=str(tmp_path / "spoiled.mrc"),
        tilts=tuple(tilt.replace(index=i) for i, tilt in enumerate(tilts)),
    )
    task = stage_runner.RecordingTask(tmp_path / "task", "spoiled", threads=1)
    quick = {
        "tilt_axis_deg": 28.0,
        "axis_range_deg": 8.0,
        "thickness_angstrom": 900.0,
        "rounds": 2,
        "n_landmarks": 20,
        "local": "off",
    }
    (alignment,) = stage_runner.run_stage("align", task, [series], quick).records
    assert alignment.verdict == "bad", alignment.score
    assert "hardly agree" in alignment.note
