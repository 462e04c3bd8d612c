"""The tomogram made ready to be searched: protein bright, clipped, filtered, framed by mirrors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.reconstruct.filters import fast_length
from tomotui.imaging.fourier import high_pass, radial_frequency
from tomotui.imaging.masks import raised_cosine

SAMPLES_PER_RESOLUTION = 3.0
"""Voxels that the finest detail looked for is sampled with at least."""

CLIP_DEVIATIONS = 8.0
"""Robust standard deviations beyond which voxels are gold, or broken."""

CLIP_SHARE, CLIP_FACTOR = 0.001, 2.0
"""Those take a smaller share of the voxels than this, and lie so much farther out than all others:
clear particles in thin ice do not."""

N_SHELLS = 128
_LARGEST_DENOMINATOR = 8
_SAMPLE = 2_000_000


@dataclass(frozen=True)
class Band:
    """What is looked at of the spectrum.

    Attributes
    ----------
    resolution_angstrom
        Finest detail.
    high_pass_angstrom
        Coarsest; 0 for no limit.
    whiten
        Whether every shell counts alike.
    """

    resolution_angstrom: float
    high_pass_angstrom: float
    whiten: bool


@dataclass(frozen=True)
class SpectralFilter:
    """What the tomogram is filtered by, and with it every template.

    Attributes
    ----------
    table
        Factor by frequency, ``[n]``, evenly from 0.
    step_per_angstrom
        Between two of them.
    """

    table: Tensor
    step_per_angstrom: float

    def on(self, shape: tuple[int, ...], voxel_size_angstrom: float) -> Tensor:
        """Return the factors on the grid of ``rfftn``."""
        device = self.table.device
        position = radial_frequency(shape, device) / (voxel_size_angstrom * self.step_per_angstrom)
        position = position.clamp_max(len(self.table) - 1.001)
        place = position.long()
        return torch.lerp(self.table[place], self.table[place + 1], position - place)


@dataclass(frozen=True)
class Field:
    """A tomogram to search.

    Attributes
    ----------
    values
        ``[z, y, x]``, framed so that a template may lie about every voxel of the tomogram.
    margin
        Voxels before the tomogram's first along each axis.
    shape
        Voxels of the tomogram itself in this sampling.
    voxel_size_angstrom
        Of this sampling.
    centre_voxel
        Where in the tomogram the origin of coordinates lies, along z, y and x.
    filter
        That was applied.
    """

    values: Tensor
    margin: int
    shape: tuple[int, int, int]
    voxel_size_angstrom: float
    centre_voxel: tuple[float, float, float]
    filter: SpectralFilter

    def on(self, device: torch.device | str) -> Field:
        """Return the same on a device."""
        return replace(self, values=self.values.to(device))

    def positions_angstrom(self, voxels_zyx: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (x, y, z) from the centre of voxels (z, y, x) of the tomogram, ``[n, 3]``."""
        from_centre = np.asarray(voxels_zyx, dtype=np.float64) - np.array(self.centre_voxel)
        found: NDArray[np.float64] = from_centre[:, ::-1] * self.voxel_size_angstrom
        return found


def search_sampling(voxel_size_angstrom: float, resolution_angstrom: float) -> Fraction:
    """Return voxels of the search for one of the tomogram: a simple fraction, at most 1."""
    wanted = voxel_size_angstrom * SAMPLES_PER_RESOLUTION / resolution_angstrom
    if wanted > 0.9:
        return Fraction(1)
    fitting = [
        Fraction(p, q)
        for q in range(2, _LARGEST_DENOMINATOR + 1)
        for p in range(1, q)
        if p / q >= wanted * 0.999
    ]
    return min(fitting, default=Fraction(1))


