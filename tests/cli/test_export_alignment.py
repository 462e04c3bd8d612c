"""Alignments for Warp and the CryoET data portal, and back again by the import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tomotui.formats.mrc import write_stack
from tomotui.formats.tilts import write_angles
from tomotui.geometry.tilt import TiltGeometry
from tomotui.project import Project
from tomotui.records import Alignment, Ctf, Tilt, TiltCtf, TiltSeries

ANGLES = [-3.0, 0.0, 3.0]


@pytest.fixture
def aligned(folder: Path) -> Path:
    series = TiltSeries(
        name="tiny",
        stack_path="tiny.mrc",
        width_px=8,
        height_px=8,
        pixel_size_angstrom=2.0,
        tilts=tuple(Tilt(index=i, nominal_tilt_deg=tilt) for i, tilt in enumerate(ANGLES)),
    )
    geometry = TiltGeometry.of(np.array(ANGLES) + 0.5, 85.0, 0.0, [[1.0, 2.0], [3, 4], [-5, 6]])
    alignment = Alignment(series_uid=series.uid, tilts=geometry.to_tilt_alignments())
    fits = tuple(
        TiltCtf(index=i, defocus_u_angstrom=30_000.0, defocus_v_angstrom=29_000.0) for i in range(3)
    )
    with Project.open(folder) as project:
        project.add_records([series, alignment, Ctf(series_uid=series.uid, tilts=fits)])
    return folder


@pytest.mark.parametrize(
    ("format_", "names"),
    [("warp", ["tiny.xml", "tiny.tomostar"]), ("portal", ["tiny.json"])],
)
def test_what_is_exported_can_be_imported(
    call: Any, aligned: Path, tmp_path: Path, format_: str, names: list[str]
) -> None:
    said = call.well("export", "alignment", "--format", format_, "-o", "out", "-p", aligned)
    assert said.out.split() == [f"out/{name}" for name in names]
    assert not list(Path("out").glob(".partial*"))
    stack = tmp_path / "again.mrc"
    write_stack(stack, np.random.default_rng(0).normal(10, 1, (3, 8, 8)), 2.0)
    write_angles(stack.with_suffix(".rawtlt"), ANGLES)
    more = ["--ctf", "out/tiny.xml"] if format_ == "warp" else []
    said = call("import", stack, "--alignment", f"out/{names[0]}", *more, "--dry-run", "--json")
    assert said.code == 0
    assert f"out/{names[0]}" in said.out
    assert '"problems": []' in said.out
