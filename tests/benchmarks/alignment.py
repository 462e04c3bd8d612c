"""Alignment against known truth, and on the real series.

    python tests/benchmarks/alignment.py [--scenes crowded gold ...] [--seeds 10] [--keep FOLDER]

The scenes are those of `scenes.py`; the program is told neither the tilt axis nor the shifts.
Real: EMPIAR-10499 series 00254, from the stack and its angles alone; how strongly the gold
stands out against no alignment.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from report import figure
from scenes import SCENES, Case, make_case
from stage_runner import RecordingTask, run_stage

from tomotui.formats.stacks import open_stack
from tomotui.imaging.projector import SingleAxisProjector
from tomotui.imaging.resample import bin_images, sample_aligned
from tomotui.records import Alignment, TiltSeries
from tomotui.resources import sample_data_folder
from tomotui.simulate import alignment_error
from tomotui.simulate.acquisition import acquire
from tomotui.simulate.gauge import deformed_error

GOLD_AXIS_DEG = -4.3


def scene(name: str, seeds: range, folder: Path) -> None:
    """Align every seed of a scene and print its errors, then their median and worst."""
    errors = []
    for seed in seeds:
        case = make_case(name, seed, folder)
        errors.append(simulated(f"{name} {seed}", case, folder))
    median, worst = SCENES[name].target_px
    if len(errors) > 1:
        figure(
            f"{name}: median RMS projection error", float(np.median(errors)), "px", f"<= {median}"
        )
    figure(f"{name}: worst series", max(errors), "px", f"<= {worst}")


def simulated(name: str, case: Case, folder: Path) -> float:
    """Import without the axis, align, and compare with the truth; return the error in pixels."""
    task = RecordingTask(folder / f"{case.parameters.name}-work", case.parameters.name)
    files = {"stack": str(case.stack), "tilts": str(case.tilts)}
    series = run_stage("import", task, (), files).records[0]
    series = series.replace(nominal_tilt_axis_deg=None)
    began, cpu = time.perf_counter(), time.process_time()
    estimated = run_stage("align", task, [series]).records[0]
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    rms_px, tilts_px, axis_deg = errors_of(estimated, case)
    figure(f"{name}: RMS projection error", rms_px, "px")
    figure(f"{name}: worst tilt", max(tilts_px), "px")
    figure(f"{name}: axis error", axis_deg, "deg", "within 0.1")
    left_out = [tilt.index for tilt in estimated.tilts if tilt.excluded]
    figure(f"{name}: tilts left out", len(left_out), "", " ".join(map(str, left_out)))
    figure(f"{name}: agreement of the tilts", estimated.score or 0.0, "")
    print(f"{name}: {estimated.verdict} {estimated.note}", flush=True)
    figure(f"{name}: align, CPU time", cpu, "s")
    figure(f"{name}: align, wall time", wall, "s", "< 120")
    return rms_px


def errors_of(estimated: Alignment, case: Case) -> tuple[float, list[float], float]:
    """Return the error over the specimen and per tilt in pixels, and that of the axis."""
    parameters = case.parameters
    pixel = parameters.pixel_size_angstrom
    height, width = parameters.shape_yx
    extent = (width * pixel, height * pixel, parameters.thickness_angstrom)
    error = alignment_error(
        estimated,
        case.truth,
        pixel_size_angstrom=pixel,
        extent_angstrom=extent,
        best_of_twins=True,
    )
    if parameters.deformation_angstrom == 0 and estimated.local is None:
        tilts = [value / pixel for value in error.tilt_rms_angstrom]
        return error.rms_px, tilts, error.axis_error_deg
    half = 0.45 * np.array(extent)
    lines = [np.linspace(-h, h, n) for h, n in zip(half, (7, 7, 3), strict=True)]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)
    acquisition = acquire(parameters)
    places = np.stack([acquisition.project(i, points)[:, :2] for i in range(acquisition.n_tilts)])
    rms, per_tilt = deformed_error(estimated, case.truth, places, points, best_of_twins=True)
    return rms / pixel, (per_tilt / pixel).tolist(), error.axis_error_deg


def real(stack: Path, folder: Path) -> None:
    """Align the real series from nothing but its images and angles."""
    task = RecordingTask(folder, "00254")
    series = run_stage("import", task, (), {"stack": str(stack)}).records[0]
    series = series.replace(nominal_tilt_axis_deg=None)
    began, cpu = time.perf_counter(), time.process_time()
    alignment = run_stage("align", task, [series]).records[0]
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    twin = (alignment.axis_deg - GOLD_AXIS_DEG + 90) % 180 - 90
    figure("real: axis minus -4.3 (or its twin)", twin, "deg", "within 1")
    figure("real: residual", alignment.residual_angstrom, "A")
    before = gold_contrast(series, None)
    after = gold_contrast(series, alignment)
    figure("real: gold without alignment", before, "sigma")
    figure("real: gold with alignment", after, "sigma")
    figure("real: gold, ratio", after / before, "", ">= 2.6 (IMOD 2.1, EMAN2 2.4)")
    figure("real: align, CPU time", cpu, "s")
    figure("real: align, wall time", wall, "s")


def gold_contrast(series: TiltSeries, alignment: Alignment | None) -> float:
    """Most negative voxel over the standard deviation of a back-projection at binning 2.

    Ramp damped by a Gaussian of 0.2 cycles/px, margins of 20 voxels left out, axis at -4.3.
    """
    with open_stack(series.stack_path) as stack:
        images = bin_images(torch.from_numpy(stack.read_all()), 2)
    images = images - images.mean(dim=(1, 2), keepdim=True)
    images = images / images.std(dim=(1, 2), keepdim=True)
    shift = torch.zeros(series.n_tilts, 2)
    if alignment is not None:
        for tilt in alignment.tilts:
            values = (tilt.shift_x_angstrom, tilt.shift_y_angstrom)
            shift[tilt.index] = torch.tensor(values) / (2 * series.pixel_size_angstrom)
    n_y, n_x = images.shape[1:]
    axis = torch.full((series.n_tilts,), GOLD_AXIS_DEG)
    aligned = sample_aligned(images, axis, shift, (n_x, n_y))
    frequency = torch.fft.fftfreq(n_x)
    ramp = frequency.abs() * torch.exp(-(frequency**2) / (2 * 0.2**2))
    filtered = torch.fft.ifft(torch.fft.fft(aligned, dim=1) * ramp[None, :, None], dim=1).real
    tilts = [tilt.nominal_tilt_deg for tilt in series.tilts]
    projector = SingleAxisProjector(tilts, n_x, n_x, np.arange(120) - 60)
    inner = projector.backproject(filtered.contiguous())[20:-20, 20:-20, 20:-20]
    return float(-inner.min() / inner.std())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", nargs="*", choices=[*SCENES, "real"], default=["real", *SCENES])
    parser.add_argument("--seeds", type=int, default=10, help="of the first four scenes")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--robust-seeds", type=int, default=2, help="of all other scenes")
    parser.add_argument("--keep", type=Path, default=None, help="simulations, for the next time")
    parser.add_argument("--real", type=Path, default=None, help="another stack of 00254")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        for one in arguments.scenes:
            if one == "real":
                stack = arguments.real or sample_data_folder() / "empiar_10499_00254.mrc"
                real(stack, folder / "real")
                continue
            first = one in list(SCENES)[:4]
            count = arguments.seeds if first else arguments.robust_seeds
            scene(one, range(arguments.first_seed, arguments.first_seed + count), folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    figure("peak memory", peak, "GiB", "< 4")


if __name__ == "__main__":
    main()
