"""Alignment against known truth, and on the real series.

    python tests/benchmarks/alignment.py [--seeds 5] [--real PATH]

Simulated: 720 x 720 x 41, 6 A/px, 3 e/A^2 per tilt, shifts of 20-30 A in random directions, no
gold, a random tilt axis that the program is not told. Real: EMPIAR-10499 series 00254, from the
stack and its angles alone; how strongly the gold stands out against no alignment.
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
from stage_runner import RecordingTask, run_stage

from tomotui.formats.stacks import open_stack
from tomotui.imaging.projector import SingleAxisProjector
from tomotui.imaging.resample import bin_images, sample_aligned
from tomotui.records import Alignment, TiltSeries
from tomotui.resources import sample_data_folder
from tomotui.simulate import (
    SimulationParameters,
    alignment_error,
    simulate_tilt_series,
    write_simulation,
)

GOLD_AXIS_DEG = -4.3


def simulated(seed: int, folder: Path) -> None:
    """Simulate, import without the axis, align, and compare with the truth."""
    axis = float(np.random.default_rng(1000 + seed).uniform(-90, 90))
    parameters = SimulationParameters(name=f"seed{seed}", seed=seed, axis_deg=axis, truth_binning=0)
    began = time.perf_counter()
    simulation = simulate_tilt_series(parameters)
    write_simulation(simulation, folder)
    figure(f"seed {seed}: simulation", time.perf_counter() - began, "s", "< 120")
    truth = simulation.alignment
    task = RecordingTask(folder, f"seed{seed}")
    stack = str(folder / f"seed{seed}.mrc")
    tilts = str(folder / f"seed{seed}.rawtlt")
    series = run_stage("import", task, (), {"stack": stack, "tilts": tilts}).records[0]
    series = series.replace(nominal_tilt_axis_deg=None)
    began, cpu = time.perf_counter(), time.process_time()
    estimated = run_stage("align", task, [series]).records[0]
    error = alignment_error(
        estimated,
        truth,
        pixel_size_angstrom=parameters.pixel_size_angstrom,
        extent_angstrom=(
            parameters.size_px * parameters.pixel_size_angstrom,
            parameters.size_px * parameters.pixel_size_angstrom,
            parameters.thickness_angstrom,
        ),
        best_of_twins=True,
    )
    figure(f"seed {seed}: RMS projection error", error.rms_px, "px", "< 1")
    figure(f"seed {seed}: worst tilt", max(error.tilt_rms_angstrom) / 6.0, "px")
    figure(f"seed {seed}: axis error", error.axis_error_deg, "deg", "within 0.3")
    figure(f"seed {seed}: align, CPU time", time.process_time() - cpu, "s")
    figure(f"seed {seed}: align, wall time", time.perf_counter() - began, "s")


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
    figure("real: gold, ratio", after / before, "", ">= 2.0 (IMOD 2.1, EMAN2 2.4)")
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
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--real", type=Path, default=None, help="another stack of 00254")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        stack = arguments.real or sample_data_folder() / "empiar_10499_00254.mrc"
        real(stack, Path(name) / "real")
        for seed in range(arguments.seeds):
            simulated(seed, Path(name) / f"seed{seed}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    figure("peak memory", peak, "GiB")


if __name__ == "__main__":
    main()
