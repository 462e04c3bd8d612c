from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from tomotui.algorithms.map_back.place import Placement, stamp_of

Array = NDArray[np.float64]

BLOBS_ANGSTROM = np.array([[0.0, 0, 0], [60, 0, 0], [0, 45, 0], [0, 20, -50]])
WEIGHTS = np.array([1.0, 0.8, 0.6, 0.9])
SIGMA_ANGSTROM = 14.0


def blobs(
    centres_angstrom: Array, shape: tuple[int, int, int], voxel: float, weights: Array = WEIGHTS
) -> NDArray[np.float32]:
    """Return Gaussian blobs about voxel ``n // 2`` of each axis."""
    z, y, x = (
        (np.arange(n) - n // 2).reshape([-1 if axis == i else 1 for i in range(3)]) * voxel
        for axis, n in enumerate(shape)
    )
    total = np.zeros(shape)
    for (cx, cy, cz), weight in zip(centres_angstrom, weights, strict=True):
        squared = (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2
        total += weight * np.exp(-squared / (2 * SIGMA_ANGSTROM**2))
    return total.astype(np.float32)


def reference(voxel: float = 8.0, n: int = 32) -> Tensor:
    return torch.from_numpy(blobs(BLOBS_ANGSTROM, (n, n, n), voxel))


def expected(
    positions: Array, rotations: Array, shape: tuple[int, int, int], voxel: float
) -> NDArray[np.float32]:
    total = np.zeros(shape, dtype=np.float32)
    for position, rotation in zip(positions, rotations, strict=True):
        total += blobs(BLOBS_ANGSTROM @ rotation.T + position, shape, voxel)
    return total


def deviation(found: Tensor, truth: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(found.numpy() - truth) / np.linalg.norm(truth))


POSITIONS = np.array([[-101.3, 55.2, 10.9], [122.7, -80.1, -21.3]])
ROTATIONS = Rotation.from_euler("ZYZ", [[30, 50, -70], [200, 110, 15]], degrees=True).as_matrix()


@pytest.mark.parametrize("voxel", [8.0, 10.0])
def test_copies_lie_where_their_poses_put_them(voxel: float) -> None:
    shape = (36, 60, 71)
    placed = Placement(stamp_of(reference(), 8.0, voxel), POSITIONS, ROTATIONS, shape, voxel)
    truth = expected(POSITIONS, ROTATIONS, shape, voxel)
    assert deviation(placed.slab(0, 36), truth) < 0.02
    assert placed.is_inside().all()


def test_slabs_make_up_the_whole_also_at_the_faces() -> None:
    shape = (20, 30, 34)
    positions = np.array([[-130.0, 100, -70], [120, -118, 70], [0, 0, 0], [900, 0, 0]])
    rotations = Rotation.random(4, random_state=3).as_matrix()
    placed = Placement(stamp_of(reference(), 8.0, 8.0), positions, rotations, shape, 8.0)
    told: list[float] = []
    whole = placed.slab(0, 20, told.append)
    assert told[-1] == 1.0
    parts = torch.cat([placed.slab(first, min(first + 7, 20)) for first in range(0, 20, 7)])
    assert torch.allclose(whole, parts, atol=1e-5)
    assert deviation(whole, expected(positions, rotations, shape, 8.0)) < 0.02
    assert placed.is_inside().tolist() == [True, True, True, False]


def test_coarse_voxels_keep_the_mass_and_no_alias() -> None:
    shape = (20, 24, 24)
    fine = stamp_of(reference(4.0, 60), 4.0, 16.0)
    placed = Placement(fine, np.zeros((1, 3)), np.eye(3)[None], shape, 16.0).slab(0, 20)
    truth = expected(np.zeros((1, 3)), np.eye(3)[None], shape, 16.0)
    assert float(placed.sum()) == pytest.approx(float(truth.sum()), rel=0.02)
    checkers = torch.tensor([1.0, -1.0])[torch.arange(60) % 2].expand(60, 60, 60)
    aliasing = stamp_of(checkers.contiguous(), 4.0, 16.0)
    hidden = Placement(aliasing, np.zeros((1, 3)), np.eye(3)[None], shape, 16.0).slab(0, 20)
    assert hidden.abs().max() < 0.05


def test_what_lies_beyond_the_mask_is_not_placed() -> None:
    mask = torch.zeros(32, 32, 32)
    mask[14:19, 14:19, 14:19] = 1
    stamp = stamp_of(reference(), 8.0, 8.0, mask)
    assert stamp.radius_angstrom < 8.0 * 6
    placed = Placement(stamp, POSITIONS[:1], ROTATIONS[:1], (36, 60, 71), 8.0).slab(0, 36)
    whole = Placement(
        stamp_of(reference(), 8.0, 8.0), POSITIONS[:1], ROTATIONS[:1], (36, 60, 71), 8.0
    )
    assert placed.sum() < 0.6 * whole.slab(0, 36).sum()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (torch.zeros(8, 8, 9), "must be a cube"),
        (torch.zeros(8, 8, 8), "the map is empty"),
        (torch.full((8, 8, 8), math.nan), "not numbers"),
    ],
)
def test_maps_that_cannot_be_placed(values: Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        stamp_of(values, 8.0, 8.0)
