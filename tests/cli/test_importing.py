"""``tomotui import``: what is understood, what is refused, and that nothing else changes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tomotui.project import Project

if TYPE_CHECKING:
    from conftest import Call, Outside


def _files(folder: Path) -> dict[str, bytes]:
    """All files, but for SQLite's index into its log, which even reading touches."""
    side = ("-wal", "-shm")
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in paths if not path.name.endswith(side)}


@pytest.fixture
def raw(simulated: Path, tmp_path: Path) -> Path:
    """A folder with two stacks, their mdocs and tilts."""
    folder = tmp_path / "raw data"
    folder.mkdir()
    for name in ("ts_1", "ts_2"):
        shutil.copy(simulated / "tiny.mrc", folder / f"{name}.mrc")
        shutil.copy(simulated / "tiny.mrc.mdoc", folder / f"{name}.mrc.mdoc")
        shutil.copy(simulated / "tiny.rawtlt", folder / f"{name}.rawtlt")
    return folder


def test_a_project_comes_first(call: Call, raw: Path) -> None:
    said = call("import", raw)
    assert (said.code, said.out) == (1, "")
    assert f"Make one with: tomotui init {Path.cwd()}" in said.err


def test_a_dry_run_tells_all_and_writes_nothing(call: Call, raw: Path, folder: Path) -> None:
    before = _files(folder), _files(raw)
    said = call.well("import", raw, "--dry-run", "--json", "-p", folder, "--dataset", "cells")
    assert (_files(folder), _files(raw)) == before
    plans = said.json["plans"]
    assert [plan["name"] for plan in plans] == ["ts_1", "ts_2"]
    plan = plans[0]
    # What the screen for importing reads.
    assert plan["stack"] == str(raw / "ts_1.mrc")
    assert plan["n_tilts"] == 21
    assert plan["tilt_range_deg"] == [-60.0, 60.0]
    assert plan["pixel_size_angstrom"] == pytest.approx(16.0)
    assert plan["tilt_axis_deg"] == pytest.approx(30.0)
    assert plan["dose_e_per_a2"] == pytest.approx(3.0)
    assert plan["problems"] == []
    assert isinstance(plan["warnings"], list)
    assert plan["parameters"] == {"dataset": "cells", "stack": str(raw / "ts_1.mrc")}
    assert plan["facts"]["pixel_size_angstrom"]["from"] == "mdoc"
    assert plan["mdoc"] == str(raw / "ts_1.mrc.mdoc")
    words = call.well("import", raw, "--dry-run")
    assert "-60.0 .. 60.0 (21)" in words.out
    assert list(Path.cwd().iterdir()) == []


def test_the_parameters_of_a_plan_are_those_of_the_stage(call: Call, raw: Path) -> None:
    from tomotui.stages import get

    said = call.well(
        "import", raw / "ts_1.mrc", "--dry-run", "--json", "--pixel-size", "9.5", "--tilt-axis",
        "0", "--dose", "2", "--acquisition", "dose-symmetric", "--first-tilt", "-50",
        "--tilt-step", "5", "--voltage", "200", "--spherical-aberration", "2.0",
        "--amplitude-contrast", "0.1", "--copy", "--mdoc", raw / "ts_2.mrc.mdoc",
        "--tilts", raw / "ts_2.rawtlt",
    )  # fmt: skip
    (plan,) = said.json["plans"]
    assert set(plan["parameters"]) == set(get("import").parameters_type.model_fields) - {
        "alignment",
        "ctf",
        "tomogram",
    }
    assert (plan["pixel_size_angstrom"], plan["tilt_axis_deg"]) == (9.5, 0.0)
    assert plan["facts"]["voltage_kv"] == {"value": 200.0, "from": "given"}


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["missing.mrc"], 1, "missing.mrc does not exist; check the path"),
        (["RAW", "--mdoc", "RAW/ts_1.mrc.mdoc"], 2, "--mdoc: for a single stack, here are 2"),
        (["RAW", "--tilts", "a.rawtlt", "--name", "x"], 2, "--tilts, --name: for a single"),
        (["RAW", "--alignment", "a.xf"], 2, "--alignment: for a single stack"),
        (["RAW", "--ctf", "a.defocus"], 2, "--ctf: for a single stack"),
        (["RAW/ts_1.mrc", "--name", "a/b"], 2, "without slashes"),
        (["RAW/ts_1.mrc", "--pixel-size", "0"], 2, "pixel_size_angstrom: input should be greater"),
        (["RAW/ts_1.mrc", "--pixel-size", "wide"], 2, "--pixel-size"),
        (["RAW/ts_1.mrc", "--acquisition", "random"], 2, "dose-symmetric"),
        (["RAW/ts_1.mrc", "--tilt-axis", "1000"], 2, "tilt_axis_deg"),
        ([], 2, "STACKS"),
    ],
)
@pytest.mark.parametrize("dry", [True, False])
def test_wrong_words_are_refused_and_nothing_is_kept(
    call: Call, raw: Path, folder: Path, words: list[str], code: int, named: str, dry: bool
) -> None:
    parts = [word.replace("RAW", str(raw)) for word in words]
    said = call("import", *parts, "-p", folder, *(["--dry-run"] if dry else []))
    assert (said.code, said.out) == (code, "")
    assert named in said.err
    assert len(said.err.splitlines()) == 1
    assert call.well("jobs", "--json", "-p", folder).json == []


