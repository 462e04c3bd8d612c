"""Refinement of a tilt series with its particles as markers: shifts, turns, motion, optics.

Every correction is found from the particles of one half with that half's map, and tried on those
of the other half with theirs. Only what raises the likelihood of particles that had no part in
finding it is kept; then both halves find it together. For shifts the idea is that of particle
polishing (Zivanov et al. 2019, IUCrJ 6:5), for the whole that of Tegunov et al. (2021, Nat.
Methods 18:186); the normal equations of `equations` make each of them one linear solution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.refine.corrections import (
    highest_near_middle,
    mixed,
    motion_prior,
    shift_chain,
    shifted,
    solved_field,
    solved_steps,
    turn_chain,
    turned_tilts,
)
from tomotui.algorithms.refine.equations import (
    DEFOCUS,
    DEFOCUS_UNIT_ANGSTROM,
    MAGNIFICATION,
    ViewEquations,
    fit_of,
    predicted,
    view_equations,
    view_fits,
)
from tomotui.algorithms.refine.particles import SeriesParticles
from tomotui.algorithms.refine.poses import batches
from tomotui.algorithms.subtomograms.views import SeriesModel, SeriesViews, transfer_of
from tomotui.geometry.local import LocalField, spline_weights
from tomotui.imaging.slices import SliceSource

Array = NDArray[np.float64]
Fits = tuple[Tensor, Tensor]
"""Agreement and power of views, each ``[p, t]``; see `ViewEquations`."""

Solve = Callable[[Tensor, Tensor], SeriesModel]
Chain = Callable[[Tensor], Tensor]

SHIFT_SPREAD_ANGSTROM = 15.0
"""How far, as a standard deviation, tilts may be shifted from where they are in one round."""

LEAST_GAIN = 5.0
"""Of the held-out particles' log-likelihood: less may be chance.

