"""Contours that were traced in tomograms: models of IMOD, or CSV with a column of contours."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.imod_model import read_imod_model
from tomotui.formats.imod_particles import volume_of
from tomotui.formats.known_tomograms import KnownTomogram, meant_names, only_tomogram

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Contour:
    """Points in the order in which they were traced.

    Attributes
    ----------
    tomogram
        Name of the tomogram.
    owner
        Name or number of the object that the contour belongs to.
    points_angstrom
        ``[n, 3]`` from the tomogram's centre.
    is_closed
        ``None`` where the file does not tell.
    """

    tomogram: str
    owner: str
    points_angstrom: Floats
    is_closed: bool | None = None


def read_contours(
    path: Path,
    tomograms: Mapping[str, KnownTomogram],
    *,
    tomogram: str | None = None,
    is_said: bool = False,
    only: str | None = None,
) -> list[Contour]:
    """Read the contours of a model (.mod) or of a CSV file.

    Parameters
    ----------
    tomograms
        The project's, by name.
    tomogram
        The one that was traced, where the file does not tell.
    is_said
        Whether size and pixel size of the tomogram were given for this file, against its own.
    only
        Name (or number) of the object to take.

    Raises
    ------
    FormatError
        The file is malformed, of an unknown tomogram, or has no such object.
    """
    if path.suffix.lower() == ".csv":
        found = _of_csv(path, tomograms, tomogram)
    else:
        found = _of_model(path, tomograms, tomogram, is_said)
    found = [one for one in found if len(one.points_angstrom)]
    chosen = [one for one in found if only in (None, one.owner)]
    if not chosen:
        there = ", ".join(sorted({one.owner for one in found})) or "none"
        raise FormatError(
            f"{path} has no contours" + (f" of object {only}" if only else ""),
            f"its objects with points are {there}",
        )
    for one in chosen:
        if not (np.abs(one.points_angstrom) < 1e7).all():
            raise FormatError(
                f"{path}: a point of object {one.owner} is no usable number", "trace it again"
            )
    return chosen


def _of_model(
    path: Path, tomograms: Mapping[str, KnownTomogram], tomogram: str | None, is_said: bool
) -> list[Contour]:
    name = only_tomogram(path, [path.name], tomogram, tomograms)
    model = read_imod_model(path)
    place = volume_of(path, model, tomograms[name], is_said)
    return [
        Contour(name, one.name or str(number), place.positions(model.voxels(points)), one.is_closed)
        for number, one in enumerate(model.objects, start=1)
        for points in one.contours
    ]


def _of_csv(
    path: Path, tomograms: Mapping[str, KnownTomogram], tomogram: str | None
) -> list[Contour]:
    """Read columns x, y, z (Angstrom, centred), and tomogram, object and contour if there are."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path} cannot be read: {error}", "check the path") from error
    groups: dict[tuple[str, str, str], list[list[float]]] = {}
    for number, row in enumerate(rows, start=2):
        said = tomogram or row.get("tomogram") or ""
        key = (said, row.get("object") or "1", row.get("contour") or "1")
        try:
            point = [float(row[axis]) for axis in "xyz"]
        except (KeyError, TypeError, ValueError):
            point = [math.nan]
        if not all(map(math.isfinite, point)):
            raise FormatError(
                f"{path}, line {number}: x, y and z are not numbers",
                "the columns are tomogram,object,contour,x,y,z",
            )
        groups.setdefault(key, []).append(point)
    names = meant_names(path, [key[0] for key in groups], tomograms)
    return [
        Contour(name, key[1], np.array(points, dtype=np.float64))
        for name, (key, points) in zip(names, groups.items(), strict=True)
    ]
