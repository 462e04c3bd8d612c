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
    seen, carried = torch.zeros_like(radius), torch.zeros_like(radius)
    for table, tooth in zip(tables, _teeth(comb, shape, device, longest), strict=True):
        tooth.add_to(seen)
        tooth.add_to(carried, _read(table, tooth.of(position)))
    return seen, carried, _read(tables.mean(dim=0), position)


def _read(table: Tensor, position: Tensor) -> Tensor:
    """Return the values of a table at positions between its columns."""
    place = position.long()
    return torch.lerp(table[place], table[place + 1], position - place)


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
        tooth.add_to(total)
    return total.clamp_max_(1)


@dataclass(frozen=True)
class _Tooth:
    """How near the terms about a plane lie to it; all others are far from it.

    Attributes
    ----------
    axis
        Along which terms are told by their numbers.
    numbers
        As the grid, but along the axis only as many terms as there may be near the plane.
    height
        Of the same shape: 1 on the plane, falling to 0.
    """

    axis: int
    numbers: Tensor
    height: Tensor

    def of(self, values: Tensor) -> Tensor:
        """Return what a grid holds at these terms."""
        return values.gather(self.axis, self.numbers)

    def add_to(self, total: Tensor, values: Tensor | None = None) -> None:
        """Add the heights, or so much of the values, to a grid."""
        added = self.height if values is None else self.height * values
        total.scatter_add_(self.axis, self.numbers, added)


def _teeth(
    comb: Comb, shape: tuple[int, ...], device: torch.device | str, longest: int | None
) -> Iterator[_Tooth]:
    """Yield for each tilt how near terms lie to its plane: 1 on it, falling to 0."""
    axes = frequency_axes(shape, device)
    sides = shape if longest is None else [min(side, longest) for side in shape]
    for normal in comb.normals:
        direction = _direction(normal, shape)
        # A box of sides L tells frequencies along n apart when they differ by |n / L|.
        width = float(np.sqrt(sum((d / n) ** 2 for d, n in zip(direction, sides, strict=True))))
        yield _tooth(direction, axes, shape, max(width, 1e-9))


def _direction(normal: Array, shape: tuple[int, ...]) -> list[float]:
    """Return the components of a normal along the axes of a box, (z, y, x) or (z, x)."""
    return [float(normal[c]) for c in ((2, 1, 0) if len(shape) == 3 else (2, 0))]


def _tooth(
    direction: list[float], axes: list[Tensor], shape: tuple[int, ...], width: float
) -> _Tooth:
    """Return the terms within a width (cycles per voxel) of the plane normal to a direction.

    Only these are computed: along the axis that the plane crosses most steeply there are a few,
    where the volume has hundreds.
    """
    axis = int(np.argmax(np.abs(direction[:-1])))
    side, slope = shape[axis], abs(direction[axis]) / shape[axis]
    # The first of all frequencies is 0: this is how far from the plane the terms there lie.
    level = _along(direction, [line.narrow(axis, 0, 1) for line in axes])
    if side * slope <= 2 * width:
        first, count = torch.zeros_like(level), side
    else:
        centre = level * (-side / direction[axis])
        first, count = torch.ceil(centre - width / slope), int(2 * width / slope) + 1
    line = torch.arange(count, device=level.device).reshape(-1, *axes[axis].shape[axis + 1 :])
    numbers = (first.long() + line) % side
    frequency = axes[axis].flatten()[numbers]
    height = (1 - (level + direction[axis] * frequency).abs() / width).clamp_min_(0)
    return _Tooth(axis, numbers, height)


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
    response = torch.zeros((*shape[:-1], shape[-1] // 2 + 1), device=device)
    teeth = _teeth(comb, shape, device, None)
    for normal, step, tooth in zip(comb.normals, steps, teeth, strict=True):
        across = (normal[2] * axes[2] - normal[0] * axes[0]).abs().expand_as(response)
        width = float(np.linalg.norm(np.array(_direction(normal, shape)) / shape))
        tooth.add_to(response, tooth.of(across) * (abs(float(step)) / width))
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
