from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.tui.conftest import AppMaker, finish, make_alignment, make_series, request, until
from tomotui.jobs.files import Lock, write_model
from tomotui.jobs.liveness import own_identity
from tomotui.jobs.watch_presence import WatchInfo, WatchOptions, watch_files
from tomotui.project import Project
from tomotui.records import Status
from tomotui.tui.live_feed import LiveSnapshot
from tomotui.tui.screens.live import LiveScreen
from tomotui.tui.screens.live_words import TRENDS, session_facts, trend_curve
from tomotui.tui.screens.slices_mode import SlicesMode
from tomotui.tui.theme import FALLBACK
from tomotui.tui.widgets.cells import plain
from tomotui.tui.widgets.plot import MetricPlot
from tomotui.tui.widgets.table import Table


@pytest.fixture
def session(folder: Path) -> Path:
    """Six more series, aligned: one of them ten times as badly, on another axis."""
    with Project.open(folder) as project:
        names = [f"live_{number}" for number in range(6)]
        series = [make_series(name) for name in names]
        project.add_records(series)
        job = project.submit(request("align", names))
        for at, one in enumerate(series):
            alignment = make_alignment(one)
            if at == 4:
                alignment = alignment.replace(residual_angstrom=41.0, verdict="poor")
            finish(project, job, one.name, Status.DONE, summary="4.1 Å", records=(alignment,))
    return folder


def watching(project_folder: Path, **more: object) -> WatchInfo:
    now = time.time()
    return WatchInfo(
        process=own_identity(),
        started_at=now,
        heartbeat_at=now,
        version="1",
        options=WatchOptions(folder=Path("/data/krios1"), recipe="standard"),
        **more,  # type: ignore[arg-type]
    )


async def test_the_board_shows_the_newest_first_with_what_is_out_of_the_ordinary(
    make_app: AppMaker, session: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(150, 40)) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: app.screen.query_one(Table).total == 12)
        table = app.screen.query_one(Table)
        cells = {row.key: [plain(cell).strip() for cell in row.cells] for row in table.rows}
        assert [row.key for row in table.rows][:2] == ["live_5", "live_4"]
        assert cells["live_4"][2] == "41.00!"
        assert cells["live_4"][7] == "poor"
        assert cells["live_4"][9] == "odd residual"
        assert cells["live_0"][2] == "4.10"
        assert cells["live_0"][8] == "✓ done"
        assert cells["ts_003"][8] == "✗ failed align"
        assert cells["ts_003"][9] == "every tilt of ts_003 is empty."
        assert "62%" in cells["ts_002"][8]
        assert cells["ts_004"][8] == "◌ queued align"


async def test_totals_and_the_trend_stand_below(make_app: AppMaker, session: Path) -> None:
    app = make_app()
    async with app.run_test(size=(150, 40)) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: app.screen.query_one(Table).total == 12)
        screen = app.screen
        assert isinstance(screen, LiveScreen)
        await until(pilot, lambda: "series 12" in screen._facts)
        assert "✗\N{NBSP}1\N{NBSP}failed" in screen._facts
        assert "nothing is being watched" in screen._facts
        curve = screen.query_one(MetricPlot).curve
        assert curve is not None
        assert (curve.name, len(curve.y), max(curve.y)) == ("residual", 7, 41.0)
        await pilot.press("m", "m", "m")
        curve = screen.query_one(MetricPlot).curve
        assert curve is not None
        assert curve.name == "axis"
        assert screen.query_one("#trend-pane").border_subtitle == "4 of 4, m next"


async def test_a_watcher_and_what_waits_are_shown_while_it_lives(
    make_app: AppMaker, session: Path
) -> None:
    files = watch_files(session, Path("/data/krios1"))
    files.info.parent.mkdir()
    lock = Lock(files.lock)
    assert lock.acquire()
    write_model(files.info, watching(session, taken=6, waiting={"/data/krios1/x.mrc": "grows"}))
    app = make_app()
    async with app.run_test(size=(150, 40)) as pilot:
        await pilot.press("7")
        screen = app.screen
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        screen = app.screen
        assert isinstance(screen, LiveScreen)
        await until(pilot, lambda: "watching /data/krios1" in screen._facts)
        assert "taken 6" in screen._facts
        assert "waits x.mrc: grows" in screen._facts
        lock.release()
        await until(pilot, lambda: "nothing is being watched" in screen._facts)


async def test_keys_go_to_what_deserves_a_look_and_run_it_again(
    make_app: AppMaker, session: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(150, 40)) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: app.screen.query_one(Table).total == 12)
        table = app.screen.query_one(Table)
        await pilot.press("n")
        await until(pilot, lambda: table.cursor_key == "live_4")
        await pilot.press("n")
        await until(pilot, lambda: table.cursor_key == "ts_003")
        await until(pilot, lambda: "every tilt of ts_003 is empty." in app.screen._facts)
        await pilot.press("r")

        def is_queued() -> bool:
            with Project.open(session, read_only=True) as project:
                return project.task(2, "ts_003").status == Status.QUEUED

        await until(pilot, is_queued)
        await until(pilot, lambda: "failed" not in app.screen._facts)
        await pilot.press("n")
        await until(pilot, lambda: table.cursor_key == "live_4")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SlicesMode))
        await pilot.press("7")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))


async def test_a_filter_finds_what_is_odd_and_the_line_goes_there(
    make_app: AppMaker, session: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await pilot.press(":", *"live odd", "enter")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        table = app.screen.query_one(Table)
        await until(pilot, lambda: [row.key for row in table.rows] == ["live_4"])
        await pilot.press("escape")
        await until(pilot, lambda: len(table.rows) == 12)


@pytest.mark.parametrize("size", [(80, 24), (50, 16), (200, 60)])
async def test_every_size_shows_the_board(
    make_app: AppMaker, session: Path, size: tuple[int, int]
) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: app.screen.query_one(Table).total == 12)
        table = app.screen.query_one(Table)
        assert table._widths[0] >= 8
        assert table._widths[8] >= 10


async def test_an_empty_project_says_how_series_come(make_app: AppMaker, tmp_path: Path) -> None:
    Project.create(tmp_path / "empty").close()
    app = make_app(tmp_path / "empty")
    async with app.run_test(size=(120, 32)) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        assert "tomotui watch FOLDER" in app.screen.query_one(Table).empty
        await pilot.press("n", "m", "r", "y", "enter")
        await until(pilot, lambda: "nothing" in app.screen._facts)


def test_a_trend_without_values_is_empty() -> None:
    assert trend_curve((), TRENDS[0]).x == ()
    words = session_facts(LiveSnapshot(), None, 0.0, FALLBACK, False).plain
    assert "series 0" in words
