"""Normals of the membranes that particles stand on, from the tomogram below each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates, spline_filter
from scipy.optimize import minimize

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

LEAST_CONTRAST = 4.5
"""Standard errors by which a plane must be brighter than what lies either side of it."""

SMOOTH_ANGSTROM, BILAYER_ANGSTROM = 12.0, 20.0
"""Standard deviations of smoothing: of the tomogram, and across the membrane besides, which makes
one sheet of two leaflets."""

BESIDE_ANGSTROM = 60.0
"""How far from a membrane's middle there is none of it."""

_MOST_TILT_DEG, _TILT_STEP_DEG = 48.0, 8.0
_LOOKS = 2


@dataclass(frozen=True)
class MembraneSearch:
    """Where membranes are looked for.

    Attributes
    ----------
    nearest_angstrom, farthest_angstrom
        How far below the particle's place, against its direction.
    radius_angstrom
        Of the patch that is taken as plane.
    """

    nearest_angstrom: float = 0.0
    farthest_angstrom: float = 200.0
    radius_angstrom: float = 90.0


@dataclass(frozen=True)
class Normals:
    """Normals of membranes at particles.

    Attributes
    ----------
    directions
        Unit vectors (x, y, z) that point to the particle's side; NaN where no membrane was found,
        ``[n, 3]``.
    depths_angstrom
        How far below the particle the membrane lies, ``[n]``.
    errors_deg
        Standard error, from two halves of the patch, ``[n]``. They share some noise: it may be
        twice that.
    """

    directions: Array
    depths_angstrom: Array
    errors_deg: Array


class _Patch(NamedTuple):
    """How far density stands out from what lies above and below, about a particle."""

    density: Floats
    u: Array
    v: Array
    first_w: float
    step: float

    def means(self, sheets: Array, which: NDArray[np.bool_] | slice = slice(None)) -> Array:
        """Return means over sheets, ``[m, 4]`` to ``[m]``."""
        return np.asarray(self.on(sheets, which).mean(axis=1))

    def on(self, sheets: Array, which: NDArray[np.bool_] | slice = slice(None)) -> Array:
        """Return the values of columns on sheets, ``[m, 4]`` to ``[m, c]``.

        A sheet is ``w = a + b u + c v + d (u^2 + v^2) / 2``: of a round membrane a plane would be a
        tangent anywhere on the patch.
        """
        u, v = self.u[which], self.v[which]
        a, b, c, d = (one[:, None] for one in sheets.T)
        w = a + b * u + c * v + d / 2 * (u**2 + v**2)
        columns = np.arange(len(self.u), dtype=np.float64)[which]
        at = np.stack([np.broadcast_to(columns, w.shape), (w - self.first_w) / self.step])
        found = map_coordinates(
            self.density, at.reshape(2, -1), order=3, mode="nearest", prefilter=False
        )
        return np.asarray(found.reshape(w.shape), dtype=np.float64)


def membrane_normals(
    volume: Floats,
    voxel_size_angstrom: float,
    positions_angstrom: Array,
    directions: Array,
    where: MembraneSearch | None = None,
) -> Normals:
    """Fit a plane to the membrane below each particle.

    Parameters
    ----------
    volume
        Tomogram with bright membranes, ``[z, y, x]``.
    positions_angstrom
        (x, y, z) from voxel ``n // 2``, ``[n, 3]``.
    directions
        From the membrane to the particle, roughly, ``[n, 3]``; NaN where that is not known.
    """
    search = where or MembraneSearch()
    near = replace(search, nearest_angstrom=-30.0, farthest_angstrom=30.0)
    smooth = gaussian_filter(volume.astype(np.float32), SMOOTH_ANGSTROM / voxel_size_angstrom)
    n = len(positions_angstrom)
    found = Normals(np.full((n, 3), np.nan), np.full(n, np.nan), np.full(n, np.nan))
    for row in np.flatnonzero(np.isfinite(directions).all(axis=1)):
        axes = _axes(directions[row])
        patch = _patch(smooth, voxel_size_angstrom, positions_angstrom[row], axes, search)
        plane, contrast = _best_plane(patch, search)
        if contrast < LEAST_CONTRAST:
            continue
        found.depths_angstrom[row] = -plane[0]
        foot = positions_angstrom[row] + plane[0] * axes[2]
        # Again as seen along the normal: of a curved membrane seen askew the patch is lopsided.
        for _ in range(_LOOKS):
            axes = _axes(_normal(plane, axes))
            patch = _patch(smooth, voxel_size_angstrom, foot, axes, near)
            plane = _climbed(patch, np.array([0.0, 0.0, 0.0, plane[3]]))
        found.directions[row] = _normal(plane, axes)
        found.errors_deg[row] = _error_deg(patch, plane)
    return found


