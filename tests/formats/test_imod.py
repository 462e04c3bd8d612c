from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats.imod import read_imod, read_xf, write_imod
from tomotui.formats.relion import read_relion
from tomotui.formats.tilts import read_angles
from tomotui.geometry.tilt import TiltGeometry, rotation_x, rotation_y
from tomotui.records import Alignment

PIXEL = 2.5


def _alignment(n: int = 5) -> Alignment:
    rng = np.random.default_rng(4)
    geometry = TiltGeometry.of(
        np.linspace(-60, 60, n),
        85 + rng.normal(size=n),
        rng.normal(size=n),
        rng.normal(0, 60, (n, 2)),
    )
    return Alignment(series_uid="s", tilts=geometry.to_tilt_alignments())


def _read(base: Path, size: tuple[int, int], n: int = 5) -> Alignment:
    imported = read_imod(
        base.with_name(base.name + ".xf"),
        series_uid="s",
        image_size_px=size,
        pixel_size_angstrom=PIXEL,
        nominal_tilts_deg=[0.0] * n,
        tlt_path=base.with_name(base.name + ".tlt"),
        xtilt_path=base.with_name(base.name + ".xtilt"),
    )
    assert imported.warnings == ()
    return imported.alignment


@pytest.mark.parametrize("size", [(100, 80), (101, 80), (101, 81)])
def test_round_trip(tmp_path: Path, size: tuple[int, int]) -> None:
    before = _alignment()
    write_imod(before, tmp_path / "TS", image_size_px=size, pixel_size_angstrom=PIXEL)
    after = _read(tmp_path / "TS", size)
    points = np.random.default_rng(5).normal(0, 1000, (20, 3))
    a = TiltGeometry.from_alignment(before).project(points)
    b = TiltGeometry.from_alignment(after).project(points)
    np.testing.assert_allclose(b, a, atol=0.04)
    assert after.source == "imod"


