"""Chains of neighbours, such as the ribosomes along one messenger RNA."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tomotui.geometry.angles import super_fibonacci

Array = NDArray[np.float64]

DRAWS = 10
"""Random orientations, or places, that links are compared with."""


@dataclass(frozen=True)
class Chains:
    """What is linked with what.

    Attributes
    ----------
    links
        Rows of particles, from and to, ``[n_links, 2]``.
    length_angstrom
        Of each link, ``[n_links]``.
    chain
        Number of the chain of each particle, -1 for those alone, ``[n]``.
    place
        From its beginning, 0 and on; -1 for those alone, ``[n]``.
    """

    links: NDArray[np.int64]
    length_angstrom: Array
    chain: NDArray[np.int64]
    place: NDArray[np.int64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Particles in each chain, ``[n_chains]``."""
        sizes: NDArray[np.int64] = np.bincount(self.chain[self.chain >= 0])
        return sizes


def directed_chains(
    positions_angstrom: Array,
    rotations: Array,
    leaving_angstrom: Array,
    entering_angstrom: Array,
    longest_angstrom: float,
) -> Chains:
    """Link particles where what leaves one may enter the next.

    Parameters
    ----------
    positions_angstrom, rotations
        In one tomogram, ``[n, 3]`` and ``[n, 3, 3]``; those whose rotation is not known (NaN)
        stay alone.
    leaving_angstrom, entering_angstrom
        Where it leaves and enters the reference, (x, y, z) from its centre.
    longest_angstrom
        Of a link, from exit to entry.

    Notes
    -----
    The shortest links come first. Each particle is left once and entered once, and no chain
    closes upon itself.
    """
    rows = np.flatnonzero(np.isfinite(rotations).all(axis=(1, 2)))
    positions, turns = positions_angstrom[rows], rotations[rows]
    leaving, entering = positions + turns @ leaving_angstrom, positions + turns @ entering_angstrom
    first, second, lengths = _near(leaving, entering, longest_angstrom)
    apart = first != second
    first, second = rows[first[apart]], rows[second[apart]]
    return _linked(len(positions_angstrom), first, second, lengths[apart], True)


def plain_chains(positions_angstrom: Array, longest_angstrom: float) -> Chains:
    """Link particles whose centres are near, ``[n, 3]``; each with two others at most."""
    first, second, lengths = _near(positions_angstrom, positions_angstrom, longest_angstrom)
    once = first < second
    return _linked(len(positions_angstrom), first[once], second[once], lengths[once], False)


def directed_by_chance(
    positions_angstrom: Array,
    leaving_angstrom: Array,
    entering_angstrom: Array,
    longest_angstrom: float,
    seed: int = 0,
) -> float:
    """Return how many links particles at these places would have if they were turned by chance."""
    chance = np.random.default_rng(seed)
    turns = super_fibonacci(max(1000, len(positions_angstrom)))
    counts = [
        len(
            directed_chains(
                positions_angstrom,
                turns[chance.integers(len(turns), size=len(positions_angstrom))],
                leaving_angstrom,
                entering_angstrom,
                longest_angstrom,
            ).links
        )
        for _ in range(DRAWS)
    ]
    return float(np.mean(counts))


def _near(
    first: Array, second: Array, longest: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Return pairs of points no further apart than a length, and their distances."""
    if not len(first):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    found = cKDTree(first).sparse_distance_matrix(
        cKDTree(second), longest, output_type="coo_matrix"
    )
    return found.row.astype(np.int64), found.col.astype(np.int64), np.asarray(found.data)


def _linked(
    n: int, first: NDArray[np.int64], second: NDArray[np.int64], lengths: Array, directed: bool
) -> Chains:
    """Link the nearest pairs first, as long as each has room and no ring closes."""
    root = np.arange(n)

    def end_of(row: int) -> int:
        while root[row] != row:
            root[row] = root[root[row]]
            row = int(root[row])
        return row

    out_room = np.full(n, 1 if directed else 2)
    in_room = np.ones(n, dtype=np.int64) if directed else out_room
    links, kept = [], []
    for pair in np.argsort(lengths, kind="stable"):
        a, b = int(first[pair]), int(second[pair])
        if out_room[a] < 1 or in_room[b] < 1 or end_of(a) == end_of(b):
            continue
        out_room[a] -= 1
        in_room[b] -= 1
        root[end_of(a)] = end_of(b)
        links.append((a, b))
        kept.append(float(lengths[pair]))
    chain, place = _walked(n, links, directed)
    return Chains(np.array(links, dtype=np.int64).reshape(-1, 2), np.array(kept), chain, place)


def _walked(
    n: int, links: list[tuple[int, int]], directed: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the chains, and the particles along each from its beginning."""
    beside: list[list[int]] = [[] for _ in range(n)]
    entered = np.zeros(n, dtype=bool)
    for a, b in links:
        beside[a].append(b)
        entered[b] = True
        if not directed:
            beside[b].append(a)
    chain, place = np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.int64)
    number = 0
    for start in range(n):
        begins = len(beside[start]) == 1 and not (directed and entered[start])
        if not begins or chain[start] >= 0:
            continue
        at, step = start, 0
        while True:
            chain[at], place[at] = number, step
            onwards = [row for row in beside[at] if chain[row] < 0]
            if not onwards:
                break
            at, step = onwards[0], step + 1
        number += 1
    return chain, place
