"""Every screen in 60 columns and 16 lines: one pane at a time, nothing essential lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Button, Input

from tests.tui.conftest import AppMaker, request, start, until
from tests.tui.variation_project import make_variation
from tomotui.project import Project
from tomotui.tui.screens.base import Frame
from tomotui.tui.screens.import_stacks import ImportScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.slices_mode import SlicesMode
from tomotui.tui.widgets.header import HeaderLine
from tomotui.tui.widgets.slice_view import SliceView
from tomotui.tui.widgets.status_bar import StatusBar
from tomotui.tui.widgets.table import Table

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
