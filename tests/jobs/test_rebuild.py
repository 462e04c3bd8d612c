"""A project file that was lost or damaged is made anew from what is left and the job folders."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tomotui.jobs.files import Lock
from tomotui.jobs.presence import AGENT_LOCK
from tomotui.jobs.rebuild import rebuild
from tomotui.project import Project, ProjectError
from tomotui.project.restoration import DERIVED_TABLES, TABLES
from tomotui.project.salvage import Gap, readable_rows
from tomotui.records import JobRequest, Particle, ParticleSet, Status, Target, new_uid
from tomotui.records.particle_table import ParticleTable

if TYPE_CHECKING:
    from conftest import Bench


def _told(project: Project) -> dict[str, object]:
    """What people see of a project: records, states, events, metrics, particles."""
    jobs = project.jobs()
    return {
        "records": {
            (one.uid, one.model_dump_json())
            for kind in ("tilt_series", "alignment", "tomogram", "particle_set")
            for one in project.records(kind)
        },
        "jobs": [(job.id, job.stage, job.status, job.parameters, job.after) for job in jobs],
        "tasks": [
            (task.target, task.status, task.attempt, task.parameters, task.error, task.summary)
            for job in jobs
            for task in project.tasks(job.id)
        ],
        "events": [
            (event.kind, event.message)
            for job in jobs
            for task in project.tasks(job.id)
            for event in project.events(job.id, task.target)
            if event.kind != "adopted"
        ],
        "metrics": {
            (job.id, name, one.step, one.value)
            for job in jobs
            for name, values in project.metrics(job.id).items()
            for one in values
        },
        "particles": {
            (particle.uid, particle.decision)
            for one in project.particle_sets()
            for particle in project.particles(one.uid)
        },
        "links": {
            (one.uid, ancestor.parent_uid)
            for one in project.records("alignment")
            for ancestor in project.provenance(one.uid)
        },
    }


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves the project for the others."""
    return tmp_path_factory.mktemp("worked") / "project"


@pytest.fixture
def worked(bench: Bench, kept: Path, tmp_path: Path) -> Iterator[Project]:
    """A project in which jobs have succeeded, failed and been retried."""
    if not kept.exists():
        targets = (Target(name="a", parameters={"amount": 1}), Target(name="b"))
        wish = JobRequest(stage="fake", targets=targets, label="mine")
        first = bench.project.submit(wish)
        failing = bench.request("fake", "c", act="fail")
        bench.request("average", "a", after=(first.id,))
        bench.run()
        bench.project.retry(failing.id)
        bench.run()
        _closed(bench.project)
        shutil.copytree(bench.project.folder, kept)
    folder = tmp_path / "worked"
    shutil.copytree(kept, folder)
    with Project.open(folder) as project:
        yield project


def _lose(project: Project) -> None:
    for path in project.folder.glob("project.sqlite*"):
        path.unlink()


def test_a_lost_project_file_is_made_anew_from_the_job_folders(worked: Project) -> None:
    before = _told(worked)
    assert before["particles"]
    _lose(worked)
    done = rebuild(worked.folder)
    assert (done.jobs, done.tasks, done.troubles) == (3, 4, [])
    with Project.open(worked.folder) as again:
        assert _told(again) == before
        assert again.problems() == []
        assert again.overrides(1) == {"a": {"amount": 1}}
        assert again.job(1).label == "mine"
        (job,) = [job for job in again.jobs() if job.stage == "average"]
        task = again.task(job.id, "a")
        assert task.started_at is not None
        assert task.finished_at is not None
        assert task.finished_at < time.time()


def test_work_that_waited_or_ran_goes_on_after_the_file_was_lost(bench: Bench) -> None:
    job = bench.request("fake", "a", "b", "c", act="wait")
    bench.run_until_working(job, "a")
    bench.run_until_working(job, "b")
    _lose(bench.project)
    bench.go("b")
    bench.wait_until(lambda: (bench.folder(job, "b") / "result.json").exists())
    rebuild(bench.project.folder)
    with Project.open(bench.project.folder) as again:
        states = {task.target: task.status for task in again.tasks(job.id)}
        assert states == {"a": Status.RUNNING, "b": Status.DONE, "c": Status.QUEUED}
        from conftest import Bench, make_agent

        later = Bench(again, make_agent(again))
        later.agent.adopt()
        later.go("a", "c")
        later.run()
        assert again.job(job.id).status == Status.DONE
        assert {one.name for one in again.tilt_series()} == {"a", "b", "c"}


def _page_of(path: Path, needle: bytes) -> tuple[int, int]:
    content = path.read_bytes()
    size = int.from_bytes(content[16:18], "big") or 65536
    at = content.index(needle)
    return at // size, size


def _spoil(path: Path, number: int, size: int) -> None:
    with open(path, "r+b") as file:
        file.seek(number * size)
        file.write(b"\xff" * size)


