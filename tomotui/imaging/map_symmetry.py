"""The point group of a map, found from the map alone, and where its axes lie.

About any axis the spectrum of a map is a sum of harmonics; an n-fold axis leaves only those whose
order is a multiple of n. So one look at the rings about an axis tells every fold at once, and how
much of what is there, but for what is the same at every angle, obeys it. Axes all over the
hemisphere are looked at, groups are built upon the best of them, and the largest group all of
whose axes hold is the answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from tomotui.geometry.angles import rotations_of_vectors, shortest_turns
from tomotui.geometry.symmetry import symmetry_rotations
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.slices import SliceSource

Array = NDArray[np.float64]

FOLDS = tuple(range(2, 13))
"""Of axes that are looked for."""

LEAST_SCORE = 0.4
"""What an axis must leave unchanged, 0 being what chance leaves: a dozen blobs reach 0.35."""

LEAST_DEVIATIONS = 6.0
"""By how many robust standard deviations the best axis must stand out among all."""

SAME_SHARE = 0.6
"""The weakest axis of a group over its strongest: below, the group is only nearly that."""

_COARSE_CYCLES, _FINE_CYCLES = 6.0, 16.0
"""Frequencies of the search and of the judgement at most, in cycles per diameter."""

_RUN_AXES = 64
_MAIN_AXES = 3


@dataclass(frozen=True)
class FoundSymmetry:
    """A point group and where it lies in the map.

    Attributes
    ----------
    name
        As `tomotui.geometry.symmetry` knows it; C1 where nothing stands out.
    rotation
        From the map to the standard axes of the group, on (x, y, z), ``[3, 3]``.
    centre_angstrom
        Where the axes meet, (x, y, z) from voxel ``n // 2``.
    score
        How far the map is left as it is by the weakest axis: 1 wholly, 0 as by chance. 1 for C1.
    runner_up
        The best of the groups that were not chosen and are no part of the one that was.
    runner_up_score
        Of the weakest axis of that one.
    """

    name: str
    rotation: Array
    centre_angstrom: Array
    score: float
    runner_up: str
    runner_up_score: float


@dataclass(frozen=True)
class _Axes:
    """The axes of a group.

    Attributes
    ----------
    name
        Of the group.
    directions
        ``[a, 3]``, that of the highest fold first.
    folds
        ``[a]``.
    order
        Of the group.
    """

    name: str
    directions: Array
    folds: NDArray[np.int64]
    order: int

    @classmethod
    def of(cls, name: str) -> _Axes:
        rotations = symmetry_rotations(name)[1:]
        # The axis of a turn spans what the turn leaves: the null space of R - 1.
        axes = np.array([np.linalg.svd(one - np.eye(3))[2][-1] for one in rotations])
        directions: list[Array] = []
        folds: list[int] = []
        for axis in axes:
            known = [i for i, other in enumerate(directions) if abs(axis @ other) > 1 - 1e-6]
            if known:
                folds[known[0]] += 1
            else:
                directions.append(axis)
                folds.append(2)
        order = np.argsort(folds, kind="stable")[::-1]
        return cls(name, np.array(directions)[order], np.array(folds)[order], len(rotations) + 1)

    def contains(self, other: _Axes) -> bool:
        """Tell whether a group is no larger than a part of this one, by its folds."""
        return self.order % other.order == 0 and all(
            any(fold % own == 0 for fold in self.folds) for own in other.folds
        )


class _Rings:
    """The spectrum of a map on rings about axes.

    Parameters
    ----------
    source
        Of the masked map.
    amplitude
        Root mean square of the spectrum by whole frequency, which it is divided by.
    radius
        Greatest frequency, cycles per box.
    n_angles
        Points on a ring.
    """

    def __init__(
        self, source: SliceSource, amplitude: Tensor, radius: float, n_angles: int
    ) -> None:
        self.source = source
        reach = math.floor(radius)
        along, out = torch.meshgrid(
            torch.arange(reach + 1.0), torch.arange(1.0, reach + 1.0), indexing="ij"
        )
        length = torch.hypot(along, out)
        inside = (length <= radius) & (length >= 2)
        self.along, self.out = along[inside], out[inside]
        # Rings on the equator are their own mates; the others stand for two.
        doubled = torch.where(self.along == 0, 1.0, 2.0)
        self.weights = self.out * doubled / amplitude[length[inside].round().long()].square()
        turn = torch.arange(n_angles) * (2 * math.pi / n_angles)
        self.cos, self.sin = turn.cos(), turn.sin()
        order = torch.fft.fftfreq(n_angles, d=1 / n_angles).abs().round().long()
        self.orders = order

    def harmonics(self, directions: Array, centre_px: Array) -> Array:
        """Return the power of harmonics about axes, ``[a, m]`` for orders 0, 1, 2, ...

        Parameters
        ----------
        directions
            Unit vectors, ``[a, 3]``.
        centre_px
            Where the axes meet, from voxel ``n // 2``, (x, y, z).
        """
        parts = [
            self._harmonics(directions[first : first + _RUN_AXES], centre_px)
            for first in range(0, len(directions), _RUN_AXES)
        ]
        return np.concatenate(parts)

    def _harmonics(self, directions: Array, centre_px: Array) -> Array:
        z = torch.as_tensor(directions, dtype=torch.float32)
        helper = torch.eye(3)[z.abs().argmin(dim=1)]
        x = torch.nn.functional.normalize(torch.linalg.cross(helper, z), dim=1)
        y = torch.linalg.cross(z, x)
        around = self.cos[:, None] * x[:, None] + self.sin[:, None] * y[:, None]
        points = (
            self.along[:, None, None] * z[:, None, None] + self.out[:, None, None] * around[:, None]
        )
        shift = torch.as_tensor(centre_px, dtype=torch.float32)
        angle = points @ shift * (2 * math.pi / self.source.grid.size)
        values = self.source.read(points) * torch.polar(torch.ones_like(angle), angle)
        power = torch.fft.fft(values, dim=-1).abs().square()
        total = torch.einsum("arm,r->am", power, self.weights)
        found = total.new_zeros(len(total), int(self.orders.max()) + 1)
        return found.index_add_(1, self.orders, total).double().numpy()


def _shares(harmonics: Array, folds: NDArray[np.int64]) -> Array:
    """Return how much of what turns is left by each fold, ``[a, f]``."""
    turning = harmonics[:, 1:].sum(axis=1).clip(1e-30)
    kept = [harmonics[:, fold::fold].sum(axis=1) for fold in folds]
    return np.stack(kept, axis=1) / turning[:, None]


def find_symmetry(
    values: Tensor,
    voxel_size_angstrom: float,
    diameter_angstrom: float,
    resolution_angstrom: float,
) -> FoundSymmetry:
    """Find the point group of a map.

    Parameters
    ----------
    values
        ``[n, n, n]`` as (z, y, x), protein bright, nearly in the middle of the box.
    voxel_size_angstrom, diameter_angstrom
        Of the map, and of the particle in it.
    resolution_angstrom
        Finest detail that can be trusted.

    Raises
    ------
    ValueError
        When the map is no cube, is empty, or holds values that are no numbers.
    """
    return _Finder(values, voxel_size_angstrom, diameter_angstrom, resolution_angstrom).found()


@dataclass
class _Placed:
    """A group laid into the map.

    Attributes
    ----------
    rotation
        From the map to the standard axes.
    centre_px
        Where the axes meet.
    scores
        Of its axes, beyond chance, ``[a]``.
    """

    group: _Axes
    rotation: Array
    centre_px: Array
    scores: Array

    @property
    def weakest(self) -> float:
        return float(self.scores.min())

    @property
    def strongest(self) -> float:
        return float(self.scores.max())


class _Finder:
    """A map at work."""

    def __init__(self, values: Tensor, voxel: float, diameter: float, resolution: float) -> None:
        volume = values.detach().float().cpu()
        size = volume.shape[-1]
        if volume.ndim != 3 or len(set(volume.shape)) != 1:
            raise ValueError(f"the map must be a cube, got {tuple(volume.shape)}")
        if not volume.isfinite().all():
            raise ValueError("the map holds values that are not numbers")
        self.voxel = voxel
        self.centre_px = _middle(volume, diameter / voxel)
        edge = max(2.0, 0.1 * diameter / voxel)
        ball = soft_ball(size, min(0.55 * diameter / voxel, size / 2 - 1 - edge), edge)
        masked = (volume - volume[ball < 0.5].mean()) * ball
        if not masked.abs().max() > 1e-6 * volume.abs().max():
            raise ValueError("the map is empty")
        per_cycle = size * voxel / diameter
        limit = min(size * voxel / resolution, size / 2 - 2)
        self.coarse = self._rings(masked, min(limit, _COARSE_CYCLES * per_cycle), per_cycle)
        self.fine = self._rings(masked, min(limit, _FINE_CYCLES * per_cycle), per_cycle)
        # An axis is blurred when it is off by the finest detail at the rim.
        self.step_rad = 0.6 * per_cycle / self.coarse.out.max().item()

    def _rings(self, masked: Tensor, radius: float, per_cycle: float) -> _Rings:
        if radius < 3:
            raise ValueError("the map is resolved too coarsely to show any symmetry")
        source = SliceSource(masked, radius + 1)
        frequency = source.grid.frequency()
        shell = frequency.round().long().flatten()
        power = torch.view_as_real(source.grid.cut(masked)).square().sum(dim=-1).flatten()
        sums = torch.zeros(int(shell.max()) + 1).index_add_(0, shell, power)
        amplitude = (sums / torch.bincount(shell).clamp_min(1)).clamp_min(1e-30).sqrt()
        n_angles = 2 * math.ceil(math.pi * radius / per_cycle + 8)
        return _Rings(source, amplitude, radius, n_angles)

    # The search

    def found(self) -> FoundSymmetry:
        """Look at all axes, and choose among the groups that may stand on the best of them."""
        directions = _hemisphere(self.step_rad)
        shares = _shares(self.coarse.harmonics(directions, self.centre_px), np.array(FOLDS))
        chance = np.median(shares, axis=0)
        spread = 1.4826 * np.median(np.abs(shares - chance), axis=0).clip(1e-9)
        scores = (shares - chance) / (1 - chance)
        stands_out = (shares.max(axis=0) - chance) / spread >= LEAST_DEVIATIONS
        self.chance = dict(zip(FOLDS, self._fine_chance(directions), strict=True))
        laid = [
            self._laid(group, directions, scores)
            for group in _groups()
            if stands_out[FOLDS.index(int(group.folds[0]))]
        ]
        return self._choice(self._those_refined(laid))

    def _those_refined(self, laid: list[_Placed]) -> list[_Placed]:
        """Refine what may be the answer; parts of larger groups that hold go."""
        best = max((one.weakest for one in laid), default=0.0)
        refined: list[_Placed] = []
        for one in sorted(laid, key=lambda one: -one.group.order):
            least = _least([*laid, *refined])
            if any(o.weakest >= least and o.group.contains(one.group) for o in refined):
                continue
            # What is far from holding before its axes are refined will not hold after.
            refined.append(self._refined(one) if one.weakest > 0.4 * best else one)
        return refined

    def _fine_chance(self, directions: Array) -> Array:
        """Return what chance leaves at the detail of the judgement, by fold."""
        some = directions[:: max(1, len(directions) // 150)]
        return np.asarray(
            np.median(_shares(self.fine.harmonics(some, self.centre_px), np.array(FOLDS)), axis=0)
        )

    def _laid(self, group: _Axes, directions: Array, scores: Array) -> _Placed:
        """Lay a group into the map: its main axis along one of the best, then turned about it."""
        few, tried = _few(group), []
        column = scores[:, FOLDS.index(int(group.folds[0]))]
        for main in _best_apart(directions, column, 4 * self.step_rad):
            turns = np.array(list(self._turns(group, main)))
            axes, folds = group.directions[:few] @ turns, np.tile(group.folds[:few], len(turns))
            found = self._scores(self.coarse, axes.reshape(-1, 3), folds, self.centre_px)
            tried += [
                _Placed(group, turn, self.centre_px, own)
                for turn, own in zip(turns, found.reshape(-1, few), strict=True)
            ]
        return max(tried, key=lambda one: one.weakest)

    def _turns(self, group: _Axes, main: Array) -> Iterator[Array]:
        """Yield rotations from the map that bring a direction to the group's main axis."""
        upright = rotations_of_vectors(shortest_turns(main, group.directions[0]))
        if len(group.folds) == 1:
            yield upright
            return
        period = 2 * math.pi / group.folds[0]
        for angle in np.arange(0.0, period, self.step_rad):
            yield rotations_of_vectors(angle * group.directions[0]) @ upright

    def _scores(
        self, rings: _Rings, axes: Array, folds: NDArray[np.int64], centre_px: Array
    ) -> Array:
        """Return how far each axis holds, beyond chance, ``[a]``."""
        kept = []
        for harmonics, fold in zip(rings.harmonics(axes, centre_px), folds.tolist(), strict=True):
            share = _shares(harmonics[None], np.array([fold]))[0, 0]
            kept.append((share - self.chance[fold]) / (1 - self.chance[fold]))
        return np.array(kept)

    def _refined(self, placed: _Placed) -> _Placed:
        """Move axes and centre to where the group holds best, and score all its axes."""
        group, few = placed.group, _few(placed.group)

        def moved(x: Array) -> tuple[Array, Array]:
            turn = rotations_of_vectors(x[:3] * self.step_rad)
            return placed.rotation @ turn, placed.centre_px + x[3:]

        def loss(x: Array) -> float:
            rotation, centre = moved(x)
            axes = group.directions[:few] @ rotation
            return -float(self._scores(self.fine, axes, group.folds[:few], centre).mean())

        start = np.concatenate([np.zeros((1, 6)), 0.6 * np.eye(6)])
        options: Any = {"maxfev": 160, "xatol": 0.01, "fatol": 1e-4, "initial_simplex": start}
        best = minimize(loss, np.zeros(6), method="Nelder-Mead", options=options)
        rotation, centre = moved(best.x)
        scores = self._scores(self.fine, group.directions @ rotation, group.folds, centre)
        return _Placed(group, rotation, centre, scores)

    def _choice(self, placed: list[_Placed]) -> FoundSymmetry:
        """Return the largest group that holds; among equal ones, that which holds best."""
        least = _least(placed)
        holding = [one for one in placed if one.weakest >= least]
        best = max(holding, key=lambda one: (one.group.order, one.weakest), default=None)
        others = [one for one in placed if best is None or not best.group.contains(one.group)]
        second = max(others, key=lambda one: one.weakest, default=None)
        return FoundSymmetry(
            best.group.name if best else "C1",
            best.rotation if best else np.eye(3),
            (best.centre_px if best else self.centre_px) * self.voxel,
            best.weakest if best else 1.0,
            second.group.name if second else "C1",
            second.weakest if second else 0.0,
        )


