"""Power that fails between any two operations with which a result is taken in."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tomotui.project import Project
from tomotui.records import Status

if TYPE_CHECKING:
    from conftest import Bench


class PowerCut(BaseException):
    """Nothing works after it, not even cleaning up."""


class FailingConnection:
    """A connection whose statements all fail after the n-th."""

    def __init__(self, connection: sqlite3.Connection, n_left: int) -> None:
        self._connection = connection
        self.n_left = n_left

    def _spend(self) -> None:
        if self.n_left <= 0:
            raise PowerCut
        self.n_left -= 1

    def execute(self, *words: Any) -> sqlite3.Cursor:
        self._spend()
        return self._connection.execute(*words)

    def executemany(self, *words: Any) -> sqlite3.Cursor:
        self._spend()
        return self._connection.executemany(*words)

    def rollback(self) -> None:
        self._spend()
        self._connection.rollback()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _told(project: Project) -> object:
    """All that the project file keeps of jobs, without times and numbers of processes."""
    (task,) = project.tasks(2)
    return (
        (task.status, task.progress, task.summary, task.error, task.attempt, task.event_offset),
        project.job(2).status,
        [(e.kind, e.message) for e in project.events(2) if e.kind != "adopted"],
        [(name, one.step, one.value) for name, v in project.metrics(2).items() for one in v],
        sorted(one.uid for kind in ("alignment", "tomogram", "particle_set")
               for one in project.records(kind)),
        sorted(p.uid for one in project.particle_sets() for p in project.particles(one.uid)),
    )  # fmt: skip


def _take_in(folder: Path, n_statements: int) -> int | None:
    """Let an agent work until the cut; returns how many statements were left when it was done."""
    from conftest import make_agent

    project = Project.open(folder)
    real = project._db._sqlite
    agent = make_agent(project)
    failing = FailingConnection(real, n_statements)
    project._db._sqlite = failing  # type: ignore[assignment]
    try:
        agent.adopt()
        agent.step()
        return failing.n_left
    except PowerCut:
        return None
    finally:
        real.close()


@pytest.fixture
def unread(bench: Bench, tmp_path: Path) -> Path:
    """A project whose second job has ended, which no agent has noticed yet."""
    first = bench.request("fake", "a")
    bench.run()
    job = bench.request("average", "a", after=(first.id,))
    bench.agent.step()
    folder = bench.folder(job, "a")
    bench.wait_until(lambda: (folder / "exit.json").exists())
    process = bench.agent._followers[bench.task(job, "a").id]._process
    assert process is not None
    process.wait()
    assert bench.status(job, "a").is_active
    bench.project._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = tmp_path / "unread"
    shutil.copytree(bench.project.folder, kept)
    return kept


@pytest.mark.parametrize("stride", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_a_result_is_taken_in_once_wherever_the_power_fails(
    unread: Path, tmp_path: Path, stride: int
) -> None:
    folder = tmp_path / "uncut"
    shutil.copytree(unread, folder)
    left = _take_in(folder, 10_000)
    assert left is not None
    with Project.open(folder) as project:
        expected = _told(project)
        assert project.task(2, "a").status == Status.DONE
        assert sum(len(project.particles(one.uid)) for one in project.particle_sets()) == 3
    n_statements = 10_000 - left
    assert n_statements > 20
    for n in range(0, n_statements, stride):
        folder = tmp_path / "cut"
        shutil.copytree(unread, folder)
        assert _take_in(folder, n) is None, n
        assert _take_in(folder, 10_000) is not None
        with Project.open(folder, read_only=True) as project:
            assert _told(project) == expected, n
        shutil.rmtree(folder)
