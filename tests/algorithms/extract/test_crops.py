from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tomotui.algorithms.extract.crops import Cutter
from tomotui.algorithms.reconstruct.depth_ctf import SeriesCtf
from tomotui.algorithms.subtomograms.views import SeriesModel, transfer_of
from tomotui.geometry import TiltGeometry
from tomotui.imaging.ctf import CtfOptics

PIXEL, BOX = 8.0, 24
GEOMETRY = TiltGeometry.of([-40.0, 0.0, 40.0], axis_deg=20.0, shift_angstrom=(13.0, -7.0))
DEFOCUS = np.full(3, 30e3)
CTF = SeriesCtf(DEFOCUS, DEFOCUS, np.zeros(3), np.zeros(3), 1, CtfOptics())
PLACES = np.array([[103.0, -65.0, 40.0], [-240.5, 177.2, -61.0]])


def cutter_of(images: torch.Tensor, ctf: SeriesCtf | None = None, **words: Any) -> Cutter:
    return Cutter(images, PIXEL, SeriesModel(GEOMETRY, ctf=ctf), BOX, **words)


def test_particles_lie_in_the_middle_to_a_fraction_of_a_pixel(blob_images: Any) -> None:
    images = -blob_images(PLACES, GEOMETRY, (128, 128), PIXEL)
    crops = cutter_of(images).cut(PLACES, are_premultiplied=False)
    line = torch.arange(BOX) - BOX // 2
    expected = torch.exp(-(line[:, None] ** 2 + line**2) / (2 * 2.0**2))
    expected -= expected.mean()
    for crop in crops.images.flatten(0, 1):
        assert (crop - crop.mean() - expected).abs().max() < 0.01
    assert crops.visible.all()


def test_transfer_reaches_beyond_the_box() -> None:
    """What the CTF has carried out of the box is brought back before it is cut."""
    cutter = cutter_of(torch.zeros(3, 128, 128), CTF, room=3.0)
    bare = transfer_of(cutter.model, np.zeros((1, 3)), cutter.wide, PIXEL)
    spread = cutter.wide.image(bare[0].to(torch.complex64))
    images = torch.zeros(3, 128, 128)
    first = 64 - cutter.wide.size // 2
    inside = slice(first, first + cutter.wide.size)
    images[:, inside, inside] = spread
    flat = SeriesModel(TiltGeometry.of([0.0, 0.0, 0.0]), ctf=CTF)
    wide, narrow = (
        Cutter(images, PIXEL, flat, BOX, room).cut(np.zeros((1, 3))).images[0, 0]
        for room in (3.0, 1.0)
    )
    middle = BOX // 2
    # All of the squared transfer gathers in the middle; the narrow box has lost some of it.
    whole = bare[0, 0].square().sum() * 2 / cutter.wide.size**2
    assert wide[middle, middle] == pytest.approx(float(whole), rel=0.02)
    assert narrow[middle, middle] < 0.98 * wide[middle, middle]


def test_tilts_are_scaled_to_noise_that_is_alike() -> None:
    chance = torch.Generator().manual_seed(1)
    amplitude = torch.tensor([1.0, 0.5, 2.0])[:, None, None]
    cutter = cutter_of(torch.randn(3, 160, 160, generator=chance) * amplitude, CTF)
    positions = np.random.default_rng(0).uniform(-1, 1, (40, 3)) * [300, 300, 50]
    cutter.measure_noise(positions)
    assert cutter.scales.tolist() == pytest.approx([1.0, 2.0, 0.5], rel=0.1)
    crops = cutter.cut(positions, are_premultiplied=False)
    spread = crops.images.std(dim=(0, 2, 3))
    assert (spread / spread[0]).tolist() == pytest.approx([1.0, 1.0, 1.0], rel=0.1)
    # The scale is part of the transfer.
    bare = transfer_of(cutter.model, cutter.model.places(positions)[..., 2], cutter.plane, PIXEL)
    assert torch.allclose(crops.transfer, bare * cutter.scales[:, None])


def test_a_tilt_that_does_not_show_the_particle_is_empty() -> None:
    cutter = cutter_of(torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(2)), CTF)
    away = np.array([[280.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    crops = cutter.cut(away)
    assert crops.visible.tolist() == cutter.visible(away).tolist()
    hidden = torch.as_tensor(~crops.visible)
    assert hidden[0].any()
    assert not hidden[1].any()
    assert crops.images[hidden].abs().max() == 0
    assert crops.transfer[hidden].abs().max() == 0
    assert cutter.visible([[9e4, 0.0, 0.0]]).tolist() == [[False, False, False]]
