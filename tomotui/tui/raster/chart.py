"""Charts of a few curves and points, drawn with dots of braille; cheap enough for every key."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.tui.raster.glyphs import GLYPHS
from tomotui.tui.raster.lines import Floats, dot_cells, polyline
from tomotui.tui.raster.ticks import log_ticks, tick_words, ticks

Style = Literal["line", "dots", "marks", "fill"]
Range = tuple[float, float]

_DOT_ROWS, _DOT_COLUMNS = 4, 2


@dataclass(frozen=True, eq=False)
class Layer:
    """A curve or points of one colour.

    Attributes
    ----------
    x, y
        Equally many numbers; a ``line`` breaks where one is not finite.
    role
        Colour role of the theme, or ``series.N`` for the N-th colour of its plots.
    style
        ``line``, ``dots``, ``marks`` (a character for each point) or ``fill`` (to the
        level of zero).
    mark
        Character of ``marks``.
    name
        What it is, for the reader of a value or of a printed chart; empty when it only
        accompanies another.
    """

    x: Floats
    y: Floats
    role: str = "series.0"
    style: Style = "line"
    mark: str = "●"
    name: str = ""


def layer(
    x: ArrayLike,
    y: ArrayLike,
    role: str = "series.0",
    style: Style = "line",
    mark: str = "●",
    name: str = "",
) -> Layer:
    """Return a layer of anything that numpy takes for numbers."""
    return Layer(np.asarray(x, np.float64), np.asarray(y, np.float64), role, style, mark, name)


@dataclass(frozen=True)
class Axis:
    """What an axis is of; ``unit`` is empty for plain numbers."""

    name: str = ""
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name


NO_AXIS = Axis()


@dataclass(frozen=True, eq=False)
class Chart:
    """What is drawn on one pair of axes.

    Attributes
    ----------
    uprights
        Vertical lines: their x, role, and a short label at the top.
    levels
        Horizontal dotted lines: their y and role.
    cursor
        The x of the upright of the cursor.
    x_range, y_range
        What the axes span; all layers when not given.
    is_map
        A unit is equally long on both axes.
    title, x_axis, y_axis
        What it shows; not drawn in the terminal, where the frame says it.
    y_log
        The vertical axis is logarithmic; what is not above 0 is left out.
    """

    layers: tuple[Layer, ...]
    uprights: tuple[tuple[float, str, str], ...] = ()
    levels: tuple[tuple[float, str], ...] = ()
    cursor: float | None = None
    x_range: Range | None = None
    y_range: Range | None = None
    is_map: bool = False
    title: str = ""
    x_axis: Axis = NO_AXIS
    y_axis: Axis = NO_AXIS
    y_log: bool = False


@dataclass
class Canvas:
    """Characters and colour roles of a chart, shape ``[height, width]``."""

    characters: NDArray[np.object_]
    roles: NDArray[np.object_]

    def runs(self, row: int) -> list[tuple[str, str]]:
        """Return a row as text of one role each."""
        found: list[tuple[str, str]] = []
        for character, role in zip(
            self.characters[row].tolist(), self.roles[row].tolist(), strict=True
        ):
            if found and found[-1][1] == role:
                found[-1] = (found[-1][0] + character, role)
            else:
                found.append((character, role))
        return found

    def write(self, row: int, column: int, words: str, role: str) -> None:
        """Write words; what falls outside is cut."""
        height, width = self.characters.shape
        if 0 <= row < height:
            for at, character in enumerate(words, start=column):
                if 0 <= at < width:
                    self.characters[row, at], self.roles[row, at] = character, role

    def text(self) -> str:
        """Return all rows, for tests."""
        return "\n".join("".join(row) for row in self.characters.tolist())


class Frame:
    """The part of a canvas inside the axes: from values to dots."""

    def __init__(self, rows: int, columns: int, x: Range, y: Range) -> None:
        self.rows, self.columns = rows, columns
        self.x, self.y = x, y
        self.bits = np.zeros((rows, columns), np.uint8)
        self.roles = np.full((rows, columns), "dim", object)
        self.characters = np.full((rows, columns), "", object)

    def dots(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return positions in dots, row 0 at the top."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0]) * (self.columns * _DOT_COLUMNS - 1)
        up = (y - self.y[0]) / (self.y[1] - self.y[0]) * (self.rows * _DOT_ROWS - 1)
        return across, self.rows * _DOT_ROWS - 1 - up

    def put(self, across: Floats, down: Floats, role: str) -> None:
        """Set dots at positions; those outside are left out."""
        rows, columns, bit = dot_cells(across, down, self.roles.shape)
        cell = (rows, columns)
        # A cell has one colour: what is drawn later replaces what was there.
        other = self.roles[cell] != role
        self.bits[cell[0][other], cell[1][other]] = 0
        self.roles[cell] = role
        np.bitwise_or.at(self.bits, cell, bit)


Draw = Callable[[Frame, Chart, bool], None]
"""Draws a chart inside its axes."""


def draw_chart(
    chart: Chart, height: int, width: int, ascii_only: bool = False, draw: Draw | None = None
) -> Canvas:
    """Draw a chart.

    Parameters
    ----------
    height, width
        In cells, with the labels of the axes.
    draw
        What draws inside the axes; `draw_layers` when not said.
    """
    canvas = Canvas(np.full((height, width), " ", object), np.full((height, width), "dim", object))
    chart = on_axes(chart)
    placed = _placed(chart, height, width)
    if placed is None:
        return canvas
    frame, left, marks_y, words_y = placed
    (draw or draw_layers)(frame, chart, ascii_only)
    _paste(canvas, frame, left, ascii_only)
    _label_axes(canvas, frame, left, marks_y, words_y)
    for at, role, label in chart.uprights:
        column = left + int(round(float(frame.dots(np.array(at), np.array(0))[0])) // 2)
        if label and left <= column < width:
            start = column + 1 if column + 1 + len(label) <= width else column - len(label)
            canvas.write(0, start, label, role)
    return canvas


def x_at(chart: Chart, height: int, width: int, column: int) -> float | None:
    """Return the x under a column of a drawn chart; ``None`` beside its axes."""
    placed = _placed(on_axes(chart), height, width)
    if placed is None:
        return None
    frame, left, _, _ = placed
    if not left <= column < left + frame.columns:
        return None
    part = (column - left + 0.5) / frame.columns
    return frame.x[0] + part * (frame.x[1] - frame.x[0])


def on_axes(chart: Chart) -> Chart:
    """Return a chart with its values as they lie along the axes: of logarithmic ones, powers."""
    if not chart.y_log:
        return chart
    return replace(
        chart,
        layers=tuple(replace(one, y=_powers(one.y)) for one in chart.layers),
        levels=tuple((math.log10(y), role) for y, role in chart.levels if y > 0),
        y_range=_power_range(chart.y_range),
    )


def _powers(values: Floats) -> Floats:
    return np.log10(np.where(values > 0, values, np.nan))


def _power_range(span: Range | None) -> Range | None:
    if span is None or span[0] <= 0:
        return None
    return math.log10(span[0]), math.log10(span[1])


def axis_ticks(chart: Chart, span: Range, most: int) -> tuple[list[float], list[str]]:
    """Return places and words of the ticks of the vertical axis."""
    if chart.y_log:
        return log_ticks(*span, most)
    marks = ticks(*span, most)
    return marks, tick_words(marks)


def _placed(
    chart: Chart, height: int, width: int
) -> tuple[Frame, int, list[float], list[str]] | None:
    """Return the frame of a chart, its first column, and the ticks at its left."""
    x, y = ranges(chart)
    rows = height - 1
    most = max(2, min(5, rows // 2))
    marks, words = axis_ticks(chart, y, most)
    left = max((len(word) for word in words), default=0) + 1
    if rows < 2 or width - left - 1 < 4:
        return None
    if chart.is_map:
        x, y = _equal_units(x, y, rows, width - left - 1)
        marks, words = axis_ticks(chart, y, most)
        left = max((len(word) for word in words), default=0) + 1
    return Frame(rows, width - left - 1, x, y), left, marks, words


def ranges(chart: Chart) -> tuple[Range, Range]:
    """Return what the axes span, with a little room above and below."""
    every = [one for one in chart.layers if len(one.x)]
    x = chart.x_range or _span([one.x for one in every])
    if chart.y_range is not None:
        return _widened(x, 0.0), _widened(chart.y_range, 0.0)
    low, high = _span([one.y for one in every] + [np.array([y for y, _ in chart.levels])])
    return _widened(x, 0.0), _widened((low, high), 0.06)


def _span(values: Sequence[Floats]) -> Range:
    known = np.concatenate([np.ravel(v) for v in values]) if values else np.zeros(0)
    known = known[np.isfinite(known)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def _widened(span: Range, part: float) -> Range:
    low, high = span
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-12):
        room = abs(low) * 0.1 or 1.0
        return low - room, high + room
    room = (high - low) * part
    return low - room, high + room


def _equal_units(x: Range, y: Range, rows: int, columns: int) -> tuple[Range, Range]:
    """Widen one range so that a unit has as many dots along both axes."""
    per_dot = max(
        (x[1] - x[0]) / (columns * _DOT_COLUMNS - 1), (y[1] - y[0]) / (rows * _DOT_ROWS - 1)
    )
    half_x = per_dot * (columns * _DOT_COLUMNS - 1) / 2
    half_y = per_dot * (rows * _DOT_ROWS - 1) / 2
    middle_x, middle_y = (x[0] + x[1]) / 2, (y[0] + y[1]) / 2
    return (middle_x - half_x, middle_x + half_x), (middle_y - half_y, middle_y + half_y)


def draw_layers(frame: Frame, chart: Chart, ascii_only: bool) -> None:
    """Draw levels, uprights, cursor and layers with dots."""
    n_dots = frame.rows * _DOT_ROWS
    for value, role in chart.levels:
        across = np.arange(0, frame.columns * _DOT_COLUMNS, 4, dtype=np.float64)
        down = float(frame.dots(np.array(0.0), np.array(value))[1])
        frame.put(across, np.full(len(across), down), role)
    lines = [(at, role) for at, role, _ in chart.uprights]
    if chart.cursor is not None:
        lines.append((chart.cursor, "accent"))
    for at, role in lines:
        across_at = float(frame.dots(np.array(at), np.array(0.0))[0])
        down_all = np.arange(0, n_dots, 2, dtype=np.float64)
        frame.put(np.full(len(down_all), across_at), down_all, role)
    for one in chart.layers:
        across_, down_ = frame.dots(one.x, one.y)
        if one.style == "line":
            across_, down_ = polyline(across_, down_)
        elif one.style == "fill":
            zero = float(frame.dots(np.array(0.0), np.array(0.0))[1])
            across_, down_ = _fill(across_, down_, float(np.clip(round(zero), 0, n_dots - 1)))
        if one.style == "marks":
            _mark(frame, across_, down_, one, ascii_only)
        else:
            frame.put(across_, down_, one.role)


def _fill(across: Floats, down: Floats, floor: float) -> tuple[Floats, Floats]:
    """Return all dots between a curve and a floor."""
    along, edge = polyline(across, down)
    ok = np.isfinite(along) & np.isfinite(edge)
    along, edge = along[ok], np.clip(np.rint(edge[ok]), -1e4, 1e4)
    top, bottom = np.minimum(edge, floor), np.maximum(edge, floor)
    heights = (bottom - top + 1).astype(np.intp)
    first = np.repeat(np.cumsum(heights) - heights, heights)
    steps = np.arange(len(first)) - first
    return np.repeat(along, heights), np.repeat(top, heights) + steps


def _mark(frame: Frame, across: Floats, down: Floats, one: Layer, ascii_only: bool) -> None:
    ok = np.isfinite(across) & np.isfinite(down)
    columns = (np.rint(across[ok]) // _DOT_COLUMNS).astype(np.intp)
    rows = (np.rint(down[ok]) // _DOT_ROWS).astype(np.intp)
    inside = (columns >= 0) & (columns < frame.columns) & (rows >= 0) & (rows < frame.rows)
    cell = (rows[inside], columns[inside])
    frame.characters[cell] = _ASCII.get(one.mark, one.mark) if ascii_only else one.mark
    frame.roles[cell] = one.role


_ASCII = {"●": "o", "○": ".", "◆": "#", "✗": "x", "·": ".", "▲": "^"}


def _paste(canvas: Canvas, frame: Frame, left: int, ascii_only: bool) -> None:
    table = GLYPHS["braille"].table
    drawn = np.where(frame.bits > 0, "*", " ") if ascii_only else table[frame.bits]
    drawn = np.where(frame.bits > 0, drawn, " ").astype(object)
    drawn = np.where(frame.characters != "", frame.characters, drawn)
    canvas.characters[: frame.rows, left : left + frame.columns] = drawn
    canvas.roles[: frame.rows, left : left + frame.columns] = frame.roles


def _label_axes(
    canvas: Canvas, frame: Frame, left: int, marks_y: Sequence[float], words_y: Sequence[str]
) -> None:
    for value, word in zip(marks_y, words_y, strict=True):
        down = float(frame.dots(np.array(0.0), np.array(value))[1])
        row = int(round(down) // _DOT_ROWS)
        if 0 <= row < frame.rows:
            canvas.write(row, left - 1 - len(word), word, "dim")
    marks_x = ticks(*frame.x, max(2, min(7, frame.columns // 8)))
    end = 0
    for value, word in zip(marks_x, tick_words(marks_x), strict=True):
        across = float(frame.dots(np.array(value), np.array(0.0))[0])
        middle = left + int(round(across) // _DOT_COLUMNS)
        start = min(max(middle - len(word) // 2, 0), left + frame.columns + 1 - len(word))
        if start >= end:
            canvas.write(frame.rows, start, word, "dim")
            end = start + len(word) + 1
