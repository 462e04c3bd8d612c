"""What of a map is the same in all directions, and what is not.

The round part of a map agrees between halves of the data whatever the orientations of the
particles are: of capsids and cages, which are nearly round, half maps of quite wrong poses may
agree to fine detail.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDS = 3
"""Means between whole distances are interpolated, which leaves a little: it is taken off again."""


def without_round_part(volume: Tensor) -> Tensor:
    """Return a map less its mean at every distance from its middle.

    Parameters
    ----------
    volume
        ``[n, n, n]`` about voxel ``n // 2``.
    """
    n = volume.shape[-1]
    line = torch.arange(n, device=volume.device, dtype=volume.dtype) - n // 2
    square = line.square()
    distance = (square[:, None, None] + square[:, None] + square).sqrt().flatten()
    below = distance.floor().long()
    above = distance - below
    # Every voxel counts at the two distances beside it, and is told its mean from both.
    size = int(below.max()) + 2
    shares = ((below, 1 - above), (below + 1, above))
    count = volume.new_zeros(size)
    for at, share in shares:
        count.index_add_(0, at, share)
    left = volume.flatten()
    for _ in range(ROUNDS):
        total = volume.new_zeros(size)
        for at, share in shares:
            total.index_add_(0, at, share * left)
        mean = total / count.clamp_min(1e-6)
        left = left - sum(share * mean[at] for at, share in shares)
    return left.view_as(volume)


def round_share(volume: Tensor) -> float:
    """Return the share of a map's power that is the same in all directions, 0 to 1.

    The mean of the map, which is round of itself, is left out.

    Parameters
    ----------
    volume
        ``[n, n, n]`` about voxel ``n // 2``.
    """
    whole = (volume - volume.mean()).square().sum()
    left = without_round_part(volume).square().sum()
    return float(1 - left / whole.clamp_min(1e-30))
