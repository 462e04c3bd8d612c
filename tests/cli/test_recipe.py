"""Recipes on the command line: listed, checked, run, and written from what was done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tomotui.project import Project
from tomotui.records import Status

if TYPE_CHECKING:
    from conftest import Call

STAGES = ("FakeStage", "NextStage", "MeasureStage")
RECIPE = """
about = "A trial."
[[step]]
stage = "measure"
parameters = { failing = ["ts_2"], poor = ["other"] }
[[step]]
stage = "next"
when = "measure.residual_angstrom < 2 nm"
"""


@pytest.fixture
def place(three: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with ts_1, ts_2 and other, and a folder for the user's own recipes."""
    listed = ",".join(f"fake_stages:{name}" for name in STAGES)
    monkeypatch.setenv("TOMOTUI_EXTRA_STAGES", listed)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(three.parent / "config"))
    (three.parent / "trial.toml").write_text(RECIPE)
    return three


def test_a_recipe_is_checked_and_shown(call: Call, place: Path) -> None:
    said = call.well("recipe", "check", place.parent / "trial.toml")
    assert "measure.residual_angstrom < 2 nm" in said.out
    assert said.out.splitlines()[-1].endswith("trial.toml is in order")
    assert call.well("recipe", "check", "standard", "--json").json["problems"] == []


def test_a_broken_recipe_is_told_in_full(call: Call, place: Path) -> None:
    broken = place.parent / "broken.toml"
    broken.write_text("[[step]]\nstage='measure'\nparameters={residual=3}\nwhen='x'")
    said = call("recipe", "check", broken)
    assert (said.code, said.out) == (2, "")
    lines = said.err.splitlines()
    assert lines[0].startswith(f"tomotui: {broken}: step 1 (measure): residual: no such parameter")
    assert lines[1].startswith(f"{broken}: step 1 (measure): when: 'x' a value or STEP.NAME")
    said = call("recipe", "check", broken, "--json")
    assert said.code == 2
    assert len(said.json["problems"]) == 2
    said = call("recipe", "run", broken, "-p", place)
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    said = call("recipe", "run", "standard", "--where", "moon", "-p", place)
    assert (said.code, said.err) == (2, "tomotui: --where moon: there are local and slurm\n")
    with Project.open(place) as project:
        assert project.jobs() == []


def test_a_doubtful_condition_is_a_warning(call: Call, place: Path) -> None:
    doubtful = place.parent / "doubtful.toml"
    doubtful.write_text(RECIPE.replace("residual_angstrom < 2 nm", "residul_angstrom < 2 nm"))
    said = call.well("recipe", "check", doubtful)
    assert said.out.startswith("warning: ")
    assert "did you mean residual_angstrom?" in said.out


def test_a_recipe_runs_each_series_by_itself(call: Call, place: Path) -> None:
    said = call("recipe", "run", place.parent / "trial.toml", "-p", place, "--wait")
    assert said.code == 1
    assert "job 2: next on 3 targets, when measure.residual_angstrom < 2 nm" in said.out
    assert "measure ts_2 failed: ts_2 is all ice. Take another." in said.err
    assert "next other skipped: not run, for the recipe trial asks for" in said.err
    assert "measure.residual_angstrom is 40" in said.err
    assert "next ts_1 done: aligned" in said.out
    with Project.open(place) as project:
        assert project.task(2, "ts_1").status == Status.DONE


def test_a_part_of_the_series_can_be_meant(call: Call, place: Path) -> None:
    trial = place.parent / "trial.toml"
    said = call.well("recipe", "run", trial, "-p", place, "--on", "ts_1", "--wait", "--json")
    assert [job["stage"] for job in said.json] == ["measure", "next"]
    assert [job["targets"] for job in said.json] == [["ts_1"]] * 2
    assert said.json[1]["step"]["when"] == "measure.residual_angstrom < 2 nm"
    assert said.json[1]["status"] == "done"
    at = ("-p", place, "--on", "ts_1")
    shown = call.well("recipe", "run", trial, *at, "--dry-run", "--json").json
    assert [(row["step"], row["to do"], row["done"]) for row in shown] == [
        ("measure", "0", "1"), ("next", "0", "1"),
    ]  # fmt: skip
    said = call.well("recipe", "run", trial, *at)
    assert said.out.splitlines()[0] == "job 1: measure on 1 targets, from an earlier run"
    assert said.out.splitlines()[-1] == "everything is done already; --again does it all again"
    shown = call.well("recipe", "run", trial, *at, "--dry-run", "--again").out
    assert "nothing was queued" in shown
    with Project.open(place) as project:
        assert len(project.jobs()) == 2


@pytest.mark.slow
def test_what_was_done_is_saved_and_found_by_name(call: Call, place: Path) -> None:
    trial = place.parent / "trial.toml"
    call.well("recipe", "run", trial, "-p", place, "--on", "ts_1", "--wait")
    said = call.well("recipe", "save", "mine", "-p", place)
    assert said.out == f"wrote {place}/recipes/mine.toml: measure, next\n"
    listed = call.well("recipe", "list", "-p", place, "--json").json
    assert [entry["name"] for entry in listed] == ["mine", "standard"]
    call.well("recipe", "run", "mine", "-p", place, "--on", "ts_1", "--wait")
    with Project.open(place) as project:
        assert project.job(4).step == project.job(2).step.replace(
            recipe="mine", run=project.job(4).step.run, earlier={"measure": 3}
        )
        assert project.job(3).parameters == project.job(1).parameters
    said = call("recipe", "save", "mine", "-p", place)
    assert said.code == 1
    assert "say --force" in said.err
    call.well("recipe", "save", "mine", "-p", place, "--force", "--full")
    assert "residual_angstrom = 4.0" in (place / "recipes" / "mine.toml").read_text()
    call.well("recipe", "save", "here.toml", "-p", place, "--jobs", 1)
    assert os.listdir() == ["here.toml"]


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        ("recipe check nothing", 2, "there is no recipe nothing; there are standard, or a file"),
        ("recipe run nothing -p P", 2, "there is no recipe nothing"),
        ("recipe run standard -p P --on nope", 2, "there is no tilt series nope"),
        ("recipe save a/b -p P", 2, "without slashes"),
        ("recipe save mine -p P", 1, "has no job that a recipe could repeat"),
        ("recipe save mine -p P --jobs 4", 1, "there is no job 4"),
        ("recipe frobnicate", 2, "list, check, run, save"),
        ("recipe run", 2, "see tomotui recipe run --help"),
    ],
)
def test_wrong_words_say_what_is_right(
    call: Call, place: Path, words: str, code: int, named: str
) -> None:
    said = call(*[str(place) if word == "P" else word for word in words.split()])
    assert (said.code, said.out) == (code, "")
    assert named in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("command", ["list", "check", "run", "save"])
def test_every_command_of_the_group_helps_with_an_example(call: Call, command: str) -> None:
    assert f"Example: tomotui recipe {command}" in call.well("recipe", command, "--help").out
    assert "Check a recipe against the stages" in call.well("recipe", "--help").out