def _axes(direction: Array) -> Array:
    """Return two axes across and the direction itself as rows, ``[3, 3]``."""
    along = direction / np.linalg.norm(direction)
    across = np.cross(along, np.eye(3)[np.abs(along).argmin()])
    across /= np.linalg.norm(across)
    return np.stack([across, np.cross(along, across), along])


def _patch(
    smooth: Floats, voxel: float, position: Array, axes: Array, search: MembraneSearch
) -> _Patch:
    line = np.arange(-search.radius_angstrom, search.radius_angstrom + voxel / 2, voxel)
    u, v = (one.ravel() for one in np.meshgrid(line, line, indexing="ij"))
    inside = np.hypot(u, v) <= search.radius_angstrom
    u, v = u[inside], v[inside]
    margin = search.radius_angstrom * np.tan(np.deg2rad(_MOST_TILT_DEG))
    beside = round(BESIDE_ANGSTROM / voxel)
    margin += beside * voxel
    w = np.arange(
        -search.farthest_angstrom - margin, -search.nearest_angstrom + margin + voxel, voxel
    )
    across = u[:, None] * axes[0] + v[:, None] * axes[1]
    points = position + across[:, None] + w[:, None] * axes[2]
    centre = np.array(smooth.shape[::-1]) // 2
    at = (points / voxel + centre)[..., ::-1]
    density = map_coordinates(smooth, at.reshape(-1, 3).T, order=1, mode="nearest")
    density = gaussian_filter1d(density.reshape(len(u), len(w)), BILAYER_ANGSTROM / voxel, axis=1)
    middle, n = density[:, beside:-beside], len(w) - 2 * beside
    ridge = middle - 0.5 * (density[:, :n] + density[:, -n:])
    return _Patch(spline_filter(ridge, output=np.float32), u, v, float(w[beside]), voxel)


def _best_plane(patch: _Patch, search: MembraneSearch) -> tuple[Array, float]:
    """Return the plane of most density, and by how many standard errors it stands out."""
    tilts = np.arange(-_MOST_TILT_DEG, _MOST_TILT_DEG + 1, _TILT_STEP_DEG)
    slopes = np.tan(np.deg2rad(tilts))
    depths = np.arange(
        -search.farthest_angstrom, -search.nearest_angstrom + 1e-6, max(patch.step, 6.0)
    )
    b, c = (one.ravel() for one in np.meshgrid(slopes, slopes, indexing="ij"))
    steep = np.hypot(b, c) > slopes[-1] + 1e-9
    sheets = np.stack([b[~steep], c[~steep]], axis=1)
    planes = np.array([[a, *sheet, 0.0] for a in depths for sheet in sheets])
    means = patch.means(planes)
    best = _climbed(patch, planes[means.argmax()])
    values = patch.on(best[None])[0]
    # Columns nearer than the smoothing is wide tell the same.
    alone = len(values) * patch.step**2 / (4 * np.pi * SMOOTH_ANGSTROM**2)
    error = float(values.std()) / np.sqrt(max(alone - 1, 1.0)) + 1e-12
    if not -search.farthest_angstrom <= best[0] <= -search.nearest_angstrom:
        return best, 0.0
    return best, float(values.mean()) / error


def _climbed(patch: _Patch, plane: Array, which: NDArray[np.bool_] | slice = slice(None)) -> Array:
    scale = np.array([1.0, 1.0 / 60.0, 1.0 / 60.0, 1.0 / 1800.0])
    height = float(np.ptp(patch.density)) + 1e-12
    start = plane / scale
    options: Any = {"initial_simplex": _simplex(start), "xatol": 0.05, "fatol": 1e-7}

    def depth(x: Array) -> float:
        return -float(patch.means((x * scale)[None], which)[0]) / height

    found: Any = minimize(depth, start, method="Nelder-Mead", options=options)
    return np.asarray(found.x * scale)


def _simplex(x: Array) -> Array:
    return np.stack([x, *(x + 6.0 * np.eye(4))])


def _error_deg(patch: _Patch, plane: Array) -> float:
    """Return half the angle between the planes of the patch's two halves, dealt like a board."""
    squares = np.floor(np.stack([patch.u, patch.v]) / (4 * SMOOTH_ANGSTROM)).astype(int)
    is_black = squares.sum(axis=0) % 2 == 0
    one, two = (_normal(_climbed(patch, plane, half), np.eye(3)) for half in (is_black, ~is_black))
    return float(np.rad2deg(np.arccos(np.clip(one @ two, -1, 1)))) / 2


def _normal(plane: Array, axes: Array) -> Array:
    across = np.array([-plane[1], -plane[2], 1.0])
    return np.asarray(across / np.linalg.norm(across) @ axes)
