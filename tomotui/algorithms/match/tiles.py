"""Cutting a field into tiles that are transformed at once, as large as the memory allows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import torch

from tomotui.algorithms.reconstruct.filters import fast_length
from tomotui.algorithms.reconstruct.plan import CPU_BYTES

GPU_SHARE = 0.5
"""Of the free memory that is used at once."""

LONGEST_TILE = {"cpu": 320, "cuda": 512}
MOST_AT_ONCE = 32
BYTES_A_VOXEL = 3 * 8
"""Of a tile for one orientation: its spectrum, the product, and what comes back."""


class Tile(NamedTuple):
    """A part of the field, from which the scores of ``size`` places follow.

    Attributes
    ----------
    start
        First voxel of the field, and first place, along z, y and x.
    size
        Places along z, y and x.
    """

    start: tuple[int, int, int]
    size: tuple[int, int, int]


@dataclass(frozen=True)
class Plan:
    """How a search is cut.

    Attributes
    ----------
    shape
        Of the transforms; tiles at the far faces are padded with zeros to it.
    tiles
        That cover all places.
    at_once
        Orientations transformed together.
    maps_stay
        Whether the maps of best scores are kept where the work is done.
    """

    shape: tuple[int, int, int]
    tiles: tuple[Tile, ...]
    at_once: int
    maps_stay: bool


def plan_tiles(
    places: tuple[int, int, int],
    box: int,
    device: torch.device | str,
    longest: int | None = None,
    budget_bytes: int | None = None,
) -> Plan:
    """Cut a search.

    Parameters
    ----------
    places
        Where templates may lie, along z, y and x.
    box
        Side of the templates.
    longest
        Longest side of a tile.
    budget_bytes
        That may be used at once.

    Notes
    -----
    Tiles overlap by the template; the cut changes scores by no more than rounding.
    """
    kind = torch.device(device).type
    limit = longest or LONGEST_TILE.get(kind, LONGEST_TILE["cpu"])
    limit = max(limit, 2 * box)
    budget = budget_bytes or working_bytes(device)
    map_bytes = 16 * places[0] * places[1] * places[2]
    maps_stay = kind == "cpu" or map_bytes <= budget / 2
    left = budget - (map_bytes if maps_stay and kind != "cpu" else 0)
    while limit > 2 * box and BYTES_A_VOXEL * limit**3 > left:
        limit = max(2 * box, limit * 7 // 8)
    spans = [_spans(n, limit - box + 1) for n in places]
    tiles = tuple(
        Tile((z[0], y[0], x[0]), (z[1], y[1], x[1])) for z, y, x in itertools.product(*spans)
    )
    sides = [fast_length(max(size for _, size in each) + box - 1) for each in spans]
    voxels = sides[0] * sides[1] * sides[2]
    at_once = 1 if kind == "cpu" else int(left // (BYTES_A_VOXEL * voxels))
    shape = (sides[0], sides[1], sides[2])
    return Plan(shape, tiles, max(1, min(MOST_AT_ONCE, at_once)), maps_stay)


def working_bytes(device: torch.device | str) -> int:
    """Return how much memory a search may use at once."""
    if torch.device(device).type == "cuda":
        free, _ = torch.cuda.mem_get_info(torch.device(device))
        return int(free * GPU_SHARE)
    return CPU_BYTES


def needed_bytes(plan: Plan, places: tuple[int, int, int], box: int) -> int:
    """Return what a search needs in the main memory on a CPU, all in all."""
    n = places[0] * places[1] * places[2]
    field = (places[0] + box) * (places[1] + box) * (places[2] + box)
    tile = plan.shape[0] * plan.shape[1] * plan.shape[2]
    return 4 * 5 * field + 4 * 6 * n + BYTES_A_VOXEL * tile * plan.at_once


def _spans(n: int, longest: int) -> list[tuple[int, int]]:
    """Return starts and lengths of even parts of ``n``, none longer than ``longest``."""
    count = -(-n // longest)
    edges = [round(i * n / count) for i in range(count + 1)]
    return [(a, b - a) for a, b in itertools.pairwise(edges)]
