from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from tests.tui.conftest import AppMaker, request, until
from tomotui.jobs.devices import Gpu
from tomotui.project import Project
from tomotui.records import Job, JobRequest
from tomotui.stages import get
from tomotui.tui.app import TomotuiApp
from tomotui.tui.screens.import_stacks import ImportScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.launch_place import PlaceRow
from tomotui.tui.screens.recipe_run import RecipeRunScreen
from tomotui.tui.widgets.fields import Choice
from tomotui.tui.widgets.table import Table


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with SLURM, and a user with two profiles."""
    monkeypatch.setattr("tomotui.tui.screens.launch_place.has_slurm", lambda: True)
    own = tmp_path / "config" / "tomotui"
    own.mkdir(parents=True)
    (own / "cluster.toml").write_text("[profiles.cpu]\n[profiles.gpu]\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def submitter(project: Project, wish: JobRequest, start_agent: bool) -> Job:
    return project.submit(wish)


async def opened(pilot: Pilot[Any], app: TomotuiApp, stage: str) -> LaunchScreen:
    await until(pilot, lambda: app.screen.query_one(Table).total == 6)
    app.launch(request(stage, ["ts_005"]))
    await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
    assert isinstance(app.screen, LaunchScreen)
    return app.screen


async def test_a_form_sends_a_job_to_the_cluster_and_keeps_that_for_the_stage(
    make_app: AppMaker, cluster: None
) -> None:
    app = make_app(submitter=submitter)
    async with app.run_test(size=(120, 40)) as pilot:
        form = await opened(pilot, app, "align")
        row = form.query_one(PlaceRow)
        await until(pilot, lambda: row.display)
        row.query_one(Choice).focus()
        await pilot.press("right", "right")
        outlook = form.query_one("#outlook", Static)
        await until(pilot, lambda: "--where slurm --profile gpu" in _words(outlook))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: not isinstance(app.screen, LaunchScreen))

        form = await opened(pilot, app, "align")
        row = form.query_one(PlaceRow)
        await until(pilot, lambda: row.display)
        assert (row.place.executor, row.place.profile) == ("slurm", "gpu")
        await pilot.press("escape")


async def test_without_slurm_there_is_nothing_to_choose(
    make_app: AppMaker,
) -> None:
    app = make_app(submitter=submitter)
    async with app.run_test(size=(120, 40)) as pilot:
        form = await opened(pilot, app, "align")
        await until(pilot, lambda: form._foresight is not None)
        row = form.query_one(PlaceRow)
        assert (row.display, row.place.executor) == (False, "local")


def _words(static: Static) -> str:
    return " ".join(str(static.content).split())


async def test_a_form_offers_as_many_processes_as_there_are_gpus(
    make_app: AppMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = [Gpu(number, f"GPU-{number}", "H100", 1 << 36) for number in range(3)]
    monkeypatch.setattr("tomotui.tui.screens.launch_place.gpus", lambda: cards)
    monkeypatch.setattr("tomotui.tui.screens.launch_place.get", lambda name: get("match"))
    app = make_app(submitter=submitter)
    async with app.run_test(size=(120, 40)) as pilot:
        form = await opened(pilot, app, "align")
        row = form.query_one(PlaceRow)
        await until(pilot, lambda: row.display)
        labels = row.query_one(Choice).labels
        assert labels == ["this machine", "this machine: 2 processes", "this machine: 3 processes"]
        row.query_one(Choice).focus()
        await pilot.press("right")
        outlook = form.query_one("#outlook", Static)
        await until(pilot, lambda: "--processes 2" in _words(outlook))


async def test_a_recipe_and_an_import_go_where_it_is_said(
    make_app: AppMaker, cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tomotui.jobs.recipe_running.submit", submitter)
    app = make_app(submitter=submitter)

    async def last_choice(pilot: Pilot[Any]) -> None:
        row = app.screen.query_one(PlaceRow)
        await until(pilot, lambda: row.display)
        row.query_one(Choice).focus()
        await pilot.press("left")
        assert row.place == ("slurm", "gpu")

    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.run_command_line("recipe standard")
        await until(pilot, lambda: isinstance(app.screen, RecipeRunScreen))
        await last_choice(pilot)
        await pilot.press("y")
        assert app.project is not None
        project = app.project
        await until(pilot, lambda: project.jobs()[-1].executor == "slurm")
        assert {job.profile for job in project.jobs()[3:]} == {"gpu"}
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, ImportScreen))
        screen = app.screen
        assert isinstance(screen, ImportScreen)
        await last_choice(pilot)
        screen.plans = [{"name": "new", "stack": "/raw/new.mrc", "problems": [], "parameters": {}}]
        wish = screen.wish()
        assert (wish.executor, wish.profile) == ("slurm", "gpu")
