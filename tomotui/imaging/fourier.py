"""Frequencies, rings and simple filters for real Fourier transforms of images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_grid_utils import fftfreq_grid


def radial_frequency(shape: tuple[int, ...], device: torch.device | str = "cpu") -> Tensor:
    """Return |frequency| in cycles per pixel on the grid of ``rfftn``.

    Parameters
    ----------
    shape
        Shape of the real-space array.
    """
    grid: Tensor = fftfreq_grid(shape, rfft=True, norm=True, device=torch.device(device))
    return grid


def high_pass(frequency: Tensor, cut_on: float) -> Tensor:
    """Return ``1 - exp(-f^2 / 2 cut_on^2)``: a high-pass without ringing."""
    return 1 - torch.exp(-(frequency**2) / (2 * cut_on**2))


def low_pass(frequency: Tensor, cut_off: float) -> Tensor:
    """Return ``exp(-f^2 / 2 cut_off^2)``: a Gaussian low-pass."""
    return torch.exp(-(frequency**2) / (2 * cut_off**2))


class Rings:
    """Concentric rings on the ``rfft2`` grid of a square image, up to the Nyquist frequency.

    Parameters
    ----------
    size_px
        Side of the image.
    width
        Width of a ring in Fourier pixels.

    Attributes
    ----------
    n_rings
        Number of rings; the corners beyond Nyquist fall into an extra last one.
    weight
        Independent Fourier terms per ring (columns that ``rfft2`` drops are counted).
    """

    def __init__(
        self, size_px: int, width: float = 1.0, device: torch.device | str = "cpu"
    ) -> None:
        frequency = radial_frequency((size_px, size_px), device)
        self.n_inside = int(size_px // 2 / width)
        self.index = (frequency * size_px / width).round().long().clamp_max(self.n_inside)
        self.n_rings = self.n_inside + 1
        mirrored = torch.full_like(frequency, 2.0)
        mirrored[:, 0] = 1.0
        if size_px % 2 == 0:
            mirrored[:, -1] = 1.0
        self._mirrored = mirrored
        self.weight = self.sum(torch.ones_like(frequency))

    def sum(self, values: Tensor) -> Tensor:
        """Sum values over each ring.

        Parameters
        ----------
        values
            Real, shape ``[..., height, width // 2 + 1]``.

        Returns
        -------
        Shape ``[..., n_rings]``; Friedel mates are counted.
        """
        lead = values.shape[:-2]
        flat = (values * self._mirrored).reshape(-1, self.index.numel())
        out = torch.zeros(len(flat), self.n_rings, dtype=values.dtype, device=values.device)
        out.index_add_(1, self.index.reshape(-1), flat)
        return out.reshape(*lead, self.n_rings)

    def spread(self, per_ring: Tensor) -> Tensor:
        """Put one value per ring back on the Fourier grid."""
        return per_ring[..., self.index.reshape(-1)].reshape(
            *per_ring.shape[:-1], *self.index.shape
        )
