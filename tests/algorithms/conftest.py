from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.refine.equations import predicted
from tomotui.algorithms.refine.poses import Poses
from tomotui.algorithms.subtomograms.views import SeriesModel, SeriesViews, transfer_of
from tomotui.geometry import TiltGeometry
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.imaging.slices import HalfPlane, SliceSource

BlobImages = Callable[..., Tensor]
MakeViews = Callable[..., "Scene"]


@pytest.fixture(scope="session")
def blob_images() -> BlobImages:
    """Images of dark Gaussian blobs, exactly where the projection equation puts them."""

    def make(
        points_angstrom: np.ndarray,
        geometry: TiltGeometry,
        shape: tuple[int, int],
        pixel_size_angstrom: float,
        sigma_px: float = 2.0,
    ) -> Tensor:
        height, width = shape
        places = torch.from_numpy(geometry.project(points_angstrom)) / pixel_size_angstrom
        x = torch.arange(width) - width // 2 - places[..., 0, None]
        y = torch.arange(height) - height // 2 - places[..., 1, None]
        by_x, by_y = (torch.exp(-(d**2) / (2 * sigma_px**2)) for d in (x, y))
        return -torch.einsum("tpy,tpx->tyx", by_y, by_x).float()

    return make


class Scene(NamedTuple):
    """Particles of one map, and their views as the model of likelihood has them."""

    volume: Tensor
    model: SeriesModel
    poses: Poses
    views: SeriesViews
    pixel_size_angstrom: float

    def source(self, with_gradient: bool = True) -> SliceSource:
        return SliceSource(self.volume, self.views.box / 2 - 1, with_gradient)

    @property
    def n_terms(self) -> int:
        return len(self.views.plane.radius)


@pytest.fixture(scope="session")
def phantom() -> Tensor:
    """A map without symmetry: Gaussian blobs of many sizes in a box of 32, bright on 0."""
    return blobs(32, 24, seed=5)


def blobs(size: int, n_blobs: int, seed: int, radius: float = 8.0) -> Tensor:
    chance = np.random.default_rng(seed)
    places = chance.normal(size=(n_blobs, 3))
    places *= (
        radius
        * chance.random((n_blobs, 1)) ** (1 / 3)
        / np.linalg.norm(places, axis=1, keepdims=True)
    )
    line = torch.arange(size) - size // 2
    volume = torch.zeros(size, size, size)
    for place, sigma in zip(places, chance.uniform(1.0, 2.0, n_blobs), strict=True):
        x, y, z = (torch.exp(-((line - at) ** 2) / (2 * sigma**2)) for at in place)
        volume += z[:, None, None] * y[None, :, None] * x
    return volume


@pytest.fixture(scope="session")
def make_views() -> MakeViews:
    """Views of particles at random poses: what the map predicts, and noise of unit variance."""

    def make(
        volume: Tensor,
        model: SeriesModel,
        n_particles: int = 8,
        strength: float = 1.0,
        noise: float = 1.0,
        pixel_size_angstrom: float = 4.0,
        seed: int = 1,
        poses: Poses | None = None,
    ) -> Scene:
        chance = np.random.default_rng(seed)
        poses = poses or random_poses(n_particles, chance)
        plane, pixel = HalfPlane(volume.shape[-1]), pixel_size_angstrom
        seen = model.places(poses.positions_angstrom)
        amplitude = torch.full((model.n_tilts, len(plane.radius)), 2**0.5 / strength)
        transfer = transfer_of(model, seen[..., 2], plane, pixel) * 2**0.5 / amplitude
        centres = np.rint(seen[..., :2] / pixel) * pixel
        shape = transfer.shape
        empty = torch.zeros(shape, dtype=torch.complex64)
        views = SeriesViews(plane, pixel, empty, transfer, amplitude, centres)
        source = SliceSource(volume, plane.size / 2 - 1)
        cameras = poses.cameras(model, torch.device("cpu"))
        offsets = views.offsets_px(model, poses.positions_angstrom)
        views.data = predicted(source, views, cameras, offsets, shape[-1])
        drawn = chance.normal(size=(2, *shape)).astype(np.float32)
        views.data += noise * torch.complex(*map(torch.from_numpy, drawn))
        return Scene(volume, model, poses, views, pixel)

    return make


def random_poses(n_particles: int, chance: np.random.Generator) -> Poses:
    axes = chance.normal(size=(n_particles, 3))
    axes *= chance.uniform(0.2, 3.0, (n_particles, 1)) / np.linalg.norm(axes, axis=1)[:, None]
    positions: NDArray[np.float64] = chance.uniform(-1, 1, (n_particles, 3)) * [700, 700, 250]
    return Poses(rotations_of_vectors(axes), positions)
