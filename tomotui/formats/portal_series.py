"""Tilt series of the CryoET data portal: ``tiltseries_metadata.json`` beside each stack.

Its ``per_section_parameter`` tells of each image the order of acquisition (from 0), the stage's
tilt, and the CTF: defocus in Angstrom, positive for underfocus, the direction of the greater one
in degrees, and the phase shift in radians. Voltages are in volts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tomotui.formats.eman import read_json
from tomotui.formats.errors import FormatError
from tomotui.formats.said import Said
from tomotui.records import Alignment, Ctf, TiltCtf, TiltSeries

METADATA = "tiltseries_metadata.json"
_SECTIONS = "per_section_parameter"
_CTF_FIELDS = ("major_defocus", "minor_defocus")


def read_series_metadata(path: Path | str) -> dict[str, Any]:
    """Return the metadata of a tilt series.

    Raises
    ------
    FormatError
        The file is missing or is no metadata of a series.
    """
    path = Path(path)
    found = read_json(path)
    if not isinstance(found, dict) or not {"pixel_spacing", _SECTIONS} & found.keys():
        raise FormatError(
            f"{path} is no metadata of a tilt series of the portal", f"give its {METADATA}"
        )
    return found


def said_by_portal(path: Path) -> Said:
    """Return what the metadata say of a series.

    Raises
    ------
    FormatError
        The file is malformed.
    """
    found = read_series_metadata(path)
    voltage = _number(path, found, "acceleration_voltage")
    sections = _sections(path, found)
    flux = _number(path, found, "total_flux")
    n = len(sections)
    order = [section.get("frame_acquisition_order") for section in sections]
    is_order = n > 0 and all(type(one) is int for one in order)
    tilts = [_number(path, section, "raw_angle") for section in sections]
    return Said(
        "portal",
        pixel_size_angstrom=_above_zero(_number(path, found, "pixel_spacing")),
        tilt_axis_deg=_number(path, found, "tilt_axis"),
        voltage_kv=_above_zero(voltage / 1000 if voltage else None),
        spherical_aberration_mm=_above_zero(_number(path, found, "spherical_aberration_constant")),
        tilts_deg=None if None in tilts else tuple(tilt or 0.0 for tilt in tilts),
        dose_e_per_a2=(flux / n,) * n if flux and flux > 0 and n else None,
        acquisition_order=tuple(int(one or 0) for one in order) if is_order else None,
    )


def has_ctf(path: Path) -> bool:
    """Return whether the metadata hold a CTF."""
    try:
        sections = _sections(path, read_series_metadata(path))
    except FormatError:
        return False
    return any(section.get(name) is not None for section in sections for name in _CTF_FIELDS)


def read_portal_ctf(path: Path | str, *, series_uid: str, n_images: int) -> Ctf:
    """Read the CTF in the metadata of a series; images without one are left out.

    Raises
    ------
    FormatError
        The file is malformed, of another stack, or has no CTF.
    """
    path = Path(path)
    tilts = []
    for index, section in enumerate(_sections(path, read_series_metadata(path))):
        major, minor = (_number(path, section, name) for name in _CTF_FIELDS)
        if major is None and minor is None:
            continue
        tilts.append(
            TiltCtf(
                index=index,
                defocus_u_angstrom=float(major if major is not None else minor or 0.0),
                defocus_v_angstrom=float(minor if minor is not None else major or 0.0),
                astigmatism_angle_deg=_number(path, section, "astigmatic_angle") or 0.0,
                phase_shift_deg=math.degrees(_number(path, section, "phase_shift") or 0.0),
                fit_resolution_angstrom=_above_zero(_number(path, section, "max_resolution")),
                score=_number(path, section, "cross_correlation"),
            )
        )
    if not tilts or tilts[-1].index >= n_images:
        raise FormatError(
            f"{path} has no CTF of a stack of {n_images} images", "give the metadata of this stack"
        )
    return Ctf(series_uid=series_uid, source="portal", tilts=tuple(tilts))


def write_series_metadata(
    path: Path | str,
    series: TiltSeries,
    alignment: Alignment | None = None,
    ctf: Ctf | None = None,
    files: Mapping[str, str] | None = None,
) -> None:
    """Write what is known of a series as the portal keeps it.

    Parameters
    ----------
    files
        Paths within the data set, by the portal's names of them.
    """
    low, high = series.tilt_range_deg
    steps = np.diff(np.sort([tilt.nominal_tilt_deg for tilt in series.tilts]))
    doses = [tilt.dose_e_per_a2 for tilt in series.tilts]
    axis = series.nominal_tilt_axis_deg
    if axis is None and alignment is not None:
        axis = alignment.axis_deg
    found: dict[str, Any] = {
        "run_name": series.name,
        "pixel_spacing": series.pixel_size_angstrom,
        "acceleration_voltage": 1000 * series.voltage_kv,
        "spherical_aberration_constant": series.spherical_aberration_mm,
        "tilt_axis": axis or 0.0,
        "tilt_range": {"min": low, "max": high},
        "tilt_step": round(float(np.median(steps)), 3) if len(steps) else 0.0,
        "is_aligned": False,
        "size": {"x": series.width_px, "y": series.height_px, "z": series.n_tilts},
        **(files or {}),
        _SECTIONS: _written_sections(series, ctf),
    }
    if None not in doses:
        found["total_flux"] = sum(dose or 0.0 for dose in doses)
    Path(path).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _written_sections(series: TiltSeries, ctf: Ctf | None) -> list[dict[str, Any]]:
    fits = {tilt.index: tilt for tilt in ctf.tilts} if ctf is not None else {}
    rows = []
    for tilt in series.tilts:
        row: dict[str, Any] = {"z_index": tilt.index, "raw_angle": tilt.nominal_tilt_deg}
        if tilt.acquisition_order is not None:
            row["frame_acquisition_order"] = tilt.acquisition_order
        fit = fits.get(tilt.index)
        if fit is not None:
            row |= {
                "major_defocus": fit.defocus_u_angstrom,
                "minor_defocus": fit.defocus_v_angstrom,
                "astigmatic_angle": fit.astigmatism_angle_deg,
                "phase_shift": math.radians(fit.phase_shift_deg),
                "max_resolution": fit.fit_resolution_angstrom,
                "cross_correlation": fit.score,
            }
        rows.append(row)
    return rows


def _sections(path: Path, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of the images, in the order of the stack."""
    sections = found.get(_SECTIONS) or []
    if not isinstance(sections, list) or not all(isinstance(one, dict) for one in sections):
        raise FormatError(f"{path}: {_SECTIONS} is no list of images", "check the file")
    indices = [one.get("z_index") for one in sections]
    if sorted(i for i in indices if type(i) is int) != list(range(len(sections))):
        raise FormatError(
            f"{path}: the z_index of its {len(sections)} images are not 0, 1, 2, ...",
            "check the file",
        )
    return sorted(sections, key=lambda one: int(one["z_index"]))


def _number(path: Path, found: Mapping[str, Any], name: str) -> float | None:
    value = found.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise FormatError(f"{path}: {name} is {str(value)[:40]!r}", "give a number there")
    return float(value)


def _above_zero(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None
