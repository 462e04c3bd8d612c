"""Every screen in 60 columns and 16 lines: one pane at a time, nothing essential lost."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList

from tests.tui.conftest import AppMaker, request, start, until
from tests.tui.variation_project import make_variation
from tomotui.project import Project
from tomotui.tui.screens.base import Frame
from tomotui.tui.screens.confirm import ConfirmScreen
from tomotui.tui.screens.gallery import GalleryScreen
from tomotui.tui.screens.help import HelpScreen
from tomotui.tui.screens.import_stacks import ImportScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.palette import Palette
from tomotui.tui.screens.quality import QualityScreen
from tomotui.tui.screens.slices_mode import SlicesMode
from tomotui.tui.screens.wait import WaitScreen
from tomotui.tui.screens.yank import YankMenu
from tomotui.tui.widgets.header import HeaderLine
from tomotui.tui.widgets.slice_view import SliceView
from tomotui.tui.widgets.status_bar import StatusBar
from tomotui.tui.widgets.table import Table
from tomotui.tui.widgets.tile_sheet import TileSheet

SIZE = (60, 16)
LEAST_ROWS = 8


def screen_lines(app: Any) -> list[str]:
    return [
        "".join(segment.text for segment in strip)
        for strip in app.screen._compositor.render_strips()
    ]


def focused_pane(app: Any) -> Any:
    """Return the pane that has the focus; what has it when it lies in none."""
    focused = app.screen.focused
    assert focused is not None
    panes = [one for one in focused.ancestors_with_self if one.has_class("pane")]
    return panes[0] if panes else focused


def assert_usable(app: Any) -> None:
    screen = app.screen
    lines = screen_lines(app)
    assert len(lines) == SIZE[1]
    assert all(len(line) <= SIZE[0] for line in lines)
    if not isinstance(screen, Frame):
        return
    assert screen.query_one(HeaderLine).region.y == 0
    assert screen.query_one(StatusBar).region.y == SIZE[1] - 1
    for crumb in screen.crumbs():
        assert crumb[:12] in lines[0]
    pane = focused_pane(app)
    assert pane.content_size.height >= LEAST_ROWS, pane
    assert pane.region.bottom < SIZE[1], pane


def shows(app: Any, kind: type[Screen[Any]]) -> bool:
    return isinstance(app.screen, kind)


def assert_fits(app: Any) -> None:
    """Nothing of a dialog lies beyond the screen, and what it offers can be reached."""
    whole = app.screen.region
    for dialog in app.screen.query(".dialog"):
        assert whole.contains_region(dialog.region), dialog
    for button in app.screen.query(Button):
        assert whole.contains_region(button.region), button
    for choices in app.screen.query(OptionList):
        assert choices.size.height >= 2, choices
    assert not any(line.strip().startswith("Widget#") for line in screen_lines(app))


async def each_pane(pilot: Pilot[Any], app: Any) -> None:
    """Go once through what can have the focus, by tab, and look at each."""
    seen: list[Widget] = []
    while app.screen.focused not in seen:
        seen.append(app.screen.focused)
        await until(pilot, lambda: focused_pane(app).content_size.height >= LEAST_ROWS)
        assert_usable(app)
        app.screen.focus_next()
        await pilot.pause()
    assert len(seen) < 12


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A project with something on every screen."""
    place = tmp_path / "whole"
    make_variation(place)
    with Project.open(place) as project:
        names = [series.name for series in project.tilt_series()]
        job = project.submit(request("align", names, thickness_angstrom=3000.0))
        start(project, job, names[0], 0.6, "round 3 of 6")
    return place


