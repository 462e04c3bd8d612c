"""Where between the voxels maxima lie."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


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
