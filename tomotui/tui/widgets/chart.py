"""A chart as a widget, read with a cursor, and what it says when there is nothing to draw."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.strip import Strip

from tomotui.tui.actions import bindings
from tomotui.tui.raster.chart import Canvas, Chart, draw_chart, x_at
from tomotui.tui.raster.reading import nearest_stop, readout, step_from, stops
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import Span, fitted, strip_of
from tomotui.tui.widgets.drawn_once import DrawnOnce

_ROOM_FOR_WORDS = 5
"""Rows of a chart that spares one for the values at the cursor."""


def role_colour(look: Look, role: str) -> str:
    """Return the colour of a role, also of the curves of a plot."""
    if role.startswith("series."):
        series = look.plot.series
        return series[int(role.removeprefix("series.")) % len(series)]
    return look.colour(role)


class ChartView(DrawnOnce, can_focus=True):
    """Draws one chart; drawn again only when it, the cursor, the size or the theme changes.

    Parameters
    ----------
    with_keys
        Keys move the cursor; false where they move what the chart is of.

    Attributes
    ----------
    pointed
        The x whose values are told in the first row; ``None`` for none.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings(
        "plot.left", "plot.right", "plot.far_left", "plot.far_right", "plot.first", "plot.last"
    )
    DEFAULT_CSS = """
    ChartView { height: 1fr; background: $background; }
    """

    def __init__(self, *, with_keys: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self.can_focus = with_keys
        self.chart: Chart | None = None
        self.message = ""
        self.pointed: float | None = None

    def show(self, chart: Chart | None, message: str = "") -> None:
        """Draw another chart, or say why there is none."""
        is_other = chart is None or self.chart is None or chart.title != self.chart.title
        if is_other:
            self.pointed = None
        self.chart, self.message = chart, message
        self.draw_anew()

    def drawn_chart(self) -> Chart | None:
        """Return what is drawn: the chart with the cursor where it is read."""
        if self.chart is None or self.pointed is None:
            return self.chart
        return replace(self.chart, cursor=self.pointed)

    def printable(self) -> Chart | None:
        """Return what is shown, for paper: all of its points, and no cursor."""
        return self.chart

    @property
    def words(self) -> str:
        """The values at the cursor, with their units; empty without one."""
        chart, at = self.chart, self.pointed
        if chart is None or at is None:
            return ""
        return readout(chart, at)

    @property
    def _n_word_rows(self) -> int:
        return int(bool(self.words) and self.size.height >= _ROOM_FOR_WORDS)

    def draw(self, look: Look) -> list[Strip]:
        """Return the rows."""
        width, height = self.size
        chart = self.drawn_chart()
        if chart is None or height < 3 or width < 12:
            return self.said(self.message, look)
        above = self._n_word_rows
        ascii_only = getattr(self.app, "ascii_only", False)
        canvas = self.canvas(chart, height - above, width, ascii_only)
        rows = [_strip(canvas, row, width, look) for row in range(height - above)]
        if above:
            rows.insert(
                0, strip_of(fitted((Span(f" {self.words}", "accent"),), width), width, look)
            )
        return rows

    def canvas(self, chart: Chart, height: int, width: int, ascii_only: bool) -> Canvas:
        """Return the chart as characters."""
        return draw_chart(chart, height, width, ascii_only)

    # ---- the cursor

    def point_at(self, x: float | None) -> None:
        """Read the values at another place, or none."""
        if x != self.pointed:
            self.pointed = x
            self.draw_anew()

    def action_point(self, step: int) -> None:
        """Go to the next or previous place at which something is drawn."""
        chart = self.drawn_chart()
        if chart is not None:
            self.point_at(step_from(chart, self.pointed, step))

    def action_point_far(self, step: int) -> None:
        """Go a twentieth of the way."""
        chart = self.drawn_chart()
        if chart is not None:
            self.action_point(step * max(len(stops(chart)) // 20, 1))

    def action_point_end(self, step: int) -> None:
        """Go to the last place, or the first."""
        if self.chart is not None:
            self.point_at(step_from(self.chart, None, -step))

    def on_click(self, event: events.Click) -> None:
        """Read the values under the mouse; where they are read already, no more."""
        chart = self.drawn_chart()
        if chart is None:
            return
        height, width = self.size.height - self._n_word_rows, self.size.width
        x = x_at(chart, height, width, event.x)
        nearest = None if x is None else nearest_stop(chart, x)
        self.point_at(None if nearest == self.pointed else nearest)


def _strip(canvas: Canvas, row: int, width: int, look: Look) -> Strip:
    from rich.segment import Segment
    from rich.style import Style

    segments = [
        Segment(words, Style(color=role_colour(look, role), bgcolor=look.background))
        for words, role in canvas.runs(row)
    ]
    return Strip(segments).adjust_cell_length(width, Style(bgcolor=look.background))
