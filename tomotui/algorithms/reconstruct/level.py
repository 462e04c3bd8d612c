"""Turning the geometry so that the specimen lies flat and centred, with no image changed.

A rotation L and a translation t of the specimen, ``p = L p' + t``, leave every projection where
it was when the angles become those of ``R_i L`` and the shifts grow by ``(R_i t)_xy``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.geometry import TiltGeometry, rotation_x, rotation_y

Array = NDArray[np.float64]

SIGNIFICANT_DEG = 0.5
SIGNIFICANT_SIGMAS = 3.0


def is_significant(slope: float, sigma: float) -> bool:
    """Return whether a lean is worth levelling: above half a degree and three errors."""
    lean = abs(float(np.rad2deg(np.arctan(slope))))
    error = float(np.rad2deg(sigma))
    return lean > SIGNIFICANT_DEG and lean > SIGNIFICANT_SIGMAS * error


def leveling_motion(
    geometry: TiltGeometry, slope_x: float, slope_y: float, height_angstrom: float
) -> tuple[Array, Array]:
    """Return the motion that makes the plane ``z = height + slope_x x + slope_y y`` the middle.

    Returns
    -------
    Rotation L ``[3, 3]`` and translation t ``[3]`` of ``p = L p' + t``. Among all rotations that
    turn the plane flat it is the one that changes the angles of tilt and x-tilt alone where all
    tilts share one x-tilt.
    """
    normal = np.array([-slope_x, -slope_y, 1.0])
    normal /= np.linalg.norm(normal)
    lean = rotation_x(geometry.x_tilt_deg.mean())
    across, along, up = lean @ normal
    x_tilt_deg = -np.rad2deg(np.arcsin(along))
    tilt_deg = np.rad2deg(np.arctan2(across, up))
    rotation: Array = lean.T @ rotation_y(tilt_deg) @ rotation_x(x_tilt_deg)
    # The plane's point nearest to the origin, so that the field of view stays.
    distance = height_angstrom / np.hypot(1.0, np.hypot(slope_x, slope_y))
    return rotation, normal * distance


def moved_geometry(
    geometry: TiltGeometry, rotation: ArrayLike, translation: ArrayLike
) -> TiltGeometry:
    """Return the geometry in which points ``p'`` are seen where ``L p' + t`` were before.

    Parameters
    ----------
    rotation, translation
        L ``[3, 3]`` and t ``[3]`` in Angstrom.
    """
    cameras = geometry.projection_matrices
    turned = cameras @ np.asarray(rotation, dtype=np.float64)
    # Of Rz(axis) Ry(tilt) Rx(x_tilt) the last row is (-sin tilt, cos tilt sin x, cos tilt cos x).
    tilt = np.arcsin(np.clip(-turned[:, 2, 0], -1.0, 1.0))
    x_tilt = np.arctan2(turned[:, 2, 1], turned[:, 2, 2])
    axis = np.arctan2(turned[:, 1, 0], turned[:, 0, 0])
    moved = np.einsum("tij,j->ti", cameras, np.asarray(translation, dtype=np.float64))
    axis_deg = np.rad2deg(axis)
    # The same turn as before, not one that differs by whole turns.
    axis_deg += 360 * np.round((geometry.axis_deg - axis_deg) / 360)
    return TiltGeometry(
        np.rad2deg(tilt), np.rad2deg(x_tilt), axis_deg, geometry.shift_angstrom + moved[:, :2]
    )


def depth_of_origin(geometry: TiltGeometry, translation: ArrayLike) -> Array:
    """Return how much deeper the new origin lies in each tilt, Angstrom, ``[n_tilts]``.

    By so much (times the handedness) the defocus of the specimen's centre changes.
    """
    depth: Array = geometry.stage_matrices[:, 2] @ np.asarray(translation, dtype=np.float64)
    return depth
