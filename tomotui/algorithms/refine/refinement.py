"""The course of a refinement: poses, maps, corrections of the series, from coarse to fine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.refine.equations import predicted
from tomotui.algorithms.refine.maps import HalfMaps, half_maps
from tomotui.algorithms.refine.particles import Level, SeriesParticles, ViewStore
from tomotui.algorithms.refine.poses import Poses, batches, refine_poses
from tomotui.algorithms.refine.reconstruct import Spectra, add_views
from tomotui.algorithms.refine.search import Found, SearchGrid, search, shift_grid
from tomotui.algorithms.refine.tilts import Judged, TiltRefiner
from tomotui.algorithms.subtomograms.joined import HalfBall, JoinedViews, join_views
from tomotui.algorithms.subtomograms.views import SeriesModel, SeriesViews
from tomotui.geometry import TiltGeometry
from tomotui.geometry.angles import angular_step_deg, orientation_grid
from tomotui.geometry.local import LocalField
from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations
from tomotui.imaging.slices import SliceSource, SliceSums

Array = NDArray[np.float64]
Letter = Literal["P", "p", "t", "r", "d", "g", "m"]

LETTERS: dict[str, str] = {
    "P": "poses, over all orientations",
    "p": "poses, from where they are",
    "t": "shift of every tilt",
    "r": "turn and shift of every tilt",
    "d": "defocus of every tilt",
    "g": "smooth motion over field and time",
    "m": "magnification of every series",
}
"""What an iteration may refine."""

N_CANDIDATES = 6
FINEST_GRID_DEG = 7.5
_SEARCH_RADIUS_LIMIT = 14.0
_PARTICLES_AT_A_TIME = 64


@dataclass(frozen=True)
class RefinementPlan:
    """What does not change in the course of a refinement.

    Attributes
    ----------
    diameter_angstrom
        Of the particle.
    symmetry
        Point group.
    first_resolution_angstrom
        Of the reference: finer detail of it is not used, so that halves cannot share it.
    shift_reach_angstrom
        How far particles may be from where they were picked, in a search over all orientations.
    shift_spread_angstrom
        Standard deviation of the same in refinement; 0 for anywhere.
    cone_deg
        How far the reference's z axis may be from a particle's prior direction.
    n_nodes
        Of the field of motion, along x and y.
    """

    diameter_angstrom: float
    symmetry: str = "C1"
    first_resolution_angstrom: float = 40.0
    shift_reach_angstrom: float = 15.0
    shift_spread_angstrom: float = 15.0
    cone_deg: float = 180.0
    n_nodes: int = 3


@dataclass(frozen=True)
class IterationResult:
    """What an iteration did.

    Attributes
    ----------
    number
        Counted from 1.
    letter
        What was refined.
    pixel_size_angstrom, resolution_angstrom
        Of the maps afterwards.
    score
        Mean log-likelihood of particles above that of noise.
    change_deg, change_angstrom
        Median change of poses; for tilts, root mean square change of their shifts.
    kept
        Share of the series whose correction was kept; 1 for poses.
    seconds
        It took.
    """

    number: int
    letter: str
    pixel_size_angstrom: float
    resolution_angstrom: float
    score: float
    change_deg: float
    change_angstrom: float
    kept: float
    seconds: float


@dataclass(frozen=True)
class Gathered:
    """Particles of all processes by row; NaN in rows that are not there.

    Attributes
    ----------
    scores
        ``[n]``.
    view_scores
        Sum over the particles of each series by tilt, ``[t]`` each.
    """

    poses: Poses
    scores: Array
    view_scores: list[Array]


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
        Is told what is done and the share of the iteration; may raise to stop.

    Attributes
    ----------
    references
        Maps that the halves are compared with.
    maps
        Of the last iteration; ``None`` before the first.
    resolution_angstrom
        Finest detail of the references that counts.
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
        self.series, self.plan, self.told = list(series), plan, told
        self.device, self.ranks = torch.device(device), ranks or Ranks()
        self.store = ViewStore(keep_bytes, device, self.ranks)
        self.group = symmetry_rotations(plan.symmetry)
        self.references: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))
        self.maps: HalfMaps | None = None
        self.resolution_angstrom = plan.first_resolution_angstrom
        self.iterations: list[IterationResult] = []
        self.pixel_size_angstrom = 0.0
        self._is_scaled = True

    # Levels and references

    @property
    def level(self) -> Level:
        """The binning at work."""
        return self.store.level

    def begin_level(self, level: Level, pixel_size_angstrom: float) -> None:
        """Go to a level; references are brought to its box and pixels.

        Parameters
        ----------
        pixel_size_angstrom
            Of the views at that level.
        """
        if self.references[0].numel() and self.pixel_size_angstrom:
            # Projections are sums along the beam: of fewer, longer steps where pixels are larger.
            steps = pixel_size_angstrom / self.pixel_size_angstrom
            first, second = (
                resampled(one, self.pixel_size_angstrom, pixel_size_angstrom, level.box) * steps
                for one in self.references
            )
            self.references = (first, second)
        self.store.at(level)
        self.pixel_size_angstrom = pixel_size_angstrom

    def go_to(self, level: Level, image_pixel_angstrom: float) -> None:
        """Go to a level unless it is the one at work.

        Parameters
        ----------
        image_pixel_angstrom
            Of the images before binning.
        """
        if level != self.level:
            self.begin_level(level, image_pixel_angstrom * level.binning)

    def take_references(self, first: Tensor, second: Tensor, pixel_size_angstrom: float) -> None:
        """Begin with maps, which count to the first resolution of the plan only."""
        self.references = (first.to(self.device), second.to(self.device))
        self.pixel_size_angstrom = pixel_size_angstrom
        self._is_scaled = False

    @property
    def _radius_limit(self) -> float:
        return self.level.box / 2 - 1

    def radius(self, resolution_angstrom: float) -> float:
        """Return the frequency of a spacing in cycles per box, within what the box holds."""
        extent = self.level.box * self.pixel_size_angstrom
        return min(extent / resolution_angstrom, self._radius_limit)

    @property
    def n_terms(self) -> int:
        """Fourier terms of a view that the references say something about."""
        return self.store.plane.within(self.radius(self.resolution_angstrom))

    # Iterations

    def iterate(self, letter: str) -> IterationResult:
        """Refine one thing, and make new maps."""
        began = time.monotonic()
        before = [one.poses.copied() for one in self.series]
        shifts_before = [one.model.geometry.shift_angstrom for one in self.series]
        if letter in "Pp":
            kept = 1.0
            self._refine_poses(over_all=letter == "P")
            change_deg, change_angstrom = self._pose_change(before)
        else:
            kept = self._refine_series(letter)
            moved = [
                one.model.geometry.shift_angstrom - old
                for one, old in zip(self.series, shifts_before, strict=True)
            ]
            change_deg = 0.0
            change_angstrom = float(np.sqrt(np.mean([np.mean(m**2) for m in moved])))
        if letter in "Pp" or kept > 0:
            self.make_maps()
        result = IterationResult(
            len(self.iterations) + 1,
            letter,
            self.pixel_size_angstrom,
            self.maps.resolution_angstrom if self.maps else float("inf"),
            self._mean_score(),
            change_deg,
            change_angstrom,
            kept,
            time.monotonic() - began,
        )
        self.iterations.append(result)
        return result

    def _mean_score(self) -> float:
        total = torch.tensor(
            [sum(float(one.scores.sum()) for one in self.series), sum(map(len, self.series))],
            dtype=torch.float64,
            device=self.device,
        )
        self.ranks.sum_(total)
        return float(total[0] / total[1].clamp_min(1))

    def _pose_change(self, before: Sequence[Poses]) -> tuple[float, float]:
        turned, moved = [], []
        for one, old in zip(self.series, before, strict=True):
            turned.append(symmetric_angle_deg(old.rotations, one.poses.rotations, self.group))
            moved.append(
                np.linalg.norm(one.poses.positions_angstrom - old.positions_angstrom, axis=1)
            )
        if not sum(map(len, turned)):
            return 0.0, 0.0
        return float(np.median(np.concatenate(turned))), float(np.median(np.concatenate(moved)))

    def _refine_poses(self, over_all: bool) -> None:
        rows = [[one.of_half(half) for one in self.series] for half in (0, 1)]
        grid = self._search_grid() if over_all else None
        found: list[Found | None] = [None, None]
        if grid is not None:
            sources = self._sources()
            found = [self._search(sources[half], rows[half], *grid) for half in (0, 1)]
        if not self._is_scaled:
            self._scale_references(rows, found)
        sources = self._sources()
        n_done, n_all = 0, max(1, sum(map(len, self.series)))
        for half in (0, 1):
            first = 0
            for one, mine in zip(self.series, rows[half], strict=True):
                for part in _runs(len(mine), _PARTICLES_AT_A_TIME):
                    some, all_found = mine[part], found[half]
                    candidates = None
                    if all_found is not None:
                        candidates = all_found.select(slice(first, first + len(some)))
                    self.told(n_done / n_all, f"{LETTERS['p']}: {one.name}")
                    self._refine_rows(one, some, sources[half], candidates, grid)
                    first += len(some)
                    n_done += len(some)

    def _search(
        self,
        source: SliceSource,
        rows: Sequence[NDArray[np.intp]],
        grid: SearchGrid,
        ball: HalfBall,
    ) -> Found:
        """Return candidates of the particles of one half, series after series."""
        joined, allowed = [], []
        for one, mine in zip(self.series, rows, strict=True):
            self.store.forget_strayed(one)
            if not len(mine):
                continue
            views, poses = self.store.views(one).select(mine), one.poses.select(mine)
            offsets = views.offsets_px(one.model, poses.positions_angstrom)
            joined.append(join_views(views, one.model.geometry.projection_matrices, offsets, ball))
            allowed.append(self._allowed(one, mine, grid))
        if not joined:
            return Found.none(self.device)
        limits = None
        if any(one is not None for one in allowed):
            limits = torch.cat(
                [
                    torch.ones(len(part), len(grid.rotations), dtype=torch.bool)
                    if one is None
                    else one
                    for part, one in zip(joined, allowed, strict=True)
                ]
            )

        def told(share: float) -> None:
            self.told(share / 2, "all orientations")

        return search(source, JoinedViews.of_all(joined), grid, N_CANDIDATES, limits, told)

    def _sources(self) -> list[SliceSource]:
        radius = self.radius(self.resolution_angstrom)
        return [SliceSource(one, radius, with_gradient=True) for one in self.references]

    def _scale_references(
        self, rows: Sequence[Sequence[NDArray[np.intp]]], found: Sequence[Found | None]
    ) -> None:
        """Bring references of any origin to the scale of the views."""
        sources, scales = self._sources(), [torch.ones(0, device=self.device)]
        for source, of_half, candidates in zip(sources, rows, found, strict=True):
            first = 0
            for one, mine in zip(self.series, of_half, strict=True):
                some, n_here = mine[:_PARTICLES_AT_A_TIME], len(mine)
                if not n_here:
                    continue
                views, poses = self.store.views(one).select(some), one.poses.select(some)
                if candidates is not None:
                    best = candidates.select(slice(first, first + len(some)))
                    poses = _candidates(poses, best, 0, self.pixel_size_angstrom)
                first += n_here
                cameras = poses.cameras(one.model, self.device)
                offsets = views.offsets_px(one.model, poses.positions_angstrom)
                expected = predicted(source, views, cameras, offsets, self.n_terms)
                data = views.data[..., : self.n_terms]
                agreement = (data * expected.conj()).real.sum(dim=(1, 2))
                scales.append(agreement / expected.abs().square().sum(dim=(1, 2)).clamp_min(1e-12))
        all_scales = torch.cat(scales)
        total = torch.stack([all_scales.sum(), all_scales.new_tensor(float(len(all_scales)))])
        self.ranks.sum_(total)
        scale = float(total[0] / total[1].clamp_min(1))
        if scale > 0:
            first_map, second_map = (one * scale for one in self.references)
            self.references = (first_map, second_map)
        self._is_scaled = True

    def _refine_rows(
        self,
        one: SeriesParticles,
        rows: NDArray[np.intp],
        source: SliceSource,
        candidates: Found | None,
        grid: tuple[SearchGrid, HalfBall] | None,
    ) -> None:
        """Refine some particles of one half."""
        views, poses = self.store.views(one).select(rows), one.poses.select(rows)
        if candidates is not None and grid is not None:
            n_terms = self.store.plane.within(grid[1].radius)
            poses = self._best_candidate(one.model, views, poses, source, candidates, n_terms)
        found = refine_poses(
            source, views, one.model, poses, self.n_terms, 8, self.plan.shift_spread_angstrom
        )
        one.poses.rotations[rows] = found.poses.rotations
        one.poses.positions_angstrom[rows] = found.poses.positions_angstrom
        one.scores[rows] = found.score
        one.view_scores[rows] = found.view_scores.cpu().numpy()

    def _search_grid(self) -> tuple[SearchGrid, HalfBall]:
        """Return what a search over all orientations tries, as fine as the references are."""
        plan, extent = self.plan, self.level.box * self.pixel_size_angstrom
        finest = np.deg2rad(FINEST_GRID_DEG) * plan.diameter_angstrom
        spacing = max(self.resolution_angstrom, finest, extent / _SEARCH_RADIUS_LIMIT)
        radius = min(extent / spacing, self._radius_limit)
        step = angular_step_deg(extent / radius, plan.diameter_angstrom)
        rotations = orientation_grid(step, plan.symmetry)
        pixel = self.pixel_size_angstrom
        shifts = shift_grid(plan.shift_reach_angstrom / pixel, max(1.0, spacing / 5 / pixel))
        ball = HalfBall(self.level.box, radius, self.device)
        return SearchGrid(rotations, step, shifts, self.group), ball

    def _best_candidate(
        self,
        model: SeriesModel,
        views: SeriesViews,
        poses: Poses,
        source: SliceSource,
        candidates: Found,
        n_terms: int,
    ) -> Poses:
        """Refine candidates to the search's detail, and return the best of every particle."""
        best = Poses(poses.rotations.copy(), poses.positions_angstrom.copy())
        best_score = np.full(len(poses), -np.inf)
        likely = self._could_win(candidates.score)
        for number in range(candidates.score.shape[1]):
            rows = np.flatnonzero(likely[:, number])
            if not len(rows):
                continue
            begin = _candidates(poses, candidates, number, self.pixel_size_angstrom).select(rows)
            refined = refine_poses(
                source, views.select(rows), model, begin, n_terms, 4,
                self.plan.shift_spread_angstrom,
            )  # fmt: skip
            wins = refined.score > best_score[rows]
            won = rows[wins]
            best.rotations[won] = refined.poses.rotations[wins]
            best.positions_angstrom[won] = refined.poses.positions_angstrom[wins]
            best_score[won] = refined.score[wins]
        return best

    def _could_win(self, score: Tensor) -> NDArray[np.bool_]:
        """Tell which candidates may still be the best once they are refined.

        A grid point lies half a step from the summit at most, where the likelihood has fallen to
        not less than about half of what the best has.
        """
        best = score[:, :1]
        return (score.isfinite() & (score >= 0.5 * best)).cpu().numpy()

    def _allowed(
        self, one: SeriesParticles, rows: NDArray[np.intp], grid: SearchGrid
    ) -> Tensor | None:
        """Return which orientations agree with each particle's prior direction."""
        if one.directions is None or self.plan.cone_deg >= 180:
            return None
        wanted = torch.as_tensor(one.directions[rows], dtype=torch.float32, device=self.device)
        orbits = torch.as_tensor(
            (grid.rotations[:, None] @ self.group)[..., 2], dtype=torch.float32, device=self.device
        )
        cosine = torch.einsum("pi,omi->pom", wanted, orbits).amax(dim=-1)
        limit = float(np.cos(np.deg2rad(self.plan.cone_deg + grid.step_deg / 2)))
        return (cosine >= limit) | ~wanted.isfinite().all(dim=1, keepdim=True)

    def _refine_series(self, letter: str) -> float:
        """Refine corrections of every series; returns the share of which some were kept."""
        sources = self._sources()
        n_kept = 0
        for number, one in enumerate(self.series):
            self.told(number / len(self.series), f"{LETTERS[letter]}: {one.name}")
            refiner = TiltRefiner(one, self.store.views(one), sources, self.n_terms, self.ranks)
            judged = self._corrected(refiner, letter)
            if judged.is_kept:
                n_kept += 1
                optics_changed = judged.model.ctf is not one.model.ctf
                one.model = judged.model
                if optics_changed:
                    self.store.forget(one)
        return n_kept / max(1, len(self.series))

    def _corrected(self, refiner: TiltRefiner, letter: str) -> Judged:
        """Refine one kind of correction in a few rounds, as long as held-out particles gain."""
        series, began_with = refiner.series, refiner.series.model
        best = Judged(began_with, False, 0.0)
        if letter == "t":
            # Far shifts first: the correlation is looked through as far as the motion may be.
            reach = max(2.0, min(20.0 / self.pixel_size_angstrom, self.level.box / 6))
            best = refiner.shifts_by_correlation(reach)
            series.model = best.model
        order = time_order(series)
        rounds: dict[str, Callable[[], Judged]] = {
            "t": refiner.shifts,
            "r": refiner.turns,
            "d": refiner.defocus,
            "g": lambda: refiner.motion(self.plan.n_nodes, order),
            "m": refiner.magnification,
        }
        for _ in range(2):
            found = rounds[letter]()
            if not found.is_kept:
                break
            best = replace(found, gain=best.gain + found.gain)
            series.model = found.model
        series.model = began_with
        return best

    # Maps

    def cut(self, share: float) -> NDArray[np.int64]:
        """Leave out the particles that agree least with their half's map.

        Agreement is the likelihood gained over what a perfect copy would gain: particles with
        few or weak views are not left out for that.

        Returns
        -------
        Rows of those left out.
        """
        sources, kept, rows = self._sources(), [], []
        for one in self.series:
            views = self.store.views(one)
            ideal = np.zeros(len(one))
            for half in (0, 1):
                mine = one.of_half(half)
                for part in batches(len(mine), self.n_terms * one.model.n_tilts):
                    some = mine[part]
                    poses, seen = one.poses.select(some), views.select(some)
                    expected = predicted(
                        sources[half],
                        seen,
                        poses.cameras(one.model, self.device),
                        seen.offsets_px(one.model, poses.positions_angstrom),
                        self.n_terms,
                    )
                    power = 0.5 * expected.abs().square().sum(dim=(1, 2))
                    ideal[some] = power.double().cpu().numpy()
            kept.append(one.scores / np.maximum(ideal, 1e-12))
            rows.append(one.rows)
        agreement = self._all_rows(rows, kept)
        known = np.isfinite(agreement)
        limit = np.quantile(agreement[known], share) if known.any() else -np.inf
        for one, own in zip(self.series, kept, strict=True):
            self.store.forget(one)
            one.keep(own >= limit)
        return np.flatnonzero(known & (agreement < limit))

    def _all_rows(self, rows: Sequence[NDArray[np.int64]], values: Sequence[Array]) -> Array:
        """Return values of the particles of all processes by row; NaN where there is none."""
        last = max((int(one.max()) for one in rows if len(one)), default=-1) + 1
        count = torch.tensor([last], device=self.device)
        self.ranks.max_(count)
        width = int(np.prod(values[0].shape[1:])) if values else 1
        table = torch.zeros(int(count), width + 1, dtype=torch.float64, device=self.device)
        for at, value in zip(rows, values, strict=True):
            where = torch.as_tensor(at, device=self.device)
            flat = torch.as_tensor(value.reshape(len(at), width), device=self.device)
            table[where, :width] = flat.double()
            table[where, width] = 1
        self.ranks.sum_(table)
        found = table.cpu().numpy()
        found[found[:, width] == 0] = np.nan
        shape = values[0].shape[1:] if values else ()
        return np.asarray(found[:, :width].reshape(-1, *shape))

    def gathered(self) -> Gathered:
        """Return poses and scores of the particles of all processes."""
        rows = [one.rows for one in self.series]
        totals = []
        for one in self.series:
            total = torch.as_tensor(one.view_scores.sum(axis=0), device=self.device)
            self.ranks.sum_(total)
            totals.append(total.cpu().numpy())
        return Gathered(
            Poses(
                self._all_rows(rows, [one.poses.rotations for one in self.series]),
                self._all_rows(rows, [one.poses.positions_angstrom for one in self.series]),
            ),
            self._all_rows(rows, [one.scores for one in self.series]),
            totals,
        )

    # Going on after a stop

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on as if nothing had happened; all processes must ask."""
        all_rows = self.gathered()
        return {
            "references": list(self.references),
            "pixel": self.pixel_size_angstrom,
            "level": [self.level.binning, self.level.box],
            "resolution": self.resolution_angstrom,
            "is_scaled": self._is_scaled,
            "rotations": torch.as_tensor(all_rows.poses.rotations),
            "positions": torch.as_tensor(all_rows.poses.positions_angstrom),
            "scores": torch.as_tensor(all_rows.scores),
            "models": [model_state(one.model) for one in self.series],
            "iterations": [asdict(one) for one in self.iterations],
        }

    def take_up(self, state: dict[str, Any]) -> None:
        """Take up a state of the same particles."""
        first, second = (one.to(self.device) for one in state["references"])
        for one, kept in zip(self.series, state["models"], strict=True):
            one.model = model_of_state(one.model, kept)
            rotations = state["rotations"].cpu().numpy()[one.rows]
            positions = state["positions"].cpu().numpy()[one.rows]
            one.poses = Poses(rotations, positions)
            one.scores = state["scores"].cpu().numpy()[one.rows]
        self.references = (first, second)
        self.store.at(Level(*state["level"]))
        self.pixel_size_angstrom = state["pixel"]
        self.resolution_angstrom = state["resolution"]
        self._is_scaled = state["is_scaled"]
        self.iterations = [IterationResult(**one) for one in state["iterations"]]

    def make_maps(self, mask: Tensor | None = None) -> HalfMaps:
        """Make half maps of the particles as they lie, and references of them."""
        group = torch.as_tensor(self.group, dtype=torch.float32, device=self.device)
        sums = [SliceSums(self.level.box, self._radius_limit, self.device) for _ in (0, 1)]
        n_terms = len(self.store.plane.radius)
        for number, one in enumerate(self.series):
            self.told(number / len(self.series), f"maps: {one.name}")
            views = self.store.views(one)
            for half in (0, 1):
                mine = one.of_half(half)
                for part in batches(len(mine), n_terms * one.model.n_tilts):
                    rows = mine[part]
                    poses, some = one.poses.select(rows), views.select(rows)
                    add_views(
                        sums[half],
                        some,
                        poses.cameras(one.model, self.device),
                        some.offsets_px(one.model, poses.positions_angstrom),
                        n_terms,
                    )
        spectra = [Spectra.of(one, group, self.ranks) for one in sums]
        self.maps = half_maps(spectra, self.pixel_size_angstrom, self.plan.diameter_angstrom, mask)
        self.references = self.maps.references
        nyquist = 2 * self.pixel_size_angstrom
        reached = self.maps.resolution_angstrom
        if not np.isfinite(reached):
            reached = self.plan.first_resolution_angstrom
        self.resolution_angstrom = max(nyquist, min(reached, self.plan.first_resolution_angstrom))
        return self.maps


def _candidates(poses: Poses, found: Found, number: int, pixel: float) -> Poses:
    """Return the poses of all particles' candidates of a number."""
    shifts = found.shifts_px[:, number].double().cpu().numpy()
    rotations = found.rotations[:, number].double().cpu().numpy()
    return Poses(rotations, poses.positions_angstrom + shifts * pixel)


