"""EER movies: every electron with its place, in TIFF files of one page for each raw frame.

``tifffile`` finds the pages and ``imagecodecs`` decodes the events: 7 or 8 bits of run length and
two bits of sub-pixel place along each axis, or as the tags say. The strips of a page are one
stream of bits, and rows come in the order of the file, as RELION reads them
(``renderEER.cpp``); the ``.gain`` file of the camera has the same order.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from tomotui.formats.errors import FormatError
from tomotui.formats.movies import Fractions, Frame, Movie

_RUN_BITS = {65000: 8, 65001: 7, 65002: 7}
"""By the kind of compression; the last one says it in a tag."""
_TAGS = (65007, 65008, 65009)
_DAMAGE = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError,
    TypeError, ValueError, struct.error,
)  # fmt: skip
_MOST_PIXELS = 2**28
"""Of an image: four times those of the largest camera at twice its resolution."""


def open_eer(path: Path, fractions: Fractions) -> Movie:
    """Open an EER movie; its raw frames are decoded and summed as fractions are asked for.

    Raises
    ------
    FormatError
        The file is damaged, or has no pages with events.
    """
    import tifffile

    file: Any = None
    try:
        file = tifffile.TiffFile(path)
        # By their number: a damaged chain of pages that leads back into itself has no end.
        every = (file.pages[number] for number in range(len(file.pages)))
        pages = [page for page in every if int(page.compression) in _RUN_BITS]
        shapes = {tuple(int(side) for side in page.shape) for page in pages}
    except _DAMAGE as error:
        if file is not None:
            file.close()
        raise FormatError(f"{path} cannot be read as EER: {error}", "copy it again") from error
    if not pages:
        file.close()
        raise FormatError(
            f"{path} has no frames with electron events",
            "give the .eer file that the camera wrote",
        )
    shape = shapes.pop()
    if shapes or len(shape) != 2 or not 0 < shape[0] * shape[1] <= _MOST_PIXELS:
        file.close()
        raise FormatError(f"{path} has frames of impossible sizes", "copy it again")
    bounds = fractions.bounds(len(pages))
    height, width = shape

    def read(index: int) -> Frame:
        first, last = int(bounds[index]), int(bounds[index + 1])
        total = np.zeros((height, width), dtype=np.uint8 if last - first < 256 else np.uint16)
        for number in range(first, last):
            total += _decoded(path, file, pages[number], number, (height, width))
        return total

    share = np.diff(bounds) / len(pages)
    return Movie(path, (len(bounds) - 1, height, width), read, file.close, share)


def _decoded(path: Path, file: Any, page: Any, number: int, shape: tuple[int, int]) -> Frame:
    """Return the counts of one raw frame."""
    from imagecodecs import eer_decode

    try:
        run, x_bits, y_bits = _RUN_BITS[int(page.compression)], 2, 2
        if int(page.compression) == 65002:
            run, x_bits, y_bits = (
                int(page.tags.valueof(tag, default))
                for tag, default in zip(_TAGS, (run, x_bits, y_bits), strict=True)
            )
        stream = bytearray()
        if sum(page.databytecounts) > file.filehandle.size:
            raise EOFError("the file ends within it")
        for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
            file.filehandle.seek(offset)
            stream += file.filehandle.read(size)
        if len(stream) != sum(page.databytecounts):
            raise EOFError("the file ends within it")
        stream += b"\0" * (len(stream) % 2)  # The decoder takes bits in pairs of bytes.
        counts: Frame = np.asarray(eer_decode(bytes(stream), shape, run, x_bits, y_bits))
    except _DAMAGE as error:
        raise FormatError(
            f"{path} is damaged at raw frame {number}: {error}", "copy it again"
        ) from error
    return counts.astype(np.uint8, copy=False)
