"""RELION particle STAR files.

RELION's (rot, tilt, psi) are those of :class:`~tomotui.records.Particle`: intrinsic ZYZ angles
of the inverse of the pose. Where a file splits the pose into that of the subtomogram and that
of the particle in it, the two are combined as RELION does: ``A = A_subtomogram A_particle`` and
``position = coordinate - A_subtomogram origin``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.star import Columns, only_block, read_star, write_star
from tomotui.records import Particle, new_uid

Array = NDArray[np.float64]
_CENTRED = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
_CORNER = [f"rlnCoordinate{axis}" for axis in "XYZ"]
_ORIGIN = [f"rlnOrigin{axis}Angst" for axis in "XYZ"]
_ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
_SUBTOMOGRAM = ["rlnTomoSubtomogramRot", "rlnTomoSubtomogramTilt", "rlnTomoSubtomogramPsi"]


def read_relion_particles(
    path: Path | str,
    tomogram_uids: Mapping[str, str],
    *,
    corner_size_xyz: tuple[int, int, int] | None = None,
    corner_pixel_size_angstrom: float | None = None,
) -> list[Particle]:
    """Read particles with their poses, classes and half sets.

    Parameters
    ----------
    tomogram_uids
        Identity of each tomogram by RELION's name of it.
    corner_size_xyz, corner_pixel_size_angstrom
        Size and pixel of the tomogram that ``rlnCoordinateX`` etc. count in, for files without
        centred coordinates (RELION 4).

    Raises
    ------
    FormatError
        A column is missing, or a tomogram is not in the project.
    """
    path = Path(path)
    table = only_block(path, read_star(path), "particles", "rlnTomoName")
    names = [str(name) for name in table["rlnTomoName"]]
    unknown = sorted(set(names) - set(tomogram_uids))
    if unknown:
        raise FormatError(
            f"{path} has particles of {', '.join(unknown[:5])}, which the project does not have",
            "reconstruct or import these tomograms first, under the same names",
        )
    positions = _positions(path, table, corner_size_xyz, corner_pixel_size_angstrom)
    angles = _block(table, _ANGLES)
    subtomogram = _block(table, _SUBTOMOGRAM)
    origin = _block(table, _ORIGIN)
    if subtomogram is not None:
        angles, turned = _combined(subtomogram, angles, origin)
        positions = positions - turned
    elif origin is not None:
        positions = positions - origin
    classes = table.get("rlnClassNumber")
    halves = table.get("rlnRandomSubset")
    scores = table.get("rlnAutopickFigureOfMerit")
    return [
        Particle(
            uid=new_uid(),
            tomogram_uid=tomogram_uids[name],
            x_angstrom=float(positions[i, 0]),
            y_angstrom=float(positions[i, 1]),
            z_angstrom=float(positions[i, 2]),
            rot_deg=None if angles is None else float(angles[i, 0]),
            tilt_deg=None if angles is None else float(angles[i, 1]),
            psi_deg=None if angles is None else float(angles[i, 2]),
            score=float(scores[i]) if scores else None,
            class_number=int(classes[i]) if classes else None,
            half=_half(halves[i]) if halves else None,
        )
        for i, name in enumerate(names)
    ]


def write_relion_particles(
    path: Path | str, particles: Sequence[Particle], tomogram_names: Mapping[str, str]
) -> None:
    """Write particles for RELION 5, in centred Angstrom; unknown poses are written as zeros.

    Parameters
    ----------
    tomogram_names
        RELION's name of each tomogram by its identity.
    """
    columns: Columns = {"rlnTomoName": [tomogram_names[p.tomogram_uid] for p in particles]}
    for name, attribute in zip(_CENTRED, ("x_angstrom", "y_angstrom", "z_angstrom"), strict=True):
        columns[name] = [getattr(p, attribute) for p in particles]
    for name, attribute in zip(_ANGLES, ("rot_deg", "tilt_deg", "psi_deg"), strict=True):
        columns[name] = [getattr(p, attribute) or 0.0 for p in particles]
    for name in _ORIGIN:
        columns[name] = [0.0] * len(particles)
    if all(p.half is not None for p in particles):
        columns["rlnRandomSubset"] = [(p.half or 0) + 1 for p in particles]
    if all(p.class_number is not None for p in particles):
        columns["rlnClassNumber"] = [p.class_number for p in particles]
    if all(p.score is not None for p in particles):
        columns["rlnAutopickFigureOfMerit"] = [p.score for p in particles]
    columns["rlnOpticsGroup"] = [1] * len(particles)
    write_star(path, {"particles": columns})


def _positions(
    path: Path,
    table: Columns,
    size_xyz: tuple[int, int, int] | None,
    pixel_size_angstrom: float | None,
) -> Array:
    centred = _block(table, _CENTRED)
    if centred is not None:
        return centred
    corner = _block(table, _CORNER)
    if corner is None:
        raise FormatError(
            f"{path} has neither {_CENTRED[0]} nor {_CORNER[0]}", "give a particle STAR file"
        )
    if size_xyz is None or pixel_size_angstrom is None:
        raise FormatError(
            f"{path} counts its coordinates in pixels from a corner",
            "say the size and the pixel size of the tomogram they were picked in",
        )
    middle = np.array([n // 2 for n in size_xyz])
    positions: Array = (corner - middle) * pixel_size_angstrom
    return positions


def _combined(subtomogram: Array, particle: Array | None, origin: Array | None) -> Any:
    """Return the angles of the whole pose and the origins turned into the tomogram."""
    from scipy.spatial.transform import Rotation

    inverse_sub = Rotation.from_euler("ZYZ", subtomogram, degrees=True)
    inverse = inverse_sub
    if particle is not None:
        inverse = Rotation.from_euler("ZYZ", particle, degrees=True) * inverse_sub
    turned = inverse_sub.inv().apply(origin) if origin is not None else np.zeros((1, 3))
    return inverse.as_euler("ZYZ", degrees=True), turned


def _block(table: Columns, names: Sequence[str]) -> Array | None:
    if any(name not in table for name in names):
        return None
    return np.array([table[name] for name in names], dtype=np.float64).T


def _half(value: Any) -> Any:
    number = float(value)
    return int(number) - 1 if math.isfinite(number) and int(number) in (1, 2) else None
