"""A chart or a grid of numbers laid out on a page: axes, units, title, and colours for print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.printing.drawing import Area, Box, Drawing, Point, Stroke, Words
from tomotui.tui.raster.chart import NO_AXIS, Axis, Chart, Layer, Range, axis_ticks, on_axes, ranges
from tomotui.tui.raster.ticks import tick_words, ticks

WIDTH, HEIGHT = 640.0, 420.0
_LEFT, _RIGHT, _BOTTOM, _TOP = 74.0, 22.0, 56.0, 44.0
_LEGEND_ROW = 18.0
_INK, _FAINT, _GRID = "#222222", "#777777", "#e4e4e4"
_SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#444444")
"""Told apart with any colour vision, after Okabe and Ito 2008, dark enough for white paper."""
_ROLES = {
    "dim": "#999999",
    "track": "#999999",
    "warning": "#e69f00",
    "error": "#c03000",
    "success": "#009e73",
    "accepted": "#009e73",
    "accent": "#aa3377",
    "primary": "#0072b2",
}
_MARK_RADIUS = 3.0
_VALUE = Axis("value")


@dataclass(frozen=True, eq=False)
class Grid:
    """Numbers on a grid, such as how many particles were seen from where.

    Attributes
    ----------
    values
        ``[rows, columns]``, row 0 at the top.
    x_range, y_range
        What the rims are, left and right, bottom and top.
    """

    values: NDArray[np.float32]
    x_range: Range
    y_range: Range
    title: str = ""
    x_axis: Axis = NO_AXIS
    y_axis: Axis = NO_AXIS
    value_axis: Axis = _VALUE


Printable = Chart | Grid


def retitled(what: Printable, title: str) -> Printable:
    """Return a chart or a grid under another title."""
    return replace(what, title=title)


def print_colour(role: str) -> str:
    """Return the colour on paper of a role of the theme."""
    if role.startswith("series."):
        return _SERIES[int(role.removeprefix("series.")) % len(_SERIES)]
    if role.startswith("class"):
        return _SERIES[(int(role.removeprefix("class")) - 1) % len(_SERIES)]
    return _ROLES.get(role, _INK)


def lay_out(what: Printable) -> Drawing:
    """Lay a chart or a grid out on a page."""
    return _grid_page(what) if isinstance(what, Grid) else _chart_page(on_axes(what))


@dataclass(frozen=True)
class _Scale:
    """From values to points on the page."""

    window: Box
    x: Range
    y: Range

    def across(self, x: float) -> float:
        left, _, right, _ = self.window
        return left + (x - self.x[0]) / (self.x[1] - self.x[0]) * (right - left)

    def down(self, y: float) -> float:
        _, top, _, bottom = self.window
        return bottom - (y - self.y[0]) / (self.y[1] - self.y[0]) * (bottom - top)


def _chart_page(chart: Chart) -> Drawing:
    x, y = ranges(chart)
    legend = _legend_rows([one for one in chart.layers if one.name and np.isfinite(one.y).any()])
    window = (_LEFT, _TOP + _LEGEND_ROW * len(legend), WIDTH - _RIGHT, HEIGHT - _BOTTOM)
    if chart.is_map:
        x, y = _equal_units(window, x, y)
    scale = _Scale(window, x, y)
    page = Drawing(WIDTH, HEIGHT, window)
    marks, words = axis_ticks(chart, y, 7)
    _axes(page, scale, (chart.x_axis, chart.y_axis), (marks, words), chart.title)
    for value, role in chart.levels:
        line = ((window[0], scale.down(value)), (window[2], scale.down(value)))
        page.inside.append(Stroke(line, print_colour(role), 0.8, 4.0))
    for one in chart.layers:
        _layer(page, scale, one)
    for at, role, label in chart.uprights:
        _upright(page, scale, at, print_colour(role), label)
    for number, row in enumerate(legend):
        _legend_row(page, row, _TOP + _LEGEND_ROW * number + 4)
    return page


def _equal_units(window: Box, x: Range, y: Range) -> tuple[Range, Range]:
    width, height = window[2] - window[0], window[3] - window[1]
    unit = max((x[1] - x[0]) / width, (y[1] - y[0]) / height) / 2
    middle_x, middle_y = (x[0] + x[1]) / 2, (y[0] + y[1]) / 2
    across, down = unit * width, unit * height
    return (middle_x - across, middle_x + across), (middle_y - down, middle_y + down)


def _axes(
    page: Drawing,
    scale: _Scale,
    axes: tuple[Axis, Axis],
    y_ticks: tuple[Sequence[float], Sequence[str]],
    title: str,
) -> None:
    left, top, right, bottom = page.window
    marks = ticks(*scale.x, 8)
    for value, word in zip(marks, tick_words(marks), strict=True):
        at = scale.across(value)
        page.inside.append(Stroke(((at, top), (at, bottom)), _GRID))
        page.shapes.append(Stroke(((at, bottom), (at, bottom + 4)), _INK))
        page.shapes.append(Words((at, bottom + 17), word, anchor="middle"))
    for value, word in zip(*y_ticks, strict=True):
        at = scale.down(value)
        page.inside.append(Stroke(((left, at), (right, at)), _GRID))
        page.shapes.append(Stroke(((left - 4, at), (left, at)), _INK))
        page.shapes.append(Words((left - 7, at + 4), word, anchor="end"))
    rim = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    page.shapes.append(Stroke(rim, _INK))
    page.shapes.append(Words(((left + right) / 2, HEIGHT - 16), str(axes[0]), 12, "middle"))
    middle = (18.0, (top + bottom) / 2)
    page.shapes.append(Words(middle, str(axes[1]), 12, "middle", is_upright=True))
    page.shapes.append(Words((left, 26), title, 14))


def _layer(page: Drawing, scale: _Scale, one: Layer) -> None:
    colour = print_colour(one.role)
    if one.style in ("marks", "dots"):
        # Clouds of very many points need small and simple ones.
        is_cloud = one.style == "dots"
        radius = 0.8 if is_cloud else 1.5 if one.mark == "·" else _MARK_RADIUS
        mark = "■" if is_cloud else one.mark
        for x, y in zip(one.x.tolist(), one.y.tolist(), strict=True):
            if math.isfinite(x) and math.isfinite(y):
                _mark(page, (scale.across(x), scale.down(y)), mark, radius, colour)
        return
    for run in _runs(one):
        points = tuple((scale.across(x), scale.down(y)) for x, y in run)
        if one.style == "fill":
            floor = scale.down(min(max(0.0, scale.y[0]), scale.y[1]))
            area = ((points[0][0], floor), *points, (points[-1][0], floor))
            page.inside.append(Area(area, colour, 0.35))
        if len(points) > 1:
            page.inside.append(Stroke(points, colour, 1.6))
        else:
            _mark(page, points[0], "●", 2.0, colour)


def _runs(one: Layer) -> list[list[tuple[float, float]]]:
    """Return the unbroken stretches of a line."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(one.x.tolist(), one.y.tolist(), strict=True):
        if math.isfinite(x) and math.isfinite(y):
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _mark(page: Drawing, at: Point, mark: str, radius: float, colour: str) -> None:
    x, y = at
    if mark == "✗":
        for turn in (radius, -radius):
            page.inside.append(
                Stroke(((x - radius, y - turn), (x + radius, y + turn)), colour, 1.4)
            )
        return
    n_corners, first = {"▲": (3, -90.0), "◆": (4, -90.0), "■": (4, 45.0)}.get(mark, (16, 0.0))
    size = radius * (1.3 if n_corners < 16 else 1.0)
    angles = [math.radians(first + 360 * corner / n_corners) for corner in range(n_corners)]
    corners = tuple((x + size * math.cos(a), y + size * math.sin(a)) for a in angles)
    if mark == "○":
        page.inside.append(Stroke((*corners, corners[0]), colour, 1.2))
    else:
        page.inside.append(Area(corners, colour))


