"""Poses of particles: RELION's Euler angles and the rotations that they mean.

A pose maps the reference to the tomogram, ``x_tomo = R x_ref + t``. RELION's (rot, tilt, psi) are
the intrinsic ZYZ angles of its inverse: ``R^T = Rz(rot) Ry(tilt) Rz(psi)``. So tilt and psi say
where the reference's z axis points, and rot turns the reference about that axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.geometry.tilt import rotation_y, rotation_z

Floats = NDArray[np.float64]

_POLE = 1e-7
"""Below this sine of the tilt only the sum or the difference of rot and psi has a meaning."""


def matrices_of_angles(angles_deg: ArrayLike) -> Floats:
    """Return the rotations R of poses.

    Parameters
    ----------
    angles_deg
        ``[n, 3]``: rot, tilt, psi.

    Returns
    -------
    ``[n, 3, 3]``; with NaN where an angle is unknown.
    """
    rot, tilt, psi = np.asarray(angles_deg, dtype=np.float64).reshape(-1, 3).T
    inverse = rotation_z(rot) @ rotation_y(tilt) @ rotation_z(psi)
    return inverse.transpose(0, 2, 1)


def angles_of_matrices(matrices: ArrayLike) -> Floats:
    """Return (rot, tilt, psi) in degrees of rotations R, ``[n, 3, 3]`` to ``[n, 3]``.

    Tilt lies between 0 and 180. At its ends, where rot and psi turn about one axis, psi is 0.
    """
    inverse = np.asarray(matrices, dtype=np.float64).reshape(-1, 3, 3).transpose(0, 2, 1)
    sine = np.hypot(inverse[:, 0, 2], inverse[:, 1, 2])
    tilt = np.arctan2(sine, inverse[:, 2, 2])
    at_pole = sine < _POLE
    side = np.where(inverse[:, 2, 2] < 0, -1.0, 1.0)
    rot = np.where(
        at_pole,
        np.arctan2(side * inverse[:, 1, 0], side * inverse[:, 0, 0]),
        np.arctan2(inverse[:, 1, 2], inverse[:, 0, 2]),
    )
    psi = np.where(at_pole, 0.0, np.arctan2(inverse[:, 2, 1], -inverse[:, 2, 0]))
    angles: Floats = np.rad2deg(np.stack([rot, tilt, psi], axis=1))
    return angles


def directions_of_angles(angles_deg: ArrayLike) -> Floats:
    """Return where the reference's z axis points, ``[n, 3]``; NaN where that is not known.

    Parameters
    ----------
    angles_deg
        ``[n, 3]``: rot, tilt, psi. Whatever rot is, it does not matter.
    """
    _, tilt, psi = np.deg2rad(np.asarray(angles_deg, dtype=np.float64).reshape(-1, 3)).T
    across = np.sin(tilt)
    z = np.where(np.isfinite(psi), np.cos(tilt), np.nan)
    return np.stack([-np.cos(psi) * across, np.sin(psi) * across, z], axis=1)


def angles_facing(directions: ArrayLike) -> Floats:
    """Return (rot, tilt, psi) that turn the reference's z axis into directions; rot is 0.

    Parameters
    ----------
    directions
        ``[n, 3]``, of any length above zero.
    """
    x, y, z = np.asarray(directions, dtype=np.float64).reshape(-1, 3).T
    across = np.hypot(x, y)
    tilt = np.rad2deg(np.arctan2(across, z))
    # The third column of R is (-cos(psi) sin(tilt), sin(psi) sin(tilt), cos(tilt)).
    psi = np.where(across > 0, np.rad2deg(np.arctan2(y, -x)), 0.0)
    return np.stack([np.zeros_like(tilt), tilt, psi], axis=1)
