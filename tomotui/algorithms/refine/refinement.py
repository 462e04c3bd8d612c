"""The course of a refinement: poses, maps, corrections of the series, from coarse to fine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.refine.hand import HandCheck, check_hand, drawn
from tomotui.algorithms.refine.helix import (
    CENTRAL_SHARE,
    Helix,
    helically_averaged,
    refined_helix,
)
from tomotui.algorithms.refine.maps import HalfMaps, half_maps, resampled
from tomotui.algorithms.refine.particles import Level, SeriesParticles, ViewStore
from tomotui.algorithms.refine.plan import LETTERS, IterationResult, RefinementPlan
from tomotui.algorithms.refine.pose_rounds import PoseRound
from tomotui.algorithms.refine.poses import Poses
from tomotui.algorithms.refine.reconstruct import Spectra
from tomotui.algorithms.refine.state import take_up_work, work_state
from tomotui.algorithms.refine.tilts import Judged, TiltRefiner
from tomotui.algorithms.refine.work import Work
from tomotui.algorithms.refine.work_sums import half_spectra
from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations
from tomotui.imaging.slices import SliceSource

Array = NDArray[np.float64]

FARTHEST_SHIFT_ANGSTROM = 20.0
"""Of a tilt, that is looked for by correlation."""


class Refinement:
    """A refinement of particles of several series.

    Parameters
    ----------
    series
        Particles; those of this process, where several share the work.
    plan
        What does not change.
    keep_bytes
        Room for views.
    device
        Where to work.
    told
        Is told the share of the iteration that is done, and what is done; may raise to stop.

    Attributes
    ----------
    references
        Maps that the halves are compared with.
    maps
        Of the last iteration; ``None`` before the first.
    resolution_angstrom
        Finest detail of the references that counts.
    helix
        Of filaments, as refined; ``None`` for other particles.
    hand
        What the first search over all orientations says of the reference's mirror image.
    """

    def __init__(
        self,
        series: Sequence[SeriesParticles],
        plan: RefinementPlan,
        keep_bytes: int = 2**32,
        device: torch.device | str = "cpu",
        ranks: Ranks | None = None,
        told: Callable[[float, str], None] = lambda share, words: None,
    ) -> None:
        ranks, place = ranks or Ranks(), torch.device(device)
        self.work = Work(
            list(series),
            plan,
            ViewStore(keep_bytes, place, ranks),
            symmetry_rotations(plan.symmetry),
            place,
            ranks,
            told,
        )
        self.references: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))
        self.maps: HalfMaps | None = None
        self.resolution_angstrom = plan.first_resolution_angstrom
        self.iterations: list[IterationResult] = []
        self.hand: HandCheck | None = None
        self.helix: Helix | None = None
        if plan.rise_angstrom > 0:
            length = CENTRAL_SHARE * plan.diameter_angstrom
            self.helix = Helix(plan.rise_angstrom, plan.twist_deg, length)
        self._is_scaled = True
        self._mask: tuple[Tensor, float] | None = None

    @property
    def series(self) -> list[SeriesParticles]:
        """Particles of this process."""
        return self.work.series

    @property
    def plan(self) -> RefinementPlan:
        """What does not change."""
        return self.work.plan

    @property
    def n_terms(self) -> int:
        """Fourier terms of a view that the references say something about."""
        return self.work.store.plane.within(self.work.radius(self.resolution_angstrom))

    # Levels and references

    def go_to(self, level: Level, image_pixel_angstrom: float) -> None:
        """Go to a level unless it is the one at work; references are brought to its pixels.

        Parameters
        ----------
        image_pixel_angstrom
            Of the images before binning.
        """
        work = self.work
        if level == work.store.level:
            return
        pixel = image_pixel_angstrom * level.binning
        if self.references[0].numel():
            # Projections are sums along the beam: of fewer, longer steps where pixels are larger.
            steps = pixel / work.pixel_size_angstrom
            first, second = (
                resampled(one, work.pixel_size_angstrom, pixel, level.box) * steps
                for one in self.references
            )
            self.references = (first, second)
        work.store.at(level)
        work.pixel_size_angstrom = pixel

    def take_references(self, first: Tensor, second: Tensor, pixel_size_angstrom: float) -> None:
        """Begin with maps, which count to the first resolution of the plan only."""
        self.references = (first.to(self.work.device), second.to(self.work.device))
        self.work.pixel_size_angstrom = pixel_size_angstrom
        self._is_scaled = False

    def take_mask(self, mask: Tensor | None, pixel_size_angstrom: float) -> None:
        """Judge all maps from now on under a mask, instead of one that is found from them."""
        self._mask = None if mask is None else (mask.to(self.work.device), pixel_size_angstrom)

    def _mask_here(self) -> Tensor | None:
        """Return the mask that was given on the pixels of the maps."""
        if self._mask is None:
            return None
        mask, pixel = self._mask
        return resampled(mask, pixel, self.work.pixel_size_angstrom, self.work.box).clamp(0, 1)

    def _sources(self) -> list[SliceSource]:
        radius = self.work.radius(self.resolution_angstrom)
        return [SliceSource(one, radius, with_gradient=True) for one in self.references]

    # Iterations

    def iterate(self, letter: str) -> IterationResult:
        """Refine one thing, and make new maps."""
        began = time.monotonic()
        self.work.store.prepare(self.series)
        before = [one.poses.copied() for one in self.series]
        shifts_before = [one.model.geometry.shift_angstrom for one in self.series]
        kept, change_deg = 1.0, 0.0
        if letter in "Pp":
            self._refine_poses(over_all=letter == "P")
            change_deg, change_angstrom = self._pose_change(before)
        else:
            kept = self._refine_series(letter)
            moved = [
                one.model.geometry.shift_angstrom - old
                for one, old in zip(self.series, shifts_before, strict=True)
            ]
            change_angstrom = float(np.sqrt(np.mean([np.mean(m**2) for m in moved])))
        if letter in "Pp" or kept > 0:
            self.make_maps()
        result = IterationResult(
            len(self.iterations) + 1,
            letter,
            self.work.pixel_size_angstrom,
            self.maps.resolution_angstrom if self.maps else float("inf"),
            self._mean_score(),
            change_deg,
            change_angstrom,
            kept,
            time.monotonic() - began,
        )
        self.iterations.append(result)
        return result

    def _refine_poses(self, over_all: bool) -> None:
        this = PoseRound(self.work, self.references, self.resolution_angstrom)
        asks_hand = over_all and not self.iterations
        some = drawn(self.series, self.work.ranks.count) if asks_hand else []
        if over_all:
            this.look_everywhere()
        if not self._is_scaled:
            scale = this.scale()
            if scale > 0:
                self.references = (self.references[0] * scale, self.references[1] * scale)
                this.take(self.references)
            self._is_scaled = True
        this.refine()
        if asks_hand:
            self.hand = check_hand(self.work, some, self.references, self.resolution_angstrom)

    def _refine_series(self, letter: str) -> float:
        """Refine corrections of every series; returns the share of which some were kept."""
        sources, n_kept, work = self._sources(), 0, self.work
        for number, one in enumerate(self.series):
            work.told(number / len(self.series), f"{LETTERS[letter]}: {one.name}")
            refiner = TiltRefiner(one, work.store.views(one), sources, self.n_terms, work.ranks)
            judged = self._corrected(refiner, letter)
            if judged.is_kept:
                n_kept += 1
                if judged.model.ctf is not one.model.ctf:
                    work.store.forget(one)
                one.model = judged.model
        return n_kept / max(1, len(self.series))

    def _corrected(self, refiner: TiltRefiner, letter: str) -> Judged:
        """Refine one kind of correction, and keep what held-out particles gain by."""
        series, began_with = refiner.series, refiner.series.model
        best = Judged(began_with, False, 0.0)
        if letter == "t":
            # Far shifts first: the correlation is looked through as far as the motion may be.
            pixel, box = self.work.pixel_size_angstrom, self.work.box
            reach = max(2.0, min(FARTHEST_SHIFT_ANGSTROM / pixel, box / 6))
            best = refiner.shifts_by_correlation(reach)
            series.model = best.model
        order = series.time_order()
        rounds: dict[str, Callable[[], Judged]] = {
            "t": refiner.shifts,
            "r": refiner.turns,
            "d": refiner.defocus,
            "g": lambda: refiner.motion(self.plan.n_nodes, order),
            "m": refiner.magnification,
        }
        found = rounds[letter]()
        if found.is_kept:
            best = replace(found, gain=best.gain + found.gain)
        series.model = began_with
        return best

    def _mean_score(self) -> float:
        scores = [float(one.scores.sum()) for one in self.series]
        return self._mean(sum(scores), sum(map(len, self.series)))

    def _mean(self, total: float, count: float) -> float:
        """Return a mean over all processes."""
        both = torch.tensor([total, count], dtype=torch.float64, device=self.work.device)
        self.work.ranks.sum_(both)
        return float(both[0] / both[1].clamp_min(1))

    def _pose_change(self, before: Sequence[Poses]) -> tuple[float, float]:
        """Return the median turn in degrees and the median shift in Angstrom of all poses."""
        group = self.work.group
        turned, moved = [], []
        for one, old in zip(self.series, before, strict=True):
            turned.append(symmetric_angle_deg(old.rotations, one.poses.rotations, group))
            way = one.poses.positions_angstrom - old.positions_angstrom
            moved.append(np.linalg.norm(way, axis=1))
        found = [self.work.all_rows(one) for one in (turned, moved)]
        medians = [float(np.nanmedian(one)) if np.isfinite(one).any() else 0.0 for one in found]
        return medians[0], medians[1]

    # Maps

    def make_maps(self) -> HalfMaps:
        """Make half maps of the particles as they lie, and references of them."""
        spectra = half_spectra(self.work)
        if self.helix is not None and self.plan.refines_helix:
            self._refine_helix(spectra)
        self.maps = self._solved(spectra, self._mask_here())
        self.references = self.maps.references
        nyquist = 2 * self.work.pixel_size_angstrom
        reached = self.maps.resolution_angstrom
        if not np.isfinite(reached):
            reached = self.plan.first_resolution_angstrom
        self.resolution_angstrom = max(nyquist, min(reached, self.plan.first_resolution_angstrom))
        return self.maps

    def weighted_maps(self, weights: Array) -> HalfMaps:
        """Return half maps in which particles count by weights, judged as the last maps were.

        Parameters
        ----------
        weights
            By row, ``[n]``; particles of none are left out.
        """
        mask = None if self.maps is None else self.maps.mask
        return self._solved(half_spectra(self.work, weights), mask)

    def _solved(self, spectra: Sequence[Spectra], mask: Tensor | None) -> HalfMaps:
        pixel, diameter = self.work.pixel_size_angstrom, self.plan.diameter_angstrom
        helix = self.helix
        if helix is None:
            return half_maps(spectra, pixel, diameter, mask)

        def averaged(volume: Tensor) -> Tensor:
            return helically_averaged(volume, pixel, helix)

        return half_maps(spectra, pixel, diameter, mask, averaged)

    def _refine_helix(self, spectra: Sequence[Spectra]) -> None:
        """Refine rise and twist by both halves together: two numbers share no detail."""
        assert self.helix is not None
        whole = spectra[0].joined(spectra[1]).volume()
        # Always near what was asked for, however many iterations there are.
        begun = replace(
            self.helix, rise_angstrom=self.plan.rise_angstrom, twist_deg=self.plan.twist_deg
        )
        pixel = self.work.pixel_size_angstrom
        resolution = max(2.5 * pixel, self.resolution_angstrom)
        self.helix = refined_helix(whole, pixel, begun, resolution)

    def cut(self, share: float) -> NDArray[np.int64]:
        """Leave out the particles that agree least with their half's map.

        Agreement is the likelihood gained over what a perfect copy would gain: particles with
        few or weak views are not left out for that.

        Returns
        -------
        Rows of those left out.
        """
        sources, kept, work = self._sources(), [], self.work
        for one in self.series:
            judge = TiltRefiner(one, work.store.views(one), sources, self.n_terms)
            power = sum(judge.fits(one.model, half)[1].sum(dim=1) for half in (0, 1))
            ideal = 0.5 * torch.as_tensor(power).double().cpu().numpy()
            kept.append(one.scores / np.maximum(ideal, 1e-12))
        agreement = work.all_rows(kept)
        known = np.isfinite(agreement)
        limit = np.quantile(agreement[known], share) if known.any() else -np.inf
        self._keep([own >= limit for own in kept])
        return np.flatnonzero(known & (agreement < limit))

    def cut_drifted(self, most_angstrom: float) -> NDArray[np.int64]:
        """Leave out the particles that have moved far from where they were picked.

        Returns
        -------
        Rows of those left out.
        """
        moved = [
            np.linalg.norm(one.poses.positions_angstrom - one.picked_angstrom, axis=1)
            for one in self.series
        ]
        everywhere = self.work.all_rows(moved)
        self._keep([own <= most_angstrom for own in moved])
        return np.flatnonzero(everywhere > most_angstrom)

    def _keep(self, kept: Sequence[NDArray[np.bool_]]) -> None:
        for one, mine in zip(self.series, kept, strict=True):
            self.work.store.forget(one)
            one.keep(mine)

    # Going on after a stop

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on as if nothing had happened; all processes must ask."""
        return {
            "references": list(self.references),
            "resolution": self.resolution_angstrom,
            "is_scaled": self._is_scaled,
            "helix": None if self.helix is None else asdict(self.helix),
            "iterations": [asdict(one) for one in self.iterations],
            **work_state(self.work),
        }

    def take_up(self, state: dict[str, Any]) -> None:
        """Take up a state of the same particles."""
        first, second = (one.to(self.work.device) for one in state["references"])
        take_up_work(self.work, state)
        self.references = (first, second)
        self.resolution_angstrom = state["resolution"]
        self._is_scaled = state["is_scaled"]
        self.helix = None if state["helix"] is None else Helix(**state["helix"])
        self.iterations = [IterationResult(**one) for one in state["iterations"]]
