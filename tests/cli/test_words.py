"""Every command explains itself, and wrong words are told from failed work."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tomotui.cli import app
from tomotui.cli.app import _COMMANDS
from tomotui.cli.assignments import parse_assignments
from tomotui.stages import get

if TYPE_CHECKING:
    from conftest import Call


@pytest.mark.parametrize("command", list(_COMMANDS))
def test_every_command_helps_with_an_example(call: Call, command: str) -> None:
    said = call.well(command, "--help")
    assert f"Example: tomotui {command}" in said.out
    assert "Traceback" not in said.out
    # No option is left without its sentence.
    lines = [line.strip("│ *") for line in said.out.splitlines() if line.startswith("│")]
    bare = [line for line in lines if line.startswith("--") and len(line.split("  ")) == 1]
    assert bare == []


def test_help_lists_the_commands_in_the_order_of_work(call: Call) -> None:
    said = call.well("--help")
    places = [said.out.index(f"│ {name} ") for name in _COMMANDS]
    assert places == sorted(places)
    assert "Make a project in a folder." in said.out
    assert "--debug" in said.out


def test_help_without_boxes_for_plain_terminals(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert "│" not in call.well("run", "--help").out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("frobnicate", "neither a command nor a folder frobnicate"),
        ("stauts", "did you mean tomotui status?"),
        ("run", "see tomotui run --help"),
        ("run align --bogus 3", "--bogus"),
        ("run nonesuch", "there is no stage nonesuch; there are import, motion, align"),
        ("run import", "tomotui import STACK"),
        ("run fake --where cloud", "there are local and slurm"),
        ("run fake --on ts_9", "there is no tilt series ts_9; there are ts_1, ts_2, other"),
        ("run fake --on ts_1 nope*", "there is no tilt series nope*"),
        ("run fake --after 7", "there is no job 7; there are none yet"),
        ("run fake --after x", "x"),
        ("run fake --set act", "write it as key=value"),
        ("run fake --set act=dance", "act: input should be 'work'"),
        ("run fake --set amount=0", "amount: input should be greater than or equal to 1 (got 0)"),
        ("run fake --set amount=many", "amount: input should be a valid integer"),
        ("run fake --set bogus=1", "bogus: no such parameter; there are act, amount, dataset"),
        ("run fake --set amount=1 amount=2", "amount is given twice"),
        ("logs 4", "there is no job 4; there are none yet"),
        ("cancel 4", "there is no job 4"),
        ("retry 4", "there is no job 4"),
        ("logs four", "four"),
        ("agent --idle-seconds -1", "give 0 or more"),
        ("agent --tasks-per-gpu 0", "give 1 or more"),
        ("stages nonesuch", "there is no stage nonesuch"),
        ("export pictures -o out", "there are alignment, ctf"),
        ("export alignment -o out --format eman", "alignment can be imod, aretomo, relion"),
        ("export alignment", "--output"),
        ("export alignment -o out --on nope", "there is no tilt series nope"),
        ("export particles -o out --on nope", "there is no particle set nope"),
        ("export map -o out --on nope", "there is no map nope"),
        ("import-particles picks.csv --diameter 0", "give Angstrom above zero"),
        ("import-particles picks.csv --name a/b", "without slashes"),
        ("import-particles picks.star --tomogram-size 9 9 9", "go together"),
        ("import-particles picks.star --symmetry X9", "there is no point group 'X9'"),
        ("import-particles picks.star --into a --name b", "there already; leave out --name"),
        ("export ctf -o out --min-score 1", "for particles only, not ctf"),
        ("particles new a/b --diameter 100", "without slashes"),
        ("particles new a", "--diameter"),
        ("simulate", "say which folder"),
        ("simulate out --set bogus=1", "there is no parameter bogus"),
        ("simulate out --size 8", "size_px"),
        ("simulate out --set tilt_max_deg=-70", "tilt_max_deg lies below tilt_min_deg"),
        ("simulate out --set tilt_step_deg=NaN", "finite"),
    ],
)
def test_wrong_words_end_with_2_and_say_what_is_right(
    call: Call, three: Path, words: str, named: str
) -> None:
    parts = words.split()
    if parts[0] not in ("stages", "simulate", "frobnicate", "stauts"):
        parts += ["-p", str(three)]
    said = call(*parts)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("tomotui: ")
    assert named in said.err
    assert len(said.err.splitlines()) == 1
    assert list(Path.cwd().iterdir()) == []
    assert call.well("jobs", "-p", three, "--json").json == []


@pytest.mark.parametrize(
    "words",
    ["status", "jobs", "logs 1", "cancel 1", "retry 1", "agent", "run align", "import x.mrc",
     "import-particles p.csv", "export alignment -o out"],
)  # fmt: skip
def test_without_a_project_each_command_says_how_to_make_one(call: Call, words: str) -> None:
    said = call(*words.split())
    assert (said.code, said.out) == (1, "")
    assert "holds no project" in said.err
    assert f"tomotui init {Path.cwd()}" in said.err
    assert list(Path.cwd().iterdir()) == []


def test_the_screens_need_a_terminal(call: Call, three: Path) -> None:
    said = call(three)
    assert (said.code, said.out) == (1, "")
    assert "need a terminal" in said.err


def test_an_unforeseen_error_is_told_in_one_line(
    call: Call, three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the moon")

    monkeypatch.setattr("tomotui.cli.jobs.open_project", broken)
    said = call("jobs", "-p", three)
    assert (said.code, said.out) == (1, "")
    assert "RuntimeError: the moon" in said.err
    assert "--debug" in said.err
    assert "Traceback" not in said.err
    with pytest.raises(RuntimeError, match="the moon"):
        app.run(["jobs", "--debug"])


def test_stages_tell_their_parameters(call: Call, with_fake_stages: None) -> None:
    table = call.well("stages").out
    assert [line.split()[0] for line in table.splitlines()[1:6]] == [
        "import",
        "motion",
        "align",
        "ctf",
        "reconstruct",
    ]
    listed = call.well("stages", "--json").json
    names = [stage["name"] for stage in listed]
    assert names[:5] == ["import", "motion", "align", "ctf", "reconstruct"]
    one = call.well("stages", "align").out
    assert "thickness_angstrom (angstrom, default 2500.0, >= 200, <= 20000)" in one
    (fake,) = call.well("stages", "fake", "--json").json
    assert fake["gives"] == ["tilt_series"]
    assert fake["parameters"]["properties"]["amount"]["minimum"] == 1


def test_simulate_lists_its_parameters(call: Call) -> None:
    out = call.well("simulate", "--parameters").out
    assert "defocus_angstrom (angstrom, default 30000.0)" in out


def test_init_makes_a_project_once(call: Call) -> None:
    place = Path.cwd() / "cells"
    said = call.well("init", place, "--name", "lamella")
    assert str(place) in said.out
    again = call("init", place)
    assert (again.code, again.out) == (1, "")
    assert "holds a project already" in again.err
    status = call.well("status", "-p", place, "--json").json
    assert (status["name"], status["series"], status["jobs"]) == ("lamella", [], [])
    words = call.well("status", "-p", place).out
    assert "tomotui import" in words
    assert "no agent" in words
    assert "tomotui run" in call.well("jobs", "-p", place).out
    json.dumps(status, allow_nan=False)


def test_the_commands_that_the_screens_show_are_understood(tmp_path: Path) -> None:
    from tomotui.records import JobRequest, Target
    from tomotui.tui.shell_words import run_command

    raw = {"stack": "/data/a b.mrc", "mdoc": "/data/a.mdoc", "tilt_axis_deg": 84.5,
           "dose_e_per_a2": 3, "acquisition": "dose-symmetric",
           "copy_stack": True, "dataset": "cells"}  # fmt: skip
    wishes = [
        JobRequest(stage="import", targets=(Target(name="x", parameters=raw),)),
        JobRequest(
            stage="align",
            targets=(Target(name="a b"), Target(name="c")),
            parameters={"tilt_axis_deg": None, "rounds": 3, "exclude_bad_tilts": False},
            after=(1, 2),
            label="a note",
        ),
    ]
    understood = []
    for wish in wishes:
        words = shlex.split(run_command(wish, tmp_path))
        assert words[0] == "tomotui"
        command, bound, _ = app.app.parse_args(words[1:], exit_on_error=False, print_error=False)
        understood.append((command.__name__, bound.arguments))
    (first, imported), (second, ran) = understood
    assert (first, second) == ("import_", "run")
    assert (imported["stacks"], imported["name"]) == ([Path("/data/a b.mrc")], "x")
    assert (imported["tilt_axis"], imported["copy"]) == (84.5, True)
    assert (ran["on"], ran["after"], ran["label"]) == (["a b", "c"], [1, 2], "a note")
    fields = get("align").parameters_type.model_fields
    assert parse_assignments(ran["set_"], fields) == wishes[1].parameters
