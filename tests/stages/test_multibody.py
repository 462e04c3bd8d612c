"""Bodies of two small series of ribosomes: records, files, and what may be wrong."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.stages.conftest import PIXEL_ANGSTROM, PosedSample, Run, runner
from tomotui.formats.mrc import read_volume, write_volume
from tomotui.geometry.mixtures import MovingMixture
from tomotui.geometry.poses import matrices_of_angles
from tomotui.records import Landscape, Map, ParticleSet
from tomotui.records.particle_table import ParticleTable
from tomotui.stages import get
from tomotui.stages.base import Cancelled, ParameterError, StageError, StageResult

QUICK = {"rounds": 1, "consensus_rounds": 0, "box_angstrom": 290.0, "gaussians": 60}
SOME = np.r_[0:6, 12:18]


@pytest.fixture(scope="session")
def multibody(posed: PosedSample, near: ParticleTable, stage_runner: ModuleType) -> Run:
    return runner(stage_runner, "multibody", posed.records, near, QUICK)


@pytest.fixture(scope="session")
def halves(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Files of masks of the two sides of a box."""
    folder, side = tmp_path_factory.mktemp("masks"), np.arange(32) - 16
    files = []
    for name, inside in (("right", side > 0), ("left", side <= 0)):
        values = np.zeros((32, 32, 32), dtype=np.float32)
        values[..., inside] = 1
        files.append(str(folder / f"{name}.mrc"))
        write_volume(folder / f"{name}.mrc", values, PIXEL_ANGSTROM)
    return files


