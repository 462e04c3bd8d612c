"""Soft windows and masks."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def raised_cosine(distance: Tensor, edge: float) -> Tensor:
    """Return 1 for ``distance <= 0``, 0 beyond ``edge``, a half cosine between."""
    return 0.5 + 0.5 * torch.cos(math.pi * (distance / edge).clamp(0, 1))


def edge_taper(
    shape: tuple[int, int], fraction: float = 0.1, device: torch.device | str = "cpu"
) -> Tensor:
    """Return a window that falls to zero over a fraction of each side, ``[height, width]``."""
    height, width = (_taper(side, fraction, device) for side in shape)
    return height[:, None] * width[None, :]


def _taper(side: int, fraction: float, device: torch.device | str) -> Tensor:
    band = max(2, int(side * fraction))
    position = torch.arange(side, device=device, dtype=torch.float32)
    from_border = torch.minimum(position, side - 1 - position)
    return raised_cosine(band - from_border, band)


def soft_ball(size: int, radius: float, edge: float, n_dims: int = 3) -> Tensor:
    """Return a ball (or disc) about ``size // 2`` with a soft edge.

    Parameters
    ----------
    size
        Side of the array in voxels.
    radius
        Where the edge begins, in voxels.
    edge
        Width of the edge in voxels.
    n_dims
        2 for a disc, 3 for a ball.
    """
    line = torch.arange(size, dtype=torch.float32) - size // 2
    axes = torch.meshgrid(*[line] * n_dims, indexing="ij")
    distance = torch.stack(axes).square().sum(dim=0).sqrt()
    return raised_cosine(distance - radius, edge)
