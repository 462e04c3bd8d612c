"""motion: make a tilt series of movies, without the motion of the specimen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from tomotui.stages.base import (
    Inputs,
    Parameters,
    Stage,
    StageError,
    StageResult,
    Task,
    parameter,
)
from tomotui.stages.series_said import (
    GIVEN,
    Scheme,
    said_acquisition,
    said_amplitude_contrast,
    said_dataset,
    said_dose,
    said_pixel_size,
    said_spherical_aberration,
    said_tilt_axis,
    said_voltage,
)

if TYPE_CHECKING:
    from tomotui.formats.gain import Gain
    from tomotui.formats.movie_series import MoviePlan
    from tomotui.formats.movies import Fractions


class MotionParameters(Parameters):
    """The choices of motion correction, and what the user may say about the series."""

    movies: str = parameter(
        ...,
        "Mdoc of the series, mdoc of one of its movies, or a table with a line MOVIE TILT [DOSE] "
        "for each movie.",
    )
    frames: str | None = parameter(
        None, "Folder of the movies (MRC, TIFF, EER); looked for near the mdoc when not given."
    )
    gain: str | None = parameter(
        None, "Gain reference of the camera: MRC, TIFF or .gain; frames stay as they are without."
    )
    gain_turns: Literal["0", "1", "2", "3"] = parameter(
        "0", "Quarter turns of the gain reference, counter-clockwise as -RotGain of MotionCor."
    )
    gain_flip: Literal["none", "up-down", "left-right"] = parameter(
        "none", "Flip of the gain reference after the turns, as -FlipGain of MotionCor (1 and 2)."
    )
    gain_use: Literal["auto", "multiply", "divide"] = parameter(
        "auto",
        "Multiply by the reference or divide: auto divides only for EER movies whose reference "
        "is no .gain file.",
        group="advanced",
    )
    local: Literal["auto", "on", "off"] = parameter(
        "auto",
        "Local motion: taken only if patches that it was not fitted to confirm it (auto), "
        "always, or never.",
    )
    patches: int | None = parameter(
        None,
        "Patches along the longer side for local motion; some 1000 A each when not given.",
        ge=2,
        le=16,
        group="advanced",
    )
    dose_weighting: bool = parameter(
        True, "Weight frames by what radiation has left of the signal; needs the dose."
    )
    binning: int | None = parameter(
        None,
        "Binning of the frames by Fourier cropping; when not given 2 for super-resolution frames, "
        "otherwise 1.",
        ge=1,
        le=8,
    )
    eer_fraction_e_per_a2: float = parameter(
        0.5,
        "Exposure of the frames that EER movies are divided into.",
        unit="e/angstrom^2",
        gt=0,
        le=100,
    )
    eer_raw_frames: int | None = parameter(
        None,
        "Raw frames of EER movies to a frame; by the exposure when not given.",
        ge=1,
        group="advanced",
    )
    largest_motion_angstrom: float = parameter(
        200.0,
        "Largest motion between two frames that is believed.",
        unit="angstrom",
        ge=5,
        le=5000,
        group="advanced",
    )
    smooth: bool = parameter(
        True, "Smooth paths in time as far as weak frames leave them open.", group="advanced"
    )
    output_type: Literal["float32", "float16"] = parameter(
        "float32",
        "Number type of the stacks; float16 takes half the room, few programs read it.",
        group="advanced",
    )
    dataset: str = said_dataset()
    pixel_size_angstrom: float | None = said_pixel_size("frames")
    tilt_axis_deg: float | None = said_tilt_axis()
    dose_e_per_a2: float | None = said_dose()
    acquisition: Scheme | None = said_acquisition()
    voltage_kv: float | None = said_voltage()
    spherical_aberration_mm: float | None = said_spherical_aberration()
    amplitude_contrast: float | None = said_amplitude_contrast()

    @field_validator("movies")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("give the path of an mdoc or of a table")
        return value


class MotionStage(Stage):
    """Take in a tilt series as movies: find the motion, undo it, and sum the frames."""

    name = "motion"
    title = "Motion"
    summary = "Align the frames of every movie and sum them into a tilt series with two halves."
    parameters_type = MotionParameters
    reports = (
        "tilts",
        "excluded",
        "drift_angstrom",
        "worst_drift_angstrom",
        "residual_angstrom",
        "local_tilts",
        "poor_tilts",
    )
    gives = ("tilt_series",)
    needs = "gpu"

    def run(self, task: Task, inputs: Inputs, parameters: MotionParameters) -> StageResult:
        """Correct the movies of one series one by one, and make its record."""
        import torch

        from tomotui.formats.errors import FormatError
        from tomotui.stages.movie_stacks import correct_series

        torch.set_num_threads(task.threads)
        try:
            planned = plan_motion(parameters)
            for warning in planned.plan.warnings:
                task.warn(warning)
            if planned.plan.problems:
                raise StageError(" ".join(planned.plan.problems))
            with torch.inference_mode():
                made = correct_series(task, planned, parameters)
        except FormatError as error:
            raise StageError(str(error)) from error
        series = made.series
        low, high = series.tilt_range_deg
        return StageResult(
            records=(series,),
            metrics=made.metrics,
            summary=f"{series.n_tilts} tilts {low:.0f}..{high:.0f} deg, "
            f"{series.width_px}x{series.height_px} px of {series.pixel_size_angstrom:.4g} A, "
            f"drift {made.metrics['drift_angstrom']:.1f} A",
        )


def plan_motion(parameters: MotionParameters) -> MoviePlan:
    """Say what these parameters would take in; nothing is written.

    What stands against it is among the problems of the plan.
    """
    from dataclasses import replace

    from tomotui.formats.errors import FormatError
    from tomotui.formats.movie_series import understand_movies

    said: Any = {name: getattr(parameters, name) for name in GIVEN}
    planned = understand_movies(parameters.movies, parameters.frames, **said)
    if planned.plan.problems or parameters.gain is None:
        return planned
    shape = (planned.plan.facts["height_px"].value, planned.plan.facts["width_px"].value)
    try:
        read_gain_for(parameters, planned.movies[0], shape)
    except FormatError as error:
        plan = replace(planned.plan, problems=(*planned.plan.problems, str(error)))
        return replace(planned, plan=plan)
    return planned


def read_gain_for(parameters: MotionParameters, movie: Path, shape: tuple[int, int]) -> Gain | None:
    """Return the gain reference for frames of a shape (rows, columns), if there is one."""
    from tomotui.formats.gain import is_eer, read_gain

    if parameters.gain is None:
        return None
    return read_gain(
        parameters.gain,
        shape,
        use=parameters.gain_use,
        turns=int(parameters.gain_turns),
        flip=parameters.gain_flip,
        for_eer=is_eer(movie),
    )


def fractions_of(parameters: MotionParameters, exposure_e_per_a2: float | None) -> Fractions:
    """Return how an EER movie of an exposure is divided into frames."""
    from tomotui.formats.movies import Fractions

    return Fractions(parameters.eer_raw_frames, parameters.eer_fraction_e_per_a2, exposure_e_per_a2)
