"""Joint refinement on blobs whose places are known: shifts, tilts, local bending, gold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.align.geometry import AxisGeometry
from tomotui.algorithms.align.gold import find_beads
from tomotui.algorithms.align.joint import (
    Freedom,
    JointObjective,
    LocalFreedom,
    Together,
    clear_of,
    climb,
)
from tomotui.algorithms.align.patches import PatchMatcher
from tomotui.algorithms.align.prepare import WorkingImages, prepare_images
from tomotui.geometry import TiltGeometry
from tomotui.records import Alignment
from tomotui.simulate import alignment_error

PIXEL, SHAPE, AXIS = 20.0, (96, 88), 25.0
TILTS = np.arange(-60.0, 61.0, 8.0)
BlobImages = Callable[..., Tensor]


@pytest.fixture(scope="module")
def places() -> np.ndarray:
    chance = np.random.default_rng(5)
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 2), axis=-1).reshape(-1, 2)
    flat = (grid + 0.5 + chance.uniform(-0.2, 0.2, (16, 2))) / 4 * 1300 - 650
    return np.concatenate([flat, chance.uniform(-200, 200, (16, 1))], axis=1)


def prepared(images: Tensor) -> WorkingImages:
    generator = torch.Generator().manual_seed(0)
    images = images + 0.05 * torch.randn(images.shape, generator=generator)
    return prepare_images(images, torch.from_numpy(TILTS).float(), PIXEL)


def geometry_of(shift: np.ndarray, axis: float = AXIS) -> AxisGeometry:
    tilts = torch.from_numpy(TILTS).float()
    return AxisGeometry(tilts, axis, torch.from_numpy(shift).float())


def error_px(found: AxisGeometry, shift: np.ndarray) -> float:
    """Return how far points of the specimen are from where they belong, rms in pixels."""
    made = [
        TiltGeometry.of(TILTS, one.axis_deg, 0.0, one.shift_angstrom.numpy()).to_tilt_alignments()
        for one in (found, geometry_of(shift))
    ]
    estimated, truth = (Alignment(series_uid="a", tilts=tilts) for tilts in made)
    return alignment_error(estimated, truth, PIXEL, (1300.0, 1300.0, 400.0)).rms_px


def test_shifts_and_axis_come_back_together(places: np.ndarray, blob_images: BlobImages) -> None:
    chance = np.random.default_rng(1)
    shift = chance.uniform(-60, 60, (len(TILTS), 2))
    working = prepared(blob_images(places, TiltGeometry.of(TILTS, AXIS, 0.0, shift), SHAPE, PIXEL))
    drift = np.stack([25 * np.sin(2 * np.deg2rad(TILTS)) ** 2, 0.2 * TILTS], axis=1)
    start = geometry_of(shift + drift + chance.normal(0, 8, shift.shape), AXIS + 0.5)
    matcher = PatchMatcher(working, 80.0)
    found = start
    for _ in range(2):  # the second time windows are cut where the features have been found
        marks = torch.from_numpy(places).float()
        found = climb(JointObjective(matcher, found, marks, Freedom()), 20)
    assert error_px(start, shift) > 0.7
    assert error_px(found, shift) < 0.35


def test_two_kinds_of_features_share_one_geometry(
    places: np.ndarray, blob_images: BlobImages
) -> None:
    chance = np.random.default_rng(3)
    shift = chance.uniform(-40, 40, (len(TILTS), 2))
    images = blob_images(places, TiltGeometry.of(TILTS, AXIS, 0.0, shift), SHAPE, PIXEL)
    working, coarse = prepared(images), prepare_images(images, torch.from_numpy(TILTS), PIXEL, 2)
    start = geometry_of(shift + chance.normal(0, 10, shift.shape))
    marks = torch.from_numpy(places).float()
    kinds = [
        JointObjective(PatchMatcher(coarse, 160.0), start, marks[8:], Freedom()),
        JointObjective(PatchMatcher(working, 80.0), start, marks[:8], Freedom()),
    ]
    nothing = kinds[0].unknowns() | {"axis": torch.tensor([2.0])}
    turned = [kind.geometry(kind.unknowns() | {"axis": torch.tensor([1.0])}) for kind in kinds]
    assert turned[0].axis_deg != turned[1].axis_deg  # an unknown means another angle to each
    together = Together(kinds)
    parts = sum(float(kind.gain(kind.unknowns())) for kind in kinds)
    assert float(together.gain(together.unknowns())) == pytest.approx(parts, rel=1e-5)
    assert together.geometry(nothing).axis_deg > start.axis_deg
    found = climb(together, 25)
    assert error_px(found, shift) < 0.35 < error_px(start, shift)


@pytest.mark.parametrize("apart_deg", [0.0, 17.0])
def test_near_tilts_predict_nothing_for_each_other(
    apart_deg: float, places: np.ndarray, blob_images: BlobImages
) -> None:
    geometry = geometry_of(np.zeros((len(TILTS), 2)))
    images = blob_images(places, TiltGeometry.of(TILTS, AXIS, 0.0, 0.0), SHAPE, PIXEL)
    matcher = PatchMatcher(prepared(images), 80.0, apart_deg)
    patches, _ = matcher.extract(geometry, torch.from_numpy(places).float())
    predicted = matcher.predict(patches)
    for tilt in (0, 7, len(TILTS) - 1):
        changed = patches.clone()
        near = np.abs(TILTS - TILTS[tilt]) <= apart_deg
        changed[near] += 10 * torch.randn(changed[near].shape)
        again = matcher.predict(changed)[tilt]
        assert torch.allclose(again, predicted[tilt], atol=2e-4 * float(predicted.abs().max()))
    other = patches.clone()
    other[3] += torch.randn(other[3].shape)
    assert not torch.allclose(matcher.predict(other)[7], predicted[7])


def test_wrong_tilts_are_found(places: np.ndarray, blob_images: BlobImages) -> None:
    chance = np.random.default_rng(2)
    jitter = chance.normal(0, 2.0, len(TILTS))
    jitter -= jitter.mean()
    nothing = np.zeros((len(TILTS), 2))
    geometry = TiltGeometry.of(TILTS + jitter, AXIS, 0.0, nothing)
    working = prepared(blob_images(places, geometry, SHAPE, PIXEL))
    objective = JointObjective(
        PatchMatcher(working, 80.0),
        geometry_of(nothing),
        torch.from_numpy(places).float(),
        Freedom(tilt_deg=2.0),
    )
    found = climb(objective, 25).tilt_deg.numpy() - TILTS
    # Upright images tell their tilt only through the thickness, and a stretch of all tilts is
    # nearly one of the specimen.
    steep = np.abs(TILTS) > 20
    error = (found - jitter)[steep]
    error -= np.polyval(np.polyfit(TILTS[steep], error, 1), TILTS[steep])
    assert np.std(error) < 0.4 * np.std(jitter[steep])


def test_bending_is_found_in_columns_of_the_specimen(
    places: np.ndarray, blob_images: BlobImages
) -> None:
    nothing = np.zeros((len(TILTS), 2))
    # Along the axis, growing with x and the tilt to 35 A at the rim: no shape of a solid does so.
    bend = np.sin(np.deg2rad(TILTS))[:, None] * places[:, 0] / 650 * 40
    images: Tensor = torch.zeros(())
    for n in range(len(places)):
        shift = np.stack([nothing[:, 0], bend[:, n]], axis=1)
        one = TiltGeometry.of(TILTS, 0.0, 0.0, shift)
        images = images + blob_images(places[[n]], one, SHAPE, PIXEL)
    matcher = PatchMatcher(prepared(images), 80.0)
    freedom = Freedom(local=LocalFreedom((700.0, 700.0), deviation_angstrom=30.0))
    start, marks = geometry_of(nothing, 0.0), torch.from_numpy(places).float()
    found = climb(JointObjective(matcher, start, marks, freedom), 40)
    assert found.local is not None
    angle = np.deg2rad(found.axis_deg)
    rigid = TiltGeometry.of(TILTS, found.axis_deg, 0.0, found.shift_angstrom.numpy())
    seen = rigid.project(places)[..., :2] + found.local.displacement(places)
    left = seen[..., 1] - (places[:, 1] + bend)
    left = left - left.mean(axis=0)
    assert abs(angle) < 0.02
    assert np.sqrt(np.mean(left**2)) < 0.5 * np.sqrt(np.mean(bend**2))


def test_gold_is_told_from_what_is_only_dark() -> None:
    generator = torch.Generator().manual_seed(0)
    volume = torch.randn((40, 90, 90), generator=generator)
    line = torch.arange(-4, 5).float()
    ball = torch.exp(-(line[:, None, None] ** 2 + line[:, None] ** 2 + line**2) / 5.0)
    truth = torch.tensor([[12, 30, 30], [20, 60, 25], [25, 35, 62], [15, 65, 65], [30, 45, 45]])
    for z, x, y in truth.tolist():
        volume[z - 4 : z + 5, x - 4 : x + 5, y - 4 : y + 5] -= 25 * ball
    beads = find_beads(volume, 20.0)
    assert beads is not None
    assert len(beads.positions) == len(truth)
    zxy = beads.positions[:, [2, 0, 1]] / 20 + torch.tensor([20, 45, 45])
    assert torch.cdist(zxy, truth.float()).min(dim=1).values.max() <= 1.8
    assert find_beads(torch.randn((40, 90, 90), generator=generator), 20.0) is None


def test_a_landmark_beside_a_bead_is_not_used_in_that_tilt() -> None:
    geometry = AxisGeometry(torch.tensor([0.0, 60.0]), 0.0, torch.zeros(2, 2))
    marks = torch.tensor([[0.0, 0.0, 0.0], [1000.0, 0.0, 0.0]])
    bead = torch.tensor([[0.0, 0.0, 400.0]])
    clear = clear_of(geometry, marks, bead, 250.0)
    # Upright the bead lies above the first; at 60 degrees it has moved by 346 A, the other near it.
    assert clear.tolist() == [[False, True], [True, False]]
    assert clear_of(geometry, marks, marks, 250.0).all()
