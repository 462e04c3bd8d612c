from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.depth_ctf import SeriesCtf
from tomotui.algorithms.refine.equations import ramps
from tomotui.algorithms.subtomograms.views import (
    SeriesModel,
    contrast_images,
    cut_crops,
    transfer_of,
    views_of,
)
from tomotui.geometry import TiltGeometry
from tomotui.geometry.local import LocalField
from tomotui.imaging.ctf import CtfOptics, ctf_1d
from tomotui.imaging.exposure import exposure_weights_1d
from tomotui.imaging.slices import HalfPlane

PIXEL = 4.0
OPTICS = CtfOptics(300.0, 2.7, 0.07)


def model_of(**parts: Any) -> SeriesModel:
    geometry = TiltGeometry.of([-40.0, 0.0, 40.0], axis_deg=20.0, shift_angstrom=(13.0, -7.0))
    return replace(SeriesModel(geometry), **parts)


def ctf_of(defocus: float, handedness: int = 1, astigmatism: float = 0.0) -> SeriesCtf:
    along = np.full(3, defocus)
    return SeriesCtf(
        along + astigmatism, along - astigmatism, np.full(3, 30.0), np.zeros(3), handedness, OPTICS
    )


def noise_images(n_tilts: int = 3, side: int = 160, seed: int = 0) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    amplitude = torch.tensor([1.0, 3.0, 0.2])[:n_tilts, None, None]
    return torch.randn(n_tilts, side, side, generator=chance) * amplitude


def scattered_positions(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, 3)) * [200, 200, 60]


def test_noise_has_unit_variance_whatever_the_tilt() -> None:
    views = views_of(noise_images(), PIXEL, model_of(), scattered_positions(60), HalfPlane(24))
    for part in (views.data.real, views.data.imag):
        by_tilt = part.square().mean(dim=(0, 2))
        assert by_tilt.tolist() == pytest.approx([1.0, 1.0, 1.0], abs=0.03)
    # What scatters evenly is seen less in images of more noise.
    assert (views.transfer[:, 1] < 0.5 * views.transfer[:, 0]).all()
    assert views.noise[1].mean() / views.noise[0].mean() == pytest.approx(3.0, rel=0.1)


def test_particles_are_seen_where_the_offsets_say(blob_images: Any) -> None:
    model = model_of()
    positions = np.array([[51.0, -33.0, 20.0], [-120.5, 88.2, -31.0]])
    images = -blob_images(positions, model.geometry, (128, 128), PIXEL)
    views = views_of(images, PIXEL, model, positions, HalfPlane(24))
    offsets = views.offsets_px(model, positions)
    assert offsets.abs().max() <= 0.5 + 1e-5
    assert offsets.abs().max() > 0.2
    centred = views.data * ramps(views.plane.frequencies, -offsets, views.box)
    strong = centred[..., : views.plane.within(5.0)]
    assert strong.real.min() > 0
    assert strong.imag.abs().max() < 0.01 * strong.real.max()
    # A particle elsewhere in the same crop is told by its offset alone.
    moved = positions + np.array([9.0, 5.0, 0.0])
    assert not torch.allclose(views.offsets_px(model, moved), offsets)
    assert views.select([1]).offsets_px(model, positions[1:]).tolist() == offsets[1:].tolist()


def test_a_field_of_motion_moves_the_crops() -> None:
    nodes = np.zeros((3, 2, 2, 2))
    nodes[1] = [6.0, -2.0]
    still, bent = model_of(), model_of(local=LocalField(nodes, (300.0, 300.0)))
    difference = bent.places([[10.0, 20.0, 5.0]]) - still.places([[10.0, 20.0, 5.0]])
    assert difference[0].tolist() == pytest.approx(np.array([[0, 0, 0], [6, -2, 0], [0, 0, 0]]))


def test_crops_hold_whole_pixels_of_the_images() -> None:
    images = torch.arange(2 * 20 * 30, dtype=torch.float32).view(2, 20, 30)
    places = np.array([[[2.3, -1.4], [0.0, 0.0]], [[14.4, 0.0], [-20.0, 0.0]]])
    crops, whole, inside = cut_crops(images, places, 8)
    assert whole[0].tolist() == [[2.0, -1.0], [0.0, 0.0]]
    assert crops[0, 0, 4, 4] == images[0, 10 - 1, 15 + 2]
    assert torch.equal(crops[0, 1], images[1, 6:14, 11:19])
    assert inside.tolist() == [[1.0, 1.0], [pytest.approx(5 / 8), 0.0]]
    assert crops[1, 0, :, 5:].abs().max() == 0
    assert crops[1, 1].abs().max() == 0


