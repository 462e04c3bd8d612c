"""RELION 5 tilt series: ``aligned_tilt_series.star`` with one STAR file for each series.

RELION projects with ``Rz(ZRot) Ry(YTilt) Rx(XTilt)`` about voxel ``n // 2`` and then adds
XShiftAngst, YShiftAngst from pixel ``n // 2`` (``Tomogram::setProjectionMatrix`` of its source):
the projection equation of ``geometry.tilt`` name for name. Its hand multiplies the same depth
in Angstrom, so it is this program's handedness.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.imported import ImportedAlignment, left_out_tilt
from tomotui.formats.names import file_name
from tomotui.formats.star import Columns, only_block, read_star, write_star
from tomotui.records import Alignment, Ctf, Tilt, TiltAlignment, TiltCtf, TiltSeries

Array = NDArray[np.float64]
_GEOMETRY = (
    "rlnTomoXTilt",
    "rlnTomoYTilt",
    "rlnTomoZRot",
    "rlnTomoXShiftAngst",
    "rlnTomoYShiftAngst",
)
_NUMBERS = {
    *_GEOMETRY,
    "rlnTomoNominalStageTiltAngle",
    "rlnMicrographPreExposure",
    "rlnTomoNominalDefocus",
    "rlnDefocusU",
    "rlnDefocusV",
    "rlnDefocusAngle",
    "rlnPhaseShift",
}
_SCORES = {"rlnCtfMaxResolution", "rlnCtfFigureOfMerit"}
_MATCH_DEG = 0.5
_LISTING = "rlnTomoTomogramsFile"


@dataclass(frozen=True)
class RelionSeries:
    """One tilt series of a RELION project; its rows are the images that RELION kept.

    Attributes
    ----------
    hand
        RELION's defocus hand, +1 or -1; ``None`` when not given.
    rows
        The columns of the series' own STAR file.
    """

    name: str
    path: Path
    pixel_size_angstrom: float
    voltage_kv: float
    spherical_aberration_mm: float
    amplitude_contrast: float
    hand: int | None
    rows: Columns

    @property
    def nominal_tilts_deg(self) -> Array:
        """Stage tilts of the rows."""
        return np.array(self.rows["rlnTomoNominalStageTiltAngle"], dtype=np.float64)

    @property
    def image_names(self) -> list[str]:
        """Names of the images, such as ``3@TS_01.mrcs`` or a single image's path."""
        return [str(name) for name in self.rows.get("rlnMicrographName", [])]

    def tilts(self) -> tuple[Tilt, ...]:
        """Return the rows as tilts, in their order, with dose and target defocus."""
        nominal = self.nominal_tilts_deg
        prior = self.rows.get("rlnMicrographPreExposure")
        defocus = self.rows.get("rlnTomoNominalDefocus")
        order = np.argsort(np.argsort(prior, kind="stable")) if prior else None
        steps = np.diff(np.sort(np.array(prior, dtype=np.float64))) if prior else np.array([])
        dose = float(np.median(steps)) if steps.size else None
        return tuple(
            Tilt(
                index=i,
                nominal_tilt_deg=float(angle),
                dose_e_per_a2=dose,
                prior_dose_e_per_a2=float(prior[i]) if prior else None,
                acquisition_order=int(order[i]) if order is not None else None,
                target_defocus_angstrom=-1e4 * float(defocus[i]) if defocus else None,
            )
            for i, angle in enumerate(nominal)
        )

    def alignment(
        self, series_uid: str, stack_tilts_deg: Sequence[float] | None = None
    ) -> ImportedAlignment:
        """Return the alignment, in the order of a stack.

        Parameters
        ----------
        stack_tilts_deg
            Nominal tilts of the stack; its images without a row become excluded tilts. Without
            it the rows are taken to be the stack.

        Raises
        ------
        FormatError
            The series has not been aligned, or its tilts are not those of the stack.
        """
        missing = [name for name in _GEOMETRY[1:] if name not in self.rows]
        if missing:
            raise FormatError(
                f"{self.path} has no {missing[0]}",
                "give the aligned_tilt_series.star of RELION 5's alignment job",
            )
        zeros = [0.0] * len(self.nominal_tilts_deg)
        x_tilt, tilt, axis, x, y = (self.rows.get(name, zeros) for name in _GEOMETRY)
        sections = self._sections(stack_tilts_deg)
        found = {
            int(section): TiltAlignment(
                index=int(section),
                tilt_deg=float(tilt[row]),
                x_tilt_deg=float(x_tilt[row]),
                axis_deg=float(axis[row]),
                shift_x_angstrom=float(x[row]),
                shift_y_angstrom=float(y[row]),
            )
            for row, section in enumerate(sections)
        }
        nominal = self.nominal_tilts_deg if stack_tilts_deg is None else stack_tilts_deg
        mean_axis = float(np.median(axis))
        left_out = [i for i in range(len(nominal)) if i not in found]
        for i in left_out:
            found[i] = left_out_tilt(
                i, float(nominal[i]), mean_axis, "not in the imported alignment"
            )
        tilts = tuple(found[i] for i in range(len(nominal)))
        listed = ", ".join(str(i) for i in left_out)
        warnings = (f"tilts {listed} are not in the RELION project: excluded",) if listed else ()
        return ImportedAlignment(
            Alignment(series_uid=series_uid, source="relion", tilts=tilts), warnings
        )

    def ctf(self, series_uid: str, stack_tilts_deg: Sequence[float] | None = None) -> Ctf | None:
        """Return the CTF of the rows, in the order of a stack; ``None`` when there is none."""
        if "rlnDefocusU" not in self.rows:
            return None
        columns = self.rows
        none = [None] * len(columns["rlnDefocusU"])
        zeros = [0.0] * len(none)
        values = zip(
            self._sections(stack_tilts_deg),
            columns["rlnDefocusU"],
            columns["rlnDefocusV"],
            columns.get("rlnDefocusAngle", zeros),
            columns.get("rlnPhaseShift", zeros),
            columns.get("rlnCtfMaxResolution", none),
            columns.get("rlnCtfFigureOfMerit", none),
            strict=True,
        )
        tilts = [
            TiltCtf(
                index=int(section),
                defocus_u_angstrom=u,
                defocus_v_angstrom=v,
                astigmatism_angle_deg=angle,
                phase_shift_deg=phase,
                fit_resolution_angstrom=resolution,
                score=score,
            )
            for section, u, v, angle, phase, resolution, score in values
        ]
        tilts.sort(key=lambda t: t.index)
        hand = None if self.hand is None else (1 if self.hand > 0 else -1)
        return Ctf(series_uid=series_uid, tilts=tuple(tilts), handedness=hand)

    def _sections(self, stack_tilts_deg: Sequence[float] | None) -> NDArray[np.intp]:
        """Return the section of the stack that each row means: the one with its tilt."""
        nominal = self.nominal_tilts_deg
        if stack_tilts_deg is None:
            return np.arange(len(nominal))
        apart = np.abs(nominal[:, None] - np.asarray(stack_tilts_deg, dtype=np.float64))
        sections: NDArray[np.intp] = apart.argmin(axis=1)
        far = apart.min(axis=1) > _MATCH_DEG
        if far.any() or len(np.unique(sections)) != len(sections):
            row = int(np.flatnonzero(far)[0]) if far.any() else 0
            raise FormatError(
                f"{self.path} does not fit the stack: its tilt of {nominal[row]:.2f} degrees has "
                "no image of its own there",
                "give the STAR file and the stack of the same series",
            )
        return sections


