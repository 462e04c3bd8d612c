"""Series of particles that vary in a known way, as classes, bodies and landscapes are measured on.

Tilt series of 512 x 512 x 41 at 8 A/px with CTF, exposure and small proteins between the particles,
some 200 particles each. Poses are the true ones with an error of 2 degrees and 3 A along each axis,
as after a refinement that knew nothing of the variation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from heterogeneity_structures import (
    LARGE,
    PSEUDO_ATOM,
    hinged,
    large_subunit,
    ribosome,
    spike_bodies,
    spiked,
    write_atoms,
)
from numpy.typing import NDArray
from torch import Tensor

from tomotui.geometry.angles import rotations_of_vectors
from tomotui.geometry.poses import angles_of_matrices
from tomotui.imaging.map_masks import map_mask
from tomotui.imaging.potential import Matter, atomic_matter, sample
from tomotui.records import RECORD, AnyRecord, ParticleSet, Tomogram
from tomotui.records.particle_table import ParticleTable
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation

Array = NDArray[np.float64]
Shape = Callable[[tuple[float, float]], Array]

PIXEL_ANGSTROM = 8.0
PER_SERIES = 200
TURN_ERROR_DEG, SHIFT_ERROR_ANGSTROM = 2.0, 3.0
DOSE = {"low": 3.0, "high": 1.5}
"""Electrons per square Angstrom and image, by noise."""

JUNK = 2
STEPS = 25
REACH_DEG, SPIKE_REACH_DEG = 12.0, 15.0


@dataclass
class VariedSample:
    """Particles and how they vary.

    Attributes
    ----------
    records
        Of all series, with the particle set first.
    table
        Particles, with angles and positions near the truth.
    rotations, positions_angstrom
        True poses of the reference's frame, ``[n, 3, 3]`` and ``[n, 3]``.
    labels
        Structure of each, ``[n]``; `JUNK` for places where nothing is.
    coordinates
        True motions, degrees, ``[n, m]``.
    normals
        Of the membrane at each particle, ``[n, 3]``; ``None`` where there is none.
    """

    name: str
    records: list[AnyRecord]
    table: ParticleTable
    rotations: Array
    positions_angstrom: Array
    labels: NDArray[np.int64]
    coordinates: Array
    normals: Array | None
    diameter_angstrom: float
    pixel_size_angstrom: float
    shapes: tuple[Shape, ...]

    def structure(
        self, label: int, coordinates: Sequence[float], pixel_size_angstrom: float, box: int
    ) -> Tensor:
        """Return a true map, bright protein, in the reference's frame, ``[n, n, n]``."""
        places = self.shapes[label](tuple(coordinates))  # type: ignore[arg-type]
        return drawn_atoms(places, pixel_size_angstrom, box)

    def consensus(self, pixel_size_angstrom: float, box: int) -> Tensor:
        """Return the mean of the true maps of the particles that are not junk."""
        real = self.labels != JUNK
        kinds, counts = np.unique(
            np.c_[self.labels, np.round(self.coordinates, 3)][real], axis=0, return_counts=True
        )
        total = torch.zeros(box, box, box)
        for kind, count in zip(kinds, counts, strict=True):
            total += count * self.structure(int(kind[0]), kind[1:], pixel_size_angstrom, box)
        return total / int(counts.sum())

    def body_masks(self, pixel_size_angstrom: float, box: int) -> list[Tensor]:
        """Return soft masks of the parts that move, at rest: the greater first."""
        places, bodies = ribosome()
        if self.name == "spike":
            places, bodies = spiked((0.0, 0.0)), spike_bodies()
        elif self.name != "swivel":
            bodies = (bodies != LARGE).astype(np.int64)
        volumes = (
            drawn_atoms(places[bodies == one], pixel_size_angstrom, box)
            for one in range(bodies.max() + 1)
        )
        return [
            map_mask(volume, pixel_size_angstrom, low_pass_angstrom=25.0).values.float()
            for volume in volumes
        ]


