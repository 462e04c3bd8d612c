from __future__ import annotations

from pathlib import Path

import pytest
from textual.message import Message

from tests.tui.conftest import AppMaker, make_alignment, make_series, until
from tomotui.project import Project
from tomotui.records import Ctf, TiltCtf
from tomotui.tui import session
from tomotui.tui.screens.datasets import DatasetsScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.slices_mode import SlicesMode
from tomotui.tui.snapshots import read_datasets
from tomotui.tui.widgets.cells import Row, plain
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
            "series", "tilts", "import", "align", "reconstruct", "resid Å", "axis °", "thick Å",
            "def µm", "hand", "fit Å", "note",
        ]  # fmt: skip
        assert cells["ts_001"][3] == "✓ 4.1 Å"
        assert "62%" in cells["ts_002"][3]
        assert cells["ts_003"][3] == "✗ failed"
        assert cells["ts_003"][-1] == "every tilt of ts_003 is empty."
        assert cells["ts_004"][3] == "◌ queued"
        assert cells["ts_005"][3] == "·"
        assert cells["ts_005"][-1] == "2 tilts left out"
        await until(pilot, lambda: app.screen.detail and app.screen.detail.name == "ts_001")
        side = app.screen.query_one("#side")
        assert side.border_title == "ts_001"


@pytest.fixture
def compared(folder: Path) -> Path:
    """Seven more series with alignments and CTFs, each odd in one way or in none."""
    with Project.open(folder) as project:
        for number in range(7):
            series = make_series(f"zz_{number}")
            alignment = make_alignment(series).replace(
                residual_angstrom=30.0 if number == 3 else 2.0 + number / 10,
                thickness_angstrom=1500.0,
            )
            defocus = 60000.0 if number == 5 else 31000.0
            ctf = Ctf(
                series_uid=series.uid,
                handedness=None if number == 6 else 1,
                fit_resolution_angstrom=8.0 + number,
                tilts=(TiltCtf(index=0, defocus_u_angstrom=defocus, defocus_v_angstrom=defocus),),
            )
            project.add_records([series, alignment, ctf])
    return folder


async def test_figures_stand_beside_the_stages_and_outliers_are_marked(
    make_app: AppMaker, compared: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(200, 40)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 13)
        table = app.screen.query_one(Table)
        figures = {row.key: [plain(cell).strip() for cell in row.cells][5:11] for row in table.rows}
        assert figures["zz_0"] == ["2.00", "85.3", "1500", "3.10", "+", "8.0"]
        assert figures["zz_3"][0] == "30.00!"
        assert figures["zz_5"][3] == "6.00!"
        assert figures["zz_6"][4] == "?"
        # The first has a tomogram but no CTF.
        assert figures["ts_001"] == ["4.10!", "85.3", "1840", "", "", ""]
        assert figures["ts_006"] == [""] * 6
        await pilot.press("/", *"odd:defocus", "enter")
        await until(pilot, lambda: shown(table) == ["zz_5"])


async def test_sorting_goes_through_the_figures_and_unknown_values_come_last(
    make_app: AppMaker, compared: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(200, 40)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 13)
        table = app.screen.query_one(Table)
        await pilot.press("j")
        await pilot.press("s")
        assert shown(table)[:3] == ["zz_3", "ts_001", "zz_6"]
        assert shown(table)[-1] == "ts_006"
        assert table.cursor_key == "ts_002"
        titles = [column.title for column in table._columns]
        assert "resid Å▼" in titles
        await pilot.press("S")
        assert shown(table)[:2] == ["zz_0", "zz_1"]
        assert shown(table)[-1] == "ts_006"
        await pilot.press(":", *"sort -resolution", "enter")
        await until(pilot, lambda: shown(table)[0] == "zz_6")
        assert app.session.sorts["datasets"] == "-resolution"
        # A click on a title does the same.
        left = 2 + sum(width + 2 for width in table._widths[:8] if width)
        await pilot.click(table, offset=(left + 1, 0))
        await until(pilot, lambda: app.session.sorts["datasets"] == "defocus")
        await pilot.press(":", *"sort name", "enter")
        await until(pilot, lambda: shown(table)[0] == "ts_001")


async def test_narrow_tables_keep_the_column_they_are_sorted_by(
    make_app: AppMaker, compared: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 13)
        table = app.screen.query_one(Table)

        def seen() -> list[str]:
            both = zip(table._columns, table._widths, strict=True)
            return [column.key for column, width in both if width]

        assert "residual" in seen()
        assert "hand" not in seen()
        await pilot.press(":", *"sort hand", "enter")
        await until(pilot, lambda: "hand" in seen())


def test_reading_many_series_takes_no_more_queries(compared: Path) -> None:
    def queries() -> int:
        with Project.open(compared, read_only=True) as project:
            count: list[str] = []
            project._db._sqlite.set_trace_callback(count.append)
            read_datasets(project)
            return len(count)

    before = queries()
    with Project.open(compared) as project:
        for number in range(30):
            series = make_series(f"more_{number}", n_tilts=3)
            project.add_records([series, make_alignment(series)])
    assert queries() == before


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
            # The matrix keeps the stages, and the rows that it needs: of many series all but a
            # strip, of few the details have the rest.
            table = app.screen.query_one(Table)
            await until(pilot, lambda: table.size.height == 1 + len(table.rows))
            assert app.screen.query_one("#side").size.height >= 10
            cells = table.rows[0].cells
            table.set_rows([Row(f"ts_{number}", cells) for number in range(40)])
            await until(pilot, lambda: table.size.height >= 16)
            header = "".join(segment.text for segment in table.render_line(0))
            assert "align" in header
            assert "reconstruct" in header
