"""Maps of one structure in different frames, brought into one."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.refine.maps import turned
from tomotui.algorithms.refine.search import Found, SearchGrid, search, shift_grid
from tomotui.algorithms.subtomograms.joined import HalfBall, JoinedViews
from tomotui.geometry.angles import (
    angular_step_deg,
    local_grid,
    orientation_grid,
    rotations_of_vectors,
)
from tomotui.geometry.symmetry import symmetry_rotations
from tomotui.imaging.slices import SliceSource

Array = NDArray[np.float64]

_FINEST_STEP_DEG = 0.5


def aligned_to(
    volume: Tensor,
    target: Tensor,
    pixel_size_angstrom: float,
    diameter_angstrom: float,
    resolution_angstrom: float,
    reach_angstrom: float = 30.0,
) -> Tensor:
    """Turn and move a map so that it agrees best with another.

    Parameters
    ----------
    volume, target
        ``[n, n, n]``.
    resolution_angstrom
        Detail that both have.
    reach_angstrom
        How far one may lie from the other.
    """
    n = volume.shape[-1]
    radius = min(n * pixel_size_angstrom / resolution_angstrom, n / 2 - 1)
    ball = HalfBall(n, radius, volume.device)
    spectrum = SliceSource(target, radius).read(ball.frequencies)[None]
    particle = JoinedViews(ball, spectrum, torch.ones(1, len(ball), device=volume.device))
    source, group = SliceSource(volume, radius), symmetry_rotations("C1")
    reach = reach_angstrom / pixel_size_angstrom

    def best(rotations: Array, step_deg: float, step_px: float) -> Found:
        shifts = shift_grid(reach, step_px)
        return search(source, particle, SearchGrid(rotations, step_deg, shifts, group), 1)

    step = angular_step_deg(n * pixel_size_angstrom / radius, diameter_angstrom)
    found = best(orientation_grid(step), step, 1.0)
    while step > _FINEST_STEP_DEG:
        step /= 2
        about = found.rotations[0, 0].double().cpu().numpy()
        found = best(rotations_of_vectors(local_grid(step, 2)) @ about, step, 0.5)
    rotation = found.rotations[0, 0]
    # The target shows the map turned by R, then moved by t: m(R^T (x - t)).
    x, y, z = (-(rotation.T @ found.shifts_px[0, 0])).tolist()
    return turned(volume, rotation[None], (x, y, z))
