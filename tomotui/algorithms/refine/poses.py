"""Refinement of poses on the views: steps after Levenberg and Marquardt, batched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.refine.equations import ViewEquations, view_equations
from tomotui.algorithms.subtomograms.views import SeriesModel, SeriesViews
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.geometry.cones import Cone
from tomotui.imaging.slices import SliceSource

Array = NDArray[np.float64]

_POINT_BYTES = 320
"""Working memory for one Fourier term of one view."""

_FIRST_DAMPING, _LEAST_DAMPING, _GREATEST_DAMPING = 1e-2, 1e-4, 1e4
_DONE_SHIFT_PX, _DONE_TURN_RAD = 0.01, 5e-4


@dataclass(frozen=True)
class Poses:
    """Where particles are and how they are turned.

    Attributes
    ----------
    rotations
        From reference to specimen, ``[p, 3, 3]``.
    positions_angstrom
        (x, y, z) from the tomogram's centre, ``[p, 3]``.
    """

    rotations: Array
    positions_angstrom: Array

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.rotations)

    def select(self, which: Array | NDArray[np.intp] | NDArray[np.bool_] | slice) -> Poses:
        """Return those of some particles."""
        return Poses(self.rotations[which], self.positions_angstrom[which])

    def copied(self) -> Poses:
        """Return poses of their own."""
        return Poses(self.rotations.copy(), self.positions_angstrom.copy())

    def moved(self, shifts_angstrom: Array, turns_rad: Array) -> Poses:
        """Return poses that were shifted, and turned about where they are, in the specimen."""
        return Poses(
            rotations_of_vectors(turns_rad) @ self.rotations,
            self.positions_angstrom + shifts_angstrom,
        )

    def held(self, cone: Cone | None) -> Poses:
        """Return poses whose axes lie within a cone."""
        return self if cone is None else Poses(cone.held(self.rotations), self.positions_angstrom)

    def where(self, which: NDArray[np.bool_], other: Poses) -> Poses:
        """Return these where true, others elsewhere."""
        return Poses(
            np.where(which[:, None, None], self.rotations, other.rotations),
            np.where(which[:, None], self.positions_angstrom, other.positions_angstrom),
        )

    def cameras(self, model: SeriesModel, device: torch.device) -> Tensor:
        """Return rotations from reference to camera in every view, ``[p, t, 3, 3]``."""
        projection = model.geometry.projection_matrices
        both = projection[None] @ self.rotations[:, None] * model.magnification
        return torch.as_tensor(both, dtype=torch.float32, device=device)


def batches(n_particles: int, n_points: int, room_bytes: int = 2**28) -> Iterator[slice]:
    """Cut particles into runs that fit into memory.

    Parameters
    ----------
    n_points
        Fourier terms of all views of one particle.
    room_bytes
        Memory for a run.
    """
    size = max(1, room_bytes // (_POINT_BYTES * n_points))
    for first in range(0, n_particles, size):
        yield slice(first, min(n_particles, first + size))


def pose_system(equations: ViewEquations, projection: Tensor) -> tuple[Tensor, Tensor]:
    """Return gradient and curvature by each particle's shift (pixels) and turn in the specimen.

    Parameters
    ----------
    projection
        From specimen to camera, ``[t, 3, 3]``.

    Returns
    -------
    ``[p, 6]`` and ``[p, 6, 6]``.
    """
    n_tilts = len(projection)
    chain = projection.new_zeros(n_tilts, 5, 6)
    chain[:, 0:2, 0:3] = projection[:, :2]
    chain[:, 2:5, 3:6] = projection
    gradient = torch.einsum("ptm,tmj->pj", equations.gradient[..., :5], chain)
    curvature = torch.einsum("tmi,ptmn,tnj->pij", chain, equations.curvature[..., :5, :5], chain)
    return gradient, curvature


@dataclass(frozen=True)
class Refined:
    """Refined poses and how well each agrees.

    Attributes
    ----------
    view_scores
        Log-likelihood above that of noise alone, ``[p, t]``.
    curvature
        By shift (pixels) and turn (radians): its inverse is the covariance, ``[p, 6, 6]``.
    """

    poses: Poses
    view_scores: Tensor
    curvature: Tensor

    @property
    def score(self) -> Array:
        """Sum over the views, ``[p]``."""
        return self.view_scores.sum(dim=1).double().cpu().numpy()


def refine_poses(
    source: SliceSource,
    views: SeriesViews,
    model: SeriesModel,
    poses: Poses,
    n_terms: int,
    n_steps: int = 8,
    shift_spread_angstrom: float = 0.0,
    cone: Cone | None = None,
) -> Refined:
    """Climb to the nearest maximum of every particle's likelihood.

    Parameters
    ----------
    source
        The reference, with its gradient, for at least the radius of the terms.
    poses
        To begin with.
    n_terms
        Fourier terms of each view that count.
    n_steps
        Evaluations after the first at most; particles that stand still are left alone.
    shift_spread_angstrom
        Standard deviation of where particles may be about where they began; 0 for anywhere.
    cone
        Where axes are held; ``None`` for anywhere.
    """
    parts = [
        _refine_batch(
            source, views.select(np.arange(part.start, part.stop)), model, poses.select(part),
            n_terms, n_steps, shift_spread_angstrom, cone and cone.select(part),
        )
        for part in batches(len(poses), n_terms * model.n_tilts)
    ]  # fmt: skip
    return Refined(
        Poses(
            np.concatenate([part.poses.rotations for part in parts]),
            np.concatenate([part.poses.positions_angstrom for part in parts]),
        ),
        torch.cat([part.view_scores for part in parts]),
        torch.cat([part.curvature for part in parts]),
    )


def _refine_batch(
    source: SliceSource,
    views: SeriesViews,
    model: SeriesModel,
    poses: Poses,
    n_terms: int,
    n_steps: int,
    shift_spread_angstrom: float,
    cone: Cone | None,
) -> Refined:
    device, pixel = views.data.device, views.pixel_size_angstrom
    projection = torch.as_tensor(
        model.geometry.projection_matrices, dtype=torch.float32, device=device
    )
    began = poses.positions_angstrom
    stiffness = (pixel / shift_spread_angstrom) ** 2 if shift_spread_angstrom else 0.0

    def evaluate(at: Poses, which: NDArray[np.intp]) -> tuple[ViewEquations, Tensor]:
        some = views if len(which) == len(views) else views.select(which)
        equations = view_equations(
            source,
            some,
            at.cameras(model, device),
            some.offsets_px(model, at.positions_angstrom),
            n_terms,
        )
        strayed = torch.as_tensor(at.positions_angstrom - began[which], device=device) / pixel
        return equations, 0.5 * stiffness * strayed.square().sum(dim=1).float()

    poses = poses.held(cone)
    everyone = np.arange(len(poses))
    now, penalty = evaluate(poses, everyone)
    merit = now.score.sum(dim=1) - penalty
    damping = np.full(len(poses), _FIRST_DAMPING)
    at_work = np.ones(len(poses), dtype=bool)
    for _ in range(n_steps):
        which = np.flatnonzero(at_work)
        if not len(which):
            break
        rows = torch.as_tensor(which, device=device)
        part = now.select(rows)
        strayed = (poses.positions_angstrom[which] - began[which]) / pixel
        step = _damped_step(part, projection, damping[which], stiffness, strayed)
        trial = poses.select(which).moved(step[:, :3] * pixel, step[:, 3:])
        trial = trial.held(cone and cone.select(which))
        found, penalty = evaluate(trial, which)
        gain = found.score.sum(dim=1) - penalty - merit[rows]
        better = (gain > 0).cpu().numpy()
        won = which[better]
        poses = poses.copied()
        poses.rotations[won] = trial.rotations[better]
        poses.positions_angstrom[won] = trial.positions_angstrom[better]
        winners, mine = torch.as_tensor(won, device=device), torch.as_tensor(better, device=device)
        now.put(winners, found.select(mine))
        merit[winners] += gain[mine]
        damping[which] = np.where(better, damping[which] * 0.2, damping[which] * 10)
        damping = damping.clip(_LEAST_DAMPING)
        small = (np.abs(step[:, :3]).max(axis=1) < _DONE_SHIFT_PX) & (
            np.abs(step[:, 3:]).max(axis=1) < _DONE_TURN_RAD
        )
        at_work[which[small | (damping[which] > _GREATEST_DAMPING)]] = False
    _, curvature = pose_system(now, projection)
    return Refined(poses, now.score, curvature)


def _damped_step(
    equations: ViewEquations, projection: Tensor, damping: Array, stiffness: float, strayed: Array
) -> Array:
    """Return each particle's step: shift in pixels and turn in radians, ``[p, 6]``."""
    gradient, curvature = pose_system(equations, projection)
    gradient, curvature = gradient.double(), curvature.double()
    gradient[:, :3] -= stiffness * torch.as_tensor(strayed, device=gradient.device)
    diagonal = curvature.diagonal(dim1=1, dim2=2)
    diagonal[:, :3] += stiffness
    extra = torch.as_tensor(damping, device=gradient.device)[:, None] * diagonal
    # Nothing turns where nothing is known: a particle without views stays as it is.
    floor = diagonal.amax(dim=1, keepdim=True).clamp_min(1e-12) * 1e-9
    system = curvature + torch.diag_embed(extra + floor)
    return torch.linalg.solve(system, gradient).cpu().numpy()
