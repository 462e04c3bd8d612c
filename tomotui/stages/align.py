"""align: find the geometry of every tilt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tomotui.records import Alignment, TiltAlignment, TiltSeries
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
    from pathlib import Path

    from tomotui.algorithms.align.geometry import AxisGeometry
    from tomotui.algorithms.align.outcome import SeriesAlignment
    from tomotui.algorithms.align.series import Report

FINEST_PIXEL_ANGSTROM = 8.0
LARGEST_FRAME_PX = 1440

HOPELESS_SCORE, DOUBTFUL_SCORE = 0.09, 0.14
"""Agreement of a series. Images that do not belong together reach 0.05, as each follows what it
shares with others by chance; series at 1.5 e/A^2 per tilt reach 0.23 when they are aligned."""


class AlignParameters(Parameters):
    """The choices of marker-free alignment."""

    tilt_axis_deg: float | None = parameter(
        None,
        "Tilt axis, when it is known; otherwise every direction is tried.",
        unit="degree",
        ge=-360,
        le=360,
    )
    axis_range_deg: float = parameter(
        6.0,
        "How far from a known tilt axis to search.",
        unit="degree",
        ge=0.5,
        le=90,
        group="advanced",
    )
    thickness_angstrom: float = parameter(
        2500.0,
        "Depth that may hold matter: the specimen with some room.",
        unit="angstrom",
        ge=200,
        le=20000,
    )
    n_landmarks: int = parameter(
        128,
        "Compact features (gold, ribosomes, anything that stands out) to follow.",
        ge=8,
        le=500,
        group="advanced",
    )
    rounds: int = parameter(
        6, "Most rounds over the landmarks at each sampling.", ge=1, le=50, group="advanced"
    )
    finest_pixel_angstrom: float = parameter(
        6.0,
        "Sampling of the last refinement, on gold; finer than the images is not possible.",
        unit="angstrom",
        ge=1,
        le=50,
        group="advanced",
    )
    local: Literal["auto", "on", "off"] = parameter(
        "auto",
        "Local deformation: taken only if features that it was not fitted to confirm it (auto), "
        "always, or never.",
    )
    gold: bool = parameter(
        True, "Refine on gold beads where at least four are found.", group="advanced"
    )
    start: Literal["fresh", "latest"] = parameter(
        "fresh",
        "Also begin from the latest alignment of the series (imported, say); the start that "
        "explains the images best is refined.",
        group="advanced",
    )
    exclude_bad_tilts: bool = parameter(
        True, "Leave out tilts that agree with no other; you can take them back."
    )


class AlignStage(Stage):
    """Find shifts, tilt axis and a verdict for every tilt, without markers or with them."""

    name = "align"
    title = "Align"
    summary = "Find the tilt axis and the shift of every image, from nothing but the images."
    parameters_type = AlignParameters
    reports = ("beads", "axis_deg", "residual_angstrom", "information")
    takes = ("tilt_series",)
    optional = ("alignment",)
    gives = ("alignment",)
    needs = "gpu"

    def run(self, task: Task, inputs: Inputs, parameters: AlignParameters) -> StageResult:
        """Align one series and judge its tilts."""
        import torch

        from tomotui.algorithms.align.series import Settings, align_series
        from tomotui.stages.loading import load_binned, working_binning

        series = inputs.one(TiltSeries)
        torch.set_num_threads(task.threads)
        used = [tilt.index for tilt in series.tilts if not tilt.excluded]
        if len(used) < 3:
            raise StageError(
                f"{series.name}: only {len(used)} tilts are not excluded.",
                "Include more tilts on the Datasets screen.",
            )
        finest = max(FINEST_PIXEL_ANGSTROM, parameters.finest_pixel_angstrom)
        binning = working_binning(series, finest, LARGEST_FRAME_PX)
        task.progress(0.0, "reading images")
        images = load_binned(task, series, used, binning, 0.0, 0.05)
        angles = np.array([series.tilts[index].nominal_tilt_deg for index in used])
        settings = Settings(
            axis_deg=parameters.tilt_axis_deg,
            axis_range_deg=parameters.axis_range_deg,
            thickness_angstrom=parameters.thickness_angstrom,
            n_landmarks=parameters.n_landmarks,
            rounds=parameters.rounds,
            finest_angstrom=parameters.finest_pixel_angstrom,
            local=parameters.local,
            gold=parameters.gold,
            start=_start(inputs.maybe(Alignment), used) if parameters.start == "latest" else None,
        )
        reporter = _Reporter(task)
        pixel = series.pixel_size_angstrom * binning
        try:
            found = align_series(images, angles, pixel, settings, reporter)
        except ValueError as error:
            raise StageError(f"{series.name}: {error}.", "Look at the images first.") from error
        details = task.folder / f"{series.name}_alignment.npz"
        _write_details(details, used, found)
        alignment = _record(series, used, found, parameters, pixel)
        alignment = alignment.replace(details_path=task.relative(details))
        for tilt in alignment.tilts:
            if tilt.verdict != "good" and tilt.index in used:
                task.warn(
                    f"tilt {tilt.index} ({tilt.tilt_deg:.0f} deg) is {tilt.verdict}: {tilt.note}"
                )
        return StageResult(
            records=(alignment,),
            metrics={
                "beads": found.n_beads,
                "axis_deg": alignment.axis_deg,
                "residual_angstrom": found.overall_residual_angstrom,
                "information": found.information,
            },
            summary=f"{found.overall_residual_angstrom:.1f} A, {len(alignment.included)}/"
            f"{series.n_tilts} tilts, axis {alignment.axis_deg:.2f} deg, {alignment.verdict}",
        )


class _Reporter:
    """Passes the algorithm's reports on to the task; metrics are numbered as they come."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._step = 0

    def __call__(self, report: Report) -> None:
        self._task.progress(0.05 + 0.93 * report.fraction, report.message)
        for name, (value, unit) in report.metrics.items():
            self._task.metric(name, value, self._step, unit)
        if report.metrics:
            figures = ", ".join(f"{k} {v:.3g} {u}" for k, (v, u) in report.metrics.items())
            self._task.log(f"{report.message}: {figures}")
            self._step += 1


