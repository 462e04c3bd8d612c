from __future__ import annotations

import numpy as np
import pytest
import torch

from tomotui.imaging.exposure import exposure_weights
from tomotui.imaging.fourier import Rings, high_pass, low_pass, radial_frequency
from tomotui.imaging.masks import edge_taper, raised_cosine, soft_ball


@pytest.mark.parametrize("shape", [(16, 16), (15, 16), (16, 15), (8, 10, 12)])
def test_radial_frequency_is_numpy_s(shape: tuple[int, ...]) -> None:
    lines = [np.fft.fftfreq(n) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1])]
    expected = np.sqrt(sum(g**2 for g in np.meshgrid(*lines, indexing="ij")))
    np.testing.assert_allclose(radial_frequency(shape), expected, atol=1e-6)


@pytest.mark.parametrize("size", [16, 17])
@pytest.mark.parametrize("width", [1.0, 2.0])
def test_ring_sums_are_those_of_the_whole_transform(size: int, width: float) -> None:
    """Every term of the full transform is counted once: Friedel mates weigh double."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.normal(size=(2, 3, size, size)))
    rings = Rings(size, width)
    found = rings.sum(torch.fft.rfft2(images).abs() ** 2)
    power = np.abs(np.fft.fft2(images.numpy())) ** 2
    line = np.fft.fftfreq(size) * size / width
    radius = np.hypot(line[:, None], line[None, :])
    # Half way between two rings, rounding in float32 decides; keep to how the rings do it.
    index = np.minimum(np.round(radius.astype(np.float32)), rings.n_rings - 1).astype(int)
    expected = np.stack(
        [power[..., index == ring].sum(axis=-1) for ring in range(rings.n_rings)], axis=-1
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    counts = [int((index == ring).sum()) for ring in range(rings.n_rings)]
    assert rings.weight.tolist() == counts
    assert rings.weight.sum() == size**2


def test_spreading_puts_each_ring_s_value_back() -> None:
    rings = Rings(12)
    values = torch.arange(2 * rings.n_rings, dtype=torch.float32).reshape(2, -1)
    spread = rings.spread(values)
    assert spread.shape == (2, 12, 7)
    torch.testing.assert_close(rings.sum(spread) / rings.weight, values)


def test_filters_at_known_frequencies() -> None:
    frequency = torch.tensor([0.0, 0.1, 0.5])
    assert high_pass(frequency, 0.1).tolist() == pytest.approx([0, 1 - np.exp(-0.5), 1], abs=1e-5)
    assert low_pass(frequency, 0.1).tolist() == pytest.approx([1, np.exp(-0.5), 0], abs=1e-5)


def test_critical_exposures_are_those_published() -> None:
    """At 20, 10 and 5 Angstrom (Grant & Grigorieff 2015): 38.7, 14.1 and 6.4 e/A^2."""
    size, pixel = 64, 2.5
    weights = exposure_weights((size, size), pixel, torch.tensor([10.0, 40.0]))
    assert weights.shape == (2, size, size // 2 + 1)
    assert weights[:, 0, 0].tolist() == [1, 1]
    for resolution, critical in ((20, 38.7), (10, 14.1), (5, 6.4)):
        column = round(size * pixel / resolution)
        for row, exposure in enumerate((10.0, 40.0)):
            found = -exposure / (2 * np.log(float(weights[row, 0, column])))
            assert found == pytest.approx(critical, abs=0.06)


def test_exposure_weights_follow_the_formula_and_the_voltage() -> None:
    exposure = torch.tensor([0.0, 3.0, 60.0])
    frequency = radial_frequency((20, 24)).numpy() / 4.0
    with np.errstate(divide="ignore"):
        critical = 0.245 * frequency**-1.665 + 2.81
    for voltage, factor in ((300, 1.0), (200, 0.8), (290, 1.0)):
        found = exposure_weights((20, 24), 4.0, exposure, voltage)
        expected = np.exp(-exposure.numpy()[:, None, None] / (2 * factor * critical))
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert (exposure_weights((20, 24), 4.0, exposure)[0] == 1).all()


def test_the_raised_cosine_falls_from_one_to_zero() -> None:
    found = raised_cosine(torch.tensor([-3.0, 0.0, 2.0, 4.0, 9.0]), 4.0)
    assert found.tolist() == pytest.approx([1, 1, 0.5, 0, 0], abs=1e-6)


def test_the_taper_is_one_inside_and_zero_at_the_borders() -> None:
    window = edge_taper((50, 80), 0.1)
    assert window.shape == (50, 80)
    assert window[[0, -1]].abs().max() < 1e-6
    assert window[:, [0, -1]].abs().max() < 1e-6
    assert (window[5:-5, 8:-8] == 1).all()
    torch.testing.assert_close(window, window.flip(0, 1))


@pytest.mark.parametrize("n_dims", [2, 3])
def test_the_ball_has_its_radius_about_the_centre(n_dims: int) -> None:
    ball = soft_ball(21, 5.0, 3.0, n_dims)
    assert ball.shape == (21,) * n_dims
    row = ball[(10,) * (n_dims - 1)]
    assert (row[5:16] == 1).all()
    assert row[[2, 18]].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert 0 < row[4] < 1
    torch.testing.assert_close(ball, ball.transpose(0, n_dims - 1))
