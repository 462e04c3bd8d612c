from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.align import matching
from tomotui.algorithms.align.axis import refine_axis, search_axis
from tomotui.algorithms.align.coarse import coarse_shifts, neighbour_pairs
from tomotui.algorithms.align.correlate import find_peaks
from tomotui.algorithms.align.geometry import AxisGeometry, remove_gauge
from tomotui.algorithms.align.landmarks import find_landmarks
from tomotui.algorithms.align.matching import ProjectionMatcher
from tomotui.algorithms.align.patches import PatchMatcher
from tomotui.algorithms.align.prepare import WorkingImages, prepare_images
from tomotui.geometry import TiltGeometry

PIXEL = 20.0
SHAPE = (64, 72)
TILTS = np.arange(-60.0, 61.0, 6.0)
AXIS = 25.0
BlobImages = Callable[..., Tensor]


def scattered(n: int = 25) -> np.ndarray:
    """Return places in a slab, in Angstrom, well apart from each other along x and y."""
    rng = np.random.default_rng(0)
    side = int(np.ceil(np.sqrt(n)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 2), axis=-1).reshape(-1, 2)[:n]
    places = (grid + 0.5 + rng.uniform(-0.25, 0.25, (n, 2))) / side * 960 - 480
    return np.concatenate([places, rng.uniform(-200, 200, (n, 1))], axis=1)


def working_images(images: Tensor, noise: float = 0.05) -> WorkingImages:
    generator = torch.Generator().manual_seed(0)
    images = images + noise * torch.randn(images.shape, generator=generator)
    return prepare_images(images, torch.from_numpy(TILTS).float(), PIXEL)


def true_geometry(axis_deg: float = AXIS) -> AxisGeometry:
    tilts = torch.from_numpy(TILTS).float()
    return AxisGeometry(tilts, axis_deg, torch.zeros(len(TILTS), 2))


@pytest.fixture(scope="module")
def working(blob_images: BlobImages) -> WorkingImages:
    return working_images(blob_images(scattered(), TiltGeometry.of(TILTS, AXIS), SHAPE, PIXEL))


@pytest.fixture(scope="module")
def matcher(working: WorkingImages) -> ProjectionMatcher:
    return ProjectionMatcher(working, 600.0)


def test_pairs_lead_outwards_from_the_least_tilted_image() -> None:
    pairs = neighbour_pairs(torch.tensor([6.0, -6.0, 1.0, 12.0]))
    assert set(pairs) == {(0, 2), (3, 0), (1, 2)}
    assert pairs.index((0, 2)) < pairs.index((3, 0))


@pytest.mark.parametrize("axis", [0.0, AXIS])
def test_coarse_shifts_see_through_the_foreshortening(blob_images: BlobImages, axis: float) -> None:
    """A thin specimen, stretched by the cosine, is alike in neighbouring tilts."""
    rng = np.random.default_rng(2)
    flat = scattered(40) * [1, 1, 0]
    shift = rng.uniform(-80, 80, (len(TILTS), 2))
    images = blob_images(flat, TiltGeometry.of(TILTS, axis, 0.0, shift), SHAPE, PIXEL)
    found = coarse_shifts(working_images(images), axis)
    error = (found.shift_angstrom - torch.from_numpy(shift).float()) / PIXEL
    turn = torch.deg2rad(torch.tensor(axis))
    across = error[:, 0] * turn.cos() + error[:, 1] * turn.sin()
    along = error[:, 1] * turn.cos() - error[:, 0] * turn.sin()
    left = remove_gauge(torch.stack([across, along], dim=1), found.tilt_deg)
    assert left.square().mean().sqrt() < 0.5


def test_projection_matching_brings_displaced_images_back(blob_images: BlobImages) -> None:
    rng = np.random.default_rng(3)
    shift = rng.uniform(-25, 25, (len(TILTS), 2))
    geometry = TiltGeometry.of(TILTS, 0.0, 0.0, shift)
    matcher = ProjectionMatcher(
        working_images(blob_images(scattered(), geometry, SHAPE, PIXEL)), 600.0
    )
    start = true_geometry(0.0)
    found, matched = matcher.refine(start, 12, 4.0)
    assert matched.information > 1.5 * matcher.measure(start).information
    error = remove_gauge(
        (found.shift_angstrom - torch.from_numpy(shift).float()) / PIXEL, found.tilt_deg
    )
    before = remove_gauge(torch.from_numpy(shift).float() / PIXEL, found.tilt_deg)
    assert error.square().mean().sqrt() < 0.4 * before.square().mean().sqrt()


def test_whole_images_are_predicted_by_the_other_tilts_only(
    working: WorkingImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions: list[Tensor] = []
    correlate = matching.correlate

    def spy(images: Tensor, predicted: Tensor, rings: object) -> object:
        predictions.append(predicted)
        return correlate(images, predicted, rings)  # type: ignore[arg-type]

    monkeypatch.setattr(matching, "correlate", spy)
    changed = working.images.clone()
    changed[4] = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)) * working.window
    for images in (working.images, changed):
        other = WorkingImages(images, working.window, working.tilt_deg, PIXEL)
        ProjectionMatcher(other, 600.0).measure(true_geometry())
    before, after = predictions
    difference = (after - before).abs().amax(dim=(1, 2)) / before.abs().max()
    assert difference[4] < 1e-4
    assert difference[[3, 5]].min() > 1e-2


