"""RELION particle STAR files.

RELION's (rot, tilt, psi) are those of :class:`~tomotui.records.Particle`: intrinsic ZYZ angles
of the inverse of the pose. Where a file splits the pose into that of the subtomogram and that
of the particle in it, the two are combined as RELION does: ``A = A_subtomogram A_particle`` and
``position = coordinate - A_subtomogram origin``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.known_tomograms import meant_names
from tomotui.formats.picks import picks
from tomotui.formats.star import Columns, only_block, read_star, write_star
from tomotui.geometry.poses import angles_of_matrices, matrices_of_angles
from tomotui.records import Particle

Array = NDArray[np.float64]
_NAMES = ("rlnTomoName", "rlnMicrographName")
CENTRED = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
_CORNER = [f"rlnCoordinate{axis}" for axis in "XYZ"]
ORIGIN = [f"rlnOrigin{axis}Angst" for axis in "XYZ"]
ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
_SUBTOMOGRAM = ["rlnTomoSubtomogramRot", "rlnTomoSubtomogramTilt", "rlnTomoSubtomogramPsi"]


class Corner(NamedTuple):
    """The tomogram that pixels from a corner count in."""

    size_xyz: tuple[int, int, int]
    pixel_size_angstrom: float


def read_relion_particles(
    path: Path | str,
    tomogram_uids: Mapping[str, str],
    *,
    tomogram: str | None = None,
    corner_size_xyz: tuple[int, int, int] | None = None,
    corner_pixel_size_angstrom: float | None = None,
) -> list[Particle]:
    """Read particles with their poses, classes and half sets; an optimisation set leads to them.

    Parameters
    ----------
    tomogram_uids
        Identity of each tomogram by RELION's name of it.
    tomogram
        Name of the one tomogram that the file is of, whatever it is called there.
    corner_size_xyz, corner_pixel_size_angstrom
        Size and pixel of the tomogram that ``rlnCoordinateX`` etc. count in, for files without
        centred coordinates (RELION 4). An optimisation set names the file that tells both.

    Raises
    ------
    FormatError
        A column is missing or no numbers, or a tomogram is not in the project.
    """
    path, corners = _follow(Path(path))
    table = _table(path)
    said = _said(path, table, tomogram)
    names = [tomogram] * len(said) if tomogram else meant_names(path, said, tomogram_uids)
    if corner_size_xyz is not None and corner_pixel_size_angstrom is not None:
        given = Corner(corner_size_xyz, corner_pixel_size_angstrom)
        corners = dict.fromkeys(said, given)
    positions = _positions(path, table, said, corners)
    angles = _block(path, table, ANGLES)
    subtomogram = _block(path, table, _SUBTOMOGRAM)
    origin = _block(path, table, ORIGIN)
    if subtomogram is not None:
        angles, turned = _combined(subtomogram, angles, origin)
        positions = positions - turned
    elif origin is not None:
        positions = positions - origin
    halves = table.get("rlnRandomSubset")
    scores = _block(path, table, ["rlnAutopickFigureOfMerit"])
    return picks(
        path,
        [tomogram_uids[name] for name in names],
        positions,
        angles_deg=angles,
        scores=None if scores is None else scores[:, 0],
        classes=table.get("rlnClassNumber"),
        halves=None if halves is None else [_half(path, value) for value in halves],
    )


def write_relion_particles(
    path: Path | str, particles: Sequence[Particle], tomogram_names: Mapping[str, str]
) -> None:
    """Write particles for RELION 5, in centred Angstrom; unknown poses are written as zeros.

    There is no table of optics groups: RELION then takes them from its tomograms.

    Parameters
    ----------
    tomogram_names
        RELION's name of each tomogram by its identity.
    """
    write_star(path, {"particles": particle_columns(particles, tomogram_names)})


def particle_columns(particles: Sequence[Particle], tomogram_names: Mapping[str, str]) -> Columns:
    """Return particles as RELION's columns; see `write_relion_particles`."""
    columns: Columns = {"rlnTomoName": [tomogram_names[p.tomogram_uid] for p in particles]}
    for name, attribute in zip(CENTRED, ("x_angstrom", "y_angstrom", "z_angstrom"), strict=True):
        columns[name] = [getattr(p, attribute) for p in particles]
    for name, attribute in zip(ANGLES, ("rot_deg", "tilt_deg", "psi_deg"), strict=True):
        columns[name] = [getattr(p, attribute) or 0.0 for p in particles]
    for name in ORIGIN:
        columns[name] = [0.0] * len(particles)
    if all(p.half is not None for p in particles):
        columns["rlnRandomSubset"] = [(p.half or 0) + 1 for p in particles]
    if all(p.class_number is not None for p in particles):
        columns["rlnClassNumber"] = [p.class_number for p in particles]
    if all(p.score is not None for p in particles):
        columns["rlnAutopickFigureOfMerit"] = [p.score for p in particles]
    columns["rlnOpticsGroup"] = [1] * len(particles)
    return columns


