"""Folders of etomo: what is written comes back, and tilt.com means what IMOD's program does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.formats.series_folders import (
    HEIGHT,
    PIXEL,
    TILTS,
    WIDTH,
    Sample,
    assert_same_alignment,
    assert_same_ctf,
    imported,
    make_sample,
)
from tomotui.formats.alignments import read_alignment
from tomotui.formats.errors import FormatError
from tomotui.formats.etomo_writing import write_etomo
from tomotui.formats.imod import read_xf
from tomotui.formats.imported import ImportedAlignment
from tomotui.geometry.tilt import TiltGeometry

REAL = Path(__file__).resolve().parents[3] / "shared/data/interop/etomofiles/test_data/TS_001"


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path / "raw")


@pytest.fixture
def folder(sample: Sample, tmp_path: Path) -> Path:
    place = tmp_path / "etomo/TS_1"
    write_etomo(
        place, sample.series, sample.alignment, sample.ctf, stack=sample.stack, thickness_px=64,
        binning=2,
    )  # fmt: skip
    return place


def _read(folder: Path) -> ImportedAlignment:
    return read_alignment(
        folder / "TS_1.edf",
        series_uid="s",
        series_name="TS_1",
        image_size_px=(WIDTH, HEIGHT),
        pixel_size_angstrom=PIXEL,
        nominal_tilts_deg=TILTS,
    )


def _add(folder: Path, *lines: str) -> None:
    path = folder / "tilt.com"
    names = {line.split()[0] for line in lines}
    kept = [one for one in path.read_text().splitlines() if one.split()[0] not in names]
    path.write_text("\n".join([*kept, *lines]) + "\n")


def test_a_folder_comes_back_whole(folder: Path, sample: Sample) -> None:
    # From the folder, or from the one that holds it.
    for place in (folder, folder.parent):
        plan = imported(place)
        assert plan.name == "TS_1"
        assert_same_alignment(plan, sample)
        assert_same_ctf(plan, sample)
        assert plan.facts["thickness_px"].value == 64
        assert plan.facts["nominal_tilt_axis_deg"].value == pytest.approx(84.0)
        assert [tilt.acquisition_order for tilt in plan.tilts] == [3, 1, 0, 2, 4]
        assert plan.tilts[0].prior_dose_e_per_a2 == 9.0


def test_tilt_com_means_what_the_program_does(folder: Path) -> None:
    """Voxels of the rotated volume are followed by the equations of IMOD's program."""
    offset, axis_x, x_tilt, shift_x, shift_z, thickness, width = 2.0, 3.0, 1.5, 7.0, -5.0, 60, 40
    _add(
        folder, f"OFFSET {offset} {axis_x}", f"XAXISTILT {x_tilt}", f"SHIFT {shift_x} {shift_z}"
    )  # fmt: skip
    (folder / "TS_1.xtilt").write_text("  0.40\n" * 5)
    found = _read(folder).alignment
    rows = read_xf(folder / "TS_1.xf")
    tlt = np.loadtxt(folder / "TS_1.tlt")
    points = np.array([[4.0, -3.0, 6.0], [-9.0, 5.0, -8.0], [0, 0, 0]])  # pixels from the middle
    seen = TiltGeometry.from_alignment(found).project(points * PIXEL)[..., :2] / PIXEL
    for i, row in enumerate(rows):
        beta, alpha = np.deg2rad(tlt[i] + offset), np.deg2rad(0.40 - x_tilt)
        sin_b, cos_b, sin_a, cos_a = -np.sin(beta), np.cos(beta), -np.sin(alpha), np.cos(alpha)
        for point, place in zip(points, seen[i], strict=True):
            # Slices rise against z of the rotated volume; sizes are even, so middles agree.
            column, slice_y = point[0] + width / 2 + 0.5, -point[2] + thickness / 2 + 0.5
            x = column - (width / 2 + 0.5 + axis_x + shift_x)
            z = slice_y - (thickness / 2 + 0.5 + shift_z)
            aligned = np.array(
                [
                    x * cos_b + point[1] * sin_a * sin_b + z * cos_a * sin_b + axis_x,
                    point[1] * cos_a - z * sin_a,
                ]
            )
            raw = np.linalg.solve(row[:4].reshape(2, 2), aligned - row[4:])
            from_pixel = raw + (np.array([WIDTH, HEIGHT]) - 1) / 2 - np.array([WIDTH, HEIGHT]) // 2
            np.testing.assert_allclose(place, from_pixel, atol=1e-6)


