"""Classes whose maps particles are aligned with, each class with poses of its own.

A particle is compared with a class where it lies best in that class's map: poses that were found
with another map would favour that one. Poses are refined with the map of a particle's own half,
as in refinement, so that halves stay independent; how well a class agrees is judged by the map of
the other half, in which the particle has no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.classify.evidence import fits
from tomotui.algorithms.classify.mixture import ClassPlan, Round, log_probabilities
from tomotui.algorithms.refine.maps import HalfMaps
from tomotui.algorithms.refine.pose_rounds import PoseRound
from tomotui.algorithms.refine.poses import Poses
from tomotui.algorithms.refine.refinement import Refinement

Array = NDArray[np.float64]

LEAST_PARTICLES = 2.0
"""Of each half, for a class to have a map."""


@dataclass
class ClassState:
    """Particles in classes, with poses in each.

    Attributes
    ----------
    probabilities
        By row, ``[n, k]``, the class of noise last.
    rotations, positions_angstrom
        By class with a map and row, ``[c, n, 3, 3]`` and ``[c, n, 3]``.
    """

    probabilities: Array
    rotations: Array
    positions_angstrom: Array

    @property
    def n_maps(self) -> int:
        """Classes with maps."""
        return len(self.rotations)

    @property
    def labels(self) -> NDArray[np.int64]:
        """The most probable class of each particle, ``[n]``."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    def reordered(self, order: NDArray[np.intp]) -> ClassState:
        """Return classes with maps in another order."""
        columns = np.r_[order, np.arange(self.n_maps, self.probabilities.shape[1])]
        return ClassState(
            self.probabilities[:, columns], self.rotations[order], self.positions_angstrom[order]
        )

    def state(self) -> dict[str, Any]:
        """Return it as tensors."""
        return {
            "probabilities": torch.as_tensor(self.probabilities),
            "rotations": torch.as_tensor(self.rotations),
            "positions": torch.as_tensor(self.positions_angstrom),
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> ClassState:
        """Return what `state` has kept."""
        names = ("probabilities", "rotations", "positions")
        return cls(*(state[name].cpu().numpy() for name in names))


class AligningClasses:
    """Sorts and aligns particles together.

    Parameters
    ----------
    refinement
        At its level, with the particles as they lie, and the map of all.
    plan
        How particles are sorted.
    focus
        Mask outside which every class is the map of all, ``[n, n, n]``; ``None`` for everywhere.
    """

    def __init__(
        self, refinement: Refinement, plan: ClassPlan, focus: Tensor | None = None
    ) -> None:
        self.refinement, self.plan, self.focus = refinement, plan, focus

    def alone(self, n_classes: int) -> AligningClasses:
        """Return the same for another number of classes."""
        plan = replace(self.plan, n_classes=n_classes)
        return AligningClasses(self.refinement, plan, self.focus)

    def begin(self, probabilities: Array) -> ClassState:
        """Return classes whose particles all lie as they do now."""
        now = self._poses()
        n = self.plan.n_classes
        return ClassState(
            probabilities,
            np.repeat(now.rotations[None], n, axis=0),
            np.repeat(now.positions_angstrom[None], n, axis=0),
        )

    def _poses(self) -> Poses:
        """Return the poses of all particles by row."""
        work = self.refinement.work
        return Poses(
            work.all_rows([one.poses.rotations for one in work.series]),
            work.all_rows([one.poses.positions_angstrom for one in work.series]),
        )

    def lay(self, state: ClassState, number: int | NDArray[np.int64]) -> None:
        """Lay particles as they lie in a class, or each as in a class of its own.

        Parameters
        ----------
        number
            Of the class; of each particle's by row ``[n]``.
        """
        for one in self.refinement.work.series:
            which = number if isinstance(number, int) else number[one.rows]
            one.poses = Poses(
                state.rotations[which, one.rows].copy(),
                state.positions_angstrom[which, one.rows].copy(),
            )

    def maps(self, state: ClassState) -> list[HalfMaps | None]:
        """Return the half maps of every class; ``None`` for one that has too few particles."""
        halves = self.refinement.work.all_rows(
            [one.halves.astype(float) for one in self.refinement.series]
        )
        found: list[HalfMaps | None] = []
        for number in range(state.n_maps):
            shares = state.probabilities[:, number]
            fewest = min(float(shares[halves == half].sum()) for half in (0, 1))
            if fewest < LEAST_PARTICLES:
                found.append(None)
                continue
            self.lay(state, number)
            found.append(self.refinement.weighted_maps(shares))
        return found

    def advance(self, state: ClassState, number: int) -> tuple[ClassState, Round]:
        """Make maps, align particles with each, and sort them anew.

        Parameters
        ----------
        number
            Of the round.
        """
        found = [
            None if maps is None else (self._references(maps), maps.resolution_angstrom)
            for maps in self.maps(state)
        ]
        return self._compared(state, found, number, over_all=False)

    def search(
        self, state: ClassState, given: Sequence[Tensor], resolution_angstrom: float
    ) -> tuple[ClassState, Round]:
        """Find poses over all orientations in each of some given maps, and sort by them.

        Parameters
        ----------
        given
            For every class, ``[n, n, n]``.
        resolution_angstrom
            Finest detail of them that counts.
        """
        found = [((one, one), resolution_angstrom) for one in given]
        return self._compared(state, found, 0, over_all=True)

    def _references(self, maps: HalfMaps) -> tuple[Tensor, Tensor]:
        common = self.refinement.maps
        if self.focus is None or common is None:
            return maps.references
        first, second = (
            whole + self.focus * (own - whole)
            for own, whole in zip(maps.references, common.references, strict=True)
        )
        return first, second

    def _compared(
        self,
        state: ClassState,
        found: Sequence[tuple[tuple[Tensor, Tensor], float] | None],
        number: int,
        over_all: bool,
    ) -> tuple[ClassState, Round]:
        """Align particles with references of every class, and sort them by how well they fit."""
        work = self.refinement.work
        scores = np.full((len(state.probabilities), state.n_maps), -np.inf)
        fresh = ClassState(
            state.probabilities, state.rotations.copy(), state.positions_angstrom.copy()
        )
        for c, one in enumerate(found):
            if one is None:
                continue
            references, resolution = one
            resolution = self._usable(resolution)
            self.lay(state, c)
            this = PoseRound(work, references, resolution)
            if over_all:
                this.look_everywhere()
                scale = max(this.scale(), 1e-6)
                references = references[0] * scale, references[1] * scale
                this.take(references)
            this.refine()
            poses = [one.poses for one in work.series]
            swapped = references[1], references[0]
            by_series = fits(work, swapped, poses, resolution)
            for one_series, (agreement, power) in zip(work.series, by_series, strict=True):
                rows = one_series.rows
                scores[rows, c] = agreement - 0.5 * power
                fresh.rotations[c, rows] = one_series.poses.rotations
                fresh.positions_angstrom[c, rows] = one_series.poses.positions_angstrom
        return self._sorted(fresh, scores, number)

    def _sorted(self, state: ClassState, scores: Array, number: int) -> tuple[ClassState, Round]:
        plan = self.plan
        populations = torch.as_tensor(state.probabilities.mean(axis=0))
        nothing = torch.zeros(len(scores), dtype=torch.float64)
        log, likelihood = log_probabilities(
            torch.as_tensor(scores), nothing, populations, plan, plan.temperature
        )
        probabilities = log.exp().numpy()
        changed = float((probabilities.argmax(axis=1) != state.labels).mean())
        done = Round(
            number,
            probabilities.mean(axis=0),
            changed,
            float(likelihood.mean()) * plan.temperature,
        )
        return ClassState(probabilities, state.rotations, state.positions_angstrom), done

    def _usable(self, resolution_angstrom: float) -> float:
        """Return the detail of references that counts; coarse where halves agree on nothing."""
        plan, nyquist = self.refinement.plan, 2 * self.refinement.work.pixel_size_angstrom
        coarsest = max(2 * nyquist, 0.15 * plan.diameter_angstrom)
        return float(np.clip(resolution_angstrom, 1.05 * nyquist, coarsest))
