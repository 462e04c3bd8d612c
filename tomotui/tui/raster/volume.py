"""Slices of volumes and stacks from MRC files, read when asked for and kept for a while."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.mrc import MrcStack
from tomotui.formats.mrc_header import MrcHeader
from tomotui.tui.raster.loader import ByteLru, SliceError
from tomotui.tui.raster.picture import Turn
from tomotui.tui.raster.window import Window

Image = NDArray[np.float32]
Axis = Literal["z", "y", "x"]
AXES: tuple[Axis, ...] = ("z", "y", "x")
PLANES: dict[Axis, str] = {"z": "XY", "y": "XZ", "x": "YZ"}
"""Name of the plane that is cut across each axis."""

_BLOCK = 16
"""Planes read together across x and y: a page of the file holds many neighbours anyway."""


class SliceSource(Protocol):
    """Something that can be looked at slice by slice."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""

    @property
    def pixel_size_angstrom(self) -> float:
        """Edge of a voxel."""

    @property
    def default_window(self) -> Window | None:
        """Grey values that show the whole well at full resolution; ``None`` when unknown."""

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Axes that can be cut across: all three of a volume, only z of a stack of images."""

    @property
    def is_stack(self) -> bool:
        """True for a stack of images of their own: no slabs, a contrast for each."""

    @property
    def has_scale(self) -> bool:
        """False where lengths on a slice are no lengths in the specimen."""

    def n_slices(self, axis: Axis) -> int:
        """Return the number of slices across an axis."""

    def read(self, axis: Axis, index: int, slab: int = 0) -> Image:
        """Return the mean of ``2 * slab + 1`` slices about an index, shape ``[row, column]``."""

    def describe(self, axis: Axis, index: int) -> str:
        """Say in a few words which slice this is."""

    def turn(self, index: int) -> Turn | None:
        """Return how a slice is turned to be shown aligned; ``None`` when it cannot be."""


class Sliced:
    """What all sources answer alike."""

    shape: tuple[int, int, int]
    is_stack: bool
    has_scale = True

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Axes that can be cut across."""
        return AXES[:1] if self.is_stack else AXES

    def n_slices(self, axis: Axis) -> int:
        """Return the number of slices across an axis."""
        return self.shape[AXES.index(axis)]

    def describe(self, axis: Axis, index: int) -> str:
        """Say in a few words which slice this is, counted from 1."""
        return f"{'image' if self.is_stack else axis} {index + 1}/{self.n_slices(axis)}"

    def turn(self, index: int) -> Turn | None:
        """Return ``None``: nothing is known of an alignment."""
        return None


