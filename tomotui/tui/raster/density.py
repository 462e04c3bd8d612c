"""A map in memory as pictures need it: at most so many voxels, and a level to contour it at."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.tui.raster.loader import SliceError
from tomotui.tui.raster.volume import Axis, open_map
from tomotui.tui.raster.window import Window

Volume = NDArray[np.float32]

MOST_VOXELS = 128
"""Longest edge that is drawn; larger maps are averaged over blocks of voxels."""
_WINDOW_PERCENTILES = (1.0, 99.9)
_BINS = 256
_SAMPLE = 500_000


class Density:
    """A map whose places are told in Angstrom from its middle.

    Parameters
    ----------
    values
        ``[z, y, x]``; protein is bright.
    pixel_size_angstrom
        Edge of a voxel.
    label
        A few words that tell it from others.
    middle
        Where the middle lies, in voxels along z, y and x; voxel ``n // 2`` when not given.
    """

    def __init__(
        self,
        values: Volume,
        pixel_size_angstrom: float,
        label: str = "",
        middle: tuple[float, float, float] | None = None,
    ) -> None:
        self.values = np.ascontiguousarray(values, dtype=np.float32)
        self.pixel_size_angstrom = pixel_size_angstrom
        self.label = label
        nz, ny, nx = values.shape
        self.middle = middle or (nz // 2, ny // 2, nx // 2)

    @cached_property
    def level(self) -> float:
        """The value that best parts matter from solvent; contours are told as shares of it."""
        return contour_level(self.values)

    @cached_property
    def window(self) -> Window:
        """Grey values that show sections well."""
        low, high = (float(one) for one in np.percentile(self.values, _WINDOW_PERCENTILES))
        return Window(low, high) if high > low else Window(low - 1.0, low + 1.0)

    @property
    def radius_angstrom(self) -> float:
        """From the middle to the nearest face."""
        return float(min(self.values.shape) / 2 * self.pixel_size_angstrom)

    def section(self, axis: Axis, place_angstrom: float, side: int, step_angstrom: float) -> Volume:
        """Return the section across an axis at a place, ``[side, side]``.

        Rows and columns follow the other axes in the order z, y, x, in steps of ``step_angstrom``
        about the middle. Outside of the map its nearest voxel stands in.
        """
        along = (np.arange(side) - (side - 1) / 2) * step_angstrom
        rows, columns = along[:, None], along[None, :]
        if axis == "z":
            return self.at(place_angstrom, rows, columns)
        if axis == "y":
            return self.at(rows, place_angstrom, columns)
        return self.at(rows, columns, place_angstrom)

    def at(self, z: ArrayLike, y: ArrayLike, x: ArrayLike) -> Volume:
        """Return the values at places in Angstrom from the middle, which broadcast."""
        voxels = [
            np.asarray(place, np.float32) / np.float32(self.pixel_size_angstrom) + np.float32(at)
            for place, at in zip((z, y, x), self.middle, strict=True)
        ]
        return trilinear(self.values, *voxels)


def trilinear(values: Volume, z: Volume, y: Volume, x: Volume) -> Volume:
    """Interpolate between voxels; beyond the faces the nearest voxel stands in.

    Parameters
    ----------
    z, y, x
        In voxels, of shapes that broadcast.
    """
    flat, weights, steps = values.ravel(), [], []
    at: NDArray[np.intp] = np.zeros((), dtype=np.intp)
    for place, size, stride in zip((z, y, x), values.shape, _strides(values), strict=True):
        inside = np.clip(place, 0, max(size - 1, 0))
        first = np.minimum(inside.astype(np.int32), max(size - 2, 0))
        at = at + first.astype(np.intp) * stride
        weights.append(inside - first.astype(np.float32))
        steps.append(stride if size > 1 else 0)
    dz, dy, dx = steps
    fz, fy, fx = weights
    layers = []
    for plane in (at, at + dz):
        low = flat[plane] + fx * (flat[plane + dx] - flat[plane])
        below = plane + dy
        high = flat[below] + fx * (flat[below + dx] - flat[below])
        layers.append(low + fy * (high - low))
    result: Volume = layers[0] + fz * (layers[1] - layers[0])
    return result


def _strides(values: Volume) -> tuple[int, int, int]:
    _, ny, nx = values.shape
    return ny * nx, nx, 1


def read_density(path: Path, pixel_size_angstrom: float | None, label: str = "") -> Density:
    """Read a map; one with more than `MOST_VOXELS` along an edge is averaged over blocks.

    Parameters
    ----------
    pixel_size_angstrom
        As the record of the map has it; read from the header when not given.

    Raises
    ------
    SliceError
        When the file is missing, torn, no map, or holds no numbers.
    """
    stored, header = open_map(path)
    values = np.array(stored, dtype=np.float32)
    if (header.intensity_scale, header.intensity_offset) != (1.0, 0.0):
        values = values * np.float32(header.intensity_scale) + np.float32(header.intensity_offset)
    if not np.isfinite(values).all():
        raise SliceError(f"{path} holds values that are no numbers")
    pixel = pixel_size_angstrom or header.pixel_size_angstrom or 1.0
    return binned(Density(values, pixel, label), MOST_VOXELS)


def binned(density: Density, most_voxels: int) -> Density:
    """Average over blocks of voxels where an edge has more than so many; the middle stays.

    What does not fill a block at the faces is left out.
    """
    values = density.values
    block = -(-max(values.shape) // most_voxels)
    if block == 1:
        return density
    middle = []
    for axis, old in enumerate(density.middle):
        count = values.shape[axis] // block
        part = np.take(values, range(count * block), axis)
        shape = (*part.shape[:axis], count, block, *part.shape[axis + 1 :])
        values = part.reshape(shape).mean(axis=axis + 1, dtype=np.float32)
        middle.append((old - (block - 1) / 2) / block)
    z, y, x = middle
    return Density(values, density.pixel_size_angstrom * block, density.label, (z, y, x))


def contour_level(values: Volume) -> float:
    """Return the level that parts the voxels into two classes of least spread (Otsu 1979).

    N. Otsu, IEEE Trans. Syst. Man Cybern. 9:62. Only values above the median are parted: most of
    a box is solvent, and its lower half tells nothing of matter.
    """
    sample = values.ravel()[:: max(values.size // _SAMPLE, 1)]
    low, high = float(np.median(sample)), float(np.percentile(sample, 99.95))
    if not high > low:
        return low
    counts, edges = np.histogram(sample, bins=_BINS, range=(low, high))
    middles = (edges[1:] + edges[:-1]) / 2
    below, sum_below = np.cumsum(counts), np.cumsum(counts * middles)
    above, sum_above = below[-1] - below, sum_below[-1] - sum_below
    gap = sum_above / np.maximum(above, 1) - sum_below / np.maximum(below, 1)
    between = below.astype(np.float64) * above * gap**2
    return float(edges[1:][int(np.argmax(between))])
