"""Curves of metrics; plotext is known here alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from rich.text import Text
from textual.widget import Widget

from tomotui.records import Metric
from tomotui.tui.theme import FALLBACK, Look


@dataclass(frozen=True)
class Curve:
    """A named sequence of points, in order of x."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    unit: str = ""


def curve_of(name: str, metrics: Sequence[Metric], max_points: int = 400) -> Curve:
    """Return the curve of a metric, thinned to so many points.

    Values that are not finite are left out.
    """
    points = [(m.step, m.value) for m in metrics if math.isfinite(m.value)]
    x, y = decimate([p[0] for p in points], [p[1] for p in points], max_points)
    return Curve(name, tuple(x), tuple(y), metrics[0].unit if metrics else "")


def decimate(
    x: Sequence[float], y: Sequence[float], max_points: int
) -> tuple[list[float], list[float]]:
    """Thin points by keeping the lowest and the highest of each stretch: no spike is lost."""
    n = len(x)
    if n <= max_points or max_points < 2:
        return list(x), list(y)
    n_bins = max_points // 2
    kept: list[int] = []
    for at in range(n_bins):
        low, high = at * n // n_bins, (at + 1) * n // n_bins
        part = range(low, high)
        kept += sorted({min(part, key=y.__getitem__), max(part, key=y.__getitem__)})
    return [x[i] for i in kept], [y[i] for i in kept]


class MetricPlot(Widget):
    """Plots curves over one axis; built again only when they, the size or the theme change."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    MetricPlot { height: 1fr; background: $background; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._curve: Curve | None = None
        self.beside: tuple[Curve, ...] = ()
        self._built: tuple[object, Text] | None = None

    @property
    def curve(self) -> Curve | None:
        """What is plotted, first of all."""
        return self._curve

    def show(self, curve: Curve | None, *beside: Curve) -> None:
        """Plot another curve, and what it is to be compared with."""
        if (curve, beside) != (self._curve, self.beside):
            self._curve, self.beside = curve, beside
            self.refresh()

    def render(self) -> Text:
        """Draw the plot, or say that there is nothing to plot."""
        look: Look = getattr(self.app, "look", FALLBACK)
        curve = self._curve
        if curve is None or not curve.x:
            return Text(" no metrics yet", look.dim)
        if self.size.height < 4 or self.size.width < 16:
            return Text(f" {curve.name} {curve.y[-1]:.4g} {curve.unit}", look.foreground)
        key = (curve, self.beside, self.size, look)
        if self._built is None or self._built[0] != key:
            ascii_only = getattr(self.app, "ascii_only", False)
            curves = (curve, *self.beside)
            built = draw(curves, self.size.width - 1, self.size.height, look, ascii_only)
            self._built = (key, built)
        return self._built[1]


def draw(
    curves: Sequence[Curve], width: int, height: int, look: Look, ascii_only: bool = False
) -> Text:
    """Return curves drawn with characters, each in its colour of the theme."""
    # Imported late: no screen but the one with a plot needs it.
    from textual_plotext.plot import Plot

    plot: Any = Plot()
    plot.plotsize(width, height)
    plot._set_size(width, height)
    ground = _rgb(look.background)
    plot.canvas_color(ground)
    plot.axes_color(ground)
    plot.ticks_color(_rgb(look.dim))
    plot.frame(False)
    plot.xaxes(False, False)
    plot.yaxes(False, False)
    plot.xfrequency(min(5, max(2, width // 14)))
    plot.yfrequency(min(5, max(2, height // 3)))
    values = [y for curve in curves for y in curve.y]
    low, high = min(values), max(values)
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        plot.ylim(low - margin, high + margin)
    marker = "*" if ascii_only else "braille"
    for curve, series in zip(curves, cycle(look.plot.series)):
        x, y, colour = list(curve.x), list(curve.y), _rgb(series)
        if len(x) == 1:
            plot.scatter(x, y, marker="o", color=colour)
        else:
            plot.plot(x, y, marker=marker, color=colour)
    text = Text.from_ansi(plot.build().rstrip("\n"))
    text.no_wrap = True
    return text


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
