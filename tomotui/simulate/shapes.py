"""Generated particles: what a simulation shows when no atomic model is at hand.

Each is a cloud of residues inside a few ellipsoids, drawn once and for all. Residues sit on a
strongly shaken lattice: even packing at low resolution, irregular density below about 15 A, as
in real domains. Sizes, masses and symmetries are those of the complexes the names recall.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.geometry import rotation_x, rotation_y, rotation_z
from tomotui.imaging.potential import Array, Matter, Scatterers, gaussian_form
from tomotui.simulate.chance import Chance, generator
from tomotui.simulate.parameters import SimulationError


@dataclass(frozen=True)
class Residue:
    """The mean residue of a material: its volume, mass and potential above ice."""

    volume_a3: float
    mass_da: float
    excess_v: float


PROTEIN = Residue(137.0, 111.0, 3.3)
RNA = Residue(96.7, 107.0, 5.0)
"""A third of a nucleotide: phosphate, sugar or base."""
RESIDUE_SIGMA_ANGSTROM = 2.2

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Body:
    """An ellipsoid filled with residues.

    Parameters
    ----------
    centre, axes
        Centre and semi-axes, Angstrom, (x, y, z).
    rna
        Share of its solid part that is RNA.
    filling
        Share of its volume that is not solvent.
    turn_deg
        Rotation of the ellipsoid about y through its centre.
    """

    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    rna: float = 0.0
    filling: float = 0.8
    turn_deg: float = 0.0

    def holds(self, points: Array) -> Mask:
        """Tell which points ``[n, 3]`` lie inside."""
        local = (points - np.array(self.centre)) @ rotation_y(self.turn_deg)
        return np.asarray(((local / np.array(self.axes)) ** 2).sum(axis=1) <= 1)


@dataclass(frozen=True)
class Cloud:
    """Positions of protein and RNA residues, each of shape ``[n, 3]``."""

    protein: Array
    rna: Array

    def moved(self, rotation: Array, shift: Sequence[float] = (0, 0, 0)) -> Cloud:
        """Return the cloud turned about the origin, then shifted."""
        offset = np.asarray(shift, dtype=np.float64)
        return Cloud(self.protein @ rotation.T + offset, self.rna @ rotation.T + offset)

    def repeated(self, rotations: Array) -> Cloud:
        """Return copies of the cloud under rotations ``[n, 3, 3]``."""
        return merged([self.moved(rotation) for rotation in rotations])

    def matter(self) -> Matter:
        """Return the cloud about its centre of mass, as scatterers."""
        kinds = ((self.protein, PROTEIN), (self.rna, RNA))
        mass = sum(len(points) * residue.mass_da for points, residue in kinds)
        first = sum(points.sum(axis=0) * residue.mass_da for points, residue in kinds)
        groups = tuple(
            Scatterers(
                points - first / mass,
                np.ones(len(points)),
                gaussian_form(residue.volume_a3 * residue.excess_v, RESIDUE_SIGMA_ANGSTROM),
            )
            for points, residue in kinds
            if len(points)
        )
        return Matter(groups, mass / 1e3)


def merged(clouds: Sequence[Cloud]) -> Cloud:
    """Return one cloud of all."""
    return Cloud(
        np.concatenate([c.protein for c in clouds]), np.concatenate([c.rna for c in clouds])
    )


def fill(
    key: str,
    bodies: Sequence[Body],
    holes: Sequence[Body] = (),
    keep: Callable[[Array], Mask] | None = None,
) -> Cloud:
    """Fill bodies with residues at random; where bodies overlap, the first one counts.

    Parameters
    ----------
    key
        Names the stream of random numbers.
    holes
        Left empty.
    keep
        Tells which points ``[n, 3]`` may be filled, such as an asymmetric unit.
    """
    found: dict[str, list[Array]] = {"protein": [], "rna": []}
    for i, body in enumerate(bodies):
        chance = generator(i, Chance.SHAPE, zlib.crc32(key.encode()))
        reach = max(body.axes)
        for kind, residue, share in (("protein", PROTEIN, 1 - body.rna), ("rna", RNA, body.rna)):
            points = np.array(body.centre) + _shaken_lattice(
                body.filling * share / residue.volume_a3, reach, chance
            )
            inside = body.holds(points)
            for other in [*bodies[:i], *holes]:
                inside &= ~other.holds(points)
            if keep is not None:
                inside &= keep(points)
            found[kind].append(points[inside])
    return Cloud(np.concatenate(found["protein"]), np.concatenate(found["rna"]))


def _shaken_lattice(density_per_a3: float, reach: float, chance: np.random.Generator) -> Array:
    """Return points of a mean density in a cube of half side ``reach``."""
    if density_per_a3 <= 0:
        return np.zeros((0, 3))
    spacing = density_per_a3 ** (-1 / 3)
    shake = spacing
    n = int(np.ceil((reach + shake) / spacing))
    steps = np.arange(-n, n + 1) * spacing
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    points = lattice + chance.uniform(-shake, shake, lattice.shape)
    return np.asarray(points[(np.abs(points) <= reach).all(axis=1)])


def _ribosome(state: float) -> Cloud:
    """2.3 MDa, 250 A, no symmetry.

    State 1 lacks the L1 stalk, 2 the small subunit's head, 3 the whole small subunit.
    """
    large = [
        Body((0, 0, 40), (100, 84, 62), 0.65, 0.72),
        Body((10, 78, 62), (24, 28, 24), 0.5, 0.8),
        Body((112, 20, 50), (38, 15, 14), 0.1, 0.8, -20),
        Body((-108, 18, 60), (24, 20, 22), 0.5, 0.8),
    ]
    small = [
        Body((-8, -22, -47), (58, 66, 35), 0.65, 0.74),
        Body((-46, 14, -34), (26, 32, 22), 0.5, 0.75),
        Body((12, 58, -49), (50, 36, 33), 0.55, 0.75),
    ]
    bodies = list(large)
    bodies += {0: small, 1: small, 2: small[:2], 3: []}[int(state)]
    if int(state) == 1:
        del bodies[3]
    tunnel = [Body((5, -10, 60), (9, 9, 80), turn_deg=35), Body((0, 5, -23), (90, 70, 6))]
    bridge = [Body((0, -25, -23), (20, 24, 12), 0.8, 0.8)] if int(state) != 3 else []
    # Each body has a stream of its own, so that a state differs only by what it lacks.
    parts = [fill(f"ribosome-{b.centre}", [b], tunnel) for b in bodies]
    return merged(parts + [fill("ribosome-bridge", [b]) for b in bridge])


def _proteasome(_: float) -> Cloud:
    """790 kDa barrel of D7 symmetry, 150 A long and 115 A wide, with three chambers."""
    wall = [
        Body((48, 4, 19), (20, 25, 20), 0, 0.9),
        Body((42, -4, 56), (24, 21, 20), 0, 0.9, 15),
    ]
    holes = [Body((0, 0, 0), (26, 26, 24)), Body((0, 0, 56), (11, 11, 40))]
    unit = fill("proteasome", wall, holes, _sector(7))
    turns = rotation_z(np.arange(7) * 360 / 7)
    return unit.repeated(np.concatenate([turns, turns @ rotation_x(180.0)]))


def _ring(_: float) -> Cloud:
    """600 kDa hexamer of two stacked rings, 160 A wide with a pore."""
    domains = [
        Body((45, 0, 18), (31, 24, 19), 0, 0.95),
        Body((42, 8, -20), (29, 25, 19), 0, 0.95),
        Body((73, 14, 26), (16, 14, 13), 0, 0.95),
    ]
    unit = fill("ring", domains, [Body((0, 0, 0), (13, 13, 70))])
    return unit.repeated(rotation_z(np.arange(6) * 60.0))


def _shell(_: float) -> Cloud:
    """500 kDa hollow sphere of O symmetry, 124 A wide."""
    outer, inner = Body((0, 0, 0), (62, 62, 62)), Body((0, 0, 0), (39, 39, 39))
    lumps = [Body((44, 18, 26), (22, 17, 16), 0, 0.86), Body((28, 36, 30), (20, 15, 17), 0, 0.86)]

    def unit(points: Array) -> Mask:
        inside = ~inner.holds(points) & outer.holds(points)
        return np.asarray(inside & (points[:, 2] > 0))

    quarter = rotation_z(np.arange(4) * 90.0)
    faces = [rotation_x(a) for a in (0.0, 90.0, 180.0, 270.0)]
    faces += [rotation_y(90.0), rotation_y(270.0)]
    return fill("shell", lumps, keep=unit).repeated(
        np.concatenate([face @ quarter for face in faces])
    )


def _globule(_: float) -> Cloud:
    """145 kDa of three domains, 100 A."""
    return fill(
        "globule",
        [
            Body((0, 0, 0), (34, 30, 25), 0, 0.95),
            Body((31, 25, 9), (28, 23, 21), 0, 0.95),
            Body((-27, 7, 27), (20, 18, 23), 0, 0.95),
        ],
    )


def _hinge(angle_deg: float) -> Cloud:
    """850 kDa of a body and an arm that turns about the joint by the angle given."""
    body = fill("hinge-body", [Body((0, 0, -52), (66, 56, 54), 0, 0.95)])
    arm = fill(
        "hinge-arm",
        [Body((0, 0, 62), (30, 27, 56), 0, 0.95), Body((20, 0, 104), (40, 25, 27), 0, 0.95)],
    )
    return merged([body, arm.moved(rotation_y(angle_deg))])


def _sector(fold: int) -> Callable[[Array], Mask]:
    """Return the test for the asymmetric unit of a rotation about z, upper half."""

    def inside(points: Array) -> Mask:
        angle = np.rad2deg(np.arctan2(points[:, 1], points[:, 0]))
        return np.asarray((np.abs(angle) <= 180 / fold) & (points[:, 2] >= 0))

    return inside


SHAPES: dict[str, Callable[[float], Cloud]] = {
    "ribosome": _ribosome,
    "proteasome": _proteasome,
    "ring": _ring,
    "shell": _shell,
    "globule": _globule,
    "hinge": _hinge,
}
"""Generated shapes by name; ``ribosome@1..3`` are incomplete states, ``hinge@20`` is bent."""


def shape(name: str) -> Matter:
    """Return a generated particle, such as ``ribosome``, ``ribosome@2`` or ``hinge@-15.5``.

    Raises
    ------
    SimulationError
        When the part after ``@`` is not a number the shape knows.
    """
    kind, separator, variant = name.partition("@")
    try:
        return SHAPES[kind](float(variant) if separator else 0.0).matter()
    except (ValueError, KeyError) as error:
        raise SimulationError(
            f"species {name!r}: {variant!r} is not a variant; ribosome takes 0, 1, 2 or 3, "
            "hinge an angle in degrees"
        ) from error
