from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomotui.algorithms.bodies.membrane import MembraneSearch, membrane_normals

VOXEL, N, RADIUS = 12.0, 72, 260.0
Floats = NDArray[np.float32]


def vesicle(noise: float) -> Floats:
    """Return two bright leaflets of a sphere about the middle, 34 A apart."""
    line = (np.arange(N) - N // 2) * VOXEL
    far = np.sqrt(line[:, None, None] ** 2 + line[None, :, None] ** 2 + line**2) - RADIUS
    sheet = sum(np.exp(-((far + side) ** 2) / (2 * 7.0**2)) for side in (-17.0, 17.0))
    drawn = np.random.default_rng(1).normal(0, 1, sheet.shape)
    return np.asarray(sheet + noise * drawn, dtype=np.float32)


def around(n: int, askew: float) -> tuple[NDArray[np.float64], ...]:
    """Return particles 100 A above the sphere, directions askew, and the normals below them."""
    chance = np.random.default_rng(2)
    up = chance.normal(size=(n, 3))
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    directions = up + chance.normal(0, askew, up.shape)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    at = up * (RADIUS + 100.0)
    along = (at * directions).sum(axis=1)
    depth = along - np.sqrt(along**2 - ((RADIUS + 100.0) ** 2 - RADIUS**2))
    return at, directions, (at - depth[:, None] * directions) / RADIUS


def angles_deg(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.rad2deg(np.arccos(np.clip((a * b).sum(axis=1), -1, 1))))


def test_normals_are_those_of_the_membrane_below() -> None:
    at, directions, normals = around(8, 0.12)
    found = membrane_normals(vesicle(0.2), VOXEL, at, directions, MembraneSearch(0, 200, 80))
    assert np.isfinite(found.directions).all()
    assert np.median(angles_deg(found.directions, normals)) < 3.0
    assert np.median(angles_deg(directions, normals)) > 9.0
    assert 80 < np.median(found.depths_angstrom) < 130
    assert np.median(found.errors_deg) < 5.0


def test_noise_has_no_membrane() -> None:
    at, directions, _ = around(8, 0.1)
    directions[0] = np.nan
    noise = np.random.default_rng(3).normal(0, 1, (N, N, N)).astype(np.float32)
    found = membrane_normals(noise, VOXEL, at, directions, MembraneSearch(0, 200, 80))
    assert np.isnan(found.directions).all(axis=1).sum() >= 7
