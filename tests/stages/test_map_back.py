from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tomotui.formats.mrc import read_header, read_volume, write_volume
from tomotui.geometry.poses import angles_of_matrices
from tomotui.imaging.potential import sample
from tomotui.records import AnyRecord, Map, ParticleSet, Tilt, TiltSeries, Tomogram
from tomotui.records.particle_table import ParticleTable
from tomotui.simulate.shapes import shape
from tomotui.stages.base import StageError

VOXEL_ANGSTROM = 16.0
SIZE_XYZ = (50, 44, 30)
POSITIONS = np.array([[-200.0, 150.0, 30.0], [180.0, -120.0, -60.0], [0.0, 0.0, 0.0]])


class Scene(NamedTuple):
    """A map, a tomogram, and three particles; the last was rejected."""

    folder: Path
    records: list[AnyRecord]
    table: ParticleTable


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("map-back")
    made = sample(shape("ribosome"), "r", 8.0).potential_v
    cube = np.zeros((56, 56, 56), dtype=np.float32)
    first = 28 - made.shape[0] // 2
    cube[(slice(first, first + made.shape[0]),) * 3] = made
    write_volume(folder / "map.mrc", cube, 8.0)
    series = TiltSeries(
        name="one",
        stack_path="none.mrc",
        width_px=64,
        height_px=64,
        pixel_size_angstrom=8.0,
        tilts=(Tilt(index=0, nominal_tilt_deg=0.0),),
    )
    tomogram = Tomogram(
        series_uid=series.uid,
        alignment_uid="a",
        path="one.mrc",
        size_xyz=SIZE_XYZ,
        pixel_size_angstrom=VOXEL_ANGSTROM,
        window_low=-1.0,
        window_high=1.0,
    )
    particles = ParticleSet(name="ribosome", diameter_angstrom=280.0)
    record = Map(
        name="average",
        path=str(folder / "map.mrc"),
        size_xyz=(56, 56, 56),
        pixel_size_angstrom=8.0,
        particle_set_uid=particles.uid,
    )
    angles = angles_of_matrices(Rotation.random(3, random_state=2).as_matrix())
    table = ParticleTable.of(
        tomogram.uid,
        POSITIONS,
        set_uid=particles.uid,
        angles_deg=angles,
        scores=[0.9, 0.5, 0.8],
    )
    table.decisions[2] = "rejected"
    return Scene(folder, [series, tomogram, particles, record], table)


@pytest.fixture
def map_back(scene: Scene, stage_runner: ModuleType, tmp_path: Path) -> Any:
    def run(  # type: ignore[no-untyped-def]
        table: ParticleTable | None = None, records: list[AnyRecord] | None = None, **choices: Any
    ):
        task = stage_runner.RecordingTask(tmp_path, "one", threads=1)
        chosen = scene.records if records is None else records
        found = scene.table if table is None else table
        return stage_runner.run_stage("map-back", task, chosen, choices, found), task

    return run


