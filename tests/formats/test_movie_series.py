from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from tomotui.formats import FormatError
from tomotui.formats.movie_series import (
    movie_files,
    movie_series_name,
    names_movies,
    series_files,
    understand_movies,
)

HEADER = "PixelSpacing = 3\nVoltage = 300\nImageFile = TS_1.mrc\nImageSize = 12 8\n"


def _movie(path: Path, width: int = 12) -> Path:
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, np.ones((4, 8, width), np.uint8), photometric="minisblack")
    return path


def _series(folder: Path, tilts: tuple[float, ...] = (0, 3, -3), width: int = 12) -> Path:
    """Movies in a folder ``frames``, in the order in which they were taken."""
    text = HEADER
    for number, tilt in enumerate(tilts):
        name = f"TS_1_{number:03d}_{tilt:.1f}.tif"
        _movie(folder / "frames" / name, width)
        text += (
            f"[ZValue = {number}]\nTiltAngle = {tilt}\nExposureDose = 3\n"
            f"SubFramePath = X:\\data\\{name}\nNumSubFrames = 4\n"
        )
    path = folder / "TS_1.mrc.mdoc"
    path.write_text(text)
    return path


def test_the_mdoc_of_a_series(tmp_path: Path) -> None:
    found = understand_movies(_series(tmp_path), tilt_axis_deg=85.0)
    assert found.plan.problems == ()
    assert found.plan.name == "TS_1"
    assert [movie.name for movie in found.movies] == [
        "TS_1_002_-3.0.tif",
        "TS_1_000_0.0.tif",
        "TS_1_001_3.0.tif",
    ]
    tilts = found.plan.tilts
    assert [tilt.nominal_tilt_deg for tilt in tilts] == [-3, 0, 3]
    assert [tilt.acquisition_order for tilt in tilts] == [2, 0, 1]
    assert [tilt.prior_dose_e_per_a2 for tilt in tilts] == [6, 0, 3]
    assert found.n_frames == (4, 4, 4)
    assert found.binning == 1
    assert found.plan.facts["pixel_size_angstrom"].value == 3
    series = found.plan.to_series(stack_path="x.mrc")
    assert (series.width_px, series.height_px) == (12, 8)


def test_super_resolution_frames(tmp_path: Path) -> None:
    mdoc = _series(tmp_path, width=24)
    for movie in (tmp_path / "frames").iterdir():
        tifffile.imwrite(movie, np.ones((4, 16, 24), np.uint8), photometric="minisblack")
    found = understand_movies(mdoc)
    assert found.binning == 2
    assert found.plan.facts["pixel_size_angstrom"].value == pytest.approx(1.5)


def test_mdocs_of_single_movies(tmp_path: Path) -> None:
    for name, tilt in (("a_01_000_0.00_x.tif", 0), ("a_01_001_3.00_x.tif", 3), ("b_00_0.0.tif", 0)):
        _movie(tmp_path / name)
        (tmp_path / f"{name}.mdoc").write_text(
            f"PixelSpacing = 3\n[FrameSet = 0]\nTiltAngle = {tilt}.002\nExposureDose = 2\n"
        )
    (tmp_path / "a_01_000_0.00_x.tif.mdoc").write_text(
        "[ZValue = 0]\nTiltAngle = -3\nPixelSpacing = 3\nExposureDose = 2\n"
    )
    (tmp_path / "a_01_000_0.00_x.tif.mdoc").rename(tmp_path / "a_01_002_-3.00_x.tif.mdoc")
    _movie(tmp_path / "a_01_002_-3.00_x.tif")
    (tmp_path / "a_01_000_0.00_x.tif.mdoc").write_text(
        "[ZValue = 0]\nTiltAngle = 0\nPixelSpacing = 3\nExposureDose = 2\n"
    )
    files = series_files([tmp_path])
    assert [movie_series_name(file) for file in files] == ["a_01", "b"]
    found = understand_movies(files[0])
    assert found.plan.problems == ()
    assert [tilt.nominal_tilt_deg for tilt in found.plan.tilts] == [-3, 0, 3.002]
    assert [tilt.acquisition_order for tilt in found.plan.tilts] == [2, 0, 1]
    # Whichever of them is named, it is the same series.
    again = understand_movies(tmp_path / "a_01_002_-3.00_x.tif.mdoc")
    assert again.movies == found.movies


