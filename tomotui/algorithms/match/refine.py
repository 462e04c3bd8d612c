"""Turning each particle a little, and moving it, until it fits best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv3d

from tomotui.algorithms.match.field import Field
from tomotui.algorithms.match.kernels import Kernels
from tomotui.geometry.angles import local_grid, rotations_of_vectors

Array = NDArray[np.float64]

LEVELS = 2
REACH_VOXELS = 1
"""Either way that a particle may move at each level."""


@dataclass(frozen=True)
class Poses:
    """Where particles lie and how.

    Attributes
    ----------
    places
        (z, y, x) in voxels of the tomogram, ``[n, 3]``.
    rotations
        From the reference to the tomogram, ``[n, 3, 3]``.
    """

    places: Array
    rotations: Array


def refine_poses(
    field: Field,
    kernels: Kernels,
    voxels: NDArray[np.int64],
    rotations: Array,
    step_deg: float,
    told: Callable[[float], None],
) -> Poses:
    """Refine poses from those of a search.

    Parameters
    ----------
    voxels
        Places (z, y, x), ``[n, 3]``.
    rotations
        Best of the search there, ``[n, 3, 3]``.
    step_deg
        Of the search; halved at each level.
    told
        Called with the share done; may raise to stop.
    """
    places, turned = voxels.astype(np.float64), rotations.copy()
    for number in range(len(voxels)):
        place, rotation = voxels[number].copy(), rotations[number]
        step = step_deg
        for level in range(LEVELS):
            step /= 2
            vectors = local_grid(step)
            around = rotations_of_vectors(vectors) @ rotation
            scores = _scores_about(field, kernels, place, around)
            at, offset = divmod(int(scores.argmax()), scores[0].numel())
            best = np.array(np.unravel_index(offset, scores.shape[1:]))
            if level < LEVELS - 1:
                rotation = around[at]
                place = _within(place + best - REACH_VOXELS, field.shape)
                continue
            table = scores[(slice(None), *best)].double().cpu().numpy()
            rotation = rotations_of_vectors(_summit(vectors, table, step)[None])[0] @ rotation
            fraction = _fraction(scores[at], best)
            places[number] = place + best - REACH_VOXELS + fraction
        turned[number] = rotation
        told((number + 1) / len(voxels))
    return Poses(places, turned)


def _scores_about(
    field: Field, kernels: Kernels, place: NDArray[np.int64], rotations: Array
) -> Tensor:
    """Return scores of orientations at and about a place, ``[n, 3, 3, 3]``."""
    box = kernels.template.box
    start = [int(v) - REACH_VOXELS for v in place]
    side = box + 2 * REACH_VOXELS
    crop = _crop(field.values, start, side).to(kernels.transfer.device)
    made, masks = kernels.make(torch.from_numpy(rotations).float().to(crop.device))
    correlation = conv3d(crop[None, None], made[:, :1])[0]
    weight = masks.sum(dim=(-3, -2, -1), keepdim=True)
    both = torch.stack([crop, crop.square()])[:, None]
    moments = conv3d(both, masks / weight)
    deviation = (moments[1] - moments[0].square()).clamp_min(1e-20).sqrt()
    return correlation / deviation


def _crop(values: Tensor, start: list[int], side: int) -> Tensor:
    """Return a cube; what lies outside repeats the nearest voxel."""
    index = [
        (torch.arange(first, first + side)).clamp(0, n - 1).to(values.device)
        for first, n in zip(start, values.shape, strict=True)
    ]
    return values[index[0]][:, index[1]][:, :, index[2]]


def _within(place: NDArray[np.int64], shape: tuple[int, int, int]) -> NDArray[np.int64]:
    return np.clip(place, 0, np.array(shape) - 1)


def _summit(vectors: Array, scores: Array, step_deg: float) -> Array:
    """Return the rotation vector of the summit of a paraboloid through scores.

    Where it has none nearby, that of the best score.
    """
    best: Array = vectors[scores.argmax()]
    unit = vectors / np.deg2rad(step_deg)
    x, y, z = unit.T
    terms = np.stack([np.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, x * z, y * z], axis=1)
    c = np.linalg.lstsq(terms, scores, rcond=None)[0]
    curvature = np.array([[2 * c[4], c[7], c[8]], [c[7], 2 * c[5], c[9]], [c[8], c[9], 2 * c[6]]])
    if np.linalg.eigvalsh(curvature).max() >= 0:
        return best
    summit: Array = np.linalg.solve(curvature, -c[1:4])
    if np.abs(summit).max() > 1.5:
        return best
    return summit * np.deg2rad(step_deg)


def _fraction(scores: Tensor, best: NDArray[np.int64]) -> Array:
    """Return where between voxels the maximum lies, by a parabola along each axis."""
    fraction = np.zeros(3)
    for axis in range(3):
        if not 0 < best[axis] < scores.shape[axis] - 1:
            continue
        line = []
        for step in (-1, 0, 1):
            at = best.copy()
            at[axis] += step
            line.append(float(scores[tuple(at)]))
        curvature = line[0] - 2 * line[1] + line[2]
        if curvature < 0:
            fraction[axis] = np.clip(0.5 * (line[0] - line[2]) / curvature, -0.5, 0.5)
    return fraction
