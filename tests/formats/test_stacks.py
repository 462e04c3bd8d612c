from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tomotui.formats import FormatError
from tomotui.formats.mrc import write_stack
from tomotui.formats.stacks import (
    check_image,
    image_warnings,
    judge_images,
    open_stack,
    scan_images,
    sha256,
)

IMAGES = np.random.default_rng(1).normal(100, 5, (5, 8, 9)).astype(np.float32)


def test_tiff_stack_reads_like_an_mrc_stack(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "s.tif",
        IMAGES.astype(np.uint16),
        photometric="minisblack",
        resolution=(1e8 / 1.35, 1e8 / 1.35),
        resolutionunit="CENTIMETER",
    )
    with open_stack(tmp_path / "s.tif") as stack:
        assert stack.shape == (5, 8, 9)
        assert stack.pixel_size_angstrom == pytest.approx(1.35, rel=1e-3)
        # TIFF files begin with the upper line, MRC files and their readers with the lower one.
        upright = IMAGES[3:4, ::-1].astype(np.uint16)
        np.testing.assert_array_equal(stack.read_all([3]), upright)
        assert stack.tilts_deg is None


def test_tiff_resolution_of_a_screen_is_no_pixel_size(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "s.tif", IMAGES, resolution=(72, 72), resolutionunit="INCH")
    with open_stack(tmp_path / "s.tif") as stack:
        assert stack.pixel_size_angstrom == 0


def test_damaged_and_coloured_tiff(tmp_path: Path) -> None:
    (tmp_path / "bad.tif").write_bytes(b"II*\0 no tiff")
    with pytest.raises(FormatError, match=r"bad\.tif cannot be read as TIFF"):
        open_stack(tmp_path / "bad.tif")
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((8, 9, 3), np.uint8), photometric="rgb")
    with pytest.raises(FormatError, match="grey images"):
        open_stack(tmp_path / "rgb.tif")


def test_scan_finds_the_images_that_cannot_be_used(tmp_path: Path) -> None:
    images = IMAGES.copy()
    images[0] = 0
    images[2, 3, 4] = np.nan
    images[4] *= 0.1
    write_stack(tmp_path / "s.mrc", images, 2.0)
    with open_stack(tmp_path / "s.mrc") as stack:
        found = judge_images(list(scan_images(stack)))
    assert [s.verdict for s in found] == ["empty", "good", "not finite", "good", "dark"]
    assert found[2].n_not_finite == 1
    assert found[1].mean == pytest.approx(images[1].mean(), rel=1e-5)
    warnings = image_warnings(found)
    assert [w.split(":")[0] for w in warnings] == ["tilt 0", "tilt 2", "tilt 4"]
    assert "NaN" in warnings[1]


def test_image_of_nothing_but_nan() -> None:
    assert check_image(np.full((4, 4), np.nan, np.float32)).verdict == "not finite"


def test_darkness_is_not_judged_on_normalised_images() -> None:
    found = [check_image(image - 100, i) for i, image in enumerate(IMAGES)]
    assert {s.verdict for s in judge_images(found)} == {"good"}


def test_checksum(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"stack")
    assert sha256(tmp_path / "f") == hashlib.sha256(b"stack").hexdigest()
