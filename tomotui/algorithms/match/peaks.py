"""Peaks of a map of scores: the highest within a particle's reach of each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.geometry.points import kept_apart
from tomotui.imaging.neighbours import highest_around

Array = NDArray[np.float64]

MOST_CONSIDERED = 200_000


@dataclass(frozen=True)
class Peaks:
    """Local maxima, the highest first.

    Attributes
    ----------
    voxels
        Places (z, y, x), ``[n, 3]``.
    scores
        There, ``[n]``.
    """

    voxels: NDArray[np.int64]
    scores: Array

    def __len__(self) -> int:
        """Return the number of peaks."""
        return len(self.scores)

    def select(self, which: NDArray[np.bool_] | slice) -> Peaks:
        """Return some of them."""
        return Peaks(self.voxels[which], self.scores[which])


def find_peaks(scores: Tensor, radius_voxels: float, allowed: Tensor | None = None) -> Peaks:
    """Return peaks of which none has a higher one within a radius.

    Parameters
    ----------
    scores
        ``[z, y, x]``.
    radius_voxels
        Within which there is only one particle.
    allowed
        Where peaks may lie, ``[z, y, x]``; everywhere by default.
    """
    # The largest cube inside the ball leaves what the ball would, and a little more.
    reach = max(1, int(radius_voxels / 3**0.5))
    is_peak = (scores == highest_around(scores, reach)) & torch.isfinite(scores)
    if allowed is not None:
        is_peak &= allowed.to(is_peak.device)
    places = is_peak.nonzero()
    values = scores[places[:, 0], places[:, 1], places[:, 2]]
    order = torch.argsort(values, descending=True, stable=True)[:MOST_CONSIDERED]
    voxels = places[order].cpu().numpy()
    found = values[order].double().cpu().numpy()
    kept = kept_apart(voxels, radius_voxels)
    return Peaks(voxels[kept], found[kept])


def refined_places(scores: Tensor, voxels: NDArray[np.int64]) -> Array:
    """Return the places of maxima to a fraction of a voxel, by a parabola along each axis.

    Parameters
    ----------
    scores
        ``[z, y, x]``.
    voxels
        Maxima (z, y, x), ``[n, 3]``.
    """
    at = torch.from_numpy(voxels).to(scores.device)
    places = voxels.astype(np.float64)
    middle = scores[at[:, 0], at[:, 1], at[:, 2]].double()
    for axis in range(3):
        last = scores.shape[axis] - 1
        sides = []
        for step in (-1, 1):
            beside = at.clone()
            beside[:, axis] = (beside[:, axis] + step).clamp(0, last)
            sides.append(scores[beside[:, 0], beside[:, 1], beside[:, 2]].double())
        before, after = sides
        curvature = before - 2 * middle + after
        shift = torch.where(
            curvature < 0, 0.5 * (before - after) / curvature.clamp_max(-1e-12), 0.0
        )
        inner = (at[:, axis] > 0) & (at[:, axis] < last)
        places[:, axis] += torch.where(inner, shift.clamp(-0.5, 0.5), 0.0).cpu().numpy()
    return places
