"""What the form says of stages that work on several series together, and of what they make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.conftest import STAGES, AppMaker, finish, request, until
from tomotui.project import Project
from tomotui.records import JobRequest, Network, Status, Target
from tomotui.stages import all_stages, get
from tomotui.stages.base import Stage
from tomotui.stages.restore import RestoreStage
from tomotui.stages.restore_train import RestoreTrainStage
from tomotui.tui.app import TomotuiApp
from tomotui.tui.foresight import foresee, makers_of, series_meant
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.shell_words import run_command
from tomotui.tui.widgets.fields import Field
from tomotui.tui.widgets.table import Table

TRAIN, RESTORE = RestoreTrainStage(), RestoreStage()
ALL: Sequence[Stage] = (*STAGES, TRAIN, RESTORE)


async def opened(pilot: Pilot[Any], app: TomotuiApp, wish: JobRequest) -> LaunchScreen:
    await until(pilot, lambda: app.screen.query_one(Table).total == 6)
    app.launch(wish)
    await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.query(Field))
    await until(pilot, lambda: app.screen._foresight is not None)
    assert isinstance(app.screen, LaunchScreen)
    return app.screen


def words_of(form: LaunchScreen) -> str:
    return " ".join(str(form.query_one("#outlook").render()).split())


def field(form: LaunchScreen, name: str) -> Field:
    return next(one for one in form.query(Field) if one.info.name == name)


async def test_marked_series_are_worked_on_together(make_app: AppMaker) -> None:
    app = make_app(stages=ALL)
    async with app.run_test(size=(140, 44)) as pilot:
        form = await opened(pilot, app, request("restore-train", ["ts_001", "ts_005"]))
        words = words_of(form)
        assert "ts_001, ts_005 2 series together, as one task" in words
        assert "tomotui run restore-train --on ts_001 ts_005 -p" in words
        assert "ts_005 has no tomogram" in words
        assert "ts_001 has" not in words
        assert not [one for one in form.query(Field) if one.info.name == "series"]


async def test_time_and_memory_follow_the_values(make_app: AppMaker) -> None:
    app = make_app(stages=ALL)
    async with app.run_test(size=(140, 44)) as pilot:
        form = await opened(pilot, app, request("restore-train", ["ts_001"]))
        chosen = TRAIN.validate({})
        await until(pilot, lambda: TRAIN.outlook(chosen) in words_of(form))
        field(form, "preset").set_value("best")
        best = TRAIN.outlook(TRAIN.validate({"preset": "best"}))
        await until(pilot, lambda: best in words_of(form))
        field(form, "steps").set_value("many")
        await until(pilot, lambda: "will take" not in words_of(form))
        field(form, "steps").set_value("20")
        few = TRAIN.outlook(TRAIN.validate({"preset": "best", "steps": 20}))
        await until(pilot, lambda: few in words_of(form))


async def test_stages_without_an_outlook_go_by_earlier_runs(make_app: AppMaker) -> None:
    app = make_app(stages=ALL)
    async with app.run_test(size=(140, 44)) as pilot:
        form = await opened(pilot, app, request("align", ["ts_005", "ts_006"]))
        assert "from 1 earlier run on cpu, with other parameters" in words_of(form)
        assert "2 tasks, one for each series" in words_of(form)


async def test_a_job_on_the_whole_sample_is_cloned_with_its_series(
    make_app: AppMaker, folder: Path
) -> None:
    with Project.open(folder) as project:
        job = project.submit(
            request("restore-train", ["sample"], series=["ts_001"]),
        )
        wish = project.clone_request(job.id)
    app = make_app(stages=ALL)
    async with app.run_test(size=(140, 44)) as pilot:
        form = await opened(pilot, app, wish.replace(after=()))
        assert "ts_001 one series, as one task" in words_of(form)
        assert "tomotui run restore-train --on ts_001 -p" in words_of(form)
        field(form, "series").set_value("")
        await until(pilot, lambda: "6 series together, as one task" in words_of(form))
        field(form, "series").set_value("ts_nine")
        await until(pilot, lambda: "there is no tilt series ts_nine" in words_of(form))


async def test_a_missing_network_is_told_with_what_makes_it(make_app: AppMaker) -> None:
    app = make_app(stages=ALL)
    async with app.run_test(size=(140, 44)) as pilot:
        form = await opened(pilot, app, request("restore", ["ts_001"]))
        assert "there is no network yet: run restore-train first" in words_of(form)
        field(form, "network").set_value("nine")
        await until(pilot, lambda: "there is no network nine: run" in words_of(form))


def test_networks_come_from_trainings_for_the_same() -> None:
    every = all_stages()
    assert makers_of("network", get("restore"), every) == {"restore-train"}
    assert makers_of("network", get("pick"), every) == {"pick-train"}


async def test_an_unfinished_training_is_waited_for(make_app: AppMaker, folder: Path) -> None:
    with Project.open(folder) as project:
        project.submit(request("restore-train", ["sample"]))
    app = make_app(stages=ALL)
    async with app.run_test(size=(140, 44)) as pilot:
        form = await opened(pilot, app, request("restore", ["ts_001"]))
        assert "waits for 0004-restore-train" in words_of(form)
        assert "no network" not in words_of(form)
        assert form.wish().after == (4,)
        field(form, "network").set_value("nine")
        await until(pilot, lambda: "there is no network nine" in words_of(form))
        field(form, "network").set_value("sample")
        await until(pilot, lambda: "waits for 0004-restore-train" in words_of(form))


def test_what_the_project_has_is_not_waited_for(folder: Path) -> None:
    with Project.open(folder) as project:
        first = project.submit(request("restore-train", ["sample"]))
        other = Network(name="x", purpose="pick", path="x.pt")
        project.add_records([other])
        seen = foresee(project, RESTORE, ALL, request("restore", ["ts_001"]), {})
        assert seen.after == {first.id: first.name}, "a network for something else will not do"
        network = Network(name="sample", purpose="restore", path="n.pt")
        finish(project, first, "sample", Status.DONE, records=(network,))
        project.submit(request("restore-train", ["sample"]))
        seen = foresee(project, RESTORE, ALL, request("restore", ["ts_001"]), {})
        assert (seen.after, seen.missing) == ({}, {})
        seen = foresee(project, RESTORE, ALL, request("restore", ["ts_001", "ts_005"]), {})
        assert list(seen.missing) == ["ts_005"]


def test_restored_tomograms_are_not_what_is_learnt_from(folder: Path) -> None:
    assert makers_of("tomogram", TRAIN, ALL) == {"reconstruct"}
    assert makers_of("network", RESTORE, ALL) == {"restore-train"}
    with Project.open(folder) as project:
        project.submit(request("restore", ["ts_001"]))
        seen = foresee(project, TRAIN, ALL, request("restore-train", ["ts_001"]), {})
        assert (seen.after, seen.missing) == ({}, {})


@pytest.mark.parametrize(
    ("targets", "values", "meant"),
    [
        (["a", "b"], {}, ["a", "b"]),
        (["sample"], {"series": ["b"]}, ["b"]),
        (["sample"], {"series": None}, ["a", "b", "c"]),
        (["sample"], {}, ["a", "b", "c"]),
    ],
)
def test_the_series_meant(targets: list[str], values: dict[str, Any], meant: list[str]) -> None:
    assert series_meant(TRAIN, targets, ["a", "b", "c"], values) == meant
    assert series_meant(RESTORE, targets, ["a", "b", "c"], values) == targets


def test_the_command_of_a_sample_names_its_series() -> None:
    place = Path("/p")
    marked = run_command(request("restore-train", ["a", "b"]), place)
    assert marked == "tomotui run restore-train --on a b -p /p"
    whole = run_command(request("restore-train", ["sample"]), place)
    assert whole == "tomotui run restore-train -p /p"
    named = JobRequest(stage="restore-train", targets=(Target(name="n"),), label="n")
    assert run_command(named, place) == "tomotui run restore-train --label n -p /p"


async def test_the_matrix_has_no_column_for_what_belongs_to_no_series(make_app: AppMaker) -> None:
    app = make_app(stages=ALL)
    async with app.run_test(size=(200, 40)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        keys = [column.key for column in app.screen.query_one(Table)._columns]
        assert "stage.restore" in keys
        assert "stage.restore-train" not in keys
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        assert isinstance(app.screen, LaunchScreen)
        assert app.screen.stage.name == "restore"


async def test_a_sample_is_not_counted_as_a_series(make_app: AppMaker) -> None:
    app = make_app(stages=ALL)
    async with app.run_test(size=(140, 44)) as pilot:
        await opened(pilot, app, request("restore-train", ["ts_001", "ts_002"]))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: not isinstance(app.screen, LaunchScreen))
        hints = app.screen.query_one("Hints")
        await until(pilot, lambda: "queued" in hints.message)  # type: ignore[attr-defined]
        assert hints.message == "0004-restore-train queued; 4 shows it"  # type: ignore[attr-defined]
