"""How far what a stage made is from what is known to be true."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from tomotui.formats.mrc import read_volume
from tomotui.formats.star import read_star
from tomotui.geometry.poses import matrices_of_angles
from tomotui.records import Ctf

Array = NDArray[np.float64]


def motion_error_px(found_px: Array, true_px: Array) -> float:
    """Return the RMS error of paths of frames, their means taken away.

    Parameters
    ----------
    found_px, true_px
        ``[n_tilts, n_frames, 2]``.
    """
    left = found_px - true_px
    left = left - left.mean(axis=1, keepdims=True)
    return float(np.sqrt((left**2).mean()))


def defocus_error_angstrom(found: Ctf, truth: Ctf) -> float:
    """Return the RMS error of the mean defocus over the tilts."""
    true = {tilt.index: tilt for tilt in truth.tilts}
    errors = [
        (one.defocus_u_angstrom + one.defocus_v_angstrom) / 2
        - (true[one.index].defocus_u_angstrom + true[one.index].defocus_v_angstrom) / 2
        for one in found.tilts
    ]
    return float(np.sqrt(np.mean(np.square(errors))))


def volume_correlation(path: Path, true_path: Path, sigma_voxels: float = 1.0) -> float:
    """Return the correlation of a tomogram (protein dark) with the true volume (bright).

    Both are blurred alike; what only one of them covers is left out, and so is the rim.
    """
    from scipy.ndimage import gaussian_filter

    found, true = (read_volume(one)[0].astype(np.float64) for one in (path, true_path))
    size = [min(a, b) for a, b in zip(found.shape, true.shape, strict=True)]
    found, true = (_middle(one, size) for one in (-found, true))
    margin = [max(2, n // 8) for n in size]
    inner = tuple(slice(m, n - m) for m, n in zip(margin, size, strict=True))
    blurred = [gaussian_filter(one, sigma_voxels)[inner].ravel() for one in (found, true)]
    return float(np.corrcoef(blurred[0], blurred[1])[0, 1])


def map_correlation(
    found: NDArray[np.floating], true: NDArray[np.floating], radius: float
) -> float:
    """Return the correlation of two maps with one voxel size within a ball of voxels."""
    size = [min(a, b) for a, b in zip(found.shape, true.shape, strict=True)]
    a, b = (_middle(np.asarray(one, dtype=np.float64), size) for one in (found, true))
    places = np.meshgrid(*[np.arange(n) - n // 2 for n in size], indexing="ij")
    ball = np.sqrt(sum(place**2 for place in places)) <= radius
    return float(np.corrcoef(a[ball], b[ball])[0, 1])


def sampled_like(volume: NDArray[np.floating], zoom: float) -> NDArray[np.float64]:
    """Return a map with voxels ``1 / zoom`` times as large; voxel ``n // 2`` stays the origin."""
    from scipy.ndimage import affine_transform, gaussian_filter

    blurred = gaussian_filter(np.asarray(volume, dtype=np.float64), max(0.0, 0.5 / zoom - 0.5))
    shape = tuple(max(2, int(np.floor(n * zoom)) // 2 * 2) for n in volume.shape)
    middles = [(n // 2, m // 2) for n, m in zip(volume.shape, shape, strict=True)]
    offset = np.array([old - new / zoom for old, new in middles])
    return np.asarray(affine_transform(blurred, np.full(3, 1 / zoom), offset, shape, order=3))


class Found:
    """Places found, paired one to one with true ones that lie near them.

    Parameters
    ----------
    found, true
        ``[n, 3]`` Angstrom.
    reach_angstrom
        The greatest distance of a pair.
    """

    def __init__(self, found: Array, true: Array, reach_angstrom: float) -> None:
        self.n_found, self.n_true = len(found), len(true)
        apart = cdist(found, true) if len(found) and len(true) else np.zeros((0, 0))
        rows, columns = linear_sum_assignment(np.minimum(apart, 10 * reach_angstrom))
        near = apart[rows, columns] <= reach_angstrom if len(rows) else np.zeros(0, dtype=bool)
        self.rows, self.columns = rows[near], columns[near]

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * len(self.rows) / max(1, self.n_found + self.n_true)


def turn_errors_deg(found_angles_deg: Array, true_rotations: Array) -> Array:
    """Return by how much poses are turned against the true ones, ``[n]``."""
    relative = matrices_of_angles(found_angles_deg) @ np.swapaxes(true_rotations, -1, -2)
    trace = np.trace(relative, axis1=-2, axis2=-1)
    return np.asarray(np.rad2deg(np.arccos(np.clip((trace - 1) / 2, -1, 1))))


def averaged_subtomograms(table_path: Path, root: Path) -> tuple[NDArray[np.float64], float]:
    """Average extracted volumes by their weights alone.

    Parameters
    ----------
    table_path
        ``particles_3d.star``.
    root
        The folder that its paths start from.

    Returns
    -------
    The average and its voxel size.
    """
    table = read_star(table_path)["particles"]
    pairs = list(zip(table["rlnImageName"], table["rlnCtfImage"], strict=True))
    volumes = [read_volume(root / str(image)) for image, _ in pairs]
    both = [read_volume(root / str(weight))[0] for _, weight in pairs]
    data = np.stack([volume for volume, _ in volumes]).astype(np.float64).sum(axis=0)
    # The upper half of the file of weights holds how often each place was seen.
    weights = np.stack(both).astype(np.float64).sum(axis=0)[: len(data)]
    damped = np.fft.rfftn(np.fft.ifftshift(data)) / (weights + 0.05 * weights[weights > 0].mean())
    average = np.fft.fftshift(np.fft.irfftn(damped, s=data.shape, axes=(0, 1, 2)))
    return average, volumes[0][1]


def _middle(volume: Array, size: Sequence[int]) -> Array:
    """Cut a volume about its voxel ``n // 2``."""
    first = [n // 2 - m // 2 for n, m in zip(volume.shape, size, strict=True)]
    return volume[tuple(slice(a, a + m) for a, m in zip(first, size, strict=True))]
