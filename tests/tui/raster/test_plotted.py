"""Curves set by plotext lie on the axes of every other chart."""

from __future__ import annotations

import numpy as np

from tomotui.tui.raster.chart import Axis, Chart, draw_chart, layer
from tomotui.tui.raster.plotted import draw_curves

STEPS = np.arange(40.0)
PEAK = np.exp(-((STEPS - 25) ** 2) / 20)


def cells(chart: Chart, role: str, ascii_only: bool = False) -> set[tuple[int, int]]:
    canvas = draw_curves(chart, 12, 60, ascii_only)
    return {(int(row), int(column)) for row, column in np.argwhere(canvas.roles == role)}


def test_a_curve_is_where_other_charts_have_it() -> None:
    chart = Chart((layer(STEPS, PEAK, name="loss"),), x_axis=Axis("step"))
    ours, theirs = (draw(chart, 12, 60) for draw in (draw_curves, draw_chart))
    drawn = [{tuple(at) for at in np.argwhere(one.roles == "series.0")} for one in (ours, theirs)]
    assert len(drawn[0] & drawn[1]) > 0.8 * len(drawn[1])
    # The axes are the same to the letter.
    assert ours.text().splitlines()[-1] == theirs.text().splitlines()[-1]
    assert [row[:4] for row in ours.text().splitlines()] == [
        row[:4] for row in theirs.text().splitlines()
    ]


def test_curves_keep_their_colours_and_the_cursor_stays_behind_them() -> None:
    chart = Chart((layer(STEPS, PEAK, "series.0"), layer(STEPS, 1 - PEAK, "series.1")), cursor=10.0)
    first, second, cursor = (cells(chart, role) for role in ("series.0", "series.1", "accent"))
    assert len(first) > 30
    assert len(second) > 30
    assert len({column for _, column in cursor}) == 1


def test_without_unicode_curves_are_of_stars() -> None:
    chart = Chart((layer(STEPS, PEAK),))
    canvas = draw_curves(chart, 12, 60, ascii_only=True)
    drawn = canvas.characters[canvas.roles == "series.0"]
    assert set(drawn.tolist()) == {"*"}


def test_what_is_not_finite_is_left_out() -> None:
    chart = Chart((layer([0, 1, 2, 3], [1.0, np.nan, np.inf, 2.0]), layer([0.0], [np.nan])))
    assert cells(chart, "series.0")
