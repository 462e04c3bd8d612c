"""Particles from the columns of a file, refused where a number is none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.formats.errors import FormatError
from tomotui.records import Particle, new_uid

Floats = NDArray[np.float64]

_GREATEST_ANGSTROM = 1e7
"""A millimetre: nothing that an electron passes is as large."""


def picks(
    path: Path,
    tomogram_uids: Sequence[str],
    positions_angstrom: ArrayLike,
    *,
    angles_deg: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    classes: Sequence[Any] | None = None,
    halves: Sequence[Any] | None = None,
) -> list[Particle]:
    """Return new particles.

    Parameters
    ----------
    path
        The file, for messages.
    tomogram_uids
        ``[n]``, where each lies.
    positions_angstrom
        ``[n, 3]``, (x, y, z) from the tomogram's centre.
    angles_deg
        ``[n, 3]``, (rot, tilt, psi); a row of NaN is an unknown orientation.
    scores
        ``[n]``; NaN is unknown.
    classes, halves
        ``[n]`` whole numbers, ``None`` where unknown; half sets are 0 and 1.

    Raises
    ------
    FormatError
        A position or an angle is no finite number, or a class is negative.
    """
    n = len(tomogram_uids)
    positions = np.asarray(positions_angstrom, dtype=np.float64).reshape(n, 3)
    angles = np.full((n, 3), np.nan)
    if angles_deg is not None:
        angles = np.asarray(angles_deg, dtype=np.float64).reshape(n, 3)
    marks = np.full(n, np.nan) if scores is None else np.asarray(scores, dtype=np.float64)
    is_placed = np.abs(positions) < _GREATEST_ANGSTROM
    _refuse(path, ~np.asarray(is_placed.all(axis=1)), "position")
    _refuse(path, np.asarray(np.isinf(angles).any(axis=1)) | _partly_known(angles), "orientation")
    kinds = [None] * n if classes is None else [_whole(path, i, v) for i, v in enumerate(classes)]
    return [
        Particle(
            uid=new_uid(),
            tomogram_uid=tomogram_uids[i],
            x_angstrom=float(positions[i, 0]),
            y_angstrom=float(positions[i, 1]),
            z_angstrom=float(positions[i, 2]),
            rot_deg=_known(angles[i, 0]),
            tilt_deg=_known(angles[i, 1]),
            psi_deg=_known(angles[i, 2]),
            score=_known(marks[i]),
            class_number=kinds[i],
            half=None if halves is None else halves[i],
        )
        for i in range(n)
    ]


def _partly_known(angles: Floats) -> NDArray[np.bool_]:
    known = np.isfinite(angles)
    return np.asarray(known.any(axis=1) & ~known.all(axis=1))


def _refuse(path: Path, bad: NDArray[np.bool_], what: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0]) + 1
        raise FormatError(
            f"{path}: the {what} of particle {row} is no usable number"
            + (f", nor are those of {int(bad.sum()) - 1} more" if bad.sum() > 1 else ""),
            "remove these rows, or write the file again",
        )


def _whole(path: Path, row: int, value: Any) -> int | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not (0 <= number < 2**31 and number == int(number)):
        raise FormatError(
            f"{path}: the class of particle {row + 1} is {value}",
            "classes are whole numbers from 0",
        )
    return int(number)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
