"""One round of refining poses: over all orientations and from there, or from where they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.refine.equations import predicted
from tomotui.algorithms.refine.particles import SeriesParticles
from tomotui.algorithms.refine.poses import Poses, refine_poses
from tomotui.algorithms.refine.search import Found, SearchGrid, search, shift_grid
from tomotui.algorithms.refine.work import Work
from tomotui.algorithms.subtomograms.joined import HalfBall, JoinedViews, join_views
from tomotui.algorithms.subtomograms.views import SeriesModel, SeriesViews
from tomotui.geometry.angles import angular_step_deg, orientation_grid
from tomotui.geometry.cones import Cone
from tomotui.imaging.slices import SliceSource

N_CANDIDATES = 6
FINEST_GRID_DEG = 7.5
SEARCH_STEPS, REFINE_STEPS = 4, 8
"""Evaluations of candidates, and of poses in the end."""

_SEARCH_RADIUS_LIMIT = 14.0
_PARTICLES_AT_A_TIME = 64
_PARTICLES_TO_SCALE = 64
"""Of each series and half, that references are scaled by."""


@dataclass(frozen=True)
class Candidates:
    """What a search over all orientations has found.

    Attributes
    ----------
    found
        Of the particles of each half, series after series.
    radius
        Frequencies that it looked at, cycles per box.
    """

    found: tuple[Found, Found]
    radius: float


class PoseRound:
    """Refines the poses of all particles once.

    Parameters
    ----------
    work
        The particles.
    references
        Maps that the two halves are compared with.
    resolution_angstrom
        Finest detail of them that counts.
    """

    def __init__(
        self, work: Work, references: tuple[Tensor, Tensor], resolution_angstrom: float
    ) -> None:
        self.work = work
        self.radius = work.radius(resolution_angstrom)
        self.n_terms = work.store.plane.within(self.radius)
        self.resolution_angstrom = resolution_angstrom
        self.candidates: Candidates | None = None
        self.take(references)

    def take(self, references: tuple[Tensor, Tensor]) -> None:
        """Compare the two halves with these maps from now on."""
        self._sources = [SliceSource(one, self.radius, with_gradient=True) for one in references]

    def look_everywhere(self) -> None:
        """Search over all orientations; `refine` then begins with what was found."""
        work, (grid, ball) = self.work, self._grid()
        joined: tuple[list[JoinedViews], list[JoinedViews]] = ([], [])
        allowed: tuple[list[Tensor], list[Tensor]] = ([], [])
        for one in work.series:
            work.store.forget_strayed(one)
            views = work.store.views(one)
            offsets = views.offsets_px(one.model, one.poses.positions_angstrom)
            projection = one.model.geometry.projection_matrices
            for half in (0, 1):
                mine = one.of_half(half)
                some = torch.as_tensor(mine, device=work.device)
                joined[half].append(join_views(views.select(mine), projection, offsets[some], ball))
                allowed[half].append(self._allowed(one, mine, grid))
        found = []
        for half, source in enumerate(self._sources):
            limits = torch.cat(allowed[half])
            everything = JoinedViews.of_all(joined[half])

            def told(share: float, half: int = half) -> None:
                work.told((half + share) / 4, "all orientations")

            is_limited = work.plan.cone_deg < 180
            found.append(
                search(source, everything, grid, N_CANDIDATES, limits if is_limited else None, told)
            )
        self.candidates = Candidates((found[0], found[1]), ball.radius)

    def _grid(self) -> tuple[SearchGrid, HalfBall]:
        """Return what is tried, as fine as the references are."""
        work, plan = self.work, self.work.plan
        extent, pixel = work.box * work.pixel_size_angstrom, work.pixel_size_angstrom
        finest = np.deg2rad(FINEST_GRID_DEG) * plan.diameter_angstrom
        spacing = max(self.resolution_angstrom, finest, extent / _SEARCH_RADIUS_LIMIT)
        radius = min(extent / spacing, work.radius_limit)
        step = angular_step_deg(extent / radius, plan.diameter_angstrom)
        rotations = orientation_grid(step, plan.symmetry)
        shifts = shift_grid(plan.shift_reach_angstrom / pixel, max(1.0, spacing / 5 / pixel))
        ball = HalfBall(work.box, radius, work.device)
        return SearchGrid(rotations, step, shifts, work.group), ball

    def _allowed(self, one: SeriesParticles, rows: NDArray[np.intp], grid: SearchGrid) -> Tensor:
        """Return which orientations agree with each particle's prior direction, ``[p, o]``."""
        work = self.work
        if work.plan.cone_deg >= 180 or one.directions is None:
            n = len(grid.rotations) if work.plan.cone_deg < 180 else 0
            return torch.ones(len(rows), n, dtype=torch.bool, device=work.device)
        wanted = torch.as_tensor(one.directions[rows], dtype=torch.float32, device=work.device)
        orbits = torch.as_tensor(
            (grid.rotations[:, None] @ work.group)[..., 2], dtype=torch.float32, device=work.device
        )
        cosine = torch.einsum("pi,omi->pom", wanted, orbits).amax(dim=-1)
        limit = float(np.cos(np.deg2rad(min(180.0, work.plan.cone_deg + grid.step_deg / 2))))
        return (cosine >= limit) | ~wanted.isfinite().all(dim=1, keepdim=True)

    def _cone(self, one: SeriesParticles, rows: NDArray[np.intp]) -> Cone | None:
        """Return where axes of particles are held; ``None`` where they are free."""
        plan = self.work.plan
        if plan.cone_deg >= 180 or one.directions is None:
            return None
        return Cone(one.directions[rows], plan.cone_deg, self.work.group)

    def scale(self) -> float:
        """Return by what references of any origin must be multiplied to be of the views' scale."""
        work = self.work
        scales = [torch.ones(0, device=work.device)]
        for one, half, rows, first in self._by_series():
            some = rows[:_PARTICLES_TO_SCALE]
            poses = self._begin(one, half, some, first)
            views = work.store.views(one).select(some)
            cameras = poses.cameras(one.model, work.device)
            offsets = views.offsets_px(one.model, poses.positions_angstrom)
            expected = predicted(self._sources[half], views, cameras, offsets, self.n_terms)
            agreement = (views.data[..., : self.n_terms] * expected.conj()).real.sum(dim=(1, 2))
            scales.append(agreement / expected.abs().square().sum(dim=(1, 2)).clamp_min(1e-12))
        found = torch.cat(scales)
        total = torch.stack([found.sum(), found.new_tensor(float(len(found)))])
        work.ranks.sum_(total)
        return float(total[0] / total[1].clamp_min(1))

    def refine(self) -> None:
        """Refine all poses, from the candidates where there are some."""
        work = self.work
        n_done, n_all = 0, max(1, sum(map(len, work.series)))
        for one, half, rows, first in self._by_series():
            views = work.store.views(one)
            for part in _runs(len(rows), _PARTICLES_AT_A_TIME):
                share = n_done / n_all
                work.told((1 + share) / 2 if self.candidates else share, f"poses: {one.name}")
                some = rows[part]
                mine, poses = views.select(some), one.poses.select(some)
                cone = self._cone(one, some)
                if self.candidates is not None:
                    found = self.candidates.found[half].select(
                        slice(first + part.start, first + part.stop)
                    )
                    poses = self._best(one.model, mine, poses, self._sources[half], found, cone)
                spread = work.plan.shift_spread_angstrom
                refined = refine_poses(
                    self._sources[half],
                    mine,
                    one.model,
                    poses,
                    self.n_terms,
                    REFINE_STEPS,
                    spread,
                    cone,
                )
                one.poses.rotations[some] = refined.poses.rotations
                one.poses.positions_angstrom[some] = refined.poses.positions_angstrom
                one.scores[some] = refined.score
                one.view_scores[some] = refined.view_scores.cpu().numpy()
                n_done += len(some)

    def _by_series(self) -> Iterator[tuple[SeriesParticles, int, NDArray[np.intp], int]]:
        """Yield series, half, rows of its particles, and where they begin among the half's."""
        first = [0, 0]
        for one in self.work.series:
            for half in (0, 1):
                rows = one.of_half(half)
                if len(rows):
                    yield one, half, rows, first[half]
                first[half] += len(rows)

    def _begin(self, one: SeriesParticles, half: int, rows: NDArray[np.intp], first: int) -> Poses:
        """Return the best candidates of particles, or their poses where nothing was searched."""
        poses = one.poses.select(rows)
        if self.candidates is None:
            return poses
        found = self.candidates.found[half].select(slice(first, first + len(rows)))
        return _candidates(poses, found, 0, self.work.pixel_size_angstrom)

    def _best(
        self,
        model: SeriesModel,
        views: SeriesViews,
        poses: Poses,
        source: SliceSource,
        candidates: Found,
        cone: Cone | None,
    ) -> Poses:
        """Refine candidates to the search's detail, and return the best of every particle."""
        assert self.candidates is not None
        n_terms = self.work.store.plane.within(min(self.candidates.radius, self.radius))
        spread = self.work.plan.shift_spread_angstrom
        best, best_score = poses.copied(), np.full(len(poses), -np.inf)
        likely = _could_win(candidates.score)
        for number in range(candidates.score.shape[1]):
            rows = np.flatnonzero(likely[:, number])
            if not len(rows):
                continue
            begin = _candidates(poses, candidates, number, self.work.pixel_size_angstrom)
            refined = refine_poses(
                source,
                views.select(rows),
                model,
                begin.select(rows),
                n_terms,
                SEARCH_STEPS,
                spread,
                cone and cone.select(rows),
            )
            wins = refined.score > best_score[rows]
            won = rows[wins]
            best.rotations[won] = refined.poses.rotations[wins]
            best.positions_angstrom[won] = refined.poses.positions_angstrom[wins]
            best_score[won] = refined.score[wins]
        return best


def _could_win(score: Tensor) -> NDArray[np.bool_]:
    """Tell which candidates may still be the best once they are refined, ``[p, m]``.

    A grid point lies half a step from the summit at most, where the likelihood has fallen to not
    less than about half of what the best has.
    """
    best = score[:, :1]
    return np.asarray((score.isfinite() & (score >= 0.5 * best)).cpu().numpy())


def _candidates(poses: Poses, found: Found, number: int, pixel: float) -> Poses:
    """Return the poses of all particles' candidates of a number."""
    shifts = found.shifts_px[:, number].double().cpu().numpy()
    rotations = found.rotations[:, number].double().cpu().numpy()
    return Poses(rotations, poses.positions_angstrom + shifts * pixel)


def _runs(n: int, size: int) -> Iterator[slice]:
    for first in range(0, n, size):
        yield slice(first, min(n, first + size))
