from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct import backproject, prepare
from tomotui.algorithms.reconstruct.backproject import (
    LinearBackprojector,
    Operator,
    shift_and_add,
)
from tomotui.algorithms.reconstruct.filters import Filter
from tomotui.algorithms.reconstruct.frame import Frame, Sampling, make_frame
from tomotui.algorithms.reconstruct.plan import Plan
from tomotui.algorithms.reconstruct.prepare import (
    FrameImages,
    Weighting,
    normalise,
    weight_images,
)
from tomotui.algorithms.reconstruct.slabs import Part, default_scale, reconstruct_slabs
from tomotui.algorithms.reconstruct.volumes import Material, Recipe, reconstruct_volumes
from tomotui.geometry import TiltGeometry
from tomotui.geometry.local import LocalField

TILTS = np.arange(-60.0, 61.0, 3.0)
VOXEL = 10.0
N_X, N_Y, N_Z = 60, 56, 32
SAMPLING = Sampling(VOXEL, N_X, N_Y, N_Z)
POINT = np.array([83.0, -64.0, 47.0])
HAMMING = Recipe()
BlobImages = Callable[..., Tensor]


def geometry(x_tilt_deg: float = 0.0) -> TiltGeometry:
    shift = np.random.default_rng(0).uniform(-40, 40, (len(TILTS), 2))
    return TiltGeometry.of(TILTS, 37.0, x_tilt_deg, shift)


def blob(blob_images: BlobImages, truth: TiltGeometry, point: np.ndarray = POINT) -> Tensor:
    return normalise(blob_images(point[None], truth, (N_Y, N_X), VOXEL))


def whole_volume(
    material: Material, recipe: Recipe = HAMMING, sampling: Sampling = SAMPLING
) -> Tensor:
    slabs = reconstruct_volumes(material, sampling, recipe, "cpu")
    return torch.cat([slab.parts[0] for slab in slabs])


def a_part(images: Tensor, frame: Frame) -> Part:
    return Part(FrameImages(images, frame, Weighting("hamming")), default_scale(41))


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
@pytest.mark.parametrize(
    ("method", "kind"),
    [("wbp", "hamming"), ("wbp", "exact"), ("wbp", "sirt-like"), ("fourier", "ramp"), ("sirt", "")],
)
def test_a_blob_is_reconstructed_where_it_is(
    blob_images: BlobImages, x_tilt_deg: float, point: np.ndarray, method: str, kind: Filter
) -> None:
    truth = geometry(x_tilt_deg)
    material = Material(blob(blob_images, truth, np.asarray(point)), truth)
    recipe = Recipe(method, kind or "hamming", iterations=8)  # type: ignore[arg-type]
    volume = whole_volume(material, recipe)
    assert volume.shape == (N_Z, N_Y, N_X)
    found = darkest_point(volume)
    np.testing.assert_allclose(found, np.asarray(point) / VOXEL, atol=0.2)
    assert -float(volume.min()) > 3 * float(volume.max())


def test_local_displacements_are_undone(blob_images: BlobImages) -> None:
    """A blob that every image shows elsewhere comes back, where the displacement is known."""
    still = TiltGeometry.of(TILTS, 37.0)
    chance = np.random.default_rng(3)
    field = LocalField(chance.normal(0, 20, (len(TILTS), 2, 3, 2)), (600.0, 560.0))
    seen = field.displacement(POINT[None])[:, 0]
    moved = TiltGeometry.of(TILTS, 37.0, 0.0, seen)
    images = blob(blob_images, moved)
    undone = whole_volume(Material(images, still, field))
    np.testing.assert_allclose(darkest_point(undone), POINT / VOXEL, atol=0.2)
    ignored = whole_volume(Material(images, still))
    assert undone.min() < 1.3 * ignored.min()
    best = whole_volume(Material(blob(blob_images, still), still))
    assert undone.min() < 0.85 * best.min()


@pytest.mark.parametrize("operator", ["linear", "fourier"])
@pytest.mark.parametrize("x_tilt_deg", [0.0, 5.0])
def test_any_cut_gives_the_same_volume(
    blob_images: BlobImages,
    monkeypatch: pytest.MonkeyPatch,
    operator: Operator,
    x_tilt_deg: float,
) -> None:
    truth = geometry(x_tilt_deg)
    part = a_part(blob(blob_images, truth), make_frame(truth, SAMPLING))
    (whole,) = reconstruct_slabs([part], operator, plan=Plan(N_Z, 1000, True))
    monkeypatch.setattr(backproject, "MAX_MATRIX_ENTRIES", 3 * 2 * N_X * 41)
    slabs = list(reconstruct_slabs([part], operator, plan=Plan(7, 17, False)))
    assert [slab.first for slab in slabs] == [0, 7, 14, 21, 28]
    joined = torch.cat([slab.parts[0] for slab in slabs])
    torch.testing.assert_close(joined, whole.parts[0], atol=1e-5, rtol=1e-4)


