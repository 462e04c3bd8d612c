"""CTF fit against known truth, on two real micrographs, and on the real series.

    python tests/benchmarks/ctf.py [--seeds 5] [--hand-seeds 20] [--no-micrographs] [--real PATH]

Simulated: 1024 x 1024 x 41, 3 A/px, 3 e/A^2 per tilt, defocus 2-5 um, any astigmatism up to
1500 A, either hand, nothing told to the program but the true alignment; for the hand more
series of 512 x 512. Micrographs: the two of the source package of ``mrcfile`` on PyPI (Titan
Krios, 0.67 and 0.85 A/px), fetched into a temporary folder. Real: EMPIAR-10499 series 00254 at
10 A/px, aligned by the program.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import mrcfile
import numpy as np
import torch
from report import figure
from stage_runner import RecordingTask, run_stage

from tomotui.algorithms.ctf.series import Settings, fit_series
from tomotui.geometry import TiltGeometry
from tomotui.imaging.ctf import CtfOptics
from tomotui.records import Ctf
from tomotui.resources import sample_data_folder
from tomotui.simulate import (
    Simulation,
    SimulationParameters,
    simulate_tilt_series,
    write_simulation,
)

MICROGRAPHS = {"epu2.9_example.mrc": 2.2, "fei-extended.mrc": 0.8}
"""Underfocus in micrometres that was asked of the microscope."""


def simulate(seed: int, size_px: int, folder: Path) -> Simulation:
    """Simulate a series with random optics."""
    chance = np.random.default_rng(4000 + seed)
    parameters = SimulationParameters(
        name=f"seed{seed}",
        seed=seed,
        size_px=size_px,
        pixel_size_angstrom=3.0,
        axis_deg=float(chance.uniform(-90, 90)),
        defocus_angstrom=float(chance.uniform(20_000, 50_000)),
        astigmatism_angstrom=float(chance.uniform(0, 1500)),
        astigmatism_angle_deg=float(chance.uniform(-90, 90)),
        handedness=int(chance.choice([-1, 1])),
        n_particles=round(100 * (size_px / 1024) ** 2),
        n_vesicles=2 if size_px > 700 else 0,
        truth_binning=0,
    )
    simulation = simulate_tilt_series(parameters)
    write_simulation(simulation, folder)
    return simulation


def fit(simulation: Simulation, folder: Path) -> Ctf:
    task = RecordingTask(folder, simulation.parameters.name)
    return run_stage("ctf", task, [simulation.series, simulation.alignment]).records[0]


def stretch(ctf: Ctf) -> np.ndarray:
    """Return the astigmatism as complex numbers of twice the angle."""
    size = np.array([t.defocus_u_angstrom - t.defocus_v_angstrom for t in ctf.tilts])
    angle = np.deg2rad([t.astigmatism_angle_deg for t in ctf.tilts])
    return size * np.exp(2j * angle)


def mean_defocus(ctf: Ctf) -> np.ndarray:
    return np.array([0.5 * (t.defocus_u_angstrom + t.defocus_v_angstrom) for t in ctf.tilts])


def simulated(seed: int, folder: Path) -> None:
    """Fit one series and compare every tilt with the truth."""
    began = time.perf_counter()
    simulation = simulate(seed, 1024, folder)
    figure(f"seed {seed}: simulation", time.perf_counter() - began, "s")
    began, cpu = time.perf_counter(), time.process_time()
    found = fit(simulation, folder)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    error = np.abs(mean_defocus(found) - mean_defocus(simulation.ctf))
    tilt = np.abs([t.tilt_deg for t in simulation.alignment.tilts])
    name = f"seed {seed}: median defocus error"
    figure(f"{name}, tilt <= 30", float(np.median(error[tilt <= 30])), "A", "<= 150")
    figure(f"{name}, tilt > 30", float(np.median(error[tilt > 30])), "A", "<= 300")
    figure(f"seed {seed}: worst tilt", float(error.max()), "A")
    astigmatism = np.median(np.abs(stretch(found) - stretch(simulation.ctf)))
    figure(f"seed {seed}: astigmatism error (vector)", float(astigmatism), "A", "<= 150")
    right = found.handedness == simulation.ctf.handedness
    figure(f"seed {seed}: hand right", float(right), "", "1")
    figure(f"seed {seed}: hand score", found.handedness_score or 0.0, "sigma", "beyond +-3")
    figure(f"seed {seed}: fit resolution", found.fit_resolution_angstrom or 0.0, "A")
    figure(f"seed {seed}: ctf, CPU time", cpu, "s")
    figure(f"seed {seed}: ctf, wall time", wall, "s")


def hands(n_seeds: int, folder: Path) -> None:
    """Count right hands over many small series."""
    right, least, median = 0, float("inf"), []
    for seed in range(100, 100 + n_seeds):
        simulation = simulate(seed, 512, folder / f"seed{seed}")
        found = fit(simulation, folder / f"seed{seed}")
        right += found.handedness == simulation.ctf.handedness
        least = min(least, (found.handedness_score or 0.0) * (simulation.ctf.handedness or 1))
        median.append(np.median(np.abs(mean_defocus(found) - mean_defocus(simulation.ctf))))
    figure(f"hand right, of {n_seeds}", right, "", f"{n_seeds}")
    figure("hand, least score for the right one", least, "sigma", ">= 3")
    figure("small series: median defocus error", float(np.median(median)), "A")
    figure("small series: worst median", float(np.max(median)), "A")


def micrographs(folder: Path) -> None:
    """Fit single micrographs; without a network this is left out."""
    folder.mkdir()
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    try:
        subprocess.run([*command, "mrcfile==1.5.4", "-d", folder], check=True, timeout=300)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        print("micrographs: the source package of mrcfile could not be fetched; left out")
        return
    with tarfile.open(next(folder.glob("*.tar.gz"))) as package:
        package.extractall(folder, filter="data")
    for name, asked in MICROGRAPHS.items():
        with mrcfile.open(next(folder.rglob(name)), permissive=True) as file:
            image = torch.from_numpy(file.data.astype(np.float32))
            pixel = float(file.voxel_size.x)
        began = time.perf_counter()
        found = fit_series(
            lambda index, image=image: image,
            [0],
            TiltGeometry.of([0.0]),
            [0.0],
            pixel,
            (image.shape[0], image.shape[1]),
            CtfOptics(300.0, 2.7, 0.1),
            Settings(finest_angstrom=3.0),
        )
        figure(f"{name}: rings to", float(found.curves.resolution_angstrom[0]), "A", "< 6")
        u, v = float(found.defocus_u_angstrom[0]), float(found.defocus_v_angstrom[0])
        figure(f"{name}: defocus (asked {asked} um)", (u + v) / 2e4, "um")
        figure(f"{name}: astigmatism", u - v, "A")
        figure(f"{name}: agreement", float(found.curves.score[0]), "")
        figure(f"{name}: wall time", time.perf_counter() - began, "s")


def real(stack: Path, folder: Path) -> None:
    """Fit the real series; at 10 A/px there are few rings."""
    task = RecordingTask(folder, "00254")
    mdoc = stack.with_suffix(".mdoc")
    words = {"stack": str(stack), **({"mdoc": str(mdoc)} if mdoc.exists() else {})}
    series = run_stage("import", task, (), words).records[0]
    alignment = run_stage("align", task, [series]).records[0]
    began = time.perf_counter()
    found = run_stage("ctf", task, [series, alignment]).records[0]
    targets = [t.target_defocus_angstrom for t in series.tilts if t.target_defocus_angstrom]
    if found.verdict != "bad":
        figure("real: defocus", float(np.median(mean_defocus(found))) / 1e4, "um")
    figure("real: defocus asked", float(np.median(targets or [0.0])) / 1e4, "um")
    figure("real: rings to", found.fit_resolution_angstrom or float("nan"), "A")
    figure("real: hand", found.handedness or 0, "", "0 is undecided")
    figure("real: hand score", found.handedness_score or 0.0, "sigma")
    figure("real: wall time", time.perf_counter() - began, "s")
    print(f"real: {found.verdict} {found.note}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--hand-seeds", type=int, default=20)
    parser.add_argument("--no-micrographs", action="store_true")
    parser.add_argument("--real", type=Path, default=None, help="another stack of 00254")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not arguments.no_micrographs:
            micrographs(folder / "micrographs")
        stack = arguments.real or sample_data_folder() / "empiar_10499_00254.mrc"
        real(stack, folder / "real")
        for seed in range(arguments.seeds):
            simulated(seed, folder / f"seed{seed}")
        hands(arguments.hand_seeds, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    figure("peak memory", peak, "GiB")


if __name__ == "__main__":
    main()
