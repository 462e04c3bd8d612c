"""RELION 5 tilt series: ``aligned_tilt_series.star`` with one STAR file for each series.

RELION projects with ``Rz(ZRot) Ry(YTilt) Rx(XTilt)`` about voxel ``n // 2`` and then adds
XShiftAngst, YShiftAngst from pixel ``n // 2`` (``Tomogram::setProjectionMatrix`` of its source):
the projection equation of ``geometry.tilt`` name for name. Its hand multiplies the same depth
in Angstrom, so it is this program's handedness.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.imported import ImportedAlignment, left_out_tilt
from tomotui.formats.star import Columns, only_block, read_star
from tomotui.records import Alignment, Ctf, Tilt, TiltAlignment, TiltCtf

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
