from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tomotui.formats.mrc import MrcStack, read_volume
from tomotui.records import TiltSeries, Tomogram
from tomotui.simulate.simulation import Simulation
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
    assert tomogram.half_kind == "noise"
    assert not tomogram.restored
    assert tomogram.window_low < tomogram.window_high
    assert f"{len(aligned_series.alignment.included)} tilts" in result.summary
    assert {p.name for p in task.folder.iterdir()} == {
        f"small_{name}"
        for name in (
            "tomogram.mrc",
            "half_even.mrc",
            "half_odd.mrc",
            "thumbnail.mrc",
            "details.npz",
        )
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
    chosen = {"thickness_angstrom": 320.0, "halves": "off"}
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
    parameters = {
        "thickness_angstrom": 800.0,
        "frame": "alignment",
        "halves": "off",
        "exposure_filter": False,
    }
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
        parameters = {"thickness_angstrom": 800.0, "halves": "tilts"}
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
    parameters = {"thickness_angstrom": 200.0, "binning": 4.0, "halves": "off"}
    result = stage_runner.run_stage("reconstruct", task, [by_user, by_alignment], parameters)
    left = {t.index for t in alignment.included} - {8, 9, 20}
    assert f"{len(left)} tilts" in result.summary
    two = [t.index for t in alignment.included[:2]]
    nearly_all = series.replace(
        tilts=[t.replace(excluded=t.index not in two) for t in series.tilts]
    )
    with pytest.raises(StageError, match="small: only 2 tilts may be used"):
        stage_runner.run_stage("reconstruct", task, [nearly_all, alignment], parameters)


@pytest.mark.slow
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
    tomogram = result.records[-1]
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
    task = stage_runner.RecordingTask(tmp_path / "task", threads=1)
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
    with pytest.raises(StageError, match="no room on the disk for the tomograms") as caught:
        stage_runner.run_stage("reconstruct", task, records, {"thickness_angstrom": 400.0})
    assert str(task.folder) in str(caught.value)
    assert "Free some room" in str(caught.value)
    assert list(task.folder.iterdir()) == []


def test_a_disk_that_fills_up_on_the_way_leaves_no_file(
    aligned_series: Any,
    stage_runner: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The third volume does not fit: the two before it must go as well."""
    free = iter([10**9, 10**9, 10**9, 10_000])
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
    free = iter([10**9, 10**9, 10**9, 10**9, 100])
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


def test_the_details_hold_what_the_screen_draws(reconstructed: tuple[Any, Any]) -> None:
    (tomogram,) = reconstructed[0].records
    with np.load(tomogram.details_path) as details:
        depth, profile = details["depth_angstrom"], details["density_profile"]
        low, high = details["faces_angstrom"]
    assert depth.shape == profile.shape
    assert depth.dtype == profile.dtype == np.float32
    assert high - low == pytest.approx(tomogram.thickness_angstrom, rel=0.01)
    inside = (depth > low) & (depth < high)
    assert profile[inside].mean() > 3 * np.abs(profile[~inside]).mean()


def test_several_binnings_come_from_one_reading(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path / "task", "small", threads=1)
    chosen = {
        "binning": 2.0,
        "extra_binnings": [4.0, 2.5, 4.0],
        "thickness_angstrom": 640.0,
        "frame": "alignment",
        "halves": "off",
    }
    records = [aligned_series.series, aligned_series.alignment]
    made = stage_runner.run_stage("reconstruct", task, records, chosen).records
    assert [tomogram.pixel_size_angstrom for tomogram in made] == [40.0, 64.0, 32.0]
    assert len({tomogram.path for tomogram in made}) == 3
    volumes = {}
    for tomogram in made:
        values, voxel = read_volume(tomogram.path)
        assert values.shape == tomogram.size_xyz[::-1]
        assert voxel == pytest.approx(tomogram.pixel_size_angstrom)
        with MrcStack(tomogram.path) as stack:
            origin = stack.header.raw["origin"]
            expected = [-(n // 2) * voxel for n in tomogram.size_xyz]
            assert [float(origin[axis]) for axis in "xyz"] == pytest.approx(expected)
            assert "protein is dark" in " ".join(stack.header.labels)
        volumes[voxel] = values
    fine = volumes[32.0]
    n_z, n_y, n_x = volumes[64.0].shape
    blocks = fine[: 2 * n_z, : 2 * n_y, : 2 * n_x].reshape(n_z, 2, n_y, 2, n_x, 2).mean((1, 3, 5))
    inner = (slice(2, -2), slice(4, -4), slice(4, -4))
    agreement = np.corrcoef(blocks[inner].ravel(), volumes[64.0][inner].ravel())[0, 1]
    assert agreement > 0.75


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> tuple[Simulation, TiltSeries]:
    """Write a small flat specimen; give it with its truth, and its series."""
    from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation

    folder = tmp_path_factory.mktemp("flat")
    simulation = simulate_tilt_series(
        SimulationParameters(
            name="small",
            size_px=160,
            pixel_size_angstrom=20.0,
            thickness_angstrom=700.0,
            tilt_step_deg=4.0,
            n_particles=60,
            n_vesicles=0,
            crowding=0.15,
            axis_deg=5.0,
            truth_binning=0,
        )
    )
    write_simulation(simulation, folder)
    return simulation, simulation.series.replace(stack_path=str(folder / "small.mrc"))


def test_a_specimen_off_the_middle_is_centred(
    flat: tuple[Simulation, TiltSeries], stage_runner: ModuleType, tmp_path: Path
) -> None:
    """The true alignment with its origin 450 A off: the volume moves, no image changes."""
    from tomotui.algorithms.reconstruct.level import moved_geometry
    from tomotui.geometry import TiltGeometry

    simulation, series = flat
    truth = simulation.alignment
    off = moved_geometry(TiltGeometry.from_alignment(truth), np.eye(3), np.array([0, 0, 450.0]))
    tilts = [
        tilt.replace(
            shift_x_angstrom=float(off.shift_angstrom[i, 0]),
            shift_y_angstrom=float(off.shift_angstrom[i, 1]),
        )
        for i, tilt in enumerate(truth.tilts)
    ]
    records = [series, truth.replace(tilts=tilts), simulation.ctf]
    sizes = {}
    for frame in ("centre", "alignment"):
        task = stage_runner.RecordingTask(tmp_path / frame, "small", threads=1)
        chosen = {"halves": "off", "frame": frame, "binning": 4.0}
        result = stage_runner.run_stage("reconstruct", task, records, chosen)
        sizes[frame] = result.records[-1].size_xyz[2] * 80
        if frame == "centre":
            assert "centred" in result.summary
            found = TiltGeometry.from_alignment(result.records[0])
            true = TiltGeometry.from_alignment(truth)
            assert np.allclose(found.tilt_deg, true.tilt_deg, atol=1e-3)
            # The middle of what is there may lie a little off that of the ice.
            steep = np.abs(true.tilt_deg) > 30
            apart = (found.shift_angstrom - true.shift_angstrom)[steep]
            assert np.sqrt((apart**2).sum(axis=1)).max() < 120
            deeper = result.records[1].tilts[0].defocus_u_angstrom
            assert deeper != simulation.ctf.tilts[0].defocus_u_angstrom
    assert sizes["centre"] < 1300 < sizes["alignment"]


@pytest.mark.slow
def test_a_leaning_specimen_is_levelled(
    flat: tuple[Simulation, TiltSeries], stage_runner: ModuleType, tmp_path: Path
) -> None:
    """The true alignment, seen from a frame that leans: the lean is found and undone."""
    from tomotui.algorithms.reconstruct.level import moved_geometry
    from tomotui.geometry import TiltGeometry, rotation_x, rotation_y

    simulation, series = flat
    truth = simulation.alignment
    true = TiltGeometry.from_alignment(truth)
    leaning = moved_geometry(true, rotation_y(8.0) @ rotation_x(-6.0), np.zeros(3))
    tilts = [
        tilt.replace(
            tilt_deg=float(leaning.tilt_deg[i]),
            x_tilt_deg=float(leaning.x_tilt_deg[i]),
            axis_deg=float(leaning.axis_deg[i]),
        )
        for i, tilt in enumerate(truth.tilts)
    ]
    given = truth.replace(tilts=tilts)
    task = stage_runner.RecordingTask(tmp_path / "task", "small", threads=1)
    records = [series, given, simulation.ctf]
    chosen = {"halves": "off", "frame": "level"}
    result = stage_runner.run_stage("reconstruct", task, records, chosen)
    levelled, moved_ctf, tomogram = result.records
    assert tomogram.alignment_uid == levelled.uid != given.uid
    assert tomogram.ctf_uid == moved_ctf.uid
    assert moved_ctf.alignment_uid == levelled.uid
    assert levelled.source == "tomotui"
    assert [t.verdict for t in levelled.tilts] == [t.verdict for t in given.tilts]
    assert "levelled" in result.summary
    found = TiltGeometry.from_alignment(levelled)
    assert np.abs(found.tilt_deg - true.tilt_deg).mean() < 1.5
    assert np.abs(found.x_tilt_deg - true.x_tilt_deg).mean() < 1.5
    assert tomogram.size_xyz[2] * 40 < 1200
    kept = stage_runner.run_stage(
        "reconstruct",
        stage_runner.RecordingTask(tmp_path / "kept", "small", threads=1),
        records,
        {"halves": "off", "frame": "alignment", "binning": 4.0},
    )
    (tomogram,) = kept.records
    assert tomogram.alignment_uid == given.uid


@pytest.mark.parametrize(
    ("choice", "method"),
    [
        ({"method": "sirt", "iterations": 3}, "sirt-3"),
        ({"method": "fourier", "filter": "exact"}, "fourier-exact"),
        ({"filter": "sirt-like", "ctf": "flip"}, "wbp-sirt-like"),
    ],
)
def test_every_method_makes_a_tomogram(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path, choice: Any, method: str
) -> None:
    simulation = aligned_series.simulation
    task = stage_runner.RecordingTask(tmp_path / "task", "small", threads=1)
    ctf = simulation.ctf.replace(series_uid=aligned_series.series.uid, handedness=None)
    chosen = {"binning": 4.0, "thickness_angstrom": 800.0, "frame": "alignment", **choice}
    records = [aligned_series.series, aligned_series.alignment, ctf]
    (tomogram,) = stage_runner.run_stage("reconstruct", task, records, chosen).records
    assert tomogram.method == method
    assert tomogram.ctf_uid == ctf.uid
    assert "handedness was not measured" in task.warnings[0]
    even, odd = (read_volume(path)[0][:, 6:-6, 6:-6].ravel() for path in tomogram.half_paths)
    assert np.corrcoef(even, odd)[0, 1] > 0.3
    assert task.fractions == sorted(task.fractions)


def test_halves_of_the_frames_are_used_where_there_are_any(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    from tomotui.formats.mrc import write_stack

    series = aligned_series.series
    chance = np.random.default_rng(0)
    with MrcStack(series.stack_path) as stack:
        counts = stack.read_all()
    even = chance.binomial(np.maximum(counts, 0).astype(int), 0.5).astype(np.float32)
    for name, values in (("even", even), ("odd", counts - even)):
        write_stack(tmp_path / f"{name}.mrc", values, 16.0, "float32")
    framed = series.replace(
        even_stack_path=str(tmp_path / "even.mrc"), odd_stack_path=str(tmp_path / "odd.mrc")
    )
    task = stage_runner.RecordingTask(tmp_path / "task", "small", threads=1)
    chosen = {"binning": 4.0, "thickness_angstrom": 600.0, "frame": "alignment"}
    records = [framed, aligned_series.alignment]
    (tomogram,) = stage_runner.run_stage("reconstruct", task, records, chosen).records
    assert tomogram.half_kind == "frames"
    whole, first, second = (
        read_volume(path)[0].ravel() for path in (tomogram.path, *tomogram.half_paths)
    )
    assert np.corrcoef(whole, first + second)[0, 1] > 0.98
    with pytest.raises(StageError, match="no stacks of every other frame"):
        stage_runner.run_stage(
            "reconstruct", task, [series, aligned_series.alignment], {"halves": "frames"}
        )


def test_gold_is_erased_on_request(
    aligned_series: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    simulation = aligned_series.simulation
    truth = simulation.alignment.replace(series_uid=aligned_series.series.uid)
    darkest = {}
    for erase in (False, True):
        task = stage_runner.RecordingTask(tmp_path / str(erase), "small", threads=1)
        chosen = {"thickness_angstrom": 900.0, "frame": "alignment", "halves": "off", "ctf": "off"}
        made = stage_runner.run_stage(
            "reconstruct", task, [aligned_series.series, truth], chosen | {"erase_gold": erase}
        ).records[0]
        volume, _ = read_volume(made.path)
        at = simulation.specimen.gold_angstrom[:, ::-1] / 32 + np.array(volume.shape) // 2
        near = [
            volume[z - 2 : z + 3, y - 2 : y + 3, x - 2 : x + 3]
            for z, y, x in np.round(at).astype(int)
            if 3 < y < volume.shape[1] - 3 and 3 < x < volume.shape[2] - 3
        ]
        spread = np.median(np.abs(volume - np.median(volume))) * 1.4826
        darkest[erase] = np.mean([-float(block.min()) for block in near if block.size]) / spread
        if erase:
            assert any("gold beads are erased" in message for message in task.messages)
    assert darkest[True] < 0.4 * darkest[False]


def test_ome_zarr_without_its_package_is_told_at_once(
    aligned_series: Any,
    stage_runner: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tomotui.formats import ome_zarr

    monkeypatch.setattr(ome_zarr, "zarr_is_there", lambda: False)
    task = stage_runner.RecordingTask(tmp_path / "task", "small", threads=1)
    records = [aligned_series.series, aligned_series.alignment]
    with pytest.raises(StageError, match="OME-Zarr needs the Python package zarr") as caught:
        stage_runner.run_stage("reconstruct", task, records, {"ome_zarr": True})
    assert "pip install" in str(caught.value)
    assert list(task.folder.iterdir()) == []