def model_state(model: SeriesModel) -> dict[str, Any]:
    """Return what refinement changes of a model, as tensors and numbers."""
    geometry, local, ctf = model.geometry, model.local, model.ctf
    angles = np.stack([geometry.tilt_deg, geometry.x_tilt_deg, geometry.axis_deg])
    return {
        "angles": torch.as_tensor(angles),
        "shifts": torch.as_tensor(geometry.shift_angstrom),
        "nodes": None if local is None else torch.as_tensor(local.nodes_angstrom),
        "extent": None if local is None else list(local.half_extent_angstrom),
        "defocus": None
        if ctf is None
        else torch.as_tensor(np.stack([ctf.defocus_u_angstrom, ctf.defocus_v_angstrom])),
        "magnification": model.magnification,
    }


def model_of_state(model: SeriesModel, state: dict[str, Any]) -> SeriesModel:
    """Return a model with what `model_state` has kept."""
    tilt, x_tilt, axis = state["angles"].cpu().numpy()
    geometry = TiltGeometry(tilt, x_tilt, axis, state["shifts"].cpu().numpy())
    local, ctf = None, model.ctf
    if state["nodes"] is not None:
        width, height = state["extent"]
        local = LocalField(state["nodes"].cpu().numpy(), (width, height))
    if ctf is not None and state["defocus"] is not None:
        u, v = state["defocus"].cpu().numpy()
        ctf = replace(ctf, defocus_u_angstrom=u, defocus_v_angstrom=v)
    return replace(
        model, geometry=geometry, local=local, ctf=ctf, magnification=state["magnification"]
    )


