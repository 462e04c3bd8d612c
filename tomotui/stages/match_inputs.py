"""What template matching takes: a template from a file, a tomogram, and where to look in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tomotui.records import Ctf, Tomogram
from tomotui.stages.base import Inputs, StageError, Task

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.match.field import Field
    from tomotui.algorithms.match.template import Density
    from tomotui.algorithms.restore.comb import Comb
    from tomotui.stages.restore_inputs import Subject

FINEST_SAMPLING_ANGSTROM = 2.5
"""Of atoms, before they are brought to the tomogram's voxels."""

_MAPS = (".mrc", ".map", ".ccp4", ".rec")


def subject_of(task: Task, inputs: Inputs) -> Subject:
    """Return the tomogram of the series with the records it was made with.

    Raises
    ------
    StageError
        When there is none, or a network has changed it.
    """
    from tomotui.stages.restore_inputs import subjects_of

    inputs.measured(Tomogram)
    subject = subjects_of(task, inputs)[0]
    return subject if subject.ctf else replace(subject, ctf=inputs.maybe(Ctf))


def comb_to_match(task: Task, subject: Subject) -> Comb:
    """Return what the tomogram has measured, with the contrast transfer as it was left."""
    from tomotui.stages.restore_inputs import comb_of

    corrected = subject.tomogram.ctf_correction is not None
    if subject.ctf is None:
        task.warn(
            f"{subject.series.name} has no CTF: the template is taken as if all of its contrast "
            "came through. Run ctf, then reconstruct, for better scores."
        )
    return comb_of(subject, signed=not corrected)


def find_file(task: Task, path: str, what: str) -> Path:
    """Return the absolute path of a file that a parameter names.

    Raises
    ------
    StageError
        When there is none.
    """
    given = Path(path).expanduser()
    found = given if given.is_absolute() else task.resolve(path)
    if not found.is_file():
        raise StageError(f"the {what} {found} is not there.", "Give the path of the file.")
    return found


def read_template(
    path: Path, pixel_size_angstrom: float | None, voxel_size_angstrom: float
) -> Density:
    """Return the density of a map or an atomic model about its centre of mass.

    Parameters
    ----------
    pixel_size_angstrom
        Of a map, where its header is wrong.
    voxel_size_angstrom
        Of the tomogram; atoms are sampled four times as finely.

    Raises
    ------
    StageError
        When the file is neither, or cannot be used.
    """
    from tomotui.formats.errors import FormatError
    from tomotui.formats.structures import is_structure

    try:
        if is_structure(path):
            return _atomic_density(path, voxel_size_angstrom)
        if path.name.lower().removesuffix(".gz").endswith(_MAPS):
            return read_map(path, pixel_size_angstrom, "template")
    except FormatError as error:
        raise StageError(str(error)) from error
    raise StageError(
        f"{path} is neither a map ({', '.join(_MAPS)}) nor an atomic model (.pdb, .cif).",
        "Give one of these.",
    )


def _atomic_density(path: Path, voxel_size_angstrom: float) -> Density:
    import torch

    from tomotui.algorithms.match.template import centred
    from tomotui.formats.structures import read_atoms
    from tomotui.imaging.potential import atomic_matter, sample

    pixel = max(FINEST_SAMPLING_ANGSTROM, voxel_size_angstrom / 4)
    made = sample(atomic_matter(read_atoms(path)), path.name, pixel)
    try:
        return centred(torch.from_numpy(made.potential_v), pixel)
    except ValueError as error:
        raise StageError(f"{path} makes no template: {error}.") from error


def read_map(path: Path, pixel_size_angstrom: float | None, what: str) -> Density:
    """Return the density of an MRC map, protein bright, about its centre of mass.

    Raises
    ------
    FormatError
        When the file cannot be read.
    StageError
        When its voxel size is not known, or it is empty.
    """
    from tomotui.algorithms.match.template import centred

    values, pixel = _sampled_map(path, pixel_size_angstrom)
    try:
        return centred(values, pixel)
    except ValueError as error:
        raise StageError(
            f"the {what} {path} cannot be used: {error}.",
            "Give a map with bright protein in dark surroundings.",
        ) from error


def read_mask(path: Path, pixel_size_angstrom: float | None, density: Density) -> Density:
    """Return the mask of a template, which lies in its file as the template does in its own.

    Raises
    ------
    StageError
        When it cannot be read, or does not say its voxel size.
    """
    from tomotui.algorithms.match.template import in_frame_of
    from tomotui.formats.errors import FormatError

    try:
        values, pixel = _sampled_map(path, pixel_size_angstrom)
    except FormatError as error:
        raise StageError(str(error)) from error
    return in_frame_of(density, values, pixel)


