from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct import backproject, prepare
from tomotui.algorithms.reconstruct.backproject import backproject_slabs
from tomotui.algorithms.reconstruct.prepare import (
    Sampling,
    Weighting,
    normalise,
    weight_images,
)
from tomotui.geometry import TiltGeometry

TILTS = np.arange(-60.0, 61.0, 3.0)
VOXEL = 10.0
N_X, N_Y, N_Z = 60, 56, 32
POINT = np.array([83.0, -64.0, 47.0])
EVERYTHING = [list(range(len(TILTS)))]
BlobImages = Callable[..., Tensor]


def geometry(x_tilt_deg: float = 0.0) -> TiltGeometry:
    shift = np.random.default_rng(0).uniform(-40, 40, (len(TILTS), 2))
    return TiltGeometry.of(TILTS, 37.0, x_tilt_deg, shift)


def weighted_images(blob_images: BlobImages, geometry: TiltGeometry, point: np.ndarray) -> Tensor:
    images = blob_images(point[None], geometry, (N_Y, N_X), VOXEL)
    return weight_images(
        normalise(images), geometry, Sampling(VOXEL, N_X, N_Y), Weighting("hamming")
    )


def darkest_point(volume: Tensor) -> np.ndarray:
    """Return (x, y, z) of the darkest blob in voxels from the centre, by fitted Gaussians."""
    at = np.unravel_index(int(volume.argmin()), volume.shape)
    position = []
    for dim in range(3):
        before, centre, after = (
            np.log(-float(volume[tuple(i + step * (d == dim) for d, i in enumerate(at))]))
            for step in (-1, 0, 1)
        )
        vertex = 0.5 * (before - after) / (before - 2 * centre + after)
        position.append(at[dim] + vertex - volume.shape[dim] // 2)
    return np.array(position[::-1])


@pytest.mark.parametrize("x_tilt_deg", [0.0, 5.0])
@pytest.mark.parametrize("point", [POINT, [-83.0, 40.0, -55.0]])
def test_a_blob_is_reconstructed_where_it_is(
    blob_images: BlobImages, x_tilt_deg: float, point: np.ndarray
) -> None:
    truth = geometry(x_tilt_deg)
    weighted = weighted_images(blob_images, truth, np.asarray(point))
    (slab,) = backproject_slabs(weighted, truth, N_Z, EVERYTHING)
    (volume,) = slab.parts
    assert volume.shape == (N_Z, N_Y, N_X)
    found = darkest_point(volume)
    np.testing.assert_allclose(found, np.asarray(point) / VOXEL, atol=0.2)
    assert -float(volume.min()) > 3 * float(volume.max())


def test_both_paths_give_the_same_volume(
    blob_images: BlobImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = geometry()
    weighted = weighted_images(blob_images, truth, POINT)
    (sparse,) = backproject_slabs(weighted, truth, N_Z, EVERYTHING)
    monkeypatch.setattr(backproject, "X_TILT_TOLERANCE_DEG", -1.0)
    (sampled,) = backproject_slabs(weighted, truth, N_Z, EVERYTHING)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    torch.testing.assert_close(
        sampled.parts[0][inner], sparse.parts[0][inner], atol=2e-3, rtol=1e-3
    )


@pytest.mark.parametrize("x_tilt_deg", [0.0, 5.0])
def test_slabs_make_up_the_whole(
    blob_images: BlobImages, monkeypatch: pytest.MonkeyPatch, x_tilt_deg: float
) -> None:
    truth = geometry(x_tilt_deg)
    weighted = weighted_images(blob_images, truth, POINT)
    (whole,) = backproject_slabs(weighted, truth, N_Z, EVERYTHING)
    monkeypatch.setattr(backproject, "MAX_SLAB_VOXELS", 7 * N_X * N_Y)
    slabs = list(backproject_slabs(weighted, truth, N_Z, EVERYTHING))
    assert [slab.first for slab in slabs] == [0, 7, 14, 21, 28]
    joined = torch.cat([slab.parts[0] for slab in slabs])
    torch.testing.assert_close(joined, whole.parts[0], atol=1e-5, rtol=1e-4)


def test_even_and_odd_tilts_add_up_to_all(blob_images: BlobImages) -> None:
    truth = geometry()
    weighted = weighted_images(blob_images, truth, POINT)
    (whole,) = backproject_slabs(weighted, truth, N_Z, EVERYTHING)
    n = len(TILTS)
    (halves,) = backproject_slabs(weighted, truth, N_Z, [range(0, n, 2), range(1, n, 2)])
    even, odd = halves.parts
    torch.testing.assert_close(even + odd, whole.parts[0], atol=1e-4, rtol=1e-4)
    similar = np.corrcoef(even.flatten(), odd.flatten())[0, 1]
    assert 0.5 < similar < 1


def test_weighting_in_parts_is_weighting_at_once(
    blob_images: BlobImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = geometry()
    images = normalise(blob_images(POINT[None], truth, (N_Y, N_X), VOXEL))
    exposure = torch.linspace(0, 120, len(TILTS))
    weighting = Weighting("ramp", exposure)
    at_once = weight_images(images, truth, Sampling(VOXEL, N_X, N_Y), weighting)
    monkeypatch.setattr(prepare, "MAX_PIXELS_AT_ONCE", 5 * N_X * N_Y)
    in_parts = weight_images(images, truth, Sampling(VOXEL, N_X, N_Y), weighting)
    torch.testing.assert_close(in_parts, at_once)


def test_the_exposure_filter_damps_late_images_at_high_frequencies() -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 64, 64)
    still = TiltGeometry.of([0.0, 0.0])
    sampling = Sampling(3.0, 64, 64)
    plain, damped = (
        weight_images(images, still, sampling, Weighting("ramp", exposure))
        for exposure in (None, torch.tensor([0.0, 100.0]))
    )
    torch.testing.assert_close(damped[0], plain[0], atol=1e-4, rtol=1e-3)
    assert damped[1].std() < 0.5 * plain[1].std()


def test_normalised_images_have_zero_mean_and_unit_deviation() -> None:
    torch.manual_seed(0)
    images = 40 + 7 * torch.rand(3, 20, 30)
    images[2] = 5.0
    found = normalise(images)
    assert found.mean(dim=(1, 2)).abs().max() < 1e-4
    assert found[:2].std(dim=(1, 2)).tolist() == pytest.approx([1, 1], abs=1e-4)
    assert torch.isfinite(found).all()
