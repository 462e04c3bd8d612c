"""TIFF stacks, one page an image, with the same reader protocol as MRC stacks.

TIFF files begin with the upper line of the picture, MRC files with the lower one. IMOD, EMAN2 and
SerialEM turn TIFF images over when they read them; so does this reader, so that a stack has the
same hand in both formats, and axes and shifts of other programs fit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError

Image = NDArray[np.float32]
_ANGSTROM_PER_UNIT = {2: 2.54e8, 3: 1e8}
_PLAUSIBLE_PIXEL_ANGSTROM = (0.05, 500.0)
_MOST_FROM_LITTLE = 16 * 2**20
_DENSEST = 100_000
"""An image of more bytes than that many times those stored is a damaged header: nothing packs
blank images so well."""


class TiffStack:
    """The pages of a TIFF file as images.

    Raises
    ------
    FormatError
        The file is missing or damaged, or its pages are not grey images of one size.
    """

    def __init__(self, path: Path | str) -> None:
        import tifffile

        self.path = Path(path)
        if not self.path.is_file():
            raise FormatError(f"{self.path} does not exist", "check the path")
        self._damage = (
            tifffile.TiffFileError,
            ValueError,
            TypeError,
            KeyError,
            IndexError,
            ArithmeticError,
            OSError,
            EOFError,
            RuntimeError,
            MemoryError,
            struct.error,
        )
        opened: Any = None
        try:
            self._file = opened = tifffile.TiffFile(self.path)
            n_pages = len(self._file.pages)
            page = self._file.pages[0]
            page_shape = tuple(page.shape)
            n_held = sum(page.databytecounts)
            is_possible = page.nbytes <= max(_MOST_FROM_LITTLE, _DENSEST * n_held)
            self.pixel_size_angstrom = _pixel_size(page)
        except self._damage as error:
            if opened is not None:
                opened.close()
            raise FormatError(
                f"{self.path} cannot be read as TIFF: {error}", "copy it again"
            ) from error
        is_grey = len(page_shape) == 2 and all(isinstance(n, int) for n in page_shape)
        if is_grey and not is_possible:
            self._file.close()
            raise FormatError(
                f"{self.path} is damaged: {n_held} bytes cannot hold an image of {page_shape[1]} x "
                f"{page_shape[0]} pixels",
                "copy it again",
            )
        if not is_grey or page.dtype is None or page.dtype.kind == "c":
            self._file.close()
            raise FormatError(
                f"{self.path} has pages of shape {page_shape}",
                "give grey images, one to a page",
            )
        self.shape = (n_pages, int(page_shape[0]), int(page_shape[1]))
        self.intensity_scale, self.intensity_offset = 1.0, 0.0

    @property
    def tilts_deg(self) -> tuple[float, ...] | None:
        """TIFF files carry no tilts."""
        return None

    def read(self, index: int) -> Image:
        """Return one image as stored, float32, shape ``[y, x]``."""
        return self.read_stored(index).astype(np.float32)

    def read_stored(self, index: int) -> NDArray[Any]:
        """Return one image with the numbers of the file, ``[y, x]``."""
        values: NDArray[Any] = self.read_page(index)[::-1]
        return values

    def read_page(self, index: int) -> NDArray[Any]:
        """Return one image in the order of the file, the upper line first, ``[y, x]``."""
        if not 0 <= index < self.shape[0]:
            raise IndexError(f"{self.path} has images 0 to {self.shape[0] - 1}, not {index}")
        try:
            values = np.asarray(self._file.pages[index].asarray())
        except self._damage as error:
            raise FormatError(
                f"{self.path} is damaged at image {index}: {error}", "copy it again"
            ) from error
        if values.shape != self.shape[1:]:
            raise FormatError(
                f"{self.path}: image {index} has shape {values.shape}, the first {self.shape[1:]}",
                "give images of one size",
            )
        return values

    def check_whole(self) -> None:
        """Look whether the file holds the data of every page, without reading them.

        Raises
        ------
        FormatError
            The file is shorter than its pages say.
        """
        size = self.path.stat().st_size
        try:
            ends = [
                max(
                    (o + n for o, n in zip(p.dataoffsets, p.databytecounts, strict=False)),
                    default=0,
                )
                # By their number: a damaged chain of pages may lead back into itself.
                for p in (self._file.pages[i] for i in range(len(self._file.pages)))
            ]
        except self._damage as error:
            raise FormatError(f"{self.path} is damaged: {error}", "copy it again") from error
        beyond = [index for index, end in enumerate(ends) if end > size]
        if beyond:
            raise FormatError(
                f"{self.path} is truncated: image {beyond[0]} lies beyond its end", "copy it again"
            )

    def read_all(self, indices: Iterable[int] | None = None) -> Image:
        """Return some images (all by default), float32, shape ``[n, y, x]``."""
        chosen = range(self.shape[0]) if indices is None else indices
        return np.stack([self.read(index) for index in chosen])

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

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


def _pixel_size(page: Any) -> float:
    """Return the pixel size by the resolution tags, or 0 where it would be that of a screen."""
    unit = page.tags.get("ResolutionUnit")
    resolution = page.tags.get("XResolution")
    if unit is None or resolution is None or int(unit.value) not in _ANGSTROM_PER_UNIT:
        return 0.0
    numerator, denominator = resolution.value
    if not numerator or not denominator:
        return 0.0
    size = _ANGSTROM_PER_UNIT[int(unit.value)] * denominator / numerator
    low, high = _PLAUSIBLE_PIXEL_ANGSTROM
    return float(size) if low <= size <= high else 0.0