def _sampled_map(path: Path, pixel_size_angstrom: float | None) -> tuple[Tensor, float]:
    import torch

    from tomotui.formats.mrc import read_volume

    values, pixel = read_volume(path)
    pixel = pixel_size_angstrom or pixel
    if not pixel > 0:
        raise StageError(
            f"{path} does not say its voxel size.", "Say it with template_pixel_size_angstrom."
        )
    return torch.from_numpy(np.ascontiguousarray(values)), pixel


@dataclass(frozen=True)
class Limits:
    """Where particles may lie.

    Attributes
    ----------
    z_angstrom
        Lowest and highest z from the tomogram's centre; ``None`` for no limit.
    edge_angstrom
        No nearer to the tomogram's faces.
    gold_angstrom
        No nearer to gold, and `STREAK` times as far along the beam; 0 for no limit.
    mask_path
        Of a volume like the tomogram, above 0 where they may lie; empty for none.
    """

    z_angstrom: tuple[float | None, float | None]
    edge_angstrom: float
    gold_angstrom: float
    mask_path: str


def allowed_places(task: Task, field: Field, subject: Subject, limits: Limits) -> Tensor:
    """Return where particles may lie, ``[z, y, x]`` in the sampling of the search.

    Raises
    ------
    StageError
        When the mask cannot be read or is unlike the tomogram, or nothing is left.
    """
    import torch

    allowed = torch.ones(field.shape, dtype=torch.bool)
    z = (torch.arange(field.shape[0]) - field.centre_voxel[0]) * field.voxel_size_angstrom
    low, high = limits.z_angstrom
    if low is not None:
        allowed[z < low] = False
    if high is not None:
        allowed[z > high] = False
    for axis, n in enumerate(field.shape):
        room = min(round(limits.edge_angstrom / field.voxel_size_angstrom), (n - 1) // 2)
        allowed.narrow(axis, 0, room).fill_(False)
        allowed.narrow(axis, n - room, room).fill_(False)
    if limits.gold_angstrom > 0:
        allowed &= ~_near_gold(task, field, subject, limits.gold_angstrom)
    if limits.mask_path:
        allowed &= _mask_on_field(find_file(task, limits.mask_path, "mask"), field, subject)
    if not bool(allowed.any()):
        raise StageError(
            "no place is left to search: the range of z and the mask leave out everything.",
            "Widen them.",
        )
    return allowed


def _near_gold(task: Task, field: Field, subject: Subject, across_angstrom: float) -> Tensor:
    """Return which places lie near gold and the like, or in the streaks it draws."""
    from tomotui.imaging.neighbours import highest_around
    from tomotui.imaging.outliers import STREAK, clear_of_outliers
    from tomotui.stages.restore_inputs import read_tomogram

    volume = read_tomogram(task, subject, subject.tomogram.path)
    gold = _on_field(clear_of_outliers(volume - volume.mean()) < 0.5, field, subject)
    across = math.ceil(across_angstrom / field.voxel_size_angstrom)
    return highest_around(gold.float(), (STREAK * across, across, across)) > 0.5


def _mask_on_field(path: Path, field: Field, subject: Subject) -> Tensor:
    import torch

    from tomotui.formats.errors import FormatError
    from tomotui.formats.mrc import read_volume

    try:
        values, _ = read_volume(path)
    except FormatError as error:
        raise StageError(str(error)) from error
    expected = tuple(subject.tomogram.size_xyz[::-1])
    if values.shape != expected:
        raise StageError(
            f"the mask {path} has {values.shape[::-1]} voxels along x, y and z, the tomogram "
            f"{tuple(subject.tomogram.size_xyz)}.",
            "Give a mask of the tomogram's size.",
        )
    return _on_field(torch.from_numpy(values > 0), field, subject)


def _on_field(mask: Tensor, field: Field, subject: Subject) -> Tensor:
    """Return a mask of the tomogram's voxels in the sampling of the search."""
    import torch

    scale = subject.tomogram.pixel_size_angstrom / field.voxel_size_angstrom
    for axis, n in enumerate(field.shape):
        nearest = (torch.arange(n) / scale).round().long().clamp_max(mask.shape[axis] - 1)
        mask = mask.index_select(axis, nearest)
    return mask
