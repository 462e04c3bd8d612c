"""Painted cells look like the image: structural similarity against the resampled slice."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import benchmark_script
from tomotui.tui.raster.emit import byte_count, emit


@pytest.fixture(scope="module")
def drawing():
    return benchmark_script("drawing")


@pytest.fixture(scope="module")
def tomogram(drawing):
    return drawing.tomogram_slice()


@pytest.mark.parametrize("name", ["octant", "sextant", "quadrant", "half"])
def test_painted_cells_are_like_the_slice(drawing, tomogram, name):
    assert drawing.fidelity(tomogram, name) >= drawing.SSIM_TARGETS[name]


def test_similarity_is_one_for_equals_and_low_for_strangers(drawing):
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 255, (2, 64, 64)).astype(np.float32)
    assert drawing.ssim(a, a) == pytest.approx(1.0)
    assert abs(drawing.ssim(a, b)) < 0.1


def test_a_full_screen_of_octants_stays_within_its_bytes(drawing, tomogram):
    frame, _ = drawing.draw(drawing.filling(tomogram), "octant")
    assert frame.shape == (60, 200)
    assert byte_count(emit(frame)) <= 280_000


def test_few_colours_cost_few_bytes(drawing, tomogram):
    frame, _ = drawing.draw(drawing.filling(tomogram), "octant", depth="16")
    assert byte_count(emit(frame)) <= 100_000
