"""From random orientations to a first map, by stochastic expectation maximisation.

Every step takes some of the particles, works out how probable each orientation, shift and class
is for each of them (all of them, on a grid, from the joined views at low frequencies), and moves
the running sums of every class towards what these particles say. Few particles a step and a high
temperature at first keep it from settling early; detail, fineness of the grid and the number of
particles grow as it goes on. It stops when the maps do not change any more. The plan of few
particles, momentum and growing detail is that of Punjani et al. (2017, Nat. Methods 14:290) and
of VDAM (Kimanius et al. 2021, Biochem. J. 478:4169); that whole distributions over a full grid
are affordable at every step is due to the joined views.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.initial_model.expected import BLOCK, Expected
from tomotui.algorithms.initial_model.plan import AnnealingPlan, Outcome, Progress
from tomotui.algorithms.refine.reconstruct import Spectra
from tomotui.algorithms.refine.search import shift_grid
from tomotui.algorithms.subtomograms.joined import JoinedViews
from tomotui.geometry.angles import (
    angular_step_deg,
    orientation_grid,
    rotations_of_quaternions,
)
from tomotui.geometry.symmetry import symmetry_rotations
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.round_part import round_share, without_round_part
from tomotui.imaging.slices import FourierGrid, SliceSums

Array = NDArray[np.float64]
Report = Callable[[Progress], None]

PRIOR_SHARE = 0.1
"""Of the mean weight of a shell, that is added to every weight."""

_MANY = 4_000_000
"""Terms of all orientations, above which shifts are tried for the likeliest only."""

_LIKELIEST = 128

CALM = 5
"""Steps without change, after which a search is over."""

NEARLY_ROUND = 0.85
"""Share of a map's power that is the same in all directions, above which its opposite is tried."""

_SETTLING = 0.4
"""Share of the steps in which the temperature falls and particles may still move far."""

_LEAPS = 4
_FINEST_FROM = 0.6
"""Detail grows in so many leaps, up to this share of the steps."""

_FINE_PADDING = 4
"""Of the grid in which turned references are looked up without interpolation."""

_WORTH = 1e-3
"""Probability below which an orientation is not put into the sums."""


@dataclass(frozen=True)
class _Grid:
    """Orientations that are tried at one level of detail, and where they read a reference.

    Attributes
    ----------
    rotations
        ``[o, 3, 3]``.
    terms
        Frequencies of the ball that count.
    numbers
        Points of the fine grid next to the turned frequencies, ``[o, t]``.
    signs
        -1 where the other half of space is meant, and what is read must be conjugated.
    """

    resolution_angstrom: float
    rotations: Tensor
    terms: Tensor
    numbers: Tensor
    signs: Tensor

    def references(self, spectrum: Tensor) -> Tensor:
        """Return turned references of a spectrum on the fine grid, complex, ``[o, t]``."""
        found = spectrum.flatten()[self.numbers]
        torch.view_as_real(found)[..., 1] *= self.signs
        return found


