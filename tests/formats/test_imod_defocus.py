from __future__ import annotations

from pathlib import Path

import pytest

from tomotui.formats.errors import FormatError
from tomotui.formats.imod_defocus import read_imod_defocus, write_imod_defocus
from tomotui.records import Ctf, TiltCtf

FOLDER = Path("interop/cets_imod/test_data/imod_defocus_files")


def some_ctf(phase: float = 0.0) -> Ctf:
    tilts = [
        TiltCtf(
            index=i,
            defocus_u_angstrom=31_000.0 + 100 * i,
            defocus_v_angstrom=30_000.0 - 50 * i,
            astigmatism_angle_deg=-70.0 + 5 * i,
            phase_shift_deg=phase,
        )
        for i in range(4)
    ]
    return Ctf(series_uid="s", tilts=tuple(tilts))


@pytest.mark.parametrize("phase", [0.0, 62.5])
def test_what_is_written_is_read_again(tmp_path: Path, phase: float) -> None:
    ctf = some_ctf(phase)
    path = write_imod_defocus(ctf, tmp_path / "a.defocus", [-3.0, 0.0, 3.0, 6.0])
    read = read_imod_defocus(path, series_uid="s", n_images=4)
    for ours, again in zip(ctf.tilts, read.tilts, strict=True):
        assert again.index == ours.index
        assert again.defocus_u_angstrom == pytest.approx(ours.defocus_u_angstrom, abs=1)
        assert again.defocus_v_angstrom == pytest.approx(ours.defocus_v_angstrom, abs=1)
        assert again.astigmatism_angle_deg == pytest.approx(ours.astigmatism_angle_deg, abs=0.01)
        assert again.phase_shift_deg == pytest.approx(ours.phase_shift_deg, abs=0.01)


def test_the_file_has_the_form_of_ctfplotters(tmp_path: Path) -> None:
    path = write_imod_defocus(some_ctf(30.0), tmp_path / "a.defocus", [-3.0, 0.0, 3.0, 6.0])
    lines = [line.split() for line in path.read_text().splitlines()]
    assert lines[0] == ["5", "0", "0.0", "0.0", "0.0", "3"]
    assert lines[1] == ["1", "1", "-3.00", "-3.00", "3100.0", "3000.0", "-70.00", "30.00"]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("TS_03_plain_estimation", (13_600.0, 13_600.0, None, 0.0)),
        ("TS_03_only_astigmatism", (16_516.0, 12_067.0, 31.76, 0.0)),
        ("TS_03_only_phase_shift", (13_236.0, 13_236.0, None, 10.19)),
        ("TS_03_astigmatism_and_phase_shift", (14_839.0, 10_687.0, 32.44, 26.49)),
        ("TS_03_astigmatism_phase_shift_and_cutoff_freq", (13_314.0, 9_175.0, 32.43, 29.08)),
    ],
)
def test_real_files_are_read(
    shared_data: Path, name: str, first: tuple[float, float, float | None, float]
) -> None:
    path = shared_data / FOLDER / f"{name}.defocus"
    ctf = read_imod_defocus(path, series_uid="s", n_images=40)
    u, v, angle, phase = first
    tilt = ctf.tilts[0]
    assert tilt.defocus_u_angstrom == pytest.approx(u)
    assert tilt.defocus_v_angstrom == pytest.approx(v)
    assert tilt.phase_shift_deg == pytest.approx(phase)
    if angle is not None:
        assert tilt.astigmatism_angle_deg == pytest.approx(angle)
    assert len(ctf.tilts) == 40
    assert ctf.source == "imod"


def test_rows_of_several_views_stand_for_their_middle(tmp_path: Path) -> None:
    path = tmp_path / "a.defocus"
    path.write_text("1 3 -6 0 3000 2\n5 7 6 12 3400\n")
    ctf = read_imod_defocus(path, series_uid="s", n_images=8)
    found = [tilt.defocus_u_angstrom for tilt in ctf.tilts]
    assert found == pytest.approx([30e3, 30e3, 31e3, 32e3, 33e3, 34e3, 34e3, 34e3])


def test_radians_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "a.defocus"
    path.write_text("15 0 0.0 0.0 0.0 3\n1 1 0 0 3000 2900 0.5 1.0\n")
    (tilt,) = read_imod_defocus(path, series_uid="s", n_images=1).tilts
    assert tilt.astigmatism_angle_deg == pytest.approx(28.648, abs=0.01)
    assert tilt.phase_shift_deg == pytest.approx(57.296, abs=0.01)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("1 1 a b 3000 2\n", "line 1: not numbers"),
        ("5 0 0.0 0.0 0.0 3\n1 1 0 0 3000 2900\n", "line 2: too few numbers"),
        ("9 9 0 0 3000 2\n", "of 9 views, the stack has 4"),
        ("3 6 0 0 3000 2\n", "of 6 views, the stack has 4"),
        ("0.99 -0.02 0.02 0.99 13.4 -7.1\n", "line 1: 0.99 and -0.02 are no views"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "b.defocus"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        read_imod_defocus(path, series_uid="s", n_images=4)


def test_the_note_tells_of_views_beyond_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.defocus"
    path.write_text("2 3 0 0 3000 2\n")
    ctf = read_imod_defocus(path, series_uid="s", n_images=4)
    assert ctf.note == "a.defocus is of views 2 to 3 of 4: others take the nearest"
    path.write_text("1 4 0 0 3000 2\n")
    assert read_imod_defocus(path, series_uid="s", n_images=4).note == ""


def test_the_file_of_another_series_is_known_by_its_tilts(tmp_path: Path) -> None:
    path = write_imod_defocus(some_ctf(), tmp_path / "a.defocus", [-9.0, -3.0, 3.0, 9.0])

    def read(tilts: list[float]) -> Ctf:
        return read_imod_defocus(path, series_uid="s", n_images=4, tilts_deg=tilts)

    assert read([-9.4, -3.2, 3.0, 9.1]).tilts[0].defocus_u_angstrom == pytest.approx(31_000)
    # The whole specimen may have been turned, as by a pretilt.
    read([2.0, 8.0, 14.0, 20.0])
    with pytest.raises(FormatError, match=r"from -9\.0 to 9\.0 degrees, .* 40\.0 to 58\.0"):
        read([58.0, 52.0, 46.0, 40.0])
    # A flag says that the angles of the file are of the other sign.
    path.write_text(path.read_text().replace("1\t0", "17\t0", 1))
    read([9.0, 3.0, -3.0, -9.0])


def test_tilts_must_be_those_of_the_ctf(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="4 tilts have a CTF, 1 have angles"):
        write_imod_defocus(some_ctf(), tmp_path / "a.defocus", [0.0])
