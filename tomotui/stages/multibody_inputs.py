"""Bodies as they are asked for: masks from files, points that were marked, or the map's valleys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tomotui.stages.base import StageError, Task
from tomotui.stages.map_files import read_mask

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.refine.maps import HalfMaps

Point = tuple[float, float, float]
FEWEST, MOST = 2, 8
"""Bodies."""

_REMEDY = (
    "Name masks of other parts (--set masks=FILE,FILE), mark points of each body, or ask for "
    "another number of bodies."
)


def body_masks(
    task: Task,
    maps: HalfMaps,
    diameter_angstrom: float,
    n_bodies: int,
    files: Sequence[str],
    seeds: Sequence[Sequence[Point]],
    overlap_angstrom: float,
) -> Tensor:
    """Return masks of bodies on the voxels of the map, which add up to its mask, ``[b, n, n, n]``.

    Parameters
    ----------
    maps
        Of the consensus.
    n_bodies
        To cut the map into, where neither masks nor seeds are given.
    files
        Of masks.
    seeds
        Points (x, y, z) from the map's centre in Angstrom, of each body.
    overlap_angstrom
        Width of the zone that two bodies share.

    Raises
    ------
    StageError
        When there are not as many bodies as are needed, or the map does not show them.
    """
    from tomotui.algorithms.bodies.masks import (
        BodyError,
        bodies_by_seeds,
        bodies_by_valleys,
        shared_out,
        softened,
    )

    pixel, mean = maps.pixel_size_angstrom, maps.reference
    edge = max(3.0, overlap_angstrom / pixel)
    given = len(files) or len(seeds)
    if given and not FEWEST <= given <= MOST:
        what = "mask" if files else "marked body"
        raise StageError(
            f"{given} {what}{'' if given == 1 else 's'}: there must be {FEWEST} to {MOST}, for "
            "bodies are said to move beside each other.",
            _REMEDY,
        )
    try:
        if files:
            masks = _read(task, files, maps, diameter_angstrom)
            return shared_out(masks, maps.mask, edge)
        if seeds:
            points = [np.array(one, dtype=np.float64).reshape(-1, 3) / pixel for one in seeds]
            labels = bodies_by_seeds(mean, maps.mask, points)
        else:
            labels = bodies_by_valleys(mean, maps.mask, n_bodies)
    except BodyError as error:
        named = "".join(f" {n}: {file};" for n, file in enumerate(files, start=1)).rstrip(";")
        raise StageError(f"{error}{' -' + named if named else ''}.", _REMEDY) from error
    return softened(labels, maps.mask, edge)


def _read(
    task: Task, files: Sequence[str], maps: HalfMaps, diameter_angstrom: float
) -> list[Tensor]:
    """Read masks, and bring them to the voxels of the map."""
    from tomotui.algorithms.refine.maps import resampled

    found = []
    for file in files:
        mask, pixel = read_mask(task, file)
        side = mask.shape[-1] * pixel
        if side < diameter_angstrom:
            raise StageError(
                f"{file} is {side:.0f} A wide, the particle {diameter_angstrom:.0f} A: it is a "
                "mask of something else.",
                "Make masks on the particles' map: tomotui export map NAME",
            )
        box = maps.mask.shape[-1]
        found.append(resampled(mask, pixel, maps.pixel_size_angstrom, box).clamp(0, 1))
    return found
