"""Filters, times, lists and command lines."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tomotui.records import JobRequest, Target
from tomotui.tui.filtering import RowFilter
from tomotui.tui.shell_words import run_command
from tomotui.tui.wording import age, duration, listed, percent, remaining, shortened


@pytest.mark.parametrize(
    ("wish", "row", "matches"),
    [
        ("", "ts_001", True),
        ("ts_0", "TS_001 done", True),
        ("TS", "ts_001", False),
        ("!failed", "ts_001 failed", False),
        ("!failed", "ts_001 done", True),
        ("!", "anything", True),
        (r"^ts_0[12]", "ts_02", True),
        (r"^ts_0[12]", "a ts_02", False),
        ("[", "a [ b", True),
        ("-f tmgrm", "tomogram", True),
        ("-f mgt", "tomogram", False),
        ("1.5", "1.5 px", True),
    ],
)
def test_filters(wish: str, row: str, matches: bool) -> None:
    assert RowFilter(wish).matches(row) is matches


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0, "0 s"), (59.4, "59 s"), (61, "1 m"), (3720, "1h 02"), (7 * 86400, "7 d")],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_remaining_time_does_not_change_with_every_second() -> None:
    assert len({remaining(s) for s in range(301, 330)}) == 1
    assert remaining(None) == ""
    assert remaining(3) == "5 s"


def test_ages_change_in_few_steps() -> None:
    assert age(0) == age(9) == "now"
    assert len({age(s) for s in range(3600)}) <= 10
    assert age(3 * 3600) == "3 h"


def test_only_what_is_done_is_100_percent() -> None:
    assert percent(0.9999) == "99%"
    assert percent(1.0) == "100%"


def test_lists_and_cuts() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed(["a", "b", "c"]) == "a +2"
    assert listed([str(i) for i in range(9)], 4) == "0, 1, 2 +6"
    assert shortened("tomogram", 5) == "tomo…"


def test_the_command_of_a_job_says_all_that_differs() -> None:
    request = JobRequest(
        stage="align",
        parameters={"tilt_axis_deg": 84.7, "exclude_bad_tilts": False, "note": "two words"},
        targets=(Target(name="ts_1"), Target(name="ts 2")),
        after=(3,),
    )
    words = shlex.split(run_command(request, Path("/data/my project")))
    assert words[:3] == ["tomotui", "run", "align"]
    assert words[words.index("--on") + 1 : words.index("--set")] == ["ts_1", "ts 2"]
    assert "tilt_axis_deg=84.7" in words
    assert "exclude_bad_tilts=false" in words
    assert "note=two words" in words
    assert words[-4:] == ["--after", "3", "-p", "/data/my project"]


def test_targets_with_parameters_of_their_own_get_a_command_each() -> None:
    targets = (Target(name="a", parameters={"x": 1}), Target(name="b", parameters={"x": 2}))
    lines = run_command(JobRequest(stage="align", targets=targets), Path("/p")).splitlines()
    assert len(lines) == 2
    assert "--on a --set x=1" in lines[0]


def test_an_import_is_said_as_an_import() -> None:
    targets = tuple(
        Target(name=n, parameters={"stack": f"/raw/{n}.mrc", "dose_e_per_a2": 3.0}) for n in "ab"
    )
    command = run_command(JobRequest(stage="import", targets=targets), Path("/p"))
    assert command == "tomotui import /raw/a.mrc /raw/b.mrc --dose 3.0 -p /p"


def test_an_import_of_movies_is_told_with_its_options() -> None:
    values = {"movies": "/raw/ts_1.mdoc", "frames": "/raw/frames", "gain": "/g.mrc", "local": "off"}
    request = JobRequest(stage="motion", targets=(Target(name="ts_1", parameters=values),))
    assert run_command(request, Path("/p")) == (
        "tomotui import /raw/ts_1.mdoc --frames /raw/frames --gain /g.mrc --set local=off -p /p"
    )
