"""First maps of two small series, from no reference and no orientations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.averaging_scenes import gauge_of
from tests.stages.conftest import PosedSample, Run, runner
from tomotui.formats.mrc import read_volume
from tomotui.geometry.poses import angles_of_matrices, matrices_of_angles
from tomotui.records import Map
from tomotui.stages.base import Cancelled, StageError, StageResult

COARSE = {"resolution_angstrom": 60.0, "steps": 32}
HASTY = {"resolution_angstrom": 80.0, "steps": 6}


@pytest.fixture(scope="module")
def first(posed: PosedSample, stage_runner: ModuleType) -> Run:
    return runner(stage_runner, "initial-model", posed.records, posed.table, COARSE)


@pytest.fixture(scope="module")
def made(first: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[StageResult, Any]:
    return first(tmp_path_factory.mktemp("first"))


def test_a_first_map_brings_all_particles_to_one_frame(
    posed: PosedSample, refine: Run, made: tuple[StageResult, Any], tmp_path: Path
) -> None:
    (record,) = made[0].records
    result, _ = refine(
        tmp_path,
        posed.table,
        reference=record.path,
        iterations="P,p",
        first_resolution_angstrom=60.0,
    )
    (table,) = result.particles
    rows = posed.rows_of(table)
    _, turns, distances = gauge_of(
        matrices_of_angles(table.angles_deg),
        table.positions_angstrom,
        posed.rotations[rows],
        posed.positions_angstrom[rows],
        "C1",
    )
    assert np.median(turns) < 2.0
    assert np.mean(turns < 10.0) > 0.9
    assert np.median(distances) < 5.0


def test_the_map_and_its_course_are_told(posed: PosedSample, made: tuple[StageResult, Any]) -> None:
    result, task = made
    (record,) = result.records
    assert isinstance(record, Map)
    assert (record.name, record.symmetry) == ("ribosome-initial", "C1")
    assert (record.made_by, record.n_particles) == ("initial-model", 24)
    assert record.particle_set_uid == posed.records[0].uid
    values, pixel = read_volume(Path(record.path))
    assert values.shape == record.size_xyz[::-1]
    assert pixel == pytest.approx(record.pixel_size_angstrom)
    # Bright protein in the middle, nothing around.
    middle = values.shape[0] // 2
    assert values[(slice(middle - 2, middle + 2),) * 3].mean() > 3 * values.std() > 0
    assert abs(values[0].mean()) < 0.02 * values.max()
    assert not result.particles
    assert task.metrics["resolution"][0] > task.metrics["resolution"][-1]
    assert task.metrics["change"][-1] < task.metrics["change"][0]
    assert read_volume(task.artifacts["progress-map"])[0].shape == values.shape


def test_it_stops_by_itself(made: tuple[StageResult, Any]) -> None:
    result, task = made
    assert result.metrics["steps"] < COARSE["steps"]
    assert max(task.metrics["change"][-5:]) < 2e-3
    assert f"after {result.metrics['steps']:.0f} steps" in result.summary
    assert not any("still changed" in message for message in task.messages)


def test_a_seed_says_what_is_made(first: Run, tmp_path: Path) -> None:
    found = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        result, _ = first(tmp_path / name, seed=seed, **HASTY)
        found[name] = read_volume(Path(result.records[0].path))[0]
    np.testing.assert_array_equal(found["a"], found["b"])
    assert not np.allclose(found["a"], found["c"])


def test_several_maps_share_the_particles(first: Run, tmp_path: Path) -> None:
    result, _ = first(tmp_path, n_maps=3, name="first", **HASTY)
    assert [one.name for one in result.records] == ["first-3", "first-2", "first-1"]
    # The newest is what refine begins with: the map of most particles.
    n_particles = [one.n_particles for one in result.records]
    assert n_particles == sorted(n_particles)
    assert sum(n_particles) == pytest.approx(24, abs=1)
    assert result.summary.startswith("3 maps (")
    for one in result.records:
        assert np.isfinite(read_volume(Path(one.path))[0]).all()


def test_directions_hold_the_map_upright(
    posed: PosedSample, refine: Run, first: Run, tmp_path: Path
) -> None:
    """With a narrow cone, the particles' z axes are those of the map, whatever it looks like."""
    angles = angles_of_matrices(posed.rotations)
    angles[:, 0] = np.nan
    table = replace(posed.table, angles_deg=angles)
    result, _ = first(tmp_path / "first", table, cone_deg=15.0, **{**HASTY, "steps": 10})
    choices = {"iterations": "P,p", "first_resolution_angstrom": 80.0}
    found, _ = refine(tmp_path, posed.table, reference=result.records[0].path, **choices)
    (made,) = found.particles
    z_made = matrices_of_angles(made.angles_deg)[:, :, 2]
    along = (z_made * posed.rotations[posed.rows_of(made)][:, :, 2]).sum(axis=1)
    assert np.median(along) > np.cos(np.deg2rad(30.0))


def test_no_more_particles_than_wanted_are_used(first: Run, tmp_path: Path) -> None:
    result, task = first(tmp_path, most_particles=10, **HASTY)
    assert any("10 of 24 particles are used" in message for message in task.messages)
    assert result.records[0].n_particles == 10


def test_it_can_be_cancelled(first: Run, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        first(tmp_path, cancel_at=0.3, **HASTY)
    assert not list(tmp_path.glob("ribosome*"))


def test_bad_input_ends_in_one_clear_message(
    posed: PosedSample, first: Run, tmp_path: Path
) -> None:
    whole = posed.records[0]
    series = posed.all("tilt_series")[0]
    unknown = posed.replaced(whole.replace(diameter_angstrom=None))
    gone = posed.replaced(series.replace(stack_path=str(tmp_path / "moved.mrc")))
    cases: list[tuple[dict[str, Any], str]] = [
        ({"symmetry": "Q7"}, "Q7.*or find"),
        ({"records": unknown}, "diameter of ribosome is not known.*diameter_angstrom="),
        ({"table": posed.table.select([0, 5, 20])}, "has 3 particles.*at least 4"),
        ({"records": posed.records[1:]}, "particle set"),
        ({"records": gone}, "moved.mrc"),
        ({"min_score": 0.5}, "has 0 particles"),
        ({"decisions": "accepted"}, "has 0 particles"),
    ]
    for choices, words in cases:
        with pytest.raises(StageError, match=f"(?s){words}"):
            first(tmp_path / "task", **choices)