@pytest.fixture(scope="session")
def made(
    multibody: Run,
    near: ParticleTable,
    halves: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[StageResult, Any]:
    folder = tmp_path_factory.mktemp("made")
    return multibody(folder, near.select(SOME), masks=halves, normals="axis", fixed=2)


def of_kind(result: StageResult, kind: type[Any]) -> list[Any]:
    return [one for one in result.records if isinstance(one, kind)]


# What is made


def test_every_body_has_a_map_and_a_set(posed: PosedSample, made: tuple[StageResult, Any]) -> None:
    result, _ = made
    maps, sets = of_kind(result, Map), of_kind(result, ParticleSet)
    assert [one.name for one in maps] == [
        "ribosome-bodies composite",
        "ribosome-bodies body 1",
        "ribosome-bodies body 2",
    ]
    assert [one.name for one in sets] == ["ribosome-bodies body 1", "ribosome-bodies body 2"]
    assert {(one.made_by, one.parent_uid) for one in sets} == {("body", posed.records[0].uid)}
    assert [one.particle_set_uid for one in maps[1:]] == [one.uid for one in sets]
    for record in maps:
        for path in (record.path, *record.half_paths, record.mask_path, record.unfiltered_path):
            values, pixel = read_volume(Path(path))
            assert values.shape == record.size_xyz[::-1]
            assert np.isfinite(values).all()
            assert pixel == pytest.approx(record.pixel_size_angstrom)
    with np.load(maps[1].details_path) as curves:
        assert len(curves["fsc_corrected"]) == len(curves["consensus_fsc_corrected"])
    for table, whole in zip(result.particles, sets, strict=True):
        assert set(table.set_uids) == {whole.uid}
        assert sorted(table.origins) == sorted(posed.table.uids[SOME])
    assert "body 1" in result.summary
    assert "sways by" in result.summary


def test_poses_are_near_the_truth(posed: PosedSample, made: tuple[StageResult, Any]) -> None:
    """Bodies of particles that do not move lie as the particles do."""
    table = made[0].particles[1]
    rows = posed.rows_of(table)
    relative = posed.rotations[rows].transpose(0, 2, 1) @ matrices_of_angles(table.angles_deg)
    mean = np.linalg.svd(relative.mean(axis=0))
    apart = relative @ (mean[0] @ mean[2]).T
    angles = np.rad2deg(np.arccos(np.clip((np.trace(apart, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert np.median(angles) < 5.0


def test_the_landscape_draws_conformations(
    near: ParticleTable, made: tuple[StageResult, Any]
) -> None:
    (record,) = of_kind(made[0], Landscape)
    assert (record.method, record.n_coordinates) == ("bodies", 3)
    with np.load(record.path) as file:
        arrays = dict(file)
    n = len(SOME)
    assert sorted(arrays["uids"].tolist()) == sorted(near.uids[SOME].tolist())
    assert arrays["coordinates"].shape == arrays["spread"].shape == (n, 3)
    assert (arrays["spread"] > 0).all()
    assert (np.diff(arrays["coordinates"].var(axis=0)) <= 0).all()
    assert arrays["tilt_deg"].shape == (n, 2)
    mixture = MovingMixture.from_arrays(arrays)
    rest = mixture.at(np.zeros(3, dtype=np.float32))[0]
    np.testing.assert_allclose(rest, mixture.centres_angstrom, atol=1e-4)
    moved = mixture.at(np.array([3.0, 0, 0], dtype=np.float32))[0]
    still = arrays["shares"][:, 1] > 0.999
    assert np.abs(moved - rest)[still].max() < 0.05
    assert np.abs(moved - rest)[~still].max() > 1.0
    consensus, pixel = read_volume(Path(of_kind(made[0], Map)[0].path))
    values = mixture.volume(np.zeros(3, dtype=np.float32), len(consensus), pixel)
    assert np.corrcoef(values.ravel(), consensus.ravel())[0, 1] > 0.8


def test_angles_are_written_for_every_body(made: tuple[StageResult, Any]) -> None:
    _, task = made
    with task.artifacts["angles"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(SOME)
    fixed = [row for row in rows if row["body"] == "2"]
    assert all(float(row["turn_x_deg"]) == 0 for row in fixed)
    moving = [row for row in rows if row["body"] == "1"]
    assert all(float(row["turn_x_error_deg"]) > 0 for row in moving)
    assert all(0 <= float(row["tilt_deg"]) <= 180 for row in rows)


def test_what_was_stopped_goes_on_where_it_was(
    near: ParticleTable, multibody: Run, halves: list[str], tmp_path: Path
) -> None:
    few = near.select(range(8))
    with pytest.raises(Cancelled):
        multibody(tmp_path, few, cancel_at=0.6, masks=halves, rounds=2)
    result, task = multibody(tmp_path, few, masks=halves, rounds=2)
    assert sum(message.startswith("round ") for message in task.messages) == 1
    assert len(of_kind(result, Map)) == 3


# What may be wrong


def test_bad_masks_are_named(
    multibody: Run, near: ParticleTable, halves: list[str], tmp_path: Path
) -> None:
    few, right = near.select(range(8)), halves[0]
    empty, small = tmp_path / "empty.mrc", tmp_path / "small.mrc"
    write_volume(empty, np.zeros((32, 32, 32), dtype=np.float32), PIXEL_ANGSTROM)
    write_volume(small, np.ones((16, 16, 16), dtype=np.float32), PIXEL_ANGSTROM)
    for masks, words in (
        ([right, str(empty)], "mask 2 holds nothing of the particle.*empty.mrc"),
        ([right, str(small)], "small.mrc is 192 A wide, the particle 270 A"),
        ([right, right], "masks 1 and 2 hold the same part"),
        ([right], "1 mask: there must be 2 to 8"),
        ([right, "nowhere.mrc"], "nowhere.mrc is not there"),
    ):
        with pytest.raises(StageError, match=words):
            multibody(tmp_path / "run", few, masks=masks)


def test_bodies_that_cannot_be_are_refused(
    multibody: Run, near: ParticleTable, halves: list[str], tmp_path: Path
) -> None:
    few = near.select(range(8))
    with pytest.raises(StageError, match="no body 3 of 2"):
        multibody(tmp_path, few, masks=halves, fixed=3)
    far = [[[0, 0, 0]], [[180, 180, 180]]]
    with pytest.raises(StageError, match="no point of body 2 lies on the particle"):
        multibody(tmp_path, few, points=far)
    with pytest.raises(ParameterError, match="bodies"):
        get("multibody").validate({"bodies": 1})


def test_particles_without_orientation_are_refused(
    multibody: Run, near: ParticleTable, tmp_path: Path
) -> None:
    blind = replace(near, angles_deg=np.full_like(near.angles_deg, np.nan))
    with pytest.raises(StageError, match="no particle of ribosome has an orientation"):
        multibody(tmp_path, blind)
