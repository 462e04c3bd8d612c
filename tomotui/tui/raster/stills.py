"""Pictures in the terminal's own protocol: which one it understands, and what is sent."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Protocol = Literal["", "kitty", "iterm2", "sixel"]
Grey = NDArray[np.uint8]

STILL_VARIABLE = "TOMOTUI_STILL"
KITTY_QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
"""Asks for the graphics of kitty, with a picture of one pixel that is not kept."""
KITTY_IMAGE = 7411
"""Number by which the picture is taken away again."""
MOST_PIXELS = 1_500_000
"""More are not sent where the terminal magnifies by itself."""
_KITTY_CHUNK = 4096
_SIXEL_LEVELS = 16
_JPEG_QUALITY = 88
_LIKE_ITERM = ("iterm2", "wezterm", "mintty", "rio", "warp")
_NO_PROTOCOL = (
    "this terminal shows no pictures of its own; kitty, Ghostty, WezTerm, iTerm2, foot and others "
    "do"
)
_IN_TMUX = (
    "tmux passes pictures on from version 3.4 when it was built with sixel and the terminal shows "
    f"sixel; outside of tmux H works where the terminal has pictures ({STILL_VARIABLE} overrules)"
)
_NOT_ASKED = (
    f"the terminal did not say whether it shows pictures; {STILL_VARIABLE}=kitty, iterm2 or sixel "
    "says it"
)


@dataclass(frozen=True)
class StillSupport:
    """What a terminal shows of pictures.

    Attributes
    ----------
    protocol
        How they are sent; empty when it shows none.
    refusal
        Why it shows none, and what helps.
    cell_pixels
        Height and width of a character cell.
    """

    protocol: Protocol = ""
    refusal: str = _NOT_ASKED
    cell_pixels: tuple[int, int] = (16, 8)


UNKNOWN_SUPPORT = StillSupport()
"""Of a terminal that was not asked."""


def still_support(reply: str, name: str, environ: Mapping[str, str] | None = None) -> StillSupport:
    """Tell from a terminal's answers how pictures are sent to it.

    ``TOMOTUI_STILL`` overrules everything: a protocol, or ``none``.

    Parameters
    ----------
    reply
        Its answers to the questions of ``probe_terminal``.
    name
        What it calls itself, in lower case.
    """
    env = os.environ if environ is None else environ
    size = re.search(r"\x1b\[6;(\d+);(\d+)t", reply)
    pixels = (int(size[1]), int(size[2])) if size and int(size[1]) and int(size[2]) else (16, 8)
    wish = env.get(STILL_VARIABLE, "").lower()
    protocols: tuple[Protocol, ...] = ("kitty", "iterm2", "sixel")
    for protocol in protocols:
        if wish == protocol:
            return StillSupport(protocol, "", pixels)
    if wish == "none":
        return StillSupport("", f"pictures are switched off by {STILL_VARIABLE}=none", pixels)
    attributes = re.search(r"\x1b\[\?([\d;]*)c", reply)
    has_sixel = attributes is not None and "4" in attributes[1].split(";")[1:]
    if env.get("TMUX") or name == "tmux":
        return StillSupport("sixel" if has_sixel else "", "" if has_sixel else _IN_TMUX, pixels)
    if "\x1b_Gi=31;OK" in reply:
        return StillSupport("kitty", "", pixels)
    if name in _LIKE_ITERM:
        return StillSupport("iterm2", "", pixels)
    if has_sixel:
        return StillSupport("sixel", "", pixels)
    return StillSupport("", _NO_PROTOCOL if reply else _NOT_ASKED, pixels)


def pixels_of(protocol: Protocol, cells: tuple[int, int], cell: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of the picture that is made for a number of cells.

    Sixels are pixels of the screen. The other protocols magnify, so that no more need be sent
    than the eye and the line can take.
    """
    rows, columns = cells[0] * cell[0], cells[1] * cell[1]
    if protocol == "sixel" or rows * columns <= MOST_PIXELS:
        return rows, columns
    shrink = (MOST_PIXELS / (rows * columns)) ** 0.5
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
        return _kitty(_file(picture, "PNG"), cells)
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


def _kitty(png: bytes, cells: tuple[int, int]) -> str:
    """Return the commands of kitty's graphics protocol: the file in pieces, placed at once."""
    data = base64.b64encode(png).decode()
    pieces = [data[at : at + _KITTY_CHUNK] for at in range(0, len(data), _KITTY_CHUNK)]
    first = f"a=T,f=100,i={KITTY_IMAGE},c={cells[1]},r={cells[0]},C=1,q=2,"
    sent = []
    for number, piece in enumerate(pieces):
        more = int(number < len(pieces) - 1)
        sent.append(f"\x1b_G{first if number == 0 else ''}m={more};{piece}\x1b\\")
    return "".join(sent)


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
