"""Central slices of volumes in Fourier space: taken out of one, and put together into one.

A volume of side n about voxel ``n // 2`` is padded to twice its side and transformed; its slices
are read from the eight nearest points of that finer grid. Linear interpolation dims what lies away
from the middle, which dividing the volume by the interpolation's own window beforehand makes up
for; left is an error of 0.5 % an eighth of the box from the middle, and of 2 % at a quarter.
Putting slices in spreads every value over the same eight points.

Frequencies are in cycles per box of side n, (x, y, z); only half of the space is kept, because
the volumes are real.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn.functional import embedding_bag

PADDING = 2
"""Points of the fine grid for each frequency of the box."""

_RUN = 2**18
"""Frequencies that are read at once."""

_CORNERS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, 1), (1, 0, 1), (0, 1, 1), (1, 1, 1))


@dataclass(frozen=True)
class FourierGrid:
    """Half of a fine Fourier grid out to a radius: x from 0, y and z either way.

    Attributes
    ----------
    size
        Side of the box in voxels.
    radius
        Greatest frequency that is asked for, cycles per box; below ``size / 2``.
    padding
        Points of the grid for each frequency of the box.
    """

    size: int
    radius: float
    padding: int = PADDING

    def __post_init__(self) -> None:
        if not 0 < self.radius < self.size / 2:
            raise ValueError(f"radius must lie between 0 and {self.size / 2:g}, got {self.radius}")

    @property
    def reach(self) -> int:
        """Farthest grid point from the origin along an axis."""
        return math.floor(self.padding * self.radius) + 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Points along z, y and x."""
        return 2 * self.reach + 1, 2 * self.reach + 1, self.reach + 1

    @property
    def n_points(self) -> int:
        """Points of the grid."""
        return math.prod(self.shape)

    def around(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Find the grid points about frequencies, and how much of each they share.

        Parameters
        ----------
        points
            Cycles per box (x, y, z), ``[n, 3]``, no farther than the radius.

        Returns
        -------
        Numbers of grid points ``[n, 8]`` (int32), their weights ``[n, 8]``, and where the other
        half of space was meant, so that values must be conjugated, ``[n]``.
        """
        mirrored = points[:, 0] < 0
        fine = points * torch.where(mirrored, -self.padding, self.padding)[:, None].to(points.dtype)
        low = fine.floor()
        part = fine - low
        _, rows, columns = self.shape
        steps = torch.tensor(
            [x + columns * (y + rows * z) for x, y, z in _CORNERS],
            dtype=torch.int32,
            device=points.device,
        )
        x, y, z = low.to(torch.int32).unbind(-1)
        first = x + columns * (y + self.reach + rows * (z + self.reach))
        rest = 1 - part
        along_x, along_y, along_z = (torch.stack([rest[:, i], part[:, i]], -1) for i in range(3))
        weights = along_z[:, :, None, None] * along_y[:, None, :, None] * along_x[:, None, None, :]
        index = (first[:, None] + steps).clamp_(0, self.n_points - 1)
        return index, weights.reshape(-1, 8), mirrored

    def nearest(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Find the grid point next to each frequency.

        Parameters
        ----------
        points
            Cycles per box (x, y, z), ``[n, 3]``, no farther than the radius.

        Returns
        -------
        Numbers of grid points (int32), and where the other half of space was meant, ``[n]``.
        """
        fine = (points * self.padding).round().to(torch.int32)
        x, y, z = fine.unbind(-1)
        mirrored = x < 0
        sign = torch.where(mirrored, -1, 1).to(torch.int32)
        _, rows, columns = self.shape
        number = x * sign + columns * (y * sign + self.reach + rows * (z * sign + self.reach))
        return number.clamp_(0, self.n_points - 1), mirrored

    def cut(self, volumes: Tensor) -> Tensor:
        """Transform volumes and keep this part of their spectra.

        Parameters
        ----------
        volumes
            Real, ``[..., size, size, size]`` as (z, y, x).

        Returns
        -------
        Complex, ``[..., *shape]``.
        """
        n, fine = self.size, self.padding * self.size
        first = fine // 2 - n // 2
        padded = volumes.new_zeros(*volumes.shape[:-3], fine, fine, fine)
        padded[..., first : first + n, first : first + n, first : first + n] = volumes
        spectrum = torch.fft.rfftn(torch.fft.ifftshift(padded, dim=(-3, -2, -1)), dim=(-3, -2, -1))
        line = torch.arange(-self.reach, self.reach + 1, device=volumes.device) % fine
        return spectrum[..., line[:, None], line[None, :], : self.reach + 1]

    def uncut(self, spectrum: Tensor) -> Tensor:
        """Return the volumes of side ``size`` that have a spectrum; beyond the grid it is 0."""
        n, fine = self.size, self.padding * self.size
        whole = spectrum.new_zeros(*spectrum.shape[:-3], fine, fine, fine // 2 + 1)
        line = torch.arange(-self.reach, self.reach + 1, device=spectrum.device) % fine
        whole[..., line[:, None], line[None, :], : self.reach + 1] = spectrum
        volume = torch.fft.fftshift(
            torch.fft.irfftn(whole, s=(fine,) * 3, dim=(-3, -2, -1)), dim=(-3, -2, -1)
        )
        first = fine // 2 - n // 2
        return volume[..., first : first + n, first : first + n, first : first + n]

    def frequency(self, device: torch.device | str = "cpu") -> Tensor:
        """Return the distance of each grid point from the origin, cycles per box, ``shape``."""
        side = torch.arange(-self.reach, self.reach + 1, device=device, dtype=torch.float32)
        x = side[self.reach :]
        squared = side[:, None, None] ** 2 + side[None, :, None] ** 2 + x**2
        return squared.sqrt() / self.padding


def interpolation_window(size: int, device: torch.device | str = "cpu") -> Tensor:
    """Return what linear interpolation of the fine grid does to a volume, ``[n, n, n]``."""
    line = torch.arange(size, device=device, dtype=torch.float32) - size // 2
    one = torch.sinc(line / (PADDING * size)) ** 2
    return one[:, None, None] * one[None, :, None] * one


class SliceSource:
    """A volume whose central slices can be read.

    Parameters
    ----------
    volume
        Real, ``[n, n, n]`` as (z, y, x), about voxel ``n // 2``.
    radius
        Greatest frequency that will be asked for, cycles per box.
    with_gradient
        Also keep how the spectrum changes from place to place, for `read_with_gradient`.
    """

    def __init__(self, volume: Tensor, radius: float, with_gradient: bool = False) -> None:
        size = volume.shape[-1]
        self.grid = FourierGrid(size, radius)
        sharp = volume / interpolation_window(size, volume.device)
        stack = [self.grid.cut(sharp)]
        if with_gradient:
            line = torch.arange(size, device=volume.device, dtype=volume.dtype) - size // 2
            for place in (line, line[:, None], line[:, None, None]):
                # d/dk of exp(-2 pi i k x / n)
                stack.append(self.grid.cut(sharp * place) * (-2j * math.pi / size))
        table = torch.view_as_real(torch.stack(stack, dim=-1)).reshape(self.grid.n_points, -1)
        self.n_columns = table.shape[1]
        # Beside each point its neighbour along x: half as many places to look up.
        self.pairs = torch.cat([table, table.roll(-1, dims=0)], dim=1)
        self.pairs_of_values = (
            self.pairs
            if self.n_columns == 2
            else torch.cat([table[:, :2], table[:, :2].roll(-1, dims=0)], dim=1)
        )

    def read(self, points: Tensor) -> Tensor:
        """Return the spectrum at frequencies.

        Parameters
        ----------
        points
            Cycles per box (x, y, z), ``[..., 3]``.

        Returns
        -------
        Complex, ``[...]``.
        """
        found: Tensor = self._read(points, 2)[..., 0]
        return found

    def read_with_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spectrum and its gradient, ``[...]`` and ``[..., 3]``, per cycle per box."""
        found = self._read(points, 8)
        return found[..., 0], found[..., 1:]

    def _read(self, points: Tensor, n_columns: int) -> Tensor:
        flat = points.reshape(-1, 3)
        table = self.pairs if n_columns == self.n_columns else self.pairs_of_values
        parts = [
            self._read_run(flat[first : first + _RUN], table)
            for first in range(0, max(1, len(flat)), _RUN)
        ]
        found = parts[0] if len(parts) == 1 else torch.cat(parts)
        return found.view(*points.shape[:-1], n_columns // 2)

    def _read_run(self, points: Tensor, table: Tensor) -> Tensor:
        """Return values at frequencies that are few enough for the processor's caches."""
        reach, (_, rows, columns) = self.grid.reach, self.grid.shape
        mirrored = points[:, 0] < 0
        fine = points.T.contiguous() * torch.where(mirrored, -PADDING, PADDING).to(points.dtype)
        low = fine.floor()
        x, y, z = fine - low
        whole = low.to(torch.int32)
        first = (whole[2] + reach).mul_(rows).add_(whole[1] + reach).mul_(columns).add_(whole[0])
        first.clamp_(0, self.grid.n_points - 1 - columns - rows * columns)
        index = torch.stack(
            [first, first + columns, first + rows * columns, first + (rows + 1) * columns], dim=1
        )
        both = y * z
        weights = torch.stack([1 - y - z + both, y - both, z - both, both], dim=1)
        values = embedding_bag(index, table, per_sample_weights=weights, mode="sum")
        half = values.shape[1] // 2
        found = torch.lerp(values[:, :half], values[:, half:], x[:, None]).unflatten(1, (-1, 2))
        # The spectrum at -k is the conjugate; its gradient there also changes sign.
        turn = torch.where(mirrored, -1.0, 1.0).to(values.dtype)[:, None]
        found[:, :, 1] *= turn
        if half > 2:
            found[:, 1:] *= turn[..., None]
        return torch.view_as_complex(found)


def scattered(index: Tensor, shares: Tensor, columns: Tensor, n_points: int) -> Tensor:
    """Spread rows over points and add them up.

    Parameters
    ----------
    index, shares
        Where each row goes and how much of it, ``[n, 8]``.
    columns
        Rows, ``[n, c]``.
    n_points
        Rows of the result.

    Returns
    -------
    ``[n_points, c]``.
    """
    if columns.device.type == "cpu":
        # Ten times faster than torch's own adding by index.
        n = len(index)
        ends = np.arange(0, 8 * n + 1, 8, dtype=np.int32 if n < 2**28 else np.int64)
        entries: Any = (shares.reshape(-1).numpy(), index.reshape(-1).numpy(), ends)
        spread: Any = csr_matrix(entries, shape=(n, n_points))
        return torch.from_numpy(spread.T @ columns.numpy())
    out = columns.new_zeros(n_points, columns.shape[1])
    rows = (columns[:, None, :] * shares[..., None]).reshape(-1, columns.shape[1])
    return out.index_add_(0, index.reshape(-1).long(), rows)


class SliceSums:
    """Sums of slices on the fine grid, from which a volume is solved.

    Parameters
    ----------
    size
        Side of the box.
    radius
        Greatest frequency of what is put in, cycles per box.
    device
        Where the sums are.

    Attributes
    ----------
    sums
        Real and imaginary part of the values, and their weights, ``[n_points, 3]`` in float64 on
        a CPU, so that the order of adding does not show.
    """

    def __init__(self, size: int, radius: float, device: torch.device | str = "cpu") -> None:
        self.grid = FourierGrid(size, radius)
        place = torch.device(device)
        dtype = torch.float64 if place.type != "mps" else torch.float32
        self.sums = torch.zeros(self.grid.n_points, 3, dtype=dtype, device=place)

    def add(self, points: Tensor, values: Tensor, weights: Tensor) -> None:
        """Put values in.

        Parameters
        ----------
        points
            Cycles per box (x, y, z), ``[n, 3]``.
        values
            Complex, ``[n]``.
        weights
            Real, ``[n]``.
        """
        index, shares, mirrored = self.grid.around(points)
        imaginary = torch.where(mirrored, -values.imag, values.imag)
        columns = torch.stack([values.real, imaginary, weights], dim=-1)
        self.sums += scattered(index, shares, columns, self.grid.n_points)

    def spectrum(self) -> tuple[Tensor, Tensor]:
        """Return the sums of values and of weights on the grid, the two halves of space joined.

        Returns
        -------
        Complex64 and float32, ``grid.shape``.
        """
        shaped = self.sums.view(*self.grid.shape, 3)
        values = torch.complex(shaped[..., 0], shaped[..., 1])
        weights = shaped[..., 2].clone()
        # What lies beyond the plane x = 0 has its share of that plane as mirror images.
        values[..., 0] = values[..., 0] + values[..., 0].flip(0, 1).conj()
        weights[..., 0] = weights[..., 0] + weights[..., 0].flip(0, 1)
        return values.to(torch.complex64), weights.float()

    def symmetrised(self, rotations: Tensor) -> tuple[Tensor, Tensor]:
        """Return `spectrum`, the mean over turned copies.

        Parameters
        ----------
        rotations
            Of a point group, on (x, y, z), ``[m, 3, 3]``.
        """
        values, weights = self.spectrum()
        if len(rotations) == 1:
            return values, weights
        reach = self.grid.reach
        side = torch.arange(-reach, reach + 1, device=values.device, dtype=torch.float32)
        z, y, x = torch.meshgrid(side, side, side[reach:], indexing="ij")
        places = torch.stack([x, y, z], dim=-1).reshape(-1, 3) / PADDING
        inside = places.square().sum(dim=-1).sqrt() <= self.grid.radius
        asked = places[inside]
        table = torch.stack([values.real, values.imag, weights], dim=-1).reshape(-1, 3)
        total = torch.zeros(len(asked), 3, device=values.device)
        for rotation in rotations.to(asked):
            index, shares, mirrored = self.grid.around(asked @ rotation.T)
            found = embedding_bag(index, table, per_sample_weights=shares, mode="sum")
            found[:, 1] *= torch.where(mirrored, -1.0, 1.0)
            total += found
        out = torch.zeros(self.grid.n_points, 3, device=values.device)
        out[inside] = total / len(rotations)
        shaped = out.view(*self.grid.shape, 3)
        return torch.complex(shaped[..., 0], shaped[..., 1]), shaped[..., 2]


class HalfPlane:
    """The frequencies of a square image, one of each pair of mates, from the inside out.

    Parameters
    ----------
    size
        Side of the image, even.
    device
        Where to keep them.

    Attributes
    ----------
    frequencies
        Cycles per box (x, y), ``[n, 2]``, by their distance from the origin, which is not among
        them; up to below ``size / 2``.
    radius
        That distance, ``[n]``.
    flat
        Their places on the flattened grid of ``rfft2``, ``[n]``.
    """

    def __init__(self, size: int, device: torch.device | str = "cpu") -> None:
        self.size = size
        y = torch.fft.fftfreq(size, d=1 / size)[:, None].expand(size, size // 2 + 1)
        x = torch.arange(size // 2 + 1, dtype=torch.float32).expand(size, -1)
        radius = torch.hypot(x, y)
        wanted = (radius > 0.5) & (radius <= size / 2 - 1) & ((x > 0) | (y > 0))
        flat = wanted.reshape(-1).nonzero()[:, 0]
        order = radius.reshape(-1)[flat].argsort(stable=True)
        self.flat = flat[order].to(device)
        frequencies = torch.stack([x.reshape(-1), y.reshape(-1)], dim=-1)[flat[order]]
        self.frequencies = frequencies.to(device)
        self.radius = self.frequencies.square().sum(dim=-1).sqrt()

    def within(self, radius: float) -> int:
        """Return how many of the frequencies lie within a radius: they are the first ones."""
        return int(torch.searchsorted(self.radius.cpu(), radius + 1e-4))

    def transform(self, images: Tensor) -> Tensor:
        """Return the Fourier terms of images about pixel ``n // 2``, ``[..., n]``."""
        if not images.numel():  # which the transform of some libraries does not take
            none = torch.zeros(*images.shape[:-2], len(self.flat), device=images.device)
            return none.to(torch.complex64)
        spectrum = torch.fft.rfft2(torch.fft.ifftshift(images, dim=(-2, -1)))
        return cast(Tensor, spectrum.flatten(-2)[..., self.flat])

    def image(self, terms: Tensor) -> Tensor:
        """Return the images of Fourier terms; those that are not there are 0.

        Parameters
        ----------
        terms
            Of the first frequencies, complex, ``[..., m]``.
        """
        half = self.size // 2 + 1
        grid = terms.new_zeros(*terms.shape[:-1], self.size * half)
        grid[..., self.flat[: terms.shape[-1]]] = terms
        grid = grid.view(*terms.shape[:-1], self.size, half)
        # Of the column x = 0 only one of each pair is there.
        mates = grid[..., 1:, 0].flip(-1).conj()
        grid[..., 1:, 0] = torch.where(grid[..., 1:, 0] == 0, mates, grid[..., 1:, 0])
        images = torch.fft.irfft2(grid, s=(self.size, self.size))
        return torch.fft.fftshift(images, dim=(-2, -1))
