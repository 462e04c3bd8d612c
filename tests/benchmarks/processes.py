"""The same refinement by one process and by several: how long, and whether the maps are the same.

    .venv/bin/python tests/benchmarks/processes.py WORK [--processes 2] [--particles 40]

Two series with particles of roughly known pose are simulated into a project; then
`tomotui run refine --processes N` is asked for, with one thread for each process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tomotui.formats.mrc import read_volume, write_volume
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.geometry.poses import angles_of_matrices
from tomotui.imaging.potential import sample
from tomotui.jobs.usage import USAGE_FILE, read_usage
from tomotui.project import Project
from tomotui.records import Map, ParticleSet, Status, Task, Tomogram
from tomotui.records.particle_table import ParticleTable
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation
from tomotui.simulate.shapes import shape

PIXEL_ANGSTROM, BOX, DIAMETER_ANGSTROM = 10.0, 40, 270.0
WISHES = ("search=false", "iterations=p9")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("work", type=Path, help="an empty folder")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--particles", type=int, default=40, help="of each series")
    wanted = parser.parse_args()
    wanted.work.mkdir(parents=True, exist_ok=True)
    with Project.create(wanted.work / "project") as project:
        reference = fill(project, wanted.work, wanted.particles)
        for n_processes in (1, wanted.processes):
            refine(project, reference, n_processes)
        return report(project, wanted.processes)


def fill(project: Project, work: Path, n_particles: int) -> Path:
    """Simulate two series with particles whose poses are five degrees off; returns the true map."""
    whole = ParticleSet(name="ribosome", diameter_angstrom=DIAMETER_ANGSTROM)
    project.add_records([whole])
    chance = np.random.default_rng(1)
    for seed, name in enumerate(("one", "two"), start=1):
        simulation = simulate_tilt_series(
            SimulationParameters(
                name=name, seed=seed, size_px=256, pixel_size_angstrom=PIXEL_ANGSTROM,
                thickness_angstrom=1000.0, tilt_step_deg=6.0, dose_e_per_a2=6.0,
                n_particles=n_particles, species=("ribosome",), n_vesicles=0, truth_binning=0,
            )
        )  # fmt: skip
        stack = write_simulation(simulation, work / name)[0]
        series = simulation.series.replace(stack_path=str(stack))
        tomogram = Tomogram(
            series_uid=series.uid, alignment_uid=simulation.alignment.uid,
            ctf_uid=simulation.ctf.uid, path="none.mrc", size_xyz=(128, 128, 50),
            pixel_size_angstrom=2 * PIXEL_ANGSTROM, window_low=0.0, window_high=1.0,
        )  # fmt: skip
        project.add_records([series, simulation.alignment, simulation.ctf, tomogram])
        mine = [one for one in simulation.specimen.particles if one.in_field]
        vectors = chance.normal(size=(len(mine), 3))
        vectors *= np.deg2rad(5.0) / np.linalg.norm(vectors, axis=1, keepdims=True)
        turned = rotations_of_vectors(vectors) @ np.array([one.rotation for one in mine])
        places = np.array([one.position_angstrom for one in mine])
        angles = angles_of_matrices(turned)
        table = ParticleTable.of(tomogram.uid, places, set_uid=whole.uid, angles_deg=angles)
        project.add_particle_tables([table])
    return true_map(work / "true.mrc")


def true_map(path: Path) -> Path:
    made = sample(shape("ribosome"), "ribosome", PIXEL_ANGSTROM).potential_v
    values = np.zeros((max(BOX, *made.shape) + 8,) * 3, dtype=np.float32)
    first = len(values) // 2 - made.shape[0] // 2
    values[tuple(slice(first, first + n) for n in made.shape)] = made
    cut = len(values) // 2 - BOX // 2
    write_volume(path, values[(slice(cut, cut + BOX),) * 3], PIXEL_ANGSTROM)
    return path


def refine(project: Project, reference: Path, n_processes: int) -> None:
    slots = str(max(1, len(os.sched_getaffinity(0)) // n_processes))
    subprocess.run(
        [sys.executable, "-m", "tomotui", "run", "refine", "--wait", "-p", project.folder,
         "--processes", str(n_processes), "--label", f"by-{n_processes}",
         "--set", f"reference={reference}", "particles=ribosome", *WISHES],
        check=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "TOMOTUI_CPU_SLOTS": slots, "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip


def seconds_of_iteration(project: Project, task: Task) -> float:
    """Return how long an iteration took, without what comes before the first has ended."""
    told = [event.at for event in project.events(task.job_id, kinds=("log",))
            if " p " in event.message]  # fmt: skip
    return (told[-1] - told[0]) / (len(told) - 1) if len(told) > 1 else float("nan")


def report(project: Project, n_processes: int) -> int:
    tasks = [project.tasks(job.id)[0] for job in project.jobs()]
    seconds = [(task.finished_at or 0.0) - (task.started_at or 0.0) for task in tasks]
    for n, task, took in zip((1, n_processes), tasks, seconds, strict=True):
        samples = read_usage(project.folder / task.folder / USAGE_FILE)
        cpu = sum(one.cpu / 100 * one.seconds for one in samples)
        each = seconds_of_iteration(project, task)
        print(f"by {n}: {task.status} in {took:.1f} s, {cpu:.0f} CPU s, {each:.1f} s an iteration")
    alone, together = (
        [read_volume(project.folder / half)[0] for half in one.half_paths or ()]
        for one in project.records("map")
        if isinstance(one, Map)
    )
    for number, (a, b) in enumerate(zip(alone, together, strict=True), start=1):
        print(f"half {number}: greatest difference {abs(a - b).max() / a.std():.1e} of its spread")
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{seconds[0] / seconds[1]:.2f} times as fast; load of the machine {load}")
    return 0 if all(task.status == Status.DONE for task in tasks) else 1


if __name__ == "__main__":
    sys.exit(main())
