"""Charts in the screens: read with a cursor, smoothed, and written into files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tests.tui.conftest import AppMaker, until
from tomotui.records import Metric
from tomotui.tui.plot_export import written_words
from tomotui.tui.raster.chart import Axis, Chart, layer
from tomotui.tui.raster.reading import readout, step_from
from tomotui.tui.screens.job_detail import JobDetailScreen
from tomotui.tui.widgets.chart import ChartView
from tomotui.tui.widgets.plot import Curve, MetricPlot, curve_of, smoothed
from tomotui.tui.widgets.table import Table

LOSS = Curve("loss", tuple(range(5000)), tuple(1.0 / (1 + step) for step in range(5000)), "nat")


class OneChart(App[None]):
    def __init__(self, view: ChartView) -> None:
        super().__init__()
        self.view = view

    def compose(self) -> ComposeResult:
        yield self.view


def rows(view: ChartView) -> list[str]:
    return [view.render_line(y).text for y in range(view.size.height)]


def chart() -> Chart:
    return Chart(
        (
            layer([0.1, 0.2, 0.3], [1.0, 0.5, np.nan], name="masked"),
            layer([0.2], [0.4], "error", "marks", name="bad"),
        ),
        title="FSC",
        x_axis=Axis("frequency", "1/Å"),
        y_axis=Axis("correlation"),
    )


def test_values_are_read_with_their_names_and_units() -> None:
    assert readout(chart(), 0.2) == "5 Å, frequency 0.2 1/Å  masked 0.5  bad 0.4"
    assert readout(chart(), 0.1) == "10 Å, frequency 0.1 1/Å  masked 1"
    assert step_from(chart(), None, 1) == 0.1
    assert step_from(chart(), 0.1, 1) == 0.2
    assert step_from(chart(), 0.2, 5) == 0.2
    assert step_from(Chart(()), None, 1) is None


def test_a_running_mean_is_not_drawn_towards_zero() -> None:
    assert smoothed([2.0] * 20, 0.9) == pytest.approx([2.0] * 20)
    assert smoothed([0.0, 1.0], 0.5) == pytest.approx([0.0, 2 / 3])


def test_a_curve_leaves_out_what_is_not_finite() -> None:
    metrics = [
        Metric(name="residual", step=n, value=v, unit="Å", at=0.0)
        for n, v in enumerate((1.0, np.nan, 3.0))
    ]
    assert curve_of("residual", metrics) == Curve("residual", (0, 2), (1.0, 3.0), "Å")


async def test_keys_and_mouse_move_the_cursor_over_a_chart() -> None:
    view = ChartView()
    async with OneChart(view).run_test(size=(60, 14)) as pilot:
        view.show(chart())
        view.focus()
        await pilot.press("right")
        assert rows(view)[0].strip() == "10 Å, frequency 0.1 1/Å  masked 1"
        await pilot.press("right", "right")
        assert view.pointed == 0.2
        await pilot.press("home")
        assert view.pointed == 0.1
        await pilot.click(view, offset=(58, 6))
        assert view.pointed == 0.2
        await pilot.click(view, offset=(58, 6))
        assert view.pointed is None
        # Another state of the same chart keeps the cursor, another chart does not.
        await pilot.press("right")
        view.show(chart())
        assert view.pointed == 0.1
        view.show(None, "nothing")
        assert view.pointed is None


async def press(pilot: Pilot[None], plot: MetricPlot, key: str) -> list[str]:
    await pilot.press(key)
    return rows(plot)


async def test_training_curves_are_thinned_smoothed_and_drawn_over_powers() -> None:
    plot = MetricPlot()
    async with OneChart(plot).run_test(size=(60, 14)) as pilot:
        plot.show_curves(LOSS)
        plot.focus()
        await pilot.pause()
        drawn = plot.drawn_chart()
        assert drawn is not None
        assert len(drawn.layers[0].x) <= 2 * plot.size.width
        assert plot.printable() is not None
        assert len(plot.printable().layers[0].x) == 5000  # type: ignore[union-attr]
        plain = rows(plot)
        powers = await press(pilot, plot, "Y")
        assert any(row.lstrip().startswith("0.01") for row in powers)
        await pilot.press("Y")
        assert rows(plot) == plain
        await pilot.press("s", "end")
        assert plot.words.startswith("step 4999  loss 0.0002 nat  mean 0.0002")
        plot.show_curves(Curve("loss", (0, 1), (-1.0, -2.0)))
        await pilot.press("Y")
        assert not plot.y_log


async def test_the_chart_in_view_is_written_as_all_kinds_or_one(
    make_app: AppMaker, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.run_command_line("job 2")
        await until(pilot, lambda: isinstance(app.screen, JobDetailScreen) and app.screen.detail)
        await until(pilot, lambda: app.screen.query_one(MetricPlot).curve is not None)
        await pilot.press("E")
        name = "residual-of-ts_003-0002-align"
        exports = folder / "exports"
        await until(pilot, lambda: len(list(exports.glob(f"{name}.*"))) == 3)
        with (exports / f"{name}.csv").open() as file:
            table = list(csv.reader(file))
        assert table[0] == ["series", "step", "residual (Å)"]
        assert len(table) == 41
        assert "residual (Å)" in (exports / f"{name}.svg").read_text()
        app.run_command_line("export plot mine.svg")
        await until(pilot, (tmp_path / "mine.svg").is_file)
        before = (tmp_path / "mine.svg").read_text()
        app.run_command_line("export plot mine.svg")
        await until(pilot, lambda: "is there already" in said(app))
        assert (tmp_path / "mine.svg").read_text() == before
        await pilot.press("1")
        await until(pilot, lambda: app.current_mode == "datasets")
        await pilot.press("E")
        await until(pilot, lambda: "no chart on this screen" in said(app))


def said(app: object) -> str:
    from tomotui.tui.widgets.status_bar import StatusBar

    bar = app.screen.query_one(StatusBar)  # type: ignore[attr-defined]
    return " ".join(str(one.render()) for one in bar.query("*"))


def test_what_was_written_is_told_as_shortly_as_it_can_be_found(tmp_path: Path) -> None:
    paths = [tmp_path / "cells" / "exports" / f"drift{kind}" for kind in (".svg", ".csv")]
    inside = written_words(paths, tmp_path / "cells")
    assert inside == "wrote exports/drift.svg, .csv, in the project"
    assert written_words(paths[:1], None) == f"wrote {paths[0]}"
