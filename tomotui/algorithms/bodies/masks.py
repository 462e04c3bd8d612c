"""Masks of bodies: cut from a map along its valleys, grown from seeds, or taken as they are given.

Whatever they come from, they share the particle out among them: they overlap softly, their sum is
the mask of the particle, and what no body was given goes to the nearest.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
import scipy.ndimage
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
Labels = NDArray[np.int32]

SMOOTHER = 1.15
MOST_SHARED = 0.9
"""Share of the smaller of two masks in the other, beyond which they are the same body."""

LEAST_SHARE = 0.01
"""Of the particle, that a body has at least."""


class BodyError(ValueError):
    """No bodies can be made of this; the message says why."""


def bodies_by_valleys(volume: Tensor, mask: Tensor, n_bodies: int, first_px: float = 1.5) -> Labels:
    """Cut a map along its valleys.

    The map is smoothed until no more summits are left than bodies are wanted, and flooded from
    them.

    Parameters
    ----------
    volume
        Bright protein, ``[n, n, n]``.
    mask
        Of the particle.
    n_bodies
        2 or more.
    first_px
        Standard deviation of the first smoothing.

    Returns
    -------
    1 to ``n_bodies``, greatest first, and 0 outside the particle, ``[n, n, n]``.

    Raises
    ------
    BodyError
        When the map never shows as many summits.
    """
    inside = (mask > 0.5).cpu().numpy()
    values = (volume * mask).float().cpu().numpy()
    spread, best = first_px, None
    while spread < volume.shape[-1] / 4:
        smooth = scipy.ndimage.gaussian_filter(values, spread)
        summits = _summits(smooth, inside)
        if len(summits) < n_bodies:
            break
        best = smooth, summits[:n_bodies]
        if len(summits) == n_bodies:
            break
        spread *= SMOOTHER
    if best is None:
        raise BodyError(f"the map does not show {n_bodies} bodies: it has fewer summits")
    return _by_size(_flooded(*best, inside))


def _summits(smooth: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the places of voxels higher than their neighbours, highest first, ``[m, 3]``."""
    highest = scipy.ndimage.maximum_filter(smooth, size=3)
    places = np.argwhere((smooth == highest) & inside)
    return places[np.argsort(-smooth[tuple(places.T)], kind="stable")]


def bodies_by_seeds(volume: Tensor, mask: Tensor, seeds_px: Sequence[Array]) -> Labels:
    """Flood a map from points that were marked.

    Parameters
    ----------
    seeds_px
        Of each body, (x, y, z) from voxel ``n // 2``, ``[m, 3]``.

    Returns
    -------
    Number of each body from 1, in the order of the seeds, and 0 outside the particle.

    Raises
    ------
    BodyError
        When a body has no seed on the particle.
    """
    inside = (mask > 0.5).cpu().numpy()
    smooth = scipy.ndimage.gaussian_filter((volume * mask).float().cpu().numpy(), 1.5)
    markers = np.zeros(inside.shape, dtype=np.int16)
    size = inside.shape[0]
    for number, seeds in enumerate(seeds_px, start=1):
        at = np.rint(np.asarray(seeds).reshape(-1, 3)[:, ::-1]).astype(int) + size // 2
        at = at[((at >= 0) & (at < size)).all(axis=1)]
        at = at[inside[tuple(at.T)]]
        if not len(at):
            raise BodyError(f"no point of body {number} lies on the particle")
        markers[tuple(at.T)] = number
    return _flooded_from(smooth, markers, inside)


def _flooded(
    smooth: NDArray[np.float32], summits: NDArray[np.intp], inside: NDArray[np.bool_]
) -> Labels:
    markers = np.zeros(inside.shape, dtype=np.int16)
    markers[tuple(summits.T)] = np.arange(1, len(summits) + 1)
    return _flooded_from(smooth, markers, inside)


def _flooded_from(
    smooth: NDArray[np.float32], markers: NDArray[np.int16], inside: NDArray[np.bool_]
) -> Labels:
    """Flood from markers downwards, within the particle; what is cut off goes to the nearest."""
    size = np.array(smooth.shape)
    strides = np.array([size[1] * size[2], size[2], 1])
    steps = np.concatenate([strides, -strides]).tolist()
    heights, within = smooth.ravel(), np.pad(inside[1:-1, 1:-1, 1:-1], 1).ravel()
    labels = np.where(inside, markers, 0).ravel().astype(np.int32)
    heap = [(-float(heights[at]), int(at)) for at in np.flatnonzero(labels)]
    heapq.heapify(heap)
    while heap:
        _, at = heapq.heappop(heap)
        for step in steps:
            there = at + step
            if 0 <= there < len(labels) and within[there] and not labels[there]:
                labels[there] = labels[at]
                heapq.heappush(heap, (-float(heights[there]), there))
    found = np.where(inside, labels.reshape(inside.shape), 0).astype(np.int32)
    return np.where(inside, _nearest(found), 0).astype(np.int32)