def test_patches_are_predicted_by_the_other_tilts_only(working: WorkingImages) -> None:
    matcher = PatchMatcher(working, 150.0)
    landmarks = torch.from_numpy(scattered(4) * 0.6).float()
    patches, inside = matcher.extract(true_geometry(), landmarks)
    assert patches.shape == (len(TILTS), 4, matcher.size, matcher.size)
    assert inside.all()
    changed = patches.clone()
    changed[4, 1] = torch.randn(matcher.size, matcher.size)
    before, after = matcher.predict(patches), matcher.predict(changed)
    difference = (after - before).abs().amax(dim=(2, 3)) / before.abs().max()
    assert difference[4].max() < 1e-4
    assert difference[[3, 5], 1].min() > 1e-2
    assert difference[:, [0, 2, 3]].max() < 1e-6


@pytest.mark.parametrize("axis", [0.0, AXIS])
def test_a_displaced_tilt_is_measured_in_the_aligned_frame(
    blob_images: BlobImages, axis: float
) -> None:
    points = scattered(6)
    turn = np.deg2rad(axis)
    across, along = 2 * PIXEL, -1 * PIXEL
    shift = np.zeros((len(TILTS), 2))
    shift[7] = [
        across * np.cos(turn) - along * np.sin(turn),
        across * np.sin(turn) + along * np.cos(turn),
    ]
    images = blob_images(points, TiltGeometry.of(TILTS, axis, 0.0, shift), SHAPE, PIXEL)
    matcher = PatchMatcher(working_images(images), 150.0)
    patches, inside = matcher.extract(true_geometry(axis), torch.from_numpy(points).float())
    found, _ = find_peaks(matcher.correlate(patches).maps, 4.0)
    median = torch.stack([found[t][inside[t]].median(dim=0).values for t in range(len(TILTS))])
    assert median[7].tolist() == pytest.approx([2, -1], abs=0.2)
    others = [t for t in range(len(TILTS)) if t != 7]
    # Its neighbours, whose predictions it takes part in, follow it by a fraction.
    assert median[others].abs().max() < 0.6
    assert median[others].abs().mean() < 0.1


def test_patches_at_the_rim_are_known_not_to_be_inside(working: WorkingImages) -> None:
    landmarks = torch.tensor([[0.0, 0.0, 0.0], [650.0, 0.0, 0.0]])
    _, inside = PatchMatcher(working, 150.0).extract(true_geometry(0.0), landmarks)
    assert inside[:, 0].all()
    assert not inside[len(TILTS) // 2, 1]


def test_landmarks_are_the_blobs(matcher: ProjectionMatcher) -> None:
    points = torch.from_numpy(scattered()).float()
    volume = matcher.volume(true_geometry())
    found = find_landmarks(volume, PIXEL, 6 * PIXEL, 15)
    assert found.shape == (15, 3)
    nearest = torch.cdist(found, points).min(dim=1).values
    assert nearest.max() < 1.8 * PIXEL
    assert torch.cdist(found, found).fill_diagonal_(1e9).min() > 3 * PIXEL


def test_landmarks_of_known_volumes() -> None:
    z, x, y = torch.meshgrid(*[torch.arange(n) - n // 2 for n in (24, 40, 44)], indexing="ij")
    volume = torch.zeros(24, 40, 44)
    for depth, (a, b, c) in ((1.0, (0, -9, 8)), (2.0, (5, 8, -6)), (-3.0, (-4, 9, 9))):
        volume -= depth * torch.exp(-((z - a) ** 2 + (x - b) ** 2 + (y - c) ** 2) / 8.0)
    found = find_landmarks(volume, 10.0, 60.0, 2)
    # The deepest first, as (x, y, z); the bright one is no landmark.
    assert found.tolist() == [[80, -60, 50], [-90, 80, 0]]
    assert len(find_landmarks(torch.zeros(24, 40, 44), 10.0, 60.0, 5)) == 0


def test_the_axis_is_found_from_nothing(blob_images: BlobImages) -> None:
    images = blob_images(scattered(), TiltGeometry.of(TILTS, AXIS), SHAPE, PIXEL)
    tilts = torch.from_numpy(TILTS).float()
    matcher = ProjectionMatcher(prepare_images(images, tilts, PIXEL, 2), 600.0)
    told: list[float] = []
    found = search_axis(matcher, step_deg=18.0, progress=told.append)
    assert len(found) == 10
    assert told[-1] == 1
    assert told == sorted(told)
    scores = [candidate.matched.information for candidate in found]
    assert scores == sorted(scores, reverse=True)
    assert abs((found[0].geometry.axis_deg - AXIS + 90) % 180 - 90) <= 9
    near = search_axis(matcher, 32.0, 8.0, 8.0)
    assert {c.geometry.axis_deg for c in near} == {24, 32, 40}
    assert near[0].geometry.axis_deg == 24
    refined = refine_axis(matcher, near[1], 4.0, smallest_step_deg=2.0, rounds=1)
    assert refined.geometry.axis_deg == pytest.approx(AXIS, abs=2)
    assert refined.matched.information >= near[1].matched.information
