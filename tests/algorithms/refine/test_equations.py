from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.depth_ctf import SeriesCtf
from tomotui.algorithms.refine.equations import (
    DEFOCUS,
    DEFOCUS_UNIT_ANGSTROM,
    MAGNIFICATION,
    ViewEquations,
    predicted,
    slice_points,
    view_equations,
    view_fits,
)
from tomotui.algorithms.subtomograms.views import SeriesModel, transfer_of
from tomotui.geometry import TiltGeometry
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.imaging.ctf import CtfOptics

TILTS = np.array([-45.0, 0.0, 30.0])
CTF = SeriesCtf(np.full(3, 15e3), np.full(3, 14.5e3), np.full(3, 20.0), np.zeros(3), 1, CtfOptics())
MODEL = SeriesModel(TiltGeometry.of(TILTS, axis_deg=75.0), ctf=CTF)


class Point:
    """Views and a place in all their parameters, away from the truth."""

    def __init__(self, scene: Any) -> None:
        self.scene, self.views = scene, scene.views
        self.source, self.n_terms = scene.source(), scene.views.plane.within(10.0)
        self.positions = scene.poses.positions_angstrom
        turned = scene.poses.moved(np.zeros(3), np.array([[0.03, -0.05, 0.04]]))
        self.camera = turned.cameras(MODEL, torch.device("cpu"))
        offsets = self.views.offsets_px(MODEL, self.positions)
        self.offsets = offsets + torch.tensor([0.4, -0.3])

    def with_defocus(self, change: float) -> Tensor:
        ctf = replace(
            CTF,
            defocus_u_angstrom=CTF.defocus_u_angstrom + change,
            defocus_v_angstrom=CTF.defocus_v_angstrom + change,
        )
        depth = MODEL.places(self.positions)[..., 2]
        bare = transfer_of(replace(MODEL, ctf=ctf), depth, self.views.plane, 4.0)
        return bare * 2**0.5 / self.views.noise

    def score(self, parameter: int = 0, step: float = 0.0) -> Tensor:
        """Return the score of every view with one parameter changed."""
        camera, offsets, views = self.camera, self.offsets.clone(), self.views
        if parameter < 2:
            offsets[..., parameter] += step
        elif parameter < 5:
            turn = rotations_of_vectors(step * np.eye(3)[parameter - 2])
            camera = torch.as_tensor(turn).float() @ camera
        elif parameter == DEFOCUS:
            views = replace(views, transfer=self.with_defocus(step * DEFOCUS_UNIT_ANGSTROM))
        else:
            camera = camera * (1 + step)
        agreement, power = view_fits(self.source, views, camera, offsets, self.n_terms)
        return agreement - 0.5 * power

    def equations(self) -> ViewEquations:
        slope = self.with_defocus(50.0) - self.with_defocus(-50.0)
        return view_equations(
            self.source,
            self.views,
            self.camera,
            self.offsets,
            self.n_terms,
            slope[..., : self.n_terms],
        )


@pytest.fixture(scope="module")
def point(phantom: Tensor, make_views: Any) -> Point:
    return Point(make_views(phantom, MODEL, n_particles=6, strength=0.05))


@pytest.mark.parametrize(
    ("parameter", "step"),
    [(0, 0.02), (1, 0.02), (2, 0.03), (3, 0.03), (4, 0.05), (DEFOCUS, 0.1), (MAGNIFICATION, 0.02)],
)
def test_gradients_are_those_of_finite_differences(
    point: Point, parameter: int, step: float
) -> None:
    ahead, behind = (point.score(parameter, side * step) for side in (1, -1))
    expected = ((ahead - behind) / (2 * step)).flatten()
    found = point.equations().gradient[..., parameter].flatten()
    # Values between grid points are interpolated, and so are their gradients.
    assert (found - expected).square().mean().sqrt() < 0.12 * expected.square().mean().sqrt()
    slope, _ = np.polyfit(expected.numpy(), found.numpy(), 1)
    assert slope == pytest.approx(1.0, abs=0.05)


def test_the_score_is_that_of_the_views(point: Point) -> None:
    assert torch.allclose(point.equations().score, point.score(), rtol=1e-4)
    model = predicted(point.source, point.views, point.camera, point.offsets, point.n_terms)
    data = point.views.data[..., : point.n_terms]
    gained = 0.5 * (data.abs().square() - (data - model).abs().square()).sum(dim=-1)
    assert torch.allclose(point.score(), gained, rtol=1e-3, atol=0.5)


def test_curvature_tells_the_spread_of_what_noise_does(phantom: Tensor, make_views: Any) -> None:
    scene = make_views(phantom, MODEL, n_particles=100, strength=0.05)
    offsets = scene.views.offsets_px(MODEL, scene.poses.positions_angstrom)
    equations = view_equations(
        scene.source(),
        scene.views,
        scene.poses.cameras(MODEL, torch.device("cpu")),
        offsets,
        scene.n_terms,
    )
    # At the truth the gradient is noise alone, and its covariance is the curvature.
    spread = equations.gradient.square().mean(dim=0)
    expected = equations.curvature.diagonal(dim1=-2, dim2=-1).mean(dim=0)
    assert (spread / expected).flatten().tolist() == pytest.approx([1.0] * 15, rel=0.45)
    other = equations.curvature.transpose(-1, -2)
    assert (equations.curvature - other).abs().max() < 1e-4 * other.abs().max()


def test_equations_of_more_particles_are_put_behind(point: Point) -> None:
    one = point.equations()
    both = ViewEquations.of_all([one, one])
    assert both.score.shape == (12, 3)
    assert torch.equal(both.gradient[6:], one.gradient)
    assert torch.equal(both.curvature[:6], one.curvature)


def test_a_view_along_the_beam_cuts_where_its_camera_lies() -> None:
    k = torch.tensor([[1.0, 2.0]])
    assert torch.equal(slice_points(k, torch.eye(3)), torch.tensor([[1.0, 2.0, 0.0]]))
    quarter = torch.as_tensor(rotations_of_vectors([0.0, np.pi / 2, 0.0])).float()
    # The camera's x axis sees what the reference has along z.
    assert slice_points(k, quarter)[0].tolist() == pytest.approx([0.0, 2.0, 1.0], abs=1e-6)
