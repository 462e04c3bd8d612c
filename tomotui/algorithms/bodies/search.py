"""Poses of all bodies of particles together: steps after Levenberg and Marquardt, batched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.bodies.equations import BodyEquations, body_equations
from tomotui.algorithms.bodies.poses import SIX, Arrangement, BodyPoses
from tomotui.algorithms.bodies.spread import Estimates
from tomotui.algorithms.subtomograms.views import SeriesModel, SeriesViews
from tomotui.imaging.slices import SliceSource

Array = NDArray[np.float64]

_FIRST_DAMPING, _LEAST_DAMPING, _GREATEST_DAMPING = 1e-2, 1e-4, 1e4
_DONE_SHIFT_PX, _DONE_TURN_RAD = 0.01, 5e-4


@dataclass(frozen=True)
class Found:
    """Poses of bodies, how well they agree, and the motions that they mean.

    Attributes
    ----------
    scores
        Log-likelihood above that of noise alone, ``[p]``.
    turns_rad2
        Covariance of each body's turn in the specimen, ``[p, b, 3, 3]``.
    """

    poses: BodyPoses
    scores: Array
    estimates: Estimates
    turns_rad2: Array


@dataclass(frozen=True)
class BodySearch:
    """Climbs to the most probable poses of bodies.

    Attributes
    ----------
    sources
        Of each body about its pivot, with gradients.
    prior
        Covariance of motions (degrees, Angstrom), ``[d, d]``.
    """

    sources: Sequence[SliceSource]
    arrangement: Arrangement
    prior: Array

    def climb(
        self,
        views: SeriesViews,
        model: SeriesModel,
        poses: BodyPoses,
        n_terms: int,
        n_steps: int = 10,
    ) -> Found:
        """Find the maximum of probability that is nearest.

        Parameters
        ----------
        poses
            To begin with.
        n_terms
            Fourier terms of each view that count.
        n_steps
            Evaluations after the first at most; particles that stand still are left alone.
        """
        pixel, device = views.pixel_size_angstrom, views.data.device
        poses = poses.copied()
        now = self._evaluate(views, model, poses, n_terms)
        damping, at_work = np.full(len(poses), _FIRST_DAMPING), np.ones(len(poses), dtype=bool)
        for _ in range(n_steps):
            which = np.flatnonzero(at_work)
            if not len(which):
                break
            rows = torch.as_tensor(which, device=device)
            step = _damped_step(now.select(rows), damping[which])
            steps = step.reshape(len(which), -1, SIX)
            trial = poses.select(which).moved(steps[..., :3] * pixel, steps[..., 3:])
            found = self._evaluate(views.select(which), model, trial, n_terms)
            better = (found.score > now.score[rows]).cpu().numpy()
            won, mine = which[better], torch.as_tensor(better, device=device)
            poses.put(won, trial.select(better))
            now.put(rows[mine], found.select(mine))
            damping[which] = np.where(better, damping[which] * 0.2, damping[which] * 10)
            damping = damping.clip(_LEAST_DAMPING)
            small = (np.abs(steps[..., :3]).max(axis=(1, 2)) < _DONE_SHIFT_PX) & (
                np.abs(steps[..., 3:]).max(axis=(1, 2)) < _DONE_TURN_RAD
            )
            at_work[which[small | (damping[which] > _GREATEST_DAMPING)]] = False
        return self._found(poses, now, pixel)

    def _evaluate(
        self, views: SeriesViews, model: SeriesModel, poses: BodyPoses, n_terms: int
    ) -> BodyEquations:
        """Return likelihood and prior together, and their derivatives."""
        found = body_equations(self.sources, views, model, poses, n_terms)
        device = views.data.device
        stiffness = np.linalg.inv(self.prior)
        motions = self.arrangement.motions(poses)
        slopes = self.arrangement.slopes(poses, views.pixel_size_angstrom)
        pull = np.einsum("ij,pj->pi", stiffness, motions)
        penalty = 0.5 * (pull * motions).sum(axis=1)
        bent = slopes.transpose(0, 2, 1) @ stiffness @ slopes
        return BodyEquations(
            found.score - torch.as_tensor(penalty, device=device),
            found.gradient - torch.as_tensor(np.einsum("pij,pi->pj", slopes, pull), device=device),
            found.curvature + torch.as_tensor(bent, device=device),
        )

    def _found(self, poses: BodyPoses, now: BodyEquations, pixel: float) -> Found:
        motions, slopes = self.arrangement.motions(poses), self.arrangement.slopes(poses, pixel)
        inverse = torch.linalg.inv(now.curvature + _floor(now.curvature)).cpu().numpy()
        # Where the maximum would be if all was straight: some have not quite come there.
        left = np.einsum("pij,pj->pi", inverse, now.gradient.cpu().numpy())
        covariances = slopes @ inverse @ slopes.transpose(0, 2, 1)
        blocks = inverse.reshape(len(inverse), poses.n_bodies, SIX, poses.n_bodies, SIX)
        turns = np.einsum("pbibj->pbij", blocks[:, :, 3:, :, 3:])
        means = motions + np.einsum("pij,pj->pi", slopes, left)
        penalty = 0.5 * np.einsum("pi,ij,pj->p", motions, np.linalg.inv(self.prior), motions)
        scores = now.score.cpu().numpy() + penalty
        return Found(poses, scores, Estimates(means, covariances, self.prior), turns)


def _floor(curvature: Tensor) -> Tensor:
    """Return a little on the diagonal: a particle without views stays as it is."""
    diagonal = curvature.diagonal(dim1=1, dim2=2)
    return torch.diag_embed(
        diagonal.amax(dim=1, keepdim=True).clamp_min(1e-12) * 1e-9 + 0 * diagonal
    )


def _damped_step(equations: BodyEquations, damping: Array) -> Array:
    """Return steps: shift (pixels) and turn (radians) of every body, ``[p, 6 b]``."""
    curvature = equations.curvature
    diagonal = curvature.diagonal(dim1=1, dim2=2)
    extra = torch.as_tensor(damping, device=curvature.device)[:, None] * diagonal
    system = curvature + torch.diag_embed(extra) + _floor(curvature)
    return torch.linalg.solve(system, equations.gradient).cpu().numpy()
