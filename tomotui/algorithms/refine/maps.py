"""Half maps: what they agree on, how far, and what of them may serve as references."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.refine.reconstruct import Spectra
from tomotui.imaging.fsc import Fsc, fourier_shell_correlation
from tomotui.imaging.map_masks import map_mask
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.round_part import without_round_part
from tomotui.imaging.slices import SliceSource

Array = NDArray[np.float64]

MASK_MARGIN_ANGSTROM = 8.0


@dataclass(frozen=True)
class HalfMaps:
    """Maps of two halves of the particles that know nothing of each other.

    Attributes
    ----------
    halves
        Without filter, ``[n, n, n]`` each.
    references
        Filtered by what the halves agree on, empty outside the particle.
    mask
        Soft, ``[n, n, n]``.
    fsc
        Between the halves under the mask.
    resolution_angstrom
        Where that falls below 0.143.
    pixel_size_angstrom
        Of all of them.
    """

    halves: tuple[Tensor, Tensor]
    references: tuple[Tensor, Tensor]
    mask: Tensor
    fsc: Fsc
    resolution_angstrom: float
    pixel_size_angstrom: float

    @property
    def whole(self) -> Tensor:
        """Mean of the halves, without filter."""
        return 0.5 * (self.halves[0] + self.halves[1])

    @property
    def reference(self) -> Tensor:
        """Mean of the references: filtered, and empty outside the particle."""
        return 0.5 * (self.references[0] + self.references[1])

    def fsc_of_directions(self) -> Fsc:
        """Return the correlation of what is not round about the middle of the halves.

        Only that tells whether orientations are right: the round part of a cage or a capsid
        agrees whatever they are.
        """
        first, second = (without_round_part(one) for one in self.halves)
        return fourier_shell_correlation(first, second, self.pixel_size_angstrom, self.mask)


def half_maps(
    spectra: Sequence[Spectra],
    pixel_size_angstrom: float,
    diameter_angstrom: float,
    mask: Tensor | None = None,
    averaged: Callable[[Tensor], Tensor] = lambda volume: volume,
) -> HalfMaps:
    """Solve for the maps of two halves, and find what they agree on.

    Parameters
    ----------
    spectra
        Of the two halves.
    diameter_angstrom
        Of the particle.
    mask
        To judge under; found from the maps where none is given.
    averaged
        Makes a map symmetric where its sums are not, as over the subunits of a filament.
    """
    first, second = (averaged(one.volume()) for one in spectra)
    size = first.shape[-1]
    ball = particle_ball(size, pixel_size_angstrom, diameter_angstrom).to(first.device)
    wide = fourier_shell_correlation(first * ball, second * ball, pixel_size_angstrom)
    if mask is None:
        resolution = min(60.0, max(2 * pixel_size_angstrom, wide.resolution(0.5)))
        mask = mask_of(0.5 * (first + second), pixel_size_angstrom, diameter_angstrom, resolution)
    fsc = fourier_shell_correlation(first, second, pixel_size_angstrom, mask)
    trusted = signal_to_noise(fsc)
    references = tuple(averaged(one.volume(trusted)) * mask for one in spectra)
    return HalfMaps(
        (first, second),
        (references[0], references[1]),
        mask,
        fsc,
        fsc.resolution(),
        pixel_size_angstrom,
    )


def particle_ball(size: int, pixel_size_angstrom: float, diameter_angstrom: float) -> Tensor:
    """Return a soft ball that holds the particle."""
    radius = (diameter_angstrom / 2 + MASK_MARGIN_ANGSTROM) / pixel_size_angstrom
    edge = max(3.0, 15.0 / pixel_size_angstrom)
    return soft_ball(size, min(radius, size / 2 - edge), edge)


def mask_of(
    whole: Tensor, pixel_size_angstrom: float, diameter_angstrom: float, resolution_angstrom: float
) -> Tensor:
    """Return a soft mask of a map; the ball that holds the particle where nothing stands out."""
    ball = particle_ball(whole.shape[-1], pixel_size_angstrom, diameter_angstrom).to(whole)
    try:
        found = map_mask(
            whole,
            pixel_size_angstrom,
            low_pass_angstrom=max(15.0, 1.5 * resolution_angstrom, 3 * pixel_size_angstrom),
            radius_angstrom=diameter_angstrom / 2 + MASK_MARGIN_ANGSTROM,
            widen_angstrom=max(6.0, 2 * pixel_size_angstrom),
            edge_angstrom=max(12.0, 4 * pixel_size_angstrom),
        )
    except ValueError:
        return ball
    return found.values.to(whole)


def signal_to_noise(fsc: Fsc) -> Tensor:
    """Return signal over noise of each half by shell, from how well the halves agree.

    Beyond the first shell below 0.143 nothing is trusted, so that noise that agrees by chance is
    not built upon.
    """
    curve = np.clip(fsc.corrected, 1e-3, 0.999)
    below = np.flatnonzero(fsc.corrected[1:] < 0.143)
    ratio = curve / (1 - curve)
    if len(below):
        ratio[below[0] + 2 :] = 1e-3
    return torch.as_tensor(ratio, dtype=torch.float32)


def resampled(volume: Tensor, pixel: float, wanted_pixel: float, box: int) -> Tensor:
    """Return a map on other pixels and in another box, about voxel ``n // 2``; values are kept.

    Parameters
    ----------
    volume
        ``[n, n, n]``.
    pixel, wanted_pixel
        Angstrom.
    box
        Side of the result, even.
    """
    n = volume.shape[-1]
    if n == box and abs(pixel - wanted_pixel) < 1e-6 * pixel:
        return volume
    # Terms of the new box up to what both hold, read from the old one's spectrum.
    radius = min(box / 2 - 1, (n / 2 - 1.001) * wanted_pixel * box / (pixel * n))
    places, inside = frequencies_within(box, radius, volume.device)
    scale = (pixel * n) / (wanted_pixel * box)
    source = SliceSource(volume, min(n / 2 - 1, radius * scale + 0.5))
    spectrum = torch.zeros(inside.shape, dtype=torch.complex64, device=volume.device)
    spectrum[inside] = source.read(places * scale)
    same_values = (pixel / wanted_pixel) ** 3
    return torch.fft.fftshift(torch.fft.irfftn(spectrum, s=(box,) * 3)) * same_values


def turned(
    volume: Tensor, rotations: Tensor, centre_px: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> Tensor:
    """Return the mean of turned copies of a map.

    Parameters
    ----------
    volume
        ``[n, n, n]``, n even.
    rotations
        On (x, y, z), ``[m, 3, 3]``: one to turn a map, a point group to make it symmetric.
    centre_px
        What is turned about, (x, y, z) from voxel ``n // 2``; it comes to lie there.
    """
    n = volume.shape[-1]
    radius = n / 2 - 1
    places, inside = frequencies_within(n, radius, volume.device)
    source = SliceSource(volume, radius)
    spectrum = torch.zeros(inside.shape, dtype=torch.complex64, device=volume.device)
    for rotation in rotations.to(places):
        # A row vector times R is a column vector times its inverse.
        there = places @ rotation
        ramp = (there @ there.new_tensor(centre_px)) * (2 * math.pi / n)
        spectrum[inside] += source.read(there) * torch.polar(torch.ones_like(ramp), ramp)
    return torch.fft.fftshift(torch.fft.irfftn(spectrum / len(rotations), s=(n,) * 3))


def frequencies_within(box: int, radius: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the frequencies of ``rfftn`` within a radius, and where they stand on its grid.

    Returns
    -------
    Cycles per box (x, y, z), ``[n, 3]``; and true where one of them stands,
    ``[box, box, box // 2 + 1]``.
    """
    line = torch.fft.fftfreq(box, d=1 / box, device=device)
    half = torch.arange(box // 2 + 1, device=device, dtype=torch.float32)
    z, y, x = torch.meshgrid(line, line, half, indexing="ij")
    places = torch.stack([x, y, z], dim=-1)
    inside = places.square().sum(dim=-1).sqrt() <= radius
    return places[inside], inside
