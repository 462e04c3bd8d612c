"""Centres of mass: where a particle sits, when its network only tells about where."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv1d, grid_sample

Array = NDArray[np.float64]

REACH_SHARE, EDGE_SHARE = 0.6, 0.1
"""Radius of the ball in which mass counts, and of its soft edge, over the diameter."""

SMOOTHING_ANGSTROM = 20.0
PASSES = 4
AT_ONCE = 256

USUAL_SHARE = 0.15
"""Median distance of hand-made marks from the centre of mass, over the diameter, up to which marks
are meant to be the centre of mass."""


def mass_of(image: Tensor, voxel_angstrom: float) -> Tensor:
    """Return the mass of an image, ``[z, y, x]``.

    That is what is brighter than the mean after a little smoothing, so that neither noise nor the
    dark fringe of a particle counts.

    Parameters
    ----------
    image
        ``[z, y, x]``, protein bright.
    voxel_angstrom
        Side of a voxel.
    """
    return smoothed(image, SMOOTHING_ANGSTROM / voxel_angstrom).clamp_min(0)


def centred(mass: Tensor, voxels: Array, diameter_voxel: float) -> Array:
    """Return places moved to the centre of the mass about them.

    Parameters
    ----------
    mass
        ``[z, y, x]``, see `mass_of`.
    voxels
        ``[n, 3]``, (z, y, x).
    diameter_voxel
        Diameter of the particle in voxels.

    Returns
    -------
    ``[n, 3]``; none farther than a quarter of the diameter from where it was.
    """
    if not len(voxels):
        return voxels
    radius = REACH_SHARE * diameter_voxel
    reach = int(np.ceil(radius))
    line = torch.arange(-reach, reach + 1, dtype=torch.float32)
    grid = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), dim=-1)
    distance = grid.square().sum(dim=-1).sqrt()
    window = ((radius - distance) / max(EDGE_SHARE * diameter_voxel, 0.5)).clamp(0, 1)
    found = [
        _moved(mass, torch.as_tensor(some, dtype=torch.float32), grid, window, diameter_voxel / 4)
        for some in np.array_split(voxels, -(-len(voxels) // AT_ONCE))
    ]
    return torch.cat(found).numpy().astype(np.float64)


def is_centre_of_mass(
    masses: list[Tensor], numbers: NDArray[np.int64], voxels: Array, diameter_voxel: float
) -> bool:
    """Tell whether marks lie where the mass has its centre.

    A mark at the foot of a membrane protein does not, and would be lost by centring.

    Parameters
    ----------
    masses
        ``[z, y, x]`` each, see `mass_of`.
    numbers, voxels
        ``[n]`` numbers of masses, and ``[n, 3]`` places of marks, (z, y, x).
    """
    gaps = [
        np.linalg.norm(centred(mass, mine, diameter_voxel) - mine, axis=1)
        for number, mass in enumerate(masses)
        if len(mine := voxels[numbers == number])
    ]
    return bool(gaps) and float(np.median(np.concatenate(gaps))) <= USUAL_SHARE * diameter_voxel


def smoothed(image: Tensor, deviation: float) -> Tensor:
    """Return an image after a Gaussian of a deviation in voxels."""
    reach = max(1, int(np.ceil(3 * deviation)))
    line = torch.arange(-reach, reach + 1, dtype=image.dtype)
    kernel = torch.exp(-line.square() / (2 * max(deviation, 1e-3) ** 2))
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    for axis in range(3):
        moved = image.movedim(axis, -1)
        lines = moved.reshape(-1, 1, moved.shape[-1])
        padded = torch.nn.functional.pad(lines, (reach, reach), mode="replicate")
        image = conv1d(padded, kernel).reshape(moved.shape).movedim(-1, axis)
    return image


def _moved(mass: Tensor, places: Tensor, grid: Tensor, window: Tensor, most: float) -> Tensor:
    """Return places after some passes to the centre of mass in a window about each."""
    now = places
    # Its last axis is (x, y, z), from -1 to 1 between the middles of the outer voxels.
    sides = torch.tensor([max(1, side - 1) for side in mass.shape], dtype=torch.float32)
    for _ in range(PASSES):
        points = 2 * (now[:, None, None, None] + grid) / sides - 1
        boxes = grid_sample(
            mass[None, None].expand(len(now), -1, -1, -1, -1),
            points.flip(-1),
            padding_mode="border",
            align_corners=True,
        )[:, 0]
        weight = boxes * window
        total = weight.sum(dim=(1, 2, 3)).clamp_min(1e-6)
        now = now + torch.einsum("nzyx,zyxc->nc", weight, grid) / total[:, None]
    gap = now - places
    length = gap.norm(dim=1, keepdim=True)
    return torch.where(length <= most, now, places)
