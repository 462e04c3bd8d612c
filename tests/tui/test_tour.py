"""The tour: it goes on when things are done, in whatever way, and can be left and taken up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tui.conftest import AppMaker, until
from tomotui.project import Project
from tomotui.records import Status
from tomotui.tui import session
from tomotui.tui.actions import ACTIONS
from tomotui.tui.tour import FAREWELL, STEPS, Tour, with_keys
from tomotui.tui.touring import tour_folder
from tomotui.tui.widgets.status_bar import Hints
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
    assert set(step.heard) <= set(ACTIONS)
    parts = [*with_keys(step.words, str), *with_keys(step.ask, str)]
    assert {words for words, is_key in parts if is_key} <= set(ACTIONS)
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


async def test_the_tour_follows_keys_words_and_modes_and_is_taken_up(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        assert not app.screen.query(TourPanel)
        app.run_command_line("tour")
        await until(pilot, lambda: at_step(app, "a project"))
        await pilot.press("j", "k")
        assert app.tour.at == 0
        # Left, and taken up where it was.
        await pilot.press("ctrl+k", "ctrl+k", "ctrl+x")
        await until(pilot, lambda: not app.screen.query(TourPanel))
        assert ":tour takes it up" in str(app.screen.query_one(Hints).message)
        kept = session.load_preferences()
        assert (kept.tour_step, kept.tour_is_on) == (2, False)
        app.action_tour()
        await until(pilot, lambda: at_step(app, STEPS[2].title))
        # Reached by words instead of the key.
        app.tour.at = step_number("jobs")
        app.run_command_line("jobs failed")
        await until(pilot, lambda: at_step(app, "particles"))
        assert app.current_mode == "jobs"
        app.tour.at = step_number("help")
        app.run_registered("app.help")
        await until(pilot, lambda: app.tour.step.title == "leaving")
        await pilot.press("escape")
        await until(pilot, lambda: at_step(app, "leaving"))
        await pilot.press("q")
    assert session.load_preferences().tour_step == len(STEPS)


async def test_the_tour_names_the_keys_of_the_keymap(make_app: AppMaker) -> None:
    app = make_app()
    assert (app.key_of("app.palette"), app.key_of("mode.jobs")) == ("ctrl+p", "4")
    app.set_keymap({"app.palette": "ctrl+y,f9", "mode.jobs": ""})
    assert (app.key_of("app.palette"), app.key_of("mode.jobs")) == ("ctrl+y", ":jobs")


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
