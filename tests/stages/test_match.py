from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from tomotui.algorithms.match.template import centred, make_template
from tomotui.formats.mrc import read_volume, write_volume
from tomotui.geometry.poses import matrices_of_angles
from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations
from tomotui.imaging.potential import sample
from tomotui.records import Alignment, AnyRecord, Tilt, TiltAlignment, TiltSeries, Tomogram
from tomotui.simulate.shapes import shape
from tomotui.stages.base import Cancelled, ParameterError, StageError

VOXEL_ANGSTROM = 16.0
TILTS_DEG = np.arange(-60.0, 61.0, 6.0)
PLACE_ZYX = np.array([15, 26, 14])
ROTATION = Rotation.from_euler("ZYZ", [30, 50, -70], degrees=True).as_matrix()
CHOICES: dict[str, Any] = {
    "template": "ribosome.mrc",
    "resolution_angstrom": 64.0,
    "angle_step_deg": 32.0,
}


class Scene(NamedTuple):
    """A tomogram with one ribosome, its template as a map, and the records."""

    folder: Path
    records: list[AnyRecord]

    @property
    def tomogram(self) -> Tomogram:
        return next(one for one in self.records if isinstance(one, Tomogram))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("match")
    fine = sample(shape("ribosome"), "r", VOXEL_ANGSTROM / 2).potential_v
    write_volume(folder / "ribosome.mrc", fine, VOXEL_ANGSTROM / 2)
    density = centred(torch.from_numpy(fine), VOXEL_ANGSTROM / 2)
    template = make_template(density, VOXEL_ANGSTROM, 32.0, density.radius_angstrom)
    turned = template.turned(torch.from_numpy(ROTATION[None]).float())[0, 0]
    volume, half = np.zeros((32, 40, 36), dtype=np.float32), template.box // 2
    padded = np.pad(volume, half)
    z, y, x = PLACE_ZYX
    padded[z : z + 2 * half, y : y + 2 * half, x : x + 2 * half] += turned.numpy()
    volume = padded[half:-half, half:-half, half:-half]
    volume = volume / volume.std() + np.random.default_rng(1).normal(0, 1, volume.shape)
    write_volume(folder / "one.mrc", -volume.astype(np.float32), VOXEL_ANGSTROM)
    return Scene(folder, records_of(folder / "one.mrc", (36, 40, 32)))


def records_of(path: Path, size_xyz: tuple[int, int, int], **changes: Any) -> list[AnyRecord]:
    series = TiltSeries(
        name="one",
        stack_path="none.mrc",
        width_px=64,
        height_px=64,
        pixel_size_angstrom=8.0,
        tilts=tuple(Tilt(index=i, nominal_tilt_deg=t) for i, t in enumerate(TILTS_DEG)),
    )
    alignment = Alignment(
        series_uid=series.uid,
        tilts=tuple(
            TiltAlignment(index=i, tilt_deg=t, axis_deg=0.0, shift_x_angstrom=0, shift_y_angstrom=0)
            for i, t in enumerate(TILTS_DEG)
        ),
    )
    values: dict[str, Any] = {
        "path": str(path),
        "size_xyz": size_xyz,
        "pixel_size_angstrom": VOXEL_ANGSTROM,
        "window_low": -1.0,
        "window_high": 1.0,
    }
    tomogram = Tomogram(series_uid=series.uid, alignment_uid=alignment.uid, **{**values, **changes})
    return [series, alignment, tomogram]


@pytest.fixture
def match(scene: Scene, stage_runner: ModuleType, tmp_path: Path) -> Any:
    def run(records: list[AnyRecord] | None = None, cancel_at: float | None = None, **choices: Any):  # type: ignore[no-untyped-def]
        task = stage_runner.RecordingTask(tmp_path, "one", threads=1, cancel_at=cancel_at)
        chosen = {**CHOICES, **choices}
        if not Path(chosen["template"]).is_absolute():
            chosen["template"] = str(scene.folder / chosen["template"])
        result = stage_runner.run_stage("match", task, records or scene.records, chosen)
        return result, task

    return run


