"""Numbers on a grid as a picture of half blocks, with words at its rims."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from textual.color import Color
from textual.strip import Strip
from textual.widget import Widget

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.picture import compose
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.raster.window import Window
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.cells import Span, strip_of
from tomotui.tui.widgets.chart import wrapped

HEAT_LUT = "fire"


class HeatView(Widget):
    """Shows a grid of numbers as large as the pane allows.

    Parameters
    ----------
    capability
        What the terminal can show.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    HeatView { height: 1fr; background: $background; }
    """

    def __init__(self, capability: Capability, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._artist = SliceArtist(capability, HEAT_LUT)
        self.heat: NDArray[np.float32] | None = None
        self.words: tuple[str, str, str] = ("", "", "")
        self.message = ""
        self._strips: list[Strip] = []
        self._drawn: object = None

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
        self._drawn = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one row."""
        look: Look = getattr(self.app, "look", FALLBACK)
        if self._drawn != (self.size, look):
            self._drawn = (self.size, look)
            self._strips = self._draw(look)
        blank = Strip.blank(self.size.width, Style(bgcolor=look.background))
        return self._strips[y] if y < len(self._strips) else blank

    def _draw(self, look: Look) -> list[Strip]:
        width, height = self.size
        if self.heat is None or height < 3 or width < 6:
            lines = wrapped(self.message, width - 2)[:height]
            said = [""] * ((height - len(lines)) // 2) + [line.center(width) for line in lines]
            return [strip_of([Span(line, "dim")], width, look) for line in said]
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
