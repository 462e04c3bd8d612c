"""Tomograms made ready for picking: at the sampling that the species ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.imaging.outliers import STREAK

Array = NDArray[np.float64]

VOXELS_ACROSS = 13.0
"""Voxels across the smallest species. Finer sampling costs time and shows little more: noise
takes what is smaller than a tenth of a particle."""


@dataclass
class Volume:
    """One tomogram as the picking network sees it; protein is bright.

    Attributes
    ----------
    name
        Of the series.
    halves
        ``[n, z, y, x]``: one or two measurements of unit deviation, together.
    clear
        ``[z, y, x]``: 0 at and about gold and outside what was imaged, otherwise 1.
    voxel_zyx_angstrom
        Sides of a voxel.
    """

    name: str
    halves: Tensor
    clear: Tensor
    voxel_zyx_angstrom: Array

    @cached_property
    def image(self) -> Tensor:
        """The mean of the halves, ``[z, y, x]``."""
        return self.halves.mean(dim=0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""
        n_z, n_y, n_x = self.halves.shape[1:]
        return int(n_z), int(n_y), int(n_x)

    def to_voxels(self, positions_angstrom: Array) -> Array:
        """Return positions (x, y, z) from the centre as voxels (z, y, x) from the first."""
        middle = np.array([n // 2 for n in self.shape])
        found: Array = positions_angstrom[:, ::-1] / self.voxel_zyx_angstrom + middle
        return found

    def to_angstrom(self, voxels: Array) -> Array:
        """Return voxels (z, y, x) from the first as positions (x, y, z) from the centre."""
        middle = np.array([n // 2 for n in self.shape])
        found: Array = ((voxels - middle) * self.voxel_zyx_angstrom)[:, ::-1]
        return found

    def depth_angstrom(self, voxels: Array) -> Array:
        """Return how far voxels (z, y, x) lie inside the nearest face."""
        last = np.array(self.shape) - 1
        found: Array = (np.minimum(voxels, last - voxels) * self.voxel_zyx_angstrom).min(axis=1)
        return found

    def is_beside_gold(self, voxels: Array, across_angstrom: float) -> NDArray[np.bool_]:
        """Tell which voxels (z, y, x) lie near gold and the like, or in the streaks it draws.

        Parameters
        ----------
        across_angstrom
            How near, across the beam; `STREAK` times as near along it.
        """
        from scipy.spatial import cKDTree

        beside = np.argwhere(self.clear.cpu().numpy() < 0.5)
        if not len(beside) or not len(voxels):
            return np.zeros(len(voxels), dtype=bool)
        reach = np.ceil(across_angstrom / self.voxel_zyx_angstrom)
        reach[0] *= STREAK
        places = np.clip(np.round(voxels), 0, np.array(self.shape) - 1)
        # In units of the reach along each axis the box about a bead is a cube of side 2.
        distances, _ = cKDTree(beside / reach).query(places / reach, p=np.inf)
        return np.asarray(distances <= 1.0 + 1e-9)


def sampling_for(diameters_angstrom: Sequence[float], voxel_size_angstrom: float) -> float:
    """Return the voxel size to work at: never finer than the tomogram's own."""
    return max(voxel_size_angstrom, min(diameters_angstrom) / VOXELS_ACROSS)


def resampled(
    name: str,
    inputs: Tensor,
    clear: Tensor,
    voxel_size_angstrom: float,
    wanted_angstrom: float,
) -> Volume:
    """Return a tomogram at a coarser sampling, scaled to unit deviation.

    Parameters
    ----------
    inputs
        ``[n, z, y, x]``, protein bright.
    clear
        ``[z, y, x]``.
    voxel_size_angstrom, wanted_angstrom
        Now, and what is wanted; voxels of each axis become as near to it as even sides allow.
    """
    even = torch.stack([_made_even(one) for one in inputs])
    coarse = torch.stack(
        [fourier_cropped(one, wanted_angstrom / voxel_size_angstrom) for one in even]
    )
    shape = coarse.shape[1:]
    voxel = np.array(
        [voxel_size_angstrom * n / m for n, m in zip(even.shape[1:], shape, strict=True)]
    )
    small = torch.nn.functional.interpolate(
        _made_even(clear)[None, None], size=tuple(shape), mode="trilinear", align_corners=False
    )[0, 0]
    usable = (small > 0.999).float()
    scale = (coarse.mean(dim=0) * usable).std().clamp_min(1e-6)
    return Volume(name, coarse / scale * usable, usable, voxel)


def fourier_cropped(volume: Tensor, factor: float) -> Tensor:
    """Return a volume of even sides sampled more coarsely; voxel ``n // 2`` keeps its place."""
    shape = [int(n) for n in volume.shape]
    new = [min(n, max(8, 2 * round(n / factor / 2))) for n in shape]
    if new == shape:
        return volume
    spectrum = torch.fft.rfftn(volume)
    for axis in (0, 1):
        half = new[axis] // 2
        low = spectrum.narrow(axis, 0, half)
        high = spectrum.narrow(axis, shape[axis] - half, half)
        spectrum = torch.cat([low, high], dim=axis)
    spectrum = spectrum[..., : new[2] // 2 + 1]
    share = float(np.prod(new) / np.prod(shape))
    # Whole voxels of the centre: the origin of the transform is a corner, which moves.
    moved = spectrum * _moved(shape, new, volume.device) * share
    return torch.fft.irfftn(moved, s=new)


def _moved(old: list[int], new: list[int], device: torch.device) -> Tensor:
    """Return the phases that bring the old middle voxel onto the new one."""
    lines = []
    for axis, (n, m) in enumerate(zip(old, new, strict=True)):
        frequency = torch.fft.rfftfreq(m) if axis == 2 else torch.fft.fftfreq(m)
        # The old middle lies at n // 2 * m / n in new voxels.
        shift = m // 2 - (n // 2) * m / n
        lines.append(torch.exp(-2j * torch.pi * frequency * shift).to(device))
    return lines[0][:, None, None] * lines[1][:, None] * lines[2]


def _made_even(volume: Tensor) -> Tensor:
    """Return a volume of even sides: one more voxel before the first keeps the middle one."""
    padding = [gap for side in reversed(volume.shape) for gap in (int(side) % 2, 0)]
    if not any(padding):
        return volume
    return torch.nn.functional.pad(volume[None, None], padding, mode="replicate")[0, 0]
