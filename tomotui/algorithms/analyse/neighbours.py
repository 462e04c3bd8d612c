"""The nearest neighbour of each particle, and how often others lie at a distance.

What is found is held against particles that lie by chance in the same region: a box as wide as
the tomogram and as deep as the particles reach, so that its faces and the slab of the specimen
are accounted for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations

Array = NDArray[np.float64]

DIRECTIONS = 2000
DRAWS = 20
"""Sets of points by chance that neighbours are compared with."""


@dataclass(frozen=True)
class Region:
    """The box that particles of a tomogram may lie in.

    Attributes
    ----------
    low, high
        Its corners, (x, y, z) Angstrom, ``[3]``.
    """

    low: Array
    high: Array

    @classmethod
    def of(cls, positions_angstrom: Array, size_angstrom: Array) -> Region:
        """Return the region of particles in a tomogram.

        Parameters
        ----------
        positions_angstrom
            From the tomogram's centre, ``[n, 3]``.
        size_angstrom
            Of the tomogram along x, y and z.

        Notes
        -----
        Along z it is as deep as the particles, and a little more: of n numbers by chance the
        least lies a share of ``1 / (n + 1)`` above the floor.
        """
        half = np.asarray(size_angstrom, dtype=np.float64) / 2
        low, high = -half, half.copy()
        z = positions_angstrom[:, 2]
        n = len(z)
        if n >= 2:
            beyond = (z.max() - z.min()) / (n - 1)
            low[2] = max(low[2], z.min() - beyond)
            high[2] = min(high[2], z.max() + beyond)
        # A particle at a face belongs to the region.
        low = np.minimum(low, positions_angstrom.min(axis=0, initial=0.0))
        high = np.maximum(high, positions_angstrom.max(axis=0, initial=0.0))
        return cls(low, high)

    @property
    def extent(self) -> Array:
        """Its length along x, y and z, ``[3]``."""
        return np.maximum(self.high - self.low, 1e-6)

    @property
    def volume_a3(self) -> float:
        """Cubic Angstrom."""
        return float(self.extent.prod())

    def overlap(self, distance_angstrom: Array) -> Array:
        """Return the mean volume that the region shares with itself, moved by a distance, A^3.

        The mean is over all directions, ``[n]`` of ``[n]`` distances.
        """
        moved = np.abs(distance_angstrom[:, None, None] * _directions()[None])
        shared: Array = np.maximum(self.extent - moved, 0).prod(axis=-1).mean(axis=-1)
        return shared

    def drawn(self, n: int, chance: np.random.Generator) -> Array:
        """Return points by chance, ``[n, 3]``."""
        points: Array = chance.uniform(self.low, self.high, (n, 3))
        return points


def _directions() -> Array:
    """Return directions spread evenly over the sphere, ``[n, 3]`` (a golden spiral)."""
    number = np.arange(DIRECTIONS) + 0.5
    z = 1 - 2 * number / DIRECTIONS
    angle = number * np.pi * (3 - 5**0.5)
    across = np.sqrt(1 - z**2)
    return np.stack([across * np.cos(angle), across * np.sin(angle), z], axis=-1)


@dataclass(frozen=True)
class Neighbours:
    """The nearest neighbour of each particle of a tomogram; NaN and -1 where there is none.

    Attributes
    ----------
    number
        Its row, ``[n]``.
    distance_angstrom
        ``[n]``.
    direction
        Towards it in the particle's own reference frame, unit length, ``[n, 3]``.
    angle_deg
        Least angle between both orientations, whatever the symmetry allows, ``[n]``.
    count
        Neighbours within the radius asked for, ``[n]``.
    """

    number: NDArray[np.int64]
    distance_angstrom: Array
    direction: Array
    angle_deg: Array
    count: NDArray[np.int64]


def nearest_neighbours(
    positions_angstrom: Array,
    rotations: Array,
    radius_angstrom: float,
    symmetry: str = "C1",
) -> Neighbours:
    """Return the nearest neighbours in one tomogram.

    Parameters
    ----------
    positions_angstrom, rotations
        ``[n, 3]`` and ``[n, 3, 3]``; rotations are NaN where they are not known.
    radius_angstrom
        Within which neighbours are counted.
    """
    n = len(positions_angstrom)
    if n < 2:
        nothing = np.full(n, np.nan)
        none = np.full(n, -1, dtype=np.int64)
        return Neighbours(none, nothing, np.full((n, 3), np.nan), nothing, np.zeros(n, np.int64))
    tree = cKDTree(positions_angstrom)
    distances, numbers = _two_nearest(positions_angstrom)
    # Of two at one place either may come first.
    own = numbers[:, 0] == np.arange(n)
    number = np.where(own, numbers[:, 1], numbers[:, 0])
    distance = distances[:, 1]
    towards = positions_angstrom[number] - positions_angstrom
    direction = np.einsum("nji,nj->ni", rotations, towards)
    direction = direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    angle = symmetric_angle_deg(rotations, rotations[number], symmetry_rotations(symmetry))
    count = tree.query_ball_point(positions_angstrom, radius_angstrom, return_length=True) - 1
    return Neighbours(number, distance, direction, angle, np.asarray(count, dtype=np.int64))


def _two_nearest(points: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return distances and numbers of the two nearest of each point, itself among them."""
    distances, numbers = cKDTree(points).query(points, k=2)
    return np.asarray(distances), np.asarray(numbers, dtype=np.int64)


