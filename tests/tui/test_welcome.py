"""The welcome screen: what it finds in a folder, what it imports, and that it leaves no trace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from textual.widgets import OptionList

from tests.tui.conftest import AppMaker, until
from tomotui.project import Project
from tomotui.tui.screens.datasets import DatasetsScreen
from tomotui.tui.screens.import_stacks import ImportScreen, PreviewError
from tomotui.tui.screens.welcome import WelcomeScreen
from tomotui.tui.widgets.table import Table


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three stacks in two folders, without a project."""
    place = tmp_path / "session"
    for name in ("raw/ts_1", "raw/ts_2", "again/ts_1"):
        path = place / f"{name}.mrc"
        path.parent.mkdir(parents=True, exist_ok=True)
        with mrcfile.new(path) as file:
            file.set_data(np.zeros((3, 4, 4), dtype=np.float32))
    # The welcome that the app begins with finds nothing.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return place


def plan(path: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": Path(path).stem,
        "stack": path,
        "n_tilts": 41,
        "tilt_range_deg": [-60.0, 60.0],
        "pixel_size_angstrom": 1.7,
        "dose_e_per_a2": 3.0,
        "warnings": [],
        "problems": [],
        "parameters": {"stack": path},
        **changes,
    }


async def understood(arguments: Sequence[str]) -> list[dict[str, Any]]:
    return [plan(path) for path in arguments]


def screen_text(app: Any) -> str:
    return "\n".join(
        "".join(segment.text for segment in strip)
        for strip in app.screen._compositor.render_strips()
    )


def choices(app: Any) -> list[str | None]:
    return [option.id for option in app.screen.query_one(OptionList).options]


def files(place: Path) -> set[Path]:
    return {path for path in place.rglob("*") if path.is_file()}


async def test_what_is_found_is_told_and_imported_on_enter(make_app: AppMaker, here: Path) -> None:
    app = make_app(None)
    async with app.run_test(size=(120, 32)) as pilot:
        app.push_screen(WelcomeScreen(here, understood))
        await until(pilot, lambda: "take" in choices(app))
        text = screen_text(app)
        assert "1 series stacks  41 tilts  -60 .. +60 deg  1.7 Å/px  3 e/Å²" in text
        assert "lies in" in text  # ts_1 is there twice
        assert files(here) == {here / f"{n}.mrc" for n in ("raw/ts_1", "raw/ts_2", "again/ts_1")}
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        await until(pilot, lambda: app.screen.query_one(Table).total == 2)
    with Project.open(here) as project:
        assert {name for job in project.jobs() for name in job.targets} == {"ts_1", "ts_2"}


async def test_looking_first_makes_no_project_until_something_is_imported(
    make_app: AppMaker, here: Path
) -> None:
    app = make_app(None)
    async with app.run_test(size=(120, 32)) as pilot:
        app.push_screen(WelcomeScreen(here, understood))
        await until(pilot, lambda: "take" in choices(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, ImportScreen))
        await until(pilot, lambda: app.screen.query_one("#plans", Table).total == 1)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, WelcomeScreen))
        assert not (here / "project.sqlite").exists()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ImportScreen))
        await until(pilot, lambda: app.screen.query_one("#plans", Table).has_focus)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        await until(pilot, lambda: app.screen.query_one(Table).total == 1)


async def test_escape_stops_the_search(make_app: AppMaker, here: Path) -> None:
    asked = asyncio.Event()

    async def forever(arguments: Sequence[str]) -> list[dict[str, Any]]:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    app = make_app(None)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = WelcomeScreen(here, forever)
        app.push_screen(screen)
        await until(pilot, asked.is_set)
        await pilot.press("escape")
        await until(pilot, lambda: "stopped" in screen_text(app))
        assert app.screen is screen
        assert not screen.is_searching
        assert "take" not in choices(app)
    assert not (here / "project.sqlite").exists()


async def test_files_that_are_not_understood_are_told(make_app: AppMaker, here: Path) -> None:
    async def refuse(arguments: Sequence[str]) -> list[dict[str, Any]]:
        if "again" in arguments[0]:
            raise PreviewError(f"{arguments[0]} is truncated; copy it again")
        return [plan(path, problems=[f"{path} gives no tilts; give an mdoc"]) for path in arguments]

    app = make_app(None)
    async with app.run_test(size=(160, 40)) as pilot:
        app.push_screen(WelcomeScreen(here, refuse))
        await until(pilot, lambda: "gives no tilts" in screen_text(app))
        text = screen_text(app)
        assert "is truncated; copy it again" in text
        assert "(and 1 like it)" in text
        assert "no tilt series" not in text
        assert choices(app)[:2] == ["look", "here"]


async def test_a_folder_without_series_offers_the_sample(
    make_app: AppMaker, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    app = make_app(None)
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(WelcomeScreen(tmp_path / "empty", understood))
        await until(pilot, lambda: "no tilt series below" in screen_text(app))
        assert choices(app)[:3] == ["here", "look", "tour"]
