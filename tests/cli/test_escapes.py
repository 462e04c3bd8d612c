"""Names and paths in files and projects do not lead out of where they should lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tomotui.project import Project
from tomotui.project.rows import folder_name

if TYPE_CHECKING:
    from conftest import Call

WRITING = (
    "run fake", "cancel 1", "retry 1", "import nothing.mrc", "import-particles p.csv",
    "particles new x --diameter 100", "agent", "watch . --recipe standard", "init other", "rebuild",
)  # fmt: skip


@pytest.mark.parametrize("words", WRITING)
def test_a_spectator_changes_nothing(
    call: Call, three: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    Path("nothing.mrc").write_bytes(b"")
    Path("p.csv").write_text("x,y,z\n0,0,0\n")
    before = (three / "project.sqlite").read_bytes()
    monkeypatch.setenv("TOMOTUI_READ_ONLY", "1")
    place = () if words.startswith("init") else ("-p", three)
    said = call(*words.split(), *place)
    assert (said.code, said.out) == (1, "")
    assert "TOMOTUI_READ_ONLY asks to look only" in said.err
    assert (three / "project.sqlite").read_bytes() == before
    assert not (three / "agent.json").exists()
    assert "ts_1" in call.well("status", "-p", three).out


def test_a_series_of_an_odd_name_is_not_written_elsewhere(call: Call, folder: Path) -> None:
    from tomotui.records import Alignment, Tilt, TiltAlignment, TiltSeries

    tilts = tuple(Tilt(index=i, nominal_tilt_deg=3.0 * i) for i in range(3))
    odd = TiltSeries(
        name="../../odd", stack_path="x.mrc", width_px=8, height_px=8, pixel_size_angstrom=1.0,
        tilts=tilts,
    )  # fmt: skip
    aligned = Alignment(
        series_uid=odd.uid,
        tilts=tuple(
            TiltAlignment(
                index=i, tilt_deg=3.0 * i, axis_deg=85.0, shift_x_angstrom=0.0, shift_y_angstrom=0.0
            )
            for i in range(3)
        ),
    )
    with Project.open(folder) as project:
        project.add_records([odd, aligned])
    for kind in ("imod", "aretomo", "relion", "warp"):
        said = call("export", "alignment", "--format", kind, "-o", "deep/er/out", "-p", folder)
        assert said.code == 1, kind
        assert "cannot be the name of a file" in said.err
    assert not list(Path.cwd().rglob("*odd*"))


@pytest.mark.parametrize("target", ["../x", "..", "/etc", "a/../../b", ".", "..\\x", "\0"])
def test_the_folder_of_a_task_lies_in_that_of_its_job(target: str) -> None:
    name = folder_name(target)
    assert Path(name).name == name
    assert name not in (".", "..")
