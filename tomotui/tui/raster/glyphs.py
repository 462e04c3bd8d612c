"""The characters a cell can be painted with, as tables from a bit pattern to a character.

A cell is divided into ``rows x columns`` sub-pixels. Bit ``columns * row + column`` of a pattern
says that this sub-pixel has the foreground colour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.tiers import GlyphName

ASCII_RAMP = " .:-=+*#%@"
"""From dark to bright on a dark terminal."""


@dataclass(frozen=True)
class GlyphSet:
    """A family of characters that divides a cell in the same way.

    Attributes
    ----------
    rows, columns
        Sub-pixels of a cell.
    table
        Character of each bit pattern; for ``ascii`` of each brightness, dark first. Object array
        of strings of one character, shape ``[2 ** (rows * columns)]``.
    kind
        ``blocks`` fill their sub-pixels and carry two tones; ``dots`` leave gaps, so that a dot's
        presence is the tone; ``ramp`` has one sub-pixel whose tone is the character's weight.
    """

    name: GlyphName
    rows: int
    columns: int
    table: NDArray[np.object_] = field(repr=False, compare=False)
    kind: Literal["blocks", "dots", "ramp"] = "blocks"

    @property
    def bits(self) -> int:
        """Number of sub-pixels of a cell."""
        return self.rows * self.columns

    @property
    def characters(self) -> frozenset[str]:
        """All characters of the set."""
        return frozenset(self.table.tolist())


def _table(characters: Iterable[str]) -> NDArray[np.object_]:
    return np.array(list(characters), dtype=object)


def _pattern(*filled: int) -> int:
    """Return the bit pattern of sub-pixels numbered from 1 in reading order, as Unicode does."""
    return sum(1 << (number - 1) for number in filled)


_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"


def _half_blocks() -> NDArray[np.object_]:
    return _table(" ▀▄█")


def _sextants() -> NDArray[np.object_]:
    """Return the 64 patterns of 2 x 3: U+1FB00.. in binary order, four of them existed before."""
    existing = {0: " ", _pattern(1, 3, 5): "▌", _pattern(2, 4, 6): "▐", 63: "█"}
    new = (chr(code) for code in range(0x1FB00, 0x1FB3C))
    return _table(existing[p] if p in existing else next(new) for p in range(64))


def octant_exceptions() -> dict[int, str]:
    """Return the 26 octant patterns that had a character before Unicode 16 named the others."""
    exceptions: dict[int, str] = {}
    for quadrant, character in enumerate(_QUADRANTS):
        left_top, right_top, left_low, right_low = (quadrant >> bit & 1 for bit in range(4))
        pattern = (
            left_top * _pattern(1, 3)
            | right_top * _pattern(2, 4)
            | left_low * _pattern(5, 7)
            | right_low * _pattern(6, 8)
        )
        exceptions[pattern] = character
    exceptions |= {
        _pattern(1): "\U0001cea8",  # LEFT HALF UPPER ONE QUARTER BLOCK
        _pattern(2): "\U0001ceab",  # RIGHT HALF UPPER ONE QUARTER BLOCK
        _pattern(7): "\U0001cea3",  # LEFT HALF LOWER ONE QUARTER BLOCK
        _pattern(8): "\U0001cea0",  # RIGHT HALF LOWER ONE QUARTER BLOCK
        _pattern(1, 2): "\U0001fb82",  # UPPER ONE QUARTER BLOCK
        _pattern(7, 8): "▂",  # LOWER ONE QUARTER BLOCK
        _pattern(1, 2, 3, 4, 5, 6): "\U0001fb85",  # UPPER THREE QUARTERS BLOCK
        _pattern(3, 4, 5, 6, 7, 8): "▆",  # LOWER THREE QUARTERS BLOCK
        _pattern(3, 5): "\U0001fbe6",  # MIDDLE LEFT ONE QUARTER BLOCK
        _pattern(4, 6): "\U0001fbe7",  # MIDDLE RIGHT ONE QUARTER BLOCK
    }
    return exceptions


def _octants() -> NDArray[np.object_]:
    """Return the 256 patterns of 2 x 4: U+1CD00..U+1CDE5 in binary order but for the exceptions."""
    exceptions = octant_exceptions()
    new = (chr(code) for code in range(0x1CD00, 0x1CDE6))
    return _table(exceptions[p] if p in exceptions else next(new) for p in range(256))


def _braille() -> NDArray[np.object_]:
    """Return the 256 dot patterns; Unicode numbers the dots 1-3 down, 4-6 down, then 7 and 8."""
    unicode_bit = (0, 3, 1, 4, 2, 5, 6, 7)
    return _table(
        chr(0x2800 | sum(1 << unicode_bit[bit] for bit in range(8) if pattern >> bit & 1))
        for pattern in range(256)
    )


GLYPHS: dict[GlyphName, GlyphSet] = {
    "octant": GlyphSet("octant", 4, 2, _octants()),
    "sextant": GlyphSet("sextant", 3, 2, _sextants()),
    "quadrant": GlyphSet("quadrant", 2, 2, _table(_QUADRANTS)),
    "half": GlyphSet("half", 2, 1, _half_blocks()),
    "braille": GlyphSet("braille", 4, 2, _braille(), kind="dots"),
    "ascii": GlyphSet("ascii", 1, 1, _table(ASCII_RAMP), kind="ramp"),
}
"""The glyph sets by name."""
