from __future__ import annotations

from pathlib import Path

import alnfile
import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats.aretomo import read_aln_file, read_aretomo, write_aln
from tomotui.formats.imod import read_imod
from tomotui.formats.imported import ImportedAlignment
from tomotui.geometry.tilt import TiltGeometry
from tomotui.records import Alignment

SIZE = (120, 100)
PIXEL = 3.0
TILTS = (-6.0, -3.0, 0.0, 3.0, 6.0)
ARETOMO2 = """# AreTomo Alignment / Priims bprmMn
# RawSize = 120 100 5
# NumPatches = 0
# DarkFrame =     0    0    -6.00
# SEC     ROT         GMAG       TX          TY      SMEAN     SFIT    SCALE     BASE     TILT
    1    85.0000    1.00000      1.000     -2.000     1.00     1.00     1.00     0.00     -3.00
    2    85.1000    1.00000      0.000      0.000     1.00     1.00     1.00     0.00      0.00
    3    85.2000    1.00000     -3.500      4.250     1.00     1.00     1.00     0.00      3.00
    4    85.3000    1.00000      2.000      1.000     1.00     1.00     1.00     0.00      6.00
"""


def _read(path: Path, tilts: tuple[float, ...] = TILTS) -> ImportedAlignment:
    return read_aretomo(
        path,
        series_uid="s",
        image_size_px=SIZE,
        pixel_size_angstrom=PIXEL,
        nominal_tilts_deg=tilts,
    )


def _file(folder: Path, text: str) -> Path:
    (folder / "a.aln").write_text(text)
    return folder / "a.aln"


def _summary(imported: ImportedAlignment) -> list[tuple[float, float, bool]]:
    return [(t.tilt_deg, round(t.axis_deg, 1), t.excluded) for t in imported.alignment.tilts]


EXPECTED = [
    (-6.0, 85.1, True),
    (-3.0, 85.0, False),
    (0.0, 85.1, False),
    (3.0, 85.2, False),
    (6.0, 85.3, False),
]


def test_sections_counted_from_zero(tmp_path: Path) -> None:
    imported = _read(_file(tmp_path, ARETOMO2))
    assert [(t, e) for t, _, e in _summary(imported)] == [(t, e) for t, _, e in EXPECTED]
    assert imported.warnings == ("tilts 0 were left out by AreTomo: excluded",)
    assert imported.local_shifts is None


def test_sections_counted_from_one(tmp_path: Path) -> None:
    text = ARETOMO2.replace("# SEC", "# AlphaOffset =     0.00\n# BetaOffset =     0.00\n# SEC")
    for number in (4, 3, 2, 1):
        text = text.replace(f"\n    {number}  ", f"\n    {number + 1}  ")
    imported = _read(_file(tmp_path, text.replace("=     0    0  ", "=     0    1  ")))
    assert [(t, e) for t, _, e in _summary(imported)] == [(t, e) for t, _, e in EXPECTED]


def test_sections_counted_without_the_dark_ones(tmp_path: Path) -> None:
    text = ARETOMO2
    for number in (1, 2, 3, 4):
        text = text.replace(f"\n    {number}  ", f"\n    {number - 1}  ")
    tilts = (-7.0, -3.0, 0.0, 3.0, 6.0)
    imported = _read(_file(tmp_path, text), tilts)
    assert [t.excluded for t in imported.alignment.tilts] == [True, False, False, False, False]


def test_stack_in_order_of_acquisition(tmp_path: Path) -> None:
    """Rows are sorted by tilt; SEC says where each stands in the raw stack."""
    tilts = (0.0, 3.0, -3.0, -6.0, 6.0)
    text = ARETOMO2.replace("# DarkFrame =     0    0 ", "# DarkFrame =     0    3 ")
    for row, section in (("-3.00\n", 2), ("0.00\n", 0), ("3.00\n", 1), ("6.00\n", 4)):
        lines = text.splitlines(keepends=True)
        text = "".join(
            f"{section:5d}" + line[5:] if line.endswith("     " + row) and line[0] != "#" else line
            for line in lines
        )
    imported = _read(_file(tmp_path, text), tilts)
    assert [(t.tilt_deg, t.excluded) for t in imported.alignment.tilts] == [
        (0.0, False),
        (3.0, False),
        (-3.0, False),
        (-6.0, True),
        (6.0, False),
    ]


def test_offset_is_already_in_the_tilts(tmp_path: Path) -> None:
    text = ARETOMO2.replace("# SEC", "# AlphaOffset =     2.00\n# SEC")
    for tilt in (6, 3, 0, -3):
        text = text.replace(f"{tilt:9.2f}\n    ", f"{tilt + 2:9.2f}\n    ")
    text = text.replace("     6.00\n", "     8.00\n")
    imported = _read(_file(tmp_path, text))
    assert [t.tilt_deg for t in imported.alignment.tilts] == [-4, -1, 2, 5, 8]