def _upright(page: Drawing, scale: _Scale, at: float, colour: str, label: str) -> None:
    _, top, right, bottom = page.window
    across = scale.across(at)
    page.inside.append(Stroke(((across, top), (across, bottom)), colour, 1.0, 4.0))
    near_rim = across + 7 * len(label) + 6 > right
    anchor, step = ("end", -5.0) if near_rim else ("start", 5.0)
    page.inside.append(Words((across + step, top + 14), label, 11, anchor, colour))  # type: ignore[arg-type]


def _legend_rows(layers: Sequence[Layer]) -> list[list[Layer]]:
    rows: list[list[Layer]] = []
    room = 0.0
    for one in {(each.name, each.role): each for each in layers}.values():
        wide = 34 + 6.5 * len(one.name)
        if not rows or wide > room:
            rows.append([])
            room = WIDTH - _LEFT - _RIGHT
        rows[-1].append(one)
        room -= wide
    return rows


def _legend_row(page: Drawing, row: Sequence[Layer], y: float) -> None:
    x = page.window[0]
    for one in row:
        colour = print_colour(one.role)
        sample = Drawing(0, 0, page.window)
        if one.style in ("marks", "dots"):
            _mark(sample, (x + 9, y), one.mark, _MARK_RADIUS, colour)
        else:
            sample.inside.append(Stroke(((x, y), (x + 18, y)), colour, 2.0))
        page.shapes += [*sample.inside, Words((x + 23, y + 4), one.name)]
        x += 34 + 6.5 * len(one.name)


