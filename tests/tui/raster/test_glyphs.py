"""The glyph tables against Unicode's own rule of naming."""

from __future__ import annotations

import unicodedata

import pytest

from tomotui.tui.raster.glyphs import GLYPHS, octant_exceptions
from tomotui.tui.raster.tiers import GLYPH_ORDER


def _filled(name: str) -> int:
    """Read the pattern from a name such as ``BLOCK OCTANT-1357``."""
    return sum(1 << (int(digit) - 1) for digit in name.rsplit("-", 1)[1])


@pytest.mark.parametrize("name", ["octant", "sextant", "quadrant", "half", "braille"])
def test_every_pattern_has_its_own_character(name):
    glyphs = GLYPHS[name]
    assert len(glyphs.table) == 2**glyphs.bits
    assert len(glyphs.characters) == len(glyphs.table)
    assert all(len(character) == 1 for character in glyphs.characters)


def test_octants_fill_their_block_without_a_gap():
    codes = sorted(ord(c) for c in GLYPHS["octant"].table if 0x1CD00 <= ord(c) <= 0x1CDFF)
    assert codes == list(range(0x1CD00, 0x1CDE6))
    assert len(octant_exceptions()) == 26


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        # First, last and some others as the Unicode 16 chart of U+1CD00 names them.
        (0b00000100, 0x1CD00),  # BLOCK OCTANT-3
        (0b00000111, 0x1CD02),  # BLOCK OCTANT-123
        (0b00010101, 0x1CD0D),  # BLOCK OCTANT-135
        (0b01000001, 0x1CD36),  # BLOCK OCTANT-17
        (0b10000001, 0x1CD71),  # BLOCK OCTANT-18
        (0b10111111, 0x1CDAB),  # BLOCK OCTANT-1234568
        (0b11101111, 0x1CDDA),  # BLOCK OCTANT-1234678
        (0b11111110, 0x1CDE5),  # BLOCK OCTANT-2345678
        (0b00000001, 0x1CEA8),  # LEFT HALF UPPER ONE QUARTER BLOCK
        (0b10000000, 0x1CEA0),  # RIGHT HALF LOWER ONE QUARTER BLOCK
        (0b00010100, 0x1FBE6),  # MIDDLE LEFT ONE QUARTER BLOCK
        (0b00000011, 0x1FB82),  # UPPER ONE QUARTER BLOCK
        (0b00111111, 0x1FB85),  # UPPER THREE QUARTERS BLOCK
        (0b11000000, 0x2582),  # LOWER ONE QUARTER BLOCK
        (0b01010101, 0x258C),  # LEFT HALF BLOCK
        (0b11111111, 0x2588),  # FULL BLOCK
    ],
)
def test_octants_known_code_points(pattern, code):
    assert ord(GLYPHS["octant"].table[pattern]) == code


def test_octants_agree_with_unicode_names():
    if unicodedata.name("\U0001cd00", "") == "":
        pytest.skip("this Python's Unicode tables do not know octants")
    for pattern, character in enumerate(GLYPHS["octant"].table):
        name = unicodedata.name(character)
        if "OCTANT" in name:
            assert _filled(name) == pattern


def test_sextants_agree_with_unicode_names():
    named = 0
    for pattern, character in enumerate(GLYPHS["sextant"].table):
        name = unicodedata.name(character)
        if "SEXTANT" in name:
            assert _filled(name) == pattern
            named += 1
    assert named == 60


def test_braille_agrees_with_unicode_names():
    dot_of_bit = (1, 4, 2, 5, 3, 6, 7, 8)
    for pattern, character in enumerate(GLYPHS["braille"].table):
        dots = sorted(dot_of_bit[bit] for bit in range(8) if pattern >> bit & 1)
        wanted = "BLANK" if not dots else "DOTS-" + "".join(map(str, dots))
        assert unicodedata.name(character) == f"BRAILLE PATTERN {wanted}"


def test_quadrants_agree_with_unicode_names():
    corners = ("UPPER LEFT", "UPPER RIGHT", "LOWER LEFT", "LOWER RIGHT")
    for pattern, character in enumerate(GLYPHS["quadrant"].table):
        name = unicodedata.name(character)
        if not name.startswith("QUADRANT"):
            continue
        for bit, corner in enumerate(corners):
            assert (corner in name) == bool(pattern >> bit & 1), name


def test_order_names_every_set_from_fine_to_coarse():
    assert set(GLYPH_ORDER) == set(GLYPHS)
    assert GLYPH_ORDER[0] == "octant"
    assert GLYPH_ORDER[-1] == "ascii"
