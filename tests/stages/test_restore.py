from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from tomotui.formats.mrc import read_volume, write_volume
from tomotui.jobs.files import read_model, write_model
from tomotui.jobs.specification import TaskResult, TaskSpecification
from tomotui.records import Alignment, AnyRecord, Tilt, TiltAlignment, TiltSeries, Tomogram
from tomotui.stages import get
from tomotui.stages.base import Cancelled, StageError

QUICK = {"steps": 6, "cube_size": 32, "width": 4, "refills": 1, "free_rotations": 0.5}
TILTS_DEG = np.arange(-60.0, 61.0, 6.0)


class Sample(NamedTuple):
    """Two small tomograms with halves, and all records that belong to them."""

    folder: Path
    records: list[AnyRecord]

    def of(self, name: str) -> list[AnyRecord]:
        series = next(r for r in self.records if getattr(r, "name", "") == name)
        mine = [r for r in self.records if getattr(r, "series_uid", "") == series.uid]
        return [series, *mine]

    def tomogram(self, name: str) -> Tomogram:
        return next(r for r in self.of(name) if isinstance(r, Tomogram))


def make_tomogram(
    folder: Path, name: str, seed: int, shape: tuple[int, int, int] = (40, 64, 56), **changes: Any
) -> list[AnyRecord]:
    """Write a tomogram of blurred noise with its halves, protein dark."""
    generator = torch.Generator().manual_seed(seed)
    signal = torch.nn.functional.avg_pool3d(
        torch.randn(1, 1, *shape, generator=generator), 5, stride=1, padding=2
    )[0, 0]
    paths = []
    volumes = [signal + 0.05 * torch.randn(shape, generator=generator) for _ in range(2)]
    for label, volume in (("all", sum(volumes) / 2), ("even", volumes[0]), ("odd", volumes[1])):
        paths.append(folder / f"{name}_{label}.mrc")
        write_volume(paths[-1], -volume.numpy(), 10.0)
    tilts = tuple(
        Tilt(index=i, nominal_tilt_deg=t, dose_e_per_a2=2.0, prior_dose_e_per_a2=2.0 * i)
        for i, t in enumerate(TILTS_DEG)
    )
    series = TiltSeries(
        name=name,
        stack_path="none.mrc",
        width_px=128,
        height_px=128,
        pixel_size_angstrom=5.0,
        tilts=tilts,
    )
    alignment = Alignment(
        series_uid=series.uid,
        tilts=tuple(
            TiltAlignment(index=i, tilt_deg=t, axis_deg=0.0, shift_x_angstrom=0, shift_y_angstrom=0)
            for i, t in enumerate(TILTS_DEG)
        ),
    )
    values: dict[str, Any] = {
        "path": str(paths[0]),
        "half_paths": (str(paths[1]), str(paths[2])),
        "half_kind": "frames",
        "size_xyz": shape[::-1],
        "pixel_size_angstrom": 10.0,
        "method": "wbp-hamming",
    }
    tomogram = Tomogram(
        series_uid=series.uid,
        alignment_uid=alignment.uid,
        window_low=-1.0,
        window_high=1.0,
        **{**values, **changes},
    )
    return [series, alignment, tomogram]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("sample")
    return Sample(folder, make_tomogram(folder, "one", 1) + make_tomogram(folder, "two", 2))


@pytest.fixture(scope="module")
def trained(
    sample: Sample, stage_runner: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Any]:
    task = stage_runner.RecordingTask(tmp_path_factory.mktemp("train"), "vivo", threads=1)
    return stage_runner.run_stage("restore-train", task, sample.records, QUICK), task


def restored(
    sample: Sample, trained: Any, stage_runner: ModuleType, folder: Path, **choices: Any
) -> tuple[Any, Any]:
    task = stage_runner.RecordingTask(folder, "one", threads=1)
    records = [*sample.of("one"), *trained[0].records]
    return stage_runner.run_stage("restore", task, records, choices), task


def test_training_makes_a_network_and_tells_its_curve(trained: Any) -> None:
    result, task = trained
    (network,) = result.records
    assert network.kind == "network"
    assert (network.name, network.purpose) == ("vivo", "restore")
    assert network.metrics["tomograms"] == 2
    assert len(task.metrics["loss of filling"]) == 6
    assert len(task.metrics["held-out loss of filling"]) == 1
    assert any("expected" in message for message in task.messages)
    assert {path.name for path in task.folder.iterdir()} == {"network.safetensors", "training.npz"}
    with np.load(network.details_path) as view:
        assert view["before"].shape == view["after"].shape == (40, 56)
        assert view["spectrum_before"].shape == (40, 56)
        assert int(view["step"]) == 6


