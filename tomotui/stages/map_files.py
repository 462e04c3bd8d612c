"""Maps and masks as files: those that stages are given, and those that they make."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tomotui.records import Map
from tomotui.stages.base import StageError, Task

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.refine.maps import HalfMaps
    from tomotui.formats.mrc import StoredMode
    from tomotui.imaging.fsc import Fsc


def read_mask(task: Task, name: str) -> tuple[Tensor, float]:
    """Read a soft mask.

    Parameters
    ----------
    name
        Of its file.

    Returns
    -------
    Values from 0 to 1, ``[n, n, n]``, and the voxel size in Angstrom.

    Raises
    ------
    StageError
        When it cannot be read or is no mask.
    """
    import torch

    from tomotui.formats.errors import FormatError
    from tomotui.formats.mrc import read_volume
    from tomotui.stages.match_inputs import find_file

    path = find_file(task, name, "mask")
    try:
        values, pixel = read_volume(path)
    except FormatError as error:
        raise StageError(str(error)) from error
    is_even_cube = len(set(values.shape)) == 1 and values.shape[0] % 2 == 0
    if not is_even_cube or not pixel > 0 or values.min() < -0.01 or values.max() > 1.01:
        raise StageError(
            f"{path} is no mask: it must be a cube of an even side, with values from 0 to 1, "
            "that says its voxel size.",
            "Take that of a map (tomotui export map NAME --what mask), or name none.",
        )
    return torch.from_numpy(np.ascontiguousarray(values)).float(), pixel


def write_map(
    path: Path, values: Tensor, pixel_size_angstrom: float, mode: StoredMode = "float32"
) -> None:
    """Write a map.

    Raises
    ------
    StageError
        When it cannot be written.
    """
    from tomotui.formats.errors import FormatError
    from tomotui.formats.mrc import write_volume

    try:
        write_volume(path, values.float().cpu().numpy(), pixel_size_angstrom, mode)
    except FormatError as error:
        raise StageError(str(error)) from error


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays as ``.npz``, whole or not at all.

    Raises
    ------
    StageError
        When they cannot be written.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StageError(f"{path} cannot be written: {error}.", "Free some room.") from error


def fsc_curves(fsc: Fsc) -> dict[str, Any]:
    """Return the curves of a Fourier shell correlation as the screen of maps reads them."""
    return {
        "fsc_frequency_per_angstrom": fsc.frequency_per_angstrom,
        "fsc_unmasked": fsc.unmasked,
        "fsc_masked": fsc.masked,
        "fsc_randomised": fsc.randomised,
        "fsc_corrected": fsc.corrected,
    }


def half_maps_record(
    task: Task,
    maps: HalfMaps,
    *,
    stem: str,
    name: str,
    symmetry: str,
    particle_set_uid: str,
    n_particles: int,
    made_by: str,
) -> Map:
    """Write half maps, their mask and mean, the map to look at, and curves; and describe them.

    Parameters
    ----------
    stem
        With which the names of the files begin.
    """
    folder, pixel = task.folder, maps.pixel_size_angstrom
    files = {
        "half1": maps.halves[0],
        "half2": maps.halves[1],
        "mask": maps.mask,
        "unfiltered": maps.whole,
        "map": maps.reference,
    }
    paths = {}
    for what, values in files.items():
        path = folder / f"{stem}_{what}.mrc"
        write_map(path, values, pixel)
        paths[what] = task.relative(path)
    task.artifact(name, folder / f"{stem}_map.mrc")
    details = folder / f"{stem}_details.npz"
    write_arrays(details, fsc_curves(maps.fsc))
    size, reached = maps.mask.shape[-1], maps.resolution_angstrom
    return Map(
        name=name,
        path=paths["map"],
        size_xyz=(size, size, size),
        pixel_size_angstrom=pixel,
        half_paths=(paths["half1"], paths["half2"]),
        symmetry=symmetry,
        resolution_angstrom=reached if math.isfinite(reached) else None,
        particle_set_uid=particle_set_uid,
        mask_path=paths["mask"],
        unfiltered_path=paths["unfiltered"],
        details_path=task.relative(details),
        n_particles=n_particles,
        made_by=made_by,
    )
