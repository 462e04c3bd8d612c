"""A chart as a widget, and what it says when there is nothing to draw."""

from __future__ import annotations

from textual.strip import Strip

from tomotui.tui.raster.chart import Canvas, Chart, draw_chart
from tomotui.tui.theme import Look
from tomotui.tui.widgets.drawn_once import DrawnOnce


def role_colour(look: Look, role: str) -> str:
    """Return the colour of a role, also of the curves of a plot."""
    if role.startswith("series."):
        series = look.plot.series
        return series[int(role.removeprefix("series.")) % len(series)]
    return look.colour(role)


class ChartView(DrawnOnce):
    """Draws one chart; drawn again only when it, the size or the theme changes."""

    DEFAULT_CSS = """
    ChartView { height: 1fr; background: $background; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chart: Chart | None = None
        self.message = ""

    def show(self, chart: Chart | None, message: str = "") -> None:
        """Draw another chart, or say why there is none."""
        self.chart, self.message = chart, message
        self.draw_anew()

    def draw(self, look: Look) -> list[Strip]:
        """Return the rows."""
        width, height = self.size
        if self.chart is None or height < 3 or width < 12:
            return self.said(self.message, look)
        ascii_only = getattr(self.app, "ascii_only", False)
        canvas = draw_chart(self.chart, height, width, ascii_only)
        return [_strip(canvas, row, width, look) for row in range(height)]


def _strip(canvas: Canvas, row: int, width: int, look: Look) -> Strip:
    from rich.segment import Segment
    from rich.style import Style

    segments = [
        Segment(words, Style(color=role_colour(look, role), bgcolor=look.background))
        for words, role in canvas.runs(row)
    ]
    return Strip(segments).adjust_cell_length(width, Style(bgcolor=look.background))