def test_a_particle_off_the_edge_counts_for_nothing_there() -> None:
    positions = np.array([[0.0, 0.0, 0.0], [330.0, 0.0, 0.0]])
    flat = replace(model_of(), geometry=TiltGeometry.of([-60.0, 0.0, 60.0]))
    views = views_of(noise_images(), PIXEL, flat, positions, HalfPlane(24))
    seen = views.transfer.abs().amax(dim=-1) > 0
    assert seen.tolist() == [[True, True, True], [True, False, True]]
    assert views.data[1, 1].abs().max() == 0


def test_a_view_with_values_that_are_no_numbers_is_left_out() -> None:
    images = noise_images()
    images[1, 80, 82] = torch.nan
    positions = np.array([[0.0, 0.0, 0.0], [-200.0, 0.0, 0.0]])
    views = views_of(images, PIXEL, model_of(), positions, HalfPlane(24))
    assert views.data.isfinite().all()
    assert views.transfer.isfinite().all()
    assert views.transfer[0, 1].abs().max() == 0
    assert (views.transfer[0, [0, 2]] > 0).all()
    assert (views.transfer[1] > 0).all()


@pytest.mark.parametrize("handedness", [1, -1])
def test_transfer_follows_the_depth_and_the_hand(handedness: int) -> None:
    plane, depth = HalfPlane(48), np.array([[0.0, 400.0, -900.0]])
    model = model_of(ctf=ctf_of(18_000.0, handedness))
    found = transfer_of(model, depth, plane, PIXEL)[0]
    k = plane.radius / (plane.size * PIXEL)
    for tilt in range(3):
        expected = ctf_1d(k, 18_000.0 + handedness * depth[0, tilt], 0.0, OPTICS)
        assert torch.allclose(found[tilt], expected, atol=1e-5)


def test_astigmatism_lies_as_in_the_image() -> None:
    plane = HalfPlane(48)
    model = model_of(ctf=ctf_of(18_000.0, astigmatism=800.0))
    found = transfer_of(model, np.zeros((1, 3)), plane, PIXEL)[0, 0]
    angle = torch.rad2deg(torch.atan2(plane.frequencies[:, 1], plane.frequencies[:, 0]))
    near = ((angle - 30).abs() < 2).nonzero()[:, 0]
    k = plane.radius[near] / (plane.size * PIXEL)
    assert torch.allclose(found[near], ctf_1d(k, 18_800.0, 0.0, OPTICS), atol=0.02)


def test_exposure_takes_its_share_of_the_transfer() -> None:
    plane, exposure = HalfPlane(24), np.array([90.0, 1.5, 45.0])
    depth = np.zeros((2, 3))
    bare = transfer_of(model_of(ctf=ctf_of(15_000.0)), depth, plane, PIXEL)
    model = model_of(ctf=ctf_of(15_000.0), exposure_e_per_a2=exposure)
    left = exposure_weights_1d(
        plane.radius / (plane.size * PIXEL), torch.as_tensor(exposure).float()
    )
    assert torch.allclose(transfer_of(model, depth, plane, PIXEL), bare * left, atol=1e-5)
    assert transfer_of(model_of(), depth, plane, PIXEL).unique().tolist() == [1.0]


def test_counts_become_relative_contrast_with_protein_bright() -> None:
    counts = torch.full((2, 8, 8), 50.0)
    counts[1] *= 2
    counts[:, 3, 3] *= 0.8
    found = contrast_images(counts)
    assert found[0, 3, 3] > 0.19
    # More exposure shows the same contrast.
    assert torch.allclose(found[0], found[1], atol=1e-5)
    assert found.mean(dim=(1, 2)).abs().max() < 1e-5
    # The mean of other grey values says nothing.
    grey = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(1))
    assert contrast_images(grey).std(dim=(1, 2)).tolist() == pytest.approx([1.0, 1.0], rel=1e-3)
    assert torch.allclose(contrast_images(grey), contrast_images(7 * grey), atol=1e-5)
    assert contrast_images(torch.zeros(1, 4, 4)).isfinite().all()


def test_an_image_that_shows_nothing_does_not_count() -> None:
    images = noise_images()
    images[1] = 0.25
    views = views_of(images, PIXEL, model_of(), scattered_positions(20), HalfPlane(24))
    assert not views.transfer[:, 1].any()
    assert not views.data[:, 1].any()
    assert views.transfer[:, [0, 2]].abs().amax(dim=-1).min() > 0


def test_there_may_be_no_particle() -> None:
    nobody = np.zeros((0, 3))
    views = views_of(noise_images(), PIXEL, model_of(), nobody, HalfPlane(24))
    assert views.data.shape == views.transfer.shape == (0, 3, len(views.plane.radius))
    assert views.offsets_px(model_of(), nobody).shape == (0, 3, 2)
