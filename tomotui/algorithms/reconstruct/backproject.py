"""Weighted back-projection, slab by slab, so that no volume has to fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tomotui.geometry import TiltGeometry
from tomotui.imaging.projector import SingleAxisProjector

X_TILT_TOLERANCE_DEG = 0.005
MAX_MATRIX_ENTRIES = 40_000_000
MAX_SLAB_VOXELS = 64_000_000


@dataclass(frozen=True)
class Slab:
    """Consecutive sections of the volume.

    Attributes
    ----------
    first
        Index of the first section.
    parts
        One volume per subset of tilts, ``[n_z, n_y, n_x]`` each; their sum is the whole.
    """

    first: int
    parts: tuple[Tensor, ...]


def backproject_slabs(
    weighted: Tensor,
    geometry: TiltGeometry,
    n_z: int,
    subsets: Sequence[Sequence[int]],
) -> Iterator[Slab]:
    """Back-project weighted images, yielding the volume in slabs along z.

    Parameters
    ----------
    weighted
        From ``weight_images``, ``[n_tilts, n_columns, n_rows]``.
    geometry
        Geometry of those tilts; axis and shifts are already undone in ``weighted``.
    n_z
        Sections of the volume; section ``n_z // 2`` lies at depth 0.
    subsets
        Tilts of each part (such as even and odd ones).

    Yields
    ------
    Slabs from the first section to the last. Voxels are scaled by pi / (2 n_tilts), the measure
    of the integral over tilts.
    """
    n_tilts, n_x, n_y = weighted.shape
    per_section = 2 * n_x * n_tilts
    thick = max(1, min(MAX_MATRIX_ENTRIES // per_section, MAX_SLAB_VOXELS // (n_x * n_y), n_z))
    scale = np.pi / (2 * n_tilts)
    upright = float(np.abs(geometry.x_tilt_deg).max()) < X_TILT_TOLERANCE_DEG
    for first in range(0, n_z, thick):
        depths = np.arange(first, min(n_z, first + thick)) - n_z // 2
        parts = []
        for subset in subsets:
            chosen = list(subset)
            images, part = weighted[chosen], geometry.select(chosen)
            volume = _upright(images, part, depths) if upright else _tilted(images, part, depths)
            parts.append(volume.transpose(1, 2) * scale)
        yield Slab(first, tuple(parts))


def _upright(images: Tensor, geometry: TiltGeometry, depths: np.ndarray) -> Tensor:
    """Back-project where rows of the images are rows of the volume: ``[n_z, n_x, n_y]``."""
    n_x = images.shape[1]
    projector = SingleAxisProjector(geometry.tilt_deg, n_x, n_x, depths, images.device)
    return projector.backproject(images)


def _tilted(images: Tensor, geometry: TiltGeometry, depths: np.ndarray) -> Tensor:
    """Back-project a specimen that also leans about x, sampling images point by point."""
    _, n_x, n_y = images.shape
    like: dict[str, Any] = {"device": images.device, "dtype": images.dtype}
    matrices = torch.from_numpy(geometry.stage_matrices).to(**like)
    x = (torch.arange(n_x, **like) - n_x // 2)[:, None]
    y = (torch.arange(n_y, **like) - n_y // 2)[None, :]
    out = torch.zeros(len(depths), n_x, n_y, **like)
    for section, z in enumerate(depths.tolist()):
        rows = matrices[:, :2, :, None, None]
        points = rows[:, :, 0] * x + rows[:, :, 1] * y + rows[:, :, 2] * z
        across = (points[:, 0] + n_x // 2) * (2 / (n_x - 1)) - 1
        along = (points[:, 1] + n_y // 2) * (2 / (n_y - 1)) - 1
        # Images are stored x before y, so that y is the fastest coordinate of grid_sample.
        grid = torch.stack([along, across], dim=-1)
        sampled = torch.nn.functional.grid_sample(
            images[:, None], grid, mode="bilinear", align_corners=True
        )
        out[section] = sampled[:, 0].sum(dim=0)
    return out
