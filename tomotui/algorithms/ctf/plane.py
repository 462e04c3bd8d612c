"""The plane of the specimen, as each image sees it: depth as a linear function of the place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.geometry import TiltGeometry

Array = NDArray[np.float64]

_STEP_DEG = 1e-3


def depth_gradients(geometry: TiltGeometry, plane_deg: ArrayLike = (0.0, 0.0)) -> Array:
    """Return how the depth of the specimen's plane changes over each image.

    Parameters
    ----------
    geometry
        The projection of every tilt.
    plane_deg
        The specimen's plane is z = 0 turned by ``Ry(second) Rx(first)``: the second adds to
        every tilt, the first to every tilt about x.

    Returns
    -------
    Angstrom of depth per Angstrom along image x and y, ``[n_tilts, 2]``.
    """
    about_x, about_y = np.deg2rad(np.asarray(plane_deg, dtype=np.float64))
    slope_x, slope_y = -np.tan(about_y), np.tan(about_x) / np.cos(about_y)
    camera = geometry.projection_matrices
    along_x = camera[:, :, 0] + slope_x * camera[:, :, 2]
    along_y = camera[:, :, 1] + slope_y * camera[:, :, 2]
    steps = np.stack([along_x, along_y], axis=-1)
    gradient: Array = np.einsum("tj,tjk->tk", steps[:, 2], np.linalg.inv(steps[:, :2]))
    return gradient


def gradient_derivatives(geometry: TiltGeometry, plane_deg: ArrayLike) -> Array:
    """Return the derivatives of `depth_gradients` by both angles per degree, ``[n, 2, 2]``.

    The last axis is the angle.
    """
    angles = np.asarray(plane_deg, dtype=np.float64)
    columns = []
    for axis in range(2):
        step = np.zeros(2)
        step[axis] = _STEP_DEG
        ahead, behind = (depth_gradients(geometry, angles + s * step) for s in (1, -1))
        columns.append((ahead - behind) / (2 * _STEP_DEG))
    return np.stack(columns, axis=-1)
