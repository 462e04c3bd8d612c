from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input

from tests.tui.conftest import AppMaker, request, until
from tomotui.project import Project, ProjectError
from tomotui.records import Job, JobRequest
from tomotui.stages.base import ParameterInfo
from tomotui.tui.app import TomotuiApp
from tomotui.tui.screens.error import ErrorScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.widgets.facts import Facts
from tomotui.tui.widgets.fields import Choice, Field, choices_of, parsed
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import plain_value


class Submitter:
    """Notes what was submitted, and puts it into the queue without any agent."""

    def __init__(self) -> None:
        self.requests: list[JobRequest] = []
        self.agents: list[bool] = []

    def __call__(self, project: Project, wish: JobRequest, start_agent: bool) -> Job:
        self.requests.append(wish)
        self.agents.append(start_agent)
        return project.submit(wish)


async def opened(pilot: Pilot[Any], app: TomotuiApp, wish: JobRequest) -> LaunchScreen:
    await until(pilot, lambda: app.screen.query_one(Table).total == 6)
    app.launch(wish)
    await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.query(Field))
    await until(pilot, lambda: app.screen._foresight is not None)
    assert isinstance(app.screen, LaunchScreen)
    return app.screen


def field(screen: LaunchScreen, name: str) -> Field:
    return next(one for one in screen.query(Field) if one.info.name == name)


async def test_a_wrong_value_is_said_below_its_field_and_cannot_be_submitted(
    make_app: AppMaker,
) -> None:
    submitter = Submitter()
    app = make_app(submitter=submitter)
    async with app.run_test(size=(120, 40)) as pilot:
        form = await opened(pilot, app, request("align", ["ts_005"]))
        thickness = field(form, "thickness_angstrom")
        thickness.set_value("12")
        await until(pilot, lambda: "greater than or equal to 200" in thickness.problem)
        assert form.query_one("#run", Button).disabled
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert submitter.requests == []
        assert form.query_one("#value-thickness_angstrom").has_focus
        thickness.set_value("a lot")
        await until(pilot, lambda: "valid number" in thickness.problem)
        thickness.set_value("3000")
        await until(pilot, lambda: not thickness.problem)
        assert not form.query_one("#run", Button).disabled


async def test_what_differs_from_the_defaults_is_submitted_as_typed_values(
    make_app: AppMaker, folder: Path
) -> None:
    submitter = Submitter()
    app = make_app(submitter=submitter)
    async with app.run_test(size=(120, 40)) as pilot:
        form = await opened(pilot, app, request("align", ["ts_005", "ts_006"]))
        await pilot.press("end", *["backspace"] * 8, *"3200", "down", *"84.5", "down", "right")
        await pilot.press("down", "space")
        await until(pilot, lambda: form.values()["exclude_bad_tilts"] is False)
        assert field(form, "thickness_angstrom").is_changed
        assert not field(form, "rounds").is_changed
        await pilot.press("ctrl+r")
        await until(pilot, lambda: not isinstance(app.screen, LaunchScreen))
    (wish,) = submitter.requests
    assert wish.stage == "align"
    assert [target.name for target in wish.targets] == ["ts_005", "ts_006"]
    assert wish.parameters == {
        "thickness_angstrom": 3200.0,
        "tilt_axis_deg": 84.5,
        "method": "coarse",
        "exclude_bad_tilts": False,
    }
    assert submitter.agents == [False]
    with Project.open(folder) as project:
        assert project.jobs()[-1].parameters["thickness_angstrom"] == 3200.0


async def test_the_form_shows_the_command_and_what_is_missing(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await opened(pilot, app, request("reconstruct", ["ts_001", "ts_005"]))
        field(form, "binning").set_value("4")
        await until(pilot, lambda: "binning=4" in _outlook(form))
        words = _outlook(form)
        assert "tomotui run reconstruct --on ts_001 ts_005 --set binning=4" in words
        assert "ts_005 has no alignment" in words
        assert "jobs/0004-reconstruct/" in words


async def test_a_job_waits_for_the_one_that_makes_what_it_needs(make_app: AppMaker) -> None:
    submitter = Submitter()
    app = make_app(submitter=submitter)
    async with app.run_test(size=(120, 40)) as pilot:
        form = await opened(pilot, app, request("reconstruct", ["ts_004"]))
        assert "waits for 0002-align" in _outlook(form)
        assert "has no alignment" not in _outlook(form)
        await pilot.press("f2")
        await until(pilot, lambda: submitter.requests)
    assert submitter.requests[0].after == (2,)


async def test_another_stage_brings_its_own_fields(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await opened(pilot, app, request("align", ["ts_001"]))
        form.query_one("#stage", Choice).focus()
        await pilot.press("right")
        await until(pilot, lambda: [f.info.name for f in form.query(Field)] == ["binning"])
        assert form.wish().stage == "reconstruct"


async def test_the_default_comes_back_by_key(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await opened(pilot, app, request("align", ["ts_001"], thickness_angstrom=900.0))
        assert form.query_one("#value-thickness_angstrom", Input).value == "900"
        await pilot.press("ctrl+t")
        await until(pilot, lambda: form.values() == {})


async def test_a_refusal_is_shown_and_the_form_stays(make_app: AppMaker) -> None:
    def refuse(project: Project, wish: JobRequest, start_agent: bool) -> Job:
        raise ProjectError("The disk is full.", "Free some space.")

    app = make_app(submitter=refuse)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, app, request("align", ["ts_001"]))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, ErrorScreen))
        assert app.screen.message == "The disk is full."
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))


def _outlook(form: LaunchScreen) -> str:
    return str(form.query_one("#outlook").render()).replace("\n", " ").replace("  ", " ")


def info(kind: Any, default: Any = None) -> ParameterInfo:
    return ParameterInfo("x", kind, default, False, "", "", "basic", "", ())


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        (float, "3.5", "3.5"),
        (float | None, "", None),
        (float | None, "auto", None),
        (str, "none", "none"),
        (tuple[int, int, int], "1, 2,3", ["1", "2", "3"]),
        (tuple[str, ...], plain_value(("1,2", "3,4")), ["1,2", "3,4"]),
        (tuple[str, ...], plain_value(("1,2",)), ["1,2"]),
        (tuple[Any, ...], plain_value(((1, 2.5), (3, 4))), [[1, 2.5], [3, 4]]),
        (tuple[Any, ...], "[[1,2", ["1", "2"]),
    ],
)
def test_what_is_typed_becomes_what_the_stage_checks(kind: Any, words: str, value: Any) -> None:
    assert parsed(info(kind), words) == value


def test_parameters_of_few_values_are_chosen() -> None:
    assert choices_of(info(bool)) == (("yes", True), ("no", False))
    assert choices_of(info(bool | None))[-1] == ("auto", None)
    assert choices_of(info(float)) == ()
    assert choices_of(info(list[str])) == ()


def test_facts_can_be_read_as_text(make_app: AppMaker) -> None:
    facts = Facts(make_app().look)
    facts.heading("alignment")
    facts.line("residual", "4.1", "Å")
    assert facts.plain == "alignment\nresidual 4.1 Å"
