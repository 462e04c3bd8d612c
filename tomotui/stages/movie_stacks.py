"""Correcting the movies of a series one by one, and joining their sums into stacks.

The sums of every finished movie lie in the task's folder until all are there: a task that was
killed goes on with the next movie.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.motion.movie import Figures, Settings, correct_movie
from tomotui.algorithms.motion.sums import Exposure
from tomotui.formats.gain import Gain, is_eer
from tomotui.formats.movies import Frame, Movie, open_movie
from tomotui.formats.mrc import VolumeWriter
from tomotui.formats.stacks import ImageStatistics, check_image, sha256
from tomotui.records import Tilt, TiltSeries
from tomotui.stages.base import StageError, Task
from tomotui.stages.image_judgement import unusable_images
from tomotui.stages.motion import MotionParameters, fractions_of, read_gain_for
from tomotui.stages.movie_parts import (
    MoviePart,
    motion_metrics,
    read_part,
    write_details,
    write_part,
)

if TYPE_CHECKING:
    from tomotui.formats.movie_series import MoviePlan

CACHE_BYTES = 2 * 2**30
"""Movies up to this size are kept in memory, as the camera wrote them, and read once."""
PARTS = "movies"
SHARE_OF_MOVIES = 0.93
STACKS_AT_ONCE = 5
"""The sums of the movies (two) and the stacks made of them (three) are there together."""
_NOT_OF_SUMS = ("movies", "frames", "dataset", "output_type", "tilt_axis_deg", "acquisition")


@dataclass(frozen=True)
class CorrectedSeries:
    """The record of a series, and its figures."""

    series: TiltSeries
    metrics: dict[str, float]


def correct_series(task: Task, planned: MoviePlan, parameters: MotionParameters) -> CorrectedSeries:
    """Correct all movies of a series and write its stacks and details.

    Raises
    ------
    StageError, FormatError
        When a movie cannot be used, or something cannot be written.
    """
    plan = planned.plan
    shape = (int(plan.facts["height_px"].value), int(plan.facts["width_px"].value))
    _check_movies(task, planned, parameters, shape)
    binning = parameters.binning or planned.binning
    pixel = float(plan.facts["pixel_size_angstrom"].value)
    work = _Work(
        task=task,
        parameters=parameters,
        gain=read_gain_for(parameters, planned.movies[0], shape),
        pixel=pixel,
        binning=binning,
        voltage=float(plan.facts["voltage_kv"].value),
    )
    _check_room(task, len(planned.movies), shape, binning)
    folder = task.folder / PARTS
    folder.mkdir(exist_ok=True)
    parts = []
    for tilt, movie in zip(plan.tilts, planned.movies, strict=True):
        parts.append(_part(work, folder, tilt, movie, len(planned.movies)))
    doses = [tilt.dose_e_per_a2 for tilt in plan.tilts]
    if parameters.dose_weighting and None in doses:
        task.warn("the dose of some tilts is not known: their frames are summed without weights")
    return _join(task, planned, parameters, parts, pixel * binning)


def _check_movies(
    task: Task, planned: MoviePlan, parameters: MotionParameters, shape: tuple[int, int]
) -> None:
    """Open every movie, so that faults come to light before hours of work."""
    known = zip(planned.plan.tilts, planned.movies, planned.n_frames, strict=True)
    for tilt, path, said in known:
        task.progress(0.0, f"looking at {path.name}")
        with open_movie(path, fractions_of(parameters, tilt.dose_e_per_a2)) as movie:
            n, height, width = movie.shape
        if (height, width) != shape:
            raise StageError(
                f"{path} has frames of {width} x {height} px, {planned.movies[0].name} of "
                f"{shape[1]} x {shape[0]}.",
                "Leave out of the mdoc what is not of this series.",
            )
        if said is not None and not is_eer(path) and n < said:
            raise StageError(
                f"{path} is truncated: it has {n} frames, the mdoc says {said}.",
                "Copy it again.",
            )


def _check_room(task: Task, n_tilts: int, shape: tuple[int, int], binning: int) -> None:
    needed = STACKS_AT_ONCE * 4 * n_tilts * (shape[0] // binning) * (shape[1] // binning)
    free = shutil.disk_usage(task.folder).free
    if free < needed:
        raise StageError(
            f"{task.target}: {needed / 2**30:.1f} GiB are needed for the sums of {n_tilts} "
            f"movies, {free / 2**30:.1f} GiB are free in {task.folder}.",
            "Make room there, or bin the frames.",
        )


@dataclass(frozen=True)
class _Work:
    """What all movies of a series share."""

    task: Task
    parameters: MotionParameters
    gain: Gain | None
    pixel: float
    binning: int
    voltage: float


def _part(work: _Work, folder: Path, tilt: Tilt, path: Path, n_movies: int) -> MoviePart:
    """Return what was made of a movie, now or before the task was interrupted."""
    target = folder / f"{tilt.index:04d}.npz"
    key = _key(work, tilt, path)
    found = read_part(target, key)
    if found is not None:
        work.task.log(f"{path.name}: was corrected before")
        return found
    first = SHARE_OF_MOVIES * tilt.index / n_movies

    def report(fraction: float, message: str) -> None:
        done = first + SHARE_OF_MOVIES * fraction / n_movies
        work.task.progress(done, f"movie {tilt.index + 1} of {n_movies}")

    parameters = work.parameters
    with open_movie(path, fractions_of(parameters, tilt.dose_e_per_a2)) as movie:
        frames = _Frames(movie, work.gain, work.task.device)
        settings = Settings(
            largest_angstrom=parameters.largest_motion_angstrom,
            local=parameters.local,
            patches=parameters.patches,
            smooth=parameters.smooth,
            binning=work.binning,
        )
        exposure = _exposure(movie, tilt, work) if parameters.dose_weighting else None
        try:
            made = correct_movie(
                frames, movie.n_frames, frames.defects, work.pixel, settings, exposure, report
            )
        except ValueError as error:
            raise StageError(
                f"{path}: {error}.", "Look at the frames and at the gain reference."
            ) from error
    write_part(target, key, made)
    _tell(work.task, tilt, made.figures)
    again = read_part(target, key)
    assert again is not None
    return again


def _tell(task: Task, tilt: Tilt, figures: Figures) -> None:
    task.metric("drift", figures.drift, tilt.index, "angstrom")
    if np.isfinite(figures.residual):
        task.metric("residual", figures.residual, tilt.index, "angstrom")
    where = f"tilt {tilt.index} ({tilt.nominal_tilt_deg:.0f} deg)"
    task.log(
        f"{where}: drift {figures.drift:.1f} A ({figures.early:.1f} early), "
        f"error {figures.residual:.2f} A, local {figures.local_rms:.2f} A, "
        f"{figures.n_defects} pixels replaced"
    )
    if figures.verdict != "good":
        task.warn(f"{where}: {figures.note}")


class _Frames:
    """Frames of a movie on the device, multiplied by the gain; kept as stored where they fit."""

    def __init__(self, movie: Movie, gain: Gain | None, device: str) -> None:
        self._movie, self._device = movie, device
        self._kept: dict[int, Frame] = {}
        self._factor = None if gain is None else torch.from_numpy(gain.factor).to(device)
        self.defects = None if gain is None else torch.from_numpy(gain.defects).to(device)

    def __call__(self, number: int) -> Tensor:
        stored = self._kept.get(number)
        if stored is None:
            stored = np.ascontiguousarray(self._movie.read(number))
            if stored.nbytes * self._movie.n_frames <= CACHE_BYTES:
                self._kept[number] = stored
        # Torch knows few unsigned types; a copy also spares the memory map.
        frame = torch.from_numpy(stored.astype(np.float32)).to(self._device)
        return frame if self._factor is None else frame * self._factor


def _exposure(movie: Movie, tilt: Tilt, work: _Work) -> Exposure | None:
    """Return the exposure up to the middle of each frame."""
    if tilt.dose_e_per_a2 is None:
        return None
    until = np.cumsum(movie.share) - movie.share / 2
    prior = tilt.prior_dose_e_per_a2 or 0.0
    middle = prior + tilt.dose_e_per_a2 * until
    return Exposure(torch.from_numpy(middle), work.voltage)


def _key(work: _Work, tilt: Tilt, path: Path) -> str:
    """Return what the sums of a movie depend on, as a short text."""
    status = path.stat()
    said = work.parameters.model_dump(mode="json", exclude=set(_NOT_OF_SUMS))
    gain = work.parameters.gain
    gain_time = Path(gain).stat().st_mtime_ns if gain else 0
    dose = (tilt.dose_e_per_a2, tilt.prior_dose_e_per_a2)
    everything = (
        str(path), status.st_size, status.st_mtime_ns, said, gain_time, dose,
        work.pixel, work.binning, work.voltage,
    )  # fmt: skip
    return hashlib.sha256(json.dumps(everything).encode()).hexdigest()


def _join(
    task: Task,
    planned: MoviePlan,
    parameters: MotionParameters,
    parts: Sequence[MoviePart],
    pixel: float,
) -> CorrectedSeries:
    """Write the stacks and the details, make the record, and clear up."""
    name = task.target
    has_halves = all(part.n_frames > 1 for part in parts)
    if not has_halves:
        task.warn("some movies have a single frame: there are no stacks of even and odd frames")
    endings = ("", "_even", "_odd") if has_halves else ("",)
    paths = [task.folder / f"{name}{ending}.mrc" for ending in endings]
    statistics, size = _write_stacks(task, paths, parts, parameters, pixel)
    excluded = unusable_images(task, statistics, size[0] * size[1], planned.plan.stack)
    details = task.folder / f"{name}_motion.npz"
    write_details(
        details, planned.plan.tilts, parts, pixel / (parameters.binning or planned.binning)
    )
    task.progress(0.98, "computing the checksum")
    series = planned.plan.to_series(
        name,
        parameters.dataset,
        stack_path=task.relative(paths[0]),
        checksum=sha256(paths[0]),
        excluded=excluded,
    )
    series = series.replace(
        height_px=size[0],
        width_px=size[1],
        pixel_size_angstrom=pixel,
        even_stack_path=task.relative(paths[1]) if has_halves else None,
        odd_stack_path=task.relative(paths[2]) if has_halves else None,
        details_path=task.relative(details),
    )
    for path in paths:
        task.artifact(path.stem, path)
    # The record stands for them from here on.
    shutil.rmtree(task.folder / PARTS, ignore_errors=True)
    return CorrectedSeries(series, motion_metrics(parts, excluded))


def _write_stacks(
    task: Task,
    paths: Sequence[Path],
    parts: Sequence[MoviePart],
    parameters: MotionParameters,
    pixel: float,
) -> tuple[list[ImageStatistics], tuple[int, int]]:
    even, _ = parts[0].sums()
    size = (int(even.shape[0]), int(even.shape[1]))
    shape = (len(parts), *size)
    statistics = []
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                VolumeWriter(path, shape, pixel, parameters.output_type, is_stack=True)
            )
            for path in paths
        ]
        for index, part in enumerate(parts):
            even, odd = part.sums()
            whole = even + odd
            statistics.append(check_image(whole, index))
            for writer, image in zip(writers, (whole, even, odd), strict=False):
                writer.write(index, image[None])
            share = SHARE_OF_MOVIES + (0.97 - SHARE_OF_MOVIES) * (index + 1) / len(parts)
            task.progress(share, f"writing tilt {index}")
    return statistics, size
