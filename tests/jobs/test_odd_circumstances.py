"""Full disks, clocks that jump, lines that are not what they should be, folders out of reach."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from tomotui.jobs import launch
from tomotui.jobs.files import Lock, is_locked
from tomotui.project import Project
from tomotui.records import Event, Status

if TYPE_CHECKING:
    from conftest import Bench


class FullDisk:
    """Lets some writes through, and then has no space."""

    def __init__(self, n_left: int, write: Any) -> None:
        self.n_left = n_left
        self.write = write

    def __call__(self, *words: Any, **options: Any) -> Any:
        if self.n_left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.n_left -= 1
        return self.write(*words, **options)


@pytest.mark.parametrize("n_writes", [0, 1])
def test_a_disk_that_fills_while_a_task_is_prepared_fails_it_and_a_retry_works(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, n_writes: int
) -> None:
    job = bench.request("fake", "a")
    with monkeypatch.context() as patch:
        patch.setattr(launch, "write_model", FullDisk(n_writes, launch.write_model))
        bench.run()
    task = bench.task(job, "a")
    assert task.status is Status.FAILED
    assert "No space left on device" in task.error
    assert "Check the disk and retry." in task.error
    bench.project.retry(job.id)
    bench.run()
    assert bench.status(job, "a") is Status.DONE


def test_a_project_file_that_cannot_grow_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite is told that it may have no more pages, as on a full disk."""
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    database = bench.agent._project._db
    pages = database.scalar("PRAGMA page_count")
    database.execute(f"PRAGMA max_page_count = {pages}")
    filler = "x" * 3_000_000
    events = bench.folder(job, "a") / "events.jsonl"
    with events.open("ab") as file:
        line = Event(kind="log", at=time.time(), message=filler).model_dump_json()
        file.write(line.encode() + b"\n")
    for _ in range(3):
        bench.agent.step()
    assert bench.status(job, "a") is Status.RUNNING
    database.execute("PRAGMA max_page_count = 1000000")
    bench.go("a")
    bench.run()
    assert bench.status(job, "a") is Status.DONE
    assert [len(e.message) for e in bench.project.events(job.id, kinds=("log",))] == [len(filler)]


@pytest.mark.parametrize("jump_seconds", [-86400.0, 86400.0])
def test_a_clock_that_jumps_kills_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, jump_seconds: float
) -> None:
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump_seconds)
    bench.new_agent()
    for _ in range(3):
        bench.agent.step()
    assert bench.status(job, "a") is Status.RUNNING
    bench.go("a")
    bench.run()
    task = bench.task(job, "a")
    assert (task.status, task.attempt) == (Status.DONE, 1)
    assert bench.project.events(job.id, kinds=("warning",)) == []


def test_events_that_hold_something_odd_do_not_stop_the_others(bench: Bench) -> None:
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    odd: tuple[tuple[str, dict[str, Any]], ...] = (
        ("metric", {}),
        ("metric", {"name": "loss", "value": "much"}),
        ("metric", {"name": "loss", "value": 1.0, "step": "first"}),
        ("metric", {"name": "loss", "value": 10**400}),
        ("metric", {"name": "loss", "value": 2.0, "step": 3}),
        ("progress", {"fraction": "half", "eta_seconds": []}),
        ("unheard-of", {"deep": [[[]]]}),
    )
    with (bench.folder(job, "a") / "events.jsonl").open("ab") as file:
        for kind, data in odd:
            line = Event(kind=kind, at=time.time(), data=data).model_dump_json()
            file.write(line.encode() + b"\n")
        file.write(b'\xff\xfe{}\n[]\n{"kind": 3}\n')
    bench.agent.step()
    bench.go("a")
    bench.run()
    assert bench.status(job, "a") is Status.DONE
    assert [(m.step, m.value) for m in bench.project.metrics(job.id)["loss"]] == [(3.0, 2.0)]


def test_a_lock_file_that_was_left_behind_locks_nothing(project: Project) -> None:
    path = project.folder / "agent.lock"
    path.write_text("left by a process that is gone")
    assert not is_locked(path)
    lock = Lock(path)
    assert lock.acquire()
    lock.release()


def test_two_agents_in_turn_take_nothing_in_twice(bench: Bench) -> None:
    """Should a lock fail, as on some shared file systems, the project file still refuses."""
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    from conftest import make_agent

    with Project.open(bench.project.folder) as others:
        second = make_agent(others)
        second.adopt()
        bench.go("a")
        while not bench.status(job, "a").is_finished:
            bench.agent.step()
            second.step()
        second.step()
        bench.run()
    assert bench.status(job, "a") is Status.DONE
    assert len(bench.project.tilt_series()) == 1
    kinds = [event.kind for event in bench.project.events(job.id)]
    assert kinds.count("finished") == kinds.count("started") == 1


def test_a_project_that_is_out_of_reach_for_a_while_loses_no_work(bench: Bench) -> None:
    """A share that goes away and comes back: workers go on, and are followed again."""
    job = bench.request("fake", "a", act="wait")
    task = bench.run_until_working(job, "a")
    away = bench.project.folder.with_name("away")
    bench.project.folder.rename(away)
    for _ in range(3):
        bench.agent.step()
    away.rename(bench.project.folder)
    assert bench.task(job, "a").pid == task.pid
    bench.go("a")
    bench.run()
    assert bench.status(job, "a") is Status.DONE