def prepare(
    volume: Tensor, voxel_size_angstrom: float, band: Band, sampling: Fraction, box: int
) -> Field:
    """Make a tomogram ready.

    Parameters
    ----------
    volume
        As in its file, protein dark, ``[z, y, x]``.
    sampling
        Of `search_sampling`.
    box
        Side of the templates in voxels of the search.

    Raises
    ------
    ValueError
        When the volume holds numbers that are not finite, or no contrast.
    """
    if not bool(torch.isfinite(volume).all()):
        raise ValueError("the tomogram holds values that are not numbers")
    bright = _clipped(volume.double().mean().float() - volume)
    framed, before = _framed(bright, sampling, box)
    spectrum = torch.fft.rfftn(framed)
    found = _filter(spectrum, framed.shape, voxel_size_angstrom, band)
    spectrum *= found.on(tuple(framed.shape), voxel_size_angstrom)
    shape = tuple(int(n * sampling) for n in framed.shape)
    values = torch.fft.irfftn(_cropped(spectrum, shape), s=shape) * float(sampling) ** 3
    coarse = [_sampled_length(n, sampling) for n in volume.shape]
    first = before - box // 2
    values = values[tuple(slice(first, first + n + box - 1) for n in coarse)].contiguous()
    centre = [float((n // 2) * sampling) for n in volume.shape]
    return Field(
        _clipped(values),
        box // 2,
        (coarse[0], coarse[1], coarse[2]),
        voxel_size_angstrom / float(sampling),
        (centre[0], centre[1], centre[2]),
        found,
    )


def _sampled_length(n: int, sampling: Fraction) -> int:
    """Return how many coarser voxels cover ``n``."""
    return -(-n * sampling.numerator // sampling.denominator)


def _framed(volume: Tensor, sampling: Fraction, box: int) -> tuple[Tensor, int]:
    """Return a volume with mirrored surroundings, of sides that the sampling divides.

    Returns
    -------
    The volume, and how many voxels of the coarser sampling lie before its first.
    """
    p, q = sampling.numerator, sampling.denominator
    blocks = -(-box // 2 // p)
    padded = volume
    for axis, length in enumerate(volume.shape):
        needed = p * blocks + _sampled_length(length, sampling) + box
        side = q * fast_length(-(-needed // p))
        index = (torch.arange(side, device=volume.device) - q * blocks).remainder(2 * length - 2)
        index = torch.where(index >= length, 2 * length - 2 - index, index)
        padded = padded.index_select(axis, index)
    return padded, p * blocks


def _filter(
    spectrum: Tensor, shape: torch.Size, voxel_size_angstrom: float, band: Band
) -> SpectralFilter:
    """Return the filter that a band asks for, from the tomogram's own spectrum."""
    device = spectrum.device
    step = 0.5 * 3**0.5 / voxel_size_angstrom / N_SHELLS
    frequency = torch.arange(N_SHELLS + 2, device=device) * step
    cut = 1 / band.resolution_angstrom
    table = raised_cosine(frequency - cut, 0.1 * cut)
    if band.high_pass_angstrom > 0:
        table = table * high_pass(frequency, 1 / band.high_pass_angstrom)
    if band.whiten:
        table = table / _amplitudes(spectrum, shape, voxel_size_angstrom, step)
    return SpectralFilter(table / table.max().clamp_min(1e-30), step)


def _amplitudes(
    spectrum: Tensor, shape: torch.Size, voxel_size_angstrom: float, step: float
) -> Tensor:
    """Return the root mean square amplitude by frequency, smooth, ``[N_SHELLS + 2]``."""
    n = N_SHELLS + 2
    index = radial_frequency(tuple(shape), spectrum.device) / (voxel_size_angstrom * step)
    index = index.round().long().clamp_max_(n - 1).flatten()
    power = spectrum.real.square().add_(spectrum.imag.square()).flatten()
    sums = torch.zeros(n, dtype=torch.float64, device=spectrum.device)
    counts = torch.zeros_like(sums)
    for first in range(0, len(index), 2**24):
        part = slice(first, first + 2**24)
        sums.index_add_(0, index[part], power[part].double())
        counts.index_add_(0, index[part], torch.ones_like(power[part], dtype=torch.float64))
    mean = sums / counts.clamp_min(1)
    mean[0] = mean[1]
    kernel = torch.tensor([[[1.0, 2.0, 3.0, 2.0, 1.0]]], dtype=torch.float64, device=mean.device)
    padded = torch.nn.functional.pad(mean.log1p()[None, None], (2, 2), mode="replicate")
    smooth = torch.nn.functional.conv1d(padded, kernel / kernel.sum())[0, 0].expm1()
    return smooth.clamp_min(1e-6 * float(smooth.max()) + 1e-30).sqrt().float()


def _cropped(spectrum: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the low frequencies of an ``rfftn``, for a volume of fewer voxels."""
    for axis in (0, 1):
        n, half = shape[axis], shape[axis] // 2
        if spectrum.shape[axis] != n:
            low = spectrum.narrow(axis, 0, half)
            high = spectrum.narrow(axis, spectrum.shape[axis] - (n - half), n - half)
            spectrum = torch.cat([low, high], dim=axis)
    return spectrum[..., : shape[2] // 2 + 1]


def _clipped(values: Tensor) -> Tensor:
    """Return values without what lies far from all others, about a mean of 0.

    Raises
    ------
    ValueError
        When all values are the same.
    """
    flat = values.flatten()[:: max(1, values.numel() // _SAMPLE)]
    middle = flat.median()
    deviation = 1.4826 * float((flat - middle).abs().median())
    if not deviation > 0:
        raise ValueError("the tomogram is the same (nearly) everywhere")
    farther = (flat - middle).abs().kthvalue(max(1, round((1 - CLIP_SHARE) * len(flat)))).values
    reach = max(CLIP_DEVIATIONS * deviation, CLIP_FACTOR * float(farther))
    clipped = (values - middle).clamp_(-reach, reach)
    return clipped - clipped.mean()
