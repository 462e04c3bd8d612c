from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tomotui.jobs.recipe import RecipeError
from tomotui.jobs.recipe_files import SHIPPED, find_recipe, recipe_text
from tomotui.jobs.recipe_history import recipe_of_history
from tomotui.jobs.recipe_reading import read_recipe
from tomotui.jobs.recipe_running import queue_recipe
from tomotui.project import Project, ProjectError
from tomotui.records import Status
from tomotui.stages import UnknownStage, get

if TYPE_CHECKING:
    from conftest import Bench

PIPELINE = """
name = "trial"
[[step]]
stage = "fake"
[[step]]
stage = "measure"
parameters = { failing = ["ts_2"], poor = ["ts_3"] }
overrides = { ts_4 = { residual_angstrom = 5.5 } }
[[step]]
stage = "next"
when = "measure.residual_angstrom < 2 nm and series.n_tilts > 2 and measure.rounds == 3"
[[step]]
name = "again"
stage = "next"
"""


def write(folder: Path, text: str, name: str = "trial.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as raised:
        read_recipe(write(folder, text))
    return raised.value.problems


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_of_the_program_are_in_order(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert recipe.about
    assert recipe.warnings == ()


def test_the_standard_recipe_holds_every_stage_of_the_standard_way() -> None:
    wanted = []
    for name in ("align", "ctf", "reconstruct"):
        try:
            wanted.append(get(name).name)
        except UnknownStage:
            continue
    assert [step.stage for step in find_recipe("standard").steps] == wanted


def test_each_series_goes_its_own_way_through_the_steps(bench: Bench, tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, PIPELINE))
    jobs = queue_recipe(bench.project, recipe, ["ts_1", "ts_2", "ts_3", "ts_4"])
    assert [job.after for job in jobs] == [(), (1,), (2,), (3,)]
    bench.run()

    fake, measure, following, again = jobs
    states = {
        name: [bench.status(job, name).value for job in (fake, measure, following, again)]
        for name in ("ts_1", "ts_2", "ts_3", "ts_4")
    }
    assert states == {
        "ts_1": ["done"] * 4,
        "ts_2": ["done", "failed", "skipped", "skipped"],
        "ts_3": ["done", "done", "skipped", "skipped"],
        "ts_4": ["done"] * 4,
    }
    held = bench.task(following, "ts_3")
    assert held.error == (
        "not run, for the recipe trial asks for measure.residual_angstrom < 2 nm and "
        "series.n_tilts > 2 and measure.rounds == 3: measure.residual_angstrom is 40, "
        "series.n_tilts is 3, measure.rounds is 3"
    )
    assert bench.task(again, "ts_3").error == "waits for 0003-next of ts_3, which was skipped"
    assert bench.task(measure, "ts_4").summary == "5.5 A"
    assert bench.task(measure, "ts_1").summary == "4.0 A"


def test_a_condition_is_weighed_again_at_a_retry(bench: Bench, tmp_path: Path) -> None:
    text = """
    [[step]]
    stage = "measure"
    parameters = { poor = ["ts_1"] }
    [[step]]
    stage = "next"
    when = "measure.residual_angstrom < 20"
    """
    fake = bench.request("fake", "ts_1")
    recipe = read_recipe(write(tmp_path, text))
    measure, following = queue_recipe(bench.project, recipe, ["ts_1"], after=(fake.id,))
    bench.run()
    assert bench.status(following, "ts_1") == Status.SKIPPED
    bench.project.retry(following.id, "ts_1")
    bench.run()
    assert bench.status(following, "ts_1") == Status.SKIPPED
    assert bench.status(measure, "ts_1") == Status.DONE


def test_steps_may_wait_for_other_than_the_one_before(bench: Bench, tmp_path: Path) -> None:
    text = """
    [[step]]
    stage = "fake"
    [[step]]
    stage = "measure"
    parameters = { failing = ["ts_1"] }
    [[step]]
    stage = "next"
    after = ["fake"]
    [[step]]
    stage = "whole"
    after = ["next"]
    target = "everything"
    """
    recipe = read_recipe(write(tmp_path, text))
    jobs = queue_recipe(bench.project, recipe, ["ts_1", "ts_2"])
    bench.run()
    assert bench.status(jobs[2], "ts_1") == Status.DONE
    assert bench.task(jobs[3], "everything").summary == "ts_1 ts_2"


def test_what_waits_for_an_optional_step_goes_on_without_it(bench: Bench, tmp_path: Path) -> None:
    text = """
    [[step]]
    stage = "fake"
    overrides = { ts_2 = { act = "fail" } }
    [[step]]
    stage = "measure"
    optional = true
    parameters = { failing = ["ts_1"] }
    [[step]]
    stage = "next"
    """
    recipe = read_recipe(write(tmp_path, text))
    fake, measure, following = queue_recipe(bench.project, recipe, ["ts_1", "ts_2", "ts_3"])
    assert (following.after, following.optional_after) == ((fake.id, measure.id), (measure.id,))
    bench.run_until(lambda: bench.status(measure, "ts_3").is_finished)
    assert bench.status(following, "ts_3") != Status.SKIPPED
    bench.run()
    states = {
        name: [bench.status(job, name).value for job in (fake, measure, following)]
        for name in ("ts_1", "ts_2", "ts_3")
    }
    assert states == {
        "ts_1": ["done", "failed", "done"],
        "ts_2": ["failed", "skipped", "skipped"],
        "ts_3": ["done", "done", "done"],
    }
    # It is waited for all the same.
    first, second = bench.task(measure, "ts_1"), bench.task(following, "ts_1")
    assert first.finished_at is not None
    assert second.started_at is not None
    assert second.started_at >= first.finished_at
    saved = recipe_of_history(bench.project, "mine", jobs=[1, 2, 3])
    assert [step.optional for step in saved.steps] == [False, True, False]
    assert read_recipe(write(tmp_path, recipe_text(saved))).steps == saved.steps


def test_a_recipe_is_queued_whole_or_not_at_all(project: Project, tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, PIPELINE))
    with pytest.raises(ProjectError, match="named twice"):
        queue_recipe(project, recipe, ["ts_1", "ts_1"])
    assert project.jobs() == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("not toml [", "is no TOML file"),
        ("format = 7", "has the format 7, this program knows 1: update tomotui"),
        ("name = 'x'", "step: there must be at least one table [[step]]"),
        ("steps = []\n[[step]]\nstage = 'fake'", "steps: no such key; there are format, name"),
        ("[[step]]\nparameters = {}", "step 1: stage: is required; tomotui stages lists them"),
        ("[[step]]\nstage = 'fak'", "step 1 (fak): stage: there is no stage fak; there are import"),
        (
            "[[step]]\nstage='measure'\n[[step]]\nstage='refine'\nwhen='measure.axis_deg < 3'",
            "(refine): when: refine works on all series together: measure.axis_deg is of one",
        ),
        (
            "[[step]]\nstage='align'\n[[step]]\nstage='ctf'\nwhen='3deg>align.residual_angstrom'",
            "align.residual_angstrom is a length, not a value in deg: give it in nm, um, A",
        ),
        (
            "[[step]]\nstage='align'\n[[step]]\nstage='ctf'\nwhen='align.n_tilts < 2 nm'",
            "align.n_tilts is a number, not a value in nm: give it in %",
        ),
        (
            "[[step]]\nstage='align'\n[[step]]\nstage='ctf'\nwhen='align.residual_angstrom < 2 kg'",
            "a unit (nm, um, A, deg, %) is expected at 'kg'",
        ),
        (
            "[[step]]\nstage='align'\n[[step]]\nstage='ctf'\nwhen='align.residul_angstrom < 2'",
            "align does not report residul_angstrom; did you mean residual_angstrom?",
        ),
        (
            "[[step]]\nstage = 'fake'\nwhere = 'moon'",
            "where: there are local and slurm (got 'moon')",
        ),
        ("[series.a]\nmdoc = 'a.mdoc'\n[[step]]\nstage='fake'", "series a: stack: is required"),
        (
            "[[step]]\nstage='fake'\nafter=['next']\n[[step]]\nstage='next'",
            "next comes later and waits for this one: leave one of them out",
        ),
        ("[[step]]\nstage='fake'\nafter=['fake']", "a step cannot wait for itself"),
        ("[[step]]\nstage = 'import'", "importing is no step; its parameters stand in [import]"),
        (
            "[[step]]\nstage = 'fake'\n[[step]]\nstage = 'measure'\nparameters = {residual = 3}",
            "step 2 (measure): residual: no such parameter; there are residual_angstrom, poor, "
            "failing, limit; did you mean residual_angstrom?",
        ),
        (
            "[[step]]\nstage = 'fake'\nparameters = {amount = 'many'}",
            "step 1 (fake): amount: input should be a valid integer",
        ),
        (
            "[[step]]\nstage = 'fake'\noverrides = {ts_1 = {amount = 0}}",
            "step 1 (fake): ts_1: amount: input should be greater than or equal to 1 (got 0)",
        ),
        ("[[step]]\nstage = 'fake'\nwen = 'x'", "step 1 (fake): wen: no such key; there are"),
        ("[[step]]\nstage = 'fake'\noptional = 1", "step 1 (fake): optional: must be true or"),
        ("[[step]]\nstage = 'fake'\nname = 'a b'", "name: give letters, digits, - and _"),
        (
            "[[step]]\nstage = 'fake'\n[[step]]\nstage = 'fake'",
            "step 2 (fake): name: an earlier step has this name already",
        ),
        (
            "[[step]]\nstage = 'fake'\nafter = ['next']\n[[step]]\nstage = 'next'",
            "step 1 (fake): after: no earlier step is called next; it is the first",
        ),
        (
            "[[step]]\nstage = 'fake'\nwhen = 'align.residual <'",
            "step 1 (fake): when: 'align.residual <' a value or STEP.NAME is expected at the end",
        ),
        (
            "[[step]]\nstage = 'fake'\nwhen = 'measure.residual_angstrom < 3'",
            "when: this step does not wait for measure; it waits for no step",
        ),
        (
            "[[step]]\nstage = 'fake'\nwhen = 'series.n_tilt > 3'",
            "when: a tilt series has no n_tilt; did you mean n_tilts?",
        ),
        ("[import]\nstack = 'a.mrc'\n[[step]]\nstage='fake'", "import: stack: belongs to a single"),
        ("[import]\ndose = 3\n[[step]]\nstage='fake'", "import: dose: no such parameter"),
    ],
)
def test_what_is_wrong_is_said_with_file_step_and_key(
    fake_stages: None, tmp_path: Path, text: str, wrong: str
) -> None:
    found = problems(tmp_path, text)
    assert any(wrong in problem for problem in found), found
    assert all(problem.startswith(str(tmp_path / "trial.toml")) for problem in found)


