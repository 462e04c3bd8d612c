"""Alignments of the CryoET data portal: what they hold, and files that do not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats.alignments import read_alignment
from tomotui.formats.imported import ImportedAlignment

NOMINAL = (-3.0, 0.0, 3.0)


def _section(index: int, tilt: float, **changes: Any) -> dict[str, Any]:
    turn = np.deg2rad(80.0)
    return {
        "z_index": index,
        "tilt_angle": tilt,
        "volume_x_rotation": 0.5,
        "in_plane_rotation": [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]],
        "x_offset": 4.0,
        "y_offset": -2.0,
        **changes,
    }


def _read(path: Path, sections: Any, **more: Any) -> ImportedAlignment:
    path.write_text(json.dumps({"per_section_alignment_parameters": sections, **more}))
    return read_alignment(
        path,
        series_uid="s",
        series_name="TS_1",
        image_size_px=(100, 81),
        pixel_size_angstrom=2.0,
        nominal_tilts_deg=NOMINAL,
    )


def test_sections_are_named_and_the_missing_ones_excluded(tmp_path: Path) -> None:
    more = {"alignment_type": "LOCAL", "affine_transformation_matrix": (2 * np.eye(4)).tolist()}
    more |= {"tilt_offset": 0, "volume_offset": {"x": 0.0, "y": 0.0, "z": 12.0}}
    found = _read(tmp_path / "a.json", [_section(2, 3.4), _section(0, -2.6)], **more)
    assert [t.excluded for t in found.alignment.tilts] == [False, True, False]
    last = found.alignment.tilts[2]
    assert (last.tilt_deg, last.x_tilt_deg) == (3.4, 0.5)
    assert last.axis_deg == pytest.approx(80.0)
    # From the middle between the edges, half a pixel before pixel n // 2 where n is even.
    assert (last.shift_x_angstrom, last.shift_y_angstrom) == (7.0, -4.0)
    said = " ".join(found.warnings)
    for words in (
        "tilts 1 are not in a.json", "local alignment", "affine transformation",
        "volume_offset of a.json are not kept",
    ):  # fmt: skip
        assert words in said


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(FormatError, match="has 1 sections that are not those of a stack of 3"):
        _read(path, [_section(3, 0.0)])
    with pytest.raises(FormatError, match="lists a section twice"):
        _read(path, [_section(1, 0.0), _section(1, 0.0)])
    with pytest.raises(FormatError, match="a section is malformed: KeyError"):
        _read(path, [{"z_index": 0}])
    with pytest.raises(FormatError, match="does not fit the stack: its tilts are 57 degrees"):
        _read(path, [_section(2, 60.0)])
    with pytest.raises(FormatError, match=r"has no per_section.*; give the alignment_metadata"):
        _read(path, None)
