"""Signal and noise by spatial frequency, as two independent halves of the data tell them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.restore.comb import Comb, back_projection_response, coverage
from tomotui.imaging.fourier import radial_frequency

WELCH_SIDE = 48
"""Voxels along the sides of the cubes that spectra are averaged over.

In the Fourier space of a whole tomogram the planes of neighbouring tilts lie apart, and halves
made of every other tilt would hardly share a term. A cube of the size of what is looked at tells
such planes no longer apart; what other places of the specimen send into it counts as noise.
"""


@dataclass(frozen=True)
class Shells:
    """Shells (or rings) of a real Fourier transform.

    Attributes
    ----------
    index
        Shell of every term of ``rfftn``; terms beyond Nyquist are in the last shell.
    n_shells
        How many there are.
    """

    index: Tensor
    n_shells: int

    @classmethod
    def of(
        cls, shape: tuple[int, ...], n_shells: int, device: torch.device | str = "cpu"
    ) -> Shells:
        """Divide the frequencies up to Nyquist (0.5 cycles per voxel) evenly."""
        index = (radial_frequency(shape, device) * 2 * n_shells).long().clamp_max_(n_shells - 1)
        return cls(index, n_shells)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of real values ``[..., rfft grid]`` in each shell, float64."""
        lead = values.shape[: values.ndim - self.index.ndim]
        flat = values.reshape(-1, self.index.numel()).double()
        sums = torch.zeros(len(flat), self.n_shells, dtype=torch.float64, device=values.device)
        sums.index_add_(1, self.index.reshape(-1), flat)
        return sums.reshape(*lead, self.n_shells)

    def spread(self, per_shell: Tensor) -> Tensor:
        """Put one value per shell back on the Fourier grid, float32."""
        return per_shell.float()[self.index]


def resampled(per_shell: Tensor, n_shells: int) -> Tensor:
    """Return values of shells on another number of shells, linear in between."""
    line = per_shell.float()[None, None]
    return torch.nn.functional.interpolate(line, size=n_shells, mode="linear", align_corners=False)[
        0, 0
    ]


