"""Exporting the CTF: every format, from records that are put into the project by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tomotui.formats.mrc import write_stack
from tomotui.formats.tilts import write_angles
from tomotui.project import Project
from tomotui.records import Alignment, Ctf, Tilt, TiltAlignment, TiltCtf, TiltSeries

ANGLES = [-3.0, 0.0, 3.0]


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
            TiltCtf(
                index=i,
                defocus_u_angstrom=30_100.0 + 200 * i,
                defocus_v_angstrom=29_900.0,
                astigmatism_angle_deg=-30.0,
            )
            for i in range(3)
        ),
        handedness=-1,
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


@pytest.fixture
def stack() -> Path:
    """The images of the series once more, with their angles."""
    images = np.random.default_rng(0).normal(50, 3, (3, 8, 8)).astype(np.float32)
    write_stack(Path("again.mrc"), images, 2.0)
    write_angles(Path("again.rawtlt"), ANGLES)
    return Path("again.mrc")


@pytest.mark.parametrize(
    ("format_", "source", "hand"),
    [("imod", "imod", None), ("ctffind", "aretomo", None), ("relion", "relion", -1)],
)
def test_what_was_exported_is_imported_again(
    call: Any, with_ctf: Path, stack: Path, format_: str, source: str, hand: int | None
) -> None:
    with Project.open(with_ctf) as project:
        series = project.series_named("tiny")
        assert series is not None
        tilts = tuple(
            TiltAlignment(
                index=i, tilt_deg=angle, axis_deg=85.0, shift_x_angstrom=0, shift_y_angstrom=0
            )
            for i, angle in enumerate(ANGLES)
        )
        project.add_records([Alignment(series_uid=series.uid, tilts=tilts)])
        before = project.latest("ctf", series.uid)
        assert isinstance(before, Ctf)
    file = call.well("export", "ctf", "--format", format_, "-o", "out", "-p", with_ctf).out.strip()
    words = ["import", stack, "--ctf", file, "-p", with_ctf]
    (plan,) = call.well(*words, "--dry-run", "--json").json["plans"]
    assert plan["ctf"] == str(Path(file).absolute())
    fact = plan["facts"]["defocus_angstrom"]
    assert fact == {"value": pytest.approx([30_000, 30_100, 30_200], abs=1), "from": "CTF file"}
    assert call.well(*words, "--json").json["status"] == "done"
    with Project.open(with_ctf, read_only=True) as project:
        again = project.series_named("again")
        assert again is not None
        found = project.latest("ctf", again.uid)
        row = next(row for row in project.matrix() if row.name == "again")
    assert isinstance(found, Ctf)
    assert (found.source, found.handedness) == (source, hand)
    for mine, its in zip(found.tilts, before.tilts, strict=True):
        assert mine.defocus_u_angstrom == pytest.approx(its.defocus_u_angstrom, abs=1)
        assert mine.defocus_v_angstrom == pytest.approx(its.defocus_v_angstrom, abs=1)
        assert mine.astigmatism_angle_deg == pytest.approx(-30.0, abs=0.1)
    assert row.cells["ctf"].text == "from outside"


def test_a_ctf_that_does_not_fit_is_a_problem(call: Any, with_ctf: Path, stack: Path) -> None:
    Path("short.txt").write_text("1 3e4 3e4 0 0 0.5 6\n")
    said = call("import", stack, "--ctf", "short.txt", "--dry-run", "--json")
    assert said.code == 1
    (plan,) = said.json["plans"]
    assert plan["ctf"] is None
    assert "short.txt has 1 lines, 3 images were expected" in plan["problems"][0]
