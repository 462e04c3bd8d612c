"""Sampling and contrast against what can be said exactly."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.geometry.tilt import TiltGeometry
from tomotui.tui.raster.filters import low_pass
from tomotui.tui.raster.glyphs import GLYPHS
from tomotui.tui.raster.resample import (
    Grid,
    cell_grid,
    covered,
    fit_voxels_per_cell,
    resample,
    sample_affine,
)
from tomotui.tui.raster.window import Window, auto_window


def image(rows, columns, seed=0):
    return np.random.default_rng(seed).normal(5, 2, (rows, columns)).astype(np.float32)


@pytest.mark.parametrize("ratio", [1, 2, 3, 7])
def test_whole_ratios_are_exact_block_means(ratio):
    data = image(6 * ratio, 5 * ratio)
    shown = resample(data, Grid(6, 5, 0.0, 0.0, ratio, ratio))
    blocks = data.reshape(6, ratio, 5, ratio).mean(axis=(1, 3))
    np.testing.assert_allclose(shown, blocks, rtol=1e-5)


@pytest.mark.parametrize(("rows", "columns"), [(13, 7), (40, 31), (3, 2)])
def test_any_shrinking_keeps_the_mean(rows, columns):
    data = image(57, 63)
    shown = resample(data, Grid(rows, columns, 0.0, 0.0, 57 / rows, 63 / columns))
    assert shown.mean() == pytest.approx(data.mean(), rel=1e-4)


def test_fractional_boxes_are_area_weighted():
    data = np.array([[0.0], [10.0], [20.0], [30.0]], np.float32)
    shown = resample(data, Grid(2, 1, 0.5, 0.0, 1.5, 1.0))
    np.testing.assert_allclose(
        shown[:, 0], [(0.5 * 0 + 10) / 1.5, (20 + 0.5 * 30) / 1.5], rtol=1e-5
    )


def test_long_and_short_boxes_agree():
    """Boxes beyond eight voxels are summed another way; both must give the same."""
    data = image(200, 3)
    shown = resample(data, Grid(20, 3, 3.3, 0.0, 9.4, 1.0))
    for row in range(20):
        low, high = 3.3 + 9.4 * row, 3.3 + 9.4 * (row + 1)
        share = np.clip(np.minimum(high, np.arange(1, 201)) - np.maximum(low, np.arange(200)), 0, 1)
        np.testing.assert_allclose(shown[row], share @ data / 9.4, rtol=1e-4)


def test_magnifying_a_ramp_is_linear():
    data = np.tile(np.arange(20, dtype=np.float32), (20, 1))
    shown = resample(data, Grid(8, 32, 6.0, 4.0, 0.25, 0.25))
    expected = 4.0 + (np.arange(32) + 0.5) * 0.25 - 0.5
    np.testing.assert_allclose(shown, np.tile(expected, (8, 1)), atol=1e-5)


def test_beyond_the_image_the_edge_is_repeated():
    data = image(8, 8)
    shown = resample(data, Grid(12, 12, -2.0, -2.0, 1.0, 1.0))
    np.testing.assert_array_equal(shown[2:10, 2:10], data)
    np.testing.assert_allclose(shown[0, 2:10], data[0], rtol=1e-6)
    far = resample(data, Grid(3, 3, 50.0, -90.0, 2.5, 0.4))
    assert np.isfinite(far).all()


def test_covered_cells_have_their_middle_on_the_image():
    grid = Grid(16, 8, -4.0, 0.0, 1.0, 1.0)
    inside = covered(grid, (8, 5), 4, 2)
    assert not inside[[0, 3]].any()
    assert inside[1].tolist() == inside[2].tolist() == [True, True, False, False]


@pytest.mark.parametrize("name", ["octant", "sextant", "quadrant", "half", "ascii"])
def test_a_fitted_picture_shows_the_same_place_with_every_glyph_set(name):
    shape, cells = (300, 500), (40, 90)
    per_cell = fit_voxels_per_cell(shape, cells)
    grid = cell_grid(GLYPHS[name], cells, (150, 250), per_cell)
    assert grid.top + grid.rows * grid.row_step / 2 == pytest.approx(150, abs=1)
    assert grid.left + grid.columns * grid.column_step / 2 == pytest.approx(250, abs=1)
    assert grid.rows * grid.row_step >= 299
    assert grid.columns * grid.column_step >= 499


def test_octants_at_one_voxel_are_the_voxels():
    data = image(64, 64)
    glyphs = GLYPHS["octant"]
    grid = cell_grid(glyphs, (4, 8), (32, 32), voxels_per_cell=2.0)
    np.testing.assert_array_equal(resample(data, grid), data[24:40, 24:40])


def test_an_unturned_affine_sample_is_the_image():
    data = image(21, 34)
    grid = Grid(21, 34, 0.0, 0.0, 1.0, 1.0)
    shown, inside = sample_affine(data, grid, np.eye(2), (0.0, 0.0))
    np.testing.assert_allclose(shown, data, atol=1e-5)
    assert inside.all()


@pytest.mark.parametrize(("axis_deg", "shift"), [(85.3, (12.0, -7.0)), (-30.0, (-20.0, 4.0))])
def test_an_aligned_image_undoes_the_projection_equation(axis_deg, shift):
    """A bead at specimen (x, y) must appear there, wherever the camera put it."""
    size, pixel = 201, 10.0
    geometry = TiltGeometry.of(0.0, axis_deg, 0.0, [[shift[0] * pixel, shift[1] * pixel]])
    bead = np.array([310.0, -180.0, 0.0])
    at_x, at_y = geometry.project(bead)[0, 0, :2] / pixel + size // 2
    y, x = np.mgrid[0:size, 0:size]
    data = np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / 18).astype(np.float32)
    matrix = geometry.projection_matrices[0][:2, :2]
    shown, _ = sample_affine(data, Grid(size, size, 0.0, 0.0, 1.0, 1.0), matrix, shift)
    row, column = np.unravel_index(shown.argmax(), shown.shape)
    assert column - size // 2 == pytest.approx(bead[0] / pixel, abs=1)
    assert row - size // 2 == pytest.approx(bead[1] / pixel, abs=1)


def test_a_shrunk_affine_sample_averages_noise():
    data = image(400, 400)
    grid = Grid(50, 50, 0.0, 0.0, 8.0, 8.0)
    shown, _ = sample_affine(data, grid, np.eye(2), (0.0, 0.0))
    assert shown.std() < 0.4 * data.std()


def test_an_empty_image_is_refused():
    with pytest.raises(ValueError, match="not empty"):
        resample(np.zeros((0, 4), np.float32), Grid(2, 2, 0, 0, 1, 1))


def test_window_maps_its_ends():
    window = Window(10.0, 20.0)
    greys = window.apply(np.array([[5.0, 10.0, 15.0, 20.0, 99.0]], np.float32))
    assert greys[0].tolist()[0] == 0
    assert abs(int(greys[0, 2]) - 128) <= 1
    assert greys[0, 3] == greys[0, 4] == 255
    inverted = Window(10.0, 20.0, inverted=True).apply(np.array([[10.0, 20.0]], np.float32))
    assert inverted[0, 0] == 255
    assert inverted[0, 1] == 0


def test_window_shows_nan_as_the_level():
    greys = Window(0.0, 1.0).apply(np.array([[np.nan, np.inf, -np.inf]], np.float32))
    assert greys[0].tolist() == [128, 255, 0]


def test_auto_window_ignores_gold():
    data = image(100, 100)
    plain = auto_window(data)
    data[:4, :20] = -500.0
    beads = auto_window(data)
    assert beads.low == pytest.approx(plain.low, abs=0.2)
    assert plain.level == pytest.approx(5, abs=0.1)
    assert plain.width == pytest.approx(2 * 2.8 * 2, rel=0.05)


@pytest.mark.parametrize("value", [3.0, np.nan])
def test_auto_window_needs_a_spread(value):
    assert auto_window(np.full((9, 9), value, np.float32)) is None


def test_window_steps():
    window = Window(0.0, 10.0)
    assert window.narrowed(0.5) == Window(2.5, 7.5)
    assert window.shifted(0.1) == Window(1.0, 11.0)
    with pytest.raises(ValueError, match="finite"):
        Window(float("nan"), 1.0)


def test_low_pass_keeps_coarse_and_removes_fine_waves():
    x = np.arange(120)
    coarse = np.tile(np.sin(2 * np.pi * x / 24), (120, 1)).astype(np.float32)
    fine = np.tile(np.sin(2 * np.pi * x / 3), (120, 1)).astype(np.float32)
    smooth = low_pass(coarse + fine, pixel_size_angstrom=10.0, resolution_angstrom=80.0)
    inner = (slice(20, 100), slice(20, 100))
    np.testing.assert_allclose(smooth[inner], coarse[inner], atol=0.03)


def test_low_pass_beyond_nyquist_changes_nothing():
    data = image(30, 30)
    assert low_pass(data, 10.0, 20.0) is data


def test_low_pass_fills_what_is_no_number():
    data = image(40, 40)
    data[3, 4] = np.nan
    assert np.isfinite(low_pass(data, 10.0, 60.0)).all()
