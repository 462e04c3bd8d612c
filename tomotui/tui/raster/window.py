"""Contrast: which values are black and which are white."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

SIGMA_FACTOR = 2.8
"""Half-width of an automatic window in standard deviations."""
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Window:
    """The values shown from black to white.

    Attributes
    ----------
    low, high
        Values shown black and white.
    inverted
        Low values are white instead.
    """

    low: float
    high: float
    inverted: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high)):
            raise ValueError(f"a window needs finite ends, not {self.low} and {self.high}")

    @property
    def level(self) -> float:
        """The value shown mid-grey."""
        return (self.low + self.high) / 2

    @property
    def width(self) -> float:
        """Distance from black to white."""
        return self.high - self.low

    def narrowed(self, factor: float) -> Window:
        """Return a window of ``factor`` times the width about the same level."""
        half = self.width * factor / 2
        return replace(self, low=self.level - half, high=self.level + half)

    def shifted(self, fraction: float) -> Window:
        """Return a window moved by a fraction of its width."""
        step = self.width * fraction
        return replace(self, low=self.low + step, high=self.high + step)

    def veiled(self, light: bool) -> Window:
        """Return a window that leaves the darker or the lighter half of greys to what lies over."""
        if light != self.inverted:
            return replace(self, low=self.low - self.width)
        return replace(self, high=self.high + self.width)

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return 8-bit greys of values; what is not a number is shown as the level.

        Windowing belongs after resampling: averaging sub-pixels shrinks the noise, and a window
        made for full resolution would then leave flat grey.
        """
        width = self.width if self.width > 0 else 1.0
        sign = -1.0 if self.inverted else 1.0
        scaled = np.asarray(values, dtype=np.float32) - np.float32(self.level)
        scaled *= np.float32(sign * 255.0 / width)
        scaled += np.float32(128.0)
        np.clip(scaled, 0.0, 255.0, out=scaled)
        if np.isnan(scaled).any():
            scaled[np.isnan(scaled)] = 128.0
        return scaled.astype(np.uint8)


def auto_window(values: NDArray[np.float32], k: float = SIGMA_FACTOR) -> Window | None:
    """Return ``median +- k sigma`` of the values as they will be shown.

    Sigma comes from the median absolute deviation, so that gold beads and hot pixels do not
    widen the window; values of which more than half are equal fall back on the standard
    deviation.

    Returns
    -------
    Window or None
        ``None`` when the values have no spread or none is finite.
    """
    sample = np.asarray(values, dtype=np.float32).ravel()
    if sample.size > 40_000:
        sample = sample[:: sample.size // 20_000]
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return None
    median = float(np.median(sample))
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(sample - median)))
    if sigma <= 0:
        sigma = float(sample.std(dtype=np.float64))
    if not np.isfinite(sigma) or sigma <= 0:
        return None
    return Window(median - k * sigma, median + k * sigma)
