"""MRC stacks and volumes: memory-mapped reading, and writing that appears whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import mrcfile
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.mrc_header import (
    MrcHeader,
    extended_tilts_deg,
    opened,
    without_complaints,
)
from tomotui.formats.mrc_writing import StoredMode, VolumeWriter

__all__ = [
    "MrcStack",
    "StoredMode",
    "VolumeWriter",
    "read_header",
    "read_volume",
    "write_stack",
    "write_volume",
]

Image = NDArray[np.float32]
_COMPRESSED_LIMIT_BYTES = 4 * 2**30


class MrcStack:
    """The images of an MRC file, read one by one from a memory map.

    Compressed files (``.gz``, ``.bz2``) cannot be mapped and are unpacked into memory.

    Parameters
    ----------
    path
        Stack or volume of any real data mode.

    Attributes
    ----------
    shape
        Images, rows, columns.
    pixel_size_angstrom
        As the header says; 0 when it does not.

    Raises
    ------
    FormatError
        The file is missing, is no MRC file, is truncated, or holds complex numbers.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._data: NDArray[Any] | None
        self.header, self._tilts_deg, self._data = _open(self.path)
        self.shape = self.header.shape
        self.pixel_size_angstrom = self.header.pixel_size_angstrom
        self.intensity_scale = self.header.intensity_scale
        self.intensity_offset = self.header.intensity_offset

    @property
    def tilts_deg(self) -> tuple[float, ...] | None:
        """Stage tilts of an extended header; ``None`` when it has none."""
        return self._tilts_deg

    @property
    def stored(self) -> NDArray[Any]:
        """The values as they are in the file, ``[n, y, x]``: its map, which outlives `close`."""
        if self._data is None:
            raise ValueError(f"{self.path} has been closed")
        return self._data

    def read(self, index: int) -> Image:
        """Return one image as stored, float32, shape ``[y, x]``."""
        image: Image = self.read_stored(index).astype(np.float32)
        return image

    def read_stored(self, index: int) -> NDArray[Any]:
        """Return one image with the numbers of the file, shape ``[y, x]``."""
        if not 0 <= index < self.shape[0]:
            raise IndexError(f"{self.path} has images 0 to {self.shape[0] - 1}, not {index}")
        section: NDArray[Any] = self.stored[index]
        if self.header.is_four_bit:
            return _unpack_four_bit(section, self.shape[2])
        return section

    def read_all(self, indices: Iterable[int] | None = None) -> Image:
        """Return some images (all by default), float32, shape ``[n, y, x]``."""
        chosen = list(range(self.shape[0]) if indices is None else indices)
        images = np.empty((len(chosen), *self.shape[1:]), dtype=np.float32)
        for i, index in enumerate(chosen):
            images[i] = self.read(index)
        return images

    def close(self) -> None:
        """Let go of the file."""
        self._data = None

    def __len__(self) -> int:
        return self.shape[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_header(path: Path | str) -> MrcHeader:
    """Return the header of an MRC file without looking at its data."""
    with opened(Path(path)) as (_, header):
        return header


def read_volume(path: Path | str, scaled: bool = True) -> tuple[Image, float]:
    """Read a whole volume.

    Parameters
    ----------
    scaled
        Apply the intensity scale of the label, where there is one.

    Returns
    -------
    The values, float32, shape ``[z, y, x]``, and the voxel size in Angstrom (0 when unknown).
    """
    with MrcStack(path) as stack:
        values = stack.read_all()
        if scaled and (stack.intensity_scale, stack.intensity_offset) != (1.0, 0.0):
            values *= np.float32(stack.intensity_scale)
            values += np.float32(stack.intensity_offset)
        return values, stack.pixel_size_angstrom


def write_volume(
    path: Path | str,
    values: ArrayLike,
    pixel_size_angstrom: float,
    mode: StoredMode = "float32",
    labels: Sequence[str] = (),
) -> None:
    """Write a volume under a temporary name, then rename it.

    Parameters
    ----------
    values
        Shape ``[z, y, x]``.
    mode
        ``int8`` maps the range of the values (but for one in ten thousand at either end)
        linearly to -127..127 and says so in a label that :func:`read_volume` obeys; ``int16``
        keeps whole numbers as they are.

    Raises
    ------
    FormatError
        The disk is full, the folder cannot be written, or the values do not fit the mode.
    """
    _write(Path(path), values, pixel_size_angstrom, mode, labels, is_stack=False)


def write_stack(
    path: Path | str,
    images: ArrayLike,
    pixel_size_angstrom: float,
    mode: StoredMode = "float32",
    labels: Sequence[str] = (),
) -> None:
    """Write images, shape ``[n, y, x]``, as an image stack; otherwise as :func:`write_volume`."""
    _write(Path(path), images, pixel_size_angstrom, mode, labels, is_stack=True)


def _write(
    path: Path,
    values: ArrayLike,
    pixel_size_angstrom: float,
    mode: StoredMode,
    labels: Sequence[str],
    *,
    is_stack: bool,
) -> None:
    array = np.asarray(values)
    if array.ndim != 3:
        raise ValueError(f"expected three dimensions, got shape {array.shape}")
    value_range = None
    if mode == "int8":
        sample = array.reshape(-1)[:: max(1, array.size // 2**22)].astype(np.float32)
        finite = sample[np.isfinite(sample)]
        low, high = np.percentile(finite, [0.01, 99.99]) if finite.size else (0.0, 1.0)
        value_range = float(low), float(high)
    shape = (array.shape[0], array.shape[1], array.shape[2])
    with VolumeWriter(
        path,
        shape,
        pixel_size_angstrom,
        mode,
        value_range=value_range,
        is_stack=is_stack,
        labels=labels,
    ) as writer:
        for z in range(array.shape[0]):
            writer.write(z, array[z : z + 1])


def _open(path: Path) -> tuple[MrcHeader, tuple[float, ...] | None, NDArray[Any]]:
    with opened(path) as (mrc, header):
        found = extended_tilts_deg(mrc, header)
        tilts = None if found is None else tuple(float(tilt) for tilt in found)
        if path.suffix in (".gz", ".bz2"):
            return header, tilts, _unpacked(mrc, header)
        size = path.stat().st_size
    if size < header.expected_bytes:
        raise _truncated(header, size)
    return header, tilts, _mapped(header)


def _stored_shape(header: MrcHeader) -> tuple[int, int, int]:
    n_z, n_y, n_x = header.shape
    return n_z, n_y, header.row_bytes if header.is_four_bit else n_x


def _mapped(header: MrcHeader) -> NDArray[Any]:
    """Return the stored values of a file that is not compressed, without reading them."""
    shape = _stored_shape(header)
    # A volume stack (space group 401) of volumes without sections cannot be divided.
    with contextlib.suppress(ZeroDivisionError), without_complaints():
        with mrcfile.mmap(header.path, permissive=True) as mrc:
            data: NDArray[Any] | None = mrc.data
        if data is not None and data.nbytes == header.section_bytes * shape[0]:
            return data.view(header.dtype).reshape(shape)
    # mrcfile maps no 4-bit data, and of volume stacks only the whole volumes.
    return np.memmap(header.path, header.dtype, "r", header.data_offset, shape)


def _unpacked(mrc: Any, header: MrcHeader) -> NDArray[Any]:
    wanted = header.section_bytes * header.shape[0]
    if wanted > _COMPRESSED_LIMIT_BYTES:
        raise FormatError(
            f"{header.path} is compressed and unpacks to {wanted / 2**30:.1f} GiB, which cannot "
            "be read image by image",
            "unpack it first (gunzip or bunzip2)",
        )
    # Asked for its data, mrcfile would unpack the file twice, first to learn its size.
    data, held = mrc._read_bytearray_from_stream(wanted)
    if held < wanted:
        raise _truncated(header, header.data_offset + held)
    return np.frombuffer(data, header.dtype).reshape(_stored_shape(header))


def _truncated(header: MrcHeader, held: int) -> FormatError:
    n_z, n_y, n_x = header.shape
    return FormatError(
        f"{header.path} is truncated: its header says {n_z} images of {n_x} x {n_y} "
        f"({header.expected_bytes} bytes), the file holds {held} bytes",
        "copy it again",
    )


def _unpack_four_bit(packed: NDArray[Any], width: int) -> NDArray[np.uint8]:
    """Return rows of pixels from rows of bytes; the first pixel is in the low half."""
    pixels = np.empty((packed.shape[0], packed.shape[1] * 2), dtype=np.uint8)
    pixels[:, 0::2] = packed & 15
    pixels[:, 1::2] = packed >> 4
    return pixels[:, :width]
