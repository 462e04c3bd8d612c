"""Weights across the tilt axis that make a back-projection a reconstruction."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Filter = Literal["ramp", "hamming", "gaussian", "sirt-like"]

SIRT_ITERATIONS = 10
GAUSSIAN_SIGMA_CYCLES_PER_PX = 0.2


def column_filter(kind: Filter, n: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the filter along the columns of an image.

    Parameters
    ----------
    kind
        ``ramp`` is |f|; ``hamming`` and ``gaussian`` damp it towards Nyquist; ``sirt-like``
        emphasises low frequencies as some iterations of SIRT would,
        ``|f| (1 - (1 - a/|f|)^m)`` (Zeng 2012, Phys. Med. Biol. 57:2907).
    n
        Length of the (padded) rows.

    Returns
    -------
    Real factors on the ``rfft`` grid, ``[n // 2 + 1]``. The mean is kept at the average
    of the ramp over its Fourier pixel, so that broad features do not undershoot.
    """
    frequency = torch.fft.rfftfreq(n, device=device)
    ramp = frequency.clamp_min(0.25 / n)
    if kind == "ramp":
        return ramp
    if kind == "hamming":
        return ramp * (0.54 + 0.46 * torch.cos(2 * math.pi * frequency))
    if kind == "gaussian":
        return ramp * torch.exp(-(frequency**2) / (2 * GAUSSIAN_SIGMA_CYCLES_PER_PX**2))
    step = 0.5 / n * 8
    return ramp * (1 - (1 - (step / ramp).clamp_max(1.0)) ** SIRT_ITERATIONS)


def filter_columns(images: Tensor, kind: Filter) -> Tensor:
    """Apply a column filter with padding, so that opposite borders do not meet.

    Parameters
    ----------
    images
        Aligned, zero mean, ``[n_tilts, n_columns, n_rows]``.
    """
    n = images.shape[1]
    padded = 2 * ((n + n // 2) // 2)
    factors = column_filter(kind, padded, images.device)[None, :, None]
    spectrum = torch.fft.rfft(images, n=padded, dim=1) * factors
    return torch.fft.irfft(spectrum, n=padded, dim=1)[:, :n].contiguous()
