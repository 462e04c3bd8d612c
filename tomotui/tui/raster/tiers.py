"""How finely and in how many colours a terminal draws: names alone, to be known without numpy."""

from __future__ import annotations

from typing import Literal

GlyphName = Literal["octant", "sextant", "quadrant", "half", "braille", "ascii"]
ColourDepth = Literal["truecolor", "256", "16", "mono"]

GLYPH_ORDER: tuple[GlyphName, ...] = (
    "octant",
    "sextant",
    "quadrant",
    "half",
    "braille",
    "ascii",
)
"""From the finest picture to the one that every terminal can show."""
