"""Which particles of a tomogram are better left out: doubles, edges, carbon, gold, bad company.

Every function looks at the particles of one tomogram, (x, y, z) in Angstrom from its centre, and
returns a mask of those to leave out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from tomotui.geometry.points import kept_apart
from tomotui.geometry.poses import matrices_of_angles

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_PLANE_POINTS = 8
"""Points of a surface that give its plane near a particle."""


def doubles(positions_angstrom: Floats, ranks: ArrayLike, apart_angstrom: float) -> Mask:
    """Leave out what is too near to a better particle.

    Greedy from the best on: a particle that is left out does not push others out.

    Parameters
    ----------
    ranks
        ``[n, k]`` or ``[n]``, greater is better, the first column counting most.
    apart_angstrom
        Two particles nearer than this are one.
    """
    n = len(positions_angstrom)
    out = np.zeros(n, dtype=bool)
    if n < 2:
        return out
    columns = np.asarray(ranks, dtype=np.float64).reshape(n, -1)
    # The last key of lexsort counts most; what comes first stays first among equals.
    order = np.lexsort([np.arange(n), *(-columns.T[::-1])])
    out[order] = ~kept_apart(positions_angstrom[order], np.nextafter(apart_angstrom, 0))
    return out


def near_faces(
    positions_angstrom: Floats,
    size_xyz: tuple[int, int, int],
    pixel_size_angstrom: float,
    margins_angstrom: tuple[float, float, float],
) -> Mask:
    """Leave out what is nearer to a face of the volume than a margin.

    Parameters
    ----------
    margins_angstrom
        Along x, y and z.
    """
    size = np.array(size_xyz)
    lowest = (-(size // 2) - 0.5) * pixel_size_angstrom
    highest = lowest + size * pixel_size_angstrom
    margins = np.array(margins_angstrom)
    is_within = (positions_angstrom >= lowest + margins) & (positions_angstrom <= highest - margins)
    return np.asarray(~is_within.all(axis=1))


def inside_mask(
    positions_angstrom: Floats, mask: Mask, pixel_size_angstrom: float, margin_angstrom: float = 0.0
) -> Mask:
    """Leave out what lies in a mask, or within a margin of it.

    Parameters
    ----------
    mask
        ``[z, y, x]`` of the tomogram, true where nothing should be.
    """
    shape = np.array(mask.shape)
    voxels = np.rint(positions_angstrom[:, ::-1] / pixel_size_angstrom).astype(int) + shape // 2
    reach = int(np.ceil(margin_angstrom / pixel_size_angstrom))
    ball = np.indices((2 * reach + 1,) * 3).reshape(3, -1).T - reach
    ball = ball[(ball**2).sum(axis=1) <= (margin_angstrom / pixel_size_angstrom) ** 2]
    out = np.zeros(len(voxels), dtype=bool)
    for i, voxel in enumerate(voxels):
        near = voxel + ball
        near = near[((near >= 0) & (near < shape)).all(axis=1)]
        out[i] = mask[tuple(near.T)].any()
    return out


def near_points(positions_angstrom: Floats, points_angstrom: Floats, within: float) -> Mask:
    """Leave out what is within a distance of points, such as gold beads."""
    if not len(points_angstrom):
        return np.zeros(len(positions_angstrom), dtype=bool)
    distances, _ = cKDTree(points_angstrom).query(positions_angstrom)
    return np.asarray(distances < within)


def lonely_or_crowded(positions_angstrom: Floats, least: float, most: float) -> Mask:
    """Leave out what has its nearest neighbour nearer than ``least`` or further than ``most``."""
    n = len(positions_angstrom)
    if n < 2:
        return np.full(n, np.isfinite(most))
    distances = np.asarray(cKDTree(positions_angstrom).query(positions_angstrom, k=2)[0])
    nearest = distances[:, 1]
    return np.asarray((nearest < least) | (nearest > most))


def off_surface(
    positions_angstrom: Floats, surface_angstrom: Floats, least: float, most: float
) -> Mask:
    """Leave out what is nearer to a surface than ``least`` or further from it than ``most``."""
    if not len(surface_angstrom):
        return np.full(len(positions_angstrom), np.isfinite(most))
    distances = surface_distances(positions_angstrom, surface_angstrom)
    return np.asarray((distances < least) | (distances > most))


def surface_distances(positions_angstrom: Floats, surface_angstrom: Floats) -> Floats:
    """Return how far particles are from a surface that is given by points on it.

    Over the surface this is the distance to the plane through the nearest points, which does not
    depend on how densely these lie; beyond its rim it is the distance to the nearest point.
    """
    tree = cKDTree(surface_angstrom)
    nearest, first = map(np.asarray, tree.query(positions_angstrom))
    k = min(_PLANE_POINTS, len(surface_angstrom))
    if k < 4:
        return nearest
    around = np.asarray(tree.query(surface_angstrom[first], k=k)[1])
    patches = surface_angstrom[around]
    middles = patches.mean(axis=1)
    normals = np.linalg.svd(patches - middles[:, None])[2][:, 2]
    heights = np.abs(np.einsum("ni,ni->n", positions_angstrom - middles, normals))
    reach = np.linalg.norm(patches - surface_angstrom[first][:, None], axis=2).max(axis=1)
    beside = np.sqrt(np.maximum(nearest**2 - heights**2, 0))
    return np.asarray(np.where(beside <= reach, np.minimum(heights, nearest), nearest))


def off_lattice(
    positions_angstrom: Floats,
    angles_deg: Floats,
    spacing_angstrom: float,
    *,
    tolerance: float = 0.25,
    turn_deg: float = 40.0,
    least_neighbours: int = 2,
    least_share: float = 0.5,
) -> Mask:
    """Leave out what does not have the neighbours of a lattice.

    Parameters
    ----------
    angles_deg
        ``[n, 3]``, (rot, tilt, psi); NaN where unknown.
    spacing_angstrom
        From one particle to the next.
    tolerance
        By which share of the spacing a good neighbour may be nearer or further.
    turn_deg
        Greatest angle between the z axes of good neighbours; not asked where poses are unknown.
    least_neighbours
        A particle with fewer good neighbours is left out.
    least_share
        Of all neighbours out to the greatest distance, that must be good.
    """
    n = len(positions_angstrom)
    least = spacing_angstrom * (1 - tolerance)
    most = spacing_angstrom * (1 + tolerance)
    if n == 0:
        return np.zeros(0, dtype=bool)
    pairs = cKDTree(positions_angstrom).query_pairs(most, output_type="ndarray")
    first, second = pairs.T
    distances = np.linalg.norm(positions_angstrom[first] - positions_angstrom[second], axis=1)
    axes = matrices_of_angles(angles_deg)[:, :, 2]
    cosines = np.einsum("ni,ni->n", axes[first], axes[second])
    # Comparing with NaN is false: an unknown pose disagrees with nobody.
    is_good = (distances >= least) & ~(cosines < np.cos(np.deg2rad(turn_deg)))
    everybody = np.bincount(pairs.ravel(), minlength=n)
    good = np.bincount(pairs[is_good].ravel(), minlength=n)
    share = good / np.maximum(everybody, 1)
    return np.asarray((good < least_neighbours) | (share < least_share))
