"""Bad files, full disks, lost folders: one readable message, and the project as it was."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tomotui.project import Project, filesystem

if TYPE_CHECKING:
    from conftest import Call

LOOKING = ("status", "jobs", "jobs --json", "status --json", "export alignment -o out")
CHANGING = ("run fake", "cancel 1", "retry 1", "import RAW/tiny.mrc", "import-particles p.csv")


def _calls(call: Call, words: str, folder: Path, raw: Path) -> tuple[int, str]:
    said = call(*words.replace("RAW", str(raw)).split(), "-p", folder)
    assert said.out == ""
    assert said.err.startswith("tomotui: ")
    assert "Traceback" not in said.err
    assert len(said.err.splitlines()) == 1
    return said.code, said.err


@pytest.mark.parametrize("words", [*LOOKING, *CHANGING])
@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("garbage", "is damaged (file is not a database). Restore it from a backup"),
        ("empty", "is empty. Remove it and make the project anew: tomotui init"),
        ("newer", "was written by a newer tomotui"),
        ("foreign", "is an SQLite file of another program"),
    ],
)
def test_a_project_file_that_cannot_be_used_is_left_alone(
    call: Call, three: Path, simulated: Path, words: str, damage: str, named: str
) -> None:
    path = three / "project.sqlite"
    if damage in ("garbage", "empty"):
        path.write_bytes(b"no database" * 1000 if damage == "garbage" else b"")
    else:
        if damage == "foreign":
            path.unlink()
        connection = sqlite3.connect(path)
        connection.execute(
            "PRAGMA user_version = 99" if damage == "newer" else "CREATE TABLE notes (text TEXT)"
        )
        connection.close()
    before = path.read_bytes()
    code, err = _calls(call, words, three, simulated)
    assert code == 1
    assert str(path) in err
    assert named in err
    assert path.read_bytes() == before
    assert not (three / "agent.json").exists()


def test_a_folder_that_cannot_be_written_can_be_looked_at(
    call: Call, three: Path, simulated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "is_writable", lambda folder: False)
    assert "ts_1" in call.well("status", "-p", three).out
    for words in CHANGING:
        code, err = _calls(call, words, three, simulated)
        assert code == 1
        assert f"{three} cannot be written. Ask its owner" in err


def test_a_stack_that_has_gone_is_named(call: Call, simulated: Path, folder: Path) -> None:
    stack = Path.cwd() / "tiny.mrc"
    for name in ("tiny.mrc", "tiny.mrc.mdoc"):
        shutil.copy(simulated / name, Path.cwd())
    call.well("import", stack, "-p", folder)
    # Work that lacks what an earlier stage makes.
    early = call("run", "reconstruct", "--wait", "-p", folder)
    assert early.code == 1
    assert "alignment" in early.err
    stack.unlink()
    said = call("run", "align", "--wait", "-p", folder)
    assert said.code == 1
    assert f"align tiny failed: {stack}" in said.err
    assert "Traceback" not in said.err
    shown = call.well("jobs", "-p", folder, "--json").json
    assert [job["status"] for job in shown] == ["done", "failed", "failed"]
    table = call.well("status", "-p", folder).out
    assert "failed" in table
    assert max(map(len, table.splitlines())) < 240


def test_a_full_disk_and_a_crash_are_told_apart(call: Call, three: Path) -> None:
    full = call("run", "fake", "--on", "ts_1", "--set", "act=full", "--wait", "-p", three)
    assert full.code == 1
    assert "the disk is full" in full.err
    assert "Free some space and retry." in full.err
    crash = call("run", "fake", "--on", "ts_1", "--set", "act=crash", "--wait", "-p", three)
    assert "ValueError: an odd value See the log." in crash.err
    assert "Traceback" not in crash.err
    # The whole story is in the log.
    assert "Traceback" in call.well("logs", "2", "-p", three).out


def test_a_disk_that_fills_while_exporting_leaves_no_half_file(
    call: Call, three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fake_stages import alignment

    from tomotui.records import Tomogram

    with Project.open(three) as project:
        series = project.series_named("ts_1")
        assert series is not None
        aligned = alignment(series)
        volume = three / "volume.mrc"
        volume.write_bytes(b"voxels")
        tomogram = Tomogram(
            series_uid=series.uid, alignment_uid=aligned.uid, path="volume.mrc",
            size_xyz=(1, 1, 1), pixel_size_angstrom=10, window_low=0, window_high=1,
        )  # fmt: skip
        project.add_records([aligned, tomogram])

    def fills(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"vox")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    call.well("export", "tomogram", "-o", "out", "-p", three)
    assert Path("out/ts_1.mrc").read_bytes() == b"voxels"
    volume.write_bytes(b"others")
    monkeypatch.setattr("tomotui.cli.export_maps.shutil.copyfile", fills)
    said = call("export", "tomogram", "-o", "out", "-p", three)
    assert (said.code, said.out) == (1, "")
    assert "no space left on device; free some space" in said.err
    assert [path.name for path in Path("out").iterdir()] == ["ts_1.mrc"]
    assert Path("out/ts_1.mrc").read_bytes() == b"voxels"


def test_an_agent_that_cannot_start_says_where_to_look(
    call: Call, three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    def broken(*_: object, **__: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["false"])

    monkeypatch.setattr("tomotui.jobs.presence.spawn_detached", broken)
    said = call("run", "fake", "--on", "ts_1", "-p", three)
    assert (said.code, said.out) == (1, "")
    assert f"See {three / 'agent.log'}" in said.err
    assert "the job waits in the queue" in said.err
    assert call.well("jobs", "--json", "-p", three).json[0]["status"] == "queued"


def test_an_output_that_cannot_be_written_is_named(call: Call, three: Path) -> None:
    from fake_stages import alignment

    with Project.open(three) as project:
        series = project.series_named("ts_1")
        assert series is not None
        project.add_records([alignment(series)])
    Path("taken").write_text("a file")
    said = call("export", "alignment", "-o", "taken", "-p", three)
    assert (said.code, said.out) == (1, "")
    assert said.err == "tomotui: taken: file exists; choose another place\n"
