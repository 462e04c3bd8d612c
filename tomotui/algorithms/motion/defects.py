"""Pixels of the camera that tell nothing: found in the sum of all frames, replaced in each."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK_PX = 32
HOT_DEVIATIONS = 8.0
DEAD_MEAN = 16.0
"""Where this many counts are expected, a pixel without any is dead (1 in 10^7 by chance)."""
REACHES = (2, 5, 12)
LEAST_NEIGHBOURS = 6
MOST_DEFECTS = 0.2


def find_defects(total: Tensor, known: Tensor) -> Tensor:
    """Return which pixels are of no use, ``[height, width]``.

    Parameters
    ----------
    total
        Sum of all frames as they were read, corrected for the gain, ``[height, width]``.
    known
        Defects that the gain reference tells of, as ``total``.
    """
    values = torch.where(known | ~total.isfinite(), torch.nan, total)
    mean, deviation = _around(values)
    hot = values - mean > HOT_DEVIATIONS * deviation
    dead = (values <= 0) & (mean > DEAD_MEAN)
    return known | ~total.isfinite() | hot | dead


def _around(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of the blocks about each pixel; pixels that are NaN are left out.

    A block with one bright pixel has a large deviation: none counts as larger than twice the
    usual one.
    """
    height, width = values.shape
    rows, columns = max(1, height // BLOCK_PX), max(1, width // BLOCK_PX)
    good = values.isfinite().float()
    filled = torch.nan_to_num(values)
    pool = torch.nn.functional.adaptive_avg_pool2d
    size = (rows, columns)
    share = pool(good[None, None], size).clamp_min(1e-6)
    mean = pool(filled[None, None], size) / share
    square = pool(filled.square()[None, None], size) / share
    deviation = (square - mean.square()).clamp_min(0).sqrt()
    usual = deviation.median().clamp_min(1e-6)
    deviation = deviation.clamp(0.5 * usual, 2 * usual)
    spread = [
        torch.nn.functional.interpolate(x, size=(height, width), mode="nearest")[0, 0]
        for x in (mean, deviation)
    ]
    return spread[0], spread[1]


class Mender:
    """Replaces defects by the mean of the good pixels about them.

    The mean and not the median: with less than a count to a pixel, as in the frames of a
    tilt series, the median is zero.

    Parameters
    ----------
    defects
        Which pixels to replace, ``[height, width]``.
    """

    def __init__(self, defects: Tensor) -> None:
        self._good = ~defects
        self.n_defects = int(defects.sum())
        self._steps: list[tuple[Tensor, Tensor, Tensor]] = []
        left = torch.nonzero(defects)
        for reach in REACHES:
            if len(left):
                left = self._plan(left, reach)
        self._rest = left

    def _plan(self, places: Tensor, reach: int) -> Tensor:
        """Find the good neighbours of places within a reach; returns those that have too few."""
        height, width = self._good.shape
        line = torch.arange(-reach, reach + 1, device=places.device)
        dy, dx = (one.reshape(-1) for one in torch.meshgrid(line, line, indexing="ij"))
        y, x = places[:, :1] + dy, places[:, 1:] + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
        usable = inside & self._good[y, x]
        enough = usable.sum(dim=1) >= LEAST_NEIGHBOURS
        index = (y * width + x)[enough]
        weight = usable[enough].float()
        target = places[enough, 0] * width + places[enough, 1]
        self._steps.append((target, index, weight / weight.sum(dim=1, keepdim=True)))
        return places[~enough]

    def mend(self, frame: Tensor) -> Tensor:
        """Return a frame ``[height, width]`` without its defects."""
        if self.n_defects == 0:
            return frame
        flat = torch.nan_to_num(frame).reshape(-1)
        mended = flat.clone()
        for target, index, weight in self._steps:
            mended[target] = (flat[index] * weight).sum(dim=1)
        mended = mended.reshape(frame.shape)
        if len(self._rest):
            mean = torch.nan_to_num(frame)[self._good].mean()
            mended[self._rest[:, 0], self._rest[:, 1]] = mean
        return mended