def test_everything_that_is_wrong_is_said_at_once(fake_stages: None, tmp_path: Path) -> None:
    text = "[[step]]\nstage = 'fake'\nparameters = {amount = 0}\n[[step]]\nstage = 'nothing'"
    assert len(problems(tmp_path, text)) == 2


def test_a_name_that_no_record_has_is_taken_for_a_metric_with_a_warning(
    fake_stages: None, tmp_path: Path
) -> None:
    text = "[[step]]\nstage='measure'\n[[step]]\nstage='next'\nwhen='measure.residual_angstrm < 3'"
    (warning,) = read_recipe(write(tmp_path, text)).warnings
    assert "measure.residual_angstrm is in no record of measure" in warning
    assert warning.endswith("did you mean residual_angstrom?")


def test_the_word_none_stands_for_no_value(fake_stages: None, tmp_path: Path) -> None:
    text = "[[step]]\nstage='measure'\nparameters = {limit = 'none'}"
    assert read_recipe(write(tmp_path, text)).steps[0].parameters == {"limit": None}


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"gone\.toml cannot be read: No such file"):
        read_recipe(tmp_path / "gone.toml")
    with pytest.raises(RecipeError, match="there is no recipe gone; there are standard, or a file"):
        find_recipe("gone", tmp_path)