def drawn_atoms(places: Array, pixel_size_angstrom: float, box: int) -> Tensor:
    """Return pseudo-atoms as the simulator sees them, about the frame's origin, ``[n, n, n]``."""
    centred = atomic_matter({PSEUDO_ATOM: (places, np.ones(len(places)))})
    (group,) = centred.groups
    matter = Matter((replace(group, positions_angstrom=places),), centred.mass_kda)
    whole = torch.from_numpy(sample(matter, "shape", pixel_size_angstrom).potential_v)
    n = whole.shape[-1]
    if n >= box:
        first = n // 2 - box // 2
        return whole[first : first + box, first : first + box, first : first + box].clone()
    out = torch.zeros(box, box, box)
    first = box // 2 - n // 2
    out[first : first + n, first : first + n, first : first + n] = whole
    return out


@dataclass(frozen=True)
class _Kind:
    """A conformer: its structure, motions and share among the particles."""

    label: int
    coordinates: tuple[float, float]
    share: float


def mixture(
    folder: Path,
    seed: int,
    shares: tuple[float, float] = (0.5, 0.5),
    noise: str = "low",
    n_particles: int = PER_SERIES,
    n_junk: int | None = None,
) -> VariedSample:
    """Return 70S (label 0) and 50S ribosomes (label 1), and places where nothing is (label 2)."""
    kinds = [_Kind(label, (0.0, 0.0), share) for label, share in enumerate(shares)]
    junk = n_particles // 5 if n_junk is None else n_junk
    return _made("mixture", folder, seed, kinds, (hinged, large_subunit), noise, n_particles, junk)


def hinge(
    folder: Path,
    seed: int,
    noise: str = "low",
    n_particles: int = PER_SERIES,
    two_motions: bool = False,
) -> VariedSample:
    """Return 70S ribosomes whose 30S turns on the 50S; the second motion is that of its head."""
    if two_motions:
        chance = np.random.default_rng([seed, 77])
        pairs = chance.uniform(-REACH_DEG, REACH_DEG, (60, 2)).round(1)
        angles = [(float(a), float(b)) for a, b in pairs]
    else:
        angles = [(float(a), 0.0) for a in np.linspace(-REACH_DEG, REACH_DEG, STEPS)]
    kinds = [_Kind(0, one, 1.0) for one in angles]
    name = "swivel" if two_motions else "hinge"
    return _made(name, folder, seed, kinds, (hinged,), noise, n_particles, 0)


def rigid(
    folder: Path, seed: int, noise: str = "low", n_particles: int = PER_SERIES
) -> VariedSample:
    """Return 70S ribosomes that are all alike."""
    kinds = [_Kind(0, (0.0, 0.0), 1.0)]
    return _made("rigid", folder, seed, kinds, (hinged,), noise, n_particles, 0)


def spike(
    folder: Path, seed: int, noise: str = "low", n_particles: int = PER_SERIES
) -> VariedSample:
    """Return spikes on pieces of membrane, tilted by two independent angles."""
    steps = np.linspace(-SPIKE_REACH_DEG, SPIKE_REACH_DEG, 7)
    kinds = [_Kind(0, (float(a), float(b)), 1.0) for a in steps for b in steps]
    return _made("spike", folder, seed, kinds, (spiked,), noise, n_particles, 0)


