"""ctf: fit defocus, astigmatism and phase shift of every tilt, and find the handedness."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tomotui.records import Alignment, Ctf, TiltCtf, TiltSeries
from tomotui.stages.base import (
    Inputs,
    Parameters,
    Stage,
    StageError,
    StageResult,
    Task,
    parameter,
)

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.ctf.series import Report, SeriesCtf

Array = NDArray[np.float64]

DETAILS_FILE = "ctf.npz"


class CtfParameters(Parameters):
    """The choices of the CTF fit."""

    min_defocus_angstrom: float = parameter(
        3_000.0, "Least mean defocus that is tried.", unit="angstrom", ge=500, le=150_000
    )
    max_defocus_angstrom: float = parameter(
        120_000.0, "Greatest mean defocus that is tried.", unit="angstrom", ge=1_000, le=200_000
    )
    hand: Literal["auto", "+1", "-1"] = parameter(
        "auto",
        "Handedness: +1 when defocus grows with depth, -1 when it falls; auto finds it.",
    )
    phase_plate: Literal["auto", "on", "off"] = parameter(
        "auto", "Fit a phase shift: where the rings ask for it, always, or never."
    )
    astigmatism: bool = parameter(True, "Fit astigmatism.")
    finest_angstrom: float = parameter(
        4.0,
        "Finest spacing to look at; the fit goes as far towards it as there are rings.",
        unit="angstrom",
        ge=1.5,
        le=40,
        group="advanced",
    )
    coarsest_angstrom: float | None = parameter(
        None,
        "Coarsest spacing to look at; 40 A, or more for coarse pixels, when not given.",
        unit="angstrom",
        ge=10,
        le=400,
        group="advanced",
    )
    tile_size_angstrom: float | None = parameter(
        None,
        "Side of the tiles; chosen by the defocus when not given.",
        unit="angstrom",
        ge=400,
        le=6000,
        group="advanced",
    )


class CtfStage(Stage):
    """Fit the CTF of all tilts together, with the depth of every place of every image."""

    name = "ctf"
    title = "CTF"
    summary = "Find defocus and astigmatism of every tilt, and the handedness of the series."
    parameters_type = CtfParameters
    reports = (
        "detection_sigma",
        "defocus_angstrom",
        "astigmatism_angstrom",
        "specimen_about_x_deg",
        "specimen_about_y_deg",
        "fit_resolution_angstrom",
        "hand_score",
    )
    takes = ("tilt_series", "alignment")
    gives = ("ctf",)
    needs = "gpu"

    def run(self, task: Task, inputs: Inputs, parameters: CtfParameters) -> StageResult:
        """Fit one series."""
        series, alignment = inputs.one(TiltSeries), inputs.one(Alignment)
        used = _used_tilts(series, alignment)
        found = _fit(task, series, alignment, used, parameters)
        details = task.folder / DETAILS_FILE
        _write_details(details, found, alignment, used)
        task.artifact("details", details)
        record = _record(series, alignment, used, found, task.relative(details))
        _tell(task, record, found, used)
        return StageResult(
            records=(record,), metrics=_metrics(record, found), summary=_summary(record)
        )


def _used_tilts(series: TiltSeries, alignment: Alignment) -> list[int]:
    """Return the sections to fit.

    Raises
    ------
    StageError
        The alignment is not of this series, or leaves nothing.
    """
    if [tilt.index for tilt in alignment.tilts] != list(range(series.n_tilts)):
        raise StageError(
            f"{series.name}: the alignment has {len(alignment.tilts)} tilts, the series "
            f"{series.n_tilts}.",
            "Align the series again.",
        )
    used = [t.index for t in alignment.tilts if not (t.excluded or series.tilts[t.index].excluded)]
    if not used:
        raise StageError(
            f"{series.name}: every tilt is excluded.", "Include tilts on the Datasets screen."
        )
    return used


def _fit(
    task: Task,
    series: TiltSeries,
    alignment: Alignment,
    used: list[int],
    parameters: CtfParameters,
) -> SeriesCtf:
    import torch

    from tomotui.algorithms.ctf.series import NoRingsPossible, Settings, fit_series
    from tomotui.geometry import TiltGeometry
    from tomotui.imaging.ctf import CtfOptics

    if parameters.max_defocus_angstrom < parameters.min_defocus_angstrom:
        raise StageError(
            f"max_defocus_angstrom {parameters.max_defocus_angstrom:g} lies below "
            f"min_defocus_angstrom {parameters.min_defocus_angstrom:g}.",
            "Exchange them.",
        )
    torch.set_num_threads(task.threads)
    reporter = _Reporter(task)
    settings = Settings(
        defocus_range_angstrom=(parameters.min_defocus_angstrom, parameters.max_defocus_angstrom),
        coarsest_angstrom=parameters.coarsest_angstrom,
        finest_angstrom=parameters.finest_angstrom,
        astigmatism=parameters.astigmatism,
        phase_plate=parameters.phase_plate,
        hand={"auto": None, "+1": 1, "-1": -1}[parameters.hand],
        tile_size_angstrom=parameters.tile_size_angstrom,
    )
    order = acquisition_order(series)
    try:
        return fit_series(
            lambda index: _read(reporter, series, index),
            used,
            TiltGeometry.from_alignment(alignment).select(used),
            order[used].tolist(),
            series.pixel_size_angstrom,
            (series.height_px, series.width_px),
            CtfOptics(series.voltage_kv, series.spherical_aberration_mm, series.amplitude_contrast),
            settings,
            reporter,
        )
    except NoRingsPossible as error:
        raise StageError(
            f"{series.name}: {error}.",
            "Import the images with finer pixels, or raise max_defocus_angstrom or lower "
            "finest_angstrom if they are too narrow.",
        ) from error


def acquisition_order(series: TiltSeries) -> Array:
    """Return the rank of every tilt in time; the stack's order where nothing is known."""
    ranks = [tilt.acquisition_order for tilt in series.tilts]
    if any(rank is None for rank in ranks):
        ranks = [tilt.index for tilt in series.tilts]
    return np.array(ranks, dtype=np.float64)


