"""Reconstruction against known truth, and beside the ASTRA toolbox.

    python tests/benchmarks/reconstruction.py [--astra-python PATH] [--threads 1] [--size 512]

The same simulated series and volume for everything: a crowded specimen, true alignment. The
Fourier shell correlation with the true volume counts only what the tilts sampled. At 3 A/px the
true contrast transfer function is corrected in all the ways there are. ASTRA runs in a Python of
its own (``--astra-python``), on the images that the same filter has made.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from report import figure
from torch import Tensor

from tomotui.algorithms.reconstruct.backproject import make_backprojector, shift_and_add
from tomotui.algorithms.reconstruct.depth_ctf import SeriesCtf
from tomotui.algorithms.reconstruct.frame import Sampling, make_frame
from tomotui.algorithms.reconstruct.prepare import Weighting, normalise, weight_images
from tomotui.algorithms.reconstruct.volumes import Material, Recipe, reconstruct_volumes
from tomotui.geometry import TiltGeometry
from tomotui.imaging.ctf import CtfOptics
from tomotui.simulate import SimulationParameters, simulate_tilt_series
from tomotui.simulate.simulation import Simulation

SHELLS_ANGSTROM = (100.0, 50.0, 30.0, 24.0, 20.0, 16.0, 13.0, 11.0, 9.0, 8.0, 7.0, 6.5)


def fsc(
    volume: NDArray[np.float32], truth: NDArray[np.float32], steepest_deg: float
) -> NDArray[np.float64]:
    """Return the correlation of shells (one Fourier pixel of the shorter of x and y wide).

    Only frequencies outside the missing wedge count; the borders along x and y are left out.
    """
    n_z, n_y, n_x = volume.shape
    window = np.ones(volume.shape, dtype=np.float32)
    for axis, side in enumerate(volume.shape):
        line = np.arange(side) + 0.5
        edge = max(2.0, side / 8) if axis else 3.0
        taper = np.clip(np.minimum(line, side - line) / edge - (0.5 if axis else 0), 0, 1)
        shape = [1, 1, 1]
        shape[axis] = side
        window *= (0.5 - 0.5 * np.cos(np.pi * taper)).reshape(shape).astype(np.float32)
    spectra = [np.fft.rfftn((v - v.mean()) * window) for v in (volume, truth)]
    kz, ky = (np.fft.fftfreq(n) for n in (n_z, n_y))
    kx = np.fft.rfftfreq(n_x)
    radius = np.sqrt(kz[:, None, None] ** 2 + ky[:, None] ** 2 + kx**2)
    sampled = np.abs(kz)[:, None, None] <= np.tan(np.deg2rad(steepest_deg)) * kx
    n_shells = min(n_x, n_y) // 2
    shell = np.minimum((radius * min(n_x, n_y)).round().astype(int), n_shells)
    index = np.where(sampled, shell, n_shells).ravel()
    sums = [
        np.bincount(index, weights=product.ravel(), minlength=n_shells + 1)[:n_shells]
        for product in (
            (spectra[0] * spectra[1].conj()).real,
            np.abs(spectra[0]) ** 2,
            np.abs(spectra[1]) ** 2,
        )
    ]
    return sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-30))


def describe(name: str, curve: NDArray[np.float64], voxel: float, n: int) -> None:
    """Print a curve at some spacings, its mean, and where it falls to 0.143."""
    frequency = np.arange(len(curve)) / (n * voxel)
    shown = [
        f"{1 / f:.0f}:{value:.3f}"
        for spacing in SHELLS_ANGSTROM
        if spacing >= 2 * voxel * 1.02
        for f, value in [(1 / spacing, np.interp(1 / spacing, frequency, curve))]
    ]
    print(f"  FSC at A  {'  '.join(shown)}")
    below = np.flatnonzero((curve < 0.143) & (frequency > 1 / 100))
    reached = 1 / frequency[below[0]] if len(below) else 2 * voxel
    figure(f"{name}: mean FSC beyond 100 A", float(curve[frequency > 0.01].mean()), "")
    figure(f"{name}: FSC 0.143 at", float(reached), "A")


def scene(
    size: int, pixel: float, thickness: float, defocus: float, is_clean: bool = False
) -> Simulation:
    """Simulate the crowded specimen; the truth at full sampling."""
    clean = {"shot_noise": False, "ice_noise": 0.0, "exposure_damage": False}
    density = (size * pixel / 4320.0) ** 2
    return simulate_tilt_series(
        SimulationParameters(
            name="benchmark",
            seed=5,
            size_px=size,
            pixel_size_angstrom=pixel,
            thickness_angstrom=thickness,
            defocus_angstrom=defocus,
            shift_min_angstrom=0.0,
            n_particles=max(30, int(150 * density)),
            n_vesicles=1,
            vesicle_min_radius_angstrom=150.0,
            vesicle_max_radius_angstrom=250.0,
            crowding=0.1,
            axis_deg=4.0,
            truth_binning=1,
            output_type="float32",
            **(clean if is_clean else {}),
        )
    )


def series_ctf(simulation: Simulation) -> SeriesCtf:
    p, tilts = simulation.parameters, simulation.ctf.tilts
    return SeriesCtf(
        np.array([t.defocus_u_angstrom for t in tilts]),
        np.array([t.defocus_v_angstrom for t in tilts]),
        np.array([t.astigmatism_angle_deg for t in tilts]),
        np.array([t.phase_shift_deg for t in tilts]),
        p.handedness,
        CtfOptics(p.voltage_kv, p.spherical_aberration_mm, p.amplitude_contrast),
    )


def make(
    simulation: Simulation, recipe: Recipe, device: str = "cpu", flat_ctf: bool = False
) -> NDArray[np.float32]:
    """Reconstruct the volume of the truth; protein bright, as the truth has it."""
    truth = simulation.volume
    assert truth is not None
    n_z, n_y, n_x = truth.shape
    geometry = TiltGeometry.from_alignment(simulation.alignment)
    tilts = simulation.series.tilts
    exposure = torch.tensor(
        [(t.prior_dose_e_per_a2 or 0.0) + (t.dose_e_per_a2 or 0.0) / 2 for t in tilts]
    )
    known = exposure if simulation.parameters.exposure_damage else None
    images = normalise(torch.from_numpy(simulation.stack.astype(np.float32)))
    ctf = series_ctf(simulation)
    if flat_ctf:
        images, ctf_used = _corrected_as_if_flat(images, simulation, ctf, recipe), None
    else:
        ctf_used = ctf if recipe.correction else None
    material = Material(images.to(device), geometry, None, ctf_used, (), known)
    sampling = Sampling(simulation.parameters.pixel_size_angstrom, n_x, n_y, n_z)
    slabs = reconstruct_volumes(material, sampling, recipe, device)
    return -np.concatenate([slab.parts[0].cpu().numpy() for slab in slabs])


def _corrected_as_if_flat(
    images: Tensor, simulation: Simulation, ctf: SeriesCtf, recipe: Recipe
) -> Tensor:
    """Correct each image for the defocus of the specimen's centre alone."""
    from tomotui.imaging.ctf import ctf_2d

    shape = (int(images.shape[-2]), int(images.shape[-1]))
    transfer = ctf_2d(
        shape,
        simulation.parameters.pixel_size_angstrom,
        torch.from_numpy(ctf.defocus_u_angstrom),
        torch.from_numpy(ctf.defocus_v_angstrom),
        torch.from_numpy(ctf.astigmatism_angle_deg),
        torch.from_numpy(ctf.phase_shift_deg),
        ctf.optics,
    )
    noise = 1 / recipe.snr
    factor = transfer.sign()
    if recipe.correction == "wiener":
        factor = transfer * (1 + noise) / (transfer**2 + noise)
    return torch.fft.irfft2(torch.fft.rfft2(images) * factor, s=shape)


