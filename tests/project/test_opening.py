"""Making and opening projects, and every reason why that cannot be done."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tomotui.project import Project, ProjectError, filesystem, migrations
from tomotui.project.sqlite import SqliteDatabase
from tomotui.records import JobRequest, RecipeStep, Target, TiltSeries

Maker = Callable[..., TiltSeries]


def test_a_project_is_there_again_after_closing(tmp_path: Path, make_series: Maker) -> None:
    series = make_series("ts_01")
    with Project.create(tmp_path / "new" / "project", name="lamella") as project:
        project.add_records([series])
        assert project.jobs_folder.is_dir()
    for place in (project.folder, project.folder / "project.sqlite"):
        with Project.open(place) as again:
            assert (again.name, again.journal_mode) == ("lamella", "wal")
            assert again.tilt_series() == [series]


def test_a_project_is_not_made_over_another(project: Project) -> None:
    with pytest.raises(ProjectError, match="holds a project already"):
        Project.create(project.folder)


def test_a_folder_without_a_project_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="holds no project") as caught:
        Project.open(tmp_path)
    assert caught.value.remedy == f"Make one with: tomotui init {tmp_path}"
    (tmp_path / "project.sqlite").touch()
    with pytest.raises(ProjectError, match="is empty"):
        Project.open(tmp_path)


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "project.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (text TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ProjectError, match="another program"):
        Project.open(tmp_path)
    assert path.read_bytes() == before


def test_a_project_of_a_newer_version_is_refused_unchanged(project: Project) -> None:
    path = project.folder / "project.sqlite"
    project.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ProjectError, match="written by a newer tomotui") as caught:
        Project.open(project.folder)
    assert "upgrade" in caught.value.remedy
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["garbage", "truncated"])
def test_a_damaged_file_is_named_with_a_remedy(project: Project, damage: str) -> None:
    path = project.folder / "project.sqlite"
    project.close()
    content = path.read_bytes()
    path.write_bytes(b"x" * 8192 if damage == "garbage" else content[: len(content) // 3])
    with pytest.raises(ProjectError, match="is damaged") as caught:
        Project.open(project.folder).jobs()
    assert str(path) in caught.value.message
    assert "tomotui rebuild" in caught.value.remedy


def test_damage_inside_is_found_when_asked_for(project: Project, make_series: Maker) -> None:
    project.add_records([make_series(f"ts_{i}", n_tilts=41) for i in range(20)])
    assert project.problems() == []
    path = project.folder / "project.sqlite"
    project.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8192] = b"\xff" * 8192
    path.write_bytes(content)
    with Project.open(project.folder) as damaged:
        assert damaged.problems()


def test_a_folder_that_cannot_be_written_opens_read_only(
    project: Project, make_series: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add_records([make_series("ts_01")])
    project.close()
    monkeypatch.setattr(filesystem, "is_writable", lambda folder: False)
    with pytest.raises(ProjectError, match="cannot be written") as caught:
        Project.open(project.folder)
    assert "read-only" in caught.value.remedy
    with Project.open(project.folder, read_only=True) as seen:
        assert seen.read_only
        assert [s.name for s in seen.tilt_series()] == ["ts_01"]


def test_what_is_opened_read_only_is_not_changed(project: Project, make_series: Maker) -> None:
    with Project.open(project.folder, read_only=True) as seen:
        with pytest.raises(ProjectError, match="cannot be written"):
            seen.add_records([make_series("ts_01")])
        assert seen.tilt_series() == []
        project.add_records([make_series("ts_02")])
        assert [s.name for s in seen.tilt_series()] == ["ts_02"]


def test_a_project_belongs_to_its_thread(project: Project) -> None:
    errors: list[BaseException] = []

    def look() -> None:
        try:
            project.jobs()
        except ProjectError as error:
            errors.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert len(errors) == 1


def test_the_data_version_tells_of_every_change(project: Project, make_series: Maker) -> None:
    with Project.open(project.folder) as other:
        seen = {project.data_version()}
        assert project.data_version() in seen
        other.add_records([make_series("ts_01")])
        assert project.data_version() not in seen
        seen.add(project.data_version())
        project.add_records([make_series("ts_02")])
        assert project.data_version() not in seen
        seen.add(project.data_version())
        project.tilt_series()
        assert project.data_version() in seen


def test_an_older_project_is_brought_up_to_date(
    project: Project, make_series: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add_records([make_series("ts_01")])
    project.close()

    def m_next_notes(db: SqliteDatabase) -> None:
        db.execute("CREATE TABLE notes (text TEXT) STRICT")

    known = len(migrations.STEPS)
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, m_next_notes))
    with pytest.raises(ProjectError, match="older tomotui"):
        Project.open(project.folder, read_only=True)
    with Project.open(project.folder) as upgraded:
        assert upgraded._db.scalar("PRAGMA user_version") == known + 1
        assert upgraded._db.query("SELECT * FROM notes") == []
        assert [s.name for s in upgraded.tilt_series()] == ["ts_01"]
    monkeypatch.undo()
    with pytest.raises(ProjectError, match=rf"version {known + 1}, .* knows up to {known}\)"):
        Project.open(project.folder)


def test_a_project_of_the_first_version_takes_steps_of_recipes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", (migrations.m001_tables,))
        with Project.create(tmp_path / "old") as old:
            old._db.execute(
                "INSERT INTO jobs (stage, status, parameters, executor, label, folder, created_at)"
                " VALUES ('align', 'done', '{}', 'local', '', 'jobs/0001-align', 0)"
            )
    step = RecipeStep(recipe="standard", run="r", name="align")
    with Project.open(tmp_path / "old") as project:
        assert project.job(1).step is None
        wish = JobRequest(stage="align", targets=(Target(name="ts_1"),), step=step)
        assert project.submit(wish).step == step
        assert project.clone_request(2).step is None


def test_jobs_of_an_older_project_are_told_from_an_index_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = JobRequest(stage="align", targets=(Target(name="ts_1"), Target(name="ts_2")))
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", migrations.STEPS[:7])
        with Project.create(tmp_path / "old") as old:
            before = old.submit(wish)
    with Project.open(tmp_path / "old") as project:
        assert project.job(1) == before
        (plan,) = project._db.query(
            "EXPLAIN QUERY PLAN SELECT status, count(*), min(started_at) FROM tasks"
            " WHERE job_id = 1 GROUP BY status"
        )
        assert "COVERING INDEX tasks_by_job" in plan["detail"]
        assert project.mark_starting(project.task(1, "ts_1"), "cpu", "here")
        assert project.job(1).status == "running"


def test_a_migration_that_fails_changes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.close()

    def m_next_half(db: SqliteDatabase) -> None:
        db.execute("CREATE TABLE half (text TEXT) STRICT")
        db.execute("INSERT INTO nowhere VALUES (1)")

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", (*migrations.STEPS, m_next_half))
        with pytest.raises(ProjectError, match="nowhere"):
            Project.open(project.folder)
    with Project.open(project.folder) as same:
        assert same._db.query("SELECT name FROM sqlite_schema WHERE name = 'half'") == []


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/local xfs rw 0 0
lustre@tcp:/work /big\\040work lustre rw 0 0
user@host: /mnt/far fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind", "shared"),
    [
        ("/data/project", "ext4", False),
        ("/home/anna/project", "nfs4", True),
        ("/home/local/project", "xfs", False),
        ("/homes/project", "ext4", False),
        ("/big work/project", "lustre", True),
        ("/mnt/far", "fuse.sshfs", True),
    ],
)
def test_the_file_system_is_found_by_its_mount(folder: str, kind: str, shared: bool) -> None:
    assert filesystem.file_system_type(Path(folder), MOUNTS) == kind
    assert filesystem.is_shared(Path(folder), MOUNTS) == shared


def test_a_shared_file_system_has_no_write_ahead_log(
    project: Project, make_series: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.close()
    monkeypatch.setattr(filesystem, "is_shared", lambda folder: True)
    with Project.open(project.folder) as shared:
        assert shared.journal_mode == "delete"
        shared.add_records([make_series("ts_01")])
        assert not (project.folder / "project.sqlite-wal").exists()
    monkeypatch.undo()
    with Project.open(project.folder) as local:
        assert local.journal_mode == "wal"
