"""What is typed faster than screens open and close."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.conftest import AppMaker, until
from tomotui.tui import type_ahead
from tomotui.tui.app import TomotuiApp
from tomotui.tui.screens.base import Modal
from tomotui.tui.screens.datasets import DatasetsScreen
from tomotui.tui.screens.jobs import JobsScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.theme_picker import ThemePicker
from tomotui.tui.snapshots import DatasetsSnapshot, read_datasets
from tomotui.tui.widgets.status_bar import Hints

SLOW_SECONDS = 0.05


def type_at_once(app: TomotuiApp, *keys: str) -> None:
    """Let keys arrive in one piece, as a slow link delivers them."""
    for key in keys:
        character = key if len(key) == 1 else " " if key == "space" else None
        event = events.Key({":": "colon", "/": "slash"}.get(key, key), character)
        event.set_sender(app)
        assert app._driver is not None
        app._driver.send_message(event)


@pytest.fixture
def slow_dialogs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let dialogs take their time to open and to close, as on a machine with other work."""
    opened, closed = Modal._on_mount, Modal._on_unmount

    async def slow_mount(self: Modal, event: events.Mount) -> None:
        await asyncio.sleep(SLOW_SECONDS)
        opened(self, event)

    async def slow_unmount(self: Modal) -> None:
        await asyncio.sleep(SLOW_SECONDS)
        closed(self)

    monkeypatch.setattr(Modal, "_on_mount", slow_mount)
    monkeypatch.setattr(Modal, "_on_unmount", slow_unmount)


async def listed(pilot: Pilot[Any]) -> DatasetsScreen:
    """Wait for the list of series."""
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, DatasetsScreen) and app.screen.snapshot.rows)
    assert isinstance(app.screen, DatasetsScreen)
    return app.screen


@pytest.mark.usefixtures("slow_dialogs")
async def test_keys_reach_what_is_there_when_those_before_have_had_their_effects(
    make_app: AppMaker,
) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        screen = await listed(pilot)
        # Into the form, not into the list below it.
        type_at_once(app, "L", "end", *["backspace"] * 3, *"7.5")
        await until(pilot, lambda: app.screen.query_one("#value-binning", Input).value == "7.5")
        assert isinstance(app.screen, LaunchScreen)
        assert not screen.table.selection.marks
        # Into the list, once the form is closed; then into the line of another mode.
        type_at_once(app, "escape", "j", "space", "4", *":theme", "enter")
        await until(pilot, lambda: isinstance(app.screen, ThemePicker))
        assert screen.table.selection.marks == {"ts_002"}
        assert isinstance(app.screen_stack[-2], JobsScreen)
        type_at_once(app, "escape", "1", "j")
        await until(pilot, lambda: app.screen is screen and screen.table.cursor_key == "ts_004")
        # From another mode, by way of the list.
        type_at_once(app, "4", *":run align", "enter", "end", "9")
        await until(
            pilot, lambda: app.screen.query_one("#value-thickness_angstrom", Input).value == "25009"
        )


async def test_a_screen_that_does_not_come_keeps_nobody_waiting(
    make_app: AppMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        screen = await listed(pilot)
        # The job is read first; what is typed behind it waits for its screen.
        type_at_once(app, *":job 2", "enter", "escape", "1", "j", "space")
        await until(pilot, lambda: screen.table.selection.marks == {"ts_002"})
        assert app.screen is screen
        monkeypatch.setattr(type_ahead, "MOST_SECONDS", 0.1)
        app.await_screen()
        type_at_once(app, "space")
        await until(pilot, lambda: not app.n_awaited)
        assert "dropped" in screen.query_one(Hints).message
        type_at_once(app, "j")
        await until(pilot, lambda: screen.table.cursor_key == "ts_004")
        assert screen.table.selection.marks == {"ts_002"}


async def test_a_launch_waits_for_the_first_reading(
    make_app: AppMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_read = threading.Event()

    def slow(*given: Any) -> DatasetsSnapshot:
        assert may_read.wait(20)
        return read_datasets(*given)

    monkeypatch.setattr("tomotui.tui.screens.datasets.read_datasets", slow)
    app = make_app()
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        screen = app.screen
        type_at_once(app, "L", "end", "5")
        await until(pilot, lambda: "being read" in screen.query_one(Hints).message)
        may_read.set()
        await until(pilot, lambda: app.screen.query_one("#value-binning", Input).value == "25")
