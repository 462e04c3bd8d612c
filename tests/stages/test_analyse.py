from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tomotui.geometry.poses import angles_of_matrices
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
from tomotui.stages.base import StageError

TILTS_DEG = np.arange(-60.0, 61.0, 6.0)
N = 150


class Scene(NamedTuple):
    """Two tomograms of particles by chance, in the second of which they come in pairs."""

    records: list[AnyRecord]
    table: ParticleTable


def series_of(name: str) -> list[AnyRecord]:
    series = TiltSeries(
        name=name,
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
    tomogram = Tomogram(
        series_uid=series.uid,
        alignment_uid=alignment.uid,
        path=f"{name}.mrc",
        size_xyz=(400, 400, 150),
        pixel_size_angstrom=10.0,
        window_low=-1.0,
        window_high=1.0,
    )
    return [series, alignment, tomogram]


@pytest.fixture(scope="module")
def scene() -> Scene:
    particles = ParticleSet(name="ribosome", diameter_angstrom=250.0)
    chance = np.random.default_rng(0)
    records: list[AnyRecord] = [particles]
    tables = []
    for number, name in enumerate(("one", "two")):
        found = series_of(name)
        records += found
        positions = chance.uniform(-0.5, 0.5, (N, 3)) * np.array([3900.0, 3900.0, 900.0])
        if number == 1:
            steps = chance.normal(size=(N // 2, 3))
            steps *= 260 / np.linalg.norm(steps, axis=1, keepdims=True)
            positions[N // 2 :] = positions[: N // 2] + steps
        turns = Rotation.random(N, random_state=number).as_matrix()
        tables.append(
            ParticleTable.of(
                found[2].uid,
                positions,
                set_uid=particles.uid,
                angles_deg=angles_of_matrices(turns),
                scores=np.linspace(0, 1, N),
            )
        )
    return Scene(records, ParticleTable.joined(tables))


@pytest.fixture
def analyse(scene: Scene, stage_runner: ModuleType, tmp_path: Path) -> Any:
    def run(  # type: ignore[no-untyped-def]
        table: ParticleTable | None = None, records: list[AnyRecord] | None = None, **choices: Any
    ):
        task = stage_runner.RecordingTask(tmp_path, "sample", threads=1)
        chosen = scene.records if records is None else records
        found = scene.table if table is None else table
        return stage_runner.run_stage("analyse", task, chosen, choices, found), task

    return run


def test_what_is_found_is_told_and_written(scene: Scene, analyse: Any) -> None:
    result, task = analyse()
    metrics = result.metrics
    assert metrics["particles"] == 2 * N
    assert metrics["tomograms"] == 2
    assert metrics["nearest neighbour over chance"] < 0.98
    assert metrics["pairs peak at, A"] == pytest.approx(260.0, abs=30.0)
    assert metrics["coverage efficiency"] > 0.9
    assert abs(metrics["order to the beam"]) < 0.2
    assert "chains" not in metrics
    assert "300 particles in 2 tomograms; neighbours at" in result.summary
    with np.load(task.artifacts["details"]) as details:
        assert details["pair_density"].shape == details["pair_distance"].shape
        assert details["view_map"].sum() == 2 * N
        assert details["cosine_counts"].sum() == 2 * N
        assert len(details["coverage_sampling"]) == len(details["coverage_directions"])
    with task.artifacts["particles"].open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * N
    by_uid = {row["particle"]: row for row in rows}
    for row in rows[:: N // 3]:
        other = by_uid[row["neighbour"]]
        assert other["tomogram"] == row["tomogram"]
        apart = [float(other[axis]) - float(row[axis]) for axis in "xyz"]
        assert np.linalg.norm(apart) == pytest.approx(float(row["distance"]), abs=0.1)
        assert row["chain"] == ""


def test_chains_are_followed_where_they_are_asked_for(scene: Scene, analyse: Any) -> None:
    plain, task = analyse(link_angstrom=261.0)
    assert plain.metrics["longest chain"] >= 2
    assert plain.metrics["share in chains"] > 0.3
    assert "chains up to" in plain.summary
    with np.load(task.artifacts["details"]) as details:
        assert details["chain_sizes"].sum() == plain.metrics["share in chains"] * 2 * N
    directed, _ = analyse(
        link_angstrom=60.0, exit_xyz=(60, 80, 0), entry_xyz=("-70", "60", "20"), near_angstrom=300
    )
    # They are turned by chance: there are about as many links as chance makes.
    assert abs(directed.metrics["links"] - directed.metrics["links by chance"]) < 12


def test_positions_alone_will_do(scene: Scene, analyse: Any) -> None:
    blind = replace(scene.table, angles_deg=np.full((2 * N, 3), np.nan))
    result, task = analyse(blind)
    assert "coverage efficiency" not in result.metrics
    assert "coverage" not in result.summary
    with np.load(task.artifacts["details"]) as details:
        assert "view_map" not in details.files


def test_particles_are_chosen(scene: Scene, analyse: Any) -> None:
    decisions = scene.table.decisions.copy()
    decisions[:N] = "rejected"
    rejected = replace(scene.table, decisions=decisions)
    assert analyse(rejected)[0].metrics["particles"] == N
    assert analyse(rejected, decisions="all", min_score=0.5)[0].metrics["particles"] == N
    few = scene.table.select([3])
    alone, _ = analyse(few)
    assert alone.summary.startswith("1 particles in 1 tomograms")
    assert "nearest neighbour, A" not in alone.metrics


def test_bad_input_ends_in_one_clear_message(scene: Scene, analyse: Any) -> None:
    with pytest.raises(StageError, match=r"(?s)no particle of ribosome.*300 lie in others"):
        analyse(replace(scene.table, tomogram_uids=np.full(2 * N, "old", dtype="U16")))
    with pytest.raises(StageError, match="take three numbers each, and both"):
        analyse(exit_xyz=(1, 2, 3), link_angstrom=50)
    with pytest.raises(StageError, match="Say link_angstrom"):
        analyse(exit_xyz=(1, 2, 3), entry_xyz=(1, 2, 3))
    unknown = ParticleSet(name="blob")
    with pytest.raises(StageError, match=r"(?s)diameter of blob is not known.*--diameter"):
        analyse(records=[unknown, *scene.records[1:]])
    with pytest.raises(StageError, match=r"(?s)several particle sets: ribosome, blob"):
        analyse(records=[*scene.records, unknown])
    lost = [one for one in scene.records if not isinstance(one, Alignment)]
    with pytest.raises(StageError, match=r"(?s)alignment that one.mrc was made with is not there"):
        analyse(records=lost)
