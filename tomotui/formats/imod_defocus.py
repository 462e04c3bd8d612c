"""IMOD's defocus files, as Ctfplotter writes and Ctfphaseflip reads them (version 3).

A row: first and last view (from 1), lowest and highest tilt, defocus in nanometres; where flags
of the first line say so a second defocus, the angle of the first one, a phase shift and a
cut-on frequency. Version 2 has no line of flags: the 2 stands behind the first row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.tilts import read_lines
from tomotui.records import Ctf, TiltCtf

Array = NDArray[np.float64]

ASTIGMATISM, ASTIGMATISM_RADIANS = 1, 2
PHASE, PHASE_RADIANS = 4, 8
TILTS_INVERTED, CUT_ON = 16, 32
_VERSION = 3
_ANGSTROM_PER_NM = 10.0
_LARGEST = 1e9
_SAME_TILT_DEG = 5.0


def write_imod_defocus(ctf: Ctf, path: Path | str, tilt_deg: Sequence[float]) -> Path:
    """Write a defocus file, one row for each view.

    Parameters
    ----------
    tilt_deg
        Refined tilt of each image of the stack.

    Raises
    ------
    FormatError
        When the tilts are not those of the CTF.
    """
    path = Path(path)
    if len(tilt_deg) != len(ctf.tilts):
        raise FormatError(
            f"{path}: {len(ctf.tilts)} tilts have a CTF, {len(tilt_deg)} have angles",
            "fit the CTF of this series again",
        )
    with_phase = any(tilt.phase_shift_deg for tilt in ctf.tilts)
    flags = ASTIGMATISM + (PHASE if with_phase else 0)
    lines = [f"{flags}\t0\t0.0\t0.0\t0.0\t{_VERSION}"]
    for tilt, angle in zip(ctf.tilts, tilt_deg, strict=True):
        view = tilt.index + 1
        words = [str(view), str(view), f"{angle:.2f}", f"{angle:.2f}"]
        words += [
            f"{v / _ANGSTROM_PER_NM:7.1f}"
            for v in (tilt.defocus_u_angstrom, tilt.defocus_v_angstrom)
        ]
        words.append(f"{tilt.astigmatism_angle_deg:7.2f}")
        if with_phase:
            words.append(f"{tilt.phase_shift_deg:9.2f}")
        lines.append("\t".join(words))
    path.write_text("\n".join(lines) + "\n")
    return path


def read_imod_defocus(
    path: Path | str,
    *,
    series_uid: str,
    n_images: int,
    tilts_deg: Sequence[float] | None = None,
) -> Ctf:
    """Read a defocus file.

    A row for several views stands for their middle; views between rows are interpolated, those
    beyond take the nearest, of which the note of the record tells.

    Parameters
    ----------
    tilts_deg
        Tilts of the stack, which those of the file must resemble; a file without is believed.

    Raises
    ------
    FormatError
        The file is missing, has a row that cannot be read, or views or tilts that the stack has
        not.
    """
    path = Path(path)
    flags, rows = _rows(path)
    columns = _columns(flags)
    values = np.zeros((len(rows), 5))
    for number, (line, row) in enumerate(rows):
        if len(row) < 5 + sum(width for _, width in columns):
            raise FormatError(f"{path}, line {line}: too few numbers", "check the file")
        if not (1 <= row[0] <= row[1] and row[0].is_integer() and row[1].is_integer()):
            raise FormatError(
                f"{path}, line {line}: {row[0]:g} and {row[1]:g} are no views",
                "give a defocus file of Ctfplotter",
            )
        values[number] = [0.5 * (row[0] + row[1]) - 1, row[4], row[4], 0.0, 0.0]
        place = 5
        for target, width in columns:
            if target == "astigmatism":
                values[number, 2:4] = row[place], row[place + 1]
            elif target == "phase":
                values[number, 4] = row[place]
            place += width
    first = int(min(row[0] for _, row in rows))
    last = int(max(row[1] for _, row in rows))
    if last > n_images:
        raise FormatError(
            f"{path} is of {last} views, the stack has {n_images} images",
            "give the defocus file that belongs to this stack",
        )
    if tilts_deg is not None:
        _check_tilts(path, flags, rows, tilts_deg)
    angle = values[:, 3] if flags & ASTIGMATISM_RADIANS else np.deg2rad(values[:, 3])
    phase = np.rad2deg(values[:, 4]) if flags & PHASE_RADIANS else values[:, 4]
    u, v = _ANGSTROM_PER_NM * values[:, 1], _ANGSTROM_PER_NM * values[:, 2]
    half = 0.5 * (u - v)
    parts = (0.5 * (u + v), half * np.cos(2 * angle), half * np.sin(2 * angle), phase)
    order = np.argsort(values[:, 0], kind="stable")
    views = np.arange(n_images)
    mean, cos, sin, shift = (np.interp(views, values[order, 0], part[order]) for part in parts)
    half, angle = np.hypot(cos, sin), np.rad2deg(0.5 * np.arctan2(sin, cos))
    beyond = f"{path.name} is of views {first} to {last} of {n_images}: others take the nearest"
    return Ctf(
        series_uid=series_uid,
        source="imod",
        note=beyond if (first, last) != (1, n_images) else "",
        tilts=tuple(
            TiltCtf(
                index=i,
                defocus_u_angstrom=float(mean[i] + half[i]),
                defocus_v_angstrom=float(mean[i] - half[i]),
                astigmatism_angle_deg=float(angle[i]),
                phase_shift_deg=float(shift[i]),
            )
            for i in range(n_images)
        ),
    )


def _check_tilts(
    path: Path, flags: int, rows: list[tuple[int, list[float]]], tilts_deg: Sequence[float]
) -> None:
    """Refuse the file of another series; a turn of the whole specimen may lie between tilts."""
    said = np.array([0.5 * (row[2] + row[3]) for _, row in rows])
    if not said.any():
        return
    views = [np.asarray(tilts_deg)[int(row[0]) - 1 : int(row[1])] for _, row in rows]
    mine = np.array([0.5 * (view.min() + view.max()) for view in views])
    signs = (1, -1) if flags & TILTS_INVERTED else (1,)
    apart = [sign * said - mine for sign in signs]
    if min(np.abs(one - np.median(one)).max() for one in apart) > _SAME_TILT_DEG:
        raise FormatError(
            f"{path} is of tilts from {said.min():.1f} to {said.max():.1f} degrees, where the "
            f"stack has {mine.min():.1f} to {mine.max():.1f}",
            "give the defocus file that belongs to this stack",
        )


def _columns(flags: int) -> list[tuple[str, int]]:
    """Return what follows the first defocus, and how many numbers each is."""
    known = ((ASTIGMATISM, "astigmatism", 2), (PHASE, "phase", 1), (CUT_ON, "cut-on", 1))
    return [(name, width) for flag, name, width in known if flags & flag]


def _number(word: str) -> float:
    value = float(word)
    if not abs(value) < _LARGEST:
        raise ValueError
    return value


def _rows(path: Path) -> tuple[int, list[tuple[int, list[float]]]]:
    """Return the flags, and the numbers of each row with its line number."""
    rows: list[tuple[int, list[float]]] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            rows.append((number, [_number(word) for word in line.split()]))
        except ValueError:
            raise FormatError(f"{path}, line {number}: not numbers", "check the file") from None
    flags = 0
    if rows and len(rows[0][1]) == 6 and rows[0][1][-1] >= _VERSION and rows[0][1][1] == 0:
        flags = int(rows.pop(0)[1][0])
    if not rows:
        raise FormatError(f"{path} has no rows", "give a defocus file of Ctfplotter")
    return flags, rows
