"""Crops joined into volumes: sums of images times transfer, of squared transfer, and of images.

As RELION 4 makes pseudo-subtomograms (Zivanov et al. 2022, eLife 11:e83724): every Fourier term of
every image is shared out over the eight nearest frequencies of the box. The map that particles
have in common is the quotient of their summed data and weights; the sharing dims it away from the
middle, by `sharing_window`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.extract.crops import Crops
from tomotui.algorithms.refine.equations import slice_points
from tomotui.imaging.slices import FourierGrid, HalfPlane, scattered


@dataclass(frozen=True)
class Subtomogram:
    """One particle as a volume.

    Attributes
    ----------
    data
        The sum of images times transfer, about voxel ``n // 2``, ``[n, n, n]`` as (z, y, x).
    squared_transfer, multiplicity
        Sums of squared transfer, and how many terms each frequency got, on half of the Fourier
        transform with the origin first, ``[n, n, n // 2 + 1]``.
    """

    data: Tensor
    squared_transfer: Tensor
    multiplicity: Tensor


def joined_crops(crops: Crops, number: int, camera: Tensor, plane: HalfPlane) -> Subtomogram:
    """Join the crops of one particle, which were multiplied with their transfer.

    Parameters
    ----------
    number
        Of the particle among the crops.
    camera
        From what the volume shows to the camera, ``[t, 3, 3]``.
    plane
        Of the crops.
    """
    shown = torch.as_tensor(crops.visible[number], device=camera.device)
    points = slice_points(plane.frequencies, camera[shown]).reshape(-1, 3)
    values = plane.transform(crops.images[number, shown]).reshape(-1)
    weights = crops.transfer[number, shown].square().reshape(-1)
    grid = FourierGrid(plane.size, plane.size / 2 - 1, padding=1)
    index, shares, mirrored = grid.around(points)
    imaginary = torch.where(mirrored, -values.imag, values.imag)
    columns = torch.stack([values.real, imaginary, weights, torch.ones_like(weights)], dim=-1)
    rows = scattered(index, shares, columns, grid.n_points).view(*grid.shape, 4).clone()
    # Terms at x = 0 stand for their mates across the origin as well.
    mates = rows[:, :, 0].flip(0, 1) * rows.new_tensor([1.0, -1.0, 1.0, 1.0])
    rows[:, :, 0] += mates
    half = _half_transform(rows, plane.size)
    spectrum = torch.complex(half[..., 0].contiguous(), half[..., 1].contiguous())
    data = torch.fft.irfftn(spectrum, s=(plane.size,) * 3)
    return Subtomogram(torch.fft.fftshift(data), half[..., 2], half[..., 3])


def _half_transform(rows: Tensor, size: int) -> Tensor:
    """Put what lies on a grid about the origin where `rfftn` has it, ``[n, n, n // 2 + 1, c]``."""
    inner = rows[1:-1, 1:-1, :-1].float()
    reach = inner.shape[2] - 1
    line = torch.arange(-reach, reach + 1, device=rows.device) % size
    whole = inner.new_zeros(size, size, size // 2 + 1, rows.shape[-1])
    whole[line[:, None], line[None, :], : reach + 1] = inner
    return whole


def sharing_window(size: int, device: torch.device | str = "cpu") -> Tensor:
    """Return by how much sharing terms out over whole frequencies dims a map, ``[n, n, n]``."""
    line = torch.arange(size, device=device, dtype=torch.float32) - size // 2
    one = torch.sinc(line / size) ** 2
    return one[:, None, None] * one[:, None] * one
