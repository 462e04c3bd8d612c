"""Series of one kind of particle with known poses, as averaging is measured on.

Five series of 512 x 512 x 41 tilts at 3 e/A^2, 60 particles each, small proteins between them:
70S ribosomes (4V5D) at 5 A/px, or apoferritin (6Z6U) at 3 A/px. Alignment and CTF are the true
ones unless errors are planted; picks are the true places with an error of 6 A along each axis,
and nobody tells the program any orientation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.refine.maps import turned
from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations
from tomotui.records import RECORD, Alignment, AnyRecord, ParticleSet, Tomogram
from tomotui.records.particle_table import ParticleTable
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation
from tomotui.simulate.structures import template

Array = NDArray[np.float64]
STRUCTURES = Path(__file__).parents[3] / "shared" / "data" / "structures"
PICKING_ERROR_ANGSTROM = 6.0


class Kind(NamedTuple):
    """A kind of particle and how it is imaged."""

    file: str
    diameter_angstrom: float
    symmetry: str
    mass_kda: float
    parameters: dict[str, Any]


KINDS = {
    "ribosome": Kind(
        "4v5d_ribosome70s.cif.gz",
        270.0,
        "C1",
        2300.0,
        {"pixel_size_angstrom": 5.0, "thickness_angstrom": 1300.0},
    ),
    "apoferritin": Kind(
        "6z6u_apoferritin.pdb.gz",
        130.0,
        "O",
        480.0,
        {
            "pixel_size_angstrom": 3.0,
            "thickness_angstrom": 700.0,
            "defocus_angstrom": 25_000.0,
        },
    ),
}


@dataclass
class Sample:
    """Series with particles.

    Attributes
    ----------
    records
        Of all series, with the particle set.
    table
        Picks.
    rotations, positions_angstrom
        True poses, in the order of the picks: ``[n, 3, 3]`` and ``[n, 3]``.
    """

    kind: Kind
    records: list[AnyRecord]
    table: ParticleTable
    rotations: Array
    positions_angstrom: Array
    true_alignments: list[Alignment] = field(default_factory=list)

    @property
    def pixel_size_angstrom(self) -> float:
        return float(self.kind.parameters["pixel_size_angstrom"])


def make_series(kind: str, seed: int, number: int, folder: Path, **more: Any) -> Path:
    """Simulate one series, or take it from where it was made before."""
    name = f"{kind}-{seed}-{number}" + "".join(f"-{key}{value}" for key, value in more.items())
    place = folder / name
    kept = place / "records.json"
    if not kept.exists():
        what = KINDS[kind]
        simulation = simulate_tilt_series(
            SimulationParameters(
                name=name,
                seed=1000 * seed + number,
                size_px=512,
                species=(str(STRUCTURES / what.file),),
                n_particles=60,
                n_vesicles=0,
                crowding=0.08,
                axis_deg=4.0 + number,
                shift_min_angstrom=0.0,
                truth_binning=0,
                **{**what.parameters, **more},
            )
        )
        stack = write_simulation(simulation, place)[0]
        series = simulation.series.replace(stack_path=str(stack))
        records = [series, simulation.alignment, simulation.ctf]
        kept.write_text(json.dumps([one.model_dump(mode="json") for one in records]))
    return place


def read_sample(kind: str, places: list[Path], seed: int, misaligned_angstrom: float = 0) -> Sample:
    """Read series, pick their particles with some error, and plant errors of alignment."""
    chance = np.random.default_rng([seed, 3])
    what = KINDS[kind]
    whole = ParticleSet(
        name=kind, species=kind, diameter_angstrom=what.diameter_angstrom, symmetry=what.symmetry
    )
    sample = Sample(what, [whole], ParticleTable.of("", np.zeros((0, 3))), np.zeros(0), np.zeros(0))
    tables, rotations, positions = [], [], []
    for place in places:
        kept = json.loads((place / "records.json").read_text())
        series, alignment, ctf = (RECORD.validate_python(one) for one in kept)
        sample.true_alignments.append(alignment)
        if misaligned_angstrom:
            alignment = _misaligned(alignment, misaligned_angstrom, chance)
        tomogram = Tomogram(
            series_uid=series.uid,
            alignment_uid=alignment.uid,
            ctf_uid=ctf.uid,
            path="none.mrc",
            size_xyz=(256, 256, 128),
            pixel_size_angstrom=2 * series.pixel_size_angstrom,
            window_low=0.0,
            window_high=1.0,
        )
        sample.records += [series, alignment, ctf, tomogram]
        told = json.loads((place / "truth.json").read_text())["particles"]
        mine = [one for one in told if one["in_field"]]
        where = np.array([one["position_angstrom"] for one in mine])
        picked = where + chance.normal(0, PICKING_ERROR_ANGSTROM, where.shape)
        tables.append(ParticleTable.of(tomogram.uid, picked, set_uid=whole.uid))
        rotations.append(np.array([one["rotation"] for one in mine]))
        positions.append(where)
    sample.table = ParticleTable.joined(tables)
    sample.rotations, sample.positions_angstrom = (
        np.concatenate(rotations),
        np.concatenate(positions),
    )
    return sample


def _misaligned(alignment: Alignment, rms: float, chance: np.random.Generator) -> Alignment:
    moved = chance.normal(0, rms / 2**0.5, (len(alignment.tilts), 2))
    tilts = tuple(
        tilt.replace(
            shift_x_angstrom=tilt.shift_x_angstrom + float(x),
            shift_y_angstrom=tilt.shift_y_angstrom + float(y),
        )
        for tilt, (x, y) in zip(alignment.tilts, moved, strict=True)
    )
    return alignment.replace(tilts=tilts)


class Gauge(NamedTuple):
    """How the reference of refined poses lies in that of the true ones: ``x_true = G x + d``."""

    rotation: Array
    offset_angstrom: Array


def gauge_of(
    rotations: Array, positions: Array, true_rotations: Array, true_positions: Array, symmetry: str
) -> tuple[Gauge, Array, Array]:
    """Find the frame of refined poses, and what is left of their errors in it.

    Returns
    -------
    The gauge, angles in degrees ``[n]`` and distances in Angstrom ``[n]``.
    """
    group = symmetry_rotations(symmetry)
    relative = true_rotations.transpose(0, 2, 1) @ rotations
    # Whose frame most others agree with, whatever the symmetry of either side.
    best, best_angles = relative[0], np.full(len(relative), 180.0)
    for candidate in relative[:60]:
        angles = symmetric_angle_deg(true_rotations @ candidate, rotations, group)
        if np.median(angles) < np.median(best_angles):
            best, best_angles = candidate, angles
    near = best_angles < 15
    if near.any():
        for _ in range(3):
            moved = true_rotations[near] @ best
            orbit = rotations[near][:, None] @ group
            traces = np.einsum("nij,nmij->nm", moved, orbit)
            chosen = orbit[np.arange(len(orbit)), traces.argmax(axis=1)]
            mean = (true_rotations[near].transpose(0, 2, 1) @ chosen).mean(axis=0)
            u, _, v = np.linalg.svd(mean)
            best = u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v
    angles = symmetric_angle_deg(true_rotations @ best, rotations, group)
    if symmetry != "C1":
        offset = np.zeros(3)
    else:
        shifts = np.einsum("nij,nj->ni", rotations.transpose(0, 2, 1), positions - true_positions)
        offset = best @ np.median(shifts[near if near.any() else slice(None)], axis=0)
    expected = true_positions + np.einsum("nij,j->ni", true_rotations, offset)
    return Gauge(best, offset), angles, np.linalg.norm(positions - expected, axis=1)


def true_map(kind: Kind, pixel_size_angstrom: float, box: int, gauge: Gauge) -> Tensor:
    """Return the structure as it lies in the refined poses' frame, ``[n, n, n]``."""
    fine = template(str(STRUCTURES / kind.file), pixel_size_angstrom).potential_v
    n = fine.shape[0]
    side = max(box, n + n % 2)
    whole = torch.zeros(side, side, side)
    first = side // 2 - n // 2
    whole[first : first + n, first : first + n, first : first + n] = torch.from_numpy(fine)
    # The map holds m(x) = truth(G x + d).
    x, y, z = (gauge.offset_angstrom / pixel_size_angstrom).tolist()
    turn = torch.as_tensor(gauge.rotation.T, dtype=torch.float32)
    placed = turned(whole, turn[None], (x, y, z))
    cut = side // 2 - box // 2
    return placed[cut : cut + box, cut : cut + box, cut : cut + box]
