"""Exporting the CTF: every format, from records that are put into the project by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tomotui.project import Project
from tomotui.records import Ctf, Tilt, TiltCtf, TiltSeries


@pytest.fixture
def with_ctf(folder: Path) -> Path:
    tilts = tuple(Tilt(index=i, nominal_tilt_deg=3.0 * i - 3) for i in range(3))
    series = TiltSeries(
        name="tiny", stack_path="tiny.mrc", width_px=8, height_px=8, pixel_size_angstrom=2.0,
        tilts=tilts,
    )  # fmt: skip
    ctf = Ctf(
        series_uid=series.uid,
        tilts=tuple(
            TiltCtf(index=i, defocus_u_angstrom=30_100.0, defocus_v_angstrom=29_900.0)
            for i in range(3)
        ),
    )
    with Project.open(folder) as project:
        project.add_records([series, ctf])
    return folder


@pytest.mark.parametrize(("format_", "name"), [("imod", "tiny.defocus"), ("ctffind", "tiny.txt")])
def test_the_ctf_is_written(call: Any, with_ctf: Path, format_: str, name: str) -> None:
    said = call.well("export", "ctf", "--format", format_, "-o", "out", "-p", with_ctf)
    assert said.out.strip() == f"out/{name}"
    text = Path("out", name).read_text()
    assert len(text.splitlines()) == 4
    assert ("3010.0" if format_ == "imod" else "30100.00") in text
    assert not list(Path("out").glob(".partial*"))


def test_one_file_may_be_named(call: Any, with_ctf: Path) -> None:
    said = call.well("export", "ctf", "--format", "imod", "-o", "my.defocus", "-p", with_ctf)
    assert said.out.strip() == "my.defocus"
    assert Path("my.defocus").read_text().startswith("1\t0\t0.0")


def test_an_unknown_format_is_told(call: Any, with_ctf: Path) -> None:
    said = call("export", "ctf", "--format", "eman", "-o", "out", "-p", with_ctf)
    assert said.code == 2
    assert "ctf can be relion, imod, ctffind" in said.err
