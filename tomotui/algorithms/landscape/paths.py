"""Maps of the real particles along a path through a landscape."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from tomotui.algorithms.refine.maps import HalfMaps, half_maps
from tomotui.algorithms.refine.poses import batches
from tomotui.algorithms.refine.reconstruct import Spectra, add_views
from tomotui.algorithms.refine.refinement import Refinement
from tomotui.imaging.slices import SliceSums

Array = NDArray[np.float64]

LEAST_WEIGHT = 0.02
"""Below which a particle is left out of a map."""


def along_path(points: ArrayLike, n: int) -> Array:
    """Return points at even distances along straight lines between points, ``[n, d]``.

    Raises
    ------
    ValueError
        When there are fewer than two different points.
    """
    corners = np.atleast_2d(np.asarray(points, dtype=np.float64))
    lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    corners = corners[np.r_[True, lengths > 0]]
    if len(corners) < 2:
        raise ValueError("a path needs two different points")
    at = np.r_[0, np.cumsum(lengths[lengths > 0])]
    wanted = np.linspace(0, at[-1], n)
    return np.stack([np.interp(wanted, at, one) for one in corners.T], axis=1)


def weights_about(
    coordinates: ArrayLike, point: ArrayLike, n_effective: float
) -> tuple[Array, float]:
    """Return how much particles count for the map at a point.

    The weight falls as a Gaussian of the distance, which is as wide as it must be for about as
    many particles to count as are wanted.

    Parameters
    ----------
    coordinates
        Of particles, ``[p, d]``.
    point
        ``[d]``.
    n_effective
        Wanted sum of weights.

    Returns
    -------
    ``[p]``, up to 1; and the width in the coordinates' unit.
    """
    squares = np.square(np.asarray(coordinates, float) - np.asarray(point, float)).sum(axis=1)
    wanted = min(n_effective, 0.99 * len(squares))
    # Widths are tried by halving the range of their logarithm.
    low, high = 1e-4, 1e4
    for _ in range(60):
        width = float(np.sqrt(low * high))
        if np.exp(-0.5 * squares / width**2).sum() < wanted:
            low = width
        else:
            high = width
    weights = np.exp(-0.5 * squares / high**2)
    weights[weights < LEAST_WEIGHT] = 0
    return weights, high


def weighted_maps(refinement: Refinement, weights: Array) -> HalfMaps:
    """Make half maps in which particles count by weights.

    Parameters
    ----------
    refinement
        At its level, with the particles as they lie.
    weights
        By row, ``[n]``.
    """
    work = refinement.work
    group = torch.as_tensor(work.group, dtype=torch.float32, device=work.device)
    sums = [SliceSums(work.box, work.radius_limit, work.device) for _ in (0, 1)]
    n_terms = len(work.store.plane.radius)
    for one in work.series:
        own = weights[one.rows]
        if not (own > 0).any():
            continue
        views = work.store.views(one)
        for half in (0, 1):
            mine = np.flatnonzero((one.halves == half) & (own > 0))
            for part in batches(len(mine), n_terms * one.model.n_tilts):
                rows = mine[part]
                poses, some = one.poses.select(rows), views.select(rows)
                # Both sums have two factors of a view: each takes the root of the weight.
                root = torch.as_tensor(own[rows] ** 0.5, dtype=torch.float32, device=work.device)
                some.data = some.data * root[:, None, None]
                some.transfer = some.transfer * root[:, None, None]
                add_views(
                    sums[half],
                    some,
                    poses.cameras(one.model, work.device),
                    some.offsets_px(one.model, poses.positions_angstrom),
                    n_terms,
                )
    spectra = [Spectra.of(one, group, work.ranks) for one in sums]
    mask = refinement.maps.mask if refinement.maps is not None else None
    return half_maps(spectra, work.pixel_size_angstrom, work.plan.diameter_angstrom, mask)
