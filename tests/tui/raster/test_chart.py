"""Charts of braille dots: where things are drawn, and round numbers on the axes."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.tui.raster.chart import Chart, draw_chart, layer, tick_words, ticks


def test_ticks_are_round_and_not_too_many() -> None:
    assert ticks(-60, 60, 5) == [-50.0, 0.0, 50.0]
    assert ticks(0.013, 0.21, 4) == pytest.approx([0.05, 0.1, 0.15, 0.2])
    assert ticks(1.0, 1.0, 4) == []
    assert tick_words([0.05, 0.1]) == ["0.05", "0.10"]
    assert tick_words([-50.0, 0.0]) == ["-50", "0"]


def test_a_line_rises_from_left_to_right() -> None:
    canvas = draw_chart(Chart((layer([0, 1], [0, 1]),)), 10, 40)
    drawn = [
        (row, column)
        for row in range(9)
        for column in range(40)
        if 0x2800 < ord(canvas.characters[row, column]) < 0x2900
    ]
    columns = [column for _, column in drawn]
    assert len(set(columns)) > 30
    assert min(drawn)[1] > max(drawn)[1]


def test_gaps_stay_open_and_marks_keep_their_role() -> None:
    y = [1.0, 1.0, np.nan, 1.0, 1.0]
    chart = Chart((layer(range(5), y), layer([2], [1.0], "warning", "marks", "▲")))
    canvas = draw_chart(chart, 6, 44)
    (row, column) = np.argwhere(canvas.characters == "▲")[0]
    assert canvas.roles[row, column] == "warning"
    around = canvas.characters[row, [column - 4, column + 4]]
    assert list(around) == [" ", " "]


def test_cursor_and_uprights_stand_at_their_places() -> None:
    chart = Chart((layer([0, 10], [0, 1]),), uprights=((10.0, "success", "end"),), cursor=0.0)
    canvas = draw_chart(chart, 8, 40)
    cursor = np.argwhere(canvas.roles == "accent")[:, 1]
    assert len(set(cursor.tolist())) == 1
    assert "end" in canvas.text()
    assert np.argwhere(canvas.roles == "success")[:, 1].max() > cursor[0] + 20


def test_maps_have_equal_units() -> None:
    angle = np.linspace(0, 2 * np.pi, 90)
    canvas = draw_chart(Chart((layer(np.cos(angle), np.sin(angle)),), is_map=True), 20, 80)
    rows, columns = np.nonzero(canvas.roles == "series.0")
    # A cell is twice as high as wide.
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize("size", [(1, 1), (3, 12), (2, 80)])
def test_hopeless_sizes_and_values_are_survived(size: tuple[int, int]) -> None:
    for values in ([np.nan, np.nan], [3.0, 3.0], [0.0, np.inf]):
        canvas = draw_chart(Chart((layer([0, 1], values, style="fill"),)), *size)
        assert canvas.characters.shape == size
    draw_chart(Chart(()), *size)


def test_ascii_charts_are_ascii() -> None:
    chart = Chart((layer([0, 1], [0, 1]), layer([0.5], [0.5], "dim", "marks", "●")), cursor=0.2)
    assert draw_chart(chart, 8, 40, ascii_only=True).text().isascii()
