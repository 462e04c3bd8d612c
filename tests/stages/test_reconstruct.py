from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tomotui.formats.mrc import MrcStack, read_volume
from tomotui.records import Tomogram
from tomotui.stages.base import Cancelled, StageError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def reconstructed(
    aligned_series: Any, stage_runner: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Any]:
    """Reconstruct with everything by default, at the sampling of the true volume."""
    task = stage_runner.RecordingTask(tmp_path_factory.mktemp("task"), "small", threads=1)
    records = [aligned_series.series, aligned_series.alignment]
    return stage_runner.run_stage("reconstruct", task, records), task


def test_the_record_says_what_was_made(reconstructed: tuple[Any, Any], aligned_series: Any) -> None:
    result, task = reconstructed
    (tomogram,) = result.records
    assert isinstance(tomogram, Tomogram)
    assert tomogram.series_uid == aligned_series.series.uid
    assert tomogram.alignment_uid == aligned_series.alignment.uid
    assert tomogram.pixel_size_angstrom == 32
    assert tomogram.size_xyz[:2] == (72, 64)
    assert tomogram.method == "wbp-hamming"
    assert tomogram.half_kind == "tilts"
    assert not tomogram.restored
    assert tomogram.window_low < tomogram.window_high
    assert "30 tilts" in result.summary
    assert {p.name for p in task.folder.iterdir()} == {
        f"small_{name}.mrc" for name in ("tomogram", "half_even", "half_odd", "thumbnail")
    }
    assert set(task.artifacts) == {"small_tomogram", "small_half_even", "small_half_odd"}
    assert task.fractions == sorted(task.fractions)
    assert task.warnings == []