def _least(placed: Sequence[_Placed]) -> float:
    """Return what every axis of a group must hold: a share of what the best of all axes does."""
    return max(LEAST_SCORE, SAME_SHARE * max((one.strongest for one in placed), default=0.0))


def _groups() -> Iterator[_Axes]:
    """Yield the groups that are looked for, by their axes."""
    for fold in FOLDS:
        yield _Axes.of(f"C{fold}")
        yield _Axes.of(f"D{fold}")
    for name in ("T", "O", "I"):
        yield _Axes.of(name)


def _few(group: _Axes) -> int:
    """Return how many axes fix a group: its main one, and a few of the others."""
    return min(len(group.folds), 4)


def _middle(volume: Tensor, diameter_px: float) -> Array:
    """Return the centre of mass of what is bright, (x, y, z) from voxel ``n // 2``."""
    size = volume.shape[-1]
    ball = soft_ball(size, min(0.6 * diameter_px, size / 2 - 1), 1.0)
    bright = (volume - volume.mean() - volume.std()).clamp_min(0) * ball
    line = torch.arange(size, dtype=torch.float32) - size // 2
    total = bright.sum().clamp_min(1e-30)
    sums = (bright.sum(dim=(0, 1)), bright.sum(dim=(0, 2)), bright.sum(dim=(1, 2)))
    return np.array([float((one * line).sum() / total) for one in sums])


def _hemisphere(step_rad: float) -> Array:
    """Return directions spread evenly over the upper hemisphere, ``[n, 3]``."""
    n = math.ceil(2 * math.pi / step_rad**2)
    z = (np.arange(n) + 0.5) / n
    turn = math.pi * (1 + 5**0.5) * np.arange(n)
    across = np.sqrt(1 - z**2)
    return np.stack([across * np.cos(turn), across * np.sin(turn), z], axis=1)


def _best_apart(directions: Array, scores: Array, apart_rad: float) -> Iterator[Array]:
    """Yield the best directions that are no neighbours of each other."""
    left = scores.copy()
    for _ in range(_MAIN_AXES):
        best = int(left.argmax())
        if not np.isfinite(left[best]):
            return
        yield directions[best]
        left[np.abs(directions @ directions[best]) > math.cos(apart_rad)] = -np.inf
