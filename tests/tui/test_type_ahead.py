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
from tomotui.tui.screens.job_detail import JobDetailScreen
from tomotui.tui.screens.jobs import JobsScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.theme_picker import ThemePicker
from tomotui.tui.snapshots import DatasetsSnapshot, JobsReader, JobsSnapshot, read_datasets
from tomotui.tui.widgets.status_bar import Hints

SLOW_SECONDS = 0.05
PATIENCE_SECONDS = 20.0


class Gate:
    """Readings of the project that wait until they may go on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.datasets, self.jobs = threading.Event(), threading.Event()
        read_jobs = JobsReader.__call__

        def slow_datasets(*given: Any) -> DatasetsSnapshot:
            assert self.datasets.wait(PATIENCE_SECONDS)
            return read_datasets(*given)

        def slow_jobs(*given: Any) -> JobsSnapshot:
            assert self.jobs.wait(PATIENCE_SECONDS)
            return read_jobs(*given)

        patch.setattr("tomotui.tui.screens.datasets.read_datasets", slow_datasets)
        patch.setattr(JobsReader, "__call__", slow_jobs)


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


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def is_told(app: TomotuiApp, words: str) -> bool:
    return words in app.screen.query_one(Hints).message


def typed_into(app: TomotuiApp, field: str) -> str:
    return app.screen.query_one(f"#value-{field}", Input).value


@pytest.mark.usefixtures("slow_dialogs")
async def test_what_is_typed_ahead_reaches_what_it_is_meant_for(
    make_app: AppMaker, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        screen = app.screen
        assert isinstance(screen, DatasetsScreen)
        await before_the_first_reading(app, pilot, screen, gate)
        await through_dialogs(app, pilot, screen)
        await for_what_does_not_come(app, pilot, screen, monkeypatch)


async def before_the_first_reading(
    app: TomotuiApp, pilot: Pilot[Any], screen: DatasetsScreen, gate: Gate
) -> None:
    """Keys about what is listed wait for the lists; those about anything else do not."""
    type_at_once(app, "L", "end", "5")
    await until(pilot, lambda: is_told(app, "being read"))
    gate.datasets.set()
    await until(pilot, lambda: typed_into(app, "binning") == "25")
    type_at_once(app, "escape", "4")
    await until(pilot, lambda: isinstance(app.screen, JobsScreen))
    # The cursor, then what it is on.
    type_at_once(app, "j", "enter")
    await until(pilot, lambda: is_told(app, "being read"))
    gate.jobs.set()
    await until(pilot, lambda: isinstance(app.screen, JobDetailScreen))
    assert isinstance(app.screen, JobDetailScreen)
    assert app.screen.job_id == 2
    type_at_once(app, "escape", "1")
    await until(pilot, lambda: app.screen is screen)


async def through_dialogs(app: TomotuiApp, pilot: Pilot[Any], screen: DatasetsScreen) -> None:
    """Keys go where the ones before them lead, however long that takes."""
    # Into the form, not into the list below it.
    type_at_once(app, "L", "end", *["backspace"] * 3, *"7.5")
    await until(pilot, lambda: typed_into(app, "binning") == "7.5")
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
    await until(pilot, lambda: typed_into(app, "thickness_angstrom") == "25009")
    type_at_once(app, "escape")
    await until(pilot, lambda: app.screen is screen)


async def for_what_does_not_come(
    app: TomotuiApp, pilot: Pilot[Any], screen: DatasetsScreen, patch: pytest.MonkeyPatch
) -> None:
    """A screen that does not come keeps nobody waiting for long."""
    assert screen.table.selection.marks == {"ts_002"}
    # The job is read first; what is typed behind it waits for its screen.
    type_at_once(app, *":job 2", "enter", "escape", "1", "j", "space")
    await until(pilot, lambda: screen.table.selection.marks == {"ts_002", "ts_005"})
    assert app.screen is screen
    patch.setattr(type_ahead, "MOST_SECONDS", 0.1)
    app.await_screen()
    type_at_once(app, "space")
    await until(pilot, lambda: not app.n_awaited)
    assert is_told(app, "dropped")
    type_at_once(app, "k")
    await until(pilot, lambda: screen.table.cursor_key == "ts_005")
    assert screen.table.selection.marks == {"ts_002", "ts_005"}
