"""Reading values off a chart."""

from __future__ import annotations

import numpy as np

from tomotui.tui.raster.chart import Axis, Chart, Layer
from tomotui.tui.raster.lines import Floats


def stops(chart: Chart) -> Floats:
    """Return every x at which something is drawn, in order."""
    found = [one.x[np.isfinite(one.x) & np.isfinite(one.y)] for one in chart.layers]
    return np.unique(np.concatenate(found)) if found else np.zeros(0)


def nearest_stop(chart: Chart, x: float) -> float | None:
    """Return the nearest x at which something is drawn."""
    every = stops(chart)
    return float(every[np.argmin(np.abs(every - x))]) if every.size else None


def step_from(chart: Chart, x: float | None, step: int) -> float | None:
    """Return the x some steps further; without one before, the first or the last."""
    every = stops(chart)
    if not every.size:
        return None
    if x is None:
        return float(every[0 if step > 0 else -1])
    at = int(np.argmin(np.abs(every - x)))
    return float(every[min(max(at + step, 0), len(every) - 1)])


def readout(chart: Chart, x: float) -> str:
    """Return what stands at a place along the axis, each value with its unit."""
    words = [with_unit(x, chart.x_axis)]
    if chart.x_axis.unit == "1/Å" and x > 0:
        # Whoever reads a spectrum thinks in lengths.
        words[0] = f"{1 / x:.3g} Å, {words[0]}"
    for one in chart.layers:
        value = value_at(one, x)
        if value is not None and (one.name or one.style in ("line", "fill")):
            axis = Axis(one.name or chart.y_axis.name, chart.y_axis.unit)
            words.append(with_unit(value, axis))
    return "  ".join(dict.fromkeys(words))


def value_at(layer: Layer, x: float) -> float | None:
    """Return the y of the point nearest to a place; ``None`` past the ends of the layer."""
    known = np.isfinite(layer.x) & np.isfinite(layer.y)
    places, values = layer.x[known], layer.y[known]
    if not places.size:
        return None
    room = 1e-9 * max(abs(x), 1.0)
    if layer.style == "marks":
        at = int(np.argmin(np.abs(places - x)))
        return float(values[at]) if abs(places[at] - x) <= room else None
    if not places.min() - room <= x <= places.max() + room:
        return None
    return float(values[np.argmin(np.abs(places - x))])


def with_unit(value: float, axis: Axis) -> str:
    """Return a value with its name and unit."""
    unit = axis.unit if axis.unit in ("", "°", "%") else f" {axis.unit}"
    return f"{axis.name} {value:.5g}{unit}".strip()
