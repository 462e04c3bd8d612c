"""New poses from those of particles: symmetry mates, parts of particles, other centres.

Every function gives, with the new poses, the row of the particle that each was made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from tomotui.geometry.points import kept_apart, kept_of_pairs
from tomotui.geometry.poses import angles_facing, matrices_of_angles
from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations

Array = NDArray[np.float64]

SAME_ANGSTROM = 1.0
"""Parts of one particle this near to each other are one part, seen from several of its mates."""


@dataclass(frozen=True)
class Poses:
    """Poses and what they came from.

    Attributes
    ----------
    positions_angstrom
        (x, y, z) from the tomogram's centre, ``[n, 3]``.
    rotations
        From the reference to the tomogram, ``[n, 3, 3]``.
    rows
        Row of the particle that each was made from, ``[n]``.
    """

    positions_angstrom: Array
    rotations: Array
    rows: NDArray[np.intp]

    def __len__(self) -> int:
        """Return the number of poses."""
        return len(self.rows)

    def select(self, which: Any) -> Poses:
        """Return some poses: by a mask, or by their numbers."""
        return Poses(self.positions_angstrom[which], self.rotations[which], self.rows[which])


def symmetry_mates(positions_angstrom: ArrayLike, rotations: ArrayLike, symmetry: str) -> Poses:
    """Return every pose that shows a symmetric particle the same, at the same place.

    Parameters
    ----------
    positions_angstrom, rotations
        Of the particles, ``[n, 3]`` and ``[n, 3, 3]``.
    symmetry
        Point group of the reference, such as ``D7``.

    Returns
    -------
    ``R g`` for every rotation g of the group, the particle's own pose first: n times its order.

    Raises
    ------
    ValueError
        When there is no such point group, or the arrays do not fit.
    """
    positions, matrices = _checked(positions_angstrom, rotations)
    group = symmetry_rotations(symmetry)
    turned = matrices[:, None] @ group[None]
    rows = np.repeat(np.arange(len(positions)), len(group))
    return Poses(positions[rows], turned.reshape(-1, 3, 3), rows)


def subparticles(
    positions_angstrom: ArrayLike,
    rotations: ArrayLike,
    offset_angstrom: Sequence[float] | Array,
    symmetry: str = "C1",
    *,
    facing_out: bool = False,
    same_angstrom: float = SAME_ANGSTROM,
) -> Poses:
    """Return the poses of a part of each particle, and of that part in all symmetry mates.

    Parameters
    ----------
    positions_angstrom, rotations
        Of the particles, ``[n, 3]`` and ``[n, 3, 3]``.
    offset_angstrom
        Where the part lies in the reference, (x, y, z) from its centre.
    symmetry
        Point group of the reference.
    facing_out
        Turn the part's own reference so that its z axis points away from the particle's centre;
        otherwise it keeps the axes of the particle's.
    same_angstrom
        Of parts of one particle that lie nearer, as on a symmetry axis, the first stays.

    Raises
    ------
    ValueError
        When there is no such point group, the arrays do not fit, or the part lies at the centre
        and shall face out.
    """
    positions, matrices = _checked(positions_angstrom, rotations)
    offset = np.asarray(offset_angstrom, dtype=np.float64).reshape(3)
    group = _distinct(symmetry_rotations(symmetry), offset, same_angstrom)
    own = np.eye(3)
    if facing_out:
        if not np.linalg.norm(offset) > 0:
            raise ValueError("a part at the particle's centre faces no way")
        own = matrices_of_angles(angles_facing(offset))[0]
    mates = matrices[:, None] @ group[None]
    centres = positions[:, None] + mates @ offset
    rows = np.repeat(np.arange(len(positions)), len(group))
    return Poses(centres.reshape(-1, 3), (mates @ own).reshape(-1, 3, 3), rows)


def _distinct(group: Array, offset: Array, same_angstrom: float) -> Array:
    """Return the rotations that bring a point to different places, the identity first."""
    places = group @ offset
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    kept: list[int] = []
    for number in range(len(group)):
        if not kept or distances[number, kept].min() > same_angstrom:
            kept.append(number)
    return group[kept]


def recentred(
    positions_angstrom: ArrayLike,
    rotations: ArrayLike,
    offset_angstrom: Sequence[float] | Array,
) -> Poses:
    """Return poses for a reference whose centre was moved.

    Parameters
    ----------
    positions_angstrom, rotations
        Of the particles, ``[n, 3]`` and ``[n, 3, 3]``.
    offset_angstrom
        What is to be the centre, (x, y, z) from the present one in the reference.
    """
    positions, matrices = _checked(positions_angstrom, rotations)
    offset = np.asarray(offset_angstrom, dtype=np.float64).reshape(3)
    return Poses(positions + matrices @ offset, matrices, np.arange(len(positions)))


def without_duplicates(
    positions_angstrom: ArrayLike,
    distance_angstrom: float,
    *,
    scores: ArrayLike | None = None,
    tomograms: ArrayLike | None = None,
    rotations: ArrayLike | None = None,
    angle_deg: float = 180.0,
    symmetry: str = "C1",
) -> NDArray[np.bool_]:
    """Tell which particles stay when of those that are the same only the best does.

    Parameters
    ----------
    positions_angstrom
        ``[n, 3]``.
    distance_angstrom
        As near as this, or nearer, two are the same.
    scores
        The greatest stays; the first one where there are none. Unknown ones (NaN) come last.
    tomograms
        Names or numbers of their tomograms, ``[n]``; only particles of one are compared.
    rotations, angle_deg, symmetry
        Where rotations are given, two are the same only if they are also turned alike within
        this angle, whatever the point group allows.
    """
    positions = np.asarray(positions_angstrom, dtype=np.float64).reshape(-1, 3)
    n = len(positions)
    values = np.zeros(n) if scores is None else np.asarray(scores, dtype=np.float64)
    groups = np.zeros(n, dtype=np.intp)
    if tomograms is not None:
        groups = np.unique(np.asarray(tomograms), return_inverse=True)[1].reshape(n)
    kept = np.zeros(n, dtype=bool)
    for group in range(int(groups.max(initial=-1)) + 1):
        rows = np.flatnonzero(groups == group)
        order = rows[np.argsort(-np.nan_to_num(values[rows], nan=-np.inf), kind="stable")]
        if rotations is None or angle_deg >= 180:
            kept[order] = kept_apart(positions[order], distance_angstrom)
            continue
        matrices = np.asarray(rotations, dtype=np.float64)[order]
        pairs = cKDTree(positions[order]).query_pairs(distance_angstrom, output_type="ndarray")
        angles = symmetric_angle_deg(
            matrices[pairs[:, 0]], matrices[pairs[:, 1]], symmetry_rotations(symmetry)
        )
        kept[order] = kept_of_pairs(pairs[angles <= angle_deg], len(order))
    return kept


def _checked(positions_angstrom: ArrayLike, rotations: ArrayLike) -> tuple[Array, Array]:
    positions = np.asarray(positions_angstrom, dtype=np.float64)
    matrices = np.asarray(rotations, dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise ValueError(f"positions must be [n, 3], got {positions.shape}")
    if matrices.shape != (len(positions), 3, 3):
        raise ValueError(
            f"rotations must be [{len(positions)}, 3, 3] like the positions, got {matrices.shape}"
        )
    return positions, matrices
