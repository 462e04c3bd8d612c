"""Gold and the like in a tomogram: what is many times denser than anything else."""

from __future__ import annotations

import torch
from torch import Tensor

from tomotui.imaging.neighbours import highest_around

OUTLIER_SIGMA = 15.0
"""Robust standard deviations from the mean at which gold begins; matter stays below 12."""

OUTLIER_SHARE, OUTLIER_FACTOR = 0.003, 3.0
"""Gold takes a smaller share of the voxels than this, and lies so much farther out than they do."""

OUTLIER_REACH = 3
"""Voxels about an outlier that are not trusted either."""

STREAK = 3
"""How much farther the trace of a bead reaches along the beam than across it."""


def clear_of_outliers(volume: Tensor) -> Tensor:
    """Return 0 at and about voxels that lie far from all others, otherwise 1, ``[z, y, x]``.

    Parameters
    ----------
    volume
        About a mean of 0.
    """
    smooth = torch.nn.functional.avg_pool3d(volume[None, None], 3, stride=1, padding=1)[0, 0]
    limit = outlier_limit(smooth)
    outlying = smooth.abs() > limit if limit > 0 else torch.zeros_like(smooth, dtype=torch.bool)
    if not bool(outlying.any()):
        return torch.ones_like(smooth)
    return 1 - highest_around(outlying.float(), OUTLIER_REACH)


def outlier_limit(volume: Tensor) -> float:
    """Return the size of values at which gold begins.

    Both tests count: clear matter may stand far out of empty ice, and dense matter is not rare.
    """
    return max(
        OUTLIER_SIGMA * _robust_deviation(volume),
        OUTLIER_FACTOR * _quantile_of_size(volume, 1 - OUTLIER_SHARE),
    )


def _robust_deviation(volume: Tensor) -> float:
    """Return the standard deviation as the median of the absolute values tells it."""
    return 1.4826 * _quantile_of_size(volume, 0.5)


def _quantile_of_size(volume: Tensor, share: float) -> float:
    """Return a quantile of the absolute values, from a million of them."""
    some = volume.flatten()[:: max(1, volume.numel() // 1_000_000)]
    return float(torch.quantile(some.abs(), share))
