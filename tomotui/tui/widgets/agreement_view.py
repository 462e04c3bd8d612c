"""How far pairs of runs agree: a square of numbers, on grounds of how large they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip

from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import Span, strip_of
from tomotui.tui.widgets.drawn_once import DrawnOnce

_NUMBER_CELLS = 6
_LABEL_CELLS = 7
_LIGHT = 0.5
"""Share of the colour of agreement above which words on it are written in the ground's."""


class AgreementView(DrawnOnce):
    """Draws agreements of runs with each other, 0 to 1."""

    DEFAULT_CSS = """
    AgreementView { height: 1fr; background: $background; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.values: NDArray[np.float64] | None = None
        self.message = ""

    def show(self, values: NDArray[np.float64] | None, message: str = "") -> None:
        """Show another square ``[runs, runs]``, or say why there is none."""
        self.values, self.message = values, message
        self.draw_anew()

    def draw(self, look: Look) -> list[Strip]:
        """Return the rows."""
        width, height = self.size
        if self.values is None or height < 2 or width < _LABEL_CELLS + _NUMBER_CELLS:
            return self.said(self.message, look)
        n = min(len(self.values), (width - _LABEL_CELLS) // _NUMBER_CELLS)
        tall = min(max((height - 1) // n, 1), 3)
        head = "".join(f"run {run + 1}".rjust(_NUMBER_CELLS) for run in range(n))
        rows = [strip_of([Span(" " * _LABEL_CELLS + head, "dim")], width, look)]
        for run in range(n):
            for line in range(tall):
                is_middle = line == tall // 2
                rows.append(self._row(run, n, is_middle, look, width))
        if n < len(self.values):
            left = len(self.values) - n
            rows.append(strip_of([Span(f"and {left} more runs", "dim")], width, look))
        return rows[:height]

    def _row(self, run: int, n: int, is_middle: bool, look: Look, width: int) -> Strip:
        assert self.values is not None
        label = f"run {run + 1}" if is_middle else ""
        base = Style(bgcolor=look.background)
        segments = [Segment(label.ljust(_LABEL_CELLS), look.style("dim") + base)]
        for other in range(n):
            value = float(self.values[run, other])
            segments.append(_cell(value, is_middle, look))
        return Strip(segments).adjust_cell_length(width, base)


def _cell(value: float, is_middle: bool, look: Look) -> Segment:
    """Return one number on a ground between that of the theme and its primary colour."""
    share = float(np.clip(value, 0.0, 1.0)) if np.isfinite(value) else 0.0
    ground = Color.parse(look.background).blend(Color.parse(look.primary), share)
    ink = look.background if share > _LIGHT else look.foreground
    words = (f"{value:.2f}" if np.isfinite(value) else "-") if is_middle else ""
    return Segment(words.rjust(_NUMBER_CELLS - 1) + " ", Style(color=ink, bgcolor=ground.hex))
