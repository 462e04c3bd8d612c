"""A small series of particles whose head turns on their body, and the landscape of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.heterogeneity_structures import write_atoms
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.geometry.poses import angles_of_matrices
from tomotui.records import AnyRecord, ParticleSet, Tomogram
from tomotui.records.particle_table import ParticleTable
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation

Array = NDArray[np.float64]

PIXEL_ANGSTROM = 12.0
DIAMETER_ANGSTROM = 220.0
ANGLES_DEG = (-16.0, -8.0, 0.0, 8.0, 16.0)
PIVOT = np.array([0.0, 0.0, 25.0])


@dataclass(frozen=True)
class Hinged:
    """A series with particles whose poses and angles are known.

    Attributes
    ----------
    records
        The particle set first.
    table
        The particles, as they lie.
    angles_deg
        By which the head of each is turned about x, ``[n]``.
    """

    records: list[AnyRecord]
    table: ParticleTable
    angles_deg: Array

    def truth_of(self, uids: NDArray[np.str_]) -> Array:
        """Return the angles of particles by their identities."""
        row_of = {uid: row for row, uid in enumerate(self.table.uids.tolist())}
        return self.angles_deg[[row_of[uid] for uid in uids.tolist()]]


def _ball(chance: np.random.Generator, middle: Array, radius: float, n: int) -> Array:
    places = chance.normal(size=(n, 3))
    places *= radius * chance.random((n, 1)) ** (1 / 3) / np.linalg.norm(places, axis=1)[:, None]
    return places + middle


def atoms_at(angle_deg: float) -> Array:
    """Return places of heavy atoms about the particle's middle, Angstrom, ``[n, 3]``."""
    chance = np.random.default_rng(6)
    body = [_ball(chance, np.array([0, 0, -40.0]), 60.0, 1500)]
    body.append(_ball(chance, np.array([50.0, 20.0, -40.0]), 30.0, 300))
    head = [_ball(chance, np.array([0, 0, 70.0]), 35.0, 500)]
    head.append(_ball(chance, np.array([25.0, 0, 80.0]), 20.0, 200))
    turn = rotations_of_vectors(np.deg2rad([[angle_deg, 0.0, 0.0]]))[0]
    turned = (np.concatenate(head) - PIVOT) @ turn.T + PIVOT
    return np.concatenate([*body, turned])


def make_hinged(folder: Path) -> Hinged:
    """Simulate a series of such particles.

    The simulator centres every conformer: where its own middle lies is taken back from places.
    """
    conformers = []
    for number, angle in enumerate(ANGLES_DEG):
        conformers.append(folder / f"kind{number}.pdb")
        write_atoms(conformers[-1], atoms_at(angle))
    simulation = simulate_tilt_series(
        SimulationParameters(
            name="hinged",
            seed=2,
            size_px=220,
            pixel_size_angstrom=PIXEL_ANGSTROM,
            thickness_angstrom=800.0,
            tilt_step_deg=8.0,
            dose_e_per_a2=8.0,
            shift_min_angstrom=0.0,
            n_particles=40,
            species=tuple(f"{path}:1" for path in conformers),
            n_vesicles=0,
            truth_binning=0,
        )
    )
    stack = write_simulation(simulation, folder)[0]
    series = simulation.series.replace(stack_path=str(stack))
    whole = ParticleSet(name="hinged", diameter_angstrom=DIAMETER_ANGSTROM)
    tomogram = Tomogram(
        series_uid=series.uid,
        alignment_uid=simulation.alignment.uid,
        ctf_uid=simulation.ctf.uid,
        path="none.mrc",
        size_xyz=(110, 110, 34),
        pixel_size_angstrom=2 * PIXEL_ANGSTROM,
        window_low=0.0,
        window_high=1.0,
    )
    mine: list[Any] = [one for one in simulation.specimen.particles if one.in_field]
    kinds = np.array([one.species for one in mine])
    rotations = np.array([one.rotation for one in mine])
    middles = np.array([atoms_at(angle).mean(axis=0) for angle in ANGLES_DEG])
    at = np.array([one.position_angstrom for one in mine])
    table = ParticleTable.of(
        tomogram.uid,
        at - np.einsum("nij,nj->ni", rotations, middles[kinds]),
        set_uid=whole.uid,
        angles_deg=angles_of_matrices(rotations),
    )
    # Dealt out here, so that tests come to the same every time.
    table = replace(table, halves=np.arange(len(table)) % 2)
    records: list[AnyRecord] = [whole, series, simulation.alignment, simulation.ctf, tomogram]
    return Hinged(records, table, np.array(ANGLES_DEG)[kinds])
