"""In which order candidates are looked at."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tomotui.records.particle_table import ParticleTable

Order = Literal["priority", "score", "doubt", "random", "z", "neighbours"]
"""``doubt``: where the search could tell least; ``neighbours``: those nearest to another first."""

ORDERS: tuple[Order, ...] = get_args(Order)
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
    _, tomograms = np.unique(table.tomogram_uids, return_inverse=True)
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

    Points are swept along x, which needs no more than numpy.

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
    order = np.lexsort((positions_angstrom[:, 0], groups))
    points, of = positions_angstrom[order], groups[order]
    for step in range(1, len(order)):
        same = of[step:] == of[:-step]
        near = np.flatnonzero(same & (points[step:, 0] - points[:-step, 0] <= within_angstrom))
        if not len(near):
            break
        gaps = np.linalg.norm(points[near + step] - points[near], axis=1)
        np.minimum.at(nearest, order[near], gaps)
        np.minimum.at(nearest, order[near + step], gaps)
    nearest[nearest > within_angstrom] = np.inf
    return nearest