def test_coarse_and_fine_transforms_do_one_after_the_other(folder: Path) -> None:
    whole = _read(folder).alignment
    rows = read_xf(folder / "TS_1.xf")
    (folder / "TS_1.xf").unlink()
    coarse = np.tile([1.0, 0, 0, 1, 3.0, -2.0], (5, 1))
    fine = rows.copy()
    fine[:, 4:] -= np.einsum("tij,j->ti", rows[:, :4].reshape(-1, 2, 2), [3.0, -2.0])
    fine[:, 4:] /= 4  # as of a binned stack, which xfproduct is told
    np.savetxt(folder / "TS_1.prexg", coarse)
    np.savetxt(folder / "TS_1.tltxf", fine)
    (folder / "align.com").write_text("$xfproduct -StandardInput\nScaleShifts 1.,4.\n")
    again = _read(folder).alignment
    one, other = (TiltGeometry.from_alignment(a).shift_angstrom for a in (again, whole))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_views_are_left_out_by_any_list(folder: Path) -> None:
    def left_out() -> list[int]:
        return [tilt.index for tilt in _read(folder).alignment.tilts if tilt.excluded]

    assert left_out() == [1]
    _add(folder, "EXCLUDELIST2 2,4-5")
    assert left_out() == [1, 3, 4]
    _add(folder, "EXCLUDELIST2 /", "INCLUDE 1-2,3")
    assert left_out() == [1, 3, 4]
    _add(folder, "EXCLUDELIST2 2-9")
    with pytest.raises(FormatError, match=r"tilt.com: '2-9' .* none of the 5 images; give numbers"):
        _read(folder)


def test_what_has_no_place_is_told(folder: Path) -> None:
    _add(folder, "LOCALFILE TS_1local.xf", "ZFACTORFILE TS_1.zfac")
    said = " ".join(_read(folder).warnings)
    assert "local alignment has no place here" in said
    assert "Z factors have no place here" in said


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared test data are not beside this checkout")
def test_a_folder_that_etomo_wrote() -> None:
    nominal = np.loadtxt(REAL / "TS_001.rawtlt")
    found = read_alignment(
        REAL / "TS_001.edf",
        series_uid="s",
        series_name="TS_001",
        image_size_px=(4092, 5760),
        pixel_size_angstrom=6.192,
        nominal_tilts_deg=nominal.tolist(),
    )
    tilts = found.alignment.tilts
    assert [tilt.index for tilt in tilts if tilt.excluded] == [39]
    assert tilts[0].tilt_deg == pytest.approx(-57.12)
    assert tilts[0].x_tilt_deg == pytest.approx(-0.01)
    assert tilts[0].axis_deg == pytest.approx(84.14, abs=0.01)


def test_bad_folders_are_refused_by_name(folder: Path) -> None:
    edf, tilt = folder / "TS_1.edf", (folder / "tilt.com").read_text()
    whole = edf.read_text()
    edf.write_text(whole.replace("DatasetName=TS_1", "DatasetName=../TS_1"))
    with pytest.raises(FormatError, match=r"TS_1.edf: '../TS_1' cannot be the name of a file"):
        _read(folder)
    edf.write_text("hello")
    with pytest.raises(FormatError, match=r"TS_1.edf has no Setup.DatasetName; give the .edf"):
        _read(folder)
    edf.write_text(whole)
    _add(folder, "OFFSET two")
    with pytest.raises(FormatError, match=r"tilt.com: OFFSET is 'two'; give a number there"):
        _read(folder)
    # A path of another folder is not followed: only its name counts.
    (folder.parent / "TS_1.tlt").write_text("0\n" * 5)
    (folder / "tilt.com").write_text(tilt.replace("TILTFILE TS_1.tlt", "TILTFILE ../TS_1.tlt"))
    assert _read(folder).alignment.tilts[0].tilt_deg == pytest.approx(TILTS[0] + 1.25)
    (folder / "TS_1.xf").unlink()
    with pytest.raises(FormatError, match=r"has no TS_1.xf, nor TS_1.prexg with .tltxf; run etomo"):
        _read(folder)


def test_what_lies_there_already_is_kept(sample: Sample, folder: Path) -> None:
    (folder / "TS_1.st").unlink()
    (folder / "TS_1.st").write_text("mine")
    with pytest.raises(FormatError, match=r"TS_1.st is there already; give another folder"):
        write_etomo(
            folder, sample.series, sample.alignment, stack=sample.stack, thickness_px=64
        )  # fmt: skip
    assert (folder / "TS_1.st").read_text() == "mine"