async def test_every_mode_keeps_a_pane_of_use(make_app: AppMaker, whole: Path) -> None:
    app = make_app(whole)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 2)
        await each_pane(pilot, app)
        app.go_to_mode("live")
        await until(pilot, lambda: app.screen.query_one(Table).total > 0)
        assert_usable(app)
        app.show_job(1)
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await until(pilot, lambda: app.screen.query_one(Table).total == 2)
        await each_pane(pilot, app)
        await pilot.press("escape")
        app.go_to_mode("cluster")
        await until(pilot, lambda: app.screen.query_one(Table).total > 0)
        # As where there is a scheduler, whose partitions are one pane more.
        app.screen.query_one("#partitions-pane").add_class("-there")
        await each_pane(pilot, app)
        for mode in ("maps", "variation"):
            app.go_to_mode(mode)
            await until(pilot, lambda: app.screen.query_one(Table).total > 0)
            assert_usable(app)
            await pilot.press("tab")
            await until(pilot, lambda: not getattr(app.screen, "in_list", True))
            await until(pilot, lambda: focused_pane(app).content_size.height >= LEAST_ROWS)
            assert_usable(app)


async def test_pictures_get_all_rows_but_three_and_forms_keep_their_buttons(
    make_app: AppMaker, whole: Path
) -> None:
    app = make_app(whole)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 2)
        # The list stays open while its filter is typed.
        await pilot.press("/", "1")
        await until(pilot, lambda: len(app.screen.query_one(Table).rows) == 1)
        assert app.screen.query_one(Table).size.height >= LEAST_ROWS
        await pilot.press("escape", "escape")
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        await until(pilot, lambda: app.screen.query_one("#fields").size.height >= LEAST_ROWS)
        assert app.screen.query_one("#run", Button).region.bottom < SIZE[1]
        await pilot.press("escape")
        app.action_import_stacks()
        await until(pilot, lambda: isinstance(app.screen, ImportScreen))
        await until(pilot, lambda: app.screen.query_one("#plans", Table).size.height >= LEAST_ROWS)
        assert app.screen.query_one("#run", Button).region.bottom < SIZE[1]
        assert all(line.size.width > 8 for line in app.screen.query(Input))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, Frame))
        app.show_slices("ts_1")
        await until(pilot, lambda: isinstance(app.screen, SlicesMode))
        await until(pilot, lambda: app.screen.query_one(SliceView).size.height == SIZE[1] - 3)
        assert_usable(app)
        app.go_to_mode("picks")
        await until(pilot, lambda: app.current_mode == "picks")
        await until(pilot, lambda: app.screen.query_one(SliceView).size.height == SIZE[1] - 3)
        assert_usable(app)


async def test_jobs_quality_tiles_and_dialogs_fit(make_app: AppMaker, whole: Path) -> None:
    app = make_app(whole)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 2)
        for key, kind in (("?", HelpScreen), ("ctrl+p", Palette), ("y", YankMenu)):
            await pilot.press(key)
            await until(pilot, partial(shows, app, kind))
            assert_fits(app)
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, Frame))
        wait = WaitScreen("deciding about 120000 candidates")
        app.push_screen(wait)
        await until(pilot, lambda: wait.query(".dialog"))
        assert_fits(app)
        wait.dismiss()
        await pilot.press("Q")
        await until(pilot, lambda: isinstance(app.screen, QualityScreen))
        await each_pane(pilot, app)
        await pilot.press("escape", "4")
        await until(pilot, lambda: app.current_mode == "jobs" and app.screen.query_one(Table).total)
        await each_pane(pilot, app)
        # The percentage is told, where there is no room for the bar before it.
        app.screen.query_one(Table).focus()
        await until(pilot, lambda: any("stage" in line for line in screen_lines(app)))
        lines = screen_lines(app)
        assert any(" 30%" in line and "align" in line for line in lines), lines
        assert "note" in next(line for line in lines if "stage" in line)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert_fits(app)
        assert app.screen.query_one("#yes", Button).region.bottom < SIZE[1]
        await pilot.press("n")
        app.go_to_mode("picks")
        await until(pilot, lambda: app.current_mode == "picks")
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen))
        await until(pilot, lambda: app.screen.query_one(TileSheet).size.height == SIZE[1] - 3)
        assert_usable(app)
        # What does not fit whole is left out of the line.
        words = str(app.screen.query_one("#gallery-status").render())
        assert len(words) < SIZE[0]
        assert words.rstrip().rsplit(None, 1)[-1].isalpha()
