"""Many points of a plane as a smooth density, and which of them lie inside of a line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Image = NDArray[np.float32]
Range = tuple[float, float]
Place = tuple[float, float]
"""(x, y) in the units of the plane; y grows upwards."""

_CORE_PERCENTILES = (1.0, 99.0)
_ROOM = 0.12
_LEAST_DOTS = 0.7
"""Standard deviation of the smoothing in sub-pixels, at least."""
_NARROWER = 0.55
"""Of Scott's bandwidth, which is right for one Gaussian and hides that there are several."""


@dataclass(frozen=True)
class Span:
    """The part of a plane that is seen."""

    x: Range
    y: Range

    def shares(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return places as shares of the way down and across, from the upper left corner."""
        down = (self.y[1] - y) / (self.y[1] - self.y[0])
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        return down, across

    def place(self, down: float, across: float) -> Place:
        """Return the place at shares of the way down and across."""
        x = self.x[0] + across * (self.x[1] - self.x[0])
        return x, self.y[1] - down * (self.y[1] - self.y[0])

    def zoomed(self, factor: float, about: Place) -> Span:
        """Return a part of other size in which a place stays where it is."""

        def about_one(span: Range, middle: float) -> Range:
            return middle + (span[0] - middle) / factor, middle + (span[1] - middle) / factor

        return Span(about_one(self.x, about[0]), about_one(self.y, about[1]))

    def containing(self, place: Place) -> Span:
        """Return a part of the same size, moved as little as shows a place."""

        def moved(span: Range, at: float) -> Range:
            by = min(at - span[0], 0.0) + max(at - span[1], 0.0)
            return span[0] + by, span[1] + by

        return Span(moved(self.x, place[0]), moved(self.y, place[1]))


def span_of(x: Floats, y: Floats) -> Span:
    """Return the part of the plane in which nearly all points lie, with room about them."""
    return Span(_range_of(x), _range_of(y))


def _range_of(values: Floats) -> Range:
    known = values[np.isfinite(values)]
    if not known.size:
        return -1.0, 1.0
    # The origin, which is the map of all, is always seen.
    low, high = (float(one) for one in np.percentile(known, _CORE_PERCENTILES))
    low, high = min(low, -0.5), max(high, 0.5)
    room = _ROOM * (high - low)
    return low - room, high + room


def density_of(x: Floats, y: Floats, span: Span, shape: tuple[int, int]) -> Image:
    """Return how densely points lie, 0 to 1 for the densest place, ``[rows, columns]``.

    A histogram, smoothed by Gaussians whose width follows the number of points (Scott 1992).
    """
    down, across = span.shares(x, y)
    counts, _, _ = np.histogram2d(down, across, bins=shape, range=((0, 1), (0, 1)))
    smooth = (_smoothing(values, size) for values, size in zip((down, across), shape, strict=True))
    rows, columns = smooth
    found = rows @ counts @ columns.T
    most = found.max()
    return (found / most if most > 0 else found).astype(np.float32)


def _smoothing(shares: Floats, size: int) -> Floats:
    """Return the matrix that smooths along an axis of so many sub-pixels."""
    n = max(len(shares), 1)
    low, high = np.percentile(shares, (16, 84)) if len(shares) else (0.0, 0.0)
    width = max(_NARROWER * 0.5 * (high - low) * size * n ** (-1 / 6), _LEAST_DOTS)
    apart = np.arange(size)[:, None] - np.arange(size)
    weights: Floats = np.exp(-0.5 * np.square(apart / width))
    return weights


def are_inside(x: Floats, y: Floats, corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points lie inside of a closed line, by counting how often a ray crosses it.

    Parameters
    ----------
    corners
        ``[k, 2]``; the last is joined with the first.
    """
    inside = np.zeros(len(x), dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        inside ^= crosses & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return inside
