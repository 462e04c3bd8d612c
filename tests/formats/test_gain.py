from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile

from tomotui.formats import FormatError
from tomotui.formats.gain import read_gain

SHAPE = (6, 8)


def _reference(seed: int = 0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 1.5, shape).astype(np.float32)


def _mrc(path: Path, values: np.ndarray) -> Path:
    with mrcfile.new(path, values, overwrite=True):
        return path


def test_a_reference_multiplies_and_keeps_the_counts(tmp_path: Path) -> None:
    values = _reference()
    gain = read_gain(_mrc(tmp_path / "g.mrc", 7 * values), SHAPE)
    np.testing.assert_allclose(gain.factor, values / values.mean(), rtol=1e-6)
    assert not gain.defects.any()


def test_dividing(tmp_path: Path) -> None:
    values = _reference()
    gain = read_gain(_mrc(tmp_path / "g.mrc", values), SHAPE, use="divide")
    np.testing.assert_allclose(gain.factor, (1 / values) / (1 / values).mean(), rtol=1e-6)


def test_for_eer_only_a_gain_file_multiplies(tmp_path: Path) -> None:
    values = _reference()
    for name in ("a.gain", "a.tif"):
        with (tmp_path / name).open("wb") as file:
            tifffile.imwrite(file, values)
    camera = read_gain(tmp_path / "a.gain", SHAPE, for_eer=True)
    np.testing.assert_allclose(camera.factor, values / values.mean(), rtol=1e-6)
    average = read_gain(tmp_path / "a.tif", SHAPE, for_eer=True)
    inverse = 1 / values[::-1]
    np.testing.assert_allclose(average.factor, inverse / inverse.mean(), rtol=1e-6)


def test_zero_and_absurd_pixels_are_defects(tmp_path: Path) -> None:
    values = _reference()
    values[1, 2], values[3, 4], values[0, 0] = 0, 500, np.nan
    gain = read_gain(_mrc(tmp_path / "g.mrc", values), SHAPE)
    assert set(zip(*map(list, np.nonzero(gain.defects)), strict=True)) == {(1, 2), (3, 4), (0, 0)}
    assert gain.factor[gain.defects].max() == 0
    assert gain.factor[~gain.defects].mean() == pytest.approx(1)


def test_turns_are_counter_clockwise_with_the_first_row_at_the_bottom(tmp_path: Path) -> None:
    values = np.ones((8, 6), dtype=np.float32)
    values[0, 5] = 1.5  # bottom right
    path = _mrc(tmp_path / "g.mrc", values)
    once = read_gain(path, SHAPE, turns=1).factor
    assert np.unravel_index(once.argmax(), SHAPE) == (5, 7)  # top right
    flipped = read_gain(path, SHAPE, turns=1, flip="up-down").factor
    assert np.unravel_index(flipped.argmax(), SHAPE) == (0, 7)
    mirrored = read_gain(path, SHAPE, turns=3, flip="left-right").factor
    # Three turns bring bottom right to bottom left.
    assert np.unravel_index(mirrored.argmax(), SHAPE) == (0, 7)


def test_references_of_twice_and_half_the_size(tmp_path: Path) -> None:
    values = _reference(shape=(12, 16))
    values[0, 0] = 0
    gain = read_gain(_mrc(tmp_path / "g.mrc", values), SHAPE)
    assert gain.defects.sum() == 1
    assert gain.defects[0, 0]
    mean = values.reshape(6, 2, 8, 2).mean(axis=(1, 3))
    ratio = gain.factor[~gain.defects] / mean[~gain.defects]
    assert np.ptp(ratio) < 1e-5
    fine = read_gain(_mrc(tmp_path / "h.mrc", _reference()), (12, 16))
    assert fine.factor.shape == (12, 16)
    np.testing.assert_array_equal(fine.factor[::2, ::2], fine.factor[1::2, 1::2])


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("other.mrc", (7, 9), "has 9 x 7 pixels, the frames 8 x 6; give the reference"),
        ("turned.mrc", (8, 6), "has 6 x 8 pixels, the frames 8 x 6; turn it with gain_turns"),
    ],
)
def test_a_reference_of_another_size_is_refused(
    tmp_path: Path, name: str, shape: tuple[int, int], words: str
) -> None:
    with pytest.raises(FormatError, match=words):
        read_gain(_mrc(tmp_path / name, _reference(shape=shape)), SHAPE)


def test_what_is_no_reference(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="0 of 48 pixels above zero"):
        read_gain(_mrc(tmp_path / "g.mrc", np.zeros(SHAPE, np.float32)), SHAPE)
    with pytest.raises(FormatError, match="does not exist"):
        read_gain(tmp_path / "none.mrc", SHAPE)
    (tmp_path / "g.dm4").touch()
    with pytest.raises(FormatError, match="dm2mrc"):
        read_gain(tmp_path / "g.dm4", SHAPE)
