"""Numbers on a grid as a picture of half blocks, with words at its rims."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from textual.color import Color
from textual.strip import Strip

from tomotui.tui.printing.page import Grid
from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.picture import compose
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.raster.window import Window
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import Span, strip_of
from tomotui.tui.widgets.drawn_once import DrawnOnce

HEAT_LUT = "fire"


class HeatView(DrawnOnce):
    """Shows a grid of numbers as large as the pane allows.

    Parameters
    ----------
    capability
        What the terminal can show.
    """

    DEFAULT_CSS = """
    HeatView { height: 1fr; background: $background; }
    """

    def __init__(self, capability: Capability, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._artist = SliceArtist(capability, HEAT_LUT)
        self.heat: NDArray[np.float32] | None = None
        self.words: tuple[str, str, str] = ("", "", "")
        self.message = ""
        self.grid: Grid | None = None
        """The same as it is printed."""

    def printable(self) -> Grid | None:
        """Return what is shown, for paper."""
        return self.grid

    def show(
        self,
        heat: NDArray[np.float32] | None,
        words: tuple[str, str, str] = ("", "", ""),
        message: str = "",
    ) -> None:
        """Show another grid ``[rows, columns]``, 0 or more, or say why there is none.

        ``words`` stand below it: at the left, in the middle, and at the right.
        """
        self.heat, self.words, self.message = heat, words, message
        self.draw_anew()

    def draw(self, look: Look) -> list[Strip]:
        """Return the rows."""
        width, height = self.size
        if self.heat is None or height < 3 or width < 6:
            return self.said(self.message, look)
        inks = {"outside": look.background, "text": look.foreground, "shade": look.background}
        self._artist.use_roles({role: Color.parse(ink).rgb for role, ink in inks.items()})
        glyphs = self._artist.glyph_set("half")
        if self._artist.capability.ascii_only:
            glyphs = self._artist.glyph_set("ascii")
        cells = (height - 1, width)
        n_down, n_across = cells[0] * glyphs.rows, cells[1] * glyphs.columns
        down = np.arange(n_down) * self.heat.shape[0] // n_down
        across = np.arange(n_across) * self.heat.shape[1] // n_across
        window = Window(0.0, max(float(self.heat.max()), 1e-6))
        values = np.ascontiguousarray(self.heat[np.ix_(down, across)])
        inside = np.ones(cells, dtype=bool)
        frame = compose(values, inside, window, glyphs, self._artist.palette())
        return [*strips_of(frame)[0], strip_of([Span(_rim(self.words, width), "dim")], width, look)]


def _rim(words: tuple[str, str, str], width: int) -> str:
    left, middle, right = words
    line = list(" " * width)
    for text, start in (
        (left, 0),
        (middle, (width - len(middle)) // 2),
        (right, width - len(right)),
    ):
        line[max(start, 0) : max(start, 0) + len(text)] = text
    return "".join(line)[:width]
