"""Where particles stand in a landscape of conformations: directions, places on them, clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDS = 100
_BEGINNINGS = 8
_SAMPLE = 4000
"""Points among which the best beginning is looked for."""


@dataclass(frozen=True, eq=False)
class LatentSpace:
    """Particles in the coordinates of a landscape, and directions to look along.

    Places along a direction are told in standard deviations of the particles from where the
    landscape has its origin: the map of all of them.

    Attributes
    ----------
    uids
        ``[n]`` identities of the particles.
    coordinates, spread
        ``[n, d]``, and the standard deviation of each.
    directions
        ``[k, d]`` unit vectors: the principal directions, then the coordinates themselves.
    deviations
        ``[k]`` standard deviation of the particles along each; above zero.
    n_principal
        How many of the directions are principal ones.
    """

    uids: NDArray[np.str_]
    coordinates: Floats
    spread: Floats
    directions: Floats
    deviations: Floats
    n_principal: int

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take up what a landscape's file holds, see `tomotui.records.Landscape`.

        Raises
        ------
        KeyError
            When there are no particles or coordinates in it.
        ValueError
            When its arrays do not belong together.
        """
        uids = np.asarray(arrays["uids"]).astype(np.str_)
        coordinates = np.asarray(arrays["coordinates"], dtype=np.float64)
        n, d = coordinates.shape
        if len(uids) != n or not np.isfinite(coordinates).all():
            raise ValueError(f"{len(uids)} particles and coordinates of shape {coordinates.shape}")
        spread = np.asarray(arrays.get("spread", np.zeros((n, d))), dtype=np.float64)
        axes = np.asarray(arrays.get("axes", np.zeros((0, d))), dtype=np.float64).reshape(-1, d)
        own = coordinates.std(axis=0) if n else np.zeros(d)
        along = np.asarray(arrays.get("deviations", np.zeros(len(axes))), dtype=np.float64)
        if spread.shape != (n, d) or len(along) != len(axes):
            raise ValueError(f"spread of shape {spread.shape}, {len(along)} deviations of axes")
        deviations = np.concatenate([along, own])
        return cls(
            uids,
            coordinates,
            spread,
            np.concatenate([axes, np.eye(d)]),
            np.where(deviations > 1e-9, deviations, 1.0),
            len(axes),
        )

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.uids)

    @property
    def names(self) -> tuple[str, ...]:
        """What each direction is called."""
        motions = [f"motion {number + 1}" for number in range(self.n_principal)]
        rest = len(self.directions) - self.n_principal
        return (*motions, *(f"coordinate {number + 1}" for number in range(rest)))

    def along(self, direction: int) -> Floats:
        """Return where particles stand along a direction, ``[n]`` deviations."""
        places: Floats = self.coordinates @ self.directions[direction] / self.deviations[direction]
        return places

    def spread_along(self, direction: int) -> Floats:
        """Return how uncertain that is of each particle, ``[n]`` deviations."""
        parts = self.spread * self.directions[direction]
        found: Floats = np.sqrt(np.square(parts).sum(axis=1)) / self.deviations[direction]
        return found

    def point(self, directions: Sequence[int], places: Sequence[float]) -> Floats:
        """Return the point nearest to the origin with given places along directions, ``[d]``."""
        wanted = np.asarray(places, dtype=np.float64) * self.deviations[list(directions)]
        found: Floats = np.linalg.pinv(self.directions[list(directions)]) @ wanted
        return found

    def place(self, point: Floats, direction: int) -> float:
        """Return where a point lies along a direction."""
        return float(point @ self.directions[direction] / self.deviations[direction])


def k_means(points: Floats, k: int, seed: int = 0) -> tuple[NDArray[np.intp], Floats]:
    """Part points into clusters about their means (Lloyd 1982), begun as k-means++ begins.

    D. Arthur and S. Vassilvitskii, SODA 2007. The best of several beginnings; clusters come in
    the order of their centres along the first coordinate.

    Parameters
    ----------
    points
        ``[n, d]``.
    k
        Number of clusters, at most n.

    Returns
    -------
    The cluster of each point ``[n]``, and the centres ``[k, d]``.

    Raises
    ------
    ValueError
        When there are fewer points than clusters, or no cluster is asked for.
    """
    if not 1 <= k <= len(points):
        raise ValueError(f"{len(points)} points cannot be parted into {k} clusters")
    random = np.random.default_rng(seed)
    some = points
    if len(points) > max(_SAMPLE, k):
        some = points[random.choice(len(points), max(_SAMPLE, k), replace=False)]
    runs = [_lloyd(some, _begun(some, k, random)) for _ in range(_BEGINNINGS)]
    _, best, _ = min(runs, key=lambda run: run[2])
    labels, centres, _ = _lloyd(points, best)
    order = np.argsort(centres[:, 0], kind="stable")
    return np.argsort(order)[labels], centres[order]


def _begun(points: Floats, k: int, random: np.random.Generator) -> Floats:
    """Return points as first centres, each likely to be far from those before."""
    centres = [points[random.integers(len(points))]]
    nearest = np.full(len(points), np.inf)
    for _ in range(k - 1):
        nearest = np.minimum(nearest, np.square(points - centres[-1]).sum(axis=1))
        total = nearest.sum()
        share = nearest / total if total > 0 else None
        centres.append(points[random.choice(len(points), p=share)])
    return np.array(centres)


def _lloyd(points: Floats, centres: Floats) -> tuple[NDArray[np.intp], Floats, float]:
    labels = np.zeros(len(points), dtype=np.intp)
    square = np.square(points).sum(axis=1)
    for number in range(_ROUNDS):
        apart = square[:, None] - 2 * points @ centres.T + np.square(centres).sum(axis=1)
        fresh = apart.argmin(axis=1)
        if number and np.array_equal(fresh, labels):
            break
        labels = fresh
        for one in range(len(centres)):
            if (labels == one).any():
                centres[one] = points[labels == one].mean(axis=0)
    residual = np.square(points - centres[labels]).sum()
    return labels, centres, float(residual)
