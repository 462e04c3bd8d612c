"""Running stages and looking after jobs, with stages that do as they are told."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tomotui.cli.waiting import wait_for_job
from tomotui.jobs import agent_status
from tomotui.project import Project
from tomotui.records import Job, JobRequest, Status, Target, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Call, Outside


def _status(folder: Path, job: int, target: str) -> Status:
    with Project.open(folder, read_only=True) as project:
        return project.task(job, target).status


def test_the_life_of_jobs(call: Call, three: Path, wait_until: Callable[..., None]) -> None:
    """One project and one agent for the whole way, because each costs a second."""
    at = ("-p", three)

    # Patterns, typed values, waiting, JSON.
    said = call.well("run", "fake", "--on", "ts_*", "--set", "amount=2", "dataset=2024", "--wait",
                     "--json", *at)  # fmt: skip
    job = said.json
    assert (job["status"], job["targets"]) == ("done", ["ts_1", "ts_2"])
    assert job["parameters"] == {"amount": 2, "dataset": "2024"}
    assert [task["summary"] for task in job["tasks"]] == ["made ts_1", "made ts_2"]

    # Failed work: 1, the reason on stderr, nothing of it on stdout.
    said = call("run", "fake", "--on", "other", "--set", "act=fail", "--wait", *at)
    assert said.code == 1
    assert said.out == "job 2: fake on 1 tilt series\n"
    assert "fake other failed: other.mrc is truncated. Copy it again." in said.err
    assert "tomotui retry 2" in said.err
    said = call("run", "fake", "--on", "other", "--set", "act=fail", "--wait", "--json", *at)
    assert said.code == 1
    assert said.json["status"] == "failed"
    assert "truncated" in said.err

    # All series by default; a job after another one.
    said = call.well("run", "fake", "--set", "act=wait", "--label", "a note", *at)
    assert said.out == "job 4: fake on 3 tilt series\n"
    call.well("run", "next", "--on", "ts_1", "--after", "4", *at)
    assert _status(three, 5, "ts_1") == Status.QUEUED
    listed = {job["id"]: job for job in call.well("jobs", "--json", *at).json}
    assert (listed[4]["label"], listed[5]["after"]) == ("a note", [4])
    table = call.well("jobs", *at).out.splitlines()
    assert table[0].split() == ["job", "stage", "targets", "status", "done", "time", "note"]
    assert "1 failed of 1" in table[2]
    assert "job 4 fake:" in call.well("status", *at).out

    # Cancelling some of the tasks.
    wait_until(lambda: _status(three, 4, "ts_1") == Status.RUNNING)
    said = call.well("cancel", "4", "--on", "ts_2", "oth*", *at)
    assert said.out == "asked 2 tasks of job 4 to stop\n"
    wait_until(lambda: _status(three, 4, "ts_2") == Status.CANCELLED)
    assert _status(three, 4, "ts_1") == Status.RUNNING
    wrong = call("cancel", "4", "--on", "nope", *at)
    assert (wrong.code, wrong.out) == (2, "")
    assert "no target of job 4 called nope; there are" in wrong.err
    for name in ("ts_1", "ts_2", "other"):
        (three / f"go-{name}").touch()
    wait_until(lambda: _status(three, 5, "ts_1") == Status.DONE)
    assert call.well("cancel", "5", *at).out == "nothing was at work\n"

    # Running again what did not succeed.
    said = (
        call.well("retry", "4", "--on", "ts_2", "--wait", *at)
        if False
        else call("retry", "4", "--wait", *at)
    )
    assert said.code == 0, said
    assert "2 tasks of job 4 run again" in said.out
    assert call.well("retry", "4", *at).out == "nothing had failed\n"

    # Logs, of one target and of several.
    one = call.well("logs", "1", "--on", "ts_1", *at).out
    assert "half way" in one
    assert "==" not in one
    both = call.well("logs", "1", "--follow", *at).out
    assert both.index("== fake ts_1 ==") < both.index("== fake ts_2 ==")

    # What was done, at a glance.
    rows = {row["name"]: row for row in call.well("status", "--json", *at).json["series"]}
    assert rows["ts_1"]["stages"]["next"]["text"] == "aligned"
    assert rows["other"]["stages"]["fake"] == {
        "status": "done", "text": "made other", "progress": 1.0, "job": 4,
    }  # fmt: skip
    out = call.well("status", *at).out
    assert "done made other" in out
    assert "agent: process" in out

    # A second agent is not needed.
    assert "another agent is at work already" in call.well("agent", *at).out


def test_waiting_goes_on_with_another_agent(
    call: Call,
    three: Path,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., None],
) -> None:
    """The agent is killed while one waits."""
    monkeypatch.setattr("tomotui.cli.waiting.AGENT_LOOK_SECONDS", 0.1)
    call.well("run", "fake", "--on", "ts_1", "--set", "act=wait", "-p", three)
    wait_until(lambda: _status(three, 1, "ts_1") == Status.RUNNING)
    first = agent_status(three).info
    assert first is not None
    os.kill(first.process.pid, signal.SIGKILL)
    wait_until(lambda: not agent_status(three).is_alive)

    out = call.well("status", "-p", three).out
    assert f"no agent (the last was process {first.process.pid}" in out
    assert f"go on with: tomotui agent -p {three}" in out
    assert call.well("status", "--json", "-p", three).json["agent"] is False

    (three / "go-ts_1").touch()
    from tomotui.cli.waiting import wait_for_job

    with Project.open(three) as project:
        assert wait_for_job(project, 1) == 0
    second = agent_status(three).info
    assert second is not None
    assert second.process.pid != first.process.pid


def test_watching_tells_each_change_until_interrupted(
    call: Call, outside: Outside, three: Path
) -> None:
    process = outside.start(
        "status", "--watch", "--json", "-p", three,
        # Shells without job control start background commands deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout is not None
    lines = iter(process.stdout)
    assert json.loads(next(lines))["agent"] is False
    call.well("run", "fake", "--on", "ts_1", "--set", "act=wait", "-p", three)
    (three / "go-ts_1").touch()
    changes = []
    for line in lines:
        changes.append(json.loads(line))
        if changes[-1].get("status") == "done":
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    cells = [change for change in changes if "stage" in change]
    assert {(one["series"], one["stage"], one["job"]) for one in cells} == {("ts_1", "fake", 1)}
    assert cells[-1]["text"] == "made ts_1"
    assert len(cells) == len({(one["status"], one["progress"]) for one in cells})
    assert len(cells) < 10


def test_watching_in_words(call: Call, three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with Project.open(three) as project:
        from tomotui.records import JobRequest, Target

        project.submit(JobRequest(stage="fake", targets=(Target(name="ts_1"),)))
    monkeypatch.setattr("tomotui.cli.watching.time.sleep", interrupted)
    lines = call.well("status", "--watch", "-p", three).out.splitlines()
    assert [line[10:] for line in lines] == ["no agent", "fake ts_1 queued"]


def test_interrupting_the_wait_leaves_the_job(
    call: Call, three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tomotui.cli.waiting.time.sleep", interrupted)
    monkeypatch.setattr("tomotui.jobs.submission.ensure_agent", lambda folder: None)
    said = call("run", "fake", "--on", "ts_1", "--wait", "-p", three)
    assert said.code == 130
    assert f"tomotui logs 1 --follow -p {three}" in said.err
    assert _status(three, 1, "ts_1") == Status.QUEUED


class EndsBetweenTwoLooks:
    """A project whose only task ends after it was looked at, and before its job is."""

    def __init__(self, project: Project, job_id: int) -> None:
        self._project = project
        self._job_id = job_id
        self.folder = project.folder

    def data_version(self) -> int:
        return 1

    def tasks(self, job_id: int) -> list[Task]:
        return self._project.tasks(job_id)

    def job(self, job_id: int) -> Job:
        for task in self._project.tasks(job_id):
            if not task.status.is_finished:
                self._project.finish_task(task, Status.FAILED, error="the disk is full")
        return self._project.job(job_id)


def test_what_ends_while_one_looks_is_told_too(
    three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Project.open(three) as project:
        job = project.submit(JobRequest(stage="fake", targets=(Target(name="ts_1"),)))
        watched: Any = EndsBetweenTwoLooks(project, job.id)
        assert wait_for_job(watched, job.id) == 1
    assert "the disk is full" in capsys.readouterr().err
