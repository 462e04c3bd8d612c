"""pick-train and pick: from judged particles to candidates, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from tomotui.formats.mrc import write_volume
from tomotui.records import (
    Alignment,
    AnyRecord,
    ParticleSet,
    Tilt,
    TiltAlignment,
    TiltSeries,
    Tomogram,
)
from tomotui.records.particle_table import ParticleTable
from tomotui.stages.base import Cancelled, StageError

SHAPE = (48, 72, 72)
VOXEL = 10.0
QUICK = {"steps": 25, "pretraining_steps": 3, "width": 8, "batch": 2, "learning_rate": 0.01}
BALL = ParticleSet(name="ball", diameter_angstrom=110.0)
TILTS_DEG = np.arange(-60.0, 61.0, 10.0)


class World(NamedTuple):
    """Two tomograms of balls in noise, and where the balls are, (x, y, z) in Angstrom."""

    records: list[AnyRecord]
    places: dict[str, np.ndarray]

    def table(self, n_accepted: int, n_rejected: int) -> ParticleTable:
        """Return the first balls as accepted, and empty places as rejected."""
        parts = []
        for uid, places in self.places.items():
            options: dict[str, Any] = {"set_uid": BALL.uid, "source": "hand"}
            parts.append(ParticleTable.of(uid, places[:n_accepted], decision="accepted", **options))
            beside = places[:n_rejected] + np.array([75.0, 75.0, 0.0])
            parts.append(ParticleTable.of(uid, beside, decision="rejected", **options))
        return ParticleTable.joined(parts)


def make_tomogram(folder: Path, name: str, seed: int) -> tuple[list[AnyRecord], np.ndarray]:
    chance = np.random.default_rng(seed)
    grid = np.meshgrid(*[np.arange(-1, 2) * 160.0] * 2, [-110.0, 110.0], indexing="ij")
    places = np.stack(grid, axis=-1).reshape(-1, 3) + chance.uniform(-20, 20, (18, 3))
    chance.shuffle(places)
    line = [(torch.arange(n) - n // 2) * VOXEL for n in SHAPE]
    z, y, x = torch.meshgrid(*line, indexing="ij")
    truth = torch.zeros(SHAPE)
    for px, py, pz in places:
        distance = ((x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2).sqrt()
        truth += torch.sigmoid((55 - distance) / 8)
    generator = torch.Generator().manual_seed(seed)
    volumes = [truth + 0.5 * torch.randn(SHAPE, generator=generator) for _ in range(2)]
    paths = []
    for label, volume in (("all", sum(volumes) / 2), ("even", volumes[0]), ("odd", volumes[1])):
        paths.append(folder / f"{name}_{label}.mrc")
        write_volume(paths[-1], -volume.numpy(), VOXEL)
    series = TiltSeries(
        name=name,
        stack_path="none.mrc",
        width_px=128,
        height_px=128,
        pixel_size_angstrom=5.0,
        tilts=tuple(Tilt(index=i, nominal_tilt_deg=t) for i, t in enumerate(TILTS_DEG)),
    )
    alignment = Alignment(
        series_uid=series.uid,
        tilts=tuple(
            TiltAlignment(index=i, tilt_deg=t, axis_deg=0.0, shift_x_angstrom=0, shift_y_angstrom=0)
            for i, t in enumerate(TILTS_DEG)
        ),
    )
    tomogram = Tomogram(
        series_uid=series.uid,
        alignment_uid=alignment.uid,
        path=str(paths[0]),
        half_paths=(str(paths[1]), str(paths[2])),
        half_kind="frames",
        size_xyz=SHAPE[::-1],
        pixel_size_angstrom=VOXEL,
        window_low=-1.0,
        window_high=1.0,
    )
    return [series, alignment, tomogram], places


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    records: list[AnyRecord] = []
    places = {}
    for seed, name in enumerate(("one", "two")):
        made, where = make_tomogram(folder, name, seed)
        records += made
        places[made[2].uid] = where
    return World(records, places)


def train(
    world: World,
    runner: ModuleType,
    folder: Path,
    table: ParticleTable,
    sets: tuple[ParticleSet, ...] = (BALL,),
    cancel_at: float | None = None,
    more: tuple[AnyRecord, ...] = (),
    **choices: Any,
) -> tuple[Any, Any]:
    task = runner.RecordingTask(folder, "picker", threads=1, cancel_at=cancel_at)
    records = [*world.records, *sets, *more]
    return runner.run_stage("pick-train", task, records, QUICK | choices, table), task


@pytest.fixture(scope="module")
def trained(
    world: World, stage_runner: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    folder = tmp_path_factory.mktemp("train")
    return train(world, stage_runner, folder, world.table(6, 6))[0]


def test_a_handful_of_judgements_finds_the_others(
    world: World, trained: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    record = trained.records[0]
    assert record.species == ("ball",)
    assert record.purpose == "pick"
    assert trained.metrics["accepted"] == 12
    assert "ball: 12 accepted, 12 rejected" in trained.summary
    task = stage_runner.RecordingTask(tmp_path, "two", threads=1)
    series, alignment, tomogram = world.records[3:6]
    choices = {"min_score": 0.0, "max_candidates": 18}
    result = stage_runner.run_stage("pick", task, [series, alignment, tomogram, record], choices)
    (found,) = result.candidates
    assert found.particle_set.name == "ball"
    assert found.particle_set.diameter_angstrom == 110.0
    assert found.tomogram_uid == tomogram.uid
    table = found.table
    assert set(table.sources) == {"find"}
    assert ((table.scores >= 0) & (table.scores <= 1)).all()
    assert ((table.priorities > 0) & (table.priorities <= 1)).all()
    true = world.places[tomogram.uid]
    gaps = np.linalg.norm(table.positions_angstrom[:, None] - true[None], axis=-1)
    assert (gaps.min(axis=0) < 27.5).sum() >= 15
    assert task.fractions == sorted(task.fractions)


def test_edges_are_left_out_when_asked(
    world: World, trained: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path, "two", threads=1)
    records = [*world.records[3:6], *trained.records]
    choices = {"min_score": 0.0, "max_candidates": 40, "edge_angstrom": 120.0}
    (found,) = stage_runner.run_stage("pick", task, records, choices).candidates
    half = np.array(SHAPE[::-1]) * VOXEL / 2
    assert (np.abs(found.table.positions_angstrom) <= half - 110.0).all()


def test_training_goes_on_from_the_network_before(
    world: World, trained: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    more, task = train(
        world, stage_runner, tmp_path, world.table(7, 6), more=trained.records, steps=2
    )
    assert any("going on from picker" in said for said in task.messages)
    assert more.records[0].uid != trained.records[0].uid
    _, task = train(
        world, stage_runner, tmp_path, world.table(7, 6), more=trained.records, steps=2, fresh=True
    )
    assert not any("going on" in said for said in task.messages)


def test_another_species_begins_with_the_eyes_of_the_network_before(
    world: World, trained: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    other = BALL.replace(name="other")
    _, task = train(
        world,
        stage_runner,
        tmp_path,
        world.table(4, 4),
        sets=(other,),
        more=trained.records,
        steps=2,
    )
    assert any("only what it sees is taken over" in said for said in task.messages)


def test_a_cancelled_training_goes_on_where_it_was(
    world: World, stage_runner: ModuleType, tmp_path: Path
) -> None:
    table = world.table(4, 4)
    with pytest.raises(Cancelled):
        train(world, stage_runner, tmp_path, table, steps=6, cancel_at=0.5)
    assert (tmp_path / "checkpoint.pt").exists()
    _, task = train(world, stage_runner, tmp_path, table, steps=6)
    assert any("training goes on after step" in said for said in task.messages)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_torn_checkpoint_costs_a_warning(
    world: World, stage_runner: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"torn")
    _, task = train(world, stage_runner, tmp_path, world.table(4, 4), steps=1)
    assert any("begins anew" in said for said in task.warnings)


def test_too_little_to_learn_from_is_refused(
    world: World, stage_runner: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(StageError, match=r"at least 3 accepted .* ball has 2"):
        train(world, stage_runner, tmp_path, world.table(1, 5))
    with pytest.raises(StageError, match="at least 3 accepted"):
        train(world, stage_runner, tmp_path, world.table(0, 0), sets=())


def test_an_unknown_diameter_is_asked_for(
    world: World, stage_runner: ModuleType, tmp_path: Path
) -> None:
    nameless = BALL.replace(diameter_angstrom=None)
    with pytest.raises(StageError, match="diameter of ball is not known"):
        train(world, stage_runner, tmp_path, world.table(4, 4), sets=(nameless,))


def test_particles_of_replaced_tomograms_are_told_of(
    world: World, stage_runner: ModuleType, tmp_path: Path
) -> None:
    old = ParticleTable.of("gone", [[0, 0, 0]], set_uid=BALL.uid, decision="accepted")
    table = ParticleTable.joined([world.table(4, 4), old])
    _, task = train(world, stage_runner, tmp_path, table, steps=1)
    assert any("1 judged particles lie in tomograms" in said for said in task.warnings)
    only_old = ParticleTable.joined([old, old, old])
    with pytest.raises(StageError, match="no accepted particle of ball lies in a tomogram"):
        train(world, stage_runner, tmp_path, only_old)


def test_a_missing_or_torn_network_is_named(
    world: World, trained: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path, "two", threads=1)
    (tmp_path / "torn.pt").write_bytes(b"nothing")
    for path, reason in (("gone.pt", "it is not there"), ("torn.pt", "cannot be read")):
        record = trained.records[0].replace(path=str(tmp_path / path))
        with pytest.raises(StageError, match=reason):
            stage_runner.run_stage("pick", task, [*world.records[3:6], record])


def test_a_coarser_tomogram_than_the_network_learnt_at_is_refused(
    world: World, trained: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path, "two", threads=1)
    series, alignment, tomogram = world.records[3:6]
    coarse = tomogram.replace(pixel_size_angstrom=20.0)
    records = [series, alignment, coarse, *trained.records]
    with pytest.raises(StageError, match="more coarsely than the 10 A"):
        stage_runner.run_stage("pick", task, records)


def test_a_restored_tomogram_is_refused(
    world: World, trained: Any, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path, "two", threads=1)
    series, alignment, tomogram = world.records[3:6]
    changed = tomogram.replace(restored=True)
    with pytest.raises(StageError, match="changed by a network"):
        stage_runner.run_stage("pick", task, [series, alignment, changed, *trained.records])