def read_relion(
    path: Path | str, name: str | None = None, project_folder: Path | str | None = None
) -> list[RelionSeries]:
    """Read the tilt series of a RELION 5 job.

    Parameters
    ----------
    path
        ``aligned_tilt_series.star``, ``tomograms.star`` or another list of tilt series, or an
        optimisation set, which leads to one.
    name
        Only the series of this name.
    project_folder
        Folder that the paths in the file start from; searched for above the file when not given.

    Raises
    ------
    FormatError
        A file or column is missing, or there is no series of that name.
    """
    path = Path(path)
    blocks = read_star(path)
    listings = [columns[_LISTING][0] for columns in blocks.values() if _LISTING in columns]
    if listings:
        path = _found(path, Path(str(listings[0])), project_folder)
        blocks = read_star(path)
    table = only_block(path, blocks, "global", "rlnTomoTiltSeriesStarFile")
    if not table.get("rlnTomoName"):
        raise FormatError(f"{path} names no tilt series", "give a list that RELION has written")
    names = [str(n) for n in table["rlnTomoName"]]
    if name is not None and name not in names:
        raise FormatError(
            f"{path} has no tilt series {name!r}; it has {', '.join(names[:5])}",
            "give one of these names",
        )
    return [
        _read_series(path, table, row, project_folder)
        for row, series in enumerate(names)
        if name is None or series == name
    ]


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


