"""The tour: it goes on when things are done, in whatever way, and can be left and taken up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tui.conftest import AppMaker, until
from tomotui.project import Project
from tomotui.records import Status
from tomotui.tui import keymap, session
from tomotui.tui.actions import ACTIONS
from tomotui.tui.screens.datasets import DatasetsScreen
from tomotui.tui.tour import FAREWELL, STEPS, Tour, with_keys
from tomotui.tui.touring import tour_folder
from tomotui.tui.widgets.table import Table
from tomotui.tui.widgets.tour_panel import TourPanel


def panel_text(app: Any) -> str:
    return str(app.screen.query_one(TourPanel).render())


def at_step(app: Any, title: str) -> bool:
    return app.tour.step.title == title and f"tour · {title}" in panel_text(app)


def step_number(title: str) -> int:
    return [step.title for step in STEPS].index(title)


@pytest.mark.parametrize("step", [*STEPS, FAREWELL], ids=lambda step: step.title)
def test_every_step_speaks_of_actions_that_exist(step: Any) -> None:
    assert set(step.heard) - {"tilt.quality"} <= set(ACTIONS)
    named: list[str] = []
    for text in (step.words, step.ask):
        with_keys(text, lambda action: named.append(action) or "")
    assert set(named) <= set(ACTIONS)
    assert step is FAREWELL or step.heard or step.mode
    assert len(step.words) + len(step.ask) < 250


def test_skipping_stays_within_the_tour_and_the_end_begins_anew() -> None:
    tour = Tour()
    tour.begin()
    tour.skip(-1)
    assert tour.at == 0
    for _ in range(len(STEPS) + 3):
        tour.skip()
    assert tour.step is FAREWELL
    assert not tour.hear({"app.help"}, "datasets")
    tour.begin()
    assert tour.at == 0


async def test_the_tour_follows_keys_words_and_modes(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        assert not app.screen.query(TourPanel)
        app.run_command_line("tour")
        await until(pilot, lambda: at_step(app, "a project"))
        await pilot.press("j", "k")
        assert app.tour.at == 0
        app.tour.at = step_number("jobs")
        app.run_command_line("jobs failed")
        await until(pilot, lambda: at_step(app, "particles"))
        assert app.current_mode == "jobs"
        app.tour.at = step_number("help")
        app.run_registered("app.help")
        await until(pilot, lambda: app.tour.step.title == "leaving")
        await pilot.press("escape")
        await until(pilot, lambda: at_step(app, "leaving"))
        # The other screens know as well.
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        await until(pilot, lambda: at_step(app, "leaving"))
        await pilot.press("q")
    assert session.load_preferences().tour_step == len(STEPS)


async def test_the_tour_is_left_and_taken_up_another_day(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.run_command_line("tour")
        await until(pilot, lambda: at_step(app, "a project"))
        await pilot.press("ctrl+k", "ctrl+k")
        await until(pilot, lambda: at_step(app, STEPS[2].title))
        await pilot.press("ctrl+x")
        await until(pilot, lambda: not app.screen.query(TourPanel))
        assert ":tour takes it up" in str(app.screen.status_bar.query_one("Hints").message)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        assert not app.screen.query(TourPanel)
        app.action_tour()
        await until(pilot, lambda: at_step(app, STEPS[2].title))
        app.run_command_line("tour again")
        await until(pilot, lambda: at_step(app, STEPS[0].title))


async def test_the_tour_names_the_keys_of_the_keymap(
    make_app: AppMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.run_command_line("tour")
        await until(pilot, lambda: at_step(app, "a project"))
        app.tour.at = step_number("the palette")
        folder = keymap.user_folder()
        folder.mkdir(parents=True)
        (folder / "mine.toml").write_text('[keys]\n"app.palette" = ["ctrl+y"]\n')
        app.use_keymap("mine")
        app.show_tour(app.screen)
        await until(pilot, lambda: "ctrl+y opens the palette" in panel_text(app))
        await pilot.press("ctrl+y")
        await until(pilot, lambda: app.tour.step.title == "the command line")


async def test_without_a_project_the_tour_makes_that_of_the_sample(
    make_app: AppMaker, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    app = make_app(None)
    async with app.run_test(size=(120, 32)) as pilot:
        app.action_tour()
        await until(pilot, lambda: at_step(app, "a project"))
        assert app.folder == tour_folder()
    with Project.open(tour_folder()) as project:
        assert [job.stage for job in project.jobs()] == ["import", "align", "reconstruct"]
        assert {job.status for job in project.jobs()} == {Status.QUEUED}
