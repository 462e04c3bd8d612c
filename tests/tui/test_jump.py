"""Letters over tabs and panes, and copying from the list of tilt series."""

from __future__ import annotations

from pathlib import Path

from tests.tui.conftest import AppMaker, until
from tomotui.tui import session
from tomotui.tui.screens.datasets import DatasetsScreen
from tomotui.tui.screens.jump import Badge
from tomotui.tui.screens.slices_mode import SlicesMode
from tomotui.tui.screens.yank import YankMenu
from tomotui.tui.widgets.slice_view import SliceView
from tomotui.tui.widgets.table import Table


async def test_letters_go_to_panes_and_tabs_and_escape_stays(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        screen = app.screen
        await pilot.press("ctrl+o")
        await until(
            pilot, lambda: "".join(one.letter for one in screen.query(Badge)) == "asdfghjklq"
        )
        await until(pilot, lambda: all(badge.region.area for badge in screen.query(Badge)))
        side = screen.query_one("#side")
        places = {badge.letter: badge.region.offset for badge in screen.query(Badge)}
        assert places["q"] == (side.region.x + 1, side.region.y)
        assert places["a"].y == 0
        await pilot.press("q")
        await until(pilot, lambda: side.has_focus and not screen.query(Badge))
        await pilot.press("ctrl+o", "escape")
        await until(pilot, lambda: not screen.query(Badge))
        assert side.has_focus
        # A letter that is a key elsewhere does nothing but take the letters away.
        await pilot.press("ctrl+o", "w")
        await until(pilot, lambda: not screen.query(Badge))
        await pilot.press("ctrl+o", "f")
        await until(pilot, lambda: app.current_mode == "jobs")


async def test_jump_and_zoom_work_on_slices(make_app: AppMaker, folder: Path) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, SlicesMode))
        picture = app.screen.query_one(SliceView)
        await until(pilot, lambda: picture.size.width == 90)
        await pilot.press("z")
        await until(pilot, lambda: picture.size.width == 120)
        await pilot.press("escape")
        await until(pilot, lambda: picture.size.width == 90)
        await pilot.press("ctrl+o", "a")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))


async def test_the_palette_and_the_line_jump_too(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press(":", *"jump", "enter")
        await until(pilot, lambda: len(app.screen.query(Badge)) == 10)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, SlicesMode))


async def test_a_series_is_copied_by_path_name_or_command(make_app: AppMaker, folder: Path) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        for key, text in (
            ("p", str(folder / "raw/ts_005.mrc")),
            ("i", "ts_005"),
            ("c", f"tomotui run align --on ts_005 -p {folder}"),
        ):
            app.screen.query_one(Table).go_to_key("ts_005")
            await pilot.press("y")
            await until(pilot, lambda: isinstance(app.screen, YankMenu) and app.screen.is_mounted)
            await pilot.press(key)
            await until(pilot, lambda text=text: app.clipboard == text)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, YankMenu))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))


def test_bookmarks_are_kept_with_the_session(tmp_path: Path) -> None:
    mark = session.Bookmark(series="ts_1", uid="u", axis="y", index=4, centre=(1.5, 2.0), zoom=2.0)
    session.save_session(tmp_path, session.Session(bookmarks={"b": mark}))
    assert session.load_session(tmp_path).bookmarks == {"b": mark}
