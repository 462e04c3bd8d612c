"""What is written for another program comes back within 0.01 pixels and 0.001 degrees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tomotui.formats.alignments import read_alignment
from tomotui.formats.aretomo import write_aln
from tomotui.formats.imod import write_imod
from tomotui.formats.portal import write_portal_alignment
from tomotui.formats.relion_writing import write_relion
from tomotui.formats.warp_writing import write_warp
from tomotui.geometry.tilt import TiltGeometry
from tomotui.records import Alignment, Tilt, TiltSeries

SIZE, PIXEL = (3838, 3711), 1.35
NOMINAL = tuple(float(tilt) for tilt in np.linspace(-60, 60, 41))


def _imod(alignment: Alignment, folder: Path) -> Path:
    return write_imod(alignment, folder / "TS", image_size_px=SIZE, pixel_size_angstrom=PIXEL)[0]


def _aretomo(alignment: Alignment, folder: Path) -> Path:
    write_aln(alignment, folder / "TS.aln", image_size_px=SIZE, pixel_size_angstrom=PIXEL)
    return folder / "TS.aln"


def _warp(alignment: Alignment, folder: Path) -> Path:
    write_warp(alignment, folder / "TS.xml", image_size_px=SIZE, pixel_size_angstrom=PIXEL)
    return folder / "TS.xml"


def _relion(alignment: Alignment, folder: Path) -> Path:
    series = TiltSeries(
        name="TS",
        stack_path="TS.mrc",
        width_px=SIZE[0],
        height_px=SIZE[1],
        pixel_size_angstrom=PIXEL,
        tilts=tuple(Tilt(index=i, nominal_tilt_deg=tilt) for i, tilt in enumerate(NOMINAL)),
    )
    return write_relion(folder, [(series, alignment, None)])


def _portal(alignment: Alignment, folder: Path) -> Path:
    path = folder / "alignment_metadata.json"
    write_portal_alignment(alignment, path, image_size_px=SIZE, pixel_size_angstrom=PIXEL)
    return path


@pytest.mark.parametrize("write", [_imod, _aretomo, _relion, _warp, _portal])
def test_alignments(tmp_path: Path, write: Callable[[Alignment, Path], Path]) -> None:
    chance = np.random.default_rng(2)
    geometry = TiltGeometry.of(
        np.array(NOMINAL) + 1.2345 + chance.normal(0, 0.05, 41),
        84.7 + chance.normal(0, 0.2, 41),
        0.0,
        chance.normal(0, 80, (41, 2)),
    )
    path = write(Alignment(series_uid="s", tilts=geometry.to_tilt_alignments()), tmp_path)
    found = read_alignment(
        path,
        series_uid="s",
        series_name="TS",
        image_size_px=SIZE,
        pixel_size_angstrom=PIXEL,
        nominal_tilts_deg=NOMINAL,
    )
    after = TiltGeometry.from_alignment(found.alignment)
    np.testing.assert_allclose(after.shift_angstrom, geometry.shift_angstrom, atol=0.01 * PIXEL)
    np.testing.assert_allclose(after.tilt_deg, geometry.tilt_deg, atol=0.001)
    np.testing.assert_allclose(after.axis_deg, geometry.axis_deg, atol=0.001)
