"""What a chart shows as a table: CSV with units in the header."""

from __future__ import annotations

import csv
import io
import math

import numpy as np

from tomotui.tui.printing.page import Grid, Printable
from tomotui.tui.raster.chart import Axis, Chart


def csv_text(what: Printable) -> str:
    """Return the values of a chart or a grid, one a row, as the text of a CSV file."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows(_grid_rows(what) if isinstance(what, Grid) else _chart_rows(what))
    return file.getvalue()


def _chart_rows(chart: Chart) -> list[list[str]]:
    x, y = _heading(chart.x_axis, "x"), _heading(chart.y_axis, "y")
    rows = [["series", x, y]]
    for number, one in enumerate(chart.layers, start=1):
        name = one.name or (chart.y_axis.name if one.style in ("line", "fill") else one.role)
        for place, value in zip(one.x.tolist(), one.y.tolist(), strict=True):
            if math.isfinite(place):
                rows.append([name or f"series {number}", _word(place), _word(value)])
    return rows


def _grid_rows(grid: Grid) -> list[list[str]]:
    n_rows, n_columns = grid.values.shape
    x = _middles(*grid.x_range, n_columns)
    y = _middles(grid.y_range[1], grid.y_range[0], n_rows)
    heading = [
        _heading(grid.x_axis, "x"),
        _heading(grid.y_axis, "y"),
        _heading(grid.value_axis, "value"),
    ]
    rows = [heading]
    for (row, column), value in np.ndenumerate(grid.values):
        rows.append([_word(x[column]), _word(y[row]), _word(float(value))])
    return rows


def _middles(first: float, last: float, n: int) -> list[float]:
    step = (last - first) / n
    return [first + (at + 0.5) * step for at in range(n)]


def _heading(axis: Axis, otherwise: str) -> str:
    return str(axis) or otherwise


def _word(value: float) -> str:
    return f"{value:.10g}" if math.isfinite(value) else ""