def _follow(path: Path) -> tuple[Path, dict[str, Corner]]:
    """Return the file of particles that an optimisation set names, with its tomograms' sizes."""
    if not path.is_file():
        return path, {}
    entry: dict[str, Any] = {}
    for columns in read_star(path).values():
        entry.update({name: values[0] for name, values in columns.items() if values})
    if "rlnTomoParticlesFile" not in entry or "rlnTomoName" in entry:
        return path, {}
    particles = _beside(path, str(entry["rlnTomoParticlesFile"]))
    tomograms = str(entry.get("rlnTomoTomogramsFile", ""))
    return particles, _corners(_beside(path, tomograms)) if tomograms else {}


def _beside(path: Path, named: str) -> Path:
    """Return a file that RELION names from its project's folder, one of those above ``path``."""
    if not named.endswith(".star") or ".." in Path(named).parts:
        raise FormatError(
            f"{path} names {named}, which is no STAR file of a project",
            "give the optimisation set as RELION has written it",
        )
    for folder in path.absolute().parents:
        if os.path.isfile(folder / named):
            return folder / named
    raise FormatError(
        f"{path} names {named}, which is in no folder above it",
        "keep the files of a RELION project together, or give the particles' own STAR file",
    )


def _corners(path: Path) -> dict[str, Corner]:
    table = only_block(path, read_star(path), "global", "rlnTomoName")
    sizes = _block(path, table, [f"rlnTomoSize{axis}" for axis in "XYZ"])
    pixels = _block(path, table, ["rlnTomoTiltSeriesPixelSize"])
    if sizes is None or pixels is None:
        return {}
    return {
        str(name): Corner((int(size[0]), int(size[1]), int(size[2])), float(pixel[0]))
        for name, size, pixel in zip(table["rlnTomoName"], sizes, pixels, strict=True)
        if np.isfinite(size).all() and pixel[0] > 0
    }


def _table(path: Path) -> Columns:
    blocks = read_star(path)
    for column in (*_NAMES, CENTRED[0]):
        if any(column in columns for columns in blocks.values()):
            return only_block(path, blocks, "particles", column)
    return only_block(path, blocks, "particles", _CORNER[0])


def _said(path: Path, table: Columns, tomogram: str | None) -> list[str]:
    """Return what the file calls the tomogram of each particle."""
    column = next((name for name in _NAMES if name in table), None)
    if column is None and tomogram is None:
        raise FormatError(
            f"{path} has no column {_NAMES[0]}",
            "name the tomogram of its particles with --tomogram",
        )
    n = len(next(iter(table.values()), []))
    said = [""] * n if column is None else [str(name) for name in table[column]]
    if tomogram is not None and len(set(said)) > 1:
        raise FormatError(
            f"{path} is of {len(set(said))} tomograms", "leave --tomogram out: the file names them"
        )
    return said


def _positions(
    path: Path, table: Columns, said: Sequence[str], corners: Mapping[str, Corner]
) -> Array:
    centred = _block(path, table, CENTRED)
    if centred is not None:
        return centred
    corner = _block(path, table, _CORNER)
    if corner is None:
        raise FormatError(
            f"{path} has neither {CENTRED[0]} nor {_CORNER[0]}", "give a particle STAR file"
        )
    if not set(said) <= set(corners):
        raise FormatError(
            f"{path} counts its coordinates in pixels from a corner",
            "say with --tomogram-size and --tomogram-pixel-size the tomogram they were picked in, "
            "or give an optimisation set of RELION 4 with its tomograms",
        )
    places = [corners[name] for name in said]
    middles = np.array([[n // 2 for n in place.size_xyz] for place in places]).reshape(-1, 3)
    pixels = np.array([place.pixel_size_angstrom for place in places]).reshape(-1, 1)
    positions: Array = (corner - middles) * pixels
    return positions


def _combined(
    subtomogram: Array, particle: Array | None, origin: Array | None
) -> tuple[Array, Array]:
    """Return the angles of the whole pose and the origins turned into the tomogram."""
    rotations = matrices_of_angles(subtomogram)
    whole = rotations if particle is None else rotations @ matrices_of_angles(particle)
    shift = np.zeros((len(subtomogram), 3)) if origin is None else origin
    return angles_of_matrices(whole), np.einsum("nij,nj->ni", rotations, shift)


def _block(path: Path, table: Columns, names: Sequence[str]) -> Array | None:
    if any(name not in table for name in names):
        return None
    try:
        return np.array([table[name] for name in names], dtype=np.float64).T
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"{path}: {names[0]} or a column that goes with it holds no numbers", "check the file"
        ) from error


def _half(path: Path, value: Any) -> Literal[0, 1] | None:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"{path}: rlnRandomSubset is {value!r}", "half sets are 1 and 2"
        ) from error
    return {1.0: 0, 2.0: 1}.get(number)  # type: ignore[return-value]
