"""Curves of a chart as plotext draws them; plotext is known here alone.

What changes while a job runs - losses, residuals, shares - is many curves over one another.
plotext sets their lines; axes, cursor and marks are those of every chart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from rich.text import Text

from tomotui.tui.raster.chart import Canvas, Chart, Frame, Layer, draw_chart, draw_layers


def draw_curves(chart: Chart, height: int, width: int, ascii_only: bool = False) -> Canvas:
    """Draw a chart whose lines are set by plotext.

    Parameters
    ----------
    height, width
        In cells, with the labels of the axes.
    """
    return draw_chart(chart, height, width, ascii_only, draw=_draw)


def _draw(frame: Frame, chart: Chart, ascii_only: bool) -> None:
    lines = tuple(one for one in chart.layers if one.style == "line")
    rest = tuple(one for one in chart.layers if one.style != "line")
    draw_layers(frame, replace(chart, layers=rest), ascii_only)
    if not lines:
        return
    text = _plotted(frame, lines, ascii_only)
    for row, line in enumerate(text.split("\n")[: frame.rows]):
        for span in line.spans:
            colour = getattr(span.style, "color", None)
            if colour is None or colour.triplet is None:
                continue
            for column in range(span.start, min(span.end, frame.columns)):
                frame.characters[row, column] = line.plain[column]
                frame.roles[row, column] = lines[colour.triplet.blue - 1].role


def _plotted(frame: Frame, lines: tuple[Layer, ...], ascii_only: bool) -> Text:
    # Imported late: no screen but the one with curves needs it.
    from textual_plotext.plot import Plot

    plot: Any = Plot()
    plot.plotsize(frame.columns, frame.rows)
    plot._set_size(frame.columns, frame.rows)
    plot.frame(False)
    plot.xaxes(False, False)
    plot.yaxes(False, False)
    plot.xticks([])
    plot.yticks([])
    plot.xlim(*frame.x)
    plot.ylim(*frame.y)
    for number, one in enumerate(lines, start=1):
        known = np.isfinite(one.x) & np.isfinite(one.y)
        x, y = one.x[known].tolist(), one.y[known].tolist()
        if x:
            # The colour is the number of the curve; the theme gives it its own.
            plot.plot(x, y, marker="*" if ascii_only else "braille", color=(0, 0, number))
    return Text.from_ansi(plot.build().rstrip("\n"))