Where a map and the views share nothing, either half's log-likelihood at the best scale is half the
square of a normal deviate, and the sum of both is above 5 once in 150 tilts, above 2 in every
seventh.
"""

TURN_SPREAD_DEG = 0.5
"""How far, as a standard deviation, tilts may be turned from where they were aligned."""

DEFOCUS_SPREAD_ANGSTROM = 500.0
MAGNIFICATION_SPREAD = 0.01
MOTION_SPREADS_ANGSTROM = (0.7, 1.5, 3.0, 6.0)
"""Tried for how much a place moves from one exposure to the next, a standard deviation."""

MOTION_LIMIT_ANGSTROM = 15.0
"""Standard deviation of where a place may be in any one tilt."""


@dataclass(frozen=True)
class Evidence:
    """What the maps of their halves say of all views of a series at one model.

    Attributes
    ----------
    equations
        Of all particles, each with the map of its own half.
    seen_px
        Where the particles are seen from the specimen's origin, turned but not shifted, and how
        deep, in pixels of the views, ``[p, t, 3]``.
    """

    equations: ViewEquations
    seen_px: Tensor

    @property
    def fits(self) -> Fits:
        """How every view agrees."""
        return self.equations.agreement, self.equations.power


@dataclass(frozen=True)
class Judged:
    """A correction and what the half that had no part in it says.

    Attributes
    ----------
    model
        Of the series, with the correction where it was kept.
    is_kept
        Whether anything was kept.
    gain
        Of the held-out particles' log-likelihood, per particle.
    """

    model: SeriesModel
    is_kept: bool
    gain: float


class TiltRefiner:
    """Finds and judges corrections of one series.

    Parameters
    ----------
    series
        Its particles, and its model to begin with.
    views
        Of the particles.
    sources
        Maps of the two halves, with gradients.
    n_terms
        Fourier terms of each view that count.
    ranks
        Processes that share the particles.
    """

    def __init__(
        self,
        series: SeriesParticles,
        views: SeriesViews,
        sources: Sequence[SliceSource],
        n_terms: int,
        ranks: Ranks | None = None,
    ) -> None:
        self.series, self.views, self.sources = series, views, sources
        self.n_terms, self.ranks = n_terms, ranks or Ranks()
        self.device = views.data.device
        self.pixel = views.pixel_size_angstrom

    # What the halves say

    def _parts(self, halves: Sequence[int] = (0, 1)) -> list[tuple[int, NDArray[np.intp]]]:
        """Cut the particles of halves into runs that fit into memory."""
        per_particle = self.n_terms * self.series.model.n_tilts
        found = []
        for half in halves:
            mine = self.series.of_half(half)
            runs = [(half, mine[part]) for part in batches(len(mine), per_particle)]
            # A process may have none of a series: it takes part with nothing.
            found += runs or [(half, mine)]
        return found

    def fits(self, model: SeriesModel, half: int) -> Fits:
        """Return how the views of one half agree with their map under a model."""
        shape = (len(self.series), model.n_tilts)
        agreement, power = (torch.zeros(shape, device=self.device) for _ in range(2))
        changed = model.ctf is not self.series.model.ctf
        for _, rows in self._parts([half]):
            poses, views = self.series.poses.select(rows), self.views.select(rows)
            if changed:
                views = self._with_ctf(views, model, poses.positions_angstrom)
            where = torch.as_tensor(rows, device=self.device)
            agreement[where], power[where] = view_fits(
                self.sources[half],
                views,
                poses.cameras(model, self.device),
                views.offsets_px(model, poses.positions_angstrom),
                self.n_terms,
            )
        return agreement, power

    def _with_ctf(self, views: SeriesViews, model: SeriesModel, positions: Array) -> SeriesViews:
        """Return views whose transfer is that of another model."""
        depth = model.places(positions)[..., 2]
        bare = transfer_of(model, depth, views.plane, self.pixel)
        counts = views.transfer.abs().amax(dim=-1, keepdim=True) > 0
        return replace(views, transfer=bare * (2**0.5 / views.noise) * counts)

    def evidence(self, model: SeriesModel, with_optics: bool = False) -> Evidence:
        """Work out the equations of all views under a model."""
        order, parts = [], []
        for half, rows in self._parts():
            poses, views = self.series.poses.select(rows), self.views.select(rows)
            slope = None
            if with_optics:
                slope = self._defocus_slope(views, model, poses.positions_angstrom)
            parts.append(
                view_equations(
                    self.sources[half],
                    views,
                    poses.cameras(model, self.device),
                    views.offsets_px(model, poses.positions_angstrom),
                    self.n_terms,
                    slope,
                )
            )
            order.append(rows)
        rows = np.concatenate(order)
        back = torch.as_tensor(np.argsort(rows), device=self.device)
        equations = ViewEquations.of_all(parts).select(back)
        positions = self.series.poses.positions_angstrom
        turned = np.einsum("tij,pj->pti", model.geometry.projection_matrices, positions)
        seen = torch.as_tensor(turned / self.pixel, device=self.device)
        return Evidence(equations, seen)

    def _defocus_slope(self, views: SeriesViews, model: SeriesModel, positions: Array) -> Tensor:
        if model.ctf is None:
            return torch.zeros_like(views.transfer[..., : self.n_terms])
        step = DEFOCUS_UNIT_ANGSTROM
        either = []
        for sign in (-0.5, 0.5):
            ctf = replace(
                model.ctf,
                defocus_u_angstrom=model.ctf.defocus_u_angstrom + sign * step,
                defocus_v_angstrom=model.ctf.defocus_v_angstrom + sign * step,
            )
            either.append(self._with_ctf(views, replace(model, ctf=ctf), positions).transfer)
        return (either[1] - either[0])[..., : self.n_terms]

    # Corrections

    def shifts_by_correlation(self, reach_px: float) -> Judged:
        """Look for each tilt's shift in the summed correlation of its particles with the maps.

        Parameters
        ----------
        reach_px
            Greatest shift either way.
        """
        model = self.series.model
        maps = torch.zeros(2, model.n_tilts, self.views.box, self.views.box, device=self.device)
        shape = (len(self.series), model.n_tilts)
        before = tuple(torch.zeros(shape, device=self.device) for _ in range(2))
        for half, rows in self._parts():
            poses, views = self.series.poses.select(rows), self.views.select(rows)
            expected = predicted(
                self.sources[half],
                views,
                poses.cameras(model, self.device),
                views.offsets_px(model, poses.positions_angstrom),
                self.n_terms,
            )
            data = views.data[..., : self.n_terms]
            where = torch.as_tensor(rows, device=self.device)
            before[0][where], before[1][where] = fit_of(data, expected)
            maps[half] += views.plane.image((data * expected.conj()).sum(dim=0))
        self.ranks.sum_(maps)
        found = [
            highest_near_middle(one, reach_px) * self.pixel
            for one in (maps[0], maps[1], maps.sum(dim=0))
        ]
        return self._judge(
            [shifted(model, shifts) for shifts in found], (before[0], before[1]), by_tilt=True
        )

    def shifts(self) -> Judged:
        """Find each tilt's shift."""
        evidence = self.evidence(self.series.model)
        prior = (self.pixel / SHIFT_SPREAD_ANGSTROM) ** 2

        def solve(gradient: Tensor, curvature: Tensor) -> SeriesModel:
            stiffer = curvature[:, :2, :2].clone()
            stiffer[:, range(2), range(2)] += prior
            return shifted(self.series.model, solved_steps(gradient[:, :2], stiffer) * self.pixel)

        return self._judge(
            self._by_halves(evidence, solve, shift_chain), evidence.fits, by_tilt=True
        )

    def turns(self) -> Judged:
        """Find each tilt's turn about the specimen's origin, and its shift."""
        evidence = self.evidence(self.series.model)
        prior = 1 / np.deg2rad(TURN_SPREAD_DEG) ** 2
        shift_prior = (self.pixel / SHIFT_SPREAD_ANGSTROM) ** 2

        def solve(gradient: Tensor, curvature: Tensor) -> SeriesModel:
            stiffer = curvature.clone()
            stiffer[:, range(2, 5), range(2, 5)] += prior
            stiffer[:, range(2), range(2)] += shift_prior
            step = solved_steps(gradient, stiffer)
            return turned_tilts(self.series.model, step[:, 2:], step[:, :2] * self.pixel)

        return self._judge(
            self._by_halves(evidence, solve, turn_chain), evidence.fits, by_tilt=True
        )

    def defocus(self) -> Judged:
        """Find each tilt's defocus."""
        model = self.series.model
        if model.ctf is None:
            return Judged(model, False, 0.0)
        evidence = self.evidence(model, with_optics=True)
        prior = (DEFOCUS_UNIT_ANGSTROM / DEFOCUS_SPREAD_ANGSTROM) ** 2
        ctf = model.ctf

        def solve(gradient: Tensor, curvature: Tensor) -> SeriesModel:
            here = slice(DEFOCUS, DEFOCUS + 1)
            step = solved_steps(gradient[:, here], curvature[:, here, here] + prior)[:, 0]
            change = (step * DEFOCUS_UNIT_ANGSTROM).clip(-1500, 1500)
            moved = replace(
                ctf,
                defocus_u_angstrom=ctf.defocus_u_angstrom + change,
                defocus_v_angstrom=ctf.defocus_v_angstrom + change,
            )
            return replace(model, ctf=moved)

        return self._judge(self._by_halves(evidence, solve, None), evidence.fits, by_tilt=False)

    def motion(self, n_nodes: int, order: NDArray[np.intp]) -> Judged:
        """Find how the specimen moves and bends under the beam, as a smooth field.

        Parameters
        ----------
        n_nodes
            Nodes of the field along x and y; a field that is there keeps its own.
        order
            Tilts by the time of their exposure.
        """
        model = self.series.model
        field = model.local or self._still_field(n_nodes)
        evidence = self.evidence(model)
        weights = self._node_weights(field)
        best: Judged | None = None
        for spread in MOTION_SPREADS_ANGSTROM:
            prior = motion_prior(order, spread / self.pixel, MOTION_LIMIT_ANGSTROM / self.pixel)
            models = []
            for which in self._in_turn():
                step = solved_field(evidence.equations, weights, which, prior, self.ranks)
                nodes = step.reshape(*field.nodes_angstrom.shape) * self.pixel
                moved = replace(field, nodes_angstrom=field.nodes_angstrom + nodes)
                models.append(replace(model, local=moved))
            judged = self._judge(models, evidence.fits, by_tilt=False)
            if best is None or judged.gain > best.gain:
                best = judged
        assert best is not None
        return best

    def magnification(self) -> Judged:
        """Find how much larger the series shows its particles than the maps are."""
        model = self.series.model
        evidence = self.evidence(model, with_optics=True)
        prior = 1 / MAGNIFICATION_SPREAD**2

        def solve(gradient: Tensor, curvature: Tensor) -> SeriesModel:
            total = curvature[:, MAGNIFICATION, MAGNIFICATION].sum() + prior
            limit = 3 * MAGNIFICATION_SPREAD
            step = float((gradient[:, MAGNIFICATION].sum() / total).clamp(-limit, limit))
            return replace(model, magnification=model.magnification * (1 + step))

        return self._judge(self._by_halves(evidence, solve, None), evidence.fits, by_tilt=False)

    def _still_field(self, n_nodes: int) -> LocalField:
        """Return a field over all particles of the series, in which nothing moves."""
        positions = self.series.poses.positions_angstrom
        reach = np.abs(positions[:, :2]).max(axis=0, initial=100.0)
        half = torch.as_tensor(reach * 1.05, device=self.device)
        self.ranks.max_(half)
        width, height = half.tolist()
        nodes = np.zeros((self.series.model.n_tilts, n_nodes, n_nodes, 2))
        return LocalField(nodes, (width, height))

    def _node_weights(self, field: LocalField) -> Tensor:
        """Return how much each node moves each particle, ``[p, n_y * n_x]``."""
        positions = self.series.poses.positions_angstrom
        _, n_y, n_x, _ = field.nodes_angstrom.shape
        across = spline_weights(n_x, positions[:, 0] / field.half_extent_angstrom[0])
        along = spline_weights(n_y, positions[:, 1] / field.half_extent_angstrom[1])
        both = along[:, :, None] * across[:, None, :]
        return torch.as_tensor(both.reshape(len(positions), n_y * n_x), device=self.device)

    # Judging

    def _in_turn(self) -> list[NDArray[np.intp]]:
        """Return who finds a correction: the first half, the second, both."""
        return [*(self.series.of_half(half) for half in (0, 1)), np.arange(len(self.series))]

    def _by_halves(
        self, evidence: Evidence, solve: Solve, chain: Chain | None
    ) -> list[SeriesModel]:
        """Solve for a correction from each half's views, and from all.

        Parameters
        ----------
        solve
            Takes the sums over particles of gradient and curvature of every tilt.
        chain
            How parameters of a tilt move each view; ``None`` where they are the view's own.
        """
        found = []
        for which in self._in_turn():
            rows = torch.as_tensor(which, device=self.device)
            gradient, curvature = (
                evidence.equations.gradient[rows],
                evidence.equations.curvature[rows],
            )
            if chain is not None:
                matrix = chain(evidence.seen_px[rows])
                gradient = torch.einsum("ptm,ptmj->ptj", gradient[..., :5], matrix)
                curvature = torch.einsum(
                    "ptmi,ptmn,ptnj->ptij", matrix, curvature[..., :5, :5], matrix
                )
            gradient, curvature = gradient.sum(dim=0), curvature.sum(dim=0)
            self.ranks.sum_(gradient)
            self.ranks.sum_(curvature)
            found.append(solve(gradient, curvature))
        return found

    def _judge(self, models: Sequence[SeriesModel], before: Fits, by_tilt: bool) -> Judged:
        """Keep a correction where the half that had no part in finding it gains.

        Parameters
        ----------
        models
            As found by the first half, the second, and both.
        before
            How every view agrees as it is.
        by_tilt
            Whether each tilt may be kept or not by itself.
        """
        halves = torch.as_tensor(self.series.halves, device=self.device)[:, None]
        n = models[0].n_tilts if by_tilt else 1
        gain = torch.zeros(n, dtype=torch.float64, device=self.device)
        for finder in (0, 1):
            others = halves != finder
            after = self.fits(models[finder], 1 - finder)
            gain += self._merit(after, others, by_tilt) - self._merit(before, others, by_tilt)
        count = torch.tensor([float(len(self.series))], device=self.device)
        self.ranks.sum_(count)
        per_tilt = gain.cpu().numpy()
        kept = per_tilt > LEAST_GAIN
        whole = float(per_tilt[kept].sum() if by_tilt else per_tilt.sum())
        per_particle = whole / max(1.0, float(count))
        if whole <= LEAST_GAIN or not kept.any():
            return Judged(self.series.model, False, per_particle)
        if by_tilt:
            return Judged(mixed(models[2], self.series.model, kept), True, per_particle)
        return Judged(models[2], True, per_particle)

    def _merit(self, fits: Fits, which: Tensor, by_tilt: bool) -> Tensor:
        """Return the log-likelihood at the map's best scale, of every tilt or of all, ``[t or 1]``.

        At a fixed scale a correction could gain by making the map fainter, which is no reason to
        believe it.
        """
        sums = torch.stack([(one * which).double().sum(dim=0) for one in fits])
        if not by_tilt:
            sums = sums.sum(dim=1, keepdim=True)
        self.ranks.sum_(sums)
        return 0.5 * sums[0].clamp_min(0).square() / sums[1].clamp_min(1e-12)
