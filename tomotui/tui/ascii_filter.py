"""Lines for terminals that have only the characters of ASCII.

One filter over all lines, so that nothing is forgotten, not even what Textual itself draws.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tomotui.tui.raster.ascii_twins import in_ascii


class AsciiOnly(LineFilter):
    """Writes lines in ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return a line in ASCII."""
        return [Segment(in_ascii(text), style, control) for text, style, control in segments]
