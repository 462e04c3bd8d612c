"""Pictures in the terminal's own protocol: what is sent to show them."""

from __future__ import annotations

import base64
import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.still_support import Protocol

Grey = NDArray[np.uint8]

KITTY_IMAGE = 7411
"""Number by which the picture is taken away again."""
MOST_PIXELS = 1_500_000
"""More are not sent where the terminal magnifies by itself."""
_KITTY_CHUNK = 4096
_SIXEL_LEVELS = 16
_JPEG_QUALITY = 88


def pixels_of(
    protocol: Protocol, cells: tuple[int, int], cell: tuple[int, int], most: int = MOST_PIXELS
) -> tuple[int, int]:
    """Return rows and columns of the picture that is made for a number of cells.

    Sixels are pixels of the screen. The other protocols magnify, so that no more need be sent
    than the eye and the line can take.
    """
    rows, columns = cells[0] * cell[0], cells[1] * cell[1]
    if protocol == "sixel" or rows * columns <= most:
        return rows, columns
    shrink = (most / (rows * columns)) ** 0.5
    return max(int(rows * shrink), 1), max(int(columns * shrink), 1)


def encoded(protocol: Protocol, picture: Grey, cells: tuple[int, int]) -> str:
    """Return what shows a picture over a number of cells, from where the cursor is.

    Parameters
    ----------
    picture
        8-bit greys, ``[rows, columns]``.
    cells
        Height and width that it fills.
    """
    if protocol == "kitty":
        return _kitty(picture, cells)
    if protocol == "iterm2":
        data = base64.b64encode(_file(picture, "JPEG")).decode()
        size = f"width={cells[1]};height={cells[0]};preserveAspectRatio=0"
        return f"\x1b]1337;File=inline=1;{size}:{data}\x07"
    if protocol == "sixel":
        return _sixel(picture)
    raise ValueError("no protocol to send a picture by")


def erasure(protocol: Protocol) -> str:
    """Return what takes the picture away where characters drawn over it do not."""
    return f"\x1b_Ga=d,d=I,i={KITTY_IMAGE},q=2\x1b\\" if protocol == "kitty" else ""


def _file(picture: Grey, form: Literal["PNG", "JPEG"]) -> bytes:
    # Only who asks for a picture pays for the library.
    from PIL import Image

    file = io.BytesIO()
    options = {"quality": _JPEG_QUALITY} if form == "JPEG" else {"compress_level": 4}
    Image.fromarray(picture).save(file, form, **options)
    return file.getvalue()


def _kitty(picture: Grey, cells: tuple[int, int]) -> str:
    """Return the commands of kitty's graphics protocol: the file in pieces, placed at once."""
    first = f"a=T,f=100,i={KITTY_IMAGE},c={cells[1]},r={cells[0]},C=1,q=2,"
    return "".join(kitty_commands(picture, first))


def kitty_commands(picture: Grey, first: str) -> list[str]:
    """Return the commands that send a picture to kitty in pieces; the first says what to do."""
    data = base64.b64encode(_file(picture, "PNG")).decode()
    pieces = [data[at : at + _KITTY_CHUNK] for at in range(0, len(data), _KITTY_CHUNK)]
    sent = []
    for number, piece in enumerate(pieces):
        more = int(number < len(pieces) - 1)
        sent.append(f"\x1b_G{first if number == 0 else ''}m={more};{piece}\x1b\\")
    return sent


def _sixel(picture: Grey) -> str:
    """Return a picture in sixels: bands of six rows, each level of grey drawn in turn."""
    height, width = picture.shape
    levels = (picture.astype(np.uint16) * (_SIXEL_LEVELS - 1) + 127) // 255
    greys = [round(100 * level / (_SIXEL_LEVELS - 1)) for level in range(_SIXEL_LEVELS)]
    colours = "".join(f"#{number};2;{grey};{grey};{grey}" for number, grey in enumerate(greys))
    bands = []
    bits = (1 << np.arange(6, dtype=np.uint8))[:, None]
    for top in range(0, height, 6):
        band = levels[top : top + 6]
        lines = []
        for level in np.unique(band).tolist():
            codes = ((band == level) * bits[: len(band)]).sum(axis=0).astype(np.uint8) + 63
            lines.append(f"#{level}{_run_lengths(codes)}")
        bands.append("$".join(lines))
    return f'\x1bP0;1;0q"1;1;{width};{height}{colours}{"-".join(bands)}\x1b\\'


def _run_lengths(codes: NDArray[np.uint8]) -> str:
    """Return characters with repeats of four and more counted."""
    bounds = np.flatnonzero(np.diff(codes)) + 1
    starts = np.concatenate([[0], bounds])
    lengths = np.diff(np.concatenate([starts, [len(codes)]]))
    parts = []
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        character = chr(int(codes[start]))
        parts.append(f"!{length}{character}" if length > 3 else character * length)
    return "".join(parts)
