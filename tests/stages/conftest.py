"""Two small series of ribosomes whose poses are known, as averaging works on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tomotui.formats.mrc import write_volume
from tomotui.imaging.potential import sample
from tomotui.records import Alignment, AnyRecord, Ctf, ParticleSet, TiltSeries, Tomogram
from tomotui.records.particle_table import ParticleTable
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation
from tomotui.simulate.shapes import shape

Array = NDArray[np.float64]

PIXEL_ANGSTROM, BOX = 12.0, 32
DIAMETER_ANGSTROM = 270.0


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


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small tensors are worked on faster by one thread than by several that share cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
