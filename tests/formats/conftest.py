"""A tiny EER file written by hand: what the camera would write for planted electrons."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

_SHORT, _LONG = 3, 4


def encode_events(counts: NDArray[np.integer], run_bits: int = 7, sub_bits: int = 4) -> bytes:
    """Return the events of one raw frame: runs of empty pixels, and where in the pixel it hit."""
    bits: list[int] = []

    def put(value: int, n: int) -> None:
        bits.extend((value >> i) & 1 for i in range(n))

    longest = (1 << run_bits) - 1
    last = 0
    for place in [*np.flatnonzero(counts), counts.size]:
        run = int(place) - last
        while run >= longest:
            put(longest, run_bits)
            run -= longest
        put(run, run_bits)
        # Any place within the pixel: it says nothing without super-resolution.
        put(int(place) % (1 << sub_bits), sub_bits)
        last = int(place) + 1
    bits += [0] * (-len(bits) % 16)
    return np.packbits(np.array(bits, dtype=np.uint8), bitorder="little").tobytes()


def _write_eer(path: Path, frames: Sequence[NDArray[np.integer]], run_bits: int = 7) -> None:
    """Write raw frames (0 or 1 electron to a pixel) as the pages of a TIFF file."""
    compression = {7: 65001, 8: 65000}[run_bits]
    height, width = frames[0].shape
    out = bytearray(struct.pack("<2sHI", b"II", 42, 0))
    link = 4
    for frame in frames:
        data = encode_events(frame, run_bits)
        strip = len(out)
        out += data
        out += b"\0" * (len(out) % 2)
        entries = [
            (256, _LONG, width),
            (257, _LONG, height),
            (258, _SHORT, 1),
            (259, _LONG, compression),
            (262, _SHORT, 1),
            (273, _LONG, strip),
            (277, _SHORT, 1),
            (278, _LONG, height),
            (279, _LONG, len(data)),
        ]
        struct.pack_into("<I", out, link, len(out))
        out += struct.pack("<H", len(entries))
        for tag, kind, value in entries:
            out += struct.pack("<HHII", tag, kind, 1, value)
        link = len(out)
        out += struct.pack("<I", 0)
    path.write_bytes(bytes(out))


@pytest.fixture(scope="session")
def write_eer() -> Callable[..., None]:
    return _write_eer
