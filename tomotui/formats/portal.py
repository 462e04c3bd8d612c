"""Alignments of the CryoET data portal: ``alignment_metadata.json`` in its folders of alignments.

A section's ``in_plane_rotation`` is ``Rz2(axis)``, its ``x_offset`` and ``y_offset`` are our shift
in pixels of the tilt series from the middle of the image between its edges, and ``tilt_angle`` and
``volume_x_rotation`` are our tilt and x-tilt: what AreTomo calls ROT, TX, TY and TILT. Sections
are numbered from 0 by ``z_index``; those that were left out are not listed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tomotui.formats.eman import read_json
from tomotui.formats.errors import FormatError
from tomotui.formats.imported import ImportedAlignment, edge_centre_offset_px, left_out_tilt
from tomotui.records import Alignment, TiltAlignment

_SECTIONS = "per_section_alignment_parameters"
_OFFSETS = ("tilt_offset", "x_rotation_offset", "volume_offset")
_TILTS_APART_DEG = 15.0


def read_portal_alignment(
    path: Path | str,
    *,
    series_uid: str,
    image_size_px: tuple[int, int],
    pixel_size_angstrom: float,
    nominal_tilts_deg: Sequence[float],
) -> ImportedAlignment:
    """Read an alignment of the portal.

    Raises
    ------
    FormatError
        The file is missing, is no alignment, or belongs to another stack.
    """
    path = Path(path)
    whole = _object(path)
    sections = [_section(path, one) for one in whole[_SECTIONS]]
    n = len(nominal_tilts_deg)
    if len({index for index, *_ in sections}) < len(sections):
        raise FormatError(f"{path} lists a section twice", "check the file")
    if not sections or max(index for index, *_ in sections) >= n:
        raise FormatError(
            f"{path} has {len(sections)} sections that are not those of a stack of {n} images",
            "give the alignment of this stack",
        )
    middle = edge_centre_offset_px(image_size_px)
    found = {}
    for index, tilt, x_tilt, axis, x, y in sections:
        shift = (np.array([x, y]) + middle) * pixel_size_angstrom
        found[index] = TiltAlignment(
            index=index,
            tilt_deg=tilt,
            x_tilt_deg=x_tilt,
            axis_deg=axis,
            shift_x_angstrom=float(shift[0]),
            shift_y_angstrom=float(shift[1]),
        )
    apart = [abs(one.tilt_deg - nominal_tilts_deg[one.index]) for one in found.values()]
    if np.median(apart) > _TILTS_APART_DEG:
        raise FormatError(
            f"{path} does not fit the stack: its tilts are {np.median(apart):.0f} degrees from "
            "those of the stack",
            "give the alignment of this stack, and its tilts in the order of the stack",
        )
    axis = float(np.median([one.axis_deg for one in found.values()]))
    left_out = [i for i in range(n) if i not in found]
    for i in left_out:
        found[i] = left_out_tilt(i, float(nominal_tilts_deg[i]), axis, "not in the alignment")
    warnings = []
    if left_out:
        listed = ", ".join(map(str, left_out))
        warnings.append(f"tilts {listed} are not in {path.name}: excluded")
    if str(whole.get("alignment_type", "GLOBAL")).upper() == "LOCAL":
        warnings.append(f"{path.name} is of a local alignment, of which it holds the rigid part")
    offsets = [name for name in _OFFSETS if _is_something(whole.get(name))]
    if offsets:
        warnings.append(f"{', '.join(offsets)} of {path.name} are not kept")
    if not _is_unit(whole.get("affine_transformation_matrix")):
        warnings.append(f"the affine transformation of the volume in {path.name} is not kept")
    tilts = tuple(found[i] for i in range(n))
    alignment = Alignment(series_uid=series_uid, source="portal", tilts=tilts)
    return ImportedAlignment(alignment, tuple(warnings))


def write_portal_alignment(
    alignment: Alignment,
    path: Path | str,
    *,
    image_size_px: tuple[int, int],
    pixel_size_angstrom: float,
    volume_size_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> None:
    """Write an alignment as the portal keeps them; excluded tilts are left out."""
    middle = edge_centre_offset_px(image_size_px)
    sections = []
    for tilt in alignment.included:
        cos, sin = np.cos(np.deg2rad(tilt.axis_deg)), np.sin(np.deg2rad(tilt.axis_deg))
        sections.append(
            {
                "z_index": tilt.index,
                "tilt_angle": tilt.tilt_deg,
                "volume_x_rotation": tilt.x_tilt_deg,
                "in_plane_rotation": [[cos, -sin], [sin, cos]],
                "x_offset": tilt.shift_x_angstrom / pixel_size_angstrom - middle[0],
                "y_offset": tilt.shift_y_angstrom / pixel_size_angstrom - middle[1],
            }
        )
    whole = {
        "affine_transformation_matrix": np.eye(4).tolist(),
        "alignment_type": "GLOBAL" if alignment.local is None else "LOCAL",
        "format": "TOMOTUI",
        "is_portal_standard": False,
        "tilt_offset": 0.0,
        "volume_offset": dict.fromkeys("xyz", 0.0),
        "x_rotation_offset": 0.0,
        "volume_dimension": dict(zip("xyz", volume_size_angstrom, strict=True)),
        _SECTIONS: sections,
    }
    Path(path).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def _object(path: Path) -> dict[str, Any]:
    whole = read_json(path)
    if not isinstance(whole, dict) or not isinstance(whole.get(_SECTIONS), list):
        raise FormatError(
            f"{path} has no {_SECTIONS}", "give the alignment_metadata.json of an alignment"
        )
    return whole


def _section(path: Path, section: Any) -> tuple[int, float, float, float, float, float]:
    """Return index, tilt, x-tilt, axis and the two offsets."""
    try:
        (a, _), (c, _) = section["in_plane_rotation"]
        numbers = [
            float(section["tilt_angle"]),
            float(section.get("volume_x_rotation") or 0.0),
            math.degrees(math.atan2(c, a)),
            float(section["x_offset"]),
            float(section["y_offset"]),
        ]
        index = int(section["z_index"])
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: a section is malformed: {error!r}", "check it") from error
    if index < 0 or not np.isfinite(numbers).all():
        raise FormatError(f"{path}: section {index} holds impossible numbers", "check the file")
    return index, *numbers  # type: ignore[return-value]


def _is_something(value: Any) -> bool:
    """Return whether an offset is one: a number, or several by their axes."""
    values = value.values() if isinstance(value, dict) else [value]
    return any(one not in (None, 0) for one in values)


def _is_unit(matrix: Any) -> bool:
    if matrix is None:
        return True
    try:
        return bool(np.allclose(np.asarray(matrix, dtype=np.float64), np.eye(4), atol=1e-6))
    except (TypeError, ValueError):
        return False