def test_a_projects_own_recipe_goes_before_that_of_the_program(
    project: Project,
) -> None:
    own = project.folder / "recipes"
    own.mkdir()
    write(own, "[[step]]\nstage='fake'", "standard.toml")
    assert [step.stage for step in find_recipe("standard", project.folder).steps] == ["fake"]


@pytest.mark.slow
def test_the_history_of_a_project_becomes_a_recipe_that_does_the_same(
    bench: Bench, tmp_path: Path
) -> None:
    recipe = read_recipe(write(tmp_path, PIPELINE))
    queue_recipe(bench.project, recipe, ["ts_1", "ts_2", "ts_3", "ts_4"])
    bench.run()
    # Done again with another value: the newest is the one meant.
    bench.request("measure", "ts_1", residual_angstrom=3.0, limit=None)
    bench.request("next", "ts_9")
    bench.run()
    made = recipe_of_history(bench.project, "mine", jobs=[1, 5, 3])
    path = write(tmp_path, recipe_text(made), "mine.toml")
    again = read_recipe(path)
    assert [(step.name, step.stage) for step in again.steps] == [
        ("fake", "fake"), ("measure", "measure"), ("next", "next"),
    ]  # fmt: skip
    assert again.steps[1].parameters == {"residual_angstrom": 3.0, "limit": None}
    assert again.steps[2].when == recipe.steps[2].when
    newest = recipe_of_history(bench.project, "newest")
    assert {step.stage: step.parameters for step in newest.steps}["measure"] == {
        "residual_angstrom": 3.0, "limit": None,
    }  # fmt: skip
    full = recipe_of_history(bench.project, "full", jobs=[2], full=True)
    assert full.steps[0].parameters["residual_angstrom"] == 4.0
    assert full.steps[0].overrides == {"ts_4": {"residual_angstrom": 5.5}}
    assert read_recipe(write(tmp_path, recipe_text(full))).steps == full.steps


def test_a_project_without_history_gives_no_recipe(project: Project) -> None:
    with pytest.raises(ProjectError, match="no job that a recipe could repeat"):
        recipe_of_history(project, "mine")
    with pytest.raises(ProjectError, match="no job 7"):
        recipe_of_history(project, "mine", jobs=[7])


def test_odd_text_survives_being_written(fake_stages: None, tmp_path: Path) -> None:
    text = """
    about = 'a "quoted" line \\\\ and \\u007f'
    [import]
    dataset = "krios 1 é"
    [[step]]
    stage = "measure"
    overrides = { "ts 1.é" = { failing = ["a\\"b", "c"] } }
    """
    before = read_recipe(write(tmp_path, text))
    after = read_recipe(write(tmp_path, recipe_text(before)))
    assert after == before
