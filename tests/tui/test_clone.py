"""A job that a recipe has made is started again from the form, with changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.conftest import AppMaker, until
from tests.tui.test_launch import Submitter
from tomotui.jobs.recipe_reading import read_recipe
from tomotui.jobs.recipe_running import queue_recipe
from tomotui.project import Project
from tomotui.records import JobRequest, Target
from tomotui.stages import get
from tomotui.stages.base import ParameterError
from tomotui.tui.app import TomotuiApp
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.launch_targets import checked, own_words, step_words, wish_like
from tomotui.tui.shell_words import run_command
from tomotui.tui.widgets.table import Table

RECIPE = """
name = "thick"

[[step]]
stage = "align"
parameters = { thickness_angstrom = 3000 }
overrides = { ts_002 = { thickness_angstrom = 4000 }, ts_003 = { thickness_angstrom = 4000 } }
optional = true

[[step]]
stage = "reconstruct"
parameters = { voxel_size_angstrom = 14 }
after = ["align"]
when = "align.residual_angstrom < 20"

[[step]]
stage = "restore-train"
target = "vivo"
after = ["reconstruct"]
"""


def queue(folder: Path) -> dict[str, int]:
    """Put the recipe into the queue; return the number of the job of each stage."""
    path = folder / "thick.toml"
    path.write_text(RECIPE)
    with Project.open(folder) as project:
        jobs = queue_recipe(project, read_recipe(path), ["ts_001", "ts_002", "ts_003"])
    return {job.stage: job.id for job in jobs}


async def cloned(pilot: Pilot[None], app: TomotuiApp, job_id: int) -> LaunchScreen:
    """Press the key of cloning on a job, and return the form once the project was asked."""
    table = app.screen.query_one(Table)
    await until(pilot, lambda: table.go_to_key(str(job_id)))
    await pilot.press("R")
    await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen._foresight)
    form = app.screen
    assert isinstance(form, LaunchScreen)
    return form


def outlook(form: LaunchScreen) -> str:
    return " ".join(str(form.query_one("#outlook").render()).split())


async def test_a_job_of_a_recipe_is_made_again_as_one_of_its_own(
    make_app: AppMaker, folder: Path
) -> None:
    jobs, submitter = queue(folder), Submitter()
    app = make_app(submitter=submitter, stages=None)
    async with app.run_test(size=(140, 44)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)

        # The series that differ keep what they have, the others what was for all.
        form = await cloned(pilot, app, jobs["align"])
        assert form.wish().parameters == {"thickness_angstrom": 3000}
        words = outlook(form)
        assert "differ from the rest ts_002, ts_003: thickness_angstrom=4000" in words
        assert "changes from 0004-align none yet" in words
        assert "step align of the recipe thick; this is a job of its own." in words
        assert "--on ts_002 ts_003 --set thickness_angstrom=4000" in words
        await pilot.press("ctrl+r")
        await until(pilot, lambda: submitter.requests)
        wish = submitter.requests.pop()
        assert wish.parameters == {"thickness_angstrom": 3000}
        assert [target.parameters.get("thickness_angstrom") for target in wish.targets] == [
            None,
            4000,
            4000,
        ]
        assert (wish.step, wish.label, wish.optional_after) == (None, "", ())


def test_conditions_and_leaves_of_the_recipe_are_not_taken_over(folder: Path) -> None:
    jobs = queue(folder)
    with Project.open(folder) as project:
        job = project.job(jobs["reconstruct"])
        request = project.clone_request(job.id)
        assert request.optional_after == (jobs["align"],)
        wish = wish_like(job, request, [series.name for series in project.tilt_series()])
    assert (wish.after, wish.optional_after, wish.step, wish.label) == ((), (), None, "")
    assert job.step is not None
    assert step_words(job.step).endswith("and does not ask for align.residual_angstrom < 20.")


def test_the_name_of_a_task_on_the_sample_stays(folder: Path) -> None:
    jobs = queue(folder)
    with Project.open(folder) as project:
        job = project.job(jobs["restore-train"])
        wish = wish_like(job, project.clone_request(job.id), ["ts_001"])
    command = run_command(wish, folder)
    assert "--on ts_001 ts_002 ts_003 --label vivo" in command


def test_values_are_checked_as_each_series_has_them() -> None:
    own: list[dict[str, object]] = [{}, {"thickness_angstrom": -1.0}]
    with pytest.raises(ParameterError) as refusal:
        checked(get("align"), {"thickness_angstrom": 3000.0}, own)
    assert list(refusal.value.problems) == ["thickness_angstrom"]


def test_what_differs_is_told_in_few_lines() -> None:
    targets = tuple(Target(name=f"ts_{n}", parameters={"stack": f"{n}.mrc"}) for n in range(9))
    lines = own_words(JobRequest(stage="import", targets=targets))
    assert lines[0] == "ts_0: stack=0.mrc"
    assert lines[-1] == "and 5 more"
    assert len(lines) == 5
