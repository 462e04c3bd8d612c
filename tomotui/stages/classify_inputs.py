"""What particles are sorted by: their images, given maps, and a mask to look within."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tomotui.records import Map
from tomotui.stages.averaged_particles import AveragedParticles
from tomotui.stages.base import Inputs, StageError, Task
from tomotui.stages.particle_choice import one_set, read_reference

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.records.particle_table import ParticleTable
    from tomotui.stages.classify import ClassifyParameters

SAME_PIXEL_SHARE = 1e-3


def averaged_particles(
    task: Task, inputs: Inputs, table: ParticleTable, parameters: ClassifyParameters
) -> AveragedParticles:
    """Return the particles at the binning to sort them at, and their average.

    Raises
    ------
    StageError
        When they have no orientation and none is looked for, or are too few.
    """
    whole = one_set(inputs)
    known = np.asarray(np.isfinite(table.angles_deg).all(axis=1))
    if parameters.alignment == "full":
        # They are looked for in a moment.
        table = replace(table, angles_deg=np.where(known[:, None], table.angles_deg, 0.0))
    elif len(table) and not known.any():
        raise StageError(
            f"no particle of {whole.name} has an orientation, and alignment is "
            f"{parameters.alignment}.",
            "Look for them: --set alignment=full; or run match or refine first.",
        )
    if parameters.symmetry:
        changed = whole.replace(symmetry=parameters.symmetry)
        inputs = Inputs({**inputs.records, "particle_set": (changed,)}, inputs.particles)
    try:
        return AveragedParticles(
            task,
            inputs,
            table,
            diameter_angstrom=parameters.diameter_angstrom,
            box_angstrom=parameters.box_angstrom,
            box_px=parameters.box_px,
            memory_gb=parameters.memory_gb,
            seed=parameters.seed,
        )
    except ValueError as error:  # of symmetry
        raise StageError(f"{error}.") from error


def given_maps(
    task: Task, inputs: Inputs, parameters: ClassifyParameters, averaged: AveragedParticles
) -> list[Tensor]:
    """Return the maps to begin with on the pixels of the views, ``[n, n, n]`` each.

    Raises
    ------
    StageError
        When one cannot be read or is no cube, or they differ in box or voxel size.
    """
    records = {key: one for one in inputs.all(Map) for key in (one.uid, one.name)}
    found = []
    for name in parameters.reference:
        own = {"map": (records[name],)} if name in records else {}
        found.append(read_reference(task, Inputs(own), name, None))
    _check_alike(found)
    return [_on_views(values, pixel, name, averaged) for values, pixel, name in found]


def _check_alike(found: Sequence[tuple[Tensor, float, str]]) -> None:
    if len(found) == 1:
        raise StageError(
            f"{found[0][2]} is one map: classes that begin with maps need two.",
            "Name one for each class, or none.",
        )
    for values, pixel, name in found[1:]:
        first, first_pixel, first_name = found[0]
        is_alike = abs(pixel - first_pixel) <= SAME_PIXEL_SHARE * first_pixel
        if values.shape != first.shape or not is_alike:
            sizes = [
                f"{one} has {len(map_)} voxels of {voxel:.4g} A"
                for map_, voxel, one in ((first, first_pixel, first_name), (values, pixel, name))
            ]
            raise StageError(
                f"the maps to begin with differ: {', '.join(sizes)}.",
                "Bring them to one box and voxel size, in one frame.",
            )


def _on_views(values: Tensor, pixel: float, name: str, averaged: AveragedParticles) -> Tensor:
    """Return a map on the pixels and in the box of the views, empty beside the particle."""
    from tomotui.algorithms.refine.maps import particle_ball, resampled

    work = averaged.refinement.work
    if len(set(values.shape)) != 1 or not bool(values.isfinite().all()):
        raise StageError(
            f"the map {name} is no cube of numbers.",
            "Bring it in with tomotui import-map, which makes cubes and turns contrast.",
        )
    if values.shape[0] % 2:
        values = values[:-1, :-1, :-1]
    ball = particle_ball(values.shape[0], pixel, averaged.diameter)
    here = resampled(values.float() * ball, pixel, work.pixel_size_angstrom, work.box)
    # Projections are sums along the beam: of fewer, longer steps where pixels are larger.
    return (here * (work.pixel_size_angstrom / pixel)).to(work.device)


def map_to_search(task: Task, inputs: Inputs, averaged: AveragedParticles) -> Tensor:
    """Return the newest map of the particles, to search orientations in.

    Raises
    ------
    StageError
        When there is none.
    """
    values, pixel, name = read_reference(task, inputs, "", None)
    return _on_views(values, pixel, name, averaged)


def focus_mask(task: Task, name: str, averaged: AveragedParticles) -> Tensor | None:
    """Return the mask to look within on the pixels of the views, ``[n, n, n]``.

    Raises
    ------
    StageError
        When it is no mask, or holds nothing of the particle.
    """
    from tomotui.algorithms.refine.maps import particle_ball, resampled
    from tomotui.stages.map_files import read_mask

    if not name:
        return None
    mask, pixel = read_mask(task, name)
    work = averaged.refinement.work
    # What lies beyond the views' box would come back in at its other side.
    mask = mask * particle_ball(len(mask), pixel, averaged.diameter)
    here = resampled(mask, pixel, work.pixel_size_angstrom, work.box).clamp(0, 1).to(work.device)
    if float((here > 0.5).sum()) < 8:
        raise StageError(
            f"{name} holds nothing of the particle.",
            "Give a mask about the particle's centre, of its voxel size: tomotui export map NAME",
        )
    return here