class Annealing:
    """A search for first maps.

    Parameters
    ----------
    joined
        Particles, at the last resolution's radius.
    plan
        How.
    directions
        For every particle the direction in the specimen of the reference's z axis, such as a
        membrane's normal or a filament's axis, ``[p, 3]``; ``None`` where nothing is known.
    cone_deg
        How far the axis may be from there.
    """

    def __init__(
        self,
        joined: JoinedViews,
        plan: AnnealingPlan,
        directions: Array | None = None,
        cone_deg: float = 180.0,
    ) -> None:
        self.joined, self.plan = joined, plan
        self.directions, self.cone_deg = directions, cone_deg
        self.device = joined.values.device
        self.ball = joined.ball
        self.size = self.ball.size
        self.group = symmetry_rotations(plan.symmetry)
        self.chance = np.random.default_rng([plan.seed, 71])
        radius = (plan.diameter_angstrom / 2 + 10.0) / plan.pixel_size_angstrom
        radius = min(radius, self.size / 2 - 3)
        self.support = soft_ball(self.size, radius, 3.0).to(self.device)
        self._sums = [self._empty() for _ in range(plan.n_classes)]
        self.maps = torch.zeros(plan.n_classes, *(self.size,) * 3, device=self.device)
        self.populations = np.full(plan.n_classes, 1 / plan.n_classes)
        self._fine = FourierGrid(self.size, self.ball.radius, padding=_FINE_PADDING)
        self._grids: dict[int, _Grid] = {}
        self.shifts = torch.zeros(len(joined), 3, device=self.device)
        self.step = 0

    def _empty(self) -> SliceSums:
        return SliceSums(self.size, self.ball.radius, self.device)

    def begin(self) -> None:
        """Make the first maps: of particles turned at random."""
        for sums in self._sums:
            some = self._draw(self.plan.batch)
            turns = orientation_grid(30.0)
            picks = self.chance.integers(len(turns), size=len(some))
            rotations = torch.as_tensor(turns[picks], dtype=torch.float32, device=self.device)
            rows = torch.as_tensor(some, device=self.device)
            self._put_in(sums, rotations, self.joined.values[rows], self.joined.weights[rows])
        self._solve(self.size * self.plan.pixel_size_angstrom / self.plan.first_resolution_angstrom)

    def run(self, report: Report | None = None) -> Outcome:
        """Go on until the maps do not change any more, or all steps are done.

        Of particles that are nearly round a second search begins with what is found, the part
        that is not round turned into its opposite. The coarsest detail by which such a particle
        has directions at all is a single pattern on a sphere (of octahedral symmetry that of the
        fourth degree), and a search that takes it for its negative never gets out of that again.
        The one that the particles agree with more is kept.
        """
        if self.step == 0:
            self.begin()
        found = self._until_calm(self.plan.n_steps, report)
        largest = self.maps[int(self.populations.argmax())]
        if len(found.history) and round_share(largest) > NEARLY_ROUND:
            return self._or_its_opposite(found, report)
        return found

    def _until_calm(self, most: int, report: Report | None) -> Outcome:
        history: list[tuple[float, float]] = []
        # A small box may hold less detail than was asked for.
        plan = self.plan
        held = self.size * plan.pixel_size_angstrom / self.ball.radius
        finest = max(plan.last_resolution_angstrom, held)
        calm = 0
        while self.step < most and calm < CALM:
            progress = self.advance()
            history.append((progress.score, progress.change))
            is_fine = progress.resolution_angstrom <= finest * 1.01
            calm = calm + 1 if is_fine and progress.change < 2e-3 else 0
            if report is not None:
                report(progress)
        return Outcome(self.maps, self.step, calm >= CALM, np.array(history), self.populations)

    def _or_its_opposite(self, found: Outcome, report: Report | None) -> Outcome:
        """Search again from the opposite of what was found, and return the likelier of both."""
        opposite = torch.stack([one - 2 * without_round_part(one) for one in found.maps])
        self.maps = opposite * self.support
        self._sums = [self._empty() for _ in self._sums]
        # Far enough for all detail to count.
        self.step = max(1, round(_FINEST_FROM * self.plan.n_steps))
        other = self._until_calm(max(self.plan.n_steps, self.step + 4 * CALM), report)
        score, score_of_other = (float(one.history[-CALM:, 0].mean()) for one in (found, other))
        best = other if score_of_other > score else found
        history = np.concatenate([found.history, other.history])
        return replace(best, steps=len(history), history=history, rival=abs(score_of_other - score))

    def _grid_at(self, done: float) -> _Grid:
        """Return what is tried after a share of all steps: finer in a few leaps."""
        plan, extent = self.plan, self.size * self.plan.pixel_size_angstrom
        first, last = extent / plan.first_resolution_angstrom, self.ball.radius
        leap = min(_LEAPS, int(done / _FINEST_FROM * _LEAPS))
        radius = min(last, first + (last - first) * leap / _LEAPS)
        if leap not in self._grids:
            # One is kept: the others do not come again.
            self._grids = {leap: self._made_grid(radius, extent / radius)}
        return self._grids[leap]

    def _made_grid(self, radius: float, resolution: float) -> _Grid:
        plan = self.plan
        step_deg = max(plan.finest_step_deg, angular_step_deg(resolution, plan.diameter_angstrom))
        rotations = self._turned_grid(step_deg)
        terms = (self.ball.length <= radius).nonzero()[:, 0]
        numbers, signs = [], []
        for some in rotations.split(512):
            turned = torch.einsum("ni,oij->onj", self.ball.frequencies[terms], some)
            number, is_mirrored = self._fine.nearest(turned.reshape(-1, 3))
            numbers.append(number.view(len(some), -1))
            signs.append(torch.where(is_mirrored, -1, 1).to(torch.int8).view(len(some), -1))
        return _Grid(resolution, rotations, terms, torch.cat(numbers), torch.cat(signs))

    def _draw(self, n: int) -> NDArray[np.intp]:
        return self.chance.choice(len(self.joined), size=min(n, len(self.joined)), replace=False)

    def advance(self) -> Progress:
        """Do one step."""
        plan = self.plan
        done = self.step / plan.n_steps
        grid = self._grid_at(done)
        some = self._draw(round(plan.batch * (1 + 2 * min(1.0, done / _FINEST_FROM))))
        temperature = 1 + 3 * max(0.0, 1 - done / _SETTLING)
        fresh = [self._empty() for _ in range(plan.n_classes)]
        shifts = self._shifts(grid.resolution_angstrom, done)
        shares, score = self._expect(some, grid, shifts, temperature, fresh)
        keep = 0.0 if self.step == 0 else min(0.9, 0.5 + 0.5 * done)
        for kept, new in zip(self._sums, fresh, strict=True):
            kept.sums = keep * kept.sums + (1 - keep) * new.sums
        self.populations = keep * self.populations + (1 - keep) * shares
        before = self.maps
        self.step += 1
        self._solve(self.size * plan.pixel_size_angstrom / grid.resolution_angstrom)
        change = max(
            1 - float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])
            for a, b in zip(before, self.maps, strict=True)
        )
        resolution = grid.resolution_angstrom
        return Progress(self.step, self.maps, resolution, change, score, self.populations)

    def _turned_grid(self, step_deg: float) -> Tensor:
        """Return orientations on a grid that is turned at random, so that none is preferred."""
        grid = orientation_grid(step_deg, self.plan.symmetry)
        quaternion = self.chance.normal(size=(1, 4))
        quaternion /= np.linalg.norm(quaternion)
        # Orbits of the symmetry stay apart where all are turned in the specimen.
        grid = rotations_of_quaternions(quaternion) @ grid
        return torch.as_tensor(grid, dtype=torch.float32, device=self.device)

    def _shifts(self, resolution: float, done: float) -> Tensor:
        """Return shifts to try about where each particle was found last, pixels, ``[s, 3]``."""
        pixel = self.plan.pixel_size_angstrom
        step = resolution / 5 / pixel
        reach = self.plan.shift_reach_angstrom / pixel if done < _SETTLING else step
        grid = shift_grid(max(reach, step), step)
        return torch.as_tensor(grid, dtype=torch.float32, device=self.device)

    def _expect(
        self,
        some: NDArray[np.intp],
        grid: _Grid,
        shifts: Tensor,
        temperature: float,
        fresh: list[SliceSums],
    ) -> tuple[Array, float]:
        """Put the particles of a step into new sums by their probabilities."""
        rotations, terms = grid.rotations, grid.terms
        references = torch.cat([grid.references(self._fine.cut(m)) for m in self.maps])
        # Real parts of products, as products of real matrices; nothing is copied for it.
        matrix = torch.view_as_real(references).flatten(1)
        power = references.real.square() + references.imag.square()
        n_shifts, n_all, n_classes = len(shifts), len(references), len(self.maps)
        still = int(shifts.square().sum(dim=1).argmin())
        shares = torch.as_tensor(self.populations, dtype=torch.float32, device=self.device)
        prior = shares.clamp_min(1e-3).log().repeat_interleave(len(rotations))
        total = Expected(n_all, len(terms), self.device)
        # Where that is much less work, shifts are tried only for orientations that agree without.
        is_sparse = n_all * len(terms) > _MANY and n_all > 4 * _LIKELIEST
        tried = 1 if is_sparse else n_shifts
        at_a_time = max(1, BLOCK // (tried * n_all))
        for first in range(0, len(some), at_a_time):
            numbers = some[first : first + at_a_time]
            rows = torch.as_tensor(numbers, device=self.device)
            ramps = self.ball.ramps((self.shifts[rows][:, None] + shifts).reshape(-1, 3))
            ramps = ramps[:, terms].view(len(rows), n_shifts, -1)
            values = self.joined.values[rows][:, None, terms] * ramps
            weights = self.joined.weights[rows][:, terms]
            here = values[:, still : still + 1] if is_sparse else values
            flat = torch.view_as_real(here.flatten(0, 1).contiguous()).flatten(1)
            agreement = flat @ matrix.T
            likelihood = (
                agreement.view(len(rows), tried, n_all) - 0.5 * (weights @ power.T)[:, None]
            )
            if self.directions is not None:
                likelihood += self._prior(numbers, rotations).repeat(1, n_classes)[:, None]
            likelihood += prior * temperature
            which = None
            if is_sparse:
                which = likelihood[:, 0].topk(_LIKELIEST, dim=1).indices
                rest = likelihood[:, 0].gather(1, which) - agreement.gather(1, which)
                seen = references[which]
                likelihood = (values @ seen.conj().transpose(1, 2)).real + rest[:, None]
            best = likelihood.flatten(1).max(dim=1)
            total.score += float(best.values.sum())
            self._remember(rows, shifts[best.indices // likelihood.shape[2]])
            chance = torch.softmax(likelihood.flatten(1) / temperature, dim=1)
            total.add(chance.view_as(likelihood), values, weights, which)
        mass = total.weights.sum(dim=1)
        for c, sums in enumerate(fresh):
            mine = slice(c * len(rotations), (c + 1) * len(rotations))
            worth = (mass[mine] > _WORTH * mass[mine].max().clamp_min(1e-30)).nonzero()[:, 0]
            self._put_in(
                sums, rotations[worth], total.values[mine][worth], total.weights[mine][worth], terms
            )
        found = total.chance.view(n_classes, -1).sum(dim=1).double().cpu().numpy()
        return found / max(1, len(some)), total.score / max(1, len(some))

    def _remember(self, rows: Tensor, shifts: Tensor) -> None:
        """Keep where particles were found, within reach of where they were thought to be."""
        reach = self.plan.shift_reach_angstrom / self.plan.pixel_size_angstrom
        moved = self.shifts[rows] + shifts
        length = moved.norm(dim=1, keepdim=True).clamp_min(1e-6)
        self.shifts[rows] = moved * (reach / length).clamp_max(1.0)

    def _prior(self, numbers: NDArray[np.intp], rotations: Tensor) -> Tensor:
        """Return 0 where an orientation is allowed for a particle, minus infinity elsewhere."""
        assert self.directions is not None
        wanted = torch.as_tensor(self.directions[numbers], dtype=torch.float32, device=self.device)
        cosine = wanted @ rotations[:, :, 2].T
        limit = float(np.cos(np.deg2rad(self.cone_deg)))
        allowed = (cosine >= limit) | ~wanted.isfinite().all(dim=1, keepdim=True)
        # Where the grid is coarser than the cone, the nearest orientation stands for it.
        nearest = cosine.argmax(dim=1, keepdim=True)
        allowed = allowed.scatter(1, nearest, True)
        return torch.zeros_like(cosine).masked_fill(~allowed, -torch.inf)

    def _put_in(
        self,
        sums: SliceSums,
        rotations: Tensor,
        values: Tensor,
        weights: Tensor,
        terms: Tensor | None = None,
    ) -> None:
        places = self.ball.frequencies if terms is None else self.ball.frequencies[terms]
        points = torch.einsum("ni,oij->onj", places, rotations)
        sums.add(points.reshape(-1, 3), values.reshape(-1), weights.reshape(-1))

    def _solve(self, radius: float) -> None:
        """Make maps of the sums, to a frequency in cycles per box."""
        group = torch.as_tensor(self.group, dtype=torch.float32, device=self.device)
        maps = []
        for sums in self._sums:
            spectra = Spectra(sums.grid, *sums.symmetrised(group))
            prior = PRIOR_SHARE * spectra.shell_weights()
            maps.append(spectra.solved(prior, radius) * self.support)
        self.maps = torch.stack(maps)
