"""Exposure filter: what radiation has destroyed should not add noise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_fourier_filter.dose_weight import critical_exposure

from tomotui.imaging.fourier import radial_frequency

VOLTAGE_FACTOR = {300: 1.0, 200: 0.8, 100: 0.8 * 0.75}
"""Critical exposure at other voltages relative to 300 kV; Grant & Grigorieff measured 200 kV."""


def exposure_weights(
    shape: tuple[int, int],
    pixel_size_angstrom: float,
    exposure_e_per_a2: Tensor,
    voltage_kv: float = 300.0,
) -> Tensor:
    """Return what is left of the signal at each frequency after an exposure.

    ``q(k, N) = exp(-N / (2 Nc(k)))`` with the critical exposure
    ``Nc(k) = 0.245 k^-1.665 + 2.81`` e/A^2 at 300 kV (Grant & Grigorieff 2015, eLife 4:e06980).

    Parameters
    ----------
    shape
        Height and width of the images.
    pixel_size_angstrom
        Angstrom per pixel.
    exposure_e_per_a2
        Exposure up to the middle of each image, ``[n_tilts]``.
    voltage_kv
        The nearest of 100, 200 and 300 kV is used.

    Returns
    -------
    Factors between 0 and 1 on the ``rfft2`` grid, ``[n_tilts, height, width // 2 + 1]``.
    """
    frequency = radial_frequency(shape, exposure_e_per_a2.device) / pixel_size_angstrom
    critical = critical_exposure(frequency) * _voltage_factor(voltage_kv)
    return torch.exp(-exposure_e_per_a2[:, None, None] / (2 * critical))


def exposure_weights_1d(
    frequency_per_angstrom: Tensor, exposure_e_per_a2: Tensor, voltage_kv: float = 300.0
) -> Tensor:
    """Return the same along a line of frequencies.

    Parameters
    ----------
    frequency_per_angstrom
        Shape ``[n]``; 0 is allowed, nothing is lost there.
    exposure_e_per_a2
        ``[n_tilts]``.
    voltage_kv
        As in `exposure_weights`.

    Returns
    -------
    Factors between 0 and 1, ``[n_tilts, n]``.
    """
    critical = critical_exposure(frequency_per_angstrom.clamp_min(1e-6))
    critical = critical * _voltage_factor(voltage_kv)
    return torch.exp(-exposure_e_per_a2[:, None] / (2 * critical))


def _voltage_factor(voltage_kv: float) -> float:
    nearest = min(VOLTAGE_FACTOR, key=lambda known: abs(known - voltage_kv))
    return VOLTAGE_FACTOR[nearest]
