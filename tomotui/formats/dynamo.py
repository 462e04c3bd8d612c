"""Dynamo tables (``.tbl``) with the map of their tomogram numbers (``.doc``).

Positions are columns 24 to 26 plus the shifts of columns 4 to 6, in voxels whose first has the
coordinate 1. Dynamo's angles say how to turn the template clockwise, by tdrot about its z axis,
by tilt about its new x axis and by narot about its new z axis, to match the particle:
``R = (Rz(narot) Rx(tilt) Rz(tdrot))^-1``. With ``Rx(a) = Rz(-90) Ry(a) Rz(90)`` this is the
inverse of RELION's ``Rz(rot) Ry(tilt) Rz(psi)`` for ``rot = narot - 90`` and ``psi = tdrot + 90``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.known_tomograms import (
    KnownTomogram,
    angles_of,
    by_tomogram,
    meant_name,
    positions_of,
)
from tomotui.formats.picks import picks
from tomotui.formats.tilts import read_lines
from tomotui.records import Particle

Floats = NDArray[np.float64]

_N_COLUMNS = 36
_MOST_DIGITS = 9
_SHIFT, _ANGLES, _SCORE, _TOMOGRAM, _CLASS, _PLACE, _PIXEL = 3, 6, 9, 19, 21, 23, 35
"""First column of each, counted from 0."""
_MAP_NAME = "indices_column20.doc"


def read_dynamo(
    path: Path | str,
    tomograms: Mapping[str, KnownTomogram],
    *,
    tomogram: str | None = None,
    map_path: Path | None = None,
    is_said: bool = False,
) -> list[Particle]:
    """Read the particles of a table.

    Parameters
    ----------
    tomograms
        The project's, by name. A table that tells its pixel size (column 36) counts in the
        tomogram sampled so, any other in the tomogram's own voxels.
    tomogram
        Name of the one tomogram that the table is of, whatever number it has.
    map_path
        Which file each tomogram number stands for; looked for beside the table by default.
    is_said
        Whether size and pixel size of the tomograms were given for this table, against its own.

    Raises
    ------
    FormatError
        The table is malformed, or a tomogram is not in the project.
    """
    path = Path(path)
    rows = _read_table(path)
    numbers = rows[:, _TOMOGRAM]
    names = _names(path, numbers, tomograms, tomogram, map_path)
    positions = np.zeros((len(rows), 3))
    pixels = rows[:, _PIXEL] if rows.shape[1] > _PIXEL else np.zeros(len(rows))
    alike: dict[tuple[str, float], list[int]] = {}
    for i, key in enumerate(zip(names, pixels.tolist(), strict=True)):
        alike.setdefault(key, []).append(i)
    for (name, pixel), mine in alike.items():
        known = tomograms[name]
        if 0.01 < pixel < 1000 and not is_said:
            known = known.sampled(pixel)
        voxels = rows[mine, _PLACE : _PLACE + 3] + rows[mine, _SHIFT : _SHIFT + 3]
        positions[mine] = known.positions(voxels - 1)
    tdrot, tilt, narot = rows[:, _ANGLES : _ANGLES + 3].T
    scores, classes = rows[:, _SCORE], rows[:, _CLASS]
    return picks(
        path,
        [tomograms[name].uid for name in names],
        positions,
        angles_deg=_within_turn(np.stack([narot - 90, tilt, tdrot + 90], axis=1)),
        scores=scores if scores.any() else None,
        classes=classes.tolist() if classes.any() else None,
    )


def write_dynamo(
    path: Path | str,
    particles: Sequence[Particle],
    names: Mapping[str, str],
    tomograms: Mapping[str, KnownTomogram],
) -> None:
    """Write a table, whose tomogram numbers `write_dynamo_map` explains.

    Parameters
    ----------
    names
        Name of each tomogram by its identity.
    tomograms
        Where the voxels lie that the table counts in, by name.
    """
    groups = by_tomogram(particles, names)
    tables = [
        _table(group, tomograms[name], number)
        for number, (name, group) in enumerate(groups.items(), start=1)
    ]
    rows = np.concatenate([np.zeros((0, _N_COLUMNS)), *tables])
    rows[:, 0] = np.arange(1, len(rows) + 1)
    lines = [" ".join(f"{value:.8g}" for value in row) for row in rows]
    Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_dynamo_map(
    path: Path | str,
    particles: Sequence[Particle],
    names: Mapping[str, str],
    tomograms: Mapping[str, KnownTomogram],
) -> None:
    """Write the file that each tomogram number of a table stands for."""
    groups = by_tomogram(particles, names)
    lines = [f"{i}\t{tomograms[name].path or name}\n" for i, name in enumerate(groups, start=1)]
    Path(path).write_text("".join(lines), encoding="utf-8")


def read_dynamo_map(path: Path) -> dict[int, str]:
    """Return the file that each tomogram number stands for.

    Raises
    ------
    FormatError
        The file is missing, or a line is not a number and a name.
    """
    found = {}
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split(maxsplit=1)
        if not words:
            continue
        if len(words) != 2 or not words[0].isdecimal() or len(words[0]) > _MOST_DIGITS:
            raise FormatError(
                f"{path}, line {number}: not a number and the file of a tomogram",
                "give the map of tomogram numbers that belongs to the table",
            )
        found[int(words[0])] = words[1].strip()
    return found


def _read_table(path: Path) -> Floats:
    rows: list[list[float]] = []
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) < _PLACE + 3:
            raise FormatError(
                f"{path}, line {number}: {len(words)} columns, a Dynamo table has 35 or more",
                "give a table that Dynamo has written",
            )
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            raise FormatError(
                f"{path}, line {number}: a column is not a number", "check the table"
            ) from None
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise FormatError(
            f"{path}: its rows have {min(widths)} to {max(widths)} columns", "check the table"
        )
    return np.array(rows, dtype=np.float64).reshape(len(rows), -1 if rows else _N_COLUMNS)


def _names(
    path: Path,
    numbers: Floats,
    tomograms: Mapping[str, KnownTomogram],
    tomogram: str | None,
    map_path: Path | None,
) -> list[str]:
    """Return the name of each particle's tomogram."""
    if tomogram is not None:
        several = sorted(set(numbers.tolist()))
        if len(several) > 1:
            raise FormatError(
                f"{path} is of {len(several)} tomograms",
                "name the map of its tomogram numbers with --map instead of one --tomogram",
            )
        return [tomogram] * len(numbers)
    beside = [path.with_suffix(".doc"), path.with_name(_MAP_NAME)]
    place = map_path or next((one for one in beside if one.is_file()), None)
    if place is None:
        raise FormatError(
            f"{path} numbers its tomograms, and no {beside[0].name} beside it tells their names",
            "give that map with --map, or the one tomogram with --tomogram",
        )
    said = read_dynamo_map(place)
    meant = {}
    for number in sorted(set(numbers.tolist())):
        name = meant_name(said.get(int(number), ""), tomograms) if number == number // 1 else None
        if name is None:
            stands = said.get(int(number)) if np.isfinite(number) else None
            words = f"is {stands}, which the project does not have" if stands else "is not listed"
            raise FormatError(
                f"{path}: tomogram {number:g} {words} ({place})",
                "reconstruct or import it first under the same name, or correct the map",
            )
        meant[number] = name
    return [meant[number] for number in numbers.tolist()]


def _table(group: Sequence[Particle], known: KnownTomogram, number: int) -> Floats:
    rows = np.zeros((len(group), _N_COLUMNS))
    rows[:, 1] = 1
    angles = np.nan_to_num(angles_of(group))
    is_posed = np.asarray(np.isfinite(angles_of(group)).all(axis=1))
    dynamo = np.stack([angles[:, 2] - 90, angles[:, 1], angles[:, 0] + 90], axis=1)
    rows[:, _ANGLES : _ANGLES + 3] = np.where(is_posed[:, None], _within_turn(dynamo), 0.0)
    rows[:, _SCORE] = [particle.score or 0.0 for particle in group]
    rows[:, 12] = 1
    rows[:, 13:15] = known.tilt_range_deg
    rows[:, _TOMOGRAM] = number
    rows[:, _CLASS] = [particle.class_number or 0 for particle in group]
    rows[:, _PLACE : _PLACE + 3] = known.voxels(positions_of(group)) + 1
    rows[:, _PIXEL] = known.pixel_size_angstrom
    return rows


def _within_turn(angles_deg: Floats) -> Floats:
    """Return angles above -180, up to 180."""
    return 180 - (180 - angles_deg) % 360
