"""What lies in the ice: particles, membranes, gold and small proteins, none in another."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from tomotui.geometry import rotation_z
from tomotui.imaging.potential import Template
from tomotui.simulate.chance import Chance, generator
from tomotui.simulate.optics import Optics
from tomotui.simulate.packing import Packing, Slab
from tomotui.simulate.parameters import SimulationError, SimulationParameters
from tomotui.simulate.structures import template

Array = NDArray[np.float64]

MEMBRANE_HALF_THICKNESS_ANGSTROM = 35.0
"""Room kept free on either side of the middle of a bilayer."""

CROWD_BEAD_SIGMA_ANGSTROM = 12.0
_CROWD_PROTEIN_A3 = 72_600.0
_CROWD_EXCESS_V = 3.3
_CROWD_BEADS = 4
_CROWD_SPREAD_ANGSTROM = 14.0
_MARGIN_ANGSTROM = 300.0


@dataclass(frozen=True)
class PlacedParticle:
    """One particle: ``x_tomo = rotation @ x_reference + position``.

    Parameters
    ----------
    species
        Number of its template in `Specimen.templates`.
    in_field
        True when its centre lies in the untilted, unshifted image.
    """

    species: int
    position_angstrom: Array
    rotation: Array
    in_field: bool


@dataclass(frozen=True)
class Vesicle:
    """A closed spherical bilayer; the radius is that of its middle."""

    position_angstrom: Array
    radius_angstrom: float


@dataclass(frozen=True)
class Specimen:
    """Everything in the ice, in specimen coordinates (x, y, z) from its centre.

    Parameters
    ----------
    gold_angstrom
        Centres of the beads, shape ``[n, 3]``.
    crowd_angstrom
        Beads that the small proteins are made of, shape ``[n, 3]``.
    crowd_excess_v_a3
        Integrated potential of one such bead.
    """

    templates: tuple[Template, ...]
    particles: tuple[PlacedParticle, ...]
    thickness_angstrom: float
    vesicles: tuple[Vesicle, ...] = ()
    gold_angstrom: Array = field(default_factory=lambda: np.zeros((0, 3)))
    gold_diameter_angstrom: float = 100.0
    crowd_angstrom: Array = field(default_factory=lambda: np.zeros((0, 3)))
    crowd_excess_v_a3: float = 0.0


def build_specimen(parameters: SimulationParameters) -> Specimen:
    """Place everything without overlap, by random sequential addition.

    The slab goes on outside the field, as far as the highest tilt sees, with the same density.
    Spheres about the particles do not overlap each other, the membranes, the gold or the faces
    of the slab; they can fill up to about 30 % of it.

    Raises
    ------
    SimulationError
        When there is no more room, or a species is unknown.
    """
    p = parameters
    templates = tuple(template(s.name, p.pixel_size_angstrom) for s in p.species_shares())
    slab = _slab(p)
    packing = Packing(slab)
    vesicles = _place_vesicles(p, packing)
    gold = _place_gold(p, packing)
    particles = _place_particles(p, packing, templates) if p.n_particles else ()
    crowd = _place_crowd(p, packing) if p.crowding > 0 else np.zeros((0, 3))
    return Specimen(
        templates=templates,
        particles=particles,
        thickness_angstrom=p.thickness_angstrom,
        vesicles=vesicles,
        gold_angstrom=gold,
        gold_diameter_angstrom=p.gold_diameter_angstrom,
        crowd_angstrom=crowd,
        crowd_excess_v_a3=_CROWD_PROTEIN_A3 * _CROWD_EXCESS_V / _CROWD_BEADS,
    )


def _slab(p: SimulationParameters) -> Slab:
    """Return the part of the specimen that any image can see."""
    height, width = p.shape_yx
    half_image = 0.5 * p.pixel_size_angstrom * np.array([width, height])
    turn = np.abs(rotation_z(p.axis_deg)[:2, :2])
    reach = turn @ half_image + _MARGIN_ANGSTROM + _delocalisation(p) + p.shift_max_angstrom
    reach += 3 * p.shift_rms_angstrom
    reach[1] += 0.5 * p.thickness_angstrom * abs(np.sin(np.deg2rad(p.x_tilt_deg)))
    steepest = max(abs(p.tilt_min_deg), abs(p.tilt_max_deg)) + abs(p.tilt_offset_deg)
    tilt = np.deg2rad(min(steepest, 78.0))
    half_x = (reach[0] + 0.5 * p.thickness_angstrom * np.sin(tilt)) / np.cos(tilt)
    return Slab(
        half_extent_angstrom=(float(half_x), float(reach[1]), 0.5 * p.thickness_angstrom),
        half_image_angstrom=(float(half_image[0]), float(half_image[1])),
        axis_deg=p.axis_deg,
    )


def _delocalisation(p: SimulationParameters) -> float:
    """Return how far the finest detail spreads in the image."""
    nyquist = 0.5 / p.pixel_size_angstrom
    return Optics.of(p).delocalisation_angstrom(nyquist, abs(p.defocus_angstrom))


def _place_vesicles(p: SimulationParameters, packing: Packing) -> tuple[Vesicle, ...]:
    """Place membranes; those too large for the ice are refused."""
    if not p.n_vesicles:
        return ()
    room = 0.5 * p.thickness_angstrom - MEMBRANE_HALF_THICKNESS_ANGSTROM
    if p.vesicle_max_radius_angstrom > room:
        raise SimulationError(
            f"vesicles of {p.vesicle_max_radius_angstrom:g} A radius do not fit into ice of "
            f"{p.thickness_angstrom:g} A; lower vesicle_max_radius_angstrom to {room:g} or set "
            "n_vesicles to 0"
        )
    chance = generator(p.seed, Chance.VESICLES)
    vesicles = []
    for in_field in packing.slab.in_and_out(p.n_vesicles):
        radius = chance.uniform(p.vesicle_min_radius_angstrom, p.vesicle_max_radius_angstrom)
        outer = radius + MEMBRANE_HALF_THICKNESS_ANGSTROM
        position = packing.add(outer, in_field, chance, "vesicles", shell_of=radius)
        vesicles.append(Vesicle(position, float(radius)))
    return tuple(vesicles)


def _place_gold(p: SimulationParameters, packing: Packing) -> Array:
    """Place beads on the faces of the slab, where they stick in reality."""
    chance = generator(p.seed, Chance.GOLD)
    radius = 0.5 * p.gold_diameter_angstrom
    positions = []
    for in_field in packing.slab.in_and_out(p.n_gold):
        face = float(chance.choice([-1.0, 1.0])) * (0.5 * p.thickness_angstrom - radius)
        positions.append(packing.add(radius, in_field, chance, "gold beads", at_z=face))
    return np.array(positions).reshape(-1, 3)


def _place_particles(
    p: SimulationParameters, packing: Packing, templates: tuple[Template, ...]
) -> tuple[PlacedParticle, ...]:
    """Place particles in random orientations, the largest species first."""
    counts = apportion(p.n_particles, [s.share for s in p.species_shares()])
    chance = generator(p.seed, Chance.PARTICLES)
    largest_first = sorted(range(len(templates)), key=lambda s: -templates[s].radius_angstrom)
    placed = []
    for in_field in (True, False):
        for species in largest_first:
            count = counts[species] if in_field else packing.slab.count_outside(counts[species])
            radius = templates[species].radius_angstrom
            for _ in range(count):
                position = packing.add(radius, in_field, chance, "particles")
                turn = Rotation.from_quat(chance.standard_normal(4)).as_matrix()
                placed.append(PlacedParticle(species, position, turn, in_field))
    return tuple(placed)


def apportion(total: int, shares: list[float]) -> list[int]:
    """Divide ``total`` by shares, by the largest remainders."""
    exact = total * np.asarray(shares) / np.sum(shares)
    counts = np.floor(exact).astype(int)
    for i in np.argsort(counts - exact, kind="stable")[: total - counts.sum()]:
        counts[i] += 1
    return [int(c) for c in counts]


def _place_crowd(p: SimulationParameters, packing: Packing) -> Array:
    """Fill the room between all else with small proteins, each of a few Gaussian beads.

    The small proteins may overlap one another.
    """
    chance = generator(p.seed, Chance.CROWD)
    half = np.array(packing.slab.half_extent_angstrom)
    # One protein somewhere in each cell of a lattice: as even as a crowded liquid.
    cells = np.maximum(1, np.round(2 * half / (_CROWD_PROTEIN_A3 / p.crowding) ** (1 / 3)))
    cell = np.indices([int(n) for n in cells]).reshape(3, -1).T
    centres = ((cell + chance.uniform(0, 1, cell.shape)) / cells * 2 - 1) * (half - [0, 0, 30.0])
    free = np.ones(len(centres), dtype=bool)
    solids, radii, shells = packing.everything()
    if len(solids):
        largest = float(radii.max()) + 25.0
        for i, j in enumerate(cKDTree(solids).query_ball_point(centres, largest)):
            distance = np.linalg.norm(solids[j] - centres[i], axis=1)
            inside = distance < radii[j] + 25.0
            # The inside of a vesicle is ice as well; only its shell is taken.
            hollow = (shells[j] > 0) & (
                distance < shells[j] - MEMBRANE_HALF_THICKNESS_ANGSTROM - 25.0
            )
            free[i] = not bool((inside & ~hollow).any())
    beads = centres[free, None, :] + _CROWD_SPREAD_ANGSTROM * chance.standard_normal(
        (int(free.sum()), _CROWD_BEADS, 3)
    )
    return np.asarray(beads.reshape(-1, 3))
