"""Curves of metrics: thinned, smoothed, on a plain or a logarithmic axis, read with a cursor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from textual.binding import BindingType
from textual.strip import Strip

from tomotui.records import Metric
from tomotui.tui.actions import bindings
from tomotui.tui.raster.chart import Axis, Canvas, Chart, Layer, layer
from tomotui.tui.raster.plotted import draw_curves
from tomotui.tui.theme import Look
from tomotui.tui.widgets.chart import ChartView

SMOOTHINGS = (0.0, 0.6, 0.9, 0.97)
"""Weights of what was before in a running mean, one for each press of the key."""
STEP = Axis("step")
LEAST_HEIGHT, LEAST_WIDTH = 4, 16
"""Cells below which a curve is told by its last value alone."""


@dataclass(frozen=True)
class Curve:
    """A named sequence of points, in order of x."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    unit: str = ""


def curve_of(name: str, metrics: Sequence[Metric]) -> Curve:
    """Return the curve of a metric; values that are not finite are left out."""
    points = [(m.step, m.value) for m in metrics if math.isfinite(m.value)]
    x, y = tuple(p[0] for p in points), tuple(p[1] for p in points)
    return Curve(name, x, y, metrics[0].unit if metrics else "")


def decimate(
    x: Sequence[float], y: Sequence[float], max_points: int
) -> tuple[list[float], list[float]]:
    """Thin points by keeping the lowest and the highest of each stretch: no spike is lost."""
    n = len(x)
    if n <= max_points or max_points < 2:
        return list(x), list(y)
    n_bins = max_points // 2
    values, kept = np.asarray(y), list[int]()
    for at in range(n_bins):
        low, high = at * n // n_bins, (at + 1) * n // n_bins
        part = values[low:high]
        kept += sorted({low + int(part.argmin()), low + int(part.argmax())})
    return [x[i] for i in kept], [y[i] for i in kept]


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Return a running mean in which what lies further back counts less and less.

    The first values are not drawn towards zero: the mean is of what has been seen so far.
    """
    means, mean, total = [], 0.0, 0.0
    for value in values:
        mean = weight * mean + (1 - weight) * value
        total = weight * total + (1 - weight)
        means.append(mean / total)
    return means


def chart_of(
    curves: Sequence[Curve], x_axis: Axis, weight: float = 0.0, y_log: bool = False
) -> Chart:
    """Return curves as a chart with all their points.

    Smoothed ones lie over what was measured, which becomes faint.
    """
    layers: list[Layer] = []
    for curve in curves:
        if weight > 0 and len(curve.x) > 2:
            layers.append(layer(curve.x, curve.y, "dim", name=curve.name))
    for number, curve in enumerate(curves):
        role = f"series.{number}"
        style = "line" if len(curve.x) > 1 else "marks"
        is_smooth = weight > 0 and len(curve.x) > 2
        y = smoothed(curve.y, weight) if is_smooth else curve.y
        mean = "mean" if len(curves) == 1 else f"mean of {curve.name}"
        name = mean if is_smooth else curve.name
        layers.append(layer(curve.x, y, role, style, name=name))  # type: ignore[arg-type]
    first = curves[0] if curves else Curve("", (), ())
    y_axis = Axis(first.name, first.unit)
    return Chart(tuple(layers), title=first.name, x_axis=x_axis, y_axis=y_axis, y_log=y_log)


class MetricPlot(ChartView):
    """Plots curves over one axis; drawn again only when they, the size or the theme change."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("plot.smooth", "plot.log")
    DEFAULT_CSS = """
    MetricPlot { height: 1fr; background: $background; }
    """

    def __init__(self, x_axis: Axis = STEP, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.x_axis = x_axis
        self.title = ""
        """Of the chart on paper; the name of the curve when there is none."""
        self._curve: Curve | None = None
        self.beside: tuple[Curve, ...] = ()
        self.smoothing = 0
        self.y_log = False
        self.message = "no metrics yet"

    @property
    def curve(self) -> Curve | None:
        """What is plotted, first of all."""
        return self._curve

    def show_curves(self, curve: Curve | None, *beside: Curve) -> None:
        """Plot another curve, and what it is to be compared with."""
        if (curve, beside) != (self._curve, self.beside):
            if curve is None or self._curve is None or curve.name != self._curve.name:
                self.pointed = None
            self._curve, self.beside = curve, beside
            self._make_chart()

    def _make_chart(self) -> None:
        curve = self._curve
        if curve is None or not curve.x:
            self.chart = None
        else:
            weight = SMOOTHINGS[self.smoothing]
            chart = chart_of((curve, *self.beside), self.x_axis, weight, self.y_log)
            self.chart = replace(chart, title=self.title or chart.title)
        self.draw_anew()

    def drawn_chart(self) -> Chart | None:
        """Return the chart with as many points as its columns can show."""
        chart = super().drawn_chart()
        if chart is None:
            return None
        most = 2 * max(self.size.width, 8)
        return _thinned(chart, most)

    def draw(self, look: Look) -> list[Strip]:
        """Return the rows; where there is no room for axes, the last value."""
        width, height = self.size
        curve = self._curve
        if curve is not None and curve.x and (height < LEAST_HEIGHT or width < LEAST_WIDTH):
            return self.said(f"{curve.name} {curve.y[-1]:.4g} {curve.unit}".rstrip(), look)
        return super().draw(look)

    def canvas(self, chart: Chart, height: int, width: int, ascii_only: bool) -> Canvas:
        """Return the curves as characters."""
        return draw_curves(chart, height, width, ascii_only)

    def state(self) -> str:
        """Return how the curves are drawn, in a few words."""
        words = ["log" if self.y_log else ""]
        if self.smoothing:
            words.append(f"smoothed {SMOOTHINGS[self.smoothing]:g}")
        return ", ".join(word for word in words if word)

    # ---- keys

    def action_smooth(self) -> None:
        """Smooth more, and after the most not at all."""
        self.smoothing = (self.smoothing + 1) % len(SMOOTHINGS)
        self._make_chart()
        self.app.notify(self.state() or "as measured")

    def action_log(self) -> None:
        """Make the vertical axis logarithmic, or plain again."""
        curves = (self._curve, *self.beside) if self._curve else ()
        values = [value for curve in curves for value in curve.y]
        n_lost = sum(value <= 0 for value in values)
        if not self.y_log and n_lost == len(values):
            self.app.notify("no value is above 0: a logarithmic axis would show none")
            return
        self.y_log = not self.y_log
        self._make_chart()
        lost = f"; {n_lost} values not above 0 are left out" if n_lost and self.y_log else ""
        self.app.notify(f"{'logarithmic' if self.y_log else 'plain'} axis{lost}")


def _thinned(chart: Chart, most: int) -> Chart:
    layers = []
    for one in chart.layers:
        x, y = decimate(one.x, one.y, most)  # type: ignore[arg-type]
        layers.append(replace(one, x=np.asarray(x), y=np.asarray(y)))
    return replace(chart, layers=tuple(layers))
