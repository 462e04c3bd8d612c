from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.reconstruct.depth_ctf import SeriesCtf
from tomotui.algorithms.refine.reconstruct import Spectra, add_views
from tomotui.algorithms.subtomograms.views import SeriesModel
from tomotui.geometry import TiltGeometry
from tomotui.geometry.symmetry import symmetry_rotations
from tomotui.imaging.ctf import CtfOptics
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.slices import SliceSums

TILTS = np.arange(-48.0, 49.0, 12.0)
CTF = SeriesCtf(
    np.linspace(12e3, 24e3, 9), np.linspace(12e3, 24e3, 9), np.zeros(9), np.zeros(9), 1, CtfOptics()
)


def spectra_of(scene: Any, symmetry: str = "C1", parts: int = 1) -> Spectra:
    sums = SliceSums(scene.views.box, scene.views.box / 2 - 1)
    cameras = scene.poses.cameras(scene.model, torch.device("cpu"))
    offsets = scene.views.offsets_px(scene.model, scene.poses.positions_angstrom)
    for which in np.array_split(np.arange(len(scene.poses)), parts):
        some = scene.views.select(which)
        add_views(sums, some, cameras[which], offsets[which], scene.n_terms)
    group = torch.as_tensor(symmetry_rotations(symmetry)).float()
    return Spectra.of(sums, group, Ranks())


def agreement(found: Tensor, truth: Tensor) -> float:
    """Return the correlation of two maps within the ball that both are whole in."""
    ball = soft_ball(truth.shape[-1], 11.0, 2.0) > 0.5
    return float(torch.corrcoef(torch.stack([found[ball], truth[ball]]))[0, 1])


def test_a_map_comes_back_from_its_slices(phantom: Tensor, make_views: Any) -> None:
    model = SeriesModel(TiltGeometry.of(TILTS, axis_deg=80.0), ctf=CTF)
    scene = make_views(phantom, model, n_particles=40, noise=0.0)
    volume = spectra_of(scene).volume()
    assert agreement(volume, phantom) > 0.99
    # Its values too: transfer is divided out.
    inside = phantom > 0.3 * phantom.max()
    assert float((volume[inside] / phantom[inside]).median()) == pytest.approx(1.0, abs=0.1)
    assert volume[0].abs().max() == 0


def test_noise_averages_out_and_a_prior_damps_the_rest(phantom: Tensor, make_views: Any) -> None:
    model = SeriesModel(TiltGeometry.of(TILTS, axis_deg=80.0), ctf=CTF)
    few = make_views(phantom, model, n_particles=6, strength=0.02)
    many = make_views(phantom, model, n_particles=60, strength=0.02)
    bare, more = (agreement(spectra_of(one).volume(), phantom) for one in (few, many))
    assert more > bare + 0.1
    # Signal over noise falls with frequency as that of blobs does.
    ratio = 30 * torch.exp(-((torch.arange(16) / 5.0) ** 2))
    assert agreement(spectra_of(few).volume(ratio), phantom) > bare + 0.1


def test_sums_are_the_same_in_parts_and_together(phantom: Tensor, make_views: Any) -> None:
    model = SeriesModel(TiltGeometry.of(TILTS, axis_deg=80.0))
    scene = make_views(phantom, model, n_particles=8, strength=0.05)
    whole, parts = spectra_of(scene), spectra_of(scene, parts=3)
    assert torch.allclose(whole.values, parts.values, atol=1e-3)
    both = whole.joined(parts)
    assert torch.allclose(both.weights, 2 * whole.weights, rtol=1e-4, atol=1e-6)
    # Twice the same data is the same map.
    assert torch.allclose(both.volume(), whole.volume(), atol=1e-3 * float(whole.volume().max()))


def test_symmetry_fills_in_what_few_views_show(phantom: Tensor, make_views: Any) -> None:
    turned = [torch.rot90(phantom[1:, 1:, 1:], times, (1, 2)) for times in range(4)]
    fourfold = torch.zeros_like(phantom)
    fourfold[1:, 1:, 1:] = sum(turned)
    model = SeriesModel(TiltGeometry.of(TILTS, axis_deg=80.0))
    scene = make_views(fourfold, model, n_particles=3, strength=0.004)
    alone = agreement(spectra_of(scene).volume(), fourfold)
    together = agreement(spectra_of(scene, "C4").volume(), fourfold)
    assert together > alone + 0.05
