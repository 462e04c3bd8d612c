from __future__ import annotations

from pathlib import Path

import pytest
from textual.message import Message

from tests.tui.conftest import AppMaker, make_series, until
from tomotui.project import Project
from tomotui.tui import session
from tomotui.tui.screens.datasets import DatasetsScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.slices_mode import SlicesMode
from tomotui.tui.widgets.cells import plain
from tomotui.tui.widgets.table import Table


def shown(table: Table) -> list[str]:
    return [row.key for row in table.rows]


async def test_the_matrix_shows_what_each_stage_has_made(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        table = app.screen.query_one(Table)
        cells = {row.key: [plain(cell) for cell in row.cells] for row in table.rows}
        assert [column.title for column in table._columns] == [
            "series", "tilts", "import", "align", "reconstruct", "note",
        ]  # fmt: skip
        assert cells["ts_001"][3] == "✓ 4.1 Å"
        assert "62%" in cells["ts_002"][3]
        assert cells["ts_003"][3] == "✗ failed"
        assert cells["ts_003"][5] == "every tilt of ts_003 is empty."
        assert cells["ts_004"][3] == "◌ queued"
        assert cells["ts_005"][3] == "·"
        assert cells["ts_005"][5] == "2 tilts left out"
        await until(pilot, lambda: app.screen.detail and app.screen.detail.name == "ts_001")
        side = app.screen.query_one("#side")
        assert side.border_title == "ts_001"


async def test_typing_a_filter_narrows_the_list_and_escape_brings_all_back(
    make_app: AppMaker,
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        table = app.screen.query_one(Table)
        await pilot.press("/", *"ts_00[12]")
        await until(pilot, lambda: shown(table) == ["ts_001", "ts_002"])
        await pilot.press("enter")
        await until(pilot, lambda: table.has_focus)
        assert "2 of 6" in app.screen.status_bar.query_one("Hints").right
        await pilot.press("escape")
        await until(pilot, lambda: len(shown(table)) == 6)
        await pilot.press("/", *"!done")
        await until(pilot, lambda: len(shown(table)) == 0)
        await pilot.press("escape")
        await until(pilot, lambda: len(shown(table)) == 6)


async def test_a_filter_finds_states(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        table = app.screen.query_one(Table)
        await pilot.press("/", *"align:failed", "enter")
        await until(pilot, lambda: shown(table) == ["ts_003"])


async def test_launching_works_on_the_marked_series(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("end", "v", "k", "v", "L")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        assert [target.name for target in app.screen.request.targets] == ["ts_005", "ts_006"]
        # Both were imported and not yet aligned.
        assert app.screen.stage.name == "align"
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        table = app.screen.query_one(Table)
        assert table.selection.marks == {"ts_005", "ts_006"}
        await pilot.press("escape")
        await until(pilot, lambda: not table.selection.marks)


async def test_opening_a_row_says_which_and_shows_its_slices(make_app: AppMaker) -> None:
    messages: list[Message] = []
    app = make_app()
    async with app.run_test(size=(120, 32), message_hook=messages.append) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, SlicesMode))
        opened = [m.key for m in messages if isinstance(m, Table.Activated)]
        assert set(opened) == {"ts_002"}
        await until(pilot, lambda: app.screen.crumbs() == ("ts_002",))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        await pilot.press("k", "enter")
        await until(pilot, lambda: isinstance(app.screen, SlicesMode))
        await until(pilot, lambda: app.screen.crumbs() == ("ts_001",))


async def test_new_series_appear_by_themselves_and_the_cursor_stays(
    make_app: AppMaker, folder: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        table = app.screen.query_one(Table)
        await pilot.press("j", "j")
        with Project.open(folder) as project:
            project.add_records([make_series("ts_000")])
        await until(pilot, lambda: table.total == 7)
        assert table.cursor_key == "ts_003"


async def test_where_one_was_is_found_again(make_app: AppMaker, folder: Path) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("/", *"ts_", "enter", "j", "j", "j")
        await until(pilot, lambda: app.screen.query_one(Table).cursor_key == "ts_004")
        app.use_theme("deuter")
        await pilot.press("4", "q")
    kept = session.load_session(folder)
    assert (kept.mode, kept.series, kept.theme) == ("jobs", "ts_004", "deuter")
    again = make_app()
    async with again.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: again.current_mode == "jobs")
        assert again.theme == "deuter"
        await pilot.press("1")
        await until(pilot, lambda: again.screen.query_one(Table).cursor_key == "ts_004")
        assert again.screen.query_one(Table).filter.text == "ts_"


async def test_read_only_refuses_to_launch(make_app: AppMaker) -> None:
    app = make_app(read_only=True)
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("L")
        await pilot.pause()
        assert isinstance(app.screen, DatasetsScreen)
        assert "read-only" in app.screen.status_bar.query_one("Hints").message


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (8, 3)])
async def test_every_screen_stands_in_every_size(make_app: AppMaker, size: tuple[int, int]) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        await pilot.press("escape", "2", "4", "enter")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.press("?", "escape", "escape", "1")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        if size == (80, 24):
            # Each pane can have the whole screen, and gives it back.
            await pilot.press("tab", "z")
            await until(pilot, lambda: app.screen.query_one("#side").size.height >= 19)
            assert not app.screen.query_one("#main").display
            await pilot.press("escape", "shift+tab")
            await until(pilot, lambda: app.screen.query_one(Table).has_focus)
            # The matrix keeps the stages and all but a strip of the rows.
            table = app.screen.query_one(Table)
            assert table.size.height >= 16
            header = "".join(segment.text for segment in table.render_line(0))
            assert "align" in header
            assert "reconstruct" in header
