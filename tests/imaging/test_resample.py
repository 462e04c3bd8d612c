from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.geometry import TiltGeometry
from tomotui.imaging.resample import (
    bin_images,
    binned_size,
    binning_correction,
    fit_about_centre,
    sample_aligned,
)


def blob(shape: tuple[int, int], x: float, y: float, sigma: float) -> Tensor:
    """Return a Gaussian at (x, y) pixels from ``n // 2``."""
    rows = torch.arange(shape[0], dtype=torch.float32)[:, None] - shape[0] // 2 - y
    columns = torch.arange(shape[1], dtype=torch.float32)[None, :] - shape[1] // 2 - x
    return torch.exp(-(rows**2 + columns**2) / (2 * sigma**2))


def peak(image: Tensor) -> tuple[float, float]:
    """Return where a Gaussian lies along the first and second axis, from ``n // 2``.

    The logarithm of a Gaussian is a parabola, so that three samples give its vertex.
    """
    found = []
    at = np.unravel_index(int(image.argmax()), image.shape)
    for line, i in ((image[:, at[1]], at[0]), (image[at[0]], at[1])):
        before, centre, after = (float(v) for v in line[i - 1 : i + 2].double().log())
        vertex = 0.5 * (before - after) / (before - 2 * centre + after)
        found.append(i + vertex - len(line) // 2)
    return found[0], found[1]


def centroid(image: Tensor) -> tuple[float, float]:
    """Return the centre of mass along the first and second axis, from ``n // 2``."""
    lines = [torch.arange(n) - n // 2 for n in image.shape]
    image = image.double() / image.double().sum()
    return float(image.sum(dim=1) @ lines[0].double()), float(image.sum(dim=0) @ lines[1].double())


@pytest.mark.parametrize("shape", [(64, 80), (63, 80), (81, 65)])
@pytest.mark.parametrize("binning", [1, 2, 3, 1.5, 2.37])
def test_the_centre_stays_at_the_centre(shape: tuple[int, int], binning: float) -> None:
    binned = bin_images(blob(shape, 0, 0, 5), binning)
    assert peak(binned) == pytest.approx((0, 0), abs=0.01)
    row, column = np.unravel_index(int(binned.argmax()), binned.shape)
    assert (row, column) == (binned.shape[0] // 2, binned.shape[1] // 2)
    assert binned.shape == tuple(binned_size(side, binning) for side in shape)


@pytest.mark.parametrize("shape", [(64, 80), (63, 81)])
@pytest.mark.parametrize("binning", [2, 3, 1.5, 2.37])
def test_binning_and_its_correction_give_the_binning_asked_for(
    shape: tuple[int, int], binning: float
) -> None:
    binned = bin_images(blob(shape, 12, -9, 4), binning)
    by_y, by_x = binning_correction(shape, binning)
    y, x = peak(binned)
    assert x == pytest.approx(12 / binning * by_x, abs=0.01)
    assert y == pytest.approx(-9 / binning * by_y, abs=0.01)
    if binning == int(binning):
        assert (by_y, by_x) == (1, 1)
    else:
        assert (by_y, by_x) == pytest.approx((1, 1), abs=0.05)


@pytest.mark.parametrize("binning", [1, 2, 3.3])
def test_binning_keeps_the_mean_and_covers_the_image(binning: float) -> None:
    torch.manual_seed(0)
    images = torch.rand(3, 63, 70) + torch.tensor([0.0, 5.0, -2.0])[:, None, None]
    binned = bin_images(images, binning)
    torch.testing.assert_close(
        binned.mean(dim=(1, 2)), images.mean(dim=(1, 2)), rtol=1e-3, atol=1e-2
    )
    assert all(side % 2 == 0 for side in binned.shape[1:])
    for after, before in zip(binned.shape[1:], images.shape[1:], strict=True):
        assert after * binning >= before - 0.1


def test_binning_removes_what_the_coarse_grid_cannot_hold() -> None:
    """A wave beyond the new Nyquist frequency must not come back as a slower one."""
    columns = torch.arange(96, dtype=torch.float32)
    fast = torch.cos(2 * torch.pi * 36 / 96 * columns).expand(96, 96)
    assert bin_images(fast, 2).abs().max() < 1e-4


def test_binning_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got"):
        bin_images(torch.zeros(8, 8), 0.5)


@pytest.mark.parametrize("target", [(40, 60), (41, 61), (60, 40), (50, 51), (49, 49)])
@pytest.mark.parametrize("source", [(50, 50), (51, 51)])
def test_fitting_keeps_the_centre_pixel(source: tuple[int, int], target: tuple[int, int]) -> None:
    image = torch.zeros(2, *source)
    image[:, source[0] // 2, source[1] // 2] = 1
    fitted = fit_about_centre(image, target, fill=torch.zeros(1))
    assert fitted.shape == (2, *target)
    assert fitted[:, target[0] // 2, target[1] // 2].tolist() == [1, 1]
    assert fitted.sum() == 2


def test_fitting_pads_with_each_image_s_mean() -> None:
    images = torch.stack([torch.full((4, 4), 3.0), torch.full((4, 4), -1.0)])
    fitted = fit_about_centre(images, (6, 8))
    assert fitted[0].unique().tolist() == [3]
    assert fitted[1].unique().tolist() == [-1]
    assert fit_about_centre(images, (4, 4)) is images


@pytest.mark.parametrize("axis", [0.0, 37.0, -84.0, 160.0])
@pytest.mark.parametrize(("mode", "within_px"), [("bilinear", 0.02), ("bicubic", 0.05)])
def test_alignment_is_the_inverse_of_the_projection_equation(
    axis: float, mode: str, within_px: float
) -> None:
    """Blobs put where the equation says come back to their place in the specimen.

    The cubic kernel of ``grid_sample`` (A = -0.75) reads up to 0.048 px beside the place along
    either axis of the image; the linear one reads there exactly.
    """
    shift = np.array([[6.3, -4.6], [-9.1, 2.4]])
    geometry = TiltGeometry.of([0.0, 40.0], axis, 0.0, shift)
    point = np.array([11.0, -7.0, 9.0])
    x, y, _ = geometry.project(point)[:, 0].T
    images = torch.stack([blob((90, 101), x[i], y[i], 4.0) for i in range(2)])
    aligned = sample_aligned(
        images, torch.full((2,), axis), torch.from_numpy(shift), (96, 80), mode
    )
    assert aligned.shape == (2, 96, 80)
    upright = TiltGeometry.of([0.0, 40.0]).project(point)[:, 0]
    for i in range(2):
        assert centroid(aligned[i]) == pytest.approx(tuple(upright[i, :2]), abs=within_px)


def test_alignment_makes_up_for_the_rest_of_a_binning() -> None:
    image = blob((64, 64), 10.5, -8.4, 3.0)[None]
    aligned = sample_aligned(
        image, torch.zeros(1), torch.zeros(1, 2), (64, 64), "bilinear", (0.98, 1.05)
    )
    assert centroid(aligned[0]) == pytest.approx((10.5 / 1.05, -8.4 / 0.98), abs=0.02)


def test_there_is_nothing_where_there_is_no_data() -> None:
    aligned = sample_aligned(
        torch.ones(1, 32, 32), torch.zeros(1), torch.tensor([[20.0, 0.0]]), (32, 32), "bilinear"
    )
    # The specimen's centre lies 20 px to the right: its right side was not imaged.
    assert aligned[0, 16].min() == 0
    assert aligned[0, 30].abs().max() == 0
    assert aligned[0, 4].min() == 1
