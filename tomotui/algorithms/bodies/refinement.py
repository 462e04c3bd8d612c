"""The course of a multibody refinement: poses of all bodies, how far they move, and their maps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.bodies.gathering import Measured, MotionRows
from tomotui.algorithms.bodies.maps import about_pivot, add_bodies, body_maps, joined
from tomotui.algorithms.bodies.masks import pivots_of
from tomotui.algorithms.bodies.poses import Arrangement, BodyPoses
from tomotui.algorithms.bodies.search import BodySearch, Found
from tomotui.algorithms.bodies.spread import Estimates, first_prior, learnt_prior
from tomotui.algorithms.refine.maps import HalfMaps, signal_to_noise
from tomotui.algorithms.refine.particles import SeriesParticles
from tomotui.algorithms.refine.poses import batches
from tomotui.algorithms.refine.reconstruct import Spectra
from tomotui.algorithms.refine.refinement import Refinement
from tomotui.algorithms.subtomograms.views import SeriesModel, SeriesViews
from tomotui.imaging.fsc import Fsc, fourier_shell_correlation
from tomotui.imaging.slices import SliceSource, SliceSums

Array = NDArray[np.float64]

FOLDS = 4
"""Parts of each half. A particle is compared with a map of the other parts of its half: in a map
that it has a share in, its noise is found again where it was put, and holds it there."""

COARSE_ROUNDS = 2
"""Rounds in which poses begin with coarse detail alone, so that bodies far off find their way."""


@dataclass(frozen=True)
class BodyPlan:
    """What does not change in the course of a multibody refinement.

    Attributes
    ----------
    fixed
        Body beside which others are said to move; ``None`` for the one that is seen best.
    turn_spread_deg, shift_spread_angstrom
        How far bodies are thought to move before any was seen: standard deviations.
    coarse_angstrom
        Detail that the first rounds begin with.
    n_steps
        Evaluations of poses.
    """

    fixed: int | None = None
    turn_spread_deg: float = 10.0
    shift_spread_angstrom: float = 5.0
    coarse_angstrom: float = 30.0
    n_steps: int = 10


@dataclass(frozen=True)
class RoundResult:
    """What a round has reached.

    Attributes
    ----------
    score
        Mean log-likelihood of particles above that of noise.
    resolutions_angstrom
        Of each body.
    turn_deg, shift_angstrom
        Standard deviations of the motion of each body but the fixed one, as learnt.
    """

    number: int
    score: float
    resolutions_angstrom: tuple[float, ...]
    turn_deg: tuple[float, ...]
    shift_angstrom: tuple[float, ...]


class MultibodyRefinement:
    """Refines bodies of particles whose poses and consensus map are known.

    Parameters
    ----------
    refinement
        Of the consensus, with its half maps.
    masks
        Of the bodies, which add up to the consensus' mask, ``[b, n, n, n]``.

    Attributes
    ----------
    poses
        Of the particles of each series.
    maps
        Of each body; empty before the first round.
    prior
        Covariance of motions as learnt last.
    """

    def __init__(self, refinement: Refinement, masks: Tensor, plan: BodyPlan | None = None) -> None:
        assert refinement.maps is not None
        self.work, self.plan = refinement.work, plan or BodyPlan()
        self.consensus: HalfMaps = refinement.maps
        self.masks = masks.to(self.work.device)
        mean = self.consensus.reference
        self.pivots_px = pivots_of(mean, self.masks)
        pivots: Array = self.pivots_px.astype(np.float64) * self.work.pixel_size_angstrom
        # A body that the consensus does not follow is blurred, whatever its mass.
        strength = (mean.square() * self.masks).sum(dim=(1, 2, 3))
        fixed = int(strength.argmax()) if self.plan.fixed is None else self.plan.fixed
        self.arrangement = Arrangement(fixed, pivots)
        shares = self.masks / self.consensus.mask.to(self.masks).clamp_min(1e-3)
        # Of each half and body; and the same without each of the folds.
        self.references = [
            [one * share for share in shares.clamp(0, 1)] for one in self.consensus.references
        ]
        self.others = [[one] * FOLDS for one in self.references]
        self.resolution_angstrom = refinement.resolution_angstrom
        self.poses = [BodyPoses.rigid(one.poses, pivots) for one in self.work.series]
        self.folds = _dealt_folds(
            self.work.all_rows([one.halves.astype(np.float64) for one in self.work.series])
        )
        self.scores = [one.scores.copy() for one in self.work.series]
        self.prior = first_prior(
            len(masks), self.plan.turn_spread_deg, self.plan.shift_spread_angstrom
        )
        self.maps: list[HalfMaps] = []
        self.own: MotionRows | None = None
        self.rounds: list[RoundResult] = []

    @property
    def n_bodies(self) -> int:
        """Bodies of a particle."""
        return len(self.masks)

    # Rounds

    def iterate(self) -> RoundResult:
        """Refine all poses, learn how far bodies move, and make maps of them."""
        if not self.rounds:
            self.make_maps()
        estimates = self._refine_poses(len(self.rounds) < COARSE_ROUNDS)
        self.prior = learnt_prior(estimates)
        self.make_maps()
        spread = np.sqrt(np.diag(self.prior)).reshape(-1, 2, 3)
        lengths = np.linalg.norm(spread, axis=2)
        score = self.work.all_rows(self.scores)
        result = RoundResult(
            len(self.rounds) + 1,
            float(np.nanmean(score)),
            tuple(one.resolution_angstrom for one in self.maps),
            tuple(lengths[:, 0].tolist()),
            tuple(lengths[:, 1].tolist()),
        )
        self.rounds.append(result)
        return result

    def _refine_poses(self, is_coarse: bool) -> Estimates:
        """Refine the poses of all bodies, and return the motions that they mean."""
        motions = MotionRows(self.poses, self.arrangement.n_numbers)
        for half, fold in itertools.product((0, 1), range(FOLDS)):
            search = self._search(self.others[half][fold])
            for number, rows, views in self._parts("poses of bodies", half, fold):
                found = self._climbed(
                    search,
                    views,
                    self.work.series[number].model,
                    self.poses[number].select(rows),
                    is_coarse,
                )
                self.poses[number].put(rows, found.poses)
                self.scores[number][rows] = found.scores
                motions.put(number, rows, found.estimates)
        self.own = motions
        return motions.gathered(self.work, self.prior)[1]

    def _search(self, references: Sequence[Tensor]) -> BodySearch:
        sources = self._sources(references, with_gradient=True)
        return BodySearch(sources, self.arrangement, self.prior)

    def _sources(self, references: Sequence[Tensor], with_gradient: bool) -> list[SliceSource]:
        radius = self.work.radius(self.resolution_angstrom)
        return [
            SliceSource(about_pivot(one, pivot), radius, with_gradient)
            for one, pivot in zip(references, self.pivots_px, strict=True)
        ]

    def _terms(self, resolution_angstrom: float) -> int:
        return self.work.store.plane.within(self.work.radius(resolution_angstrom))

    def _climbed(
        self,
        search: BodySearch,
        views: SeriesViews,
        model: SeriesModel,
        poses: BodyPoses,
        is_coarse: bool,
    ) -> Found:
        """Refine poses, from coarse detail on where they may be far off."""
        coarse = self.plan.coarse_angstrom
        if is_coarse and coarse > 1.3 * self.resolution_angstrom:
            poses = search.climb(views, model, poses, self._terms(coarse), self.plan.n_steps).poses
        return search.climb(
            views, model, poses, self._terms(self.resolution_angstrom), self.plan.n_steps
        )

    def _parts(
        self, words: str, half: int, fold: int
    ) -> Iterator[tuple[int, NDArray[np.intp], SeriesViews]]:
        """Yield series, rows of some of their particles, and views, as many as fit at a time."""
        work, n_terms = self.work, self._terms(self.resolution_angstrom)
        done = (half * FOLDS + fold) / (2 * FOLDS)
        for number, one in enumerate(work.series):
            work.told(done + number / len(work.series) / (2 * FOLDS), f"{words}: {one.name}")
            mine = one.of_half(half)
            mine = mine[self.folds[one.rows[mine]] == fold]
            if not len(mine):
                continue
            views = work.store.views(one)
            for part in batches(len(mine), n_terms * one.model.n_tilts * self.n_bodies):
                yield number, mine[part], views.select(mine[part])

    # Maps

    def make_maps(self) -> list[HalfMaps]:
        """Make half maps of all bodies, and references of them."""
        work, n_terms = self.work, self._terms(self.resolution_angstrom)
        alone = torch.eye(3, device=work.device)[None]
        spectra: list[list[list[Spectra]]] = [[], []]
        for half, fold in itertools.product((0, 1), range(FOLDS)):
            sources = self._sources(self.references[half], with_gradient=False)
            sums = [SliceSums(work.box, work.radius_limit, work.device) for _ in self.masks]
            for number, rows, views in self._parts("maps of bodies", half, fold):
                add_bodies(
                    sums,
                    sources,
                    views,
                    work.series[number].model,
                    self.poses[number].select(rows),
                    self.arrangement.pivots_angstrom,
                    n_terms,
                )
            spectra[half].append([Spectra.of(one, alone, work.ranks) for one in sums])
        self._solve(spectra)
        return self.maps

    def _solve(self, spectra: list[list[list[Spectra]]]) -> None:
        """Solve for maps and references, of spectra of each half, fold and body."""
        whole = [torch.stack(one).sum(dim=0) for one in self.references]
        self.maps = []
        left_out: list[list[list[Tensor]]] = [[[] for _ in range(FOLDS)] for _ in (0, 1)]
        for body, mask in enumerate(self.masks):
            folds = [[fold[body] for fold in spectra[half]] for half in (0, 1)]
            totals = [joined(one) for one in folds]
            others = [whole[half] - self.references[half][body] for half in (0, 1)]
            found = body_maps(
                (totals[0], totals[1]),
                (others[0], others[1]),
                mask,
                self.work.pixel_size_angstrom,
            )
            self.maps.append(found)
            trusted = signal_to_noise(found.fsc)
            for half, fold in itertools.product((0, 1), range(FOLDS)):
                rest = joined([one for at, one in enumerate(folds[half]) if at != fold])
                left_out[half][fold].append((rest.volume(trusted) + others[half]) * mask)
        self.references = [[one.references[half] for one in self.maps] for half in (0, 1)]
        self.others = left_out
        best = min(one.resolution_angstrom for one in self.maps)
        if np.isfinite(best):
            self.resolution_angstrom = max(best, 2 * self.work.pixel_size_angstrom)

    def consensus_fsc(self, body: int) -> Fsc:
        """Return how far the halves of the consensus agree within a body."""
        maps = self.consensus
        return fourier_shell_correlation(
            maps.halves[0], maps.halves[1], maps.pixel_size_angstrom, self.masks[body]
        )

    # Motions

    def measure(self) -> Measured:
        """Find all motions anew, beginning with none, with the maps of the other half."""
        kinds = ("whole", "first", "second")
        motions = {kind: MotionRows(self.poses, self.arrangement.n_numbers) for kind in kinds}
        rotations = [one.rotations.copy() for one in self.poses]
        turns = [np.zeros_like(one) for one in rotations]
        for half in (0, 1):
            search = self._search(self.references[1 - half])
            for fold in range(FOLDS):
                for number, rows, views in self._parts("motions", half, fold):
                    one = self.work.series[number]
                    poses = one.poses.select(rows)
                    rigid = BodyPoses.rigid(poses, self.arrangement.pivots_angstrom)
                    for kind in kinds:
                        seen = _of_tilts(views, one, kind)
                        found = self._climbed(search, seen, one.model, rigid, True)
                        motions[kind].put(number, rows, found.estimates)
                        if kind == "whole":
                            rotations[number][rows] = found.poses.rotations
                            turns[number][rows] = found.turns_rad2
        gathered = [motions[kind].gathered(self.work, self.prior) for kind in kinds]
        assert self.own is not None
        _, own = self.own.gathered(self.work, self.prior)
        rows, whole = gathered[0]
        return Measured(
            rows,
            own,
            whole,
            gathered[1][1],
            gathered[2][1],
            self.work.all_rows(rotations)[rows],
            self.work.all_rows(turns)[rows],
        )

    # Going on after a stop

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on as if nothing had happened; all processes must ask."""
        work = self.work
        return {
            "rotations": torch.as_tensor(work.all_rows([one.rotations for one in self.poses])),
            "positions": torch.as_tensor(
                work.all_rows([one.positions_angstrom for one in self.poses])
            ),
            "scores": torch.as_tensor(work.all_rows(self.scores)),
            "motions": None if self.own is None else self.own.rows(work),
            "references": [list(one) for one in self.references],
            "others": [[list(fold) for fold in half] for half in self.others],
            "resolution": self.resolution_angstrom,
            "prior": torch.as_tensor(self.prior),
            "rounds": [list(vars(one).values()) for one in self.rounds],
        }

    def take_up(self, state: dict[str, Any]) -> None:
        """Take up a state of the same particles and bodies."""
        rotations, positions, scores = (
            state[name].cpu().numpy() for name in ("rotations", "positions", "scores")
        )
        self.poses = [
            BodyPoses(rotations[one.rows], positions[one.rows]) for one in self.work.series
        ]
        self.scores = [scores[one.rows] for one in self.work.series]
        self.references = [
            [one.to(self.work.device) for one in half] for half in state["references"]
        ]
        self.others = [
            [[one.to(self.work.device) for one in fold] for fold in half]
            for half in state["others"]
        ]
        if state["motions"] is not None:
            self.own = MotionRows(self.poses, self.arrangement.n_numbers)
            self.own.take_up(state["motions"], self.work)
        self.resolution_angstrom = state["resolution"]
        self.prior = state["prior"].cpu().numpy()
        self.rounds = [RoundResult(*one) for one in state["rounds"]]


def _dealt_folds(halves: Array) -> NDArray[np.int64]:
    """Deal the particles of each half out to folds, by row."""
    folds = np.zeros(len(halves), dtype=np.int64)
    for half in (0, 1):
        mine = np.flatnonzero(halves == half)
        folds[mine] = np.arange(len(mine)) % FOLDS
    return folds


def _of_tilts(views: SeriesViews, one: SeriesParticles, kind: str) -> SeriesViews:
    """Return views of every other tilt by angle for the kinds that are of those alone."""
    if kind not in ("first", "second"):
        return views
    rank = np.argsort(np.argsort(one.model.geometry.tilt_deg))
    kept = torch.as_tensor(rank % 2 == (kind == "second"), device=views.data.device)[:, None]
    return replace(views, data=views.data * kept, transfer=views.transfer * kept)