def test_agrees_with_the_transforms_that_the_program_itself_would_write(tmp_path: Path) -> None:
    """AreTomo exports A = Rz2(-ROT), D = -A T; both imports give one geometry."""
    path = _file(tmp_path, ARETOMO2)
    transforms = alnfile.df_to_xf(_frame(path))
    rows = [f"{a} {b} {c} {d} {x} {y}\n" for (a, b, x), (c, d, y) in transforms]
    (tmp_path / "a.xf").write_text("1 0 0 1 0 0\n" + "".join(rows))
    imod = read_imod(
        tmp_path / "a.xf",
        series_uid="s",
        image_size_px=SIZE,
        pixel_size_angstrom=PIXEL,
        nominal_tilts_deg=TILTS,
    ).alignment
    points = np.random.default_rng(1).normal(0, 500, (10, 3))
    a = TiltGeometry.from_alignment(_read(path).alignment, included_only=True).project(points)
    b = TiltGeometry.from_alignment(imod, included_only=True).project(points)
    np.testing.assert_allclose(a, b, atol=0.1 * PIXEL / 100)


def _frame(path: Path):  # type: ignore[no-untyped-def]
    from alnfile.data_model import TiltImageAlignmentParameters

    names = ("sec", "rot", "gmag", "tx", "ty", "smean", "sfit", "scale", "base", "tilt")
    rows = [dict(zip(names, row, strict=True)) for row in read_aln_file(path).rows]
    return alnfile.global_alignments_to_dataframe(
        [TiltImageAlignmentParameters(**{**row, "sec": int(row["sec"])}) for row in rows]
    )


def test_round_trip_with_local_shifts(tmp_path: Path) -> None:
    geometry = TiltGeometry.of(TILTS, 84.5, 0.0, np.arange(10.0).reshape(5, 2) * 7)
    tilts = list(geometry.to_tilt_alignments())
    tilts[1] = tilts[1].replace(excluded=True)
    before = Alignment(series_uid="s", tilts=tuple(tilts))
    local = np.array(
        [[i, p, 10.0 * p, -5.0, 0.5 * i, 0.25, 1.0] for i in (0, 2, 3, 4) for p in (0, 1)]
    )
    path = tmp_path / "a.aln"
    write_aln(before, path, image_size_px=SIZE, pixel_size_angstrom=PIXEL, local_shifts=local)
    after = _read(path)
    kept = [t for t in after.alignment.tilts if not t.excluded]
    assert [t.index for t in kept] == [0, 2, 3, 4]
    for tilt in kept:
        was = before.tilts[tilt.index]
        assert tilt.axis_deg == pytest.approx(was.axis_deg, abs=1e-4)
        assert tilt.shift_x_angstrom == pytest.approx(was.shift_x_angstrom, abs=0.002)
        assert tilt.shift_y_angstrom == pytest.approx(was.shift_y_angstrom, abs=0.002)
    assert after.local_shifts is not None
    np.testing.assert_allclose(after.local_shifts, local, atol=0.006)
    frame = alnfile.read(path)
    assert frame["tilt"].tolist() == [-6, 0, 3, 6]


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"made for a stack of 120 x 100 x 5.*has 120 x 100 x 3"):
        _read(_file(tmp_path, ARETOMO2), (0.0, 1.0, 2.0))
    with pytest.raises(FormatError, match="is no AreTomo alignment"):
        _read(_file(tmp_path, "# nothing here\n"))
    with pytest.raises(FormatError, match=r"a\.aln, line 6: expected 10 numbers"):
        _read(_file(tmp_path, ARETOMO2.replace("    1    85.0000", "    1    axis")))
    text = ARETOMO2
    for number in (1, 2, 3, 4):
        text = text.replace(f"\n    {number}  ", f"\n   {number + 8:2d}  ")
    with pytest.raises(FormatError, match="names sections 9 to 12 of a stack with 5"):
        _read(_file(tmp_path, text))


def test_beta_offset_is_reported(tmp_path: Path) -> None:
    imported = _read(_file(tmp_path, ARETOMO2.replace("# SEC", "# BetaOffset = 1.50\n# SEC")))
    assert any("BetaOffset = 1.5 degrees" in w for w in imported.warnings)


def test_real_file(shared_data: Path) -> None:
    folder = shared_data / "interop/cryoet_alignment/data"
    aln = read_aln_file(folder / "test.aln")
    frame = alnfile.read(folder / "test.aln")
    assert aln.raw_size == (2032, 2032, 90)
    assert len(aln.dark_frames) == 4
    assert (aln.alpha_offset_deg, aln.beta_offset_deg) == (0.0, 0.0)
    np.testing.assert_allclose(aln.rows, frame.to_numpy())
    np.testing.assert_allclose(aln.local, alnfile.read(folder / "test.aln", "local").to_numpy())


def test_dark_frames_tell_how_sections_are_numbered(tmp_path: Path) -> None:
    """Tilts a whole step from the nominal ones would fit the neighbours."""
    nominal = [-3.0, 0.0, 3.0, 6.0]
    geometry = TiltGeometry.of(
        np.array(nominal) + 2.9, 85.0, 0.0, [[1.0, 2], [3, 4], [5, 6], [7, 8]]
    )
    tilts = list(geometry.to_tilt_alignments())
    tilts[3] = tilts[3].replace(excluded=True)
    path = tmp_path / "a.aln"
    write_aln(
        Alignment(series_uid="s", tilts=tuple(tilts)), path, image_size_px=(64, 48),
        pixel_size_angstrom=1.0,
    )  # fmt: skip
    found = read_aretomo(
        path, series_uid="s", image_size_px=(64, 48), pixel_size_angstrom=1.0,
        nominal_tilts_deg=nominal,
    ).alignment  # fmt: skip
    assert [tilt.excluded for tilt in found.tilts] == [False, False, False, True]
    assert found.tilts[0].shift_x_angstrom == pytest.approx(1.0)