def spread_evenly(per_shell: Tensor, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Put values of shells on the ``rfftn`` grid of any shape, smoothly."""
    fine = Shells.of(shape, 4 * len(per_shell), device)
    return fine.spread(resampled(per_shell.to(device), fine.n_shells))


@dataclass(frozen=True)
class Spectra:
    """Power of signal and noise in shells of the measured region.

    Attributes
    ----------
    signal, noise
        Power per voxel of a half, after the contrast transfer was made up for, ``[n_shells]``
        evenly up to Nyquist.
    """

    signal: Tensor
    noise: Tensor

    @property
    def wiener(self) -> Tensor:
        """Factor that makes of noisy data the best linear estimate of the signal."""
        return self.signal / (self.signal + self.noise).clamp_min(1e-30)

    def precision(self, floor: float) -> Tensor:
        """Weight of a residual: one over its expected power.

        Parameters
        ----------
        floor
            Share of the signal's power that no network explains.
        """
        total = (self.signal + self.noise).mean()
        return 1 / (self.noise + floor * self.signal + 1e-3 * total)

    def scaled(self, factor: float) -> Spectra:
        """Return the spectra of volumes multiplied by a factor."""
        return Spectra(self.signal * factor**2, self.noise * factor**2)


def half_spectra(halves: Tensor, combs: tuple[Comb, ...]) -> Spectra:
    """Return signal and noise of a half; of a single volume all passes for signal.

    Parameters
    ----------
    halves
        One or two volumes, ``[n, z, y, x]``.
    combs
        What each has measured.
    """
    matrix = cross_spectra(halves, combs)
    if len(halves) == 1:
        power = _smooth(matrix[0, 0]).float()
        return Spectra(power, torch.full_like(power, 0.05 * float(power.min()) + 1e-12))
    response = comb_response(combs, halves.shape, halves.device)
    total = (matrix[0, 0] + matrix[1, 1]) / 2
    signal = _smooth(response.signal_of(matrix[0, 1])).clamp_min(0)
    noise = _smooth(total) - signal
    return Spectra(signal.float(), noise.clamp_min(0.02 * total).float())


@dataclass(frozen=True)
class CombResponse:
    """How combs alone, without any noise, make halves differ from the specimen and each other.

    Attributes
    ----------
    between
        Product of the two halves of a noiseless specimen over its own power, ``[n_shells]``.
    with_truth
        Product of a half and the specimen over the specimen's power.
    """

    between: Tensor
    with_truth: Tensor

    def signal_of(self, product: Tensor) -> Tensor:
        """Return the signal's power from the product of two halves."""
        return product / self.between.clamp_min(0.05)


def comb_response(
    combs: tuple[Comb, ...],
    shape: tuple[int, ...],
    device: torch.device | str,
) -> CombResponse:
    """Return the response of combs, seen on a random specimen as deep as the volume.

    Parameters
    ----------
    combs
        Of the two halves.
    shape
        Of the volumes, ``(..., z, y, x)``.
    """
    n_z, n_y, n_x = (int(side) for side in shape[-3:])
    small = (n_z, min(n_y, 2 * WELCH_SIDE), min(n_x, 3 * WELCH_SIDE))
    generator = torch.Generator().manual_seed(0)
    specimen = torch.randn(small, generator=generator).to(device)
    spectrum = torch.fft.rfftn(specimen)
    seen = [
        torch.fft.irfftn(spectrum * back_projection_response(comb, small, device), s=small)
        for comb in combs
    ]
    matrix = cross_spectra(torch.stack([*seen, specimen]), combs)
    power = matrix[-1, -1]
    return CombResponse(
        _smooth(matrix[0, len(combs) - 1] / power),
        _smooth((matrix[0, -1] + matrix[len(combs) - 1, -1]) / (2 * power)),
    )


def cross_spectra(volumes: Tensor, combs: tuple[Comb, ...]) -> Tensor:
    """Return the mean products of volumes in the region that all combs have measured.

    Parameters
    ----------
    volumes
        ``[n, z, y, x]``.
    combs
        What was measured.

    Returns
    -------
    Per voxel, float64, ``[n, n, n_shells]``.
    """
    side = min(WELCH_SIDE, *(2 * (s // 2) for s in volumes.shape[1:]))
    shape, device = (side,) * 3, volumes.device
    shells = Shells.of(shape, side // 2, device)
    weight = torch.ones((), device=device)
    for comb in combs:
        weight = torch.minimum(weight, coverage(comb, shape, device))
    window = torch.hann_window(side, periodic=False, device=device)
    box = window[:, None, None] * window[:, None] * window
    n, grid = len(volumes), shells.index.shape
    # Real and imaginary parts side by side: their products add up to those of the terms.
    total = torch.zeros(n, n, 2 * grid.numel(), device=device)
    count = 0
    for cubes in _cubes(volumes, side):
        level = cubes.mean(dim=(1, 2, 3), keepdim=True)
        spectrum = torch.fft.rfftn((cubes - level) * box, dim=(1, 2, 3))
        parts = torch.view_as_real(spectrum).reshape(n, -1)
        for first in range(n):
            total[first, first:].addcmul_(parts[first], parts[first:])
        count += 1
    products = total.reshape(n, n, *grid, 2).sum(dim=-1) * weight
    norm = shells.sum(weight) * box.square().sum().double() * count
    return _symmetric(shells.sum(products)) / norm.clamp_min(1e-12)


def _symmetric(upper: Tensor) -> Tensor:
    """Return a symmetric matrix (in the first two axes) from its upper triangle."""
    mirrored = upper.transpose(0, 1)
    diagonal = torch.eye(len(upper), dtype=torch.bool, device=upper.device)[:, :, None]
    return torch.where(diagonal, upper, upper + mirrored)


def _cubes(volumes: Tensor, side: int) -> Iterator[Tensor]:
    """Yield cubes that overlap by half where the volume is small, and not where it is large."""
    lengths = volumes.shape[1:]
    starts = []
    for length in lengths:
        step = side // 2 if length <= 4 * side else side
        starts.append(np.unique(np.r_[np.arange(0, length - side + 1, step), length - side]))
    for z in starts[0]:
        for y in starts[1]:
            for x in starts[2]:
                yield volumes[:, z : z + side, y : y + side, x : x + side]


def _smooth(values: Tensor) -> Tensor:
    """Average neighbouring shells, for a few terms tell little."""
    padded = torch.nn.functional.pad(values[None, None], (1, 1), mode="replicate")
    kernel = torch.tensor([[[0.25, 0.5, 0.25]]], dtype=values.dtype, device=values.device)
    return torch.nn.functional.conv1d(padded, kernel)[0, 0]
