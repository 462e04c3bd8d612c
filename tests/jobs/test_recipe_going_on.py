"""Recipes that were begun before: what is kept, what is tried again, and what is done anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomotui.jobs.recipe import Recipe
from tomotui.jobs.recipe_files import recipe_text
from tomotui.jobs.recipe_planning import plan_recipe, series_meant
from tomotui.jobs.recipe_reading import read_recipe
from tomotui.jobs.recipe_running import queue_plan, queue_recipe
from tomotui.project import Project, ProjectError
from tomotui.records import AnyRecord, Job, Status, Task


def write(folder: Path, text: str, name: str = "trial.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


TWO = """
[[step]]
stage = "fake"
[[step]]
stage = "measure"
parameters = { limit = 3.0 }
[[step]]
stage = "next"
[[step]]
name = "all"
stage = "whole"
target = "everything"
"""


def planned(project: Project, recipe: Recipe, *names: str) -> dict[str, tuple[int, int]]:
    """Return by step for how many targets something is to do, and for how many all is done."""
    plan = plan_recipe(project, recipe, names, resume=True)
    return {one.step.name: (one.n_to_do, one.n_done) for one in plan.steps}


def go_on(project: Project, recipe: Recipe, *names: str) -> list[Job]:
    return queue_plan(project, plan_recipe(project, recipe, names, resume=True))


def work(project: Project, *failing: tuple[str, str]) -> None:
    """End every task as the agent would, without doing it; some stages fail for some targets."""
    while ready := [*project.skip_blocked(), *project.ready_tasks()]:
        for task in ready:
            if task.status == Status.SKIPPED:
                continue
            project.mark_starting(task, "cpu", "here")
            fails = (task.stage, task.target) in failing
            made = [] if fails else _made(task)
            project.finish_task(task, Status.FAILED if fails else Status.DONE, records=made)


def _made(task: Task) -> list[AnyRecord]:
    from fake_stages import series

    return [series(task.target)] if task.stage == "fake" else []


def test_a_recipe_goes_on_where_it_was(project: Project, tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, TWO))
    first = go_on(project, recipe, "ts_1", "ts_2")
    # What still waits, or is at work, is not queued twice.
    assert [job.id for job in go_on(project, recipe, "ts_1", "ts_2")] == [1, 2, 3, 4]
    work(project, ("measure", "ts_2"))
    assert project.task(first[2].id, "ts_1").status == Status.DONE
    done = {"fake": (0, 2), "measure": (1, 1), "next": (1, 1), "all": (1, 0)}
    assert planned(project, recipe, "ts_1", "ts_2") == done
    # What failed is tried again in its job; a step for all is done again with what comes of it.
    again = go_on(project, recipe, "ts_1", "ts_2")
    assert [job.id for job in again] == [1, 2, 3, 5]
    work(project)
    assert project.task(first[1].id, "ts_2").attempt == 2
    assert project.task(first[0].id, "ts_2").attempt == 1
    assert all(to_do == 0 for to_do, _ in planned(project, recipe, "ts_1", "ts_2").values())


def test_a_changed_recipe_goes_on_from_the_first_changed_step(
    project: Project, fake_stages: None, tmp_path: Path
) -> None:
    text = TWO.replace("parameters = { limit = 3.0 }", "")
    go_on(project, read_recipe(write(tmp_path, text)), "ts_1", "ts_2")
    work(project)
    same = read_recipe(write(tmp_path, text + "\n# a remark"))
    assert all(to_do == 0 for to_do, _ in planned(project, same, "ts_1", "ts_2").values())
    one = read_recipe(write(tmp_path, text.replace(
        'stage = "measure"', 'stage = "measure"\noverrides = { ts_1 = { residual_angstrom = 3 } }'
    )))  # fmt: skip
    assert planned(project, one, "ts_1", "ts_2") == {
        "fake": (0, 2), "measure": (1, 1), "next": (1, 1), "all": (1, 0),
    }  # fmt: skip
    jobs = go_on(project, one, "ts_1", "ts_2")
    assert [job.id for job in jobs] == [1, 2, 5, 3, 6, 7]
    assert [jobs[at].targets for at in (2, 4, 5)] == [("ts_1",), ("ts_1",), ("everything",)]
    work(project)
    assert all(to_do == 0 for to_do, _ in planned(project, one, "ts_1", "ts_2").values())
    # A series that is new goes through all of it, the others through nothing but the whole.
    assert planned(project, one, "ts_1", "ts_2", "ts_3")["next"] == (1, 2)
    asked = read_recipe(write(tmp_path, text.replace(
        'stage = "next"', 'stage = "next"\nwhen = "measure.residual_angstrom < 9"'
    )))  # fmt: skip
    assert planned(project, asked, "ts_1")["next"] == (1, 0)


def test_an_optional_step_that_failed_holds_nothing_up_again(
    project: Project, fake_stages: None, tmp_path: Path
) -> None:
    text = TWO.replace("3.0 }", "3.0 }\noptional = true")
    recipe = read_recipe(write(tmp_path, text))
    go_on(project, recipe, "ts_1", "ts_2")
    work(project, ("measure", "ts_2"))
    assert all(to_do == 0 for to_do, _ in planned(project, recipe, "ts_1", "ts_2").values())


def test_raw_series_are_taken_in_where_they_lack(
    project: Project, fake_stages: None, tmp_path: Path
) -> None:
    text = """
    [import]
    dose_e_per_a2 = 3.0
    [series.ts_1]
    stack = "raw/ts_1.mrc"
    [series."ts 2"]
    movies = "/data/ts_2.mdoc"
    [[step]]
    stage = "fake"
    """
    recipe = read_recipe(write(tmp_path, text))
    assert read_recipe(write(tmp_path, recipe_text(recipe), "again.toml")).series == recipe.series
    taken, movies, fake, other = go_on(project, recipe, *series_meant(project, recipe))
    assert (taken.stage, movies.stage, fake.stage) == ("import", "motion", "fake")
    assert project.overrides(taken.id)["ts_1"] == {"stack": str(tmp_path / "raw/ts_1.mrc")}
    assert taken.parameters == {"dose_e_per_a2": 3.0}
    assert (fake.after, other.after) == ((taken.id,), (movies.id,))


def test_a_step_says_where_it_runs(project: Project, tmp_path: Path) -> None:
    text = "[[step]]\nstage='fake'\nprofile='2 processes'\nwhere='local'\n[[step]]\nstage='next'"
    recipe = read_recipe(write(tmp_path, text))
    assert (recipe.steps[0].where, recipe.steps[0].profile) == ("local", "2 processes")
    assert read_recipe(write(tmp_path, recipe_text(recipe))).steps == recipe.steps
    with pytest.raises(ProjectError):
        queue_recipe(project, recipe, ["ts_1"])
    assert project.jobs() == []
