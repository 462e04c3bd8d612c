"""Which particles of a set a stage works on after picking, and the map that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from tomotui.records import Map, ParticleSet
from tomotui.stages.base import Inputs, StageError, Task

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.records.particle_table import ParticleTable

Decisions = Literal["kept", "accepted", "all"]
"""Those nobody has rejected, those that were accepted, or every one that is still there."""


def one_set(inputs: Inputs) -> ParticleSet:
    """Return the particle set that is worked on.

    Raises
    ------
    StageError
        When there are several.
    """
    found = inputs.all(ParticleSet)
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise StageError(
            f"there are several particle sets: {names}.", "Name one: --set particles=NAME"
        )
    return inputs.one(ParticleSet)


def chosen_particles(
    inputs: Inputs,
    decisions: Decisions,
    min_score: float | None = None,
    classes: Sequence[int] = (),
) -> ParticleTable:
    """Return the particles that are meant, of all tomograms.

    Parameters
    ----------
    min_score
        Particles that have a lower score, or none, are left out; ``None`` for no limit.
    classes
        Of these classes; of any when there are none.

    Raises
    ------
    StageError
        When no particles came with the task.
    """
    table = inputs.particles
    if table is None:
        raise StageError("no particles came with the task.", "Submit it again.")
    kept = table.decisions != "removed"
    if decisions != "all":
        kept &= table.decisions != "rejected"
    if decisions == "accepted":
        kept &= table.decisions == "accepted"
    if min_score is not None:
        kept &= table.scores >= min_score
    if classes:
        kept &= np.isin(table.classes, list(classes))
    return table.select(kept)


def in_tomograms(task: Task, table: ParticleTable, tomogram_uids: Sequence[str]) -> ParticleTable:
    """Return the particles that lie in the tomograms at hand; tells of the others."""
    here = np.isin(table.tomogram_uids, list(tomogram_uids))
    if not here.all():
        task.warn(
            f"{int((~here).sum())} particles lie in tomograms that have been replaced or were not "
            "chosen; they are left out"
        )
    return table.select(here)


def with_orientation(task: Task, table: ParticleTable, what: str) -> ParticleTable:
    """Return the particles whose orientation is known; tells of the others.

    Parameters
    ----------
    what
        Whose particles they are.

    Raises
    ------
    StageError
        When there are particles, and none has one.
    """
    known = np.isfinite(table.angles_deg).all(axis=1)
    if len(table) and not known.any():
        raise StageError(
            f"no particle of {what} has an orientation.",
            "Run match or refine first, or import orientations with the particles.",
        )
    if not known.all():
        task.warn(f"{int((~known).sum())} particles of {what} without orientation are left out")
    return table.select(known)


def read_reference(
    task: Task, inputs: Inputs, reference: str, pixel_size_angstrom: float | None
) -> tuple[Tensor, float, str]:
    """Return a map, ``[n, n, n]``, its voxel size in Angstrom, and its name.

    Parameters
    ----------
    reference
        Name of a map of the project, or path of a file; the newest map of the particles when
        empty.
    pixel_size_angstrom
        Of a file whose header is wrong.

    Raises
    ------
    StageError
        When there is no such map, it cannot be read, or it does not tell its voxel size.
    """
    import torch

    from tomotui.formats.errors import FormatError
    from tomotui.formats.mrc import read_volume
    from tomotui.stages.match_inputs import find_file

    record = inputs.maybe(Map)
    if record is None and not reference:
        raise StageError(
            "there is no map of these particles.",
            "Run refine, or name a map or a file: --set reference=MAP",
        )
    path = task.resolve(record.path) if record else find_file(task, reference, "map")
    try:
        values, pixel = read_volume(path)
    except FormatError as error:
        raise StageError(str(error)) from error
    pixel = pixel_size_angstrom or (record.pixel_size_angstrom if record else pixel)
    if not pixel > 0:
        raise StageError(
            f"{path} does not say its voxel size.",
            "Bring it in with its size: tomotui import-map FILE --pixel-size ANGSTROM",
        )
    name = record.name if record else path.name.partition(".")[0]
    return torch.from_numpy(np.ascontiguousarray(values)), pixel, name