def _checked(path: Path, rows: Columns) -> Columns:
    """Return the columns of a series when its numbers are numbers; scores may be unknown."""
    checked = dict(rows)
    for column in _NUMBERS & rows.keys():
        try:
            numbers = np.array(rows[column], dtype=np.float64)
        except (TypeError, ValueError):
            numbers = np.array([np.nan])
        if not np.isfinite(numbers).all():
            raise FormatError(f"{path} has a {column} that is no number", "correct the column")
        checked[column] = numbers.tolist()
    for column in _SCORES & rows.keys():
        checked[column] = [_score(value) for value in rows[column]]
    if "rlnDefocusU" in checked and "rlnDefocusV" not in checked:
        raise FormatError(f"{path} has no rlnDefocusV", "give the file as RELION wrote it")
    return checked


def _score(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def _read_series(
    path: Path, table: Columns, row: int, project_folder: Path | str | None
) -> RelionSeries:
    name = str(table["rlnTomoName"][row])
    file = _found(path, Path(str(table["rlnTomoTiltSeriesStarFile"][row])), project_folder)
    rows = _checked(file, only_block(file, read_star(file), name, "rlnTomoNominalStageTiltAngle"))

    def value(column: str, default: float) -> float:
        said = table[column][row] if column in table else default
        try:
            number = float(said)
        except (TypeError, ValueError):
            number = np.nan
        if not np.isfinite(number):
            raise FormatError(f"{path}: {column} is {said!r}", "correct it: a number")
        return number

    pixel_size = value("rlnTomoTiltSeriesPixelSize", 0.0)
    return RelionSeries(
        name=name,
        path=file,
        pixel_size_angstrom=pixel_size or value("rlnMicrographOriginalPixelSize", 0.0),
        voltage_kv=value("rlnVoltage", 300.0),
        spherical_aberration_mm=value("rlnSphericalAberration", 2.7),
        amplitude_contrast=value("rlnAmplitudeContrast", 0.07),
        hand=int(value("rlnTomoHand", 0.0)) or None,
        rows=rows,
    )


def _found(listing: Path, relative: Path, project_folder: Path | str | None) -> Path:
    """Find a file named from a RELION project's folder, or moved along with the listing.

    Only STAR files are looked for: a list must not make other files be read.
    """
    if relative.suffix != ".star" or ".." in relative.parts:
        raise FormatError(
            f"{listing} names {relative}, which is no STAR file of a project",
            "give the list as RELION has written it",
        )
    starts = [Path(project_folder)] if project_folder else list(listing.absolute().parents)
    candidates = [start / relative for start in starts]
    candidates += [listing.parent / "tilt_series" / relative.name]
    for candidate in candidates:
        if os.path.isfile(candidate):
            return candidate
    raise FormatError(
        f"{listing} names {relative}, which was not found above it",
        "give the RELION project's folder",
    )