def _nearest(labels: Labels) -> Labels:
    """Return the label of the nearest voxel that has one."""
    if (labels > 0).all() or not (labels > 0).any():
        return labels
    where = scipy.ndimage.distance_transform_edt(
        labels == 0, return_distances=False, return_indices=True
    )
    return np.asarray(labels[tuple(where)], dtype=np.int32)


def _by_size(labels: Labels) -> Labels:
    """Number bodies by their size, the greatest first."""
    sizes = np.bincount(labels.ravel())[1:]
    order = np.concatenate([[0], 1 + np.argsort(np.argsort(-sizes, kind="stable"))])
    return order[labels].astype(np.int32)


def softened(labels: Labels, mask: Tensor, edge_px: float) -> Tensor:
    """Return masks of bodies that go over into each other, ``[b, n, n, n]``.

    Parameters
    ----------
    labels
        1 to b; 0 outside.
    mask
        Of the particle; the masks add up to it.
    edge_px
        Width of the zone that two bodies share.
    """
    everywhere, n_bodies = _nearest(labels), int(labels.max())
    soft = np.stack(
        [
            scipy.ndimage.gaussian_filter((everywhere == one).astype(np.float32), edge_px / 3)
            for one in range(1, n_bodies + 1)
        ]
    )
    soft /= soft.sum(axis=0).clip(1e-6)
    return torch.from_numpy(soft).to(mask) * mask


def shared_out(masks: Sequence[Tensor], mask: Tensor, edge_px: float) -> Tensor:
    """Return masks as they were given, made to share out the particle, ``[b, n, n, n]``.

    Where they add up to more than one they are weighed down; what none of them covers goes to the
    nearest.

    Parameters
    ----------
    masks
        From 0 to 1, ``[n, n, n]`` each.
    mask
        Of the particle.
    edge_px
        Width of the zone that two bodies share where both take what was left over.

    Raises
    ------
    BodyError
        When one is empty where the particle is, or two are nearly the same.
    """
    given = torch.stack([one.to(mask).clamp(0, 1) for one in masks]) * mask
    sizes = given.sum(dim=(1, 2, 3))
    for number, size in enumerate(sizes.tolist(), start=1):
        if size < LEAST_SHARE * float(mask.sum()):
            raise BodyError(f"mask {number} holds nothing of the particle")
    for one in range(len(masks)):
        for other in range(one + 1, len(masks)):
            shared = float(torch.minimum(given[one], given[other]).sum())
            if shared > MOST_SHARED * float(sizes[[one, other]].min()):
                raise BodyError(f"masks {one + 1} and {other + 1} hold the same part")
    total = given.sum(dim=0)
    given /= (total / mask.clamp_min(1e-6)).clamp_min(1.0)
    strongest, labels = given.max(dim=0)
    core = torch.where(strongest > 0.5 * mask, labels + 1, 0) * (mask > 0)
    left = (mask - given.sum(dim=0)).clamp_min(0.0)
    return given + softened(core.cpu().numpy().astype(np.int32), left, edge_px)


def pivots_of(volume: Tensor, masks: Tensor) -> NDArray[np.int64]:
    """Return the voxels nearest to centres of mass, (x, y, z) from ``n // 2``, ``[b, 3]``."""
    density = (volume * masks).clamp_min(0.0).double()
    line = torch.arange(volume.shape[-1], device=volume.device, dtype=torch.float64)
    line -= volume.shape[-1] // 2
    total = density.sum(dim=(1, 2, 3)).clamp_min(1e-12)
    along = [
        (density.sum(dim=other) * line).sum(dim=1) / total for other in ((1, 2), (1, 3), (2, 3))
    ]
    return np.rint(torch.stack(along, dim=1).cpu().numpy()).astype(np.int64)


def inertia_of(volume: Tensor, masks: Tensor, pivots_px: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return the share of mass of each body ``[b]``, and second moments ``[b, 3, 3]`` in px^2.

    Moments are of the density about the pivot, per unit of mass.
    """
    n = volume.shape[-1]
    moments, masses = [], []
    for mask, pivot in zip(masks, pivots_px, strict=True):
        density = (volume * mask).clamp_min(0.0).double().cpu().numpy()
        z, y, x = np.nonzero(density > 1e-3 * density.max())
        weights = density[z, y, x]
        way = np.stack([x, y, z], axis=1) - n // 2 - pivot
        masses.append(weights.sum())
        moments.append(np.einsum("k,ki,kj->ij", weights, way, way) / weights.sum())
    return np.array(masses) / np.sum(masses), np.array(moments)
