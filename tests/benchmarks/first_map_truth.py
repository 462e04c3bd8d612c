"""How far a map of unknown frame agrees with a structure, once it was turned on to it."""

from __future__ import annotations

import numpy as np
import torch
from averaging_scenes import Gauge, Kind, true_map
from torch import Tensor

from tomotui.algorithms.refine.search import Found, SearchGrid, search, shift_grid
from tomotui.algorithms.subtomograms.joined import HalfBall, JoinedViews
from tomotui.geometry.angles import local_grid, orientation_grid, rotations_of_vectors
from tomotui.geometry.symmetry import symmetry_rotations
from tomotui.imaging.fsc import crossing_angstrom, fourier_shell_correlation
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.slices import SliceSource

SEARCH_ANGSTROM = 40.0


def best_agreement(values: Tensor, kind: Kind, pixel_size_angstrom: float) -> float:
    """Return where the map and the structure in its frame correlate by less than 0.5, Angstrom."""
    box = values.shape[-1]
    gauge = frame_of(values, kind, pixel_size_angstrom)
    truth = true_map(kind, pixel_size_angstrom, box, gauge)
    radius = kind.diameter_angstrom / 2 / pixel_size_angstrom
    mask = soft_ball(box, min(radius + 1, box / 2 - 4), 3.0)
    fsc = fourier_shell_correlation(values, truth, pixel_size_angstrom, mask)
    return crossing_angstrom(fsc.frequency_per_angstrom, fsc.masked, 0.5)


def frame_of(values: Tensor, kind: Kind, pixel_size_angstrom: float) -> Gauge:
    """Find the turn and shift that bring the structure on to a map."""
    box = values.shape[-1]
    still = true_map(kind, pixel_size_angstrom, box, Gauge(np.eye(3), np.zeros(3)))
    radius = min(box * pixel_size_angstrom / SEARCH_ANGSTROM, box / 2 - 1)
    ball = HalfBall(box, radius)
    spectrum = SliceSource(values, radius).read(ball.frequencies)[None]
    particle = JoinedViews(ball, spectrum, torch.ones(1, len(ball)))
    source = SliceSource(still, radius)
    group = symmetry_rotations("C1")
    reach = 40.0 / pixel_size_angstrom

    def best(rotations: np.ndarray, step_deg: float, step_px: float) -> Found:
        grid = SearchGrid(rotations, step_deg, shift_grid(reach, step_px), group)
        return search(source, particle, grid, 1)

    found = best(orientation_grid(10.0), 10.0, 1.0)
    for step_deg in (5.0, 2.5, 1.0):
        about = found.rotations[0, 0].double().numpy()
        near = rotations_of_vectors(local_grid(step_deg, 2)) @ about
        found = best(near, step_deg, 0.5)
    # The map is truth turned by R and moved by t: m(x) = truth(R^T (x - t)).
    rotation = found.rotations[0, 0].double().numpy().T
    shift = found.shifts_px[0, 0].double().numpy() * pixel_size_angstrom
    return Gauge(rotation, -rotation @ shift)
