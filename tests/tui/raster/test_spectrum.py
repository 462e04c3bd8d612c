"""Power spectra of slices."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.tui.raster.spectrum import (
    MOST_SIDE,
    SpectrumSource,
    power_spectrum,
    side_of,
    tilt_range,
)
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import ArraySource


def wave(shape: tuple[int, int], rows: float, columns: float) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    values: np.ndarray = np.cos(2 * np.pi * (rows * y + columns * x)).astype(np.float32)
    return values


@pytest.mark.parametrize("shape", [(60, 80), (64, 64), (41, 90)])
def test_a_wave_is_seen_at_its_frequency_whatever_the_shape(shape: tuple[int, int]) -> None:
    side = side_of(shape)
    power = power_spectrum(wave(shape, 0.25, 0.1), side)
    assert power.shape == (side, side)
    row, column = np.unravel_index(np.argmax(power), power.shape)
    found = ((row - side // 2) / side, (column - side // 2) / side)
    sign = 1 if found[0] > 0 else -1
    assert sign * np.array(found) == pytest.approx([0.25, 0.1], abs=1 / side)


def test_both_halves_are_there_and_alike() -> None:
    image = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    power = power_spectrum(image, 64)
    assert power[1:, 1:] == pytest.approx(power[1:, 1:][::-1, ::-1], rel=1e-3, abs=1e-6)


def test_edges_that_do_not_match_make_no_cross() -> None:
    image = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    ramp = image + np.linspace(0, 40, 64, dtype=np.float32)[:, None]
    power = power_spectrum(ramp, 64)
    middle = power[:, 32][np.r_[0:24, 40:64]].mean()
    assert middle < 3 * np.median(power)


def test_large_images_are_averaged_over_tiles() -> None:
    image = np.random.default_rng(0).normal(size=(600, 1200)).astype(np.float32)
    side = side_of(image.shape)
    assert side == MOST_SIDE
    power = power_spectrum(image, side)
    assert power.mean() == pytest.approx(1, rel=0.02)
    alone = power_spectrum(image[:512, :512], side)
    assert power.std() < 0.8 * alone.std()


def test_what_is_no_number_counts_as_the_mean() -> None:
    image = wave((64, 64), 0.25, 0.1) + 5
    image[3, 3] = np.nan
    assert np.isfinite(power_spectrum(image, 64)).all()


def without_wedge(size: int, most_deg: float) -> np.ndarray:
    """Noise as a tomogram has it whose tilts went from -most_deg to most_deg about y."""
    noise = np.random.default_rng(1).normal(size=(size, 8, size))
    kz, kx = np.fft.fftfreq(size)[:, None, None], np.fft.fftfreq(size)[None, None, :]
    measured = np.abs(kz) <= np.abs(kx) * np.tan(np.deg2rad(most_deg))
    return np.fft.ifftn(np.fft.fftn(noise) * measured).real.astype(np.float32)


def test_the_wedge_is_dark_between_its_lines() -> None:
    source = ArraySource(without_wedge(64, 45), pixel_size_angstrom=10.0)
    spectrum = SpectrumSource(source, "y", (-45.0, 45.0))
    assert spectrum.axes == ("y",)
    assert spectrum.shape == (64, 8, 64)
    image = spectrum.read("y", 4, 2)
    assert image[10:20, 30:35].mean() < image[30:35, 10:20].mean() - 1
    lines = [one for one in spectrum.trails(SliceViewState(axis="y")) if one.role == "unsure"]
    assert len(lines) == 2
    for line in lines:
        down, across = line.rows[-1] - 32, line.columns[-1] - 32
        assert abs(down) == pytest.approx(abs(across))
    across_z = SpectrumSource(source, "z", (-45.0, 45.0))
    assert not [one for one in across_z.trails(SliceViewState()) if one.role == "unsure"]


def test_rings_lie_at_their_resolution_and_say_so() -> None:
    source = ArraySource(np.zeros((4, 100, 100)), pixel_size_angstrom=10.0)
    spectrum = SpectrumSource(source, "z")
    assert spectrum.rings_angstrom() == [100, 40, 20]
    trails = spectrum.trails(SliceViewState())
    assert [one.mark for one in trails if one.mark] == ["100 Å", "40 Å", "20 Å"]
    rings = [one for one in trails if not one.mark]
    assert rings[1].columns.max() - 50 == pytest.approx(100 * 10 / 40)
    assert spectrum.nyquist_angstrom == 20
    assert not spectrum.has_scale


def test_the_range_of_tilts_needs_two() -> None:
    assert tilt_range([3.0, -50.0, float("nan"), 48.0]) == (-50.0, 48.0)
    assert tilt_range([3.0]) is None