@dataclass(frozen=True)
class Crowding:
    """Distances to nearest neighbours against those of points by chance, over all tomograms.

    Attributes
    ----------
    median_angstrom
        Of the particles.
    by_chance_angstrom
        Median of as many points by chance in the same regions.
    ratio
        Mean distance over that by chance: below 1 where particles cluster, above where they keep
        apart (Clark and Evans 1954, Ecology 35:445).
    deviations
        How many standard deviations of chance the mean lies from that by chance.
    """

    median_angstrom: float
    by_chance_angstrom: float
    ratio: float
    deviations: float


def crowding(
    distances_angstrom: Sequence[Array], regions: Sequence[Region], seed: int = 0
) -> Crowding | None:
    """Compare nearest distances, ``[n]`` of each tomogram, with chance; ``None`` without any."""
    counts = [len(one) if np.isfinite(one).any() else 0 for one in distances_angstrom]
    if not sum(counts):
        return None
    chance = np.random.default_rng(seed)
    means, medians = [], []
    for _ in range(DRAWS):
        found = []
        for n, region in zip(counts, regions, strict=True):
            if n:
                points = region.drawn(n, chance)
                found.append(_two_nearest(points)[0][:, 1])
        drawn = np.concatenate(found)
        means.append(drawn.mean())
        medians.append(np.median(drawn))
    own = np.concatenate([one for one, n in zip(distances_angstrom, counts, strict=True) if n])
    expected, spread = float(np.mean(means)), float(np.std(means, ddof=1))
    return Crowding(
        float(np.median(own)),
        float(np.mean(medians)),
        float(own.mean()) / expected,
        (float(own.mean()) - expected) / max(spread, 1e-9),
    )


@dataclass(frozen=True)
class PairDistribution:
    """How often pairs lie at a distance, over how often they would by chance.

    Attributes
    ----------
    distance_angstrom
        Middles of bins, ``[n_bins]``.
    density
        1 for chance, ``[n_bins]``; NaN where no pair would be expected.
    deviation
        Standard deviation of chance, ``[n_bins]``.
    pairs, expected
        Counted, and by chance, ``[n_bins]``.
    """

    distance_angstrom: Array
    density: Array
    deviation: Array
    pairs: Array
    expected: Array

    def peak(self, least_angstrom: float = 0.0, evident: float = 3.0) -> tuple[float, float] | None:
        """Return the distance and density of the highest bin that is not chance; ``None``."""
        sure = (self.density - 1 > evident * self.deviation) & (self.pairs >= 5)
        sure &= self.distance_angstrom >= least_angstrom
        if not sure.any():
            return None
        at = int(np.where(sure, self.density, -np.inf).argmax())
        return float(self.distance_angstrom[at]), float(self.density[at])


def pair_distribution(
    positions_angstrom: Sequence[Array],
    regions: Sequence[Region],
    farthest_angstrom: float,
    n_bins: int = 60,
) -> PairDistribution:
    """Return the radial distribution of pairs within tomograms.

    Parameters
    ----------
    positions_angstrom
        Of each tomogram, ``[n, 3]``.
    regions
        Of each tomogram.
    farthest_angstrom
        Where the last bin ends.
    """
    edges = np.linspace(0, farthest_angstrom, n_bins + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    pairs, expected = np.zeros(n_bins), np.zeros(n_bins)
    for positions, region in zip(positions_angstrom, regions, strict=True):
        n = len(positions)
        if n < 2:
            continue
        tree = cKDTree(positions)
        within: Any = tree.count_neighbors(tree, edges)
        # Each pair is counted twice, and each particle with itself once.
        pairs += np.diff((np.asarray(within, dtype=np.float64) - n) / 2)
        expected += n * (n - 1) / 2 * shells * region.overlap(middles) / region.volume_a3**2
    known = expected > 0
    safe = np.where(known, expected, 1.0)
    density = np.where(known, pairs / safe, np.nan)
    deviation = np.where(known, 1 / np.sqrt(safe), np.nan)
    return PairDistribution(middles, density, deviation, pairs, expected)
