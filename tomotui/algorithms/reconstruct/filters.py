"""Weights that make a back-projection a reconstruction.

Column filters weight every image by itself, by the frequency across the tilt axis. The exact
filters know all tilts: at one frequency along x every image is one measured point of the same
line of the volume's transform along z, and within a slab of known thickness neighbouring points
are not independent. For a slab that goes on along x, projecting what was back-projected is one
small matrix for each frequency,

    g_ij = mean over sections of exp(2 pi i f z (s_i - s_j)),      s = tan(tilt) / cos(x_tilt)

and any linear reconstruction, iterated or not, is a function of its eigenvalues. This holds for
any set of angles, where the weights of Harauz & van Heel (1986, Optik 73:146) and Radermacher
(1992) are its diagonal approximation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.frame import Frame

ColumnFilter = Literal["ramp", "hamming", "gaussian"]
MatrixFilter = Literal["exact", "sirt-like"]
Filter = Literal["ramp", "hamming", "gaussian", "exact", "sirt-like"]

GAUSSIAN_SIGMA_CYCLES_PER_PX = 0.2
EXACT_NOISE = 1.0
"""Noise over signal of one image in the exact filter: what keeps its inverse from blowing up."""

COLUMN_FILTERS = get_args(ColumnFilter)


def column_filter(kind: ColumnFilter, frequency: Tensor, n: int) -> Tensor:
    """Return a filter by the frequency across the tilt axis.

    Parameters
    ----------
    kind
        ``ramp`` is |f|; ``hamming`` and ``gaussian`` damp it towards Nyquist.
    frequency
        Cycles per voxel, any shape; beyond 0.5 there is no data, and the filter is 0.
    n
        Length of the (padded) rows. The mean is kept at the average of the ramp over its
        Fourier pixel, so that broad features do not undershoot.
    """
    ramp = frequency.clamp_min(0.25 / n)
    ramp = ramp.where(frequency <= 0.5 + 1e-6, torch.zeros_like(ramp))
    if kind == "ramp":
        return ramp
    if kind == "hamming":
        return ramp * (0.54 + 0.46 * torch.cos(2 * math.pi * frequency))
    return ramp * torch.exp(-(frequency**2) / (2 * GAUSSIAN_SIGMA_CYCLES_PER_PX**2))


def filter_columns(images: Tensor, kind: ColumnFilter, frame: Frame) -> Tensor:
    """Apply a column filter with padding, so that opposite borders do not meet.

    Parameters
    ----------
    images
        From `sample_frame`, zero mean, ``[n_tilts, n_columns, n_rows]``.
    """
    n = images.shape[1]
    padded = fast_length(n + n // 2)
    cosine = frame.cosine if frame.stretched else np.ones(frame.n_tilts)
    along_x = torch.fft.rfftfreq(padded, device=images.device)
    out = torch.empty_like(images)
    for tilt, image in enumerate(images):
        factors = column_filter(kind, along_x / float(cosine[tilt]), padded)
        spectrum = torch.fft.rfft(image, n=padded, dim=0) * factors[:, None]
        out[tilt] = torch.fft.irfft(spectrum, n=padded, dim=0)[:n]
    return out


def fast_length(n: int) -> int:
    """Return the next even length that fast Fourier transforms like."""
    while True:
        n += n % 2
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n
        n += 2


class SlabFilter:
    """An exact filter: mixes the images of all tilts, frequency by frequency along x.

    Parameters
    ----------
    kind
        ``exact`` is the inverse regularised for noise; ``sirt-like`` is what SIRT gives after
        so many iterations, without iterating.
    frame
        Stretched frame of the tilts.
    iterations
        Of SIRT.
    noise
        Noise over signal of ``exact``.

    Notes
    -----
    SIRT goes from x to ``x + C A^T R (b - A x)`` with R one over the path through the slab and
    C one over the number of tilts. In the eigenbasis of g every iteration leaves
    ``1 - value / n_tilts`` of what is missing, so that m of them are
    ``(1 - (1 - value / n_tilts)^m) / value``.
    """

    def __init__(
        self, kind: MatrixFilter, frame: Frame, iterations: int = 20, noise: float = EXACT_NOISE
    ) -> None:
        self.n_columns = frame.n_columns
        self.padded = fast_length(frame.n_columns + frame.n_columns // 4)
        n_tilts = frame.n_tilts

        def response(values: np.ndarray) -> np.ndarray:
            if kind == "exact":
                return 1 / (values + noise)
            left = (1 - np.clip(values / n_tilts, 0.0, 1.0)) ** iterations
            return np.where(
                values > 1e-6, (1 - left) / np.maximum(values, 1e-6), iterations / n_tilts
            )

        self._matrices = torch.from_numpy(_slab_matrices(frame, self.padded, response))

    def apply(self, images: Tensor) -> Tensor:
        """Filter images ``[n_tilts, n_columns, n_rows]``."""
        if self._matrices.device != images.device:
            self._matrices = self._matrices.to(images.device)
        spectrum = torch.fft.rfft(images, n=self.padded, dim=1).transpose(0, 1)
        mixed = torch.matmul(self._matrices, spectrum).transpose(0, 1)
        return torch.fft.irfft(mixed, n=self.padded, dim=1)[:, : self.n_columns].contiguous()


def _slab_matrices(
    frame: Frame, padded: int, response: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return the filter's matrix at every frequency along x, ``[padded // 2 + 1, n, n]``."""
    n_z, n_tilts = frame.sampling.n_z, frame.n_tilts
    frequency = np.fft.rfftfreq(padded)
    depth = np.arange(n_z) - n_z // 2
    # What an image cannot have measured (beyond its Nyquist frequency) is left out.
    measured = frequency[:, None] <= 0.5 * frame.cosine + 1e-6
    phase = 2 * np.pi * frequency[:, None, None] * frame.slope[None, :, None] * depth
    waves = np.exp(1j * phase.astype(np.float32)) * measured[..., None] / np.sqrt(n_z)
    grams = waves @ np.conj(np.swapaxes(waves, 1, 2))
    values, vectors = np.linalg.eigh(grams)
    scaled = vectors * response(values)[:, None, :]
    matrices = scaled @ np.conj(np.swapaxes(vectors, 1, 2))
    matrices *= measured[:, None, :] & measured[:, :, None]
    # Images are sums along the beam; the path through the slab is divided out. The last factor
    # is undone by the scale of every back-projection.
    path = frame.cosine / n_z
    return (matrices * path * (2 * n_tilts / np.pi)).astype(np.complex64)