@pytest.mark.parametrize("size", [(100, 80), (101, 80)])
def test_transforms_put_the_tilt_axis_on_the_middle_of_the_aligned_image(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """IMOD's own arithmetic on a projected point gives the point turned by the stage alone."""
    alignment = _alignment()
    write_imod(alignment, tmp_path / "TS", image_size_px=size, pixel_size_angstrom=PIXEL)
    rows = read_xf(tmp_path / "TS.xf", 5)
    geometry = TiltGeometry.from_alignment(alignment)
    point = np.array([310.0, -120.0, 75.0])
    pixel_index = geometry.project(point)[:, 0, :2] / PIXEL + np.array(size) // 2
    from_left_edge = pixel_index + 0.5
    centred = from_left_edge - np.array(size) / 2
    aligned = np.einsum("tij,tj->ti", rows[:, :4].reshape(-1, 2, 2), centred) + rows[:, 4:]
    turned = rotation_y(geometry.tilt_deg) @ rotation_x(geometry.x_tilt_deg) @ point
    np.testing.assert_allclose(aligned * PIXEL, turned[:, :2], atol=0.01)


def test_magnification_is_reported_and_rotation_kept(tmp_path: Path) -> None:
    turn = np.deg2rad(-30.0)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    stretched = rotation @ np.array([[1.02, 0.01], [0.01, 0.99]])
    row = [*stretched.reshape(-1), 3.0, -2.0]
    (tmp_path / "a.xf").write_text(" ".join(f"{v:.7f}" for v in row))
    imported = read_imod(
        tmp_path / "a.xf",
        series_uid="s",
        image_size_px=(101, 101),
        pixel_size_angstrom=1.0,
        nominal_tilts_deg=[12.0],
    )
    tilt = imported.alignment.tilts[0]
    assert tilt.axis_deg == pytest.approx(30.0, abs=1e-4)
    assert tilt.tilt_deg == 12.0
    where = [tilt.shift_x_angstrom, tilt.shift_y_angstrom]
    np.testing.assert_allclose(stretched @ where + [3, -2], 0, atol=1e-5)
    assert any("stretches the images by up to 2.3 %" in w for w in imported.warnings)
    assert any("no .tlt" in w for w in imported.warnings)


def test_unit_transforms_among_rotated_ones_are_left_out_views(tmp_path: Path) -> None:
    row = "0.0 1.0 -1.0 0.0 1.0 2.0\n"
    (tmp_path / "a.xf").write_text(row + "1 0 0 1 0 0\n" + row)
    imported = read_imod(
        tmp_path / "a.xf",
        series_uid="s",
        image_size_px=(10, 10),
        pixel_size_angstrom=1,
        nominal_tilts_deg=[-3, 0, 3],
    )
    assert [t.excluded for t in imported.alignment.tilts] == [False, True, False]
    assert any("tilts 1 have no transform" in w for w in imported.warnings)


def test_bad_transforms(tmp_path: Path) -> None:
    arguments = {
        "series_uid": "s",
        "image_size_px": (10, 10),
        "pixel_size_angstrom": 1,
        "nominal_tilts_deg": [0, 1],
    }
    (tmp_path / "a.xf").write_text("1 0 0 1 0 0\n")
    with pytest.raises(FormatError, match=r"a\.xf has 1 transforms, the stack has 2 images"):
        read_imod(tmp_path / "a.xf", **arguments)
    (tmp_path / "a.xf").write_text("1 0 0 1 0 0\n1 0 0 1\n")
    with pytest.raises(FormatError, match=r"a\.xf, line 2: not the six numbers"):
        read_imod(tmp_path / "a.xf", **arguments)
    (tmp_path / "a.xf").write_text("1 0 0 1 0 0\n1 0 0 -1 0 0\n")
    with pytest.raises(FormatError, match="line 2: the transform mirrors"):
        read_imod(tmp_path / "a.xf", **arguments)


def test_real_etomo_files(shared_data: Path) -> None:
    base = shared_data / "interop/etomofiles/test_data/TS_001/TS_001"
    nominal = read_angles(base.with_suffix(".rawtlt"))
    imported = read_imod(
        base.with_suffix(".xf"),
        series_uid="s",
        image_size_px=(1024, 1024),
        pixel_size_angstrom=PIXEL,
        nominal_tilts_deg=nominal,
        tlt_path=base.with_suffix(".tlt"),
        xtilt_path=base.with_suffix(".xtilt"),
    )
    tilts = [t for t in imported.alignment.tilts if not t.excluded]
    assert len(imported.alignment.tilts) == 40
    assert all(abs(t.axis_deg - 84.1) < 0.5 for t in tilts)
    # Etomo reports the offset that tiltalign added to these tilts as 2.85 degrees.
    offsets = [t.tilt_deg - nominal[t.index] for t in tilts]
    assert np.median(offsets) == pytest.approx(2.85, abs=0.1)


def test_real_imod_and_relion_alignments_of_one_series_agree(shared_data: Path) -> None:
    """Two alignments of EMPIAR-10164 TS_03: the same signs, axis and drift of the stage."""
    interop = shared_data / "interop"
    relion = read_relion(
        interop / "relion5_cets_skeleton/skeleton_project/AlignTiltSeries/job005"
        "/aligned_tilt_series.star",
        "TS_03",
    )[0]
    imod = read_imod(
        interop / "cets_imod/test_data/alignment_files/TS_03.xf",
        series_uid="s",
        image_size_px=(3838, 3710),
        pixel_size_angstrom=relion.pixel_size_angstrom,
        nominal_tilts_deg=read_angles(interop / "cets_imod/test_data/tilt_series/TS_03.tlt"),
    ).alignment
    a = TiltGeometry.from_alignment(imod)
    b = TiltGeometry.from_alignment(relion.alignment("s").alignment)
    np.testing.assert_allclose(a.axis_deg, b.axis_deg, atol=0.2)
    for axis in range(2):
        assert np.corrcoef(a.shift_angstrom[:, axis], b.shift_angstrom[:, axis])[0, 1] > 0.9


def test_a_transform_of_impossible_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xf"
    for word in ("nan", "inf", "1e300"):
        path.write_text(f"{word} 0 0 1 0 0\n")
        with pytest.raises(FormatError, match=r"a.xf, line 1: not the six numbers"):
            read_xf(path)
