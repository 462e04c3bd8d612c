"""The search over all orientations: coarse and complete, then finer where it is worth it.

All orientations and shifts are scored on the joined views at low frequencies, as matrix products.
The best that are not neighbours go on; a candidate is dropped as soon as it could not win even if
the frequencies still to come agreed with it as well as signal can (branch and bound, as Punjani
et al. 2017, Nat. Methods 14:290, for single particles). What is left is refined on the views
themselves by `tomotui.algorithms.refine.poses`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.subtomograms.joined import HalfBall, JoinedViews
from tomotui.imaging.slices import SliceSource

Array = NDArray[np.float64]

SPAN = 1.5
"""Candidates nearer than so many steps of the grid are one."""

_KEPT = 192
_BLOCK_BYTES = 2**27


@dataclass(frozen=True)
class SearchGrid:
    """What is tried for every particle.

    Attributes
    ----------
    rotations
        From reference to specimen, ``[o, 3, 3]``.
    step_deg
        Mean distance of neighbours.
    shifts_px
        Of the particle from where it is thought to be, (x, y, z), ``[s, 3]``.
    group
        Point group of the reference, ``[m, 3, 3]``.
    """

    rotations: Array
    step_deg: float
    shifts_px: Array
    group: Array


@dataclass(frozen=True)
class Found:
    """The best candidates of every particle, best first.

    Attributes
    ----------
    score
        Log-likelihood above that of noise, at the best scale of the reference, ``[p, m]``;
        minus infinity where there are fewer.
    rotations
        ``[p, m, 3, 3]``.
    shifts_px
        ``[p, m, 3]``.
    """

    score: Tensor
    rotations: Tensor
    shifts_px: Tensor

    @classmethod
    def none(cls, device: torch.device | str = "cpu") -> Found:
        """Return the candidates of no particles."""
        return cls(
            torch.zeros(0, 0, device=device),
            torch.zeros(0, 0, 3, 3, device=device),
            torch.zeros(0, 0, 3, device=device),
        )

    def select(self, rows: slice) -> Found:
        """Return those of some particles."""
        return Found(self.score[rows], self.rotations[rows], self.shifts_px[rows])


def shift_grid(reach_px: float, step_px: float) -> Array:
    """Return shifts within a ball on a cubic grid, the origin among them, ``[s, 3]``."""
    n = int(reach_px / step_px + 1e-6)
    line = np.arange(-n, n + 1) * step_px
    grid = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(grid[np.linalg.norm(grid, axis=1) <= reach_px + 1e-6])


def turned_references(source: SliceSource, ball: HalfBall, rotations: Tensor) -> Tensor:
    """Return the spectra of turned references on a ball of frequencies, ``[o, n]``.

    Parameters
    ----------
    rotations
        From reference to specimen, ``[o, 3, 3]``.
    """
    return source.read(torch.einsum("ni,oij->onj", ball.frequencies, rotations))


def search(
    source: SliceSource,
    joined: JoinedViews,
    grid: SearchGrid,
    n_candidates: int,
    allowed: Tensor | None = None,
    told: Callable[[float], None] | None = None,
) -> Found:
    """Score all orientations and shifts, and return the best that are not neighbours.

    Parameters
    ----------
    source
        The reference.
    joined
        The particles.
    n_candidates
        How many to return for each.
    allowed
        Orientations to try for each particle, ``[p, o]``; all by default.
    told
        Is told the share done.
    """
    ball = joined.ball
    device = joined.values.device
    shifts = torch.as_tensor(grid.shifts_px, dtype=torch.float32, device=device)
    rotations = torch.as_tensor(grid.rotations, dtype=torch.float32, device=device)
    n_references = max(64, _BLOCK_BYTES // (16 * len(ball)))
    n_particles = max(1, _BLOCK_BYTES // (16 * len(ball) * len(shifts)))
    best = _Best.none(len(joined), device)
    ramps = ball.ramps(shifts)
    for first in range(0, len(rotations), n_references):
        some = slice(first, min(first + n_references, len(rotations)))
        references = turned_references(source, ball, rotations[some])
        matrix = _as_real(references).T.contiguous()
        power = references.abs().square().T.contiguous()
        for start in range(0, len(joined), n_particles):
            rows = slice(start, min(start + n_particles, len(joined)))
            moved = (joined.values[rows, None] * ramps).flatten(0, 1)
            # Real parts of products, as one product of real matrices.
            agreement = (_as_real(moved) @ matrix).view(-1, len(shifts), matrix.shape[1])
            values, at = agreement.max(dim=1)
            spread = (joined.weights[rows] @ power).clamp_min(1e-12)
            score = 0.5 * values.clamp_min(0).square() / spread
            if allowed is not None:
                score = score.masked_fill(~allowed[rows, some], -torch.inf)
            numbers = torch.arange(some.start, some.stop, device=device)
            best.take(rows, score, at * len(rotations) + numbers)
        if told is not None:
            told(some.stop / len(rotations))
    return _apart(best.score, best.index, rotations, shifts, grid, n_candidates)


@dataclass
class _Best:
    """The best scores so far of every particle, and what they are of, ``[p, kept]``."""

    score: Tensor
    index: Tensor

    @classmethod
    def none(cls, n_particles: int, device: torch.device) -> _Best:
        return cls(
            torch.full((n_particles, _KEPT), -torch.inf, device=device),
            torch.zeros(n_particles, _KEPT, dtype=torch.long, device=device),
        )

    def take(self, rows: slice, score: Tensor, index: Tensor) -> None:
        """Look at more scores of some particles."""
        top, which = score.topk(min(_KEPT, score.shape[1]), dim=1)
        scores = torch.cat([self.score[rows], top], dim=1)
        numbers = torch.cat([self.index[rows], index.gather(1, which)], dim=1)
        self.score[rows], which = scores.topk(_KEPT, dim=1)
        self.index[rows] = numbers.gather(1, which)


def _as_real(values: Tensor) -> Tensor:
    return torch.cat([values.real, values.imag], dim=1)


def _apart(
    score: Tensor,
    index: Tensor,
    rotations: Tensor,
    shifts: Tensor,
    grid: SearchGrid,
    n_candidates: int,
) -> Found:
    """Choose the best candidates that are no neighbours of a better one, whatever the symmetry."""
    group = torch.as_tensor(grid.group, dtype=torch.float32, device=score.device)
    chosen_rotations = rotations[index % len(rotations)]
    nearest = np.cos(np.deg2rad(min(SPAN * grid.step_deg, 179.0)))
    left = score.clone()
    particles = torch.arange(len(score), device=score.device)
    picked = []
    for _ in range(min(n_candidates, score.shape[1])):
        best = left.argmax(dim=1)
        picked.append(best)
        mine = chosen_rotations[particles, best]
        # Traces of R1^T R2 g for all g: the cosine of the least angle between the two.
        turned = torch.einsum("pij,pnik->pnjk", mine, chosen_rotations)
        traces = torch.einsum("pnjk,gkj->png", turned, group).amax(dim=-1)
        near = (traces - 1) / 2 > nearest
        near[particles, best] = True
        left = left.masked_fill(near, -torch.inf)
    at = torch.stack(picked, dim=1)
    numbers = index.gather(1, at)
    rows = particles[:, None]
    found = score.gather(1, at)
    # Once all are neighbours of better ones, the best of nothing is chosen again.
    again = (at[:, 1:, None] == at[:, None, :-1]).tril().any(dim=-1)
    found[:, 1:] = found[:, 1:].masked_fill(again, -torch.inf)
    return Found(found, chosen_rotations[rows, at], shifts[numbers // len(rotations)])
