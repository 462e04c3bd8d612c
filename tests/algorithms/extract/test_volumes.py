from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from tomotui.algorithms.extract.crops import Crops
from tomotui.algorithms.extract.volumes import joined_crops, sharing_window
from tomotui.geometry import TiltGeometry
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.slices import HalfPlane, SliceSource

BOX = 24
CAMERAS = torch.as_tensor(
    TiltGeometry.of(np.arange(-60.0, 61.0, 6.0), axis_deg=30.0).projection_matrices
).float()


def blobs() -> Tensor:
    chance = np.random.default_rng(2)
    line = torch.arange(BOX) - BOX // 2
    volume = torch.zeros(BOX, BOX, BOX)
    for place in chance.normal(size=(12, 3)) * 2.5:
        x, y, z = (torch.exp(-((line - at) ** 2) / 5) for at in place)
        volume += z[:, None, None] * y[None, :, None] * x
    return volume


def crops_of(volume: Tensor, cameras: Tensor, transfer: Tensor) -> tuple[Crops, HalfPlane]:
    """Return premultiplied crops of one particle that lies as the volume."""
    plane = HalfPlane(BOX)
    slices = SliceSource(volume, BOX / 2 - 1).read(plane.frequencies @ cameras[:, :2])
    images = plane.image(slices * transfer.square())
    return Crops(images[None], transfer[None], np.ones((1, len(cameras)), dtype=bool)), plane


def test_sums_of_particles_over_their_weights_are_the_map() -> None:
    volume, plane = blobs(), HalfPlane(BOX)
    chance = torch.Generator().manual_seed(0)
    data = torch.zeros(BOX, BOX, BOX)
    weights = torch.zeros(BOX, BOX, BOX // 2 + 1)
    for turn in torch.as_tensor(Rotation.random(12, random_state=1).as_matrix()).float():
        transfer = torch.rand(len(CAMERAS), len(plane.radius), generator=chance) + 0.2
        crops, _ = crops_of(volume, CAMERAS @ turn, transfer)
        one = joined_crops(crops, 0, CAMERAS @ turn, plane)
        data, weights = data + one.data, weights + one.squared_transfer
    spectrum = torch.fft.rfftn(torch.fft.ifftshift(data)) / weights.clamp_min(1e-3)
    spectrum[weights < 1e-3] = 0
    average = torch.fft.fftshift(torch.fft.irfftn(spectrum, s=(BOX,) * 3)) / sharing_window(BOX)
    ball = soft_ball(BOX, 8.0, 1.0) > 0.5
    pair = torch.stack([average[ball], volume[ball]])
    assert torch.corrcoef(pair)[0, 1] > 0.99
    # Its values too, but for the mean, which no image tells.
    slope, _ = np.polyfit(volume[ball].numpy(), average[ball].numpy(), 1)
    assert abs(slope - 1) < 0.08


def test_weights_count_terms_and_leave_the_wedge_empty() -> None:
    transfer = torch.full((len(CAMERAS), len(HalfPlane(BOX).radius)), 0.5)
    crops, plane = crops_of(blobs(), CAMERAS, transfer)
    one = joined_crops(crops, 0, CAMERAS, plane)
    assert torch.allclose(one.squared_transfer, 0.25 * one.multiplicity, atol=1e-5)
    # Half of the terms, and those of the plane x = 0 with their mates.
    n_terms = len(CAMERAS) * len(plane.radius)
    rest = one.multiplicity[..., 1:].sum() + 0.5 * one.multiplicity[..., 0].sum()
    assert abs(rest - n_terms) < 0.02 * n_terms
    # Along the beam of no tilt nothing was measured, nor beyond the box's frequencies.
    assert one.multiplicity[BOX // 2 - 2, 0, 0] == 0
    assert one.multiplicity[BOX // 2].max() == 0


def test_hidden_tilts_add_nothing() -> None:
    transfer = torch.ones(len(CAMERAS), len(HalfPlane(BOX).radius))
    crops, plane = crops_of(blobs(), CAMERAS, transfer)
    shown = np.arange(len(CAMERAS)) % 3 > 0
    part = Crops(crops.images, crops.transfer, shown[None])
    fewer, _ = crops_of(blobs(), CAMERAS[shown], transfer[shown])
    found = joined_crops(part, 0, CAMERAS, plane)
    expected = joined_crops(fewer, 0, CAMERAS[shown], plane)
    assert torch.allclose(found.data, expected.data, atol=1e-4)
    assert torch.allclose(found.multiplicity, expected.multiplicity)
