"""Two small series of ribosomes whose poses are known, as averaging works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.benchmarks.heterogeneity_structures import write_atoms
from tests.stages.hinged import Hinged, atoms_at, make_hinged
from tomotui.formats.mrc import write_volume
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.geometry.poses import angles_of_matrices, matrices_of_angles
from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations
from tomotui.imaging.potential import sample
from tomotui.records import Alignment, AnyRecord, Ctf, Map, ParticleSet, TiltSeries, Tomogram
from tomotui.records.particle_table import ParticleTable
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation
from tomotui.simulate.shapes import shape
from tomotui.stages.base import StageResult

Array = NDArray[np.float64]
Run = Callable[..., Any]

PIXEL_ANGSTROM, BOX = 12.0, 32
MISALIGNED_ANGSTROM = 6.0
DIAMETER_ANGSTROM = 270.0
QUICK_LANDSCAPE = {"coordinates": 2, "box_px": 24, "epochs": 1, "gaussians": 60, "anchors": 8}


def runner(
    stage_runner: ModuleType,
    stage: str,
    own_records: list[AnyRecord],
    own_table: ParticleTable,
    defaults: dict[str, Any],
) -> Run:
    """Return what runs a stage of particles in a folder, on its own sample when none is given."""

    def run(
        folder: Path,
        table: ParticleTable | None = None,
        records: list[AnyRecord] | None = None,
        cancel_at: float | None = None,
        **choices: Any,
    ) -> tuple[StageResult, Any]:
        task = stage_runner.RecordingTask(folder, "all", threads=1, cancel_at=cancel_at)
        result = stage_runner.run_stage(
            stage,
            task,
            own_records if records is None else records,
            {**defaults, **choices},
            own_table if table is None else table,
        )
        return result, task

    return run


@dataclass(frozen=True)
class PosedSample:
    """Series with particles of known poses.

    Attributes
    ----------
    records
        Of all series, the particle set first.
    table
        Picks: one pixel from the truth, without orientations.
    rotations, positions_angstrom
        The truth, in the order of the picks.
    reference
        File of the true map.
    """

    folder: Path
    records: list[AnyRecord]
    table: ParticleTable
    rotations: Array
    positions_angstrom: Array
    reference: Path

    def all(self, kind: str) -> list[Any]:
        return [record for record in self.records if record.kind == kind]

    def replaced(self, *others: AnyRecord) -> list[AnyRecord]:
        """Return the records, some of them as others of the same identity."""
        by_uid = {one.uid: one for one in others}
        return [by_uid.get(one.uid, one) for one in self.records]

    def rows_of(self, table: ParticleTable) -> NDArray[np.intp]:
        """Return from which picks particles came."""
        row_of = {uid: row for row, uid in enumerate(self.table.uids.tolist())}
        return np.array([row_of[uid] for uid in table.origins.tolist()])


def _series(name: str, seed: int, folder: Path) -> tuple[TiltSeries, Alignment, Ctf, Array, Array]:
    simulation = simulate_tilt_series(
        SimulationParameters(
            name=name,
            seed=seed,
            size_px=144,
            pixel_size_angstrom=PIXEL_ANGSTROM,
            thickness_angstrom=800.0,
            tilt_step_deg=6.0,
            dose_e_per_a2=6.0,
            axis_deg=30.0 + seed,
            shift_min_angstrom=0.0,
            shift_max_angstrom=20.0,
            n_particles=12,
            species=("ribosome",),
            n_vesicles=0,
            truth_binning=0,
        )
    )
    stack = write_simulation(simulation, folder)[0]
    mine = [one for one in simulation.specimen.particles if one.in_field]
    return (
        simulation.series.replace(stack_path=str(stack)),
        simulation.alignment,
        simulation.ctf,
        np.array([one.rotation for one in mine]),
        np.array([one.position_angstrom for one in mine]),
    )


@pytest.fixture(scope="session")
def posed(tmp_path_factory: pytest.TempPathFactory) -> PosedSample:
    """Two series of 144 px with 12 ribosomes each."""
    folder = tmp_path_factory.mktemp("posed")
    chance = np.random.default_rng(3)
    whole = ParticleSet(name="ribosome", diameter_angstrom=DIAMETER_ANGSTROM)
    records: list[AnyRecord] = [whole]
    tables, rotations, positions = [], [], []
    for seed, name in enumerate(("one", "two"), start=1):
        series, alignment, ctf, turned, at = _series(name, seed, folder)
        tomogram = Tomogram(
            series_uid=series.uid,
            alignment_uid=alignment.uid,
            ctf_uid=ctf.uid,
            path="none.mrc",
            size_xyz=(72, 72, 34),
            pixel_size_angstrom=2 * PIXEL_ANGSTROM,
            window_low=0.0,
            window_high=1.0,
        )
        records += [series, alignment, ctf, tomogram]
        errors = chance.normal(size=at.shape)
        errors *= PIXEL_ANGSTROM / np.linalg.norm(errors, axis=1, keepdims=True)
        tables.append(ParticleTable.of(tomogram.uid, at + errors, set_uid=whole.uid))
        rotations.append(turned)
        positions.append(at)
    return PosedSample(
        folder,
        records,
        ParticleTable.joined(tables),
        np.concatenate(rotations),
        np.concatenate(positions),
        _true_map(folder / "true.mrc"),
    )


def _true_map(path: Path) -> Path:
    made = sample(shape("ribosome"), "ribosome", PIXEL_ANGSTROM).potential_v
    n = made.shape[0]
    values = np.zeros((max(BOX, n + n % 2),) * 3, dtype=np.float32)
    first = len(values) // 2 - n // 2
    values[(slice(first, first + n),) * 3] = made
    cut = len(values) // 2 - BOX // 2
    write_volume(path, values[(slice(cut, cut + BOX),) * 3], PIXEL_ANGSTROM)
    return path


@pytest.fixture(scope="session")
def near(posed: PosedSample) -> ParticleTable:
    """The picks, with orientations that are wrong by five degrees."""
    chance = np.random.default_rng(5)
    vectors = chance.normal(size=(len(posed.table), 3))
    vectors *= np.deg2rad(5.0) / np.linalg.norm(vectors, axis=1, keepdims=True)
    turned = rotations_of_vectors(vectors) @ posed.rotations
    return replace(posed.table, angles_deg=angles_of_matrices(turned))


@pytest.fixture(scope="session")
def refine(posed: PosedSample, near: ParticleTable, stage_runner: ModuleType) -> Run:
    defaults = {"reference": str(posed.reference), "iterations": "p"}
    return runner(stage_runner, "refine", posed.records, near, defaults)


class Errors(NamedTuple):
    """How far poses are from the truth: turns in degrees, and Angstrom, ``[n]``."""

    turn_deg: np.ndarray
    angstrom: np.ndarray


def errors_of(sample: PosedSample, table: ParticleTable) -> Errors:
    rows = sample.rows_of(table)
    turns = symmetric_angle_deg(
        sample.rotations[rows], matrices_of_angles(table.angles_deg), symmetry_rotations("C1")
    )
    way = table.positions_angstrom - sample.positions_angstrom[rows]
    return Errors(turns, np.linalg.norm(way, axis=1))


def map_of(result: StageResult) -> Map:
    return next(one for one in result.records if isinstance(one, Map))


def refined_set(result: StageResult) -> ParticleSet:
    return next(one for one in result.records if isinstance(one, ParticleSet))


def alignments(result: StageResult) -> list[Alignment]:
    return [one for one in result.records if isinstance(one, Alignment)]


def by_kind(records: list[AnyRecord]) -> dict[str, list[AnyRecord]]:
    found: dict[str, list[AnyRecord]] = {}
    for one in records:
        found.setdefault(one.kind, []).append(one)
    return found


class Polished(NamedTuple):
    """A refinement of poses and tilts from alignments with errors."""

    result: StageResult
    task: Any
    records: list[AnyRecord]
    errors_angstrom: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def polished(posed: PosedSample, refine: Run, tmp_path_factory: pytest.TempPathFactory) -> Polished:
    chance = np.random.default_rng(9)
    wrong, errors = [], {}
    for one in posed.all("alignment"):
        shifts = chance.normal(0, MISALIGNED_ANGSTROM / 2**0.5, (len(one.tilts), 2))
        # What all tilts share is where the specimen lies, and no error.
        shifts -= shifts.mean(axis=0)
        errors[one.series_uid] = shifts
        tilts = [
            tilt.replace(
                shift_x_angstrom=tilt.shift_x_angstrom + x,
                shift_y_angstrom=tilt.shift_y_angstrom + y,
            )
            for tilt, (x, y) in zip(one.tilts, shifts.tolist(), strict=True)
        ]
        wrong.append(one.replace(tilts=tuple(tilts)))
    records = posed.replaced(*wrong)
    folder = tmp_path_factory.mktemp("polished")
    result, task = refine(folder, records=records, iterations="p2,t,p,t,d,p")
    return Polished(result, task, records, errors)


@pytest.fixture(scope="session")
def hinged(tmp_path_factory: pytest.TempPathFactory) -> Hinged:
    """A series of particles whose head turns on their body."""
    return make_hinged(tmp_path_factory.mktemp("hinged"))


@pytest.fixture(scope="session")
def landscape(hinged: Hinged, stage_runner: ModuleType) -> Run:
    return runner(stage_runner, "landscape", hinged.records, hinged.table, QUICK_LANDSCAPE)


@pytest.fixture(scope="session")
def learnt(landscape: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[StageResult, Any]:
    """The landscape of the hinge, along which a model moves that was fitted to a larger map."""
    folder = tmp_path_factory.mktemp("learnt")
    write_volume(folder / "fitted.mrc", np.zeros((40,) * 3, dtype=np.float32), PIXEL_ANGSTROM)
    write_atoms(folder / "fitted.pdb", atoms_at(0.0) + 20 * PIXEL_ANGSTROM)
    return landscape(folder, model="fitted.pdb", reference=str(folder / "fitted.mrc"))
