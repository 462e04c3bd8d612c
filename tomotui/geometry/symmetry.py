"""Point groups: the rotations that leave a particle as it is.

Axes lie as in RELION: of Cn and Dn the n-fold one along z, of D a two-fold one along x; of T a
three-fold one along z; of O a four-fold one along z; of I (that is I2) two-fold ones along x, y
and z with five-fold ones in the plane of x and z. I1 is I2 turned by 90 degrees about y, I3 and
I4 have a five-fold axis along z.

A pose R and R g show the same particle for every rotation g of its group. Of such an orbit, the
pose nearest to no rotation at all stands for the others (`representatives`).
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.geometry.tilt import rotation_y, rotation_z

Array = NDArray[np.float64]
Generator = tuple[int, tuple[float, float, float]]

_GOLDEN = (1 + 5**0.5) / 2
_THIRD = 3**-0.5
_TIE = 1e-9

_POLYHEDRAL: dict[str, tuple[Generator, ...]] = {
    "T": ((3, (0, 0, 1)), (2, (0, 2**0.5 * _THIRD, _THIRD))),
    "O": ((4, (0, 0, 1)), (3, (1, 1, 1))),
    "I2": ((2, (0, 0, 1)), (5, (1, 0, _GOLDEN)), (3, (0, 1, _GOLDEN**2))),
}
NAMES = "C1, C2, ..., D1, D2, ..., T, O, I, I1, I2, I3, I4"


def symmetry_rotations(name: str) -> Array:
    """Return all rotations of a point group, the identity first, ``[n, 3, 3]``.

    Parameters
    ----------
    name
        Such as ``C1``, ``D7``, ``T``, ``O`` or ``I``; capitals or not.

    Raises
    ------
    ValueError
        When there is no such group of rotations.
    """
    group = name.strip().upper()
    cyclic = re.fullmatch(r"([CD])([1-9]\d{0,2})", group)
    if cyclic:
        fold = int(cyclic[2])
        turns = rotation_z(np.arange(fold) * 360.0 / fold)
        if cyclic[1] == "C":
            return turns
        return np.concatenate([turns, turns @ np.diag([1.0, -1.0, -1.0])])
    if group in ("T", "O"):
        return _generated(_POLYHEDRAL[group])
    if group in ("I", "I1", "I2", "I3", "I4"):
        return _icosahedral(group)
    raise ValueError(f"there is no point group {name!r}; there are {NAMES}")


def _icosahedral(group: str) -> Array:
    rotations = _generated(_POLYHEDRAL["I2"])
    to_five_fold = float(np.rad2deg(np.arctan2(1.0, _GOLDEN)))
    turn_deg = {"I1": 90.0, "I3": -to_five_fold, "I4": to_five_fold}.get(group, 0.0)
    turn = rotation_y(turn_deg)
    return turn @ rotations @ turn.T


def _generated(generators: tuple[Generator, ...]) -> Array:
    """Return the group that rotations about axes generate."""
    made = [_about(axis, 360.0 / fold) for fold, axis in generators]
    found = [np.eye(3)]
    at = 0
    while at < len(found):
        for rotation in made:
            candidate = found[at] @ rotation
            if all(np.abs(candidate - known).max() > 1e-6 for known in found):
                found.append(candidate)
        at += 1
    return np.array(found)


def _about(axis: tuple[float, float, float], angle_deg: float) -> Array:
    """Return the rotation by an angle about an axis (Rodrigues)."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(angle_deg)
    turned: Array = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turned


def is_representative(rotations: ArrayLike, group: Array) -> NDArray[np.bool_]:
    """Tell which poses stand for their orbits, ``[n]``.

    Parameters
    ----------
    rotations
        Poses, ``[n, 3, 3]``.
    group
        Of `symmetry_rotations`, ``[m, 3, 3]``.

    Notes
    -----
    It is the pose of least angle. Where several are equally near, that whose entries come last
    in the order of the dictionary: then too each orbit has one.
    """
    poses = np.asarray(rotations, dtype=np.float64)
    chosen = _nearest(poses, group)
    same: NDArray[np.bool_] = np.abs(poses @ group[chosen] - poses).max(axis=(-2, -1)) < 1e-6
    return same


def representatives(rotations: ArrayLike, group: Array) -> Array:
    """Return for each pose the one that stands for its orbit, ``[n, 3, 3]``."""
    poses = np.asarray(rotations, dtype=np.float64)
    found: Array = poses @ group[_nearest(poses, group)]
    return found


def _nearest(poses: Array, group: Array) -> NDArray[np.intp]:
    """Return the number of the rotation of the group that brings each pose nearest to identity."""
    # The trace grows as the angle shrinks.
    traces = np.einsum("nij,mji->nm", poses, group)
    nearest = traces.max(axis=1, keepdims=True) - traces < _TIE
    chosen: NDArray[np.intp] = nearest.argmax(axis=1)
    for row in np.flatnonzero(nearest.sum(axis=1) > 1):
        equal = np.flatnonzero(nearest[row])
        entries = (poses[row] @ group[equal]).reshape(len(equal), 9).round(6) + 0.0
        chosen[row] = equal[max(range(len(equal)), key=lambda i: tuple(entries[i]))]
    return chosen


def symmetric_angle_deg(first: ArrayLike, second: ArrayLike, group: Array) -> Array:
    """Return the least angle between poses, whatever the group allows, degrees.

    Parameters
    ----------
    first, second
        Poses, ``[..., 3, 3]``, which broadcast.
    """
    difference = np.swapaxes(np.asarray(first), -1, -2) @ np.asarray(second)
    traces = np.einsum("...ij,mji->...m", difference, group).max(axis=-1)
    angle: Array = np.rad2deg(np.arccos(np.clip((traces - 1) / 2, -1, 1)))
    return angle
