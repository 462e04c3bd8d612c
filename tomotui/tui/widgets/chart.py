"""A chart as a widget, and what it says when there is nothing to draw."""

from __future__ import annotations

from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from tomotui.tui.raster.chart import Canvas, Chart, draw_chart
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.cells import Span, strip_of


def wrapped(words: str, width: int) -> list[str]:
    """Return words in lines of a width."""
    import textwrap

    return [line for part in words.split("\n") for line in textwrap.wrap(part, max(width, 8))]


def role_colour(look: Look, role: str) -> str:
    """Return the colour of a role, also of the curves of a plot."""
    if role.startswith("series."):
        series = look.plot.series
        return series[int(role.removeprefix("series.")) % len(series)]
    return look.colour(role)


class ChartView(Widget):
    """Draws one chart; drawn again only when it, the size or the theme changes."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    ChartView { height: 1fr; background: $background; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chart: Chart | None = None
        self.message = ""
        self._strips: list[Strip] = []
        self._drawn: tuple[Size, Look] | None = None

    def show(self, chart: Chart | None, message: str = "") -> None:
        """Draw another chart, or say why there is none."""
        self.chart, self.message = chart, message
        self._drawn = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one row."""
        look: Look = getattr(self.app, "look", FALLBACK)
        if self._drawn != (self.size, look):
            self._drawn = (self.size, look)
            self._strips = self._draw(look)
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)

    def _draw(self, look: Look) -> list[Strip]:
        width, height = self.size
        if self.chart is None or height < 3 or width < 12:
            return self._say(look, width, height)
        ascii_only = getattr(self.app, "ascii_only", False)
        canvas = draw_chart(self.chart, height, width, ascii_only)
        return [_strip(canvas, row, width, look) for row in range(height)]

    def _say(self, look: Look, width: int, height: int) -> list[Strip]:
        lines = wrapped(self.message, width - 2)[:height]
        above = [""] * ((height - len(lines)) // 2)
        rows = [*above, *(line.center(width) for line in lines)]
        rows += [""] * (height - len(rows))
        return [strip_of([Span(row, "dim")], width, look) for row in rows]


def _strip(canvas: Canvas, row: int, width: int, look: Look) -> Strip:
    from rich.segment import Segment
    from rich.style import Style

    segments = [
        Segment(words, Style(color=role_colour(look, role), bgcolor=look.background))
        for words, role in canvas.runs(row)
    ]
    return Strip(segments).adjust_cell_length(width, Style(bgcolor=look.background))