def masses_near(volume: np.ndarray, positions: np.ndarray, voxel: float) -> list[float]:
    """Return the share of the mass within 150 A of places."""
    axes = [(np.arange(n) - n // 2) * voxel for n in volume.shape]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    near = [(x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2 < 150**2 for px, py, pz in positions]
    return [float(volume[one].sum() / volume.sum()) for one in near]


def test_a_copy_lies_at_each_particle_that_was_not_rejected(map_back: Any) -> None:
    result, task = map_back()
    volume, voxel = read_volume(task.artifacts["volume"])
    assert (volume.shape, voxel) == (SIZE_XYZ[::-1], VOXEL_ANGSTROM)
    masses = masses_near(volume, POSITIONS, voxel)
    assert masses[:2] == pytest.approx([0.5, 0.5], abs=0.03)
    assert masses[2] < 0.03
    assert volume.max() > 3 * abs(volume.min())
    header = read_header(task.artifacts["volume"])
    assert any("protein is bright" in label for label in header.labels)
    assert result.metrics == {"copies": 2.0, "outside": 0.0}
    assert result.summary == "2 copies of average at 16 A"


def test_particles_are_chosen_and_voxels_may_be_coarser(scene: Scene, map_back: Any) -> None:
    _, task = map_back(decisions="all", min_score=0.6, voxel_size_angstrom=32.0)
    volume, voxel = read_volume(task.artifacts["volume"])
    assert (volume.shape, voxel) == ((15, 22, 25), 32.0)
    masses = masses_near(volume, POSITIONS, voxel)
    assert masses == pytest.approx([0.5, 0.0, 0.5], abs=0.06)
    classes = replace(scene.table, classes=np.array([1, 2, 2]))
    assert map_back(classes, classes=(2,))[0].metrics["copies"] == 1


def test_the_scene_shows_copies_or_one_volume(scene: Scene, map_back: Any) -> None:
    _, task = map_back()
    lines = task.artifacts["chimerax"].read_text().splitlines()
    opened = [line.split('"')[1] for line in lines if line.startswith("open ")]
    assert opened[0].endswith("one.mrc")
    assert opened[1:] == [str(task.folder / "reference.mrc")] * 2
    matrix = next(line for line in lines if line.startswith("view matrix")).split(",")
    assert [float(matrix[at]) for at in (4, 8, 12)] == pytest.approx(POSITIONS[0])
    shown, voxel = read_volume(task.folder / "reference.mrc")
    assert voxel == 8.0
    assert shown[0].max() == 0
    _, task = map_back(most_copies=1, level=2.5)
    text = task.artifacts["chimerax"].read_text()
    assert "mapped.mrc" in text
    assert "view matrix" not in text
    assert "level 2.5" in text


def test_a_map_may_come_from_a_file_and_be_shown_without_a_mask(
    scene: Scene, map_back: Any
) -> None:
    records = scene.records[:3]
    file = str(scene.folder / "map.mrc")
    result, _ = map_back(records=records, reference=file, masked=False, chimerax=False)
    assert result.summary == "2 copies of map at 16 A"


def test_a_map_of_other_poses_is_doubted(scene: Scene, map_back: Any) -> None:
    assert not map_back()[1].warnings
    *others, record = scene.records
    assert isinstance(record, Map)
    _, task = map_back(records=[*others, record.replace(particle_set_uid="refined")])
    assert any("averaged from another set than ribosome" in one for one in task.warnings)


def test_the_mask_of_a_map_is_used(scene: Scene, map_back: Any, tmp_path: Path) -> None:
    *others, record = scene.records
    assert isinstance(record, Map)
    small = np.zeros((56, 56, 56), dtype=np.float32)
    small[20:36, 20:36, 20:36] = 1
    write_volume(tmp_path / "small.mrc", small, 8.0)
    masked = record.replace(mask_path=str(tmp_path / "small.mrc"))
    _, task = map_back(records=[*others, masked])
    within, _ = read_volume(task.artifacts["volume"])
    whole, _ = read_volume(map_back()[1].artifacts["volume"])
    assert within.sum() < 0.7 * whole.sum()
    write_volume(tmp_path / "small.mrc", small[:40, :40, :40], 8.0)
    with pytest.raises(StageError, match=r"(?s)mask .*small.mrc has \(40, 40, 40\) voxels"):
        map_back(records=[*others, masked])


def test_a_series_without_particles_is_no_failure(scene: Scene, map_back: Any) -> None:
    elsewhere = replace(scene.table, tomogram_uids=np.full(3, "old", dtype="U16"))
    result, task = map_back(elsewhere)
    assert "no particle of ribosome in one" in result.summary
    assert any("2 lie in others" in warning for warning in task.warnings)
    assert not task.artifacts


def test_particles_without_orientation_are_told(scene: Scene, map_back: Any) -> None:
    angles = scene.table.angles_deg.copy()
    angles[1] = np.nan
    result, task = map_back(replace(scene.table, angles_deg=angles))
    assert result.metrics["copies"] == 1
    assert any("1 particles of ribosome without orientation" in one for one in task.warnings)
    with pytest.raises(StageError, match=r"(?s)has an orientation.*Run match or refine"):
        map_back(replace(scene.table, angles_deg=np.full((3, 3), np.nan)))


def test_bad_input_ends_in_one_clear_message(scene: Scene, map_back: Any) -> None:
    dark = scene.folder / "dark.mrc"
    values, voxel = read_volume(scene.folder / "map.mrc")
    write_volume(dark, -values, voxel)
    flat = scene.folder / "flat.mrc"
    write_volume(flat, np.ones((8, 8, 9), dtype=np.float32), 8.0)
    without = scene.records[:3]
    for reference, words in (
        ("", "no map of these particles.*Run refine"),
        ("/nowhere/m.mrc", "/nowhere/m.mrc is not there"),
        (str(dark), "protein is dark.*import-map"),
        (str(flat), "must be a cube.*import-map"),
    ):
        with pytest.raises(StageError, match=f"(?s){words}"):
            map_back(records=without, reference=reference)
    several = [*scene.records, ParticleSet(name="other")]
    with pytest.raises(StageError, match=r"(?s)several particle sets: ribosome, other.*particles="):
        map_back(records=several)
