"""Even grids of orientations: over all rotations, over what a symmetry leaves, or near a pose."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.geometry.symmetry import is_representative, symmetry_rotations

Array = NDArray[np.float64]

_PHI = 2**0.5
_PSI = 1.533751168755204288118041
"""Roots that spread a spiral over the sphere of quaternions (Alexa 2022, CVPR)."""


def shortest_turns(starts: ArrayLike, ends: ArrayLike) -> Array:
    """Return the shortest turns of directions into others, rotation vectors in radians.

    Parameters
    ----------
    starts, ends
        Of unit length, ``[..., 3]``, as the turns. A direction is turned into its opposite about
        any axis across.
    """
    starts, ends = np.asarray(starts, dtype=np.float64), np.asarray(ends, dtype=np.float64)
    about = np.cross(starts, ends)
    across = np.cross(ends, np.eye(3)[np.abs(ends).argmin(axis=-1)])
    is_plain = np.linalg.norm(about, axis=-1, keepdims=True) > 1e-9
    about = np.where(is_plain, about, across)
    about /= np.linalg.norm(about, axis=-1, keepdims=True).clip(1e-12)
    angle = np.arccos((starts * ends).sum(axis=-1).clip(-1.0, 1.0))
    return np.asarray(about * angle[..., None])


def angular_step_deg(resolution_angstrom: float, diameter_angstrom: float) -> float:
    """Return the angle by which a detail at a particle's rim moves by half its own size.

    That is resolution over diameter in radians, as Crowther and others (1970) count projections.
    """
    return float(np.rad2deg(resolution_angstrom / diameter_angstrom))


def n_orientations(step_deg: float) -> int:
    """Return how many rotations an even grid of a step has: all of space over a cube of it."""
    return max(1, round(float(8 * np.pi**2 / np.deg2rad(step_deg) ** 3)))


def super_fibonacci(n: int) -> Array:
    """Return n rotations spread evenly over all, ``[n, 3, 3]`` (Alexa 2022, CVPR, p. 8291)."""
    s = np.arange(n) + 0.5
    t, d = s / n, 2 * np.pi * s
    inner, outer = np.sqrt(t), np.sqrt(1 - t)
    alpha, beta = d / _PHI, d / _PSI
    return rotations_of_quaternions(
        np.stack(
            [
                inner * np.sin(alpha),
                inner * np.cos(alpha),
                outer * np.sin(beta),
                outer * np.cos(beta),
            ],
            axis=-1,
        )
    )


def rotations_of_quaternions(quaternions: ArrayLike) -> Array:
    """Return rotations of unit quaternions (x, y, z, w), ``[n, 4]`` to ``[n, 3, 3]``."""
    x, y, z, w = np.moveaxis(np.asarray(quaternions, dtype=np.float64), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rotations_of_vectors(vectors_rad: ArrayLike) -> Array:
    """Return rotations about vectors by their lengths in radians, ``[n, 3]`` to ``[n, 3, 3]``."""
    vectors = np.asarray(vectors_rad, dtype=np.float64)
    half = np.linalg.norm(vectors, axis=-1, keepdims=True) / 2
    return rotations_of_quaternions(
        np.concatenate([vectors / 2 * np.sinc(half / np.pi), np.cos(half)], axis=-1)
    )


def vectors_of_rotations(rotations: ArrayLike) -> Array:
    """Return the vectors in radians that rotations turn about, ``[n, 3, 3]`` to ``[n, 3]``.

    They are no longer than half a turn. The quaternion is the eigenvector of a symmetric matrix
    (Bar-Itzhack 2000, J. Guidance 23:1085), which no angle makes ill conditioned.
    """
    r = np.asarray(rotations, dtype=np.float64)
    trace = np.trace(r, axis1=-2, axis2=-1)[..., None, None]
    turned = r.swapaxes(-1, -2)
    form = np.zeros((*r.shape[:-2], 4, 4))
    form[..., :3, :3] = r + turned - trace * np.eye(3)
    odd = r - turned
    form[..., :3, 3] = np.stack([odd[..., 2, 1], odd[..., 0, 2], odd[..., 1, 0]], axis=-1)
    form[..., 3, :3] = form[..., :3, 3]
    form[..., 3, 3] = trace[..., 0, 0]
    quaternions = np.linalg.eigh(form)[1][..., -1]
    quaternions = quaternions * np.where(quaternions[..., 3:] < 0, -1.0, 1.0)
    axis, cosine = quaternions[..., :3], quaternions[..., 3:]
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    # The angle over its half's sine, which is 2 where there is no turn.
    length = np.divide(2 * np.arctan2(sine, cosine), sine, where=sine > 1e-12, out=2 + 0 * sine)
    return np.asarray(axis * length)


def orientation_grid(
    step_deg: float,
    symmetry: str = "C1",
    cone_deg: float = 180.0,
    axes: ArrayLike = ((0.0, 0.0, 1.0),),
    in_plane_deg: float = 180.0,
) -> Array:
    """Return poses to try, each orbit of the symmetry once, ``[n, 3, 3]``.

    Parameters
    ----------
    step_deg
        Mean distance of neighbours.
    symmetry
        Point group of the reference.
    cone_deg
        Greatest angle between the reference's z axis as it lies in the tomogram and the nearest of
        the axes.
    axes
        Directions (x, y, z) in the tomogram, such as normals of membranes, ``[n, 3]``.
    in_plane_deg
        Greatest turn about that axis, either way from the shortest way there.

    Raises
    ------
    ValueError
        When the symmetry is unknown, or the limits leave nothing.
    """
    group = symmetry_rotations(symmetry)
    poses = super_fibonacci(n_orientations(step_deg))
    if len(group) > 1:
        poses = poses[is_representative(poses, group)]
    if cone_deg < 180 or in_plane_deg < 180:
        # Any member of an orbit may lie within the limits.
        orbits = poses[:, None] @ group
        allowed = _is_within(orbits.reshape(-1, 3, 3), cone_deg, np.asarray(axes), in_plane_deg)
        allowed = allowed.reshape(orbits.shape[:2])
        poses = orbits[np.arange(len(orbits)), allowed.argmax(axis=1)][allowed.any(axis=1)]
    if not len(poses):
        raise ValueError(
            f"no orientation lies within {cone_deg:g} and {in_plane_deg:g} degrees at a step of "
            f"{step_deg:.3g} degrees"
        )
    return poses


def _is_within(
    poses: Array, cone_deg: float, axes: Array, in_plane_deg: float
) -> NDArray[np.bool_]:
    unit = axes / np.linalg.norm(axes, axis=-1, keepdims=True)
    pointing = poses[:, :, 2]
    cosines = pointing @ unit.T
    within = cosines.max(axis=1) >= np.cos(np.deg2rad(cone_deg)) - 1e-9
    if in_plane_deg < 180:
        within &= np.abs(_turn_deg(poses)) <= in_plane_deg
    return np.asarray(within)


def _turn_deg(poses: Array) -> Array:
    """Return the turn about its own z axis that a pose does before z is tilted the shortest way."""
    # R = (shortest turn of z) Rz(turn): the twist of the rotation about z.
    twist = np.arctan2(poses[:, 1, 0] - poses[:, 0, 1], poses[:, 0, 0] + poses[:, 1, 1])
    return np.rad2deg(twist)


def local_grid(step_deg: float, n_steps: int = 1) -> Array:
    """Return small rotations on a cubic grid of rotation vectors, the identity among them.

    Parameters
    ----------
    step_deg
        Between neighbours along each of three axes.
    n_steps
        Either way from the identity.

    Returns
    -------
    Rotation vectors in radians, ``[(2 n_steps + 1)^3, 3]``, to be turned into rotations that act
    after a pose.
    """
    line = np.arange(-n_steps, n_steps + 1) * np.deg2rad(step_deg)
    return np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
