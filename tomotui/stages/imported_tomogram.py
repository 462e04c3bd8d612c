"""A tomogram that comes along with an imported series: linked to, with contrast and preview."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tomotui.records import TiltSeries, Tomogram
from tomotui.stages.base import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tomotui.formats.import_plan import ImportPlan

SECTIONS_AT_ONCE = 16


def imported_tomogram(task: Task, plan: ImportPlan, series: TiltSeries) -> Tomogram | None:
    """Return the record of the plan's tomogram; ``None`` where there is none.

    Raises
    ------
    FormatError
        The volume cannot be read.
    """
    if plan.tomogram is None or plan.alignment is None:
        return None
    from tomotui.formats.mrc import MrcStack
    from tomotui.stages.tomogram_files import VolumeSet, preview_of

    task.progress(0.95, "looking at the tomogram")
    found = plan.tomogram
    as_set = VolumeSet(series.name, found.size_xyz, found.pixel_size_angstrom, False, "float32")

    def slabs(stack: MrcStack) -> Iterator[tuple[int, NDArray[np.float32]]]:
        for first in range(0, stack.shape[0], SECTIONS_AT_ONCE):
            last = min(first + SECTIONS_AT_ONCE, stack.shape[0])
            yield first, stack.read_all(range(first, last))

    with MrcStack(found.path) as stack:
        thumbnail, window = preview_of(task, as_set, slabs(stack))
    return Tomogram(
        series_uid=series.uid,
        alignment_uid=plan.alignment.uid,
        path=task.relative(found.path.absolute()),
        size_xyz=found.size_xyz,
        pixel_size_angstrom=found.pixel_size_angstrom,
        method="import",
        window_low=window[0],
        window_high=window[1],
        thumbnail_path=task.relative(thumbnail),
    )