def _start(latest: Alignment | None, used: list[int]) -> AxisGeometry | None:
    """Return the geometry of an earlier alignment for the tilts in use."""
    import torch

    from tomotui.algorithms.align.geometry import AxisGeometry

    if latest is None or max(used) >= len(latest.tilts):
        return None
    tilts = [latest.tilts[index] for index in used]
    shifts = [(tilt.shift_x_angstrom, tilt.shift_y_angstrom) for tilt in tilts]
    angles = torch.tensor([tilt.tilt_deg for tilt in tilts])
    axis = sum(tilt.axis_deg for tilt in tilts) / len(tilts)
    return AxisGeometry(angles, axis, torch.tensor(shifts))


def _write_details(path: Path, used: list[int], found: SeriesAlignment) -> None:
    """Write what the quality screen draws."""
    np.savez_compressed(
        path,
        tilt_index=np.array(used),
        tilt_deg=found.geometry.tilt_deg.cpu().numpy(),
        axis_curve_deg=found.axis_curve[:, 0],
        axis_curve_score=found.axis_curve[:, 1],
        shift_angstrom=found.geometry.shift_angstrom.cpu().numpy(),
        residual_angstrom=found.residual_angstrom,
        score=found.score,
        landmarks_angstrom=found.landmarks_angstrom,
        track_angstrom=found.track_angstrom.astype(np.float32),
        track_residual_angstrom=found.track_residual_angstrom.astype(np.float32),
        track_weight=found.track_weight.astype(np.float32),
    )


def _record(
    series: TiltSeries,
    used: list[int],
    found: SeriesAlignment,
    parameters: AlignParameters,
    pixel_size_angstrom: float,
) -> Alignment:
    """Return the alignment of all tilts; those left out follow their neighbours."""
    from tomotui.algorithms.align.outcome import for_all_tilts

    axis = _named_axis(found.geometry.axis_deg, series.nominal_tilt_axis_deg, parameters)
    nominal = np.array([tilt.nominal_tilt_deg for tilt in series.tilts])
    geometry = for_all_tilts(found.geometry, nominal, np.isin(np.arange(len(nominal)), used))
    shifts, angles = geometry.shift_angstrom.tolist(), geometry.tilt_deg.tolist()
    position = {index: row for row, index in enumerate(used)}
    tilts = []
    for tilt in series.tilts:
        row = position.get(tilt.index)
        if row is None:
            verdict, note, score, residual = "bad", "left out at import or by the user", None, None
        else:
            verdict, note = found.verdicts[row].verdict, found.verdicts[row].note
            score, residual = _number(found.score[row]), _number(found.residual_angstrom[row])
        excluded = tilt.excluded or (verdict == "bad" and parameters.exclude_bad_tilts)
        tilts.append(
            TiltAlignment(
                index=tilt.index,
                tilt_deg=angles[tilt.index],
                axis_deg=axis,
                shift_x_angstrom=shifts[tilt.index][0],
                shift_y_angstrom=shifts[tilt.index][1],
                excluded=excluded,
                verdict=verdict,
                note=note,
                score=score,
                residual_angstrom=residual,
            )
        )
    overall, why = _overall(found, tilts, pixel_size_angstrom)
    return Alignment(
        series_uid=series.uid,
        tilts=tuple(tilts),
        local=None if geometry.local is None else geometry.local.to_record(),
        residual_angstrom=found.overall_residual_angstrom,
        score=float(np.nanmedian(found.score)),
        verdict=overall,
        note=why,
    )


def _named_axis(axis_deg: float, nominal_deg: float | None, parameters: AlignParameters) -> float:
    """Choose between an axis and its opposite: the one nearer to what was said, else -90..90.

    Projections alone cannot tell the two apart; they differ by the hand of the tomogram.
    """
    near = parameters.tilt_axis_deg if parameters.tilt_axis_deg is not None else nominal_deg
    if near is None:
        near = 0.0
    return axis_deg - 180.0 * round((axis_deg - near) / 180.0)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _overall(
    found: SeriesAlignment,
    tilts: list[TiltAlignment],
    pixel_size_angstrom: float,
) -> tuple[str, str]:
    """Judge the series as a whole."""
    included = [tilt for tilt in tilts if not tilt.excluded]
    score = float(np.nanmedian(found.score))
    if score < HOPELESS_SCORE or len(included) < max(3, len(tilts) // 3):
        return "bad", f"the tilts hardly agree (score {score:.2f}, {len(included)} usable)"
    doubtful = sum(tilt.verdict != "good" for tilt in included)
    residual = found.overall_residual_angstrom
    if score < DOUBTFUL_SCORE or doubtful > len(included) / 4 or residual > 3 * pixel_size_angstrom:
        return "poor", f"score {score:.2f}, residual {residual:.0f} A, {doubtful} doubtful tilts"
    return "good", ""
