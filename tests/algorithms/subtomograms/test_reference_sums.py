"""Sums of particles in the reference's Fourier space."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.refine.equations import view_fits
from tomotui.algorithms.subtomograms.reference_sums import SumMaker, Terms, log_likelihood
from tomotui.algorithms.subtomograms.views import SeriesModel
from tomotui.geometry import TiltGeometry
from tomotui.imaging.slices import SliceSource

MODEL = SeriesModel(TiltGeometry.of(np.arange(-60.0, 61.0, 3.0), axis_deg=80.0))


def test_terms_come_back_as_the_volume_they_were_of() -> None:
    chance = torch.Generator().manual_seed(0)
    terms = Terms(12, 5.0)
    volume = torch.randn(2, 12, 12, 12, generator=chance)
    smooth = terms.volumes(terms.of(volume))
    assert torch.allclose(terms.volumes(terms.of(smooth)), smooth, atol=1e-5)
    assert torch.allclose(terms.of(smooth), terms.of(volume), atol=1e-3)


@pytest.fixture(scope="module")
def scene(phantom: Tensor, make_views: Any) -> Any:
    return make_views(phantom, MODEL, n_particles=6, strength=0.02)


def sums_of(scene: Any, terms: Terms, reference: Tensor) -> tuple[Tensor, Tensor]:
    maker = SumMaker(terms, [reference, reference], torch.device("cpu"))
    halves = np.arange(len(scene.poses)) % 2
    return maker.sums(scene.views, MODEL, scene.poses, halves)


def test_sums_tell_the_likelihood_that_views_tell(scene: Any, phantom: Tensor) -> None:
    views, size = scene.views, scene.views.box
    radius = 0.6 * size / 2
    terms = Terms(size, radius)
    other = 0.8 * phantom.roll(1, dims=2)
    values, weights = (one.sum(dim=0) for one in sums_of(scene, terms, other))
    cameras = scene.poses.cameras(MODEL, torch.device("cpu"))
    offsets = views.offsets_px(MODEL, scene.poses.positions_angstrom)

    def score(volume: Tensor) -> Tensor:
        source = SliceSource(volume, size / 2 - 1)
        n_terms = views.plane.within(radius)
        agreement, power = view_fits(source, views, cameras, offsets, n_terms)
        return (agreement - 0.5 * power).sum(dim=1)

    found = log_likelihood(terms.of(phantom - other), values, weights)
    assert found.numpy() == pytest.approx((score(phantom) - score(other)).numpy(), rel=0.1)


def test_what_the_map_leaves_is_noise(scene: Any, phantom: Tensor) -> None:
    terms = Terms(scene.views.box, 10.0)
    values, weights = (one.sum(dim=0) for one in sums_of(scene, terms, phantom))
    chance = torch.Generator().manual_seed(2)
    others = terms.of(torch.randn(60, *phantom.shape, generator=chance) * phantom)
    along = (values.conj()[:, None] * others).real.sum(dim=-1)
    deviation = (weights[:, None] * others.abs().square()).sum(dim=-1).sqrt()
    assert float((along / deviation).square().mean()) == pytest.approx(1.0, abs=0.2)


def test_shares_of_the_views_are_even(scene: Any, phantom: Tensor) -> None:
    _, weights = sums_of(scene, Terms(scene.views.box, 6.0), phantom)
    whole = weights.sum(dim=(1, 2))
    # Twenty-one tilts against twenty.
    assert float(whole[0] / whole[1]) == pytest.approx(1.05, abs=0.05)