def test_one_mdoc_for_two_stacks_is_refused(call: Call, raw: Path, folder: Path) -> None:
    shutil.copy(raw / "ts_1.mrc", raw / "ts_1_ali.mrc")
    (raw / "ts_1.mrc.mdoc").rename(raw / "ts_1_ali.mrc.mdoc")
    said = call("import", raw / "ts_1.mrc", raw / "ts_1_ali.mrc", "-p", folder)
    assert (said.code, said.out) == (1, "")
    assert "ts_1_ali.mrc.mdoc would serve" in said.err
    shutil.copy(raw / "ts_2.mrc", raw / "ts_2_st.mrc")
    said = call("import", raw / "ts_2.mrc", raw / "ts_2_st.mrc", "-p", folder)
    assert said.code == 1
    assert "ts_2" in said.err
    assert call.well("jobs", "--json", "-p", folder).json == []


def test_a_stack_that_cannot_be_used_is_a_problem_of_its_own(call: Call, raw: Path) -> None:
    content = (raw / "ts_2.mrc").read_bytes()
    (raw / "ts_2.mrc").write_bytes(content[: len(content) // 2])
    said = call("import", raw, "--dry-run", "--json")
    assert said.code == 1
    good, bad = said.json["plans"]
    assert good["problems"] == []
    assert "ts_2.mrc" in bad["problems"][0]
    words = call("import", raw, "--dry-run")
    assert words.err.startswith("ts_2: problem: ")


def test_a_name_is_given_once(call: Call, raw: Path, folder: Path) -> None:
    said = call.well("import", raw / "ts_1.mrc", "-p", folder, "--json")
    assert (said.json["status"], said.json["targets"]) == ("done", ["ts_1"])
    assert said.json["tasks"][0]["summary"].startswith("21 tilts -60..60 deg")
    again = call("import", raw, "-p", folder)
    assert (again.code, again.out) == (1, "")
    assert "has a tilt series ts_1 already" in again.err
    dry = call("import", raw, "-p", folder, "--dry-run", "--json")
    assert dry.code == 1
    assert "already" in dry.json["plans"][0]["problems"][0]
    assert dry.json["plans"][1]["problems"] == []
    other = call.well("import", raw / "ts_1.mrc", "--name", "second", "--copy", "-p", folder)
    assert "import second done: 21 tilts" in other.out
    with Project.open(folder, read_only=True) as project:
        first, second = (project.series_named(name) for name in ("ts_1", "second"))
        assert first is not None
        assert second is not None
        assert Path(first.stack_path) == raw / "ts_1.mrc"
        assert (folder / second.stack_path).is_file()
        assert first.checksum == second.checksum
        assert len(project.jobs()) == 2


def test_the_preview_of_the_screens_is_this_command(outside: Outside, raw: Path) -> None:
    """As the screens call it: a process of its own, in a folder without a project."""
    said = outside("import", "--dry-run", "--json", raw, "--dose", "3", cwd=raw)
    assert (said.code, said.err) == (0, "")
    assert [plan["name"] for plan in said.json["plans"]] == ["ts_1", "ts_2"]
