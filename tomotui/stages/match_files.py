"""The files of template matching: what a search has reached, its scores, and what is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tomotui import __version__
from tomotui.records import Tomogram
from tomotui.stages.base import StageError, Task
from tomotui.stages.checkpoints import Checkpoint

if TYPE_CHECKING:
    from tomotui.algorithms.match.choose import Chosen
    from tomotui.algorithms.match.field import Field
    from tomotui.algorithms.match.search import Best, Search

DETAILS_FILE = "match.npz"
HISTOGRAM_BINS = 200
SECTIONS_AT_ONCE = 16


def keep_search(task: Task, best: Best, of: str) -> None:
    """Write down what a search has reached; on failure it goes on without.

    Parameters
    ----------
    of
        What tells this search from others.
    """
    values = {"scores": best.scores, "index": best.index, "blocks_done": best.blocks_done}
    try:
        Checkpoint(task, of, "the search").keep(values)
    except StageError as error:
        task.warn(f"{error.message} The search goes on without it.")


def resumed_search(task: Task, search: Search, of: str) -> Best:
    """Return what an attempt before has reached, where there is one of this search."""
    best = search.start()

    def take(kept: dict[str, Any]) -> None:
        best.scores.copy_(kept["scores"])
        best.index.copy_(kept["index"])
        best.blocks_done = int(kept["blocks_done"])

    if not Checkpoint(task, of, "the search").resume(take, str(best.scores.device)):
        return search.start()
    task.log(f"the search goes on after block {best.blocks_done} of {search.n_blocks}")
    return best


def forget_search(task: Task) -> None:
    """Remove what a search that is done had written down."""
    Checkpoint(task, "").forget()


def write_scores(
    task: Task,
    tomogram: Tomogram,
    stem: str,
    field: Field,
    chosen: Chosen,
    data_type: Literal["float16", "float32"],
) -> None:
    """Write the volume of scores on the tomogram's voxels, whole or not at all."""
    from tomotui.algorithms.match.choose import on_grid_of
    from tomotui.formats.mrc import VolumeWriter

    step = tomogram.pixel_size_angstrom / field.voxel_size_angstrom
    shape = (tomogram.size_xyz[2], tomogram.size_xyz[1], tomogram.size_xyz[0])
    scores = on_grid_of(chosen.scores.cpu(), step, shape).numpy()
    path = task.folder / f"{stem}_scores.mrc"
    with VolumeWriter(
        path,
        shape,
        tomogram.pixel_size_angstrom,
        data_type,
        labels=(
            f"tomotui {__version__}: scores of a template; high is alike",
            f"threshold {chosen.threshold:.4g}",
        ),
        origin_at_centre=True,
    ) as writer:
        for first in range(0, shape[0], SECTIONS_AT_ONCE):
            writer.write(first, scores[first : first + SECTIONS_AT_ONCE])
    task.artifact("scores", path)


def write_details(task: Task, field: Field, chosen: Chosen, sigma: float) -> None:
    """Write what a picture shows: scores against those of chance, and the best section.

    ``edges`` are those of the histograms ``voxels``, ``peaks`` and ``null_peaks``;
    ``expected_above`` tells how many peaks by chance lie above each edge; the two sections,
    protein dark, go through the best peak.
    """
    scores, peaks = chosen.scores.cpu().numpy(), chosen.peaks
    edges = np.linspace(float(scores.min()), float(scores.max()), HISTOGRAM_BINS + 1)
    shown = int(peaks.voxels[0, 0]) if len(peaks) else len(scores) // 2
    inside = tuple(slice(field.margin, field.margin + n) for n in field.shape)
    path = task.folder / DETAILS_FILE
    temporary = path.with_name(f".{path.stem}.partial.npz")
    np.savez(
        temporary,
        edges=edges,
        voxels=np.histogram(scores, edges)[0],
        peaks=np.histogram(peaks.scores, edges)[0],
        null_peaks=np.histogram(chosen.null_peaks, edges)[0],
        expected_above=chosen.tail.expected(edges[:-1]),
        threshold=chosen.threshold,
        sigma=sigma,
        score_section=scores[shown],
        tomogram_section=-field.values[inside][shown].cpu().numpy(),
        voxel_size_angstrom=field.voxel_size_angstrom,
    )
    temporary.replace(path)
    task.artifact("details", path)
