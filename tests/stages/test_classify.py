"""Classification of particles of a small series: who is of which class, maps, and bad input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.stages.conftest import PosedSample, Run, runner
from tomotui.formats.mrc import read_volume, write_volume
from tomotui.geometry.poses import angles_of_matrices
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.potential import sample
from tomotui.records import AnyRecord, Classification, Map, ParticleSet, Tomogram
from tomotui.records.particle_table import ParticleTable
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation
from tomotui.simulate.shapes import shape
from tomotui.stages.base import Cancelled, StageError, StageResult

KINDS = ("ribosome", "proteasome")
PIXEL_ANGSTROM, BOX = 12.0, 34
QUICK = {"box_px": 24, "box_angstrom": 330.0, "resolution_angstrom": 36.0, "runs": 1, "rounds": 10}


@dataclass(frozen=True)
class Mixed:
    """A series with particles of two kinds whose poses are known."""

    records: list[AnyRecord]
    table: ParticleTable
    labels: NDArray[np.int64]
    maps: list[str]


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    """Particles of which one in three is a proteasome, the others ribosomes."""
    folder = tmp_path_factory.mktemp("mixed")
    simulation = simulate_tilt_series(
        SimulationParameters(
            name="mixed",
            seed=4,
            size_px=200,
            pixel_size_angstrom=PIXEL_ANGSTROM,
            thickness_angstrom=800.0,
            tilt_step_deg=8.0,
            dose_e_per_a2=8.0,
            shift_min_angstrom=0.0,
            n_particles=26,
            species=(f"{KINDS[0]}:2", f"{KINDS[1]}:1"),
            n_vesicles=0,
            truth_binning=0,
        )
    )
    stack = write_simulation(simulation, folder)[0]
    series = simulation.series.replace(stack_path=str(stack))
    whole = ParticleSet(name="mixed", diameter_angstrom=270.0)
    tomogram = Tomogram(
        series_uid=series.uid,
        alignment_uid=simulation.alignment.uid,
        ctf_uid=simulation.ctf.uid,
        path="none.mrc",
        size_xyz=(100, 100, 34),
        pixel_size_angstrom=2 * PIXEL_ANGSTROM,
        window_low=0.0,
        window_high=1.0,
    )
    mine = [one for one in simulation.specimen.particles if one.in_field]
    table = ParticleTable.of(
        tomogram.uid,
        np.array([one.position_angstrom for one in mine]),
        set_uid=whole.uid,
        angles_deg=angles_of_matrices(np.array([one.rotation for one in mine])),
    )
    records = [whole, series, simulation.alignment, simulation.ctf, tomogram]
    labels = np.array([one.species for one in mine])
    return Mixed(records, table, labels, [_true_map(folder, kind) for kind in KINDS])


def _true_map(folder: Path, kind: str) -> str:
    made = sample(shape(kind), kind, PIXEL_ANGSTROM).potential_v
    n = made.shape[0]
    values = np.zeros((max(BOX, n + n % 2),) * 3, dtype=np.float32)
    first = len(values) // 2 - n // 2
    values[(slice(first, first + n),) * 3] = made
    cut = len(values) // 2 - BOX // 2
    path = folder / f"{kind}.mrc"
    write_volume(path, values[(slice(cut, cut + BOX),) * 3].copy(), PIXEL_ANGSTROM)
    return str(path)


@pytest.fixture(scope="session")
def classify(mixed: Mixed, stage_runner: ModuleType) -> Run:
    return runner(stage_runner, "classify", mixed.records, mixed.table, QUICK)


@pytest.fixture(scope="module")
def sorted_twice(
    classify: Run, tmp_path_factory: pytest.TempPathFactory
) -> tuple[StageResult, Any]:
    return classify(tmp_path_factory.mktemp("sorted"), runs=2)


def labels_of(mixed: Mixed, result: StageResult) -> NDArray[np.int64]:
    """Return the class of each pick, from 0."""
    (table,) = result.particles
    row_of = {uid: row for row, uid in enumerate(mixed.table.uids.tolist())}
    found = np.empty(len(table), dtype=np.int64)
    found[[row_of[uid] for uid in table.origins.tolist()]] = table.classes - 1
    return found


def maps_of(result: StageResult) -> dict[str, Map]:
    return {one.name: one for one in result.records if isinstance(one, Map)}


def classification_of(result: StageResult) -> Classification:
    return next(one for one in result.records if isinstance(one, Classification))


# What comes out


def test_two_kinds_are_told_apart_from_nothing(mixed: Mixed, sorted_twice: Any) -> None:
    result, _ = sorted_twice
    # The largest class is the first.
    assert (labels_of(mixed, result) == mixed.labels).mean() > 0.95
    assert result.metrics["reproducibility"] > 0.9
    assert result.metrics["gain"] > 1
    assert result.summary.startswith(f"{len(mixed.table)} particles: class 1 ")
    assert "runs agree by 1.00" in result.summary
    for doubt in ("not different", "not reproducible"):
        assert doubt not in result.summary


def test_records_tell_where_they_come_from(mixed: Mixed, sorted_twice: Any) -> None:
    result, _ = sorted_twice
    made = next(one for one in result.records if isinstance(one, ParticleSet))
    whole, found, maps = mixed.records[0], classification_of(result), maps_of(result)
    assert (made.name, made.parent_uid, made.made_by) == ("mixed classes", whole.uid, "class")
    assert set(maps) == {"mixed class 1", "mixed class 2"}
    assert found.map_uids == tuple(maps[f"mixed class {n}"].uid for n in (1, 2))
    assert (found.particle_set_uid, found.n_classes) == (made.uid, 2)
    assert found.reproducibility == result.metrics["reproducibility"]
    assert sum(found.populations) == pytest.approx(1)
    (table,) = result.particles
    assert set(table.set_uids) == {made.uid}
    assert sorted(table.origins) == sorted(mixed.table.uids)
    with np.load(found.path) as file:
        kept = dict(file)
    assert kept["uids"].tolist() == table.uids.tolist()
    assert kept["names"].tolist() == ["class 1", "class 2", "noise"]
    assert kept["probabilities"].shape == (len(table), 3)
    assert (kept["probabilities"].argmax(axis=1) + 1 == table.classes).all()
    assert kept["populations"].shape == (len(kept["changed"]), 3)
    assert kept["agreements"].shape == (2, 2)


def test_maps_are_those_of_the_kinds(mixed: Mixed, sorted_twice: Any) -> None:
    maps = maps_of(sorted_twice[0])
    for number, truth in enumerate(mixed.maps, start=1):
        record = maps[f"mixed class {number}"]
        values, pixel = read_volume(Path(record.unfiltered_path or ""))
        true, _ = read_volume(Path(truth))
        assert pixel == pytest.approx(PIXEL_ANGSTROM)
        middle = [slice((len(one) - 24) // 2, (len(one) + 24) // 2) for one in (values, true)]
        ours, theirs = (one[(cut,) * 3] for one, cut in zip((values, true), middle, strict=True))
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.7
        assert record.half_paths is not None
        assert record.particle_set_uid == classification_of(sorted_twice[0]).particle_set_uid


def test_how_it_goes_is_shown(sorted_twice: Any) -> None:
    _, task = sorted_twice
    assert len(task.metrics["changed"]) == len(task.metrics["class 1"]) >= 4
    assert task.artifacts["progress-map"].is_file()
    with np.load(task.artifacts["class-slices"]) as shown:
        n = shown["slices"].shape[-1]
        assert shown["slices"].shape == (2, n, n)
        assert len(shown["names"]) == len(shown["populations"]) == 3


def test_given_maps_keep_their_order_and_poses_are_refined(
    mixed: Mixed, classify: Run, tmp_path: Path
) -> None:
    moved = np.random.default_rng(2).normal(0, 5, (len(mixed.table), 3))
    table = replace(mixed.table, positions_angstrom=mixed.table.positions_angstrom + moved)
    result, _ = classify(
        tmp_path,
        table,
        reference=tuple(reversed(mixed.maps)),
        alignment="local",
        aligned_rounds=1,
    )
    assert (labels_of(mixed, result) == 1 - mixed.labels).mean() > 0.95
    (found,) = result.particles
    left = found.positions_angstrom - mixed.table.positions_angstrom
    assert np.median(np.linalg.norm(left, axis=1)) < 0.6 * np.median(np.linalg.norm(moved, axis=1))


def test_particles_all_alike_are_not_called_different(
    posed: PosedSample, stage_runner: ModuleType, tmp_path: Path
) -> None:
    table = replace(
        posed.table,
        angles_deg=angles_of_matrices(posed.rotations),
        positions_angstrom=posed.positions_angstrom,
    )
    task = stage_runner.RecordingTask(tmp_path, "all", threads=1)
    result = stage_runner.run_stage("classify", task, posed.records, QUICK, table)
    assert "the classes are not different beyond noise" in result.summary
    assert any("not different" in warning for warning in task.warnings)


def test_poses_stay_where_none_are_to_be_refined(mixed: Mixed, sorted_twice: Any) -> None:
    (table,) = sorted_twice[0].particles
    np.testing.assert_allclose(table.positions_angstrom, mixed.table.positions_angstrom)
    np.testing.assert_allclose(table.angles_deg, mixed.table.angles_deg, atol=1e-6)


def test_places_where_nothing_is_are_told(mixed: Mixed, classify: Run, tmp_path: Path) -> None:
    n = len(mixed.table)
    beside = mixed.table.positions_angstrom.copy()
    beside[n // 5 :, 2] += 2000.0
    result, task = classify(tmp_path, replace(mixed.table, positions_angstrom=beside))
    assert "most particles look like noise" in result.summary
    assert any("look like noise" in warning for warning in task.warnings)


# Going on


def test_what_was_stopped_goes_on(mixed: Mixed, classify: Run, tmp_path: Path) -> None:
    choices = {"alignment": "local", "aligned_rounds": 1, "reference": tuple(mixed.maps)}
    with pytest.raises(Cancelled):
        classify(tmp_path, cancel_at=0.5, **choices)
    assert (tmp_path / "checkpoint.pt").is_file()
    result, task = classify(tmp_path, **choices)
    assert not any("run 1" in message for message in task.messages)
    assert (labels_of(mixed, result) == mixed.labels).mean() > 0.95


# What may be wrong


def test_particles_without_orientation_are_refused(
    mixed: Mixed, classify: Run, tmp_path: Path
) -> None:
    table = replace(mixed.table, angles_deg=np.full_like(mixed.table.angles_deg, np.nan))
    with pytest.raises(StageError, match=r"mixed has an orientation.*alignment=full"):
        classify(tmp_path, table)
    with pytest.raises(StageError, match="there is no map of these particles"):
        classify(tmp_path, table, alignment="full")


def test_maps_that_differ_in_size_are_refused(mixed: Mixed, classify: Run, tmp_path: Path) -> None:
    values, pixel = read_volume(Path(mixed.maps[0]))
    write_volume(tmp_path / "small.mrc", values[2:-2, 2:-2, 2:-2].copy(), pixel)
    write_volume(tmp_path / "fine.mrc", values, 0.5 * pixel)
    for name in ("small.mrc", "fine.mrc"):
        with pytest.raises(StageError, match=r"the maps to begin with differ: ribosome has 34"):
            classify(tmp_path, reference=(mixed.maps[0], str(tmp_path / name)))
    with pytest.raises(StageError, match="one map"):
        classify(tmp_path, reference=(mixed.maps[0],))
    with pytest.raises(StageError, match=r"nowhere\.mrc is not there"):
        classify(tmp_path, reference=(mixed.maps[0], "nowhere.mrc"))


def test_masks_that_hold_nothing_are_refused(classify: Run, tmp_path: Path) -> None:
    far = soft_ball(64, 3.0, 1.0).roll(24, dims=0).numpy()
    write_volume(tmp_path / "far.mrc", far, PIXEL_ANGSTROM)
    with pytest.raises(StageError, match="holds nothing of the particle"):
        classify(tmp_path, focus="far.mrc")
    write_volume(tmp_path / "flat.mrc", np.ones((8, 16, 16), dtype=np.float32), PIXEL_ANGSTROM)
    with pytest.raises(StageError, match="is no mask"):
        classify(tmp_path, focus="flat.mrc")


def test_too_few_particles_are_refused(mixed: Mixed, classify: Run, tmp_path: Path) -> None:
    few = mixed.table.select(range(6))
    with pytest.raises(StageError, match="4 classes are too many for 6 particles"):
        classify(tmp_path, few, classes=4)
    with pytest.raises(StageError, match="at least 4 are needed"):
        classify(tmp_path, mixed.table.select(range(3)))
    with pytest.raises(StageError, match="C1z"):
        classify(tmp_path, few, symmetry="C1z")
