"""How a volume is best shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def contrast_window(
    sample: Tensor | NDArray[np.float32], n_sigma: float = 3.0
) -> tuple[float, float]:
    """Return grey values between which a volume is well shown: median +- robust deviations.

    Parameters
    ----------
    sample
        Voxels of the volume, any shape.
    """
    values = np.asarray(sample, dtype=np.float64).ravel()
    low, middle, high = np.quantile(values, [0.1587, 0.5, 0.8413])
    half_width = n_sigma * max((high - low) / 2, 1e-12)
    return float(middle - half_width), float(middle + half_width)
