"""Crowded scenes of three species with known places, as picking is measured on.

Two tomograms of 256 x 256 x 128 voxels of 10 A a sample: 41 tilts of 3 e/A^2, true alignment and
CTF, 12 % of the ice taken by small proteins, vesicles, and copies of the 70S ribosome (4V5D), the
20S proteasome (3J9I) and RuBisCO (1BXN) from atoms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from stage_runner import RecordingTask, run_stage

from tomotui.records import RECORD, AnyRecord, Tomogram
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation

Array = NDArray[np.float64]
STRUCTURES = Path(__file__).parents[3] / "shared" / "data" / "structures"
SPECIES = {
    "ribosome": "4v5d_ribosome70s.cif.gz",
    "proteasome": "3j9i_proteasome20s.pdb.gz",
    "rubisco": "1bxn_rubisco.pdb.gz",
}
DIAMETER_ANGSTROM = {"ribosome": 260.0, "proteasome": 140.0, "rubisco": 120.0}
SHARES = {"ribosome": 20, "proteasome": 30, "rubisco": 40}
PER_SAMPLE = 2
THICKNESS_ANGSTROM = 1280


@dataclass(frozen=True)
class Scene:
    """One tomogram, the records it was made with, and where the particles are.

    Attributes
    ----------
    records
        Series, alignment, CTF and tomogram.
    positions_angstrom
        By species ``[n, 3]``, (x, y, z) from the tomogram's centre, of those inside it.
    rotations
        By species ``[n, 3, 3]``: ``x_tomogram = R x_reference + t``.
    """

    records: list[AnyRecord]
    positions_angstrom: dict[str, Array]
    rotations: dict[str, Array]

    @property
    def tomogram(self) -> Tomogram:
        return next(one for one in self.records if isinstance(one, Tomogram))


def make_scene(
    seed: int, number: int, folder: Path, shares: Mapping[str, int] | None = None
) -> Scene:
    """Simulate and reconstruct one tomogram, or take it from where it was made before.

    Parameters
    ----------
    shares
        Copies of each species, where they are not the usual ones.
    """
    name = f"s{seed}t{number}"
    if shares is not None:
        name += "".join(f"-{species}{n}" for species, n in shares.items())
    shares = SHARES if shares is None else shares
    place = folder / name
    kept = place / "records.json"
    if not kept.exists():
        simulation = simulate_tilt_series(
            SimulationParameters(
                name=name,
                seed=1000 * seed + number,
                size_px=512,
                pixel_size_angstrom=5.0,
                thickness_angstrom=1100.0,
                species=tuple(f"{STRUCTURES / SPECIES[s]}:{n}" for s, n in shares.items()),
                n_particles=sum(shares.values()),
                n_vesicles=2,
                crowding=0.12,
                axis_deg=4.0,
                shift_min_angstrom=0.0,
                truth_binning=0,
            )
        )
        stack = write_simulation(simulation, place)[0]
        series = simulation.series.replace(stack_path=str(stack))
        records = [series, simulation.alignment, simulation.ctf]
        task = RecordingTask(place, series.name)
        choices = {
            "binning": 2,
            "thickness_angstrom": THICKNESS_ANGSTROM,
            "frame": "alignment",
            "halves": "noise",
        }
        records += run_stage("reconstruct", task, records, choices).records
        kept.write_text(json.dumps([one.model_dump(mode="json") for one in records]))
    records = [RECORD.validate_python(one) for one in json.loads(kept.read_text())]
    told = json.loads((place / "truth.json").read_text())["particles"]
    positions: dict[str, Array] = {}
    rotations: dict[str, Array] = {}
    for number_told, species in enumerate(shares, start=1):
        mine = [p for p in told if p["species_number"] == number_told and p["in_field"]]
        positions[species] = np.array([p["position_angstrom"] for p in mine]).reshape(-1, 3)
        rotations[species] = np.array([p["rotation"] for p in mine]).reshape(-1, 3, 3)
    return Scene(records, positions, rotations)


@dataclass(frozen=True)
class Score:
    """How well picks hit the truth, one to one, within half a radius."""

    hits: int
    n_picks: int
    n_true: int
    errors_angstrom: Array

    @property
    def precision(self) -> float:
        return self.hits / max(1, self.n_picks)

    @property
    def recall(self) -> float:
        return self.hits / max(1, self.n_true)

    @property
    def f1(self) -> float:
        return 2 * self.hits / max(1, self.n_picks + self.n_true)


def scored(picks: list[Array], truths: list[Array], diameter_angstrom: float) -> Score:
    """Return the score of picks in several tomograms.

    Parameters
    ----------
    picks, truths
        By tomogram ``[n, 3]``, Angstrom.
    """
    hits, errors = 0, []
    for found, true in zip(picks, truths, strict=True):
        if not len(found) or not len(true):
            continue
        distance = cdist(found, true)
        within = distance <= diameter_angstrom / 4
        rows, columns = linear_sum_assignment(np.where(within, distance, 1e6))
        good = within[rows, columns]
        hits += int(good.sum())
        errors.append(distance[rows, columns][good])
    return Score(
        hits,
        sum(map(len, picks)),
        sum(map(len, truths)),
        np.concatenate(errors) if errors else np.zeros(0),
    )


def best_score(
    picks: list[Array], scores: list[Array], truths: list[Array], diameter_angstrom: float
) -> tuple[Score, float]:
    """Return the score at the threshold where it is best, and that threshold."""
    everything = np.concatenate(scores) if scores else np.zeros(0)
    best = scored([p[:0] for p in picks], truths, diameter_angstrom), np.inf
    for threshold in (
        np.unique(np.quantile(everything, np.linspace(0, 1, 60))) if len(everything) else ()
    ):
        kept = [p[s >= threshold] for p, s in zip(picks, scores, strict=True)]
        found = scored(kept, truths, diameter_angstrom)
        if found.f1 > best[0].f1:
            best = found, float(threshold)
    return best