def time_order(series: SeriesParticles) -> NDArray[np.intp]:
    """Return the tilts of a series by the time of their exposure; by angle where it is not known."""
    exposure = series.model.exposure_e_per_a2
    return np.argsort(series.model.geometry.tilt_deg if exposure is None else exposure)


def _runs(n: int, size: int) -> Iterator[slice]:
    for first in range(0, n, size):
        yield slice(first, min(n, first + size))


def resampled(volume: Tensor, pixel: float, wanted_pixel: float, box: int) -> Tensor:
    """Return a map on other pixels and in another box, about voxel ``n // 2``; values are kept.

    Parameters
    ----------
    volume
        ``[n, n, n]``.
    pixel, wanted_pixel
        Angstrom.
    box
        Side of the result, even.
    """
    n = volume.shape[-1]
    if n == box and abs(pixel - wanted_pixel) < 1e-6 * pixel:
        return volume
    # Terms of the new box up to what both hold, read from the old one's spectrum.
    radius = min(box / 2 - 1, (n / 2 - 1.001) * wanted_pixel * box / (pixel * n))
    line = torch.fft.fftfreq(box, d=1 / box, device=volume.device)
    half = torch.arange(box // 2 + 1, device=volume.device, dtype=torch.float32)
    z, y, x = torch.meshgrid(line, line, half, indexing="ij")
    places = torch.stack([x, y, z], dim=-1)
    inside = places.square().sum(dim=-1).sqrt() <= radius
    scale = (pixel * n) / (wanted_pixel * box)
    source = SliceSource(volume, min(n / 2 - 1, radius * scale + 0.5))
    spectrum = torch.zeros(inside.shape, dtype=torch.complex64, device=volume.device)
    spectrum[inside] = source.read(places[inside] * scale)
    same_values = (pixel / wanted_pixel) ** 3
    return torch.fft.fftshift(torch.fft.irfftn(spectrum, s=(box,) * 3)) * same_values
