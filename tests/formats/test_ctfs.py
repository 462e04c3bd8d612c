"""Reading a CTF, whichever program it is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomotui.formats.aretomo_ctf import write_ctf_text
from tomotui.formats.ctfs import read_ctf
from tomotui.formats.errors import FormatError
from tomotui.formats.imod_defocus import write_imod_defocus
from tomotui.formats.relion_writing import write_relion
from tomotui.records import Alignment, Ctf, Tilt, TiltAlignment, TiltCtf, TiltSeries

TILTS = [-6.0, -3.0, 0.0, 3.0]


def records(name: str = "ts_1", left_out: int | None = None) -> tuple[TiltSeries, Alignment, Ctf]:
    series = TiltSeries(
        name=name,
        stack_path=f"{name}.mrc",
        width_px=16,
        height_px=16,
        pixel_size_angstrom=5.0,
        tilts=tuple(Tilt(index=i, nominal_tilt_deg=tilt) for i, tilt in enumerate(TILTS)),
    )
    tilts = tuple(
        TiltAlignment(
            index=i,
            tilt_deg=tilt,
            axis_deg=85.0,
            shift_x_angstrom=0.0,
            shift_y_angstrom=0.0,
            excluded=i == left_out,
        )
        for i, tilt in enumerate(TILTS)
    )
    fits = tuple(
        TiltCtf(
            index=i,
            defocus_u_angstrom=31_000.0 + 100 * i,
            defocus_v_angstrom=30_000.0,
        )
        for i in range(len(TILTS))
    )
    return (
        series,
        Alignment(series_uid=series.uid, tilts=tilts),
        Ctf(series_uid=series.uid, tilts=fits, handedness=-1),
    )


def read(path: Path, name: str = "ts_1") -> Ctf:
    return read_ctf(path, series_uid="mine", series_name=name, nominal_tilts_deg=TILTS)


def test_the_ending_says_which_program_it_is_of(tmp_path: Path) -> None:
    series, alignment, ctf = records()
    paths = (
        write_imod_defocus(ctf, tmp_path / "a.defocus", TILTS),
        write_ctf_text(ctf, tmp_path / "a_CTF.txt"),
        write_relion(tmp_path / "relion", [(series, alignment, ctf)]),
    )
    found = [read(path) for path in paths]
    assert [one.source for one in found] == ["imod", "aretomo", "relion"]
    assert [one.handedness for one in found] == [None, None, -1]
    for one in found:
        assert (one.series_uid, one.alignment_uid, one.note) == ("mine", None, "")
        mine = [tilt.defocus_u_angstrom for tilt in one.tilts]
        assert mine == pytest.approx([31_000, 31_100, 31_200, 31_300], abs=1)
        assert [tilt.index for tilt in one.tilts] == [0, 1, 2, 3]


def test_images_that_relion_left_out_take_the_nearest_defocus(tmp_path: Path) -> None:
    ctf = read(write_relion(tmp_path / "relion", [records(left_out=0)]))
    assert [tilt.index for tilt in ctf.tilts] == [0, 1, 2, 3]
    first, second = ctf.tilts[:2]
    assert first.defocus_u_angstrom == second.defocus_u_angstrom == pytest.approx(31_100)
    assert ctf.note == "tilts 0 are not in the RELION project: they take the nearest defocus"


def test_of_several_series_the_one_of_that_name_is_read(tmp_path: Path) -> None:
    path = write_relion(tmp_path / "relion", [records("ts_1"), records("ts_2")])
    assert read(path, "ts_2").source == "relion"
    with pytest.raises(FormatError, match="no tilt series called other; name the series as"):
        read(path, "other")


def test_a_project_without_defocus_is_told(tmp_path: Path) -> None:
    series, alignment, _ = records()
    path = write_relion(tmp_path / "relion", [(series, alignment, None)])
    with pytest.raises(FormatError, match=r"has no rlnDefocusU; give a STAR file of RELION's CTF"):
        read(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xf", "1 0 0 1 0 0\n", r"a\.xf is no CTF known here; give \.defocus"),
        ("a.txt", "-60.0\n-57.0\n", r"a\.txt, line 1: not the 7 numbers of an image; give the"),
        ("a.txt", "1 3e4 3e4 0 0 0.5 6\n" * 3, "has 3 lines, 4 images were expected"),
        ("a.txt", "1 3e9 3e4 0 0 0.5 6\n" * 4, r"image 1 a defocus of 3e\+09 and 30000 A"),
        ("a.defocus", "1 1 50 50 3000 2\n4 4 9 9 3000\n", r"where the stack has -6\.0 to 3\.0"),
    ],
)
def test_what_is_of_something_else_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FormatError, match=message):
        read(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"gone\.defocus does not exist; check the path"):
        read(tmp_path / "gone.defocus")
