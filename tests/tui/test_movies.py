"""Series of movies on the screens: the import screen, and the form of a job that is run again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.tui.conftest import AppMaker, until
from tomotui.project import Project
from tomotui.records import JobRequest, Target
from tomotui.stages import all_stages, get
from tomotui.tui.screens.datasets import DatasetsScreen
from tomotui.tui.screens.import_stacks import ImportScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.widgets.fields import Choice, Field
from tomotui.tui.widgets.table import Table


async def test_the_import_screen_takes_movies_in(make_app: AppMaker, folder: Path) -> None:
    asked: list[list[str]] = []

    async def ask(arguments: Sequence[str]) -> list[dict[str, Any]]:
        asked.append(list(arguments))
        return [
            {
                "name": "new_1",
                "stage": "motion",
                "stack": "/raw/new_1.mdoc",
                "n_tilts": 41,
                "warnings": [],
                "problems": [],
                "parameters": {"movies": "/raw/new_1.mdoc", "gain": "/raw/gain.mrc"},
            }
        ]

    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.push_screen(ImportScreen(app.series_names(), ask))
        await until(pilot, lambda: isinstance(app.screen, ImportScreen))
        keys = ["tab"] * 5
        await pilot.press(*"/no/such.mdoc", *keys, *"/raw/gain.mrc", "enter")
        await until(pilot, lambda: app.screen.query_one("#plans", Table).total == 1)
        assert asked == [["/no/such.mdoc", "--gain", "/raw/gain.mrc"]]
        await pilot.press("enter", "enter")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        await until(pilot, lambda: app.screen.query_one(Table).total == 7)
    with Project.open(folder) as project:
        job = project.jobs()[-1]
        assert (job.stage, job.targets) == ("motion", ("new_1",))
        assert project.task(job.id, "new_1").parameters["movies"] == "/raw/new_1.mdoc"


async def test_the_form_has_a_field_for_every_parameter(make_app: AppMaker) -> None:
    app = make_app(stages=all_stages())
    # What only one series has belongs to that series and not into the form.
    own = Target(name="ts_001", parameters={"movies": "/raw/ts_001.mdoc"})
    wish = JobRequest(stage="motion", parameters={"local": "off"}, targets=(own,))
    async with app.run_test(size=(120, 60)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.launch(wish)
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.query(Field))
        fields = {one.info.name: one for one in app.screen.query(Field)}
        assert set(fields) == {info.name for info in get("motion").describe()} - {"movies"}
        assert fields["gain_turns"].query(Choice)
        assert fields["local"].query(Choice)


async def test_motion_is_not_offered_for_series_that_are_there(make_app: AppMaker) -> None:
    app = make_app(stages=all_stages())
    async with app.run_test(size=(120, 32)):
        assert not {"import", "motion"} & {stage.name for stage in app.launchable}
