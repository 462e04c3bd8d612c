"""Watching from the command line, in the foreground and detached."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.jobs.microscope import cut, leave_series
from tomotui.jobs.watch_presence import stop_watch, watch_statuses
from tomotui.project import Project
from tomotui.records import Status

if TYPE_CHECKING:
    from conftest import Call, Outside

STAGES = ("FakeStage", "NextStage", "MeasureStage")
RECIPE = """
[[step]]
stage = "measure"
parameters = { failing = ["ts_2"], poor = ["ts_3"] }
[[step]]
stage = "next"
when = "measure.residual_angstrom < 20"
"""


@pytest.fixture
def place(folder: Path, with_fake_stages: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    listed = ",".join(f"fake_stages:{name}" for name in STAGES)
    monkeypatch.setenv("TOMOTUI_EXTRA_STAGES", listed)
    (folder.parent / "live.toml").write_text(RECIPE)
    (folder.parent / "session").mkdir()
    yield folder
    for status in watch_statuses(folder):
        if status.is_alive and status.info.process.pid != os.getpid():
            stop_watch(folder, status)


def words(place: Path, *more: object) -> list[object]:
    session, recipe = place.parent / "session", place.parent / "live.toml"
    return [
        "watch",
        session,
        "--recipe",
        recipe,
        "-p",
        place,
        "--settle",
        0,
        "--every",
        0.05,
        *more,
    ]


def all_ended(place: Path) -> bool:
    with Project.open(place, read_only=True) as project:
        return bool(project.jobs()) and all(job.status.is_finished for job in project.jobs())


@pytest.mark.slow
def test_once_takes_what_is_there_and_the_board_tells_what_came_of_it(
    call: Call, place: Path, wait_until: Callable[..., None]
) -> None:
    session = place.parent / "session"
    for name in ("ts_1", "ts_2", "ts_3"):
        leave_series(session, name)
    cut(leave_series(session, "ts_4"))
    said = call.well(*words(place, "--once"))
    assert "ts_1: taken, 5 images" in said.out
    assert "ts_4.mrc: " in said.out
    assert said.out.splitlines()[-1] == "3 tilt series taken, 1 left out"
    wait_until(lambda: all_ended(place))
    said = call.well("watch", "--status", "-p", place)
    lines = {line.split()[0]: line for line in said.out.splitlines()}
    assert " 40.00 " in lines["ts_3"]
    assert lines["ts_1"].endswith("good  done")
    assert lines["ts_2"].endswith("failed measure: ts_2 is all ice. Take another.")
    assert "held next: not run, for the recipe live asks for" in lines["ts_3"]
    assert "3 series, 1 done, 1 held, 1 failed" in said.out
    board = call.well("watch", "--status", "-p", place, "--json").json
    assert [row["name"] for row in board["rows"]] == ["ts_3", "ts_2", "ts_1"]
    assert board["watchers"][0]["alive"] is False
    assert board["totals"]["by_state"]["done"] == 1


def test_a_second_once_takes_nothing(call: Call, place: Path) -> None:
    leave_series(place.parent / "session", "ts_1")
    call.well(*words(place, "--once"))
    said = call.well(*words(place, "--once", "--json"))
    events = [json.loads(line) for line in said.out.splitlines()]
    assert "taken" not in [event["event"] for event in events]


@pytest.mark.slow
def test_interrupting_ends_the_watching_and_jobs_go_on(
    outside: Outside, place: Path, wait_until: Callable[..., None], tmp_path: Path
) -> None:
    session = place.parent / "session"
    process = outside.start(*words(place, "--json"), cwd=tmp_path)
    wait_until(lambda: any(status.is_alive for status in watch_statuses(place)))
    refused = outside(*words(place), cwd=tmp_path)
    assert refused.code == 1
    assert f"is watched by process {process.pid}" in refused.err
    leave_series(session, "ts_1")
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(json.loads(line))
        if lines[-1].get("state") == "done":
            break
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stdout.close()
    process.stderr.close()
    assert lines[0]["event"] == "taken"
    assert {line["event"] for line in lines} == {"taken", "row"}
    assert not any(status.is_alive for status in watch_statuses(place))
    wait_until(lambda: all_ended(place))


def test_detached_it_goes_on_without_a_terminal_until_it_is_stopped(
    call: Call, place: Path, wait_until: Callable[..., None]
) -> None:
    session = place.parent / "session"
    said = call.well(*words(place, "--detach"))
    assert said.out.startswith(f"{session} is watched by process ")
    (status,) = watch_statuses(place)
    assert os.getsid(status.info.process.pid) != os.getsid(0)
    said = call(*words(place, "--detach"))
    assert said.code == 1
    assert "is watched by process" in said.err
    leave_series(session, "ts_1")
    wait_until(lambda: all_ended(place))
    with Project.open(place) as project:
        assert [job.status for job in project.jobs()] == [Status.DONE] * 3
    said = call.well("watch", "--status", "-p", place)
    assert "1 taken" in said.out
    assert call.well("watch", "--stop", "-p", place).out == (
        f"{session} is not watched any more; jobs go on\n"
    )
    assert call.well("watch", "--stop", "-p", place).out == "nothing is being watched\n"
    log = next((place / "watch").glob("*.log")).read_text()
    assert "ts_1 5 images" in log
    assert "ends; 1 tilt series were taken" in log


def test_a_killed_watcher_is_not_taken_for_a_living_one(
    call: Call, place: Path, wait_until: Callable[..., None]
) -> None:
    call.well(*words(place, "--detach"))
    (status,) = watch_statuses(place)
    os.kill(status.info.process.pid, signal.SIGKILL)
    wait_until(lambda: not watch_statuses(place)[0].is_alive)
    leave_series(place.parent / "session", "ts_1")
    assert "ts_1: taken" in call.well(*words(place, "--once")).out


@pytest.mark.parametrize(
    ("more", "code", "named"),
    [
        ("", 2, "say which folder to watch"),
        ("nowhere", 1, "nowhere is no folder; check the path"),
        ("S --settle -1", 2, "--settle -1: give 0 seconds or more"),
        ("S --every 0", 2, "--every 0: give seconds above zero"),
        ("S --pattern ../*.mrc", 2, "give one within the folder"),
        ("S --import dose", 2, "write it as key=value"),
        ("S --import stack=a.mrc", 2, "belongs to a single stack"),
        ("S --import dose=3 --once", 2, "dose: no such parameter"),
        ("S --recipe nothing --once", 2, "there is no recipe nothing"),
        ("S --recipe nothing --detach", 2, "there is no recipe nothing"),
        ("--status --stop", 2, "do not go together"),
    ],
)
def test_wrong_words_say_what_is_right(
    call: Call, place: Path, more: str, code: int, named: str
) -> None:
    session = str(place.parent / "session")
    said = call("watch", *[session if word == "S" else word for word in more.split()], "-p", place)
    assert said.code == code
    assert named in said.err
    assert len(said.err.splitlines()) == 1
    assert not watch_statuses(place)