def test_a_particle_is_found_with_its_pose_and_everything_is_written(
    scene: Scene, match: Any
) -> None:
    result, task = match(particles="ribosome", symmetry="c1")
    (candidates,) = result.candidates
    assert candidates.particle_set.name == "ribosome"
    assert candidates.particle_set.symmetry == "C1"
    assert 200 < candidates.particle_set.diameter_angstrom < 280
    assert candidates.tomogram_uid == scene.tomogram.uid
    table = candidates.table
    assert set(table.sources) == {"match"}
    best = int(table.scores.argmax())
    expected = (PLACE_ZYX - np.array([16, 20, 18]))[::-1] * VOXEL_ANGSTROM
    assert np.abs(table.positions_angstrom[best] - expected).max() < 0.5 * VOXEL_ANGSTROM
    (pose,) = matrices_of_angles(table.angles_deg[best])
    assert symmetric_angle_deg(pose, ROTATION, symmetry_rotations("C1")) < 10.0
    assert table.scores[best] > 1.5 * result.metrics["threshold"]
    assert table.uncertainties[best] < 0.05
    assert "candidates, threshold" in result.summary
    assert "sigma" in result.summary
    assert any("CTF" in warning for warning in task.warnings)
    scores, voxel = read_volume(task.artifacts["scores"])
    assert (scores.shape, voxel) == ((32, 40, 36), VOXEL_ANGSTROM)
    peak = np.array(np.unravel_index(scores.argmax(), scores.shape))
    assert np.abs(peak - PLACE_ZYX).max() <= 1
    with np.load(task.artifacts["details"]) as details:
        assert details["null_peaks"].sum() > 5
        assert details["score_section"].shape == details["tomogram_section"].shape
        assert float(details["threshold"]) == pytest.approx(result.metrics["threshold"])
    assert not (task.folder / "checkpoint.pt").exists()


def test_a_cancelled_search_goes_on_and_ends_the_same(match: Any) -> None:
    straight, _ = match(angle_step_deg=44.0, refine=False)
    with pytest.raises(Cancelled):
        match(angle_step_deg=44.0, cancel_at=0.6, refine=False)
    resumed, task = match(angle_step_deg=44.0, refine=False)
    assert any("goes on after block" in message for message in task.messages)
    one, other = straight.candidates[0].table, resumed.candidates[0].table
    assert np.array_equal(one.scores, other.scores)
    assert np.array_equal(one.positions_angstrom, other.positions_angstrom)
    assert np.array_equal(one.angles_deg, other.angles_deg)


def test_a_torn_checkpoint_costs_a_warning(match: Any, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"torn")
    result, task = match(angle_step_deg=60.0, refine=False, null=False)
    assert any("begins anew" in warning for warning in task.warnings)
    assert result.metrics["orientations"] < 100


def test_places_can_be_limited(scene: Scene, match: Any, tmp_path: Path) -> None:
    mask = np.zeros((32, 40, 36), dtype=np.float32)
    mask[:, :20] = 1
    write_volume(tmp_path / "mask.mrc", mask, VOXEL_ANGSTROM)
    limits = {"z_min_angstrom": 0.0, "specimen_mask": str(tmp_path / "mask.mrc")}
    limits["edge_angstrom"] = 0.0
    result, _ = match(angle_step_deg=60.0, min_score=-1.0, refine=False, **limits)
    positions = result.candidates[0].table.positions_angstrom
    assert len(positions) > 5
    assert positions[:, 2].min() >= -VOXEL_ANGSTROM
    assert positions[:, 1].max() <= VOXEL_ANGSTROM


