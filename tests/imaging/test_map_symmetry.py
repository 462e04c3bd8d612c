from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations
from tomotui.imaging.map_symmetry import find_symmetry

SIZE, VOXEL, DIAMETER, RESOLUTION = 32, 5.0, 100.0, 20.0
CENTRE_PX = np.array([0.8, -0.5, 0.6])


def blobs(points: np.ndarray, heights: np.ndarray, noise: float, seed: int) -> Tensor:
    line = torch.arange(SIZE) - SIZE // 2
    volume = torch.zeros(SIZE, SIZE, SIZE)
    for place, height in zip(points, heights, strict=True):
        x, y, z = (torch.exp(-((line - at) ** 2) / 4) for at in place)
        volume += float(height) * z[:, None, None] * y[None, :, None] * x
    chance = torch.Generator().manual_seed(seed)
    drawn = torch.fft.fftn(torch.randn(SIZE, SIZE, SIZE, generator=chance))
    k = torch.fft.fftfreq(SIZE)
    fall = torch.exp(-(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2) / 0.12**2)
    coloured = torch.fft.ifftn(drawn * fall).real
    return volume / volume.std() + noise * coloured / coloured.std()


def phantom(name: str, n_blobs: int, noise: float, seed: int = 3) -> tuple[Tensor, np.ndarray]:
    """Return a map of a symmetry that lies askew, and its rotations as they lie in the map."""
    chance = np.random.default_rng(seed)
    unit = chance.normal(size=(n_blobs, 3))
    unit *= 9 * chance.random((n_blobs, 1)) ** (1 / 3) / np.linalg.norm(unit, axis=1)[:, None]
    group = symmetry_rotations(name)
    lies = Rotation.random(random_state=seed).as_matrix()
    points = np.concatenate([unit @ turn.T for turn in group]) @ lies.T + CENTRE_PX
    heights = np.tile(chance.uniform(0.5, 1.5, n_blobs), len(group))
    return blobs(points, heights, noise, seed), lies @ group @ lies.T


@pytest.mark.parametrize(
    ("name", "n_blobs"),
    [("C4", 10), ("D3", 6), ("T", 4), ("O", 3), ("I", 2)],
)
def test_the_group_and_its_axes_are_found_among_noise(name: str, n_blobs: int) -> None:
    values, truth = phantom(name, n_blobs, noise=0.4)
    found = find_symmetry(values, VOXEL, DIAMETER, RESOLUTION)
    assert found.name == name
    assert found.score > 0.5
    assert found.runner_up_score < 0.7 * found.score
    # Turned as it says, the map has the axes where the group has them by convention.
    lie = found.rotation.T @ symmetry_rotations(name) @ found.rotation
    away = symmetric_angle_deg(truth[:, None], lie[None], np.eye(3)[None])
    assert away.min(axis=1).max() < 2.5
    if name[0] != "C":
        assert found.centre_angstrom == pytest.approx(VOXEL * CENTRE_PX, abs=1.5)


def test_nothing_is_found_where_nothing_is() -> None:
    values, _ = phantom("C1", 40, noise=0.4)
    found = find_symmetry(values, VOXEL, DIAMETER, RESOLUTION)
    assert (found.name, found.score) == ("C1", 1.0)
    assert found.rotation == pytest.approx(np.eye(3))
    assert found.runner_up_score < 0.4
    noise, _ = phantom("C1", 1, noise=50.0)
    assert find_symmetry(noise, VOXEL, DIAMETER, RESOLUTION).name == "C1"


def test_a_map_that_is_only_nearly_symmetric_has_the_smaller_group() -> None:
    values, _ = phantom("C4", 10, noise=0.1)
    # Every other copy has a blob more.
    lies = Rotation.random(random_state=3).as_matrix()
    more = np.array([[6.0, 2.0, 4.0], [-6.0, -2.0, 4.0], [3.0, -6.0, 1.0], [-3.0, 6.0, 1.0]])
    broken = values + blobs(more @ lies.T + CENTRE_PX, np.array([1, 1, 0.7, 0.7]), 0.0, 0)
    found = find_symmetry(broken, VOXEL, DIAMETER, RESOLUTION)
    assert found.name == "C2"
    assert found.score > 0.9
    assert found.runner_up_score < 0.6


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a cube"):
        find_symmetry(torch.zeros(8, 8, 9), VOXEL, DIAMETER, RESOLUTION)
    with pytest.raises(ValueError, match="empty"):
        find_symmetry(torch.ones(32, 32, 32), VOXEL, DIAMETER, RESOLUTION)
    with pytest.raises(ValueError, match="not numbers"):
        find_symmetry(torch.full((32, 32, 32), torch.nan), VOXEL, DIAMETER, RESOLUTION)
    with pytest.raises(ValueError, match="too coarsely"):
        find_symmetry(torch.rand(32, 32, 32), VOXEL, DIAMETER, 90.0)