class VolumeReader(Sliced):
    """Slices of an MRC volume or stack through a memory map.

    Parameters
    ----------
    path
        The MRC file, of any mode that holds real numbers.
    pixel_size_angstrom
        Voxel edge; read from the header when not given.
    intensity_scale, intensity_offset
        Physical value = stored value * scale + offset; read from the header when not given.
    is_stack
        The sections are images of their own: only slices across z, no slabs.
    remark
        What must be said with every slice.

    Raises
    ------
    SliceError
        When the file is missing, truncated or not an MRC volume.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str = "",
        pixel_size_angstrom: float | None = None,
        default_window: Window | None = None,
        intensity_scale: float | None = None,
        intensity_offset: float | None = None,
        is_stack: bool = False,
        remark: str = "",
        max_bytes: int = 128 * 2**20,
    ) -> None:
        self.path = path
        self.name = name or path.stem
        self.is_stack = is_stack
        self.remark = remark
        self.default_window = default_window
        self._data, header = open_map(path)
        self.shape = header.shape
        self._size_on_disk = path.stat().st_size
        self.pixel_size_angstrom = pixel_size_angstrom or header.pixel_size_angstrom or 1.0
        self.intensity_scale = _first_given(intensity_scale, header.intensity_scale)
        self.intensity_offset = _first_given(intensity_offset, header.intensity_offset)
        self._planes = ByteLru(max_bytes)

    def read(self, axis: Axis, index: int, slab: int = 0) -> Image:
        """Return the mean of the slices within ``slab`` of an index.

        At the ends of the volume the slab is cut. Slices across z have rows of y, those across y
        and x have rows of z.

        Raises
        ------
        SliceError
            When the index lies outside, or the file has shrunk or vanished.
        """
        n_slices = self.n_slices(axis)
        if not 0 <= index < n_slices:
            raise SliceError(f"{self.name} has no slice {index} across {axis}: 0..{n_slices - 1}")
        if self.is_stack:
            slab = 0
        first, last = max(index - slab, 0), min(index + slab, n_slices - 1)
        if first == last:
            return self._plane(axis, index)
        total = self._plane(axis, first).copy()
        for i in range(first + 1, last + 1):
            total += self._plane(axis, i)
        total /= np.float32(last - first + 1)
        return total

    def box(self, first: tuple[int, int, int], end: tuple[int, int, int]) -> Image:
        """Return the voxels from a corner (z, y, x) to before another, all inside the volume.

        Raises
        ------
        SliceError
            When the file has shrunk or vanished.
        """
        self._check_file()
        (z0, y0, x0), (z1, y1, x1) = first, end
        return self._physical(self._data[z0:z1, y0:y1, x0:x1])

    def describe(self, axis: Axis, index: int) -> str:
        """Say in a few words which slice this is, and the remark."""
        return f"{super().describe(axis, index)} {self.remark}".rstrip()

    def _plane(self, axis: Axis, index: int) -> Image:
        key = (axis, index)
        plane = self._planes.get(key)
        if plane is None:
            self._read_block(axis, index)
            plane = self._planes.get(key)
        assert plane is not None
        return plane

    def _read_block(self, axis: Axis, index: int) -> None:
        """Read the plane; across y and x also its neighbours, whose bytes come along anyway."""
        self._check_file()
        if axis == "z":
            self._keep(axis, index, self._data[index])
            return
        first = index - index % _BLOCK
        last = min(first + _BLOCK, self.n_slices(axis))
        if axis == "y":
            block = np.array(self._data[:, first:last, :])
            planes = block.transpose(1, 0, 2)
        else:
            block = np.array(self._data[:, :, first:last])
            planes = block.transpose(2, 0, 1)
        order = sorted(range(first, last), key=lambda i: -abs(i - index))
        for i in order:
            self._keep(axis, i, planes[i - first])

    def _keep(self, axis: Axis, index: int, stored: NDArray[np.generic]) -> None:
        self._planes.put((axis, index), self._physical(stored))

    def _physical(self, stored: NDArray[np.generic]) -> Image:
        # C order, whatever the file's byte order and strides were.
        values = np.array(stored, dtype=np.float32, order="C")
        if self.intensity_scale != 1.0:
            values *= np.float32(self.intensity_scale)
        if self.intensity_offset != 0.0:
            values += np.float32(self.intensity_offset)
        return values

    def _check_file(self) -> None:
        # Touching a map beyond the end of a file that was cut kills the process.
        try:
            size = self.path.stat().st_size
        except OSError as error:
            raise SliceError(f"{self.path} cannot be read any more: {error.strerror}") from error
        if size < self._size_on_disk:
            raise SliceError(f"{self.path} became shorter while it was shown; open it again")


def _first_given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    z, y, x = (int(n) for n in shape)
    return z, y, x


def open_map(path: Path) -> tuple[NDArray[np.generic], MrcHeader]:
    """Map an MRC file; return its stored values as ``[z, y, x]`` and its header.

    Compressed and 4-bit files cannot be mapped and are held in memory.

    Raises
    ------
    SliceError
        When the file is missing, truncated or not an MRC volume of real numbers.
    """
    try:
        with MrcStack(path) as stack:
            return (stack.read_all() if stack.header.is_four_bit else stack.stored), stack.header
    except FormatError as error:
        raise SliceError(str(error)) from error
    except (OSError, ValueError) as error:
        raise SliceError(f"{path} cannot be read: {error}") from error


class ArraySource(Sliced):
    """A volume that is in memory already."""

    def __init__(
        self,
        data: NDArray[np.generic],
        *,
        name: str = "volume",
        pixel_size_angstrom: float = 10.0,
        default_window: Window | None = None,
        is_stack: bool = False,
    ) -> None:
        if data.ndim != 3 or 0 in data.shape:
            raise ValueError(f"a volume has three axes that are not empty, not {data.shape}")
        self.data = data
        self.shape = _three(data.shape)
        self.name = name
        self.pixel_size_angstrom = pixel_size_angstrom
        self.default_window = default_window
        self.is_stack = is_stack

    def box(self, first: tuple[int, int, int], end: tuple[int, int, int]) -> Image:
        """Return the voxels from a corner (z, y, x) to before another, all inside the volume."""
        (z0, y0, x0), (z1, y1, x1) = first, end
        return np.array(self.data[z0:z1, y0:y1, x0:x1], dtype=np.float32)

    def read(self, axis: Axis, index: int, slab: int = 0) -> Image:
        """Return the mean of the slices within ``slab`` of an index."""
        if not 0 <= index < self.n_slices(axis):
            raise SliceError(f"{self.name} has no slice {index} across {axis}")
        number = AXES.index(axis)
        reach = 0 if self.is_stack else slab
        part = np.take(
            self.data,
            range(max(index - reach, 0), min(index + reach + 1, self.n_slices(axis))),
            axis=number,
        )
        mean: Image = part.mean(axis=number, dtype=np.float32)
        return mean
