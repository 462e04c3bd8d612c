"""import: take a tilt series into the project."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

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
from tomotui.stages.image_judgement import unusable_images
from tomotui.stages.imported_tomogram import imported_tomogram
from tomotui.stages.series_said import (
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
    from tomotui.formats.import_plan import ImportPlan
    from tomotui.formats.stacks import ImageStatistics


class ImportParameters(Parameters):
    """What the user may say about stacks; all that is not said comes from the files."""

    stack: str = parameter(..., "Image stack: MRC, ST, ALI or TIFF.")
    mdoc: str | None = parameter(None, "SerialEM mdoc; found beside the stack when not given.")
    tilts: str | None = parameter(
        None, "Tilt angles (.rawtlt, .tlt), one a line; found beside the stack when not given."
    )
    alignment: str | None = parameter(
        None, "Alignment of another program (.xf, .edf, .aln, .star, .xml, .json) to take over."
    )
    ctf: str | None = parameter(
        None,
        "CTF of another program (.defocus, .txt of AreTomo or CTFFIND, RELION .star) to take over.",
    )
    tomogram: str | None = parameter(
        None, "Tomogram that another program has made with the alignment (MRC) to link to."
    )
    dataset: str = said_dataset()
    pixel_size_angstrom: float | None = said_pixel_size("stack")
    tilt_axis_deg: float | None = said_tilt_axis()
    dose_e_per_a2: float | None = said_dose()
    acquisition: Scheme | None = said_acquisition()
    first_tilt_deg: float | None = parameter(
        None,
        "First tilt, where no file gives the angles.",
        unit="degree",
        group="advanced",
        ge=-90,
        le=90,
    )
    tilt_step_deg: float | None = parameter(
        None,
        "Step between tilts, where no file gives the angles.",
        unit="degree",
        group="advanced",
        ge=-30,
        le=30,
    )
    voltage_kv: float | None = said_voltage()
    spherical_aberration_mm: float | None = said_spherical_aberration()
    amplitude_contrast: float | None = said_amplitude_contrast()
    copy_stack: bool = parameter(
        False,
        "Copy the stack into the project instead of linking to where it is.",
        group="advanced",
    )

    @field_validator("stack")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("give the path of a stack")
        return value


class ImportStage(Stage):
    """Take a tilt series into the project, with what its files say about it."""

    name = "import"
    title = "Import"
    summary = "Read a stack and its metadata, check every image, and keep a link to it."
    parameters_type = ImportParameters
    reports = ("tilts", "excluded")
    gives = ("tilt_series", "alignment", "ctf")

    def run(self, task: Task, inputs: Inputs, parameters: ImportParameters) -> StageResult:
        """Understand the files of one stack, look at every image, and make its records."""
        from tomotui.formats.errors import FormatError

        try:
            plan = plan_import(parameters)
            for warning in plan.warnings:
                task.warn(warning)
            if plan.problems:
                raise StageError(" ".join(plan.problems))
            excluded = _scan(task, plan)
            stack, checksum = _place(task, plan.stack, parameters.copy_stack)
        except FormatError as error:
            raise StageError(str(error)) from error
        series = plan.to_series(
            task.target,
            parameters.dataset,
            stack_path=stack,
            checksum=checksum,
            excluded=excluded,
        )
        low, high = series.tilt_range_deg
        tomogram = imported_tomogram(task, plan, series)
        found = (series, plan.alignment, plan.ctf, tomogram)
        records = tuple(one for one in found if one is not None)
        return StageResult(
            records=records,
            metrics={"tilts": float(series.n_tilts), "excluded": float(len(excluded))},
            summary=f"{series.n_tilts} tilts {low:.0f}..{high:.0f} deg, "
            f"{series.width_px}x{series.height_px} px of {series.pixel_size_angstrom:.4g} A",
        )


def plan_import(parameters: ImportParameters) -> ImportPlan:
    """Say what an import with these parameters would understand; nothing is written.

    Raises
    ------
    FormatError
        When files do not go together.
    """
    from tomotui.formats.pairing import pair_files
    from tomotui.formats.understanding import understand

    files = pair_files(
        [parameters.stack],
        mdoc=parameters.mdoc,
        tilts=parameters.tilts,
        alignment=parameters.alignment,
        ctf=parameters.ctf,
        tomogram=parameters.tomogram,
    )[0]
    return understand(
        files.stack,
        files.mdoc,
        files.tilts,
        files.alignment,
        files.ctf,
        files.found_ctf,
        files.tomogram,
        pixel_size_angstrom=parameters.pixel_size_angstrom,
        tilt_axis_deg=parameters.tilt_axis_deg,
        dose_e_per_a2=parameters.dose_e_per_a2,
        acquisition=parameters.acquisition,
        first_tilt_deg=parameters.first_tilt_deg,
        tilt_step_deg=parameters.tilt_step_deg,
        voltage_kv=parameters.voltage_kv,
        spherical_aberration_mm=parameters.spherical_aberration_mm,
        amplitude_contrast=parameters.amplitude_contrast,
    )


def _scan(task: Task, plan: ImportPlan) -> list[int]:
    """Look at every image; return the numbers of those that cannot be used."""
    from tomotui.formats.stacks import open_stack, scan_images

    statistics: list[ImageStatistics] = []
    with open_stack(plan.stack) as stack:
        for image in scan_images(stack):
            statistics.append(image)
            task.progress(0.8 * len(statistics) / stack.shape[0], f"checked tilt {image.index}")
        n_pixels = stack.shape[1] * stack.shape[2]
    return unusable_images(task, statistics, n_pixels, plan.stack)


def _place(task: Task, stack: Path, copy: bool) -> tuple[str, str]:
    """Return the stack's path for the record and its checksum, copying the file if asked."""
    from tomotui.formats.stacks import sha256

    source = stack.absolute()
    if copy:
        target = task.folder / source.name
        partial = target.with_name(f".{target.name}.partial")
        task.progress(0.85, "copying the stack")
        try:
            shutil.copyfile(source, partial)
            os.replace(partial, target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise StageError(
                f"{source} cannot be copied to {target}: {error.strerror or error}.",
                "Make room there, or import without copying.",
            ) from error
        source = target
    task.progress(0.9, "computing the checksum")
    return task.relative(source), sha256(source)