@pytest.mark.parametrize(
    ("movie", "tilt", "name"),
    [
        ("TS_01_003_-6.00_20240102_120000.tif", -6.0, "TS_01"),
        ("a_003[-6.0]-12.mrc", -6.0, "a"),
        ("Position_12_2_007_12.00_Feb03_10.11.12_EER.eer", 12.0, "Position_12_2"),
        ("grid2-hole_15_4.tif", 33.0, "grid2-hole_15"),
    ],
)
def test_names_of_series_by_their_movies(
    tmp_path: Path, movie: str, tilt: float, name: str
) -> None:
    (tmp_path / movie).write_bytes(b"x")
    mdoc = tmp_path / f"{movie}.mdoc"
    mdoc.write_text(f"[ZValue = 0]\nTiltAngle = {tilt}\n")
    assert movie_series_name(mdoc) == name


def test_tables(tmp_path: Path) -> None:
    _series(tmp_path)
    table = tmp_path / "TS_9.txt"
    table.write_text(
        "# movie tilt dose\nTS_1_000_0.0.tif 0 2.5\nTS_1_001_3.0.tif, 3, 2.5\n"
        "TS_1_002_-3.0.tif\t-3\t2.5\n"
    )
    found = understand_movies(table, pixel_size_angstrom=2.0)
    assert found.plan.problems == ()
    assert [tilt.nominal_tilt_deg for tilt in found.plan.tilts] == [-3, 0, 3]
    assert [tilt.prior_dose_e_per_a2 for tilt in found.plan.tilts] == [5, 0, 2.5]
    assert found.plan.name == "TS_9"
    alone = tmp_path / "TS_8.rawtlt"
    alone.write_text("0\n3\n-3\n")
    found = understand_movies(alone, tmp_path / "frames", pixel_size_angstrom=2.0)
    assert found.movies[0].name == "TS_1_002_-3.0.tif"
    table.write_text("TS_1_000_0.0.tif level\n")
    assert "is not MOVIE TILT" in understand_movies(table).plan.problems[0]
    alone.write_text("0\n3\n")
    problem = understand_movies(alone, tmp_path / "frames").plan.problems[0]
    assert "2 tilts" in problem
    assert "3 movies" in problem


def test_missing_movies_are_counted_and_named(tmp_path: Path) -> None:
    mdoc = _series(tmp_path)
    (tmp_path / "frames" / "TS_1_001_3.0.tif").unlink()
    (problem,) = understand_movies(mdoc).plan.problems
    assert "1 of the 3 movies" in problem
    assert "TS_1_001_3.0.tif" in problem
    assert "--frames" in problem
    (problem,) = understand_movies(mdoc, tmp_path / "elsewhere").plan.problems
    assert "elsewhere is no folder" in problem


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("SubFramePath", r"section 1 of .* names no movie \(SubFramePath\)"),
        ("TiltAngle", "section 1 of .* has no TiltAngle"),
    ],
)
def test_incomplete_sections(tmp_path: Path, field: str, words: str) -> None:
    mdoc = _series(tmp_path)
    lines = mdoc.read_text().splitlines()
    at = [number for number, line in enumerate(lines) if line.startswith(field)][1]
    del lines[at]
    mdoc.write_text("\n".join(lines))
    with pytest.raises(FormatError, match=words):
        movie_files(mdoc)


def test_one_movie_for_two_tilts(tmp_path: Path) -> None:
    mdoc = _series(tmp_path)
    mdoc.write_text(mdoc.read_text().replace("TS_1_001_3.0", "TS_1_000_0.0"))
    (problem,) = understand_movies(mdoc).plan.problems
    assert "twice" in problem


def test_mdocs_of_stacks_are_told_from_those_of_movies(tmp_path: Path) -> None:
    mdoc = _series(tmp_path)
    assert names_movies(mdoc)
    (tmp_path / "TS_1.mrc").touch()
    assert not names_movies(mdoc)


def test_movies_of_another_kind_by_the_same_name(tmp_path: Path) -> None:
    mdoc = _series(tmp_path)
    old = tmp_path / "frames" / "TS_1_000_0.0.tif"
    old.rename(old.with_suffix(".tiff"))
    assert understand_movies(mdoc).movies[1].suffix == ".tiff"
