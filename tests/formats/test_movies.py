from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import tifffile

from tomotui.formats import FormatError
from tomotui.formats.movies import Fractions, is_movie_name, open_movie

GREY: dict[str, Any] = {"photometric": "minisblack"}
WriteEer = Callable[..., None]
FRAMES = np.arange(3 * 6 * 10).reshape(3, 6, 10) % 100


def _mrc(path: Path, frames: np.ndarray) -> Path:
    with mrcfile.new(path, frames, overwrite=True) as file:
        file.set_image_stack()
    return path


def _raw(n_frames: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    return (np.random.default_rng(3).random((n_frames, *shape)) < 0.02).astype(np.uint8)


@pytest.mark.parametrize("kind", ["int8", "int16", "uint16", "float32"])
def test_mrc_frames_come_with_the_numbers_of_the_file(tmp_path: Path, kind: str) -> None:
    with open_movie(_mrc(tmp_path / "a.mrcs", FRAMES.astype(kind))) as movie:
        assert movie.shape == (3, 6, 10)
        assert movie.read(1).dtype == np.dtype(kind)
        np.testing.assert_array_equal(movie.read(1), FRAMES[1])
        assert movie.share == pytest.approx([1 / 3] * 3)


def test_four_bit_mrc(tmp_path: Path) -> None:
    counts = (FRAMES % 16).astype(np.uint8)
    path = _mrc(tmp_path / "a.mrc", np.zeros((3, 6, 5), np.int8))
    header = bytearray(path.read_bytes()[:1024])
    header[0:4] = np.int32(10).tobytes()
    header[12:16] = np.int32(101).tobytes()
    packed = counts[..., 0::2] | (counts[..., 1::2] << 4)
    path.write_bytes(bytes(header) + packed.tobytes())
    with open_movie(path) as movie:
        np.testing.assert_array_equal(movie.read(2), counts[2])


@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
def test_tiff_frames_have_their_first_row_at_the_bottom(tmp_path: Path, compression: Any) -> None:
    tifffile.imwrite(tmp_path / "a.tif", FRAMES.astype(np.uint8), compression=compression, **GREY)
    with open_movie(tmp_path / "a.tif") as movie:
        assert movie.read(0).dtype == np.uint8
        np.testing.assert_array_equal(movie.read(2), FRAMES[2, ::-1])


@pytest.mark.parametrize("run_bits", [7, 8])
def test_eer_electrons_fall_where_they_were_counted(
    tmp_path: Path, write_eer: WriteEer, run_bits: int
) -> None:
    raw = _raw(4)
    write_eer(tmp_path / "a.eer", raw, run_bits)
    with open_movie(tmp_path / "a.eer", Fractions(raw_frames=1)) as movie:
        assert movie.shape == (4, 48, 64)
        for index in range(4):
            np.testing.assert_array_equal(movie.read(index), raw[index])


def test_eer_pages_that_lead_back_into_themselves_have_an_end(
    tmp_path: Path, write_eer: WriteEer
) -> None:
    path = tmp_path / "a.eer"
    write_eer(path, _raw(2))
    whole = path.read_bytes()
    first = int.from_bytes(whole[4:8], "little")
    n_entries = int.from_bytes(whole[first : first + 2], "little")
    link = first + 2 + 12 * n_entries
    second = whole[link : link + 4]
    n_entries = int.from_bytes(whole[(at := int.from_bytes(second, "little")) : at + 2], "little")
    last = at + 2 + 12 * n_entries
    path.write_bytes(whole[:last] + second + whole[last + 4 :])
    movie = open_movie(path, Fractions(raw_frames=1))
    assert movie.shape[0] == 2


def test_eer_fractions_leave_no_raw_frame_out(tmp_path: Path, write_eer: WriteEer) -> None:
    raw = _raw(11)
    write_eer(tmp_path / "a.eer", raw)
    by_dose = Fractions(dose_e_per_a2=0.75, exposure_e_per_a2=3.0)
    with open_movie(tmp_path / "a.eer", by_dose) as movie:
        assert movie.n_frames == 4
        total = sum(movie.read(i).astype(int) for i in range(4))
        np.testing.assert_array_equal(total, raw.sum(axis=0))
        assert movie.share.sum() == pytest.approx(1)
        assert np.ptp(movie.share) == pytest.approx(1 / 11)


@pytest.mark.parametrize(
    ("fractions", "n_raw", "expected"),
    [
        (Fractions(raw_frames=10), 100, 10),
        (Fractions(raw_frames=1000), 100, 1),
        (Fractions(dose_e_per_a2=0.5, exposure_e_per_a2=3.0), 186, 6),
        (Fractions(dose_e_per_a2=0.001, exposure_e_per_a2=3.0), 20, 20),
        (Fractions(), 100, 8),
    ],
)
def test_number_of_fractions(fractions: Fractions, n_raw: int, expected: int) -> None:
    bounds = fractions.bounds(n_raw)
    assert len(bounds) == expected + 1
    assert (bounds[0], bounds[-1]) == (0, n_raw)
    assert (np.diff(bounds) > 0).all()


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"the movie .*none\.tif does not exist"):
        open_movie(tmp_path / "none.tif")
    (tmp_path / "empty.eer").touch()
    with pytest.raises(FormatError, match=r"empty\.eer is empty"):
        open_movie(tmp_path / "empty.eer")
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(FormatError, match="is no movie that can be read"):
        open_movie(tmp_path / "a.png")
    (tmp_path / "noise.eer").write_bytes(b"no TIFF at all")
    with pytest.raises(FormatError, match=r"noise\.eer cannot be read as EER"):
        open_movie(tmp_path / "noise.eer")
    tifffile.imwrite(tmp_path / "plain.eer", FRAMES.astype(np.uint8), **GREY)
    with pytest.raises(FormatError, match="no frames with electron events"):
        open_movie(tmp_path / "plain.eer")


def test_truncated_movies(tmp_path: Path, write_eer: WriteEer) -> None:
    mrc = _mrc(tmp_path / "a.mrc", FRAMES.astype(np.int16))
    mrc.write_bytes(mrc.read_bytes()[:-100])
    with pytest.raises(FormatError, match=r"a\.mrc is truncated"):
        open_movie(mrc)
    tif = tmp_path / "a.tif"
    tifffile.imwrite(tif, FRAMES.astype(np.uint8), **GREY)
    whole = tif.read_bytes()
    for left in (-50, 300):
        tif.write_bytes(whole[:left])
        with pytest.raises(FormatError, match=r"a\.tif (is|cannot be read)"):
            open_movie(tif)
    raw = _raw(3)
    eer = tmp_path / "a.eer"
    write_eer(eer, raw)
    broken = bytearray(eer.read_bytes())
    broken[8:40] = b"\xff" * 32
    eer.write_bytes(bytes(broken))
    with open_movie(eer, Fractions(raw_frames=1)) as movie:
        with pytest.raises(FormatError, match=r"a\.eer is damaged at raw frame 0"):
            movie.read(0)
        np.testing.assert_array_equal(movie.read(1), raw[1])


def test_movies_are_known_by_their_names() -> None:
    assert is_movie_name("a.TIF")
    assert is_movie_name(Path("x/a.eer"))
    assert not is_movie_name("a.mdoc")