def _closed(project: Project) -> Path:
    """Write everything into the file itself."""
    path = project.folder / "project.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.mark.parametrize("n_tried", [10, pytest.param(10_000, marks=pytest.mark.slow)])
def test_any_bad_page_costs_nothing_that_the_job_folders_hold(
    worked: Project, tmp_path: Path, n_tried: int
) -> None:
    """One page of the file after another; decisions by hand live only in it and may be lost."""
    before = _told(worked)
    path = _closed(worked)
    size = 4096
    n_pages = path.stat().st_size // size
    folder = tmp_path / "spoilt"
    some = [0, *np.random.default_rng(3).permutation(np.arange(1, n_pages))[: n_tried - 1].tolist()]
    for number in some:
        shutil.copytree(worked.folder, folder)
        for name in ("project.sqlite-wal", "project.sqlite-shm"):
            (folder / name).unlink(missing_ok=True)
        _spoil(folder / "project.sqlite", number, size)
        done = rebuild(folder)
        assert done.troubles == [], number
        with Project.open(folder) as again:
            told = _told(again)
            assert again.problems() == []
        for part in ("records", "jobs", "tasks", "metrics", "particles"):
            assert told[part] == before[part], (number, part)
        (aside,) = folder.glob("project-damaged-*.sqlite")
        assert aside.stat().st_size == path.stat().st_size
        shutil.rmtree(folder)


def test_decisions_on_good_pages_are_kept(worked: Project) -> None:
    project = worked
    (volume,) = project.records("tomogram")
    picks = ParticleSet(name="by-hand")
    project.add_records([picks])
    n = 4000
    places = [(float(i), 0.0, 0.0) for i in range(n)]
    rows = ParticleTable.of(volume.uid, places, set_uid=picks.uid).particles()
    project.insert_particles(
        picks.uid,
        [Particle(**{**one.model_dump(), "uid": new_uid(), "source": "hand"}) for one in rows],
        user="me",
        session="s",
    )
    uids = project.particle_table([picks.uid]).uids.tolist()
    path = _closed(project)
    # The page in the middle of the particles' table itself, not of one of its indexes.
    with closing(sqlite3.connect(path)) as connection:
        try:
            (number,) = connection.execute(
                """SELECT pageno FROM dbstat WHERE name = 'particles' AND pagetype = 'leaf'
                   ORDER BY pageno LIMIT 1 OFFSET 20"""
            ).fetchone()
            number -= 1
        except sqlite3.OperationalError:
            number = _page_of(path, uids[n // 2].encode())[0]
    _spoil(path, number, 4096)
    done = rebuild(project.folder)
    assert not done.kept["particles"].is_whole
    with Project.open(project.folder) as again:
        assert again.problems() == []
        table = again.particle_table([picks.uid])
        assert n - 100 < len(table) < n
        assert set(table.decisions.tolist()) == {"accepted"}
        assert len(again.judged(picks.uid)) == len(table)


def test_every_table_is_either_read_or_derived(project: Project) -> None:
    with closing(sqlite3.connect(project.folder / "project.sqlite")) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema "
                                                      "WHERE type = 'table'")}  # fmt: skip
    own = {name for name in names if not re.match(r"(sqlite_|_sqlite)", name)}
    assert own == {*TABLES, *DERIVED_TABLES}


def test_rows_behind_a_bad_page_are_read(tmp_path: Path) -> None:
    path = tmp_path / "some.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        rows = [(i, f"row {i:07d} " + "x" * 50) for i in range(1, 3001)]
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    page, size = _page_of(path, b"row 0001500")
    _spoil(path, page, size)
    found = list(readable_rows(path, "t"))
    ids = [row["id"] for row in found if not isinstance(row, Gap)]
    assert any(isinstance(row, Gap) for row in found)
    assert len(ids) == len(set(ids)) > 2900
    assert {1, 3000} <= set(ids)


def test_nothing_is_rebuilt_beside_an_agent_or_from_nothing(
    worked: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tomotui.jobs.rebuild._LOCK_PATIENCE_SECONDS", 0.0)
    lock = Lock(worked.folder / AGENT_LOCK)
    assert lock.acquire()
    with pytest.raises(ProjectError, match="an agent is at work"):
        rebuild(worked.folder)
    lock.release()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ProjectError, match="neither a project file nor job folders"):
        rebuild(empty)
    assert list(empty.iterdir()) == []


def test_a_rebuild_that_breaks_off_leaves_the_old_file(
    worked: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _closed(worked)
    before = path.read_bytes()

    def breaks(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tomotui.jobs.rebuild._job_of", breaks)
    monkeypatch.setattr("tomotui.project.restoration.Restoration.salvage", lambda *_: {})
    with pytest.raises(OSError, match="No space"):
        rebuild(worked.folder)
    assert path.read_bytes() == before
    assert not list(worked.folder.glob(".rebuild-*"))
