"""Lines of small bars, one character a value."""

from __future__ import annotations

from collections.abc import Sequence

SPARKS = "▁▂▃▄▅▆▇█"
ASCII_SPARKS = "_.-=+*%#"


def spark(values: Sequence[float | None], most: float, ascii_only: bool = False) -> str:
    """Return a line of one character a value, between 0 and the most; blank where unknown."""
    glyphs = ASCII_SPARKS if ascii_only else SPARKS
    steps = len(glyphs)

    def glyph(value: float | None) -> str:
        if value is None:
            return " "
        fraction = min(max(value / most, 0.0), 1.0) if most > 0 else 0.0
        return glyphs[min(int(fraction * steps), steps - 1)]

    return "".join(map(glyph, values))
