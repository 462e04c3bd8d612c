"""Folders of AreTomo: tables, session, halves, and the CTF of the images that were kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.formats.series_folders import (
    ORDER,
    TILTS,
    Sample,
    assert_same_alignment,
    assert_same_ctf,
    imported,
    make_sample,
)
from tomotui.formats.aretomo_folder import read_session, read_tilt_table, write_aretomo_folder
from tomotui.formats.errors import FormatError


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path / "raw")


@pytest.fixture
def folder(sample: Sample, tmp_path: Path) -> Path:
    place = tmp_path / "aretomo"
    write_aretomo_folder(
        place, sample.series, sample.alignment, sample.ctf, stack=sample.stack, thickness_px=64
    )  # fmt: skip
    return place


def test_a_folder_comes_back_whole(folder: Path, sample: Sample) -> None:
    plan = imported(folder)
    assert_same_alignment(plan, sample, atol=3e-3)
    assert_same_ctf(plan, sample)
    assert plan.facts["voltage_kv"].value == 200.0
    assert plan.facts["spherical_aberration_mm"].value == 1.4
    assert plan.facts["amplitude_contrast"].source == "AreTomo"


def test_without_an_mdoc_the_table_tells_order_and_dose(folder: Path) -> None:
    (folder / "TS_1.mdoc").unlink()
    plan = imported(folder)
    assert tuple(tilt.acquisition_order for tilt in plan.tilts) == ORDER
    assert [tilt.prior_dose_e_per_a2 for tilt in plan.tilts] == [9.0, 3.0, 0.0, 6.0, 12.0]
    assert plan.facts["dose_e_per_a2"].source == "AreTomo"


def test_a_ctf_of_the_kept_images_goes_by_the_alignment(folder: Path, sample: Sample) -> None:
    path = folder / "TS_1_CTF.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1], *lines[3:]]) + "\n")
    plan = imported(folder)
    assert_same_ctf(plan, sample)
    assert any("tilts 1 are not in TS_1.aln" in text for text in plan.warnings)
    # One that fits neither is left out, and does not stand in the way.
    path.write_text("\n".join(lines[:3]) + "\n")
    plan = imported(folder)
    assert plan.ctf is None
    assert any("has 2 lines, 5 images were expected" in text for text in plan.warnings)


def test_without_an_aln_the_imod_folder_is_taken(folder: Path, sample: Sample) -> None:
    (folder / "TS_1.aln").unlink()
    plan = imported(folder)
    assert plan.alignment_file == folder / "TS_1_Imod/TS_1_st.xf"
    assert plan.alignment is not None
    assert plan.alignment.tilts[2].tilt_deg == pytest.approx(1.25)


def test_halves_are_taken_along_when_they_are_of_the_stack(folder: Path, sample: Sample) -> None:
    for half in ("EVN", "ODD"):
        shutil.copy(sample.stack, folder / f"TS_1_{half}.mrc")
    assert imported(folder).to_series().even_stack_path == str(folder / "TS_1_EVN.mrc")
    (folder / "TS_1_ODD.mrc").write_bytes(sample.stack.read_bytes()[:1100])
    plan = imported(folder)
    assert plan.to_series().even_stack_path is None
    assert any("TS_1_ODD.mrc" in text for text in plan.warnings)


def test_a_session_that_is_no_json_is_read(tmp_path: Path) -> None:
    path = tmp_path / "AreTomo3_Session.json"
    path.write_text(
        '{\n "InSkips":  [a, b],\n "PixSize":  0.675000,\n "kV":  300,\n "McBin":  2.0\n}'
    )
    assert read_session(path) == {"PixSize": 0.675, "kV": 300.0, "McBin": 2.0}
    assert read_session(tmp_path / "none.json") == {}


def test_bad_tables_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a_TLT.txt"
    path.write_text("-3 1\n0 two\n")
    with pytest.raises(FormatError, match=r"a_TLT.txt, line 2: not tilt, number and exposure"):
        read_tilt_table(path)
    path.write_text("-3 1 0\n0 1 0\n")
    with pytest.raises(FormatError, match="does not number 2 images; correct the file"):
        read_tilt_table(path)
    path.write_text("# nothing\n")
    with pytest.raises(FormatError, match="has no rows"):
        read_tilt_table(path)
    path.write_text("".join(f"{tilt:8.2f}\n" for tilt in TILTS))
    assert read_tilt_table(path) == (TILTS, None, None)