# ---- grids


def _grid_page(grid: Grid) -> Drawing:
    window = (_LEFT, _TOP, WIDTH - _RIGHT - 86, HEIGHT - _BOTTOM)
    page = Drawing(WIDTH, HEIGHT, window)
    scale = _Scale(window, grid.x_range, grid.y_range)
    marks = ticks(min(grid.y_range), max(grid.y_range), 7)
    most = max(float(np.nanmax(grid.values)), 1e-12)
    left, top, right, bottom = window
    n_rows, n_columns = grid.values.shape
    high, wide = (bottom - top) / n_rows, (right - left) / n_columns
    for (row, column), value in np.ndenumerate(grid.values):
        box = (
            left + column * wide,
            top + row * high,
            left + (column + 1) * wide,
            top + high * (row + 1),
        )
        page.inside.append(Area(_corners(box), heat_colour(float(value) / most)))
    _axes(page, scale, (grid.x_axis, grid.y_axis), (marks, tick_words(marks)), grid.title)
    # Lines over a picture would hide what it shows.
    page.inside = [shape for shape in page.inside if isinstance(shape, Area)]
    _heat_bar(page, most, grid.value_axis)
    return page


def _heat_bar(page: Drawing, most: float, axis: Axis) -> None:
    _, top, right, bottom = page.window
    left, steps = right + 18, 32
    for step in range(steps):
        low = bottom - (bottom - top) * step / steps
        box = (left, low - (bottom - top) / steps, left + 14, low)
        page.shapes.append(Area(_corners(box), heat_colour((step + 0.5) / steps)))
    for value in ticks(0.0, most, 6):
        at = bottom - (bottom - top) * value / most
        page.shapes.append(Words((left + 19, at + 4), f"{value:g}"))
    page.shapes.append(Words((left, top - 8), str(axis), 10, colour=_FAINT))


def _corners(box: Box) -> tuple[Point, ...]:
    left, top, right, bottom = box
    return (left, top), (right, top), (right, bottom), (left, bottom)


def heat_colour(part: float) -> str:
    """Return a colour between white and dark blue."""
    stops = np.array([(255, 255, 255), (198, 219, 239), (66, 146, 198), (8, 48, 107)], np.float64)
    place = min(max(part if math.isfinite(part) else 0.0, 0.0), 1.0) * (len(stops) - 1)
    at = min(int(place), len(stops) - 2)
    colour = stops[at] + (stops[at + 1] - stops[at]) * (place - at)
    return "#" + "".join(f"{round(float(part)):02x}" for part in colour)
