"""Particles as points of IMOD models, one model to a tomogram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.imod_model import (
    FIRST_VOXEL,
    ImodModel,
    ImodObject,
    read_imod_model,
    write_imod_model,
)
from tomotui.formats.known_tomograms import (
    KnownTomogram,
    only_tomogram,
    positions_of,
    voxel_words,
)
from tomotui.formats.picks import picks
from tomotui.records import Particle

Floats = NDArray[np.float64]


def read_imod_particles(
    path: Path | str,
    tomograms: Mapping[str, KnownTomogram],
    *,
    tomogram: str | None = None,
    is_said: bool = False,
    only: str | None = None,
) -> list[Particle]:
    """Read every point of a model as a particle; orientations stay unknown.

    Parameters
    ----------
    tomograms
        The project's, by name.
    tomogram
        The one that the model was drawn on; by the name of the file otherwise.
    is_said
        Whether size and pixel size of the tomogram were given for this file, against its own.
    only
        Name of the object to take. Of all objects, the number of a particle's object is its
        class where several have points.

    Raises
    ------
    FormatError
        The model is malformed, or was drawn on another volume.
    """
    path = Path(path)
    name = only_tomogram(path, [path.name], tomogram, tomograms)
    model = read_imod_model(path)
    place = volume_of(path, model, tomograms[name], is_said)
    objects = [one for one in model.objects if len(one.points) and only in (None, one.name)]
    if only is not None and not objects:
        there = ", ".join(sorted({repr(one.name) for one in model.objects}))
        raise FormatError(f"{path} has no points in an object {only!r}", f"there are {there}")
    points = [model.voxels(one.points) for one in objects]
    counts = [len(one) for one in points]
    numbers = np.repeat(np.arange(1, len(points) + 1), counts)
    return picks(
        path,
        [tomograms[name].uid] * sum(counts),
        place.positions(np.concatenate([np.zeros((0, 3)), *points])),
        classes=numbers.tolist() if len(objects) > 1 else None,
    )


def volume_of(path: Path, model: ImodModel, known: KnownTomogram, is_said: bool) -> KnownTomogram:
    """Return the volume whose voxels a model counts in: the tomogram, or it with other voxels.

    Raises
    ------
    FormatError
        The model was drawn on a volume of another extent.
    """
    same = known if is_said else known.counted_in(model.size_xyz, model.pixel_size_angstrom)
    if same is not None:
        return same
    raise FormatError(
        f"{path} was drawn on a volume of "
        f"{voxel_words(model.size_xyz, model.pixel_size_angstrom)}, the tomogram has "
        f"{known.words()}",
        "say with --tomogram-size and --tomogram-pixel-size which voxels it counts in, if both "
        "have one centre",
    )


def write_imod_particles(
    path: Path | str,
    particles: Sequence[Particle],
    known: KnownTomogram,
    *,
    name: str,
    diameter_angstrom: float | None = None,
) -> None:
    """Write particles of one tomogram as scattered points with spheres of their diameter.

    Parameters
    ----------
    known
        The tomogram whose voxels the model counts in.
    name
        Name of the object.
    """
    points = known.voxels(positions_of(particles)) + FIRST_VOXEL
    radius = (diameter_angstrom or 0.0) / 2 / known.pixel_size_angstrom
    one = ImodObject(name, (points,), is_scattered=True, radius_voxels=round(radius))
    write_imod_model(path, ImodModel(known.size_xyz, known.pixel_size_angstrom, (one,)))