def test_a_restored_tomogram_is_labelled_as_one(
    sample: Sample, trained: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    result, task = restored(sample, trained, stage_runner, tmp_path, uncertainty=True)
    (tomogram,) = result.records
    source = sample.tomogram("one")
    assert tomogram.restored
    assert tomogram.uid != source.uid
    assert tomogram.network_uid == trained[0].records[0].uid
    assert (tomogram.size_xyz, tomogram.alignment_uid) == (source.size_xyz, source.alignment_uid)
    assert tomogram.half_paths is None
    assert tomogram.method == "restored 3d of wbp-hamming"
    volume, voxel = read_volume(tomogram.path)
    assert voxel == pytest.approx(10.0)
    before, _ = read_volume(source.path)
    assert np.corrcoef(volume.ravel(), before.ravel())[0, 1] > 0.8, "protein stays dark"
    spread, _ = read_volume(tomogram.uncertainty_path)
    assert spread.shape == volume.shape
    assert spread.min() >= 0
    assert 0 < spread.mean() < volume.std()
    assert set(result.metrics) == {
        "filled_correlation",
        "null_correlation",
        "noise_share",
        "wedge_agreement",
    }
    assert "known wedge filled" in result.summary
    # Six steps teach nothing, and the user is told so.
    assert any("do not trust" in warning for warning in task.warnings)


def test_fill_only_leaves_what_was_measured_as_it_was(
    sample: Sample, trained: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    result, _ = restored(sample, trained, stage_runner, tmp_path, task="fill-only", null_test=False)
    before, _ = read_volume(sample.tomogram("one").path)
    after, _ = read_volume(result.records[0].path)
    kz, kx = np.fft.fftfreq(40)[:, None, None], np.fft.rfftfreq(56)
    measured = np.broadcast_to(np.abs(kz) < 0.9 * np.tan(np.deg2rad(3)) * kx, (40, 64, 29))
    change = np.abs(np.fft.rfftn(after) - np.fft.rfftn(before))
    assert change[measured].max() < 1e-4 * np.abs(np.fft.rfftn(before)).max()
    assert "measured kept" in result.summary
    assert result.metrics == {}


def test_a_cancelled_training_goes_on_where_it_was(
    sample: Sample, trained: tuple[Any, Any], stage_runner: ModuleType, tmp_path: Path
) -> None:
    _, whole = trained
    stopped = stage_runner.RecordingTask(tmp_path / "cut", "vivo", threads=1, cancel_at=0.5)
    with pytest.raises(Cancelled):
        stage_runner.run_stage("restore-train", stopped, sample.records, QUICK)
    again = stage_runner.RecordingTask(tmp_path / "cut", "vivo", threads=1)
    stage_runner.run_stage("restore-train", again, sample.records, QUICK)
    assert any("goes on after step 3" in message for message in again.messages)
    assert again.metrics["held-out loss of filling"] == pytest.approx(
        whole.metrics["held-out loss of filling"], rel=1e-3
    )


def test_a_torn_checkpoint_costs_a_warning(
    sample: Sample, stage_runner: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"torn")
    task = stage_runner.RecordingTask(tmp_path, "vivo", threads=1)
    stage_runner.run_stage("restore-train", task, sample.of("one"), {**QUICK, "steps": 1})
    assert any("begins anew" in warning for warning in task.warnings)


def test_sections_teach_a_network_for_side_views(
    sample: Sample, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path / "train", "vivo", threads=1)
    choices = {"method": "2d", "steps": 3, "cube_size": 32, "width": 8}
    made = stage_runner.run_stage("restore-train", task, sample.records, choices)
    result, _ = restored(sample, (made, task), stage_runner, tmp_path / "apply", null_test=False)
    assert result.records[0].method == "restored 2d of wbp-hamming"


@pytest.mark.slow
def test_without_halves_only_the_wedge_is_filled(stage_runner: ModuleType, tmp_path: Path) -> None:
    records = make_tomogram(tmp_path, "one", 3, half_paths=None, half_kind=None)
    task = stage_runner.RecordingTask(tmp_path / "train", "vivo", threads=1)
    made = stage_runner.run_stage("restore-train", task, records, QUICK)
    assert any("no half tomograms" in warning for warning in task.warnings)
    apply_task = stage_runner.RecordingTask(tmp_path / "apply", "one", threads=1)
    result = stage_runner.run_stage("restore", apply_task, [*records, *made.records])
    assert "measured kept" in result.records[0].method
    assert any("put back" in warning for warning in apply_task.warnings)


def broken(records: list[AnyRecord], **changes: Any) -> list[AnyRecord]:
    return [r.replace(**changes) if isinstance(r, Tomogram) else r for r in records]


def test_bad_tomograms_are_refused_by_name(
    sample: Sample, stage_runner: ModuleType, tmp_path: Path
) -> None:
    def refusal(records: list[AnyRecord]) -> str:
        task = stage_runner.RecordingTask(tmp_path / "task", "vivo", threads=1)
        with pytest.raises(StageError) as caught:
            stage_runner.run_stage("restore-train", task, records, QUICK)
        assert list((tmp_path / "task").iterdir()) == []
        return str(caught.value)

    one = sample.of("one")
    assert "none.mrc" in refusal(broken(one, half_paths=("none.mrc", "none.mrc")))
    holed = tmp_path / "holed.mrc"
    values, _ = read_volume(sample.tomogram("one").path)
    values = np.array(values)
    values[3, 3, 3] = np.nan
    write_volume(holed, values, 10.0)
    words = refusal(broken(one, half_paths=(str(holed), str(holed))))
    assert "holed.mrc" in words
    assert "not numbers" in words
    tiny = make_tomogram(tmp_path, "tiny", 4, shape=(24, 64, 64))
    assert "only 24 voxels" in refusal(tiny)
    assert "reconstructed" in refusal(broken(one, size_xyz=(56, 64, 41)))
    assert "changed by a network" in refusal(broken(one, restored=True))
    finer = broken(sample.of("two"), pixel_size_angstrom=12.0)
    words = refusal([*one, *make_tomogram(tmp_path, "three", 5), *finer])
    assert "two (12 A)" in words
    assert "Run reconstruct first" in refusal([one[0], one[1]])


def test_bad_networks_are_refused_by_name(
    sample: Sample, trained: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    (network,) = trained[0].records
    torn = tmp_path / "torn.pt"
    torn.write_bytes(b"torn")

    def refusal(path: str, records: list[AnyRecord]) -> str:
        task = stage_runner.RecordingTask(tmp_path / "task", "one", threads=1)
        with pytest.raises(StageError) as caught:
            stage_runner.run_stage("restore", task, [*records, network.replace(path=path)])
        return str(caught.value)

    one = sample.of("one")
    assert "it is not there" in refusal(str(tmp_path / "gone.pt"), one)
    assert "torn.pt" in refusal(str(torn), one)
    coarse = broken(one, pixel_size_angstrom=20.0)
    assert "voxel_size_angstrom=10" in refusal(network.path, coarse)
    assert "changed by a network" in refusal(network.path, broken(one, restored=True))


def test_the_cost_is_told_before_it_starts() -> None:
    stage = get("restore-train")
    words = stage.outlook(stage.validate({"preset": "preview"}))
    assert words.startswith("about 7 min")
    assert "GiB on 2 cores" in words
    longer = stage.outlook(stage.validate({"preset": "best"}))
    assert " h and " in longer


@pytest.mark.slow
def test_several_processes_train_one_network(sample: Sample, tmp_path: Path) -> None:
    """As torchrun starts them: one result, and weights that both have moved."""
    specification = TaskSpecification(
        job_id=1,
        stage="restore-train",
        target="vivo",
        attempt=1,
        parameters={**QUICK, "steps": 2},
        inputs={
            kind: [r for r in sample.of("one") if r.kind == kind]
            for kind in ("tilt_series", "alignment", "tomogram")
        },
        project_folder=tmp_path,
        version="0",
    )
    write_model(tmp_path / "task.json", specification)
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words += ["-m", "tomotui.jobs.ranks", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = read_model(tmp_path / "result.json", TaskResult)
    assert result is not None
    assert result.status == "done"
    assert len(result.records) == 1
    assert (tmp_path / "network.safetensors").is_file()
