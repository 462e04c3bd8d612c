"""In which order candidates are looked at."""

from __future__ import annotations

from itertools import product
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tomotui.records.particle_table import ParticleTable

Order = Literal["priority", "score", "doubt", "random", "z", "neighbours"]
"""``doubt``: where the search could tell least; ``neighbours``: those nearest to another first."""

ORDERS: tuple[Order, ...] = get_args(Order)
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
RUN_LENGTH = 5
"""Candidates of one tomogram that follow each other in the order of priority."""


def review_order(
    table: ParticleTable,
    by: Order,
    *,
    seed: int = 0,
    run_length: int = RUN_LENGTH,
) -> NDArray[np.intp]:
    """Return the numbers of candidates in the order in which to look at them.

    Parameters
    ----------
    by
        ``priority`` goes through the tomograms in turn, a few candidates of each: the first
        hundred judgements are of the whole data set. Candidates without a priority follow by
        their doubt, then by their score.
    seed
        Of the random order.
    """
    n = len(table)
    if by == "random":
        return np.random.default_rng(seed).permutation(n)
    tomograms = _numbered(table.tomogram_uids)
    if by == "score":
        return np.lexsort((np.arange(n), -_lowest_last(table.scores)))
    if by == "doubt":
        return np.lexsort((-_lowest_last(table.scores), -_lowest_last(table.uncertainties)))
    if by == "z":
        return np.lexsort((table.positions_angstrom[:, 2], tomograms))
    if by == "neighbours":
        return np.lexsort((np.arange(n), neighbour_distances(table.positions_angstrom, tomograms)))
    within = np.lexsort(
        (
            -_lowest_last(table.scores),
            -_lowest_last(table.uncertainties),
            -_lowest_last(table.priorities),
            tomograms,
        )
    )
    return within[_in_turn(tomograms[within], run_length)]


def _numbered(words: NDArray[np.str_]) -> NDArray[np.intp]:
    """Return a number for each word, in the order in which they come."""
    _, first, inverse = np.unique(words, return_index=True, return_inverse=True)
    rank: NDArray[np.intp] = np.argsort(np.argsort(first))
    return rank[inverse]


def _lowest_last(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values to sort from the highest; unknown ones come last."""
    return np.nan_to_num(values, nan=-np.inf)


def _in_turn(groups: NDArray[np.intp], run_length: int) -> NDArray[np.intp]:
    """Return an order of sorted groups that takes a run of each in turn."""
    starts = np.searchsorted(groups, groups, side="left")
    rank = np.arange(len(groups)) - starts
    return np.lexsort((rank, groups, rank // run_length))


def neighbour_distances(
    positions_angstrom: NDArray[np.float64],
    groups: NDArray[np.intp],
    within_angstrom: float = 400.0,
) -> NDArray[np.float64]:
    """Return the distance of each point to the nearest of its group.

    Points are sorted into cells, and each is compared with those of the 27 cells about it, which
    needs no more than numpy.

    Parameters
    ----------
    positions_angstrom
        ``[n, 3]``.
    groups
        ``[n]``, the tomogram of each point.
    within_angstrom
        Neighbours further than this are not looked for: infinity is returned.
    """
    nearest = np.full(len(groups), np.inf)
    if not len(groups):
        return nearest
    cells = np.floor(positions_angstrom / within_angstrom).astype(np.int64)
    cells -= cells.min(axis=0) - 1
    # A border of empty cells keeps neighbours from running into the next row or tomogram.
    nx, ny, nz = (int(n) for n in cells.max(axis=0) + 2)
    keys = ((groups * nz + cells[:, 2]) * ny + cells[:, 1]) * nx + cells[:, 0]
    order = np.argsort(keys, kind="stable")
    keys, points = keys[order], positions_angstrom[order]
    here = np.arange(len(keys))
    found = np.full(len(keys), np.inf)
    for dz, dy, dx in product((-1, 0, 1), repeat=3):
        wanted = keys + (dz * ny + dy) * nx + dx
        first, end = (np.searchsorted(keys, wanted, side=side) for side in _SIDES)
        for step in range(int((end - first).max())):
            other = first + step
            mine = np.flatnonzero((other < end) & (other != here))
            gaps = points[other[mine]] - points[mine]
            found[mine] = np.minimum(found[mine], np.linalg.norm(gaps, axis=1))
    nearest[order] = np.where(found <= within_angstrom, found, np.inf)
    return nearest
