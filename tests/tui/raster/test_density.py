from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomotui.formats.mrc import write_volume
from tomotui.tui.raster.density import Density, binned, contour_level, read_density
from tomotui.tui.raster.loader import SliceError


def test_places_are_told_from_the_middle_voxel() -> None:
    values = np.zeros((8, 8, 8), np.float32)
    values[5, 3, 6] = 1.0
    density = Density(values, 2.0)
    assert density.at(2.0, -2.0, 4.0) == pytest.approx(1.0)
    assert density.at(2.0, -2.0, 3.0) == pytest.approx(0.5)
    assert density.at(99.0, 0.0, 0.0) == pytest.approx(0.0)


@pytest.mark.parametrize(("axis", "row", "column"), [("z", -1, 2), ("y", 1, 2), ("x", 1, -1)])
def test_sections_have_the_axes_in_the_order_of_the_file(axis: str, row: int, column: int) -> None:
    values = np.zeros((9, 9, 9), np.float32)
    values[4 + 1, 4 - 1, 4 + 2] = 1.0
    place = {"z": 1, "y": -1, "x": 2}[axis]
    image = Density(values, 1.0).section(axis, float(place), 9, 1.0)  # type: ignore[arg-type]
    assert np.unravel_index(image.argmax(), image.shape) == (4 + row, 4 + column)
    assert image.max() == pytest.approx(1.0)


@pytest.mark.parametrize("n", [60, 61, 64])
def test_fewer_voxels_keep_places_and_sizes(n: int) -> None:
    z, y, x = (np.mgrid[:n, :n, :n] - n // 2).astype(np.float32)
    blob = np.exp(-((x - 8) ** 2 + (y + 5) ** 2 + z**2) / 40).astype(np.float32)
    small = binned(Density(blob, 1.0), 32)
    assert max(small.values.shape) <= 32
    peak = np.unravel_index(small.values.argmax(), small.values.shape)
    place = [(at - m) * small.pixel_size_angstrom for at, m in zip(peak, small.middle, strict=True)]
    np.testing.assert_allclose(place, [0, -5, 8], atol=small.pixel_size_angstrom / 2 + 0.01)
    np.testing.assert_allclose(small.at(0.0, -5.0, 8.0), 1.0, atol=0.15)


def test_the_level_parts_matter_from_solvent() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 0.1, (40, 40, 40)).astype(np.float32)
    values[10:22, 10:22, 10:22] += 1.0
    level = contour_level(values)
    inside = values[10:22, 10:22, 10:22] >= level
    assert inside.mean() > 0.95
    assert ((values >= level).sum() - inside.sum()) / values.size < 0.001
    assert contour_level(np.zeros((4, 4, 4), np.float32)) == 0.0


def test_a_map_is_read_with_the_pixel_size_of_its_record(tmp_path: Path) -> None:
    write_volume(tmp_path / "m.mrc", np.arange(64.0).reshape(4, 4, 4), 1.0)
    density = read_density(tmp_path / "m.mrc", 3.0, "mine")
    assert (density.pixel_size_angstrom, density.label) == (3.0, "mine")
    assert density.window.low < density.window.high
    assert density.radius_angstrom == 6.0


def test_a_file_that_is_no_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(SliceError, match="gone"):
        read_density(tmp_path / "gone.mrc", 3.0)
    write_volume(tmp_path / "nan.mrc", np.full((4, 4, 4), np.nan), 1.0)
    with pytest.raises(SliceError, match=r"nan\.mrc holds values that are no numbers"):
        read_density(tmp_path / "nan.mrc", 3.0)