def _made(
    name: str,
    folder: Path,
    seed: int,
    kinds: list[_Kind],
    shapes: tuple[Shape, ...],
    noise: str,
    n_particles: int,
    n_junk: int,
) -> VariedSample:
    n_series = max(1, round(n_particles / PER_SERIES))
    per_series = n_particles // n_series
    shares = "-".join(f"{one.share:g}" for one in kinds) if name == "mixture" else ""
    atoms = folder / f"{name}{shares}-{seed if name == 'swivel' else 0}"
    centres = _write_kinds(atoms, kinds, shapes)
    tables, truths, records = [], [], []
    diameter = 300.0 if name == "spike" else 270.0
    whole = ParticleSet(name=name, species=name, diameter_angstrom=diameter)
    chance = np.random.default_rng([seed, 9])
    for number in range(1, n_series + 1):
        place = folder / f"{name}{shares}-{noise}-{seed}-{number}-{per_series}"
        _simulate(place, atoms, kinds, noise, 1000 * seed + number, per_series)
        own = _read(place, kinds, centres, n_junk // n_series, chance)
        records += own.records
        errors = chance.normal(0, 1, (2, len(own.positions), 3))
        turned = (
            rotations_of_vectors(np.deg2rad(TURN_ERROR_DEG / 3**0.5) * errors[0]) @ own.rotations
        )
        tables.append(
            ParticleTable.of(
                own.records[-1].uid,
                own.positions + SHIFT_ERROR_ANGSTROM * errors[1],
                set_uid=whole.uid,
                angles_deg=angles_of_matrices(turned),
            )
        )
        truths.append(own)
    rotations = np.concatenate([one.rotations for one in truths])
    return VariedSample(
        name,
        [whole, *records],
        ParticleTable.joined(tables),
        rotations,
        np.concatenate([one.positions for one in truths]),
        np.concatenate([one.labels for one in truths]),
        np.concatenate([one.coordinates for one in truths]),
        rotations[:, :, 2] if name == "spike" else None,
        diameter,
        PIXEL_ANGSTROM,
        shapes,
    )


def _write_kinds(folder: Path, kinds: list[_Kind], shapes: tuple[Shape, ...]) -> Array:
    """Write a file for each conformer; returns where the centre of each lies in the frame."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "centres.json"
    if not kept.exists():
        centres = [
            write_atoms(folder / f"kind{n:03d}.pdb", shapes[one.label](one.coordinates)).tolist()
            for n, one in enumerate(kinds)
        ]
        kept.write_text(json.dumps(centres))
    return np.array(json.loads(kept.read_text()))


def _simulate(
    place: Path, atoms: Path, kinds: list[_Kind], noise: str, seed: int, n_particles: int
) -> None:
    kept = place / "records.json"
    if kept.exists():
        return
    simulation = simulate_tilt_series(
        SimulationParameters(
            name=place.name,
            seed=seed,
            size_px=512,
            pixel_size_angstrom=PIXEL_ANGSTROM,
            thickness_angstrom=1400.0,
            species=tuple(f"{atoms / f'kind{n:03d}.pdb'}:{k.share:g}" for n, k in enumerate(kinds)),
            n_particles=n_particles,
            n_vesicles=0,
            crowding=0.05,
            dose_e_per_a2=DOSE[noise],
            axis_deg=4.0 + seed % 7,
            shift_min_angstrom=0.0,
            truth_binning=0,
        )
    )
    stack = write_simulation(simulation, place)[0]
    series = simulation.series.replace(stack_path=str(stack))
    records = [series, simulation.alignment, simulation.ctf]
    kept.write_text(json.dumps([one.model_dump(mode="json") for one in records]))


@dataclass
class _Series:
    records: list[Any]
    rotations: Array
    positions: Array
    labels: NDArray[np.int64]
    coordinates: Array


def _read(
    place: Path, kinds: list[_Kind], centres: Array, n_junk: int, chance: np.random.Generator
) -> _Series:
    series, alignment, ctf = (
        RECORD.validate_python(one) for one in json.loads((place / "records.json").read_text())
    )
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
    truth = json.loads((place / "truth.json").read_text())
    mine = [one for one in truth["particles"] if one["in_field"]]
    kind = np.array([_number_of(one) for one in mine])
    rotations = np.array([one["rotation"] for one in mine])
    # The simulator puts a conformer's own centre where it says; the frame's origin lies beside.
    middle = np.array([one["position_angstrom"] for one in mine])
    positions = middle - np.einsum("nij,nj->ni", rotations, centres[kind])
    labels = np.array([kinds[n].label for n in kind])
    coordinates = np.array([kinds[n].coordinates for n in kind])
    if n_junk:
        nowhere = _empty_places(middle, n_junk, chance)
        turns = rotations_of_vectors(chance.normal(0, 1.5, (n_junk, 3)))
        rotations = np.concatenate([rotations, turns])
        positions = np.concatenate([positions, nowhere])
        labels = np.r_[labels, np.full(n_junk, JUNK)]
        coordinates = np.concatenate([coordinates, np.zeros((n_junk, 2))])
    return _Series([series, alignment, ctf, tomogram], rotations, positions, labels, coordinates)


def _empty_places(taken: Array, n: int, chance: np.random.Generator) -> Array:
    """Return places of the field that are no particle's."""
    extent = np.abs(taken).max(axis=0)
    found: list[Array] = []
    while len(found) < n:
        place = chance.uniform(-extent, extent)
        if np.linalg.norm(taken - place, axis=1).min() > 200.0:
            found.append(place)
    return np.array(found)


def _number_of(particle: dict[str, Any]) -> int:
    """Return the number of a particle's conformer."""
    return int(str(particle["species"]).split("kind")[-1].split(".")[0])
