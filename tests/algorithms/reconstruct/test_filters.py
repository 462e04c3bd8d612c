from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.contrast import contrast_window
from tomotui.algorithms.reconstruct.filters import (
    ColumnFilter,
    SlabFilter,
    column_filter,
    filter_columns,
)
from tomotui.algorithms.reconstruct.frame import Sampling, make_frame
from tomotui.algorithms.reconstruct.prepare import normalise
from tomotui.algorithms.reconstruct.volumes import Material, Recipe, reconstruct_volumes
from tomotui.geometry import TiltGeometry

N = 128
FREQUENCY = torch.fft.rfftfreq(N)
UNEVEN = np.array([-60, -58, -51, -44, -43, -42, -30, -21, -20, -8, -3, 0, 3, 11, 25, 34, 47, 61.0])


@pytest.mark.parametrize("kind", get_args(ColumnFilter))
def test_filters_are_positive_and_no_larger_than_the_ramp(kind: ColumnFilter) -> None:
    found, ramp = column_filter(kind, FREQUENCY, N), column_filter("ramp", FREQUENCY, N)
    assert found.shape == (N // 2 + 1,)
    assert (found > 0).all()
    assert (found <= ramp + 1e-7).all()
    assert found[0] < 0.02 * ramp.max()
    assert (found[:5].diff() > 0).all()


def test_the_ramp_is_the_frequency() -> None:
    ramp = column_filter("ramp", FREQUENCY, N)
    np.testing.assert_allclose(ramp[1:], np.fft.rfftfreq(N)[1:], rtol=1e-6)
    # The mean of |f| over the Fourier pixel about zero.
    assert float(ramp[0]) == pytest.approx(0.25 / N)


def test_filters_differ_where_they_should() -> None:
    ramp, hamming, gaussian = (column_filter(kind, FREQUENCY, N) for kind in get_args(ColumnFilter))
    nyquist = N // 2
    assert hamming[nyquist] == pytest.approx(0.08 * 0.5, rel=1e-3)
    assert gaussian[nyquist] < 0.1 * ramp[nyquist]


def test_what_an_image_cannot_have_measured_is_left_out() -> None:
    """A stretched image is sampled finer than its pixels; beyond their Nyquist is nothing."""
    beyond = column_filter("ramp", FREQUENCY * 2, N)
    assert (beyond[N // 4 + 1 :] == 0).all()
    assert (beyond[1 : N // 4] > 0).all()


def test_columns_are_filtered_without_meeting_round_the_corner() -> None:
    frame = make_frame(TiltGeometry.of([0.0, 0.0]), Sampling(1.0, 36, 3, 4))
    images = torch.zeros(2, frame.n_columns, 3)
    images[:, 0] = 1
    found = filter_columns(images, "ramp", frame)
    assert found.shape == images.shape
    assert found[:, 0].min() > 0
    assert found[:, -1].abs().max() < 0.02 * found[:, 0].max()


@pytest.mark.parametrize("iterations", [3, 20])
@pytest.mark.parametrize("x_tilt_deg", [0.0, 4.0])
def test_the_sirt_like_filter_gives_what_sirt_gives(
    blob_images: Callable[..., Tensor], iterations: int, x_tilt_deg: float
) -> None:
    """Grey values too: the closed form is the iteration, but for interpolation and borders."""
    generator = torch.Generator().manual_seed(1)
    geometry = TiltGeometry.of(UNEVEN, 20.0, x_tilt_deg)
    chance = np.random.default_rng(1)
    points = chance.uniform(-1, 1, (500, 3)) * [1600, 400, 110]
    clean = blob_images(points, geometry, (128, 160), 10.0)
    images = normalise(clean + 0.03 * torch.randn(clean.shape, generator=generator))
    volumes = []
    for recipe in (
        Recipe("sirt", iterations=iterations),
        Recipe("wbp", "sirt-like", iterations=iterations),
    ):
        slabs = reconstruct_volumes(
            Material(images, geometry), Sampling(10.0, 128, 24, 24), recipe, "cpu"
        )
        volumes.append(torch.cat([slab.parts[0] for slab in slabs])[:, :, 30:-30].numpy())
    iterated, filtered = (volume.ravel() for volume in volumes)
    assert np.corrcoef(iterated, filtered)[0, 1] > 0.99
    assert (iterated @ filtered) / (filtered @ filtered) == pytest.approx(1, abs=0.03)


def test_the_exact_filter_makes_up_for_uneven_angles() -> None:
    """A volume that is known: uneven tilts distort it less than with the ramp."""
    generator = torch.Generator().manual_seed(0)
    n_x, n_y, n_z = 96, 4, 24
    sampling = Sampling(10.0, n_x, n_y, n_z)
    geometry = TiltGeometry.of(UNEVEN)
    truth = torch.nn.functional.avg_pool3d(
        torch.randn(1, n_z, n_y, n_x, generator=generator), (5, 1, 5), 1, (2, 0, 2)
    )[0]
    truth -= truth.mean()
    from tomotui.imaging.projector import SingleAxisProjector

    projector = SingleAxisProjector(UNEVEN, n_x, n_x, np.arange(n_z) - n_z // 2)
    images = projector.project(truth.transpose(1, 2).contiguous()).transpose(1, 2)
    agreement = {}
    for kind in ("ramp", "exact"):
        slabs = reconstruct_volumes(
            Material(images, geometry), sampling, Recipe("fourier", kind), "cpu"
        )
        found = torch.cat([slab.parts[0] for slab in slabs])[:, 1:-1, 20:-20]
        agreement[kind] = np.corrcoef(found.flatten(), truth[:, 1:-1, 20:-20].flatten())[0, 1]
    assert agreement["exact"] > agreement["ramp"] + 0.02
    assert agreement["exact"] > 0.8


def test_a_slab_filter_of_one_iteration_is_plain_back_projection() -> None:
    frame = make_frame(TiltGeometry.of(UNEVEN), Sampling(10.0, 32, 4, 16))
    low = torch.ones(len(UNEVEN), frame.n_columns, 4)
    once = SlabFilter("sirt-like", frame, iterations=1).apply(low)
    # Every image over its path through the slab, times the scale that is undone later.
    expected = frame.cosine / 16 * 2 / np.pi
    middle = once[:, frame.n_columns // 2, 0].numpy()
    np.testing.assert_allclose(middle, expected, rtol=0.05)


def test_the_contrast_window_is_robust() -> None:
    values = torch.from_numpy(np.random.default_rng(0).normal(5, 2, 20000))
    values[:20] = 1e6
    low, high = contrast_window(values)
    assert low == pytest.approx(5 - 6, abs=0.3)
    assert high == pytest.approx(5 + 6, abs=0.3)
    narrow = contrast_window(values, n_sigma=1.0)
    assert low < narrow[0] < narrow[1] < high
    flat = contrast_window(torch.full((100,), 3.0))
    assert flat[0] < 3 < flat[1]
