"""EMAN2's boxes: the ``boxes_3d`` of ``info/NAME_info.json``.

A box is ``[x, y, z, how, score, class]``. Where the file tells ``apix_unbin`` its centre counts
from the tomogram's centre in voxels of that size; older files count from the corner in the
tomogram's own voxels. The classes' names are in ``class_list``. Boxes have no orientation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tomotui.formats.errors import FormatError
from tomotui.formats.known_tomograms import KnownTomogram, only_tomogram, positions_of
from tomotui.formats.picks import picks
from tomotui.records import Particle

_HOW = {"hand": "manual", "match": "tm", "find": "nn"}
_BOX_TO_DIAMETER = 1.5


def read_eman(
    path: Path | str,
    tomograms: Mapping[str, KnownTomogram],
    *,
    tomogram: str | None = None,
    only: str | None = None,
) -> list[Particle]:
    """Read the boxes of an info file.

    Parameters
    ----------
    tomograms
        The project's, by name.
    tomogram
        The one that the boxes lie in; by the name of the file otherwise.
    only
        Name (or number) of the class to take. Of all boxes the class stays the particle's
        class where there are several.

    Raises
    ------
    FormatError
        The file is malformed, or has no class of that name.
    """
    path = Path(path)
    name = only_tomogram(path, [path.name], tomogram, tomograms)
    info = _read_info(path)
    boxes = [_box(path, number, box) for number, box in enumerate(info.get("boxes_3d", []), 1)]
    labels = class_names(path, info)
    if only is not None:
        wanted = {key for key, label in labels.items() if only in (label, str(key))}
        if not wanted:
            there = ", ".join(labels.values()) or "none"
            raise FormatError(f"{path} has no class {only}", f"its classes are {there}")
        boxes = [box for box in boxes if box[2] in wanted]
    centres = np.array([box[0] for box in boxes], dtype=np.float64).reshape(-1, 3)
    unbinned = _pixel_size(path, info)
    known = tomograms[name]
    kinds = [box[2] for box in boxes]
    return picks(
        path,
        [known.uid] * len(boxes),
        centres * unbinned if unbinned else known.positions(centres),
        scores=[box[1] for box in boxes],
        classes=kinds if len(set(kinds)) > 1 else None,
    )


def write_eman(
    path: Path | str,
    particles: Sequence[Particle],
    known: KnownTomogram,
    *,
    label: str,
    diameter_angstrom: float | None = None,
    present: Path | None = None,
) -> None:
    """Write the particles of one tomogram as boxes of a class.

    Parameters
    ----------
    label
        Name of the class. What an info file has under this name makes room; everything else
        in it stays.
    present
        Info file to begin with, when there is one.
    """
    info = _read_info(present) if present is not None and present.is_file() else {}
    place = present or Path(path)
    unbinned = known.unbinned_angstrom or known.pixel_size_angstrom
    if "boxes_3d" in info and "apix_unbin" not in info:
        raise FormatError(
            f"{place} counts its boxes from a corner (no apix_unbin)",
            "write into another folder, or let a present EMAN2 write the file again",
        )
    unbinned = _pixel_size(place, info) or unbinned
    labels = class_names(place, info)
    mine = next((key for key, one in labels.items() if one == label), None)
    number = mine if mine is not None else max([-1, *labels]) + 1
    kept = [box for box in info.get("boxes_3d", []) if _box(place, 0, box)[2] != number]
    centres = positions_of(particles) / unbinned
    boxes = [
        [*map(float, centre), _HOW.get(one.source, "import"), one.score or 0.0, number]
        for centre, one in zip(centres.round(4), particles, strict=True)
    ]
    side = round((diameter_angstrom or 64 * unbinned / _BOX_TO_DIAMETER) / unbinned * 0.75) * 2
    listed = {**info.get("class_list", {}), str(number): {"name": label, "boxsize": side}}
    written = {**info, "apix_unbin": unbinned, "boxes_3d": kept + boxes, "class_list": listed}
    Path(path).write_text(json.dumps(written, indent=1), encoding="utf-8")


def class_names(path: Path, info: Mapping[str, Any]) -> dict[int, str]:
    """Return the name of each class of an info file."""
    listed = info.get("class_list", {})
    try:
        return {
            int(key): str(one["name"] if isinstance(one, dict) else one)
            for key, one in listed.items()
        }
    except (AttributeError, KeyError, ValueError) as error:
        raise FormatError(f"{path}: its class_list is malformed", "check the file") from error


def _read_info(path: Path) -> dict[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict) or not isinstance(found.get("boxes_3d", []), list):
        raise FormatError(f"{path} is no info file of EMAN2", "give info/NAME_info.json")
    return found


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    FormatError
        The file is missing or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no JSON file: {error}", "write it again") from error


def _box(path: Path, number: int, box: Any) -> tuple[list[float], float, int]:
    """Return centre, score and class of a box; a box set by hand has no score."""
    try:
        centre = [float(value) for value in box[:3]]
        if len(centre) < 3:
            raise ValueError
        is_by_hand = len(box) <= 4 or box[3] == "manual"
        score = float("nan") if is_by_hand else float(box[4])
        return centre, score, int(box[5]) if len(box) > 5 else 0
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise FormatError(
            f"{path}: box {number} is not x, y, z, how, score, class", "check the file"
        ) from error


def _pixel_size(path: Path, info: Mapping[str, Any]) -> float | None:
    value = info.get("apix_unbin")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e4:
        raise FormatError(f"{path}: apix_unbin is {value!r}", "correct it: Angstrom per pixel")
    return float(value)