def test_shifted_sections_are_the_matrix_product() -> None:
    """What a GPU does is what a CPU does, borders included."""
    frame = make_frame(TiltGeometry.of(TILTS), Sampling(VOXEL, 20, 6, 40))
    images = torch.randn(41, frame.n_columns, 6)
    linear = LinearBackprojector(frame)
    linear.take(images)
    depths = np.array([-20, -3, 0, 1, 19])
    added = shift_and_add(images, frame.slope, 20, depths)
    torch.testing.assert_close(added, linear.sections(depths), atol=1e-4, rtol=1e-4)


def test_interpolation_in_space_comes_near_the_exact_one(blob_images: BlobImages) -> None:
    truth = geometry()
    material = Material(blob(blob_images, truth), truth)
    space, fourier = (whole_volume(material, Recipe(method)) for method in ("wbp", "fourier"))
    assert np.corrcoef(space.flatten(), fourier.flatten())[0, 1] > 0.995


def test_even_and_odd_tilts_average_to_all(blob_images: BlobImages) -> None:
    truth = geometry()
    n = len(TILTS)
    halves = [list(range(0, n, 2)), list(range(1, n, 2))]
    material = Material(blob(blob_images, truth), truth, halves=halves)
    (slab,) = reconstruct_volumes(material, SAMPLING, Recipe(), "cpu")
    whole, even, odd = slab.parts
    torch.testing.assert_close((even + odd) / 2, whole, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        whole, whole_volume(Material(material.images, truth)), atol=1e-4, rtol=1e-4
    )
    similar = np.corrcoef(even.flatten(), odd.flatten())[0, 1]
    assert 0.5 < similar < 1


@pytest.mark.parametrize("recipe", [Recipe("wbp", "exact"), Recipe("sirt", iterations=5)])
def test_halves_know_nothing_of_each_other(recipe: Recipe) -> None:
    """Noise alone: with filters that mix tilts, no half may hold the other's noise."""
    generator = torch.Generator().manual_seed(0)
    images = normalise(torch.randn(41, N_Y, N_X, generator=generator))
    still = TiltGeometry.of(TILTS)
    halves = [list(range(0, 41, 2)), list(range(1, 41, 2))]
    (slab,) = reconstruct_volumes(Material(images, still, halves=halves), SAMPLING, recipe, "cpu")
    _, even, odd = slab.parts
    assert even.shape == odd.shape == (N_Z, N_Y, N_X)
    assert abs(np.corrcoef(even.flatten(), odd.flatten())[0, 1]) < 0.05


def test_halves_of_the_frames_are_made_of_their_own_images() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (normalise(torch.randn(41, N_Y, N_X, generator=generator)) for _ in range(2))
    still = TiltGeometry.of(TILTS)
    material = Material(normalise(first + second), still, halves=(first, second))
    (slab,) = reconstruct_volumes(material, SAMPLING, Recipe(), "cpu")
    whole, even, odd = slab.parts
    torch.testing.assert_close(even, whole_volume(Material(first, still)), atol=1e-4, rtol=1e-4)
    assert np.corrcoef(even.flatten(), odd.flatten())[0, 1] < 0.1
    assert np.corrcoef(whole.flatten(), (even + odd).flatten())[0, 1] > 0.99


def test_weighting_in_parts_is_weighting_at_once(
    blob_images: BlobImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = geometry()
    images = blob(blob_images, truth)
    frame = make_frame(truth, SAMPLING)
    weighting = Weighting("ramp", torch.linspace(0, 120, len(TILTS)))
    at_once = weight_images(images, frame, weighting)
    monkeypatch.setattr(prepare, "MAX_PIXELS_AT_ONCE", 5 * frame.n_columns * frame.n_rows)
    in_parts = weight_images(images, frame, weighting)
    torch.testing.assert_close(in_parts, at_once)


def test_the_exposure_filter_damps_late_images_at_high_frequencies() -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 64, 64)
    frame = make_frame(TiltGeometry.of([0.0, 0.0]), Sampling(3.0, 64, 64, 8))
    plain, damped = (
        weight_images(images, frame, Weighting("ramp", exposure))
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


def test_halves_of_the_frames_keep_the_contrast_of_the_whole() -> None:
    torch.manual_seed(0)
    structure = 4 * torch.randn(2, 40, 40)
    even, odd = (50 + structure / 2 + 3 * torch.randn(2, 40, 40) for _ in range(2))
    whole = even + odd
    found = [normalise(half, whole) for half in (even, odd)]
    torch.testing.assert_close((found[0] + found[1]) / 2, normalise(whole), atol=0.1, rtol=0.1)
