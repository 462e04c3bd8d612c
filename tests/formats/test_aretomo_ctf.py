from __future__ import annotations

from pathlib import Path

import pytest

from tomotui.formats.aretomo_ctf import read_ctf_text, write_ctf_text
from tomotui.formats.errors import FormatError
from tomotui.records import Ctf, TiltCtf


def test_a_real_file_is_read(shared_data: Path) -> None:
    path = shared_data / "interop/cryoet_alignment/data/test_CTF.txt"
    ctf = read_ctf_text(path, series_uid="s")
    first = ctf.tilts[0]
    assert first.defocus_u_angstrom == 25951.41
    assert first.defocus_v_angstrom == 24469.37
    assert first.astigmatism_angle_deg == 88.08
    assert first.phase_shift_deg == 0.0
    assert first.score == -0.0105
    assert first.fit_resolution_angstrom == 24.6784
    assert [tilt.index for tilt in ctf.tilts] == list(range(len(ctf.tilts)))


def test_what_is_written_is_read_again(tmp_path: Path, shared_data: Path) -> None:
    ctf = Ctf(
        series_uid="s",
        tilts=(
            TiltCtf(
                index=0,
                defocus_u_angstrom=25_000.12,
                defocus_v_angstrom=24_000.0,
                astigmatism_angle_deg=-12.5,
                phase_shift_deg=90.0,
                fit_resolution_angstrom=6.5,
                score=0.81,
            ),
            TiltCtf(index=1, defocus_u_angstrom=120_000.0, defocus_v_angstrom=110_000.0),
        ),
    )
    path = write_ctf_text(ctf, tmp_path / "a_CTF.txt")
    again = read_ctf_text(path, series_uid="s", n_images=2)
    assert again.tilts[0].phase_shift_deg == pytest.approx(90.0, abs=0.01)
    assert again.tilts[0].replace(phase_shift_deg=90.0) == ctf.tilts[0]
    assert again.tilts[1].fit_resolution_angstrom is None
    assert again.tilts[1].defocus_u_angstrom == 120_000.0
    real = shared_data / "interop/cryoet_alignment/data/test_CTF.txt"
    assert path.read_text().splitlines()[0] == real.read_text().splitlines()[0]


def test_ctffind_is_known_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "ts.txt"
    path.write_text("# Output from CTFFind version 4.1.14\n1 3e4 2.9e4 12 0 0.5 6\n")
    assert read_ctf_text(path, series_uid="s").source == "ctffind"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# nothing\n", "has 0 lines"),
        ("1 2 3\n", "line 1: not the 7 numbers"),
        ("1 3e4 3e4 0 0 0.5 6\n", "has 1 lines, 2 images"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "b_CTF.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        read_ctf_text(path, series_uid="s", n_images=2)