def _read(reporter: _Reporter, series: TiltSeries, index: int) -> Tensor:
    from tomotui.stages.loading import load_binned

    fraction = reporter.fraction
    return load_binned(reporter.task, series, [index], 1.0, fraction, fraction)[0]


class _Reporter:
    """Passes the algorithm's reports on to the task; metrics are numbered as they come."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.fraction = 0.0
        self._step = 0

    def __call__(self, report: Report) -> None:
        self.fraction = max(self.fraction, 0.98 * report.fraction)
        self.task.progress(self.fraction, report.message)
        for name, (value, unit) in report.metrics.items():
            self.task.metric(name, value, self._step, unit)
        if report.metrics:
            figures = ", ".join(f"{k} {v:.4g} {u}" for k, (v, u) in report.metrics.items())
            self.task.log(f"{report.message}: {figures}")
            self._step += 1


def _record(
    series: TiltSeries,
    alignment: Alignment,
    used: list[int],
    found: SeriesCtf,
    details_path: str,
) -> Ctf:
    """Make the record; tilts that were left out get values of their neighbours in time."""
    order = acquisition_order(series)
    mean = 0.5 * (found.defocus_u_angstrom + found.defocus_v_angstrom)
    half = 0.5 * (found.defocus_u_angstrom - found.defocus_v_angstrom)
    turn = 2 * np.deg2rad(found.astigmatism_angle_deg)
    mean, cos, sin, phase = (
        _everywhere(values, used, order)
        for values in (mean, half * np.cos(turn), half * np.sin(turn), found.phase_shift_deg)
    )
    notes = [found.note] if found.note else []
    believed = found.verdict != "bad"
    if not believed:
        targets = [tilt.target_defocus_angstrom for tilt in series.tilts]
        if all(target is not None for target in targets):
            mean = np.array(targets, dtype=np.float64)
            cos, sin, phase = (np.zeros(len(mean)) for _ in range(3))
            notes.append("the defocus is what the microscope was asked for, it was not measured")
            notes += _too_few_rings(series, found, float(np.median(mean)))
        else:
            notes.append("the defocus is a guess")
    left_out = [index for index in range(series.n_tilts) if index not in used]
    if left_out:
        listed = ", ".join(map(str, left_out))
        notes.append(f"tilts {listed} were left out: their values are those of their neighbours")
    half = np.hypot(cos, sin)
    angle = np.rad2deg(0.5 * np.arctan2(sin, cos))
    row_of = {index: row for row, index in enumerate(used)}
    tilts = []
    for index in range(series.n_tilts):
        row = row_of.get(index)
        resolution = None if row is None else float(found.curves.resolution_angstrom[row])
        seen = believed and resolution is not None and np.isfinite(resolution)
        tilts.append(
            TiltCtf(
                index=index,
                defocus_u_angstrom=float(mean[index] + half[index]),
                defocus_v_angstrom=float(mean[index] - half[index]),
                astigmatism_angle_deg=float(angle[index]),
                phase_shift_deg=float(phase[index]),
                fit_resolution_angstrom=resolution if seen else None,
                score=float(found.curves.score[row]) if row is not None and believed else None,
            )
        )
    return Ctf(
        series_uid=series.uid,
        alignment_uid=alignment.uid,
        tilts=tuple(tilts),
        handedness=found.hand,
        handedness_score=found.hand_score,
        fit_resolution_angstrom=_series_resolution(tilts, alignment) if believed else None,
        verdict=found.verdict,
        note="; ".join(notes),
        details_path=details_path,
    )


def _too_few_rings(series: TiltSeries, found: SeriesCtf, target_angstrom: float) -> list[str]:
    """Say so when the sampling cannot show the rings of the defocus that was asked for."""
    from tomotui.imaging.ctf import CtfOptics

    optics = CtfOptics(series.voltage_kv, series.spherical_aberration_mm, series.amplitude_contrast)
    highest = float(found.curves.frequency_per_angstrom[-1])
    rings = optics.wavelength_angstrom * target_angstrom * highest**2
    if rings >= 1.5:
        return []
    return [
        f"at {target_angstrom / 1e4:.1f} um there are {rings:.1f} rings down to "
        f"{1 / highest:.1f} A: import the images with finer pixels to measure it"
    ]


def _everywhere(values: Array, used: list[int], order: Array) -> Array:
    """Interpolate over the order of acquisition to all tilts."""
    known = order[used]
    by_time = np.argsort(known)
    out = np.asarray(np.interp(order, known[by_time], values[by_time]), dtype=np.float64)
    out[used] = values
    return out


def _series_resolution(tilts: list[TiltCtf], alignment: Alignment) -> float | None:
    """Return the median resolution of the less tilted half of the tilts that show rings."""
    seen = [t for t in tilts if t.fit_resolution_angstrom is not None]
    seen.sort(key=lambda t: abs(alignment.tilts[t.index].tilt_deg))
    values = [t.fit_resolution_angstrom for t in seen[: max(1, (len(seen) + 1) // 2)]]
    return float(np.median(np.array(values, dtype=np.float64))) if values else None


def _write_details(path: Path, found: SeriesCtf, alignment: Alignment, used: list[int]) -> None:
    """Write what the quality screen draws."""
    values = {
        "tilt_index": used,
        "tilt_deg": [alignment.tilts[index].tilt_deg for index in used],
        "frequency_per_angstrom": found.curves.frequency_per_angstrom,
        "observed": found.curves.observed,
        "fitted": found.curves.fitted,
        "correlation": found.curves.correlation,
        "spectrum_2d": found.spectrum_2d,
        "spectrum_pixel_per_angstrom": found.spectrum_pixel_per_angstrom,
        "defocus_curve_angstrom": found.search.trials_angstrom,
        "defocus_curve_score": found.search.curve,
        "hand_score": found.hand_gain,
        "defocus_error_angstrom": found.error_angstrom,
        "shrinkage": found.shrinkage,
        "significance": found.significance,
        "plane_deg": found.plane_deg,
        "fitted_to_per_angstrom": found.highest_per_angstrom,
    }
    arrays = {name: np.asarray(value, dtype=np.float32) for name, value in values.items()}
    partial = path.with_name(f".partial-{path.name}")
    np.savez(partial, allow_pickle=False, **arrays)
    partial.replace(path)


def _tell(task: Task, record: Ctf, found: SeriesCtf, used: list[int]) -> None:
    """Warn of what the user should know."""
    if record.verdict != "good":
        task.warn(f"the CTF is {record.verdict}: {record.note}")
    borrowed = [str(used[row]) for row in np.flatnonzero(found.shrinkage > 0.5)]
    if borrowed and record.verdict != "bad":
        task.warn(
            f"tilts {', '.join(borrowed)} show few rings: more than half of their defocus comes "
            "from the tilts taken before and after"
        )
    if record.handedness is None and record.verdict != "bad":
        score = "" if found.hand_score is None else f" (score {found.hand_score:.1f}, 3 needed)"
        task.warn(f"the handedness could not be decided{score}; set the parameter hand if known")


def _metrics(record: Ctf, found: SeriesCtf) -> dict[str, float]:
    """Return the figures beside the task; of a series without rings only that."""
    metrics = {"detection_sigma": found.search.detection}
    if record.verdict == "bad":
        return metrics
    metrics["defocus_angstrom"] = _middle(record)
    metrics["astigmatism_angstrom"] = float(
        np.median(found.defocus_u_angstrom - found.defocus_v_angstrom)
    )
    metrics["specimen_about_x_deg"], metrics["specimen_about_y_deg"] = found.plane_deg
    if record.fit_resolution_angstrom is not None:
        metrics["fit_resolution_angstrom"] = record.fit_resolution_angstrom
    if record.handedness_score is not None:
        metrics["hand_score"] = record.handedness_score
    return metrics


def _middle(record: Ctf) -> float:
    """Return the median defocus in Angstrom."""
    values = [t.defocus_u_angstrom + t.defocus_v_angstrom for t in record.tilts]
    return float(np.median(values)) / 2


def _summary(record: Ctf) -> str:
    if record.verdict == "bad":
        return f"bad: {record.note}"
    hand = "undecided" if record.handedness is None else f"{record.handedness:+d}"
    resolution = record.fit_resolution_angstrom
    rings = f", rings to {resolution:.1f} A" if resolution else ""
    return f"{_middle(record) / 1e4:.2f} um{rings}, hand {hand}, {record.verdict}"
