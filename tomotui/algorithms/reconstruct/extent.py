"""Where the specimen lies in depth, and how a volume is best shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.imaging.fourier import radial_frequency

STRUCTURE_ANGSTROM = 400.0
"""Structures smaller than this tell where the specimen is; smeared shadows are larger."""

EDGE_LEVEL = 0.25
MARGIN_FRACTION = 0.1


@dataclass(frozen=True)
class DepthRange:
    """Depths of the specimen's faces in Angstrom from the centre."""

    lowest_angstrom: float
    highest_angstrom: float

    @property
    def thickness_angstrom(self) -> float:
        """Distance of the faces."""
        return self.highest_angstrom - self.lowest_angstrom

    @property
    def covering_angstrom(self) -> float:
        """Thickness of a volume centred at depth 0 that holds the specimen with a margin."""
        reach = max(abs(self.lowest_angstrom), abs(self.highest_angstrom))
        return 2 * reach + 2 * MARGIN_FRACTION * self.thickness_angstrom


def find_depth_range(even: Tensor, odd: Tensor, voxel_size_angstrom: float) -> DepthRange:
    """Find the specimen's faces from what two independent halves agree on.

    Parameters
    ----------
    even, odd
        Coarse reconstructions from every other tilt, ``[n_z, n_y, n_x]``, thicker than the
        specimen.
    voxel_size_angstrom
        Angstrom per voxel.

    Returns
    -------
    The depths between which the covariance of the halves, per section and limited to small
    structures, stays above a quarter of its plateau.
    """
    profile = _agreement_profile(even, odd, voxel_size_angstrom)
    n_z = len(profile)
    width = max(3, n_z // 24) | 1
    smooth = np.convolve(np.pad(profile, width // 2, mode="edge"), np.ones(width) / width, "valid")
    floor = float(np.quantile(smooth, 0.1))
    plateau = float(np.quantile(smooth, 0.9))
    above = smooth > floor + EDGE_LEVEL * (plateau - floor)
    peak = int(np.argmax(smooth))
    low, high = peak, peak
    while low > 0 and above[low - 1]:
        low -= 1
    while high < n_z - 1 and above[high + 1]:
        high += 1
    centre = n_z // 2
    return DepthRange(
        (low - 0.5 - centre) * voxel_size_angstrom, (high + 0.5 - centre) * voxel_size_angstrom
    )


def _agreement_profile(even: Tensor, odd: Tensor, voxel: float) -> NDArray[np.float64]:
    """Return the covariance of small structures in the halves for each section."""
    shape = tuple(even.shape[-2:])
    frequency = radial_frequency(shape, device=even.device)
    cut_on = voxel / STRUCTURE_ANGSTROM
    keep = 1 - torch.exp(-((frequency / cut_on) ** 2))
    first, second = (
        torch.fft.irfft2(torch.fft.rfft2(half) * keep, s=shape) for half in (even, odd)
    )
    margin_y, margin_x = (side // 8 for side in shape)
    inner = (slice(None), slice(margin_y, -margin_y), slice(margin_x, -margin_x))
    covariance = (first[inner] * second[inner]).mean(dim=(-2, -1))
    return covariance.clamp_min(0).sqrt().double().cpu().numpy()


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
