"""Small maps of the iterations of a refinement, kept so that its course can be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tomotui.stages.base import StageError, Task
from tomotui.stages.map_files import write_map

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.refine.maps import HalfMaps
    from tomotui.algorithms.refine.plan import IterationResult

COURSE_FOLDER = "iterations"
MOST_VOXELS = 64
"""Longest side of a map that is kept."""
_EMPTY = 0.01
"""Of a mask: less than that is outside."""
_COLUMNS = {
    "number": "number",
    "letter": "letter",
    "pixel_size_angstrom": "pixel_angstrom",
    "resolution_angstrom": "resolution_angstrom",
    "score": "score",
    "change_deg": "change_deg",
    "change_angstrom": "change_angstrom",
    "seconds": "seconds",
}
"""What is told of an iteration, and as what."""


class CourseOfMaps:
    """Keeps a small map of every iteration that made maps.

    Parameters
    ----------
    task
        In whose folder they are kept.
    """

    def __init__(self, task: Task) -> None:
        self.folder = task.folder / COURSE_FOLDER

    def begin(self, n_done: int) -> None:
        """Drop maps of an attempt before that went further than so many iterations.

        Raises
        ------
        StageError
            When they cannot be removed.
        """
        try:
            for path in self.folder.glob("*.mrc"):
                number, _, _ = path.stem.partition("-")
                if not number.isdigit() or int(number) > n_done:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise StageError(
                f"{self.folder} cannot be cleared: {error}.", "Remove it, or let it be written."
            ) from error

    def keep(self, iteration: IterationResult, maps: HalfMaps) -> None:
        """Keep the map of an iteration, if that made one."""
        if iteration.letter not in "Pp" and not iteration.kept > 0:
            return
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StageError(
                f"{self.folder} cannot be made: {error}.", "Free some room."
            ) from error
        values, pixel = small_map(maps)
        write_map(self.folder / _name(iteration), values, pixel, "float16")

    def columns(self, iterations: Sequence[IterationResult]) -> dict[str, Any]:
        """Return what is told of iterations as the screen of maps reads it.

        ``iteration_map`` names their files, seen from the task's folder; empty without one.
        """
        out = {
            f"iteration_{new}": np.array([getattr(one, old) for one in iterations])
            for old, new in _COLUMNS.items()
        }
        out["iteration_kept"] = np.array([one.kept > 0 for one in iterations], dtype=bool)
        out["iteration_map"] = np.array([self._file_of(one) for one in iterations], dtype=np.str_)
        return out

    def _file_of(self, iteration: IterationResult) -> str:
        name = _name(iteration)
        return f"{COURSE_FOLDER}/{name}" if (self.folder / name).is_file() else ""


def _name(iteration: IterationResult) -> str:
    return f"{iteration.number:03d}-{iteration.letter}.mrc"


def small_map(maps: HalfMaps) -> tuple[Tensor, float]:
    """Return the filtered map, cut to its mask and to at most `MOST_VOXELS` along a side.

    Returns
    -------
    Values of which the largest is 1, ``[n, n, n]`` with n even, and the voxel size in Angstrom.
    """
    from tomotui.algorithms.refine.maps import resampled

    reference, pixel = maps.reference.float(), maps.pixel_size_angstrom
    n = reference.shape[-1]
    inside = (maps.mask > _EMPTY).nonzero()
    reach = int((inside - n // 2).abs().max()) + 2 if len(inside) else n // 2
    half = min(reach, n // 2)
    cut = slice(n // 2 - half, n // 2 + half)
    values, side = reference[cut, cut, cut], 2 * half
    if side > MOST_VOXELS:
        coarser = pixel * side / MOST_VOXELS
        values, pixel = resampled(values.contiguous(), pixel, coarser, MOST_VOXELS), coarser
    return values / values.abs().max().clamp_min(1e-30), pixel