def beside_astra(simulation: Simulation, python: str | None, threads: int) -> None:
    """Back-project the same filtered images with the same threads, and compare."""
    truth = simulation.volume
    assert truth is not None
    n_z, n_y, n_x = truth.shape
    voxel = simulation.parameters.pixel_size_angstrom
    geometry = TiltGeometry.from_alignment(simulation.alignment)
    images = normalise(torch.from_numpy(simulation.stack.astype(np.float32)))
    # Phases are flipped beforehand, for both alike: shells beyond a zero say something then.
    flip = Recipe(correction="flip")
    images = _corrected_as_if_flat(images, simulation, series_ctf(simulation), flip)
    sampling = Sampling(voxel, n_x, n_y, n_z)
    steepest = float(np.abs(geometry.tilt_deg).max())
    work = n_x * n_y * n_z * geometry.n_tilts / 1e9
    frame = make_frame(geometry, sampling)
    weighted = weight_images(images, frame, Weighting("hamming"))
    curves = {}
    depths = np.arange(n_z) - n_z // 2
    for operator in ("linear", "fourier"):
        # The matrix or the phases are made anew, as a stage would.
        backprojector = make_backprojector(operator, frame)
        began = time.perf_counter()
        backprojector.take(weighted)
        volume = torch.cat([backprojector.sections(depths[i : i + 16]) for i in range(0, n_z, 16)])
        seconds = time.perf_counter() - began
        figure(f"tomotui {operator}: back-projection", seconds, "s", "<= ASTRA's")
        figure(f"tomotui {operator}: rate", work / seconds, "Gvox*tilt/s")
        curves[operator] = fsc(-volume.transpose(1, 2).numpy(), truth, steepest)
        describe(f"tomotui {operator}", curves[operator], voxel, min(n_x, n_y))
    figure("tomotui: peak memory (with simulation)", peak_gib(), "GiB")
    if python is None:
        return
    flat = make_frame(geometry, sampling, stretched=False)
    with tempfile.TemporaryDirectory() as name:
        source, result = Path(name) / "in.npz", Path(name) / "out.npy"
        filtered = weight_images(images, flat, Weighting("hamming")).numpy()
        np.savez(source, images=filtered, tilt_deg=geometry.tilt_deg, shape=(n_z, n_x))
        program = Path(__file__).with_name("astra_backprojection.py")
        command = [python, str(program), str(source), str(result)]
        environment = {"OMP_NUM_THREADS": str(threads), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        seconds, peak = (float(word) for word in done.stdout.split())
        volume = np.load(result)
    figure("ASTRA linear: back-projection", seconds, "s")
    figure("ASTRA linear: peak memory", peak, "GiB")
    theirs = fsc(-volume.transpose(0, 2, 1), truth, steepest)
    describe("ASTRA", theirs, voxel, min(n_x, n_y))
    for operator, ours in curves.items():
        least = float((ours - theirs)[2:].min())
        figure(f"{operator} minus ASTRA: worst shell", least, "FSC", ">= 0")
        mean = float((ours - theirs)[2:].mean())
        figure(f"{operator} minus ASTRA: mean over shells", mean, "FSC", ">= 0")


def every_method(simulation: Simulation) -> None:
    """Measure all methods and filters on one series."""
    truth = simulation.volume
    assert truth is not None
    geometry = TiltGeometry.from_alignment(simulation.alignment)
    steepest = float(np.abs(geometry.tilt_deg).max())
    recipes = [
        Recipe("wbp", "hamming"),
        Recipe("wbp", "ramp"),
        Recipe("wbp", "exact"),
        Recipe("wbp", "sirt-like"),
        Recipe("fourier", "hamming"),
        Recipe("fourier", "exact"),
        Recipe("sirt", iterations=20),
    ]
    for recipe in recipes:
        began = time.perf_counter()
        volume = make(simulation, recipe)
        figure(f"{recipe.name}: all of it", time.perf_counter() - began, "s")
        curve = fsc(volume, truth, steepest)
        n = min(truth.shape[1:])
        describe(recipe.name, curve, simulation.parameters.pixel_size_angstrom, n)
    figure("peak memory", peak_gib(), "GiB")


def with_ctf(size: int, is_clean: bool) -> None:
    """Measure the correction at 3 A/px: none, flat, and by depth."""
    simulation = scene(size, 3.0, 1200.0, 30_000.0, is_clean)
    noise = "no noise" if is_clean else "3 e/A^2"
    truth = simulation.volume
    assert truth is not None
    geometry = TiltGeometry.from_alignment(simulation.alignment)
    steepest = float(np.abs(geometry.tilt_deg).max())
    for method, kind in (("wbp", "hamming"), ("wbp", "exact")):
        cases = [("none", Recipe(method, kind), False)]
        for correction in ("flip", "wiener"):
            recipe = Recipe(method, kind, correction=correction)
            cases += [
                (f"{correction}, flat", recipe, True),
                (f"{correction}, depth", recipe, False),
            ]
        for words, recipe, flat in cases:
            began = time.perf_counter()
            volume = make(simulation, recipe, flat_ctf=flat)
            name = f"3 A, {noise}, {recipe.name}, CTF {words}"
            figure(f"{name}", time.perf_counter() - began, "s")
            describe(name, fsc(volume, truth, steepest), 3.0, min(truth.shape[1:]))
    figure("peak memory", peak_gib(), "GiB")


def on_gpu() -> None:
    """Back-project 1024 x 1024 x 512 from 41 tilts, and correct for depth, on a GPU."""
    geometry = TiltGeometry.of(np.arange(-60.0, 61.0, 3.0))
    frame = make_frame(geometry, Sampling(6.0, 1024, 1024, 512))
    images = torch.randn(41, frame.n_columns, frame.n_rows, device="cuda")
    depths = np.arange(512) - 256
    for name in ("shift and add", "fourier"):
        seconds = []
        for _ in range(3):
            torch.cuda.synchronize()
            began = time.perf_counter()
            if name == "fourier":
                backprojector = make_backprojector("fourier", frame)
                backprojector.take(images)
                for first in range(0, 512, 64):
                    backprojector.sections(depths[first : first + 64])
            else:
                shift_and_add(images, frame.slope, 1024, depths)
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - began)
        figure(f"GPU, 1024 x 1024 x 512 x 41, {name}", min(seconds), "s", "< 1")
    figure("GPU memory", torch.cuda.max_memory_allocated() / 2**30, "GiB")


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--astra-python", default=None, help="a Python that has astra-toolbox")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, default=512, help="side of the images")
    parser.add_argument("--parts", default="astra,methods,ctf,gpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    parts = arguments.parts.split(",")
    with torch.inference_mode():
        if "astra" in parts or "methods" in parts:
            simulation = scene(arguments.size, 6.0, 1200.0, 30_000.0)
            if "astra" in parts:
                beside_astra(simulation, arguments.astra_python, arguments.threads)
            if "methods" in parts:
                every_method(simulation)
        if "ctf" in parts:
            for is_clean in (True, False):
                with_ctf(arguments.size, is_clean)
        if "gpu" in parts and torch.cuda.is_available():
            on_gpu()


if __name__ == "__main__":
    main()
