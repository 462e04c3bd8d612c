"""Particles of two bodies, one of which turns beside the other, as views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.algorithms.conftest import blobs, random_poses
from tomotui.algorithms.bodies.equations import bodies_in_views
from tomotui.algorithms.bodies.maps import about_pivot
from tomotui.algorithms.bodies.masks import pivots_of
from tomotui.algorithms.bodies.poses import Arrangement, BodyPoses
from tomotui.algorithms.refine.particles import Cut, Level, SeriesParticles
from tomotui.algorithms.refine.plan import RefinementPlan
from tomotui.algorithms.refine.refinement import Refinement
from tomotui.algorithms.subtomograms.views import SeriesModel, SeriesViews, transfer_of
from tomotui.geometry import TiltGeometry
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.imaging.slices import HalfPlane, SliceSource

Array = NDArray[np.float64]
BOX, PIXEL_ANGSTROM = 24, 6.0
AXIS = np.array([0.3, 0.5, 0.81]) / np.linalg.norm([0.3, 0.5, 0.81])
MakeHinge = Callable[..., "Hinge"]


@dataclass
class Hinge:
    """Views of particles whose second body has turned.

    Attributes
    ----------
    angles_deg
        By how much, ``[p]``.
    poses
        True ones.
    """

    volumes: tuple[Tensor, Tensor]
    arrangement: Arrangement
    model: SeriesModel
    views: SeriesViews
    poses: BodyPoses
    angles_deg: Array

    def sources(self) -> list[SliceSource]:
        """Return the true bodies about their pivots."""
        pivots = np.rint(self.arrangement.pivots_angstrom / PIXEL_ANGSTROM).astype(np.int64)
        return [
            SliceSource(about_pivot(one, pivot), BOX / 2 - 1, with_gradient=True)
            for one, pivot in zip(self.volumes, pivots, strict=True)
        ]

    @property
    def n_terms(self) -> int:
        """Fourier terms of a view."""
        return len(self.views.plane.radius)

    def refinement(self, n_rounds: int = 1) -> Refinement:
        """Return the refined consensus of the particles."""
        n, whole = len(self.poses), self.poses.whole(0, self.arrangement.pivots_angstrom)
        halves = (np.arange(n) % 2).astype(np.int64)

        def load(binning: int) -> tuple[Tensor, float]:
            raise AssertionError("the views are there")

        one = SeriesParticles("one", self.model, load, whole, halves, np.arange(n))
        made = Refinement([one], RefinementPlan(120.0, first_resolution_angstrom=12.0))
        store, level = made.work.store, Level(1, BOX)
        store.at(level)
        made.work.pixel_size_angstrom = PIXEL_ANGSTROM
        store._kept["one"], store.noise["one"] = self.views, self.views.noise
        one.cut = Cut(level, self.model, whole.positions_angstrom)
        made.make_maps()
        for _ in range(n_rounds):
            made.iterate("p")
        return made


@pytest.fixture(scope="session")
def make_hinge() -> MakeHinge:
    """Two bodies of blobs; the smaller turns about an axis through where they meet."""

    def make(n_particles: int, reach_deg: float, strength: float, seed: int = 1) -> Hinge:
        large = torch.roll(blobs(BOX, 14, 3, 4.0), 4, dims=2)
        small = torch.roll(blobs(BOX, 9, 4, 3.0), (1, -4), dims=(1, 2))
        total = large + small
        masks = torch.stack([(large > small).float(), (small >= large).float()])
        pivots = pivots_of(total, masks) * PIXEL_ANGSTROM
        chance = np.random.default_rng(seed)
        tilt = np.arange(-60, 61, 15.0)
        model = SeriesModel(TiltGeometry(tilt, 0 * tilt, 0 * tilt + 20, np.zeros((len(tilt), 2))))
        whole = random_poses(n_particles, chance)
        poses = BodyPoses.rigid(whole, pivots)
        angles = chance.uniform(-reach_deg, reach_deg, n_particles)
        turns = rotations_of_vectors(np.deg2rad(angles)[:, None] * AXIS)
        poses.rotations[:, 1] = whole.rotations @ turns
        places = np.einsum("pij,j->pi", turns, pivots[1])
        poses.positions_angstrom[:, 1] = whole.positions_angstrom + np.einsum(
            "pij,pj->pi", whole.rotations, places
        )
        hinge = Hinge(
            (large, small), Arrangement(0, pivots), model, _empty_views(model, whole, strength),
            poses, angles,
        )  # fmt: skip
        views = hinge.views
        shown = bodies_in_views(hinge.sources(), views, model, poses, hinge.n_terms)
        drawn = chance.normal(size=(2, *views.transfer.shape)).astype(np.float32)
        views.data = torch.stack(shown).sum(dim=0) + torch.complex(*map(torch.from_numpy, drawn))
        return hinge

    return make


def _empty_views(model: SeriesModel, poses: object, strength: float) -> SeriesViews:
    positions = poses.positions_angstrom  # type: ignore[attr-defined]
    plane, seen = HalfPlane(BOX), model.places(positions)
    noise = torch.full((model.n_tilts, len(plane.radius)), 2**0.5 / strength)
    transfer = transfer_of(model, seen[..., 2], plane, PIXEL_ANGSTROM) * 2**0.5 / noise
    centres = np.rint(seen[..., :2] / PIXEL_ANGSTROM) * PIXEL_ANGSTROM
    empty = torch.zeros(transfer.shape, dtype=torch.complex64)
    return SeriesViews(plane, PIXEL_ANGSTROM, empty, transfer, noise, centres)
