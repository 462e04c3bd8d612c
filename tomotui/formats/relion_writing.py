"""Writing RELION 5 tilt series; `tomotui.formats.relion` tells what their numbers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tomotui.formats.names import file_name
from tomotui.formats.star import Columns, write_star
from tomotui.records import Alignment, Ctf, TiltSeries


@dataclass(frozen=True)
class RelionTomogram:
    """What RELION wants to know of a tilt series with a tomogram.

    Attributes
    ----------
    size_xyz
        Of the tomogram, in pixels of the images.
    scales
        By section of the stack: what the CTF is multiplied with, RELION's scale factor. Its own
        one, the cosine of the tilt, where it is ``None``.
    exposures_e_per_a2
        By section of the stack: what RELION's exposure weights were made for. Those before each
        image where it is ``None``.
    binning
        Pixels of the images for one voxel of the tomogram at ``path``.
    """

    size_xyz: tuple[int, int, int]
    scales: Mapping[int, float] | None = None
    exposures_e_per_a2: Mapping[int, float] | None = None
    binning: float | None = None
    path: str = ""


def write_relion(
    folder: Path | str,
    series: Sequence[tuple[TiltSeries, Alignment, Ctf | None]],
    *,
    tomograms: Mapping[str, RelionTomogram] | None = None,
    named_from: str | None = None,
    listing: str = "aligned_tilt_series.star",
) -> Path:
    """Write ``aligned_tilt_series.star`` and ``tilt_series/NAME.star`` into a folder.

    Excluded tilts are left out, as RELION does, and where there is a CTF also the tilts that it
    lacks. Images are named ``N@stack:mrcs``; the series
    files are named relative to ``folder``'s parents as ``FOLDER/tilt_series/NAME.star``.

    Parameters
    ----------
    tomograms
        What else is known, by name of the series.
    named_from
        What to call the folder in the files; its own name by default.
    listing
        Name of the file that lists the series.

    Returns
    -------
    The path of the list.
    """
    folder = Path(folder)
    (folder / "tilt_series").mkdir(parents=True, exist_ok=True)
    called = folder.name if named_from is None else named_from
    table: Columns = {}
    for record, alignment, ctf in series:
        hand = ctf.handedness if ctf is not None else None
        relative = Path(called) / "tilt_series" / f"{file_name(record.name)}.star"
        more = None if tomograms is None else tomograms[record.name]
        entries = {
            "rlnTomoName": record.name,
            "rlnVoltage": record.voltage_kv,
            "rlnSphericalAberration": record.spherical_aberration_mm,
            "rlnAmplitudeContrast": record.amplitude_contrast,
            "rlnMicrographOriginalPixelSize": record.pixel_size_angstrom,
            # RELION's own default where the hand was not measured.
            "rlnTomoHand": float(hand if hand is not None else -1),
            "rlnOpticsGroupName": "optics1",
            "rlnTomoTiltSeriesPixelSize": record.pixel_size_angstrom,
            "rlnTomoTiltSeriesStarFile": str(relative),
        }
        if more is not None:
            for axis, size in zip("XYZ", more.size_xyz, strict=True):
                entries[f"rlnTomoSize{axis}"] = size
            if more.binning is not None:
                entries["rlnTomoTomogramBinning"] = more.binning
                entries["rlnTomoReconstructedTomogram"] = more.path
        for key, value in entries.items():
            table.setdefault(key, []).append(value)
        rows = _series_columns(record, alignment, ctf, more)
        write_star(folder / "tilt_series" / f"{record.name}.star", {record.name: rows})
    path = folder / listing
    write_star(path, {"global": table})
    return path


def _series_columns(
    record: TiltSeries, alignment: Alignment, ctf: Ctf | None, more: RelionTomogram | None
) -> Columns:
    stack = record.stack_path
    suffix = "" if stack.endswith(".mrcs") else ":mrcs"
    fits = {t.index: t for t in ctf.tilts} if ctf is not None else {}
    columns: Columns = {}
    for tilt in alignment.included:
        image = record.tilts[tilt.index]
        defocus = image.target_defocus_angstrom
        axis = record.nominal_tilt_axis_deg
        row = {
            "rlnMicrographName": f"{tilt.index + 1:06d}@{stack}{suffix}",
            "rlnTomoNominalStageTiltAngle": image.nominal_tilt_deg,
            "rlnTomoNominalTiltAxisAngle": axis if axis is not None else tilt.axis_deg,
            "rlnMicrographPreExposure": image.prior_dose_e_per_a2 or 0.0,
            "rlnTomoNominalDefocus": 0.0 if defocus is None else -defocus / 1e4,
            "rlnTomoXTilt": tilt.x_tilt_deg,
            "rlnTomoYTilt": tilt.tilt_deg,
            "rlnTomoZRot": tilt.axis_deg,
            "rlnTomoXShiftAngst": tilt.shift_x_angstrom,
            "rlnTomoYShiftAngst": tilt.shift_y_angstrom,
        }
        fit = fits.get(tilt.index)
        if fit is not None:
            row |= {
                "rlnDefocusU": fit.defocus_u_angstrom,
                "rlnDefocusV": fit.defocus_v_angstrom,
                "rlnCtfAstigmatism": fit.defocus_u_angstrom - fit.defocus_v_angstrom,
                "rlnDefocusAngle": fit.astigmatism_angle_deg,
                "rlnPhaseShift": fit.phase_shift_deg,
            }
        elif fits:
            continue
        if more is not None and more.exposures_e_per_a2 is not None:
            row["rlnMicrographPreExposure"] = more.exposures_e_per_a2.get(tilt.index, 0.0)
        if more is not None:
            # What RELION's own import takes: less of the beam comes through a tilted specimen.
            thinned = float(np.cos(np.deg2rad(tilt.tilt_deg)))
            row["rlnCtfScalefactor"] = thinned if more.scales is None else more.scales[tilt.index]
        for key, value in row.items():
            columns.setdefault(key, []).append(value)
    return columns
