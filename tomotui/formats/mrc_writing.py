"""Streaming MRC files out, slab by slab, under a temporary name."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.mrc_header import HEADER_BYTES, intensity_label, make_header

StoredMode = Literal["float32", "float16", "int16", "int8"]
_UNDETERMINED = 0.0, -1.0, -2.0, -1.0
"""Statistics that say that there are none (MRC2014)."""


class VolumeWriter:
    """Writes a volume (or stack) in slabs; the file appears when the last slab is in.

    Plain writes are used, not a memory map: a full disk is then an error and not a signal that
    kills the process.

    Parameters
    ----------
    shape
        Sections, rows, columns (z, y, x).
    pixel_size_angstrom
        Size of a pixel or voxel.
    value_range
        For ``int8``: the values that become -127 and 127; others are clipped to them.
    is_stack
        Image stack (space group 0) instead of a volume.
    labels
        Words for the header, at most 80 letters each.
    origin_at_centre
        Say in the header that coordinates begin at voxel ``n // 2``, as those of particles do,
        so that volumes of different binning lie upon each other; at the first voxel otherwise.

    Raises
    ------
    FormatError
        No room on the disk, a folder that cannot be written, values that do not fit the mode,
        or (on leaving the ``with`` block) sections that were never written.

    Examples
    --------
    >>> with VolumeWriter("t.mrc", (64, 96, 96), 10.0) as writer:  # doctest: +SKIP
    ...     writer.write(0, first_half)
    ...     writer.write(32, second_half)
    """

    def __init__(
        self,
        path: Path | str,
        shape: tuple[int, int, int],
        pixel_size_angstrom: float,
        mode: StoredMode = "float32",
        *,
        value_range: tuple[float, float] | None = None,
        is_stack: bool = False,
        labels: Sequence[str] = (),
        origin_at_centre: bool = False,
    ) -> None:
        self.path = Path(path)
        self.shape = shape
        self.pixel_size_angstrom = pixel_size_angstrom
        self._dtype = np.dtype(mode).newbyteorder("<")
        self._is_stack = is_stack
        self._scale, self._offset = _int8_scale(value_range) if mode == "int8" else (1.0, 0.0)
        own = (intensity_label(self._scale, self._offset),) if mode == "int8" else ()
        self._labels = (*own, *labels)
        self._origin_at_centre = origin_at_centre
        self._written = np.zeros(shape[0], dtype=bool)
        self._sum = self._square_sum = 0.0
        self._low, self._high = np.inf, -np.inf
        self.temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        self._check_room()
        try:
            self._file = self.temporary.open("wb")
        except OSError as error:
            raise self._failure(error) from error

    def write(self, z_start: int, slab: ArrayLike) -> None:
        """Write sections ``z_start`` and following; ``slab`` has shape ``[n, y, x]``."""
        values = np.asarray(slab)
        end = z_start + len(values)
        if values.shape[1:] != self.shape[1:] or not 0 <= z_start < end <= self.shape[0]:
            raise ValueError(
                f"a slab {values.shape} at section {z_start} does not fit {self.shape}"
            )
        stored = self._stored(values)
        self._count(stored)
        try:
            self._file.seek(HEADER_BYTES + z_start * stored[0].nbytes)
            self._file.write(stored.tobytes())
        except OSError as error:
            self.abort()
            raise self._failure(error) from error
        self._written[z_start:end] = True

    def commit(self) -> None:
        """Write the header and give the file its name."""
        if not self._written.all():
            missing = int(np.flatnonzero(~self._written)[0])
            self.abort()
            raise FormatError(f"{self.path} was not written: section {missing} is missing")
        n = float(np.prod(self.shape))
        mean = self._sum / n
        deviation = max(self._square_sum / n - mean**2, 0.0) ** 0.5
        is_finite = np.isfinite(self._sum)
        x, y, z = (
            -(n // 2) * self.pixel_size_angstrom if self._origin_at_centre else 0.0
            for n in self.shape[::-1]
        )
        header = make_header(
            self.shape,
            self._dtype,
            self.pixel_size_angstrom,
            is_stack=self._is_stack,
            statistics=(self._low, self._high, mean, deviation) if is_finite else _UNDETERMINED,
            labels=self._labels,
            origin_angstrom=(x, y, z),
        )
        try:
            self._file.seek(0)
            self._file.write(header)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self.temporary.replace(self.path)
        except OSError as error:
            self.abort()
            raise self._failure(error) from error

    def abort(self) -> None:
        """Throw away what was written."""
        with contextlib.suppress(OSError):  # Closing flushes: it fails on a full disk.
            self._file.close()
        self.temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()

    def _stored(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        if self._dtype == np.int8:
            counts = (values.astype(np.float32) - self._offset) / self._scale
            whole: NDArray[np.generic] = np.clip(np.rint(np.nan_to_num(counts)), -127, 127)
            return whole.astype(np.int8)
        if self._dtype == np.float16 and values.size:
            largest = float(np.nanmax(np.abs(values.astype(np.float32))))
            if largest > float(np.finfo(np.float16).max):
                raise self._misfit(largest, "floats")
        if self._dtype == np.int16 and values.dtype != np.int16 and values.size:
            values = np.rint(np.nan_to_num(values.astype(np.float64)))
            limits = np.iinfo(np.int16)
            if values.min() < limits.min or values.max() > limits.max:
                raise self._misfit(float(np.abs(values).max()), "integers")
        return np.ascontiguousarray(values, dtype=self._dtype)

    def _misfit(self, largest: float, kind: str) -> FormatError:
        return FormatError(
            f"{self.path} was not written: values up to {largest:.3g} do not fit 16-bit {kind}",
            "write it as float32",
        )

    def _count(self, stored: NDArray[np.generic]) -> None:
        values = stored.astype(np.float64)
        self._sum += float(values.sum())
        self._square_sum += float(np.square(values).sum())
        self._low = min(self._low, float(values.min()))
        self._high = max(self._high, float(values.max()))

    def _check_room(self) -> None:
        needed = HEADER_BYTES + int(np.prod(self.shape)) * self._dtype.itemsize
        try:
            free = shutil.disk_usage(self.path.parent).free
        except FileNotFoundError:
            raise FormatError(
                f"{self.path} cannot be written: the folder {self.path.parent} does not exist",
                "make the folder first",
            ) from None
        if free < needed:
            raise _no_room(self.path, needed, free)

    def _failure(self, error: OSError) -> FormatError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            needed = HEADER_BYTES + int(np.prod(self.shape)) * self._dtype.itemsize
            return _no_room(self.path, needed, None)
        reason = error.strerror or str(error)
        return FormatError(
            f"{self.path} cannot be written: {reason}", "check the folder's permissions"
        )


def _no_room(path: Path, needed: int, free: int | None) -> FormatError:
    left = "" if free is None else f", {free / 2**30:.2f} GiB are free"
    return FormatError(
        f"no room on the disk for {path}: it needs {needed / 2**30:.2f} GiB{left}",
        "free some room or choose another disk",
    )


def _int8_scale(value_range: tuple[float, float] | None) -> tuple[float, float]:
    if value_range is None:
        raise ValueError("int8 needs the range of values to store")
    low, high = value_range
    return max((high - low) / 254, 1e-30), (low + high) / 2
