"""Agents as processes of their own, and faces that come and go."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tomotui.jobs import agent_status, ensure_agent, submit
from tomotui.jobs.agent import run_agent
from tomotui.jobs.files import Lock
from tomotui.jobs.settings import AgentSettings
from tomotui.project import Project
from tomotui.records import JobRequest, Status, Target
from tomotui.stages import UnknownStage
from tomotui.stages.base import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

FACE = """
import sys, time
from tomotui.jobs import submit
from tomotui.project import Project
from tomotui.records import JobRequest, Target
with Project.open(sys.argv[1]) as project:
    job = submit(project, JobRequest(
        stage="fake", targets=(Target(name="a"),), parameters={"act": "wait"}))
print("submitted", flush=True)
time.sleep(600)
"""


def _wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _wish(*names: str, **values: object) -> JobRequest:
    return JobRequest(stage="fake", targets=tuple(Target(name=n) for n in names), parameters=values)


def _end_agent(folder: Path) -> None:
    status = agent_status(folder)
    if status.is_alive:
        assert status.info is not None
        os.kill(status.info.process.pid, signal.SIGTERM)
        _wait_until(lambda: not agent_status(folder).is_alive)


@pytest.fixture
def folder(project: Project) -> object:
    yield project.folder
    _end_agent(project.folder)


def test_submitting_starts_an_agent_and_the_job_runs(project: Project, folder: Path) -> None:
    assert not agent_status(folder).is_alive
    job = submit(project, _wish("a"))
    status = agent_status(folder)
    assert status.is_alive
    assert ensure_agent(folder).info == agent_status(folder).info
    before = project.data_version()
    _wait_until(lambda: project.job(job.id).status == Status.DONE)
    assert project.data_version() != before
    assert project.series_named("a") is not None


@pytest.mark.parametrize("blow", ["hang up", "kill"])
def test_a_job_outlives_the_terminal_of_its_face(project: Project, folder: Path, blow: str) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", FACE, str(folder)])
    said = b""
    while b"submitted" not in said:
        said += os.read(terminal, 4096)
    if blow == "kill":
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    _, wait_status = os.waitpid(pid, 0)
    expected = signal.SIGKILL if blow == "kill" else signal.SIGHUP
    assert os.waitstatus_to_exitcode(wait_status) == -expected

    _wait_until(lambda: project.task(1, "a").progress > 0)
    assert agent_status(folder).is_alive
    (folder / "go-a").touch()
    _wait_until(lambda: project.task(1, "a").status == Status.DONE)


def test_an_agent_killed_at_work_is_followed_by_another(project: Project, folder: Path) -> None:
    job = submit(project, _wish("a", "b", act="wait"))
    _wait_until(lambda: all(task.progress > 0 for task in project.tasks(job.id)))
    pids = {task.pid for task in project.tasks(job.id)}
    first = agent_status(folder).info
    assert first is not None
    os.kill(first.process.pid, signal.SIGKILL)
    _wait_until(lambda: not agent_status(folder).is_alive)
    (folder / "go-a").touch()
    _wait_until(lambda: (folder / project.task(job.id, "a").folder / "exit.json").exists())
    assert project.task(job.id, "a").status == Status.RUNNING

    second = ensure_agent(folder)
    assert second.info is not None
    assert second.info.process.pid != first.process.pid
    _wait_until(lambda: project.task(job.id, "a").status == Status.DONE)
    assert {task.pid for task in project.tasks(job.id)} <= {*pids, None}
    (folder / "go-b").touch()
    _wait_until(lambda: project.job(job.id).status == Status.DONE)
    assert sorted(s.name for s in project.tilt_series()) == ["a", "b"]
    for name in ("a", "b"):
        kinds = [event.kind for event in project.events(job.id, name)]
        assert kinds == ["started", "adopted", "finished"]


def test_a_second_agent_leaves_the_work_to_the_first(project: Project, folder: Path) -> None:
    status = ensure_agent(folder)
    assert status.info is not None
    second = subprocess.run(
        [sys.executable, "-m", "tomotui.jobs.agent", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 0
    assert f"another agent is at work on {folder}" in second.stderr
    assert agent_status(folder).info == status.info or agent_status(folder).is_alive


def test_an_agent_without_work_ends_and_cleans_up(project: Project) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        assert run_agent(project.folder, AgentSettings(idle=0.05, idle_tick=0.01)) == 0
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert not (project.folder / "agent.json").exists()
    assert Lock(project.folder / "agent.lock").acquire()


def test_workers_and_agents_do_not_load_torch(project: Project, folder: Path) -> None:
    job = submit(project, _wish("a", act="wait"))
    _wait_until(lambda: project.task(job.id, "a").progress > 0)
    info = agent_status(folder).info
    task = project.task(job.id, "a")
    assert info is not None
    assert task.pid is not None
    for pid in (info.process.pid, task.pid):
        maps = [entry.path for entry in psutil.Process(pid).memory_maps()]
        assert not any("torch" in path for path in maps)
    (folder / "go-a").touch()
    _wait_until(lambda: project.task(job.id, "a").status == Status.DONE)


def test_what_the_stage_does_not_accept_is_not_submitted(project: Project) -> None:
    with pytest.raises(ParameterError, match="amount"):
        submit(project, _wish("a", amount=0), start_agent=False)
    own = JobRequest(
        stage="fake", targets=(Target(name="a"), Target(name="b", parameters={"amount": "x"}))
    )
    with pytest.raises(ParameterError, match="amount"):
        submit(project, own, start_agent=False)
    with pytest.raises(UnknownStage, match="no stage elsewhere"):
        submit(project, own.replace(stage="elsewhere"), start_agent=False)
    assert project.jobs() == []