def test_the_volume_turns_with_the_axis(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    """With the axis along the wider side of the image, that side is y of the volume."""
    alignment = aligned_series.alignment
    turned = alignment.replace(tilts=[t.replace(axis_deg=88.0) for t in alignment.tilts])
    task = stage_runner.RecordingTask(tmp_path, "small", threads=1)
    records = [aligned_series.series, turned]
    chosen = {"thickness_angstrom": 320.0, "halves": False}
    (tomogram,) = stage_runner.run_stage("reconstruct", task, records, chosen).records
    assert tomogram.size_xyz == (64, 72, 10)


def test_the_thickness_is_found(reconstructed: tuple[Any, Any]) -> None:
    (tomogram,) = reconstructed[0].records
    assert tomogram.thickness_angstrom is not None
    assert 500 < tomogram.thickness_angstrom < 1100
    assert tomogram.size_xyz[2] * 32 >= tomogram.thickness_angstrom


def test_the_files_are_what_the_record_says(reconstructed: tuple[Any, Any]) -> None:
    (tomogram,) = reconstructed[0].records
    volumes = []
    for path in (tomogram.path, *tomogram.half_paths):
        values, voxel = read_volume(path)
        assert values.shape == tomogram.size_xyz[::-1]
        assert voxel == pytest.approx(tomogram.pixel_size_angstrom)
        assert np.isfinite(values).all()
        volumes.append(values)
    whole, even, odd = volumes
    np.testing.assert_allclose(whole, (even + odd) / 2, atol=1e-3 * whole.std())
    inner = whole[:, 8:-8, 8:-8]
    share = ((inner > tomogram.window_low) & (inner < tomogram.window_high)).mean()
    assert share > 0.9


def test_the_thumbnail_is_a_small_picture_of_the_middle(reconstructed: tuple[Any, Any]) -> None:
    (tomogram,) = reconstructed[0].records
    with MrcStack(tomogram.thumbnail_path) as stack:
        assert stack.header.mode == 0
        assert stack.shape == (1, 64, 72)
    picture, voxel = read_volume(tomogram.thumbnail_path)
    assert voxel == pytest.approx(32)
    volume, _ = read_volume(tomogram.path)
    middle = volume.shape[0] // 2
    slab = volume[middle - 2 : middle + 3].mean(axis=0)
    # Eight bits hold the range that is well shown; gold is darker than that.
    slab = slab.clip(picture.min(), picture.max())
    assert np.abs(slab - picture).max() <= 1.01 * (picture.max() - picture.min()) / 254


def test_protein_is_dark_where_it_truly_is(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    """From the true geometry, so that the truth lies in the same frame."""
    simulation = aligned_series.simulation
    task = stage_runner.RecordingTask(tmp_path / "task", "small", threads=1)
    truth = simulation.alignment.replace(series_uid=aligned_series.series.uid)
    parameters = {"thickness_angstrom": 800.0, "halves": False, "exposure_filter": False}
    result = stage_runner.run_stage("reconstruct", task, [aligned_series.series, truth], parameters)
    (tomogram,) = result.records
    assert tomogram.half_paths is None
    assert tomogram.half_kind is None
    assert tomogram.thickness_angstrom is None
    volume, _ = read_volume(tomogram.path)
    true = simulation.volume
    depth = true.shape[0] // 2 - volume.shape[0] // 2
    assert depth in (0, 1)
    true = true[depth : depth + volume.shape[0]]
    inner = (slice(3, -3), slice(12, -12), slice(12, -12))
    agreement = np.corrcoef(volume[: len(true)][inner].ravel(), true[inner].ravel())[0, 1]
    assert agreement < -0.35
    particles = [p.position_angstrom for p in simulation.specimen.particles if p.in_field]
    deviations = (volume - np.median(volume)) / volume.std()
    depths = []
    for x, y, z in particles:
        centre = np.round(np.array([z, y, x]) / 32 + np.array(volume.shape) // 2).astype(int)
        if (centre > 3).all() and (centre < np.array(volume.shape) - 3).all():
            near = tuple(slice(c - 1, c + 2) for c in centre)
            depths.append(deviations[near].mean())
    assert len(depths) > 10
    assert np.mean(depths) < -1
    assert (np.array(depths) < 0).mean() > 0.9


def test_alignment_makes_the_tomogram(
    reconstructed: tuple[Any, Any], aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    """What was aligned agrees between the halves as well as the truth does, and far better
    than what was not."""

    def agreement(alignment: Any, name: str) -> float:
        task = stage_runner.RecordingTask(tmp_path / name, "small", threads=1)
        parameters = {"thickness_angstrom": 800.0}
        records = [aligned_series.series, alignment]
        (made,) = stage_runner.run_stage("reconstruct", task, records, parameters).records
        even, odd = (read_volume(path)[0][:, 8:-8, 8:-8].ravel() for path in made.half_paths)
        return float(np.corrcoef(even, odd)[0, 1])

    found = aligned_series.alignment
    still = {"shift_x_angstrom": 0.0, "shift_y_angstrom": 0.0, "axis_deg": 75.0}
    nothing = found.replace(tilts=[tilt.replace(**still) for tilt in found.tilts])
    truth = aligned_series.simulation.alignment
    aligned, best, bare = (
        agreement(a, n) for a, n in ((found, "found"), (truth, "true"), (nothing, "bare"))
    )
    assert aligned > 0.9 * best
    assert aligned > bare + 0.1


def test_excluded_tilts_are_left_out(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    series, alignment = aligned_series.series, aligned_series.alignment
    by_user = series.replace(
        tilts=[t.replace(excluded=t.excluded or t.index in (8, 9)) for t in series.tilts]
    )
    by_alignment = alignment.replace(
        tilts=[t.replace(excluded=t.excluded or t.index == 20) for t in alignment.tilts]
    )
    task = stage_runner.RecordingTask(tmp_path / "task", threads=1)
    parameters = {"thickness_angstrom": 200.0, "binning": 4.0, "halves": False}
    result = stage_runner.run_stage("reconstruct", task, [by_user, by_alignment], parameters)
    assert "27 tilts" in result.summary
    nearly_all = series.replace(
        tilts=[t.replace(excluded=t.index not in (0, 1)) for t in series.tilts]
    )
    with pytest.raises(StageError, match="small: only 2 tilts may be used"):
        stage_runner.run_stage("reconstruct", task, [nearly_all, alignment], parameters)


def test_unknown_exposure_is_told_once(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    series = aligned_series.series
    unknown = series.replace(tilts=[t.replace(prior_dose_e_per_a2=None) for t in series.tilts])
    task = stage_runner.RecordingTask(tmp_path / "task", threads=1)
    records = [unknown, aligned_series.alignment]
    stage_runner.run_stage("reconstruct", task, records, {"binning": 4.0})
    assert task.warnings == ["the exposure of the images is not known: no exposure filter"]
    quiet = stage_runner.RecordingTask(tmp_path / "quiet", threads=1)
    parameters = {"binning": 4.0, "exposure_filter": False, "thickness_angstrom": 300.0}
    stage_runner.run_stage("reconstruct", quiet, records, parameters)
    assert quiet.warnings == []


def test_a_bad_alignment_is_a_warning(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    bad = aligned_series.alignment.replace(verdict="bad", note="the tilts hardly agree")
    task = stage_runner.RecordingTask(tmp_path / "task", threads=1)
    parameters = {"thickness_angstrom": 200.0, "binning": 64.0}
    result = stage_runner.run_stage("reconstruct", task, [aligned_series.series, bad], parameters)
    assert task.warnings == ["the alignment was judged bad: the tilts hardly agree"]
    # As coarse as can be: a few voxels, but a whole tomogram.
    (tomogram,) = result.records
    assert tomogram.size_xyz == (4, 2, 4)
    assert np.isfinite([tomogram.window_low, tomogram.window_high]).all()


@pytest.mark.parametrize("data_type", ["float32", "float16"])
def test_voxel_size_and_number_format_are_the_ones_asked_for(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path, data_type: str
) -> None:
    task = stage_runner.RecordingTask(tmp_path / "task", threads=1)
    parameters = {
        "voxel_size_angstrom": 50.0,
        "thickness_angstrom": 400.0,
        "data_type": data_type,
        "filter": "sirt-like",
    }
    records = [aligned_series.series, aligned_series.alignment]
    (tomogram,) = stage_runner.run_stage("reconstruct", task, records, parameters).records
    assert tomogram.pixel_size_angstrom == pytest.approx(50)
    assert tomogram.size_xyz[2] == 8
    assert tomogram.method == "wbp-sirt-like"
    with MrcStack(tomogram.path) as stack:
        assert stack.header.mode == {"float32": 2, "float16": 12}[data_type]
        assert stack.pixel_size_angstrom == pytest.approx(50)
        assert stack.shape == tomogram.size_xyz[::-1]


def test_voxels_finer_than_pixels_are_refused(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path / "task")
    records = [aligned_series.series, aligned_series.alignment]
    with pytest.raises(StageError, match="finer than the pixels of 16") as caught:
        stage_runner.run_stage("reconstruct", task, records, {"voxel_size_angstrom": 8.0})
    assert "small" in str(caught.value)
    assert "Choose a larger voxel size" in str(caught.value)


def test_a_full_disk_leaves_no_file(
    aligned_series: Any,
    stage_runner: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 10_000))
    task = stage_runner.RecordingTask(tmp_path / "task", "small", threads=1)
    records = [aligned_series.series, aligned_series.alignment]
    with pytest.raises(StageError) as caught:
        stage_runner.run_stage("reconstruct", task, records, {"thickness_angstrom": 400.0})
    assert str(task.folder / "small_tomogram.mrc") in str(caught.value)
    assert "free some room" in str(caught.value)
    assert list(task.folder.iterdir()) == []


def test_a_disk_that_fills_up_on_the_way_leaves_no_file(
    aligned_series: Any,
    stage_runner: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The third volume does not fit: the two before it must go as well."""
    free = iter([10**9, 10**9, 10_000])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 0, next(free)))
    task = stage_runner.RecordingTask(tmp_path / "task", "small", threads=1)
    records = [aligned_series.series, aligned_series.alignment]
    with pytest.raises(StageError, match="half_odd"):
        stage_runner.run_stage("reconstruct", task, records, {"thickness_angstrom": 400.0})
    assert list(task.folder.iterdir()) == []


def test_no_room_for_the_thumbnail_is_told_too(
    aligned_series: Any,
    stage_runner: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = iter([10**9, 10**9, 10**9, 100])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 0, next(free)))
    task = stage_runner.RecordingTask(tmp_path / "task", "small", threads=1)
    records = [aligned_series.series, aligned_series.alignment]
    with pytest.raises(StageError, match=r"no room on the disk for .*small_thumbnail"):
        stage_runner.run_stage("reconstruct", task, records, {"thickness_angstrom": 400.0})


def test_cancelling_leaves_no_file(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path / "task", "small", threads=1, cancel_at=0.3)
    records = [aligned_series.series, aligned_series.alignment]
    with pytest.raises(Cancelled):
        stage_runner.run_stage("reconstruct", task, records, {"thickness_angstrom": 400.0})
    assert list(task.folder.iterdir()) == []
