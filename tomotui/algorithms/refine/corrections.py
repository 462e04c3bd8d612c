"""What corrections of a tilt series are made of: small systems, their priors, and new models."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.refine.equations import ViewEquations
from tomotui.algorithms.subtomograms.views import SeriesModel
from tomotui.geometry import TiltGeometry
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.geometry.tilt import angles_of_projections

Array = NDArray[np.float64]


def solved_steps(gradient: Tensor, curvature: Tensor) -> Array:
    """Return the steps of many small systems; none where nothing is known."""
    diagonal = curvature.diagonal(dim1=-2, dim2=-1)
    floor = diagonal.amax(dim=-1, keepdim=True).clamp_min(1e-12) * 1e-6
    step = torch.linalg.solve(curvature + torch.diag_embed(floor.expand_as(diagonal)), gradient)
    return step.cpu().numpy()


def shift_chain(seen_px: Tensor) -> Tensor:
    """Return how a tilt's shift moves each view, ``[p, t, 5, 2]``."""
    chain = seen_px.new_zeros(*seen_px.shape[:2], 5, 2)
    chain[..., 0, 0] = chain[..., 1, 1] = 1
    return chain


def turn_chain(seen_px: Tensor) -> Tensor:
    """Return how a tilt's shift and turn shift and turn each view, ``[p, t, 5, 5]``."""
    x, y, z = seen_px.unbind(-1)
    chain = seen_px.new_zeros(*seen_px.shape[:2], 5, 5)
    for i in range(5):
        chain[..., i, i] = 1
    # A turn d moves what is seen at q by d x q.
    chain[..., 0, 3], chain[..., 0, 4] = z, -y
    chain[..., 1, 2], chain[..., 1, 4] = -z, x
    return chain


def shifted(model: SeriesModel, shifts_angstrom: Array) -> SeriesModel:
    """Return a model whose tilts are shifted, (x, y), ``[t, 2]``."""
    geometry = model.geometry
    moved = replace(geometry, shift_angstrom=geometry.shift_angstrom + shifts_angstrom)
    return replace(model, geometry=moved)


def turned_tilts(model: SeriesModel, turns_rad: Array, shifts_angstrom: Array) -> SeriesModel:
    """Return a model whose tilts are turned about the specimen's origin and shifted.

    Parameters
    ----------
    turns_rad
        Rotation vectors as the camera sees them, ``[t, 3]``.
    shifts_angstrom
        (x, y), ``[t, 2]``.
    """
    matrices = rotations_of_vectors(turns_rad) @ model.geometry.projection_matrices
    axis, tilt, x_tilt = angles_of_projections(matrices)
    # An axis keeps the way round that it was given in.
    axis += 360 * np.round((model.geometry.axis_deg - axis) / 360)
    geometry = TiltGeometry(tilt, x_tilt, axis, model.geometry.shift_angstrom + shifts_angstrom)
    return replace(model, geometry=geometry)


def mixed(new: SeriesModel, old: SeriesModel, kept: NDArray[np.bool_]) -> SeriesModel:
    """Return a model whose tilts are new where kept."""
    a, b = new.geometry, old.geometry
    geometry = TiltGeometry(
        np.where(kept, a.tilt_deg, b.tilt_deg),
        np.where(kept, a.x_tilt_deg, b.x_tilt_deg),
        np.where(kept, a.axis_deg, b.axis_deg),
        np.where(kept[:, None], a.shift_angstrom, b.shift_angstrom),
    )
    return replace(old, geometry=geometry)


def highest_near_middle(maps: Tensor, reach_px: float) -> Array:
    """Return the places of the highest points near the middle, (x, y), ``[t, 2]``."""
    n = maps.shape[-1]
    line = torch.arange(n, device=maps.device) - n // 2
    near = line.square()[:, None] + line.square() <= reach_px**2
    inside = maps.masked_fill(~near, -torch.inf).flatten(1).argmax(dim=1)
    row, column = inside // n, inside % n
    tilts = torch.arange(len(maps), device=maps.device)

    def parabola(before: Tensor, here: Tensor, after: Tensor) -> Tensor:
        bend = (2 * here - before - after).clamp_min(1e-12)
        return (0.5 * (after - before) / bend).clamp(-0.5, 0.5)

    def at(dy: int, dx: int) -> Tensor:
        return maps[tilts, (row + dy).clamp(0, n - 1), (column + dx).clamp(0, n - 1)]

    x = column - n // 2 + parabola(at(0, -1), at(0, 0), at(0, 1))
    y = row - n // 2 + parabola(at(-1, 0), at(0, 0), at(1, 0))
    return torch.stack([x, y], dim=-1).double().cpu().numpy()


def motion_prior(order: NDArray[np.intp], spread_px: float, limit_px: float) -> Tensor:
    """Return how stiff a path over the tilts is: steps in the order of exposure, ``[t, t]``."""
    n = len(order)
    chain = np.zeros((n, n))
    for before, after in pairwise(order):
        chain[before, before] += 1
        chain[after, after] += 1
        chain[before, after] -= 1
        chain[after, before] -= 1
    return torch.as_tensor(chain / spread_px**2 + np.eye(n) / limit_px**2)


def solved_field(
    equations: ViewEquations,
    weights: Tensor,
    which: NDArray[np.intp],
    prior: Tensor,
    ranks: Ranks,
) -> Array:
    """Solve for the field's nodes from the shifts that views ask for, ``[t, nodes, 2]`` pixels."""
    rows = torch.as_tensor(which, device=weights.device)
    gradient = torch.einsum("pta,pn->tna", equations.gradient[rows, :, :2], weights[rows])
    curvature = torch.einsum(
        "ptab,pn,pm->tnamb", equations.curvature[rows, :, :2, :2], weights[rows], weights[rows]
    )
    ranks.sum_(gradient)
    ranks.sum_(curvature)
    n_tilts, n_nodes = gradient.shape[:2]
    size = n_nodes * 2
    system = torch.zeros(n_tilts, size, n_tilts, size, dtype=torch.float64)
    tilts = torch.arange(n_tilts)
    system[tilts, :, tilts, :] = curvature.reshape(n_tilts, size, size).cpu()
    system += prior[:, None, :, None] * torch.eye(size, dtype=torch.float64)[None, :, None, :]
    total = n_tilts * size
    step = torch.linalg.solve(system.reshape(total, total), gradient.reshape(total).cpu())
    return step.numpy()
