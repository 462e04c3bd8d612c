"""Poses of the bodies of particles, and how bodies lie beside one that is held fixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.algorithms.refine.poses import Poses
from tomotui.geometry.angles import rotations_of_vectors, vectors_of_rotations

Array = NDArray[np.float64]
Rows = NDArray[np.intp] | NDArray[np.bool_] | slice

SIX = 6
"""Numbers of a rigid motion: turn (degrees) and shift (Angstrom) about (x, y, z)."""


@dataclass(frozen=True)
class BodyPoses:
    """Where the bodies of particles are and how they are turned.

    Attributes
    ----------
    rotations
        From reference to specimen, ``[p, b, 3, 3]``.
    positions_angstrom
        Of the bodies' pivots in the specimen, ``[p, b, 3]``.
    """

    rotations: Array
    positions_angstrom: Array

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.rotations)

    @property
    def n_bodies(self) -> int:
        """Bodies of a particle."""
        return self.rotations.shape[1]

    @classmethod
    def rigid(cls, poses: Poses, pivots_angstrom: Array) -> BodyPoses:
        """Return the bodies of particles that are as the reference is.

        Parameters
        ----------
        pivots_angstrom
            (x, y, z) from the reference's centre, ``[b, 3]``.
        """
        n = len(pivots_angstrom)
        at = poses.positions_angstrom[:, None] + np.einsum(
            "pij,bj->pbi", poses.rotations, pivots_angstrom
        )
        return cls(np.repeat(poses.rotations[:, None], n, axis=1), at)

    def body(self, number: int) -> Poses:
        """Return poses of a body about its pivot."""
        return Poses(self.rotations[:, number], self.positions_angstrom[:, number])

    def whole(self, number: int, pivots_angstrom: Array) -> Poses:
        """Return poses of the reference as one of its bodies lies."""
        rotations = self.rotations[:, number]
        at = self.positions_angstrom[:, number] - rotations @ pivots_angstrom[number]
        return Poses(rotations, at)

    def select(self, which: Rows) -> BodyPoses:
        """Return those of some particles."""
        return BodyPoses(self.rotations[which], self.positions_angstrom[which])

    def copied(self) -> BodyPoses:
        """Return poses of their own."""
        return BodyPoses(self.rotations.copy(), self.positions_angstrom.copy())

    def put(self, which: Rows, other: BodyPoses) -> None:
        """Replace those of some particles."""
        self.rotations[which] = other.rotations
        self.positions_angstrom[which] = other.positions_angstrom

    def moved(self, shifts_angstrom: Array, turns_rad: Array) -> BodyPoses:
        """Return bodies shifted, and turned about their pivots, in the specimen."""
        return BodyPoses(
            rotations_of_vectors(turns_rad) @ self.rotations,
            self.positions_angstrom + shifts_angstrom,
        )


@dataclass(frozen=True)
class Arrangement:
    """Which body others are said to move beside, and what each turns about.

    Attributes
    ----------
    fixed
        Number of that body.
    pivots_angstrom
        (x, y, z) from the reference's centre, ``[b, 3]``.
    """

    fixed: int
    pivots_angstrom: Array

    @property
    def moving(self) -> NDArray[np.intp]:
        """Numbers of the other bodies."""
        return np.delete(np.arange(len(self.pivots_angstrom)), self.fixed)

    @property
    def n_numbers(self) -> int:
        """Numbers of all motions of a particle."""
        return SIX * (len(self.pivots_angstrom) - 1)

    def motions(self, poses: BodyPoses) -> Array:
        """Return how bodies have moved beside the fixed one, ``[p, 6 (b - 1)]``.

        For each of them the vector that it has turned about (degrees) and how far its pivot has
        shifted (Angstrom), both in the frame of the reference as the fixed body lies.
        """
        turned, apart = self._beside(poses)
        rest = self.pivots_angstrom[self.moving] - self.pivots_angstrom[self.fixed]
        turns = np.rad2deg(vectors_of_rotations(turned))
        return np.concatenate([turns, apart - rest], axis=-1).reshape(len(poses), -1)

    def _beside(self, poses: BodyPoses) -> tuple[Array, Array]:
        """Return turns and places of bodies in the frame of the fixed one."""
        back = poses.rotations[:, self.fixed].transpose(0, 2, 1)
        way = poses.positions_angstrom[:, self.moving] - poses.positions_angstrom[:, [self.fixed]]
        turned = back[:, None] @ poses.rotations[:, self.moving]
        return turned, np.einsum("pij,pbj->pbi", back, way)

    def slopes(self, poses: BodyPoses, pixel_size_angstrom: float) -> Array:
        """Return how motions change with what `BodyPoses.moved` does, ``[p, 6 (b - 1), 6 b]``.

        Parameters
        ----------
        pixel_size_angstrom
            In which shifts are counted; they stand before turns (radians), body after body.
        """
        n, n_bodies = len(poses), poses.n_bodies
        back = poses.rotations[:, self.fixed].transpose(0, 2, 1)
        turned, _ = self._beside(poses)
        uneven = _turning_slopes(vectors_of_rotations(turned))
        slopes = np.zeros((n, len(self.moving), SIX, n_bodies, SIX))
        fixed = self.fixed
        for row, body in enumerate(self.moving):
            turn = np.rad2deg(uneven[:, row] @ back)
            slopes[:, row, :3, body, 3:], slopes[:, row, :3, fixed, 3:] = turn, -turn
            shift = back * pixel_size_angstrom
            slopes[:, row, 3:, body, :3], slopes[:, row, 3:, fixed, :3] = shift, -shift
            way = poses.positions_angstrom[:, body] - poses.positions_angstrom[:, fixed]
            slopes[:, row, 3:, fixed, 3:] = back @ _crossing(way)
        return slopes.reshape(n, self.n_numbers, SIX * n_bodies)


def _crossing(vectors: Array) -> Array:
    """Return matrices that multiply across, ``[..., 3]`` to ``[..., 3, 3]``."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _turning_slopes(vectors_rad: Array) -> Array:
    """Return how a rotation's vector changes as a small turn follows it, ``[..., 3, 3]``.

    That is the inverse of the left Jacobian of rotations, to the second order of the vector.
    """
    cross = _crossing(vectors_rad)
    return np.asarray(np.eye(3) - cross / 2 + cross @ cross / 12)
