"""What a tilt series has measured of a volume's Fourier space: a comb of planes, not a wedge.

Tilt i measures the plane through the origin that is normal to the beam in the specimen's frame.
In a box of finite extent it tells of what lies within about one Fourier pixel of that plane. The
spaces between the teeth, and the wedge beyond the last of them, were never seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.imaging.fourier import radial_frequency

Array = NDArray[np.float64]
TRANSFER_FLOOR = 0.1
"""Least transfer that is divided by."""


@dataclass(frozen=True)
class Comb:
    """The planes that the tilts of one volume have measured, and how well they carry contrast.

    Attributes
    ----------
    normals
        Direction of the beam in the specimen's frame as (x, y, z), ``[n_tilts, 3]``.
    transfer
        How much of the contrast each tilt carries, by spatial frequency, ``[n_tilts, n]``;
        ``None`` where all is carried alike.
    step_per_angstrom
        Frequency between two columns of the transfer, which begins at 0.
    """

    normals: Array
    transfer: Array | None = None
    step_per_angstrom: float = 1.0

    def select(self, tilts: list[int]) -> Comb:
        """Return the planes of some tilts."""
        transfer = None if self.transfer is None else self.transfer[tilts]
        return Comb(self.normals[tilts], transfer, self.step_per_angstrom)

    def turned(self, rotation: Array) -> Comb:
        """Return the planes of a volume that was turned.

        Parameters
        ----------
        rotation
            Active, on column vectors (x, y, z).
        """
        return Comb(self.normals @ rotation.T, self.transfer, self.step_per_angstrom)


@dataclass(frozen=True)
class Measured:
    """What was measured at every term of a real Fourier transform.

    Attributes
    ----------
    coverage
        Between 0 (never seen) and 1, ``[..., n // 2 + 1]``.
    transfer
        Contrast that came through there, not below `TRANSFER_FLOOR`; where nothing was seen the
        mean over the tilts.
    """

    coverage: Tensor
    transfer: Tensor


def measured(
    comb: Comb,
    shape: tuple[int, ...],
    voxel_size_angstrom: float,
    device: torch.device | str = "cpu",
    longest: int | None = None,
) -> Measured:
    """Return what a comb has measured on the grid of ``rfftn``.

    Parameters
    ----------
    comb
        Planes; of a two-dimensional shape (z, x) their traces at ``ky = 0``.
    shape
        Of the box, (z, y, x) or (z, x).
    voxel_size_angstrom
        Angstrom per voxel.
    longest
        Teeth are as broad as a box of no more voxels along its sides would have them.
    """
    if comb.transfer is None:
        seen = coverage(comb, shape, device, longest)
        return Measured(seen, torch.ones_like(seen))
    seen, carried, everywhere = _carried(comb, shape, voxel_size_angstrom, device, longest)
    # Where hardly anything was seen the mean takes over smoothly.
    carried = (carried + 1e-3 * everywhere) / (seen + 1e-3)
    return Measured(seen.clamp_max_(1), carried.clamp_min_(TRANSFER_FLOOR))


def response(
    comb: Comb,
    shape: tuple[int, ...],
    voxel_size_angstrom: float,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return what a comb makes of each term of a particle's ``rfftn``: coverage times transfer.

    Where nothing was measured it is 0, and a transfer that was left as it is keeps its sign.

    Parameters
    ----------
    comb, shape, voxel_size_angstrom
        As in `measured`.
    """
    if comb.transfer is None:
        return coverage(comb, shape, device)
    seen, carried, _ = _carried(comb, shape, voxel_size_angstrom, device, None)
    return carried / seen.clamp_min(1)


def _carried(
    comb: Comb,
    shape: tuple[int, ...],
    voxel_size_angstrom: float,
    device: torch.device | str,
    longest: int | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sum of all teeth, that of their transfers, and the mean transfer of the tilts."""
    assert comb.transfer is not None
    radius = radial_frequency(shape, device) / voxel_size_angstrom
    tables = torch.as_tensor(comb.transfer, dtype=torch.float32, device=device)
    position = (radius / comb.step_per_angstrom).clamp_max_(tables.shape[1] - 1.001)
    place = position.long()
    share = position - place
    seen, carried = torch.zeros(radius.shape, device=device), torch.zeros_like(radius)
    for table, tooth in zip(tables, _teeth(comb, shape, device, longest), strict=True):
        seen += tooth
        carried += tooth * torch.lerp(table[place], table[place + 1], share)
    mean = tables.mean(dim=0)
    return seen, carried, torch.lerp(mean[place], mean[place + 1], share)


def coverage(
    comb: Comb,
    shape: tuple[int, ...],
    device: torch.device | str = "cpu",
    longest: int | None = None,
) -> Tensor:
    """Return between 0 and 1 what a comb has measured on the grid of ``rfftn``.

    Parameters
    ----------
    comb, shape, longest
        As in `measured`.
    """
    grid = (*shape[:-1], shape[-1] // 2 + 1)
    total = torch.zeros(grid, device=device)
    for tooth in _teeth(comb, shape, device, longest):
        total += tooth
    return total.clamp_max_(1)


def _teeth(
    comb: Comb, shape: tuple[int, ...], device: torch.device | str, longest: int | None
) -> Iterator[Tensor]:
    """Yield for each tilt how near every term lies to its plane: 1 on it, falling to 0."""
    axes = frequency_axes(shape, device)
    columns = (2, 1, 0) if len(shape) == 3 else (2, 0)
    sides = shape if longest is None else [min(side, longest) for side in shape]
    for normal in comb.normals:
        direction = [float(normal[c]) for c in columns]
        # A box of sides L tells frequencies along n apart when they differ by |n / L|.
        tooth = float(np.sqrt(sum((d / n) ** 2 for d, n in zip(direction, sides, strict=True))))
        yield (1 - _along(direction, axes).abs() / max(tooth, 1e-9)).clamp_min_(0)


def back_projection_response(
    comb: Comb, shape: tuple[int, int, int], device: torch.device | str = "cpu"
) -> Tensor:
    """Return what weighted back-projection makes of each term of a specimen's ``rfftn``.

    A tooth is as broad as the inverse of the volume's depth and as high as the share of Fourier
    space that its tilt stands for: 1 where teeth overlap, far more on the teeth, and nothing in
    between, where they do not.

    Parameters
    ----------
    comb
        With tilts in any order.
    shape
        Of the volume, (z, y, x).
    """
    axes = frequency_axes(shape, device)
    angles = np.unwrap(2 * np.arctan2(comb.normals[:, 0], comb.normals[:, 2])) / 2
    order = np.argsort(angles)
    steps = np.empty(len(angles))
    steps[order] = np.gradient(angles[order]) if len(angles) > 1 else 1.0
    response = torch.zeros(torch.broadcast_shapes(*(axis.shape for axis in axes)), device=device)
    for normal, step in zip(comb.normals, steps, strict=True):
        direction = [float(normal[c]) for c in (2, 1, 0)]
        height = _along(direction, axes)
        across = (normal[2] * axes[2] - normal[0] * axes[0]).abs()
        tooth = float(np.sqrt(sum((d / n) ** 2 for d, n in zip(direction, shape, strict=True))))
        high = across * abs(float(step)) / tooth
        response += (1 - height.abs() / tooth).clamp_min_(0) * high
    return response


def frequency_axes(shape: tuple[int, ...], device: torch.device | str) -> list[Tensor]:
    """Return the frequencies of ``rfftn`` along each axis in cycles per voxel, to broadcast."""
    found = []
    for axis, side in enumerate(shape):
        last = axis == len(shape) - 1
        line = torch.fft.rfftfreq(side) if last else torch.fft.fftfreq(side)
        found.append(line.to(device).reshape([-1 if a == axis else 1 for a in range(len(shape))]))
    return found


def _along(direction: list[float], axes: list[Tensor]) -> Tensor:
    """Return the component of every frequency along a direction."""
    total = torch.zeros((), device=axes[0].device)
    for share, axis in zip(direction, axes, strict=True):
        total = total + share * axis
    return total