def test_faces_and_gold_are_left_out(scene: Scene, match: Any, tmp_path: Path) -> None:
    volume, _ = read_volume(scene.tomogram.path)
    bead = np.array([16, 12, 24])
    z, y, x = bead
    volume[z - 1 : z + 1, y - 1 : y + 1, x - 1 : x + 1] = -400.0
    write_volume(tmp_path / "gold.mrc", volume, VOXEL_ANGSTROM)
    records = records_of(tmp_path / "gold.mrc", (36, 40, 32))
    quick = {"angle_step_deg": 60.0, "min_score": -1.0, "refine": False}
    middle = np.array([16, 20, 18])

    def places(**choices: float) -> np.ndarray:
        result, _ = match(records, **quick, **choices)
        found = result.candidates[0].table.positions_angstrom[:, ::-1] / VOXEL_ANGSTROM
        return np.asarray(found + middle)

    everywhere = places(edge_angstrom=0.0, gold_angstrom=0.0)
    kept = places()
    assert 0 < len(kept) < len(everywhere)
    inside = np.minimum(kept, np.array([31, 39, 35]) - kept)
    assert inside.min() >= 3
    away = np.abs(kept - bead)
    # Half a diameter across the beam, and three times that along it.
    assert (np.maximum(away[:, 1], away[:, 2]) > 7).all()


def test_a_wrong_symmetry_of_the_template_is_doubted(match: Any) -> None:
    _, task = match(symmetry="D7", angle_step_deg=60.0, refine=False)
    assert any("not of symmetry D7" in warning for warning in task.warnings)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"template": "/nowhere/t.mrc"}, "/nowhere/t.mrc is not there"),
        ({"symmetry": "K3"}, "no point group 'K3'.*C1, C2"),
        ({"template_pixel_size_angstrom": 80.0}, "larger than the tomogram.*template_pixel_size"),
        ({"template": "text.txt"}, "neither a map.*nor an atomic model"),
        ({"template": "dark.mrc"}, "protein is dark.*bright protein"),
        ({"template": "empty.pdb"}, "holds no atoms"),
        ({"template": "torn.mrc"}, "torn.mrc"),
        ({"specimen_mask": "ribosome.mrc"}, "mask.*has 72 voxels|mask.*tomogram"),
        ({"z_min_angstrom": 5000.0}, "no place is left"),
    ],
)
def test_bad_input_ends_in_one_clear_message(
    scene: Scene, match: Any, choices: dict[str, Any], words: str
) -> None:
    (scene.folder / "text.txt").write_text("no map")
    (scene.folder / "empty.pdb").write_text("END\n")
    (scene.folder / "torn.mrc").write_bytes((scene.folder / "ribosome.mrc").read_bytes()[:5000])
    values, voxel = read_volume(scene.folder / "ribosome.mrc")
    write_volume(scene.folder / "dark.mrc", -values, voxel)
    if "specimen_mask" in choices:
        choices = {"specimen_mask": str(scene.folder / choices["specimen_mask"])}
    with pytest.raises(StageError, match=f"(?s){words}"):
        match(angle_step_deg=60.0, **choices)


def test_a_restored_tomogram_is_refused(scene: Scene, match: Any) -> None:
    changed = records_of(scene.folder / "one.mrc", (36, 40, 32), restored=True)
    with pytest.raises(StageError, match="changed by a network"):
        match(changed)


def test_a_tomogram_without_numbers_or_file_is_refused(scene: Scene, match: Any) -> None:
    broken = np.full((32, 40, 36), np.nan, dtype=np.float32)
    write_volume(scene.folder / "nan.mrc", broken, VOXEL_ANGSTROM)
    with pytest.raises(StageError, match=r"nan\.mrc.*not numbers"):
        match(records_of(scene.folder / "nan.mrc", (36, 40, 32)))
    with pytest.raises(StageError, match=r"gone\.mrc"):
        match(records_of(scene.folder / "gone.mrc", (36, 40, 32)))


def test_the_template_must_be_named(stage_runner: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="template: is required"):
        stage_runner.run_stage("match", stage_runner.RecordingTask(tmp_path), [], {})


def test_the_best_are_kept_for_review_where_few_stand_out(match: Any) -> None:
    result, _ = match(for_review=5, min_score=None)
    assert result.metrics["above_threshold"] < 5
    assert result.metrics["candidates"] == 5
    assert "below it for review" in result.summary
    (kept,) = result.candidates
    near = np.argsort(np.abs(kept.table.scores - result.metrics["threshold"]))
    # Doubt is greatest at the threshold, not at the last one kept.
    assert kept.table.uncertainties[near[0]] == kept.table.uncertainties.max()
    strict, _ = match(for_review=0)
    assert strict.metrics["candidates"] == strict.metrics["above_threshold"] >= 1
