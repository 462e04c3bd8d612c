"""A search over all orientations beside RELION 3.1's, of the same particles with one reference.

    python tests/benchmarks/relion_averaging.py [--particles 20] [--scenes DIR] [--keep DIR]
        [--relion relion_refine] [--courses window held]

Both look once, in boxes of 64 pixels at 5 A and with a reference that ends at 40 A; told are
seconds of processor for a particle, on one thread, with all that comes before, and how far the
poses are from the true ones. Ours works on the tilt images, and makes both half maps in that time.
RELION is spared the maximization, and gets the volumes that serve it best: sums of images times
transfer over the root of the sums of squared transfer, with that root as the 3D CTF, so that noise
is white and the likelihood is that of the images; and a reference of the right scale.

RELION looks twice: at a coarse grid, then at what is likely there with half its steps. Its courses:

window
    What its window calls 7.5 degrees and 1 pixel: 15 degrees and 2 pixels first, then half of
    that, with ten shells beyond 40 A, as it does unless told otherwise.
held
    The same, but to 40 A and no further, as ours.
fine
    7.5 degrees and 1 pixel first, then 3.75 degrees and half a pixel, held to 40 A: a minute for a
    particle, so only when it is asked for.

Debian's RELION computes in double precision, for any processor of the kind; one built for the
processor at hand, or with its accelerated code, is faster.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from averaging_scenes import KINDS, Array, Gauge, Sample, make_series, read_sample, true_map
from numpy.typing import NDArray
from report import figure
from stage_runner import RecordingTask
from torch import Tensor

from tomotui.algorithms.extract.crops import Cutter
from tomotui.algorithms.extract.volumes import Subtomogram, joined_crops, sharing_window
from tomotui.algorithms.refine.particles import Level, SeriesParticles
from tomotui.algorithms.refine.plan import RefinementPlan
from tomotui.algorithms.refine.pose_rounds import PoseRound
from tomotui.algorithms.refine.poses import Poses
from tomotui.algorithms.refine.refinement import Refinement
from tomotui.formats.mrc import write_volume
from tomotui.formats.star import read_star, write_star
from tomotui.geometry.poses import matrices_of_angles
from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations
from tomotui.records import AnyRecord, ParticleSet
from tomotui.stages.averaging_inputs import subjects_with_particles
from tomotui.stages.base import Inputs

BOX, PIXEL_ANGSTROM, RESOLUTION_ANGSTROM, REACH_ANGSTROM = 64, 5.0, 40.0, 15.0
KIND = KINDS["ribosome"]

WINDOW = ("--healpix_order", "2", "--offset_step", "2")
HELD = ("--strict_highres_exp", str(RESOLUTION_ANGSTROM), "--incr_size", "0")
COURSES: dict[str, tuple[str, ...]] = {
    "window": WINDOW,
    "held": (*WINDOW, *HELD),
    "fine": ("--healpix_order", "3", "--offset_step", "1", *HELD),
}


class Course(NamedTuple):
    """What a search has taken, and where it ends.

    Attributes
    ----------
    cpu_seconds
        For one particle.
    rotations, positions_angstrom
        ``[n, 3, 3]`` and ``[n, 3]``.
    """

    cpu_seconds: float
    rotations: Array
    positions_angstrom: Array


def cpu_seconds_of(whose: int) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def first_particles(scenes: Path, n: int, task: RecordingTask) -> tuple[Sample, SeriesParticles]:
    """Return the first particles of a series, without orientations."""
    sample = read_sample("ribosome", [make_series("ribosome", 1, 1, scenes)], 1)
    sample.table = sample.table.select(np.arange(len(sample.table)) < n)
    sample.rotations = sample.rotations[:n]
    sample.positions_angstrom = sample.positions_angstrom[:n]
    records: dict[str, list[AnyRecord]] = {}
    for record in sample.records:
        records.setdefault(record.kind, []).append(record)
    inputs = Inputs(records, sample.table)
    picks = next(one for one in sample.records if isinstance(one, ParticleSet))
    subjects = subjects_with_particles(task, inputs, picks, sample.table, seed=0)
    return sample, subjects.series[0]


def coarse_reference() -> Tensor:
    """Return the structure to 40 A with a soft end, ``[n, n, n]``."""
    whole = true_map(KIND, PIXEL_ANGSTROM, BOX, Gauge(np.eye(3), np.zeros(3)))
    line = torch.fft.fftfreq(BOX, d=1 / BOX)
    half = torch.arange(BOX // 2 + 1)
    radius = (half**2 + line[:, None] ** 2 + line[:, None, None] ** 2).sqrt()
    last = BOX * PIXEL_ANGSTROM / RESOLUTION_ANGSTROM
    kept = torch.fft.rfftn(whole) * (1 - (radius - last) / 2).clamp(0, 1)
    coarse: Tensor = torch.fft.irfftn(kept, s=(BOX,) * 3)
    return coarse


def refinement_of(particles: SeriesParticles, reference: Tensor) -> Refinement:
    """Return our refinement at its beginning."""
    plan = RefinementPlan(
        KIND.diameter_angstrom, KIND.symmetry, RESOLUTION_ANGSTROM, REACH_ANGSTROM
    )
    refinement = Refinement([particles], plan)
    refinement.take_references(reference, reference, PIXEL_ANGSTROM)
    refinement.go_to(Level(1, BOX), PIXEL_ANGSTROM)
    return refinement


def scale_of(particles: SeriesParticles, sample: Sample, reference: Tensor) -> float:
    """Return the reference's scale beside the data, from the true poses."""
    known = particles.part(np.arange(len(particles)))
    known.poses = Poses(sample.rotations.copy(), sample.positions_angstrom.copy())
    work = refinement_of(known, reference).work
    work.store.prepare([known])
    return PoseRound(work, (reference, reference), RESOLUTION_ANGSTROM).scale()


def ours(particles: SeriesParticles, reference: Tensor) -> Course:
    """Search over all orientations once, from the images to half maps."""
    mine = particles.part(np.arange(len(particles)))
    began = cpu_seconds_of(resource.RUSAGE_SELF)
    refinement_of(mine, reference).iterate("P")
    used = cpu_seconds_of(resource.RUSAGE_SELF) - began
    return Course(used / len(mine), mine.poses.rotations, mine.poses.positions_angstrom)


# RELION


def whitened(found: Subtomogram) -> tuple[Tensor, Tensor]:
    """Return a volume of white noise, and the transfer that the particle has in it.

    Returns
    -------
    ``[n, n, n]``; and on half of its Fourier transform, the origin first, ``[n, n, n // 2 + 1]``.
    """
    undimmed = found.data / sharing_window(BOX)
    transfer = found.squared_transfer.clamp_min(0).sqrt()
    weak = transfer < 1e-3 * transfer.max()
    spectrum = torch.fft.rfftn(undimmed) / transfer.masked_fill(weak, torch.inf)
    return torch.fft.irfftn(spectrum, s=(BOX,) * 3), transfer.masked_fill(weak, 0.0)


def write_particles(particles: SeriesParticles, reference: Tensor, folder: Path) -> None:
    """Write volumes, 3D CTFs, the reference, and the table that leads to them."""
    images, pixel = particles.load(1)
    picked = particles.poses.positions_angstrom
    cutter = Cutter(images, pixel, particles.model, BOX)
    cutter.measure_noise(picked)
    crops = cutter.cut(picked)
    projection = particles.model.geometry.projection_matrices
    camera = torch.as_tensor(projection, dtype=torch.float32)
    both = [
        whitened(joined_crops(crops, number, camera, cutter.plane)) for number in range(len(picked))
    ]
    unit = float(torch.stack([volume for volume, _ in both]).std())
    names = [(f"{number}.mrc", f"{number}_ctf.mrc") for number in range(len(both))]
    for (volume, transfer), (image_name, ctf_name) in zip(both, names, strict=True):
        write_volume(folder / image_name, (volume / unit).numpy(), pixel)
        write_volume(folder / ctf_name, transfer.numpy(), pixel)
    write_volume(folder / "reference.mrc", (reference / unit).numpy(), pixel)
    write_star(folder / "particles.star", tables_of(names, pixel))


def tables_of(names: Sequence[tuple[str, str]], pixel: float) -> dict[str, dict[str, list[object]]]:
    """Return RELION's tables of optics and particles."""
    return {
        "optics": {
            "rlnOpticsGroup": [1],
            "rlnOpticsGroupName": ["all"],
            "rlnVoltage": [300.0],
            "rlnSphericalAberration": [2.7],
            "rlnAmplitudeContrast": [0.07],
            "rlnImagePixelSize": [pixel],
            "rlnImageSize": [BOX],
            "rlnImageDimensionality": [3],
        },
        "particles": {
            "rlnImageName": [image for image, _ in names],
            "rlnCtfImage": [transfer for _, transfer in names],
            "rlnMicrographName": ["series"] * len(names),
            "rlnOpticsGroup": [1] * len(names),
        },
    }


def relion(program: str, choices: Sequence[str], folder: Path, picked: Array) -> Course:
    """Let RELION do one expectation over all orientations."""
    words = [
        program, "--i", "particles.star", "--o", "./run", "--ref", "reference.mrc", "--iter", "1",
        "--K", "1", "--sym", KIND.symmetry, "--ctf", "--ini_high", str(RESOLUTION_ANGSTROM),
        "--particle_diameter", str(KIND.diameter_angstrom), "--zero_mask", "--offset_range",
        str(REACH_ANGSTROM / PIXEL_ANGSTROM), "--j", "1", "--skip_maximize", "--dont_check_norm",
        "--oversampling", "1", "--random_seed", "1", *choices,
    ]  # fmt: skip
    began = cpu_seconds_of(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    used = cpu_seconds_of(resource.RUSAGE_CHILDREN) - began
    (folder / "run.log").write_text(done.stdout + done.stderr)
    if done.returncode:
        raise SystemExit(f"{program} has failed; see {folder / 'run.log'}")
    table = read_star(folder / "run_it001_data.star")["particles"]
    rows = np.argsort([int(Path(str(name)).stem) for name in table["rlnImageName"]])
    angles = np.stack([table[f"rlnAngle{name}"] for name in ("Rot", "Tilt", "Psi")], axis=1)
    origins = np.stack([table[f"rlnOrigin{axis}Angst"] for axis in "XYZ"], axis=1)
    # An origin is what is still to be added to the picture, to bring its particle to the middle.
    return Course(used / len(rows), matrices_of_angles(angles[rows]), picked - origins[rows])


# Judging


def judge(name: str, sample: Sample, found: Course, target: str = "-") -> None:
    """Print what a search took, and how far its poses are from the true ones."""
    group = symmetry_rotations(KIND.symmetry)
    turned = symmetric_angle_deg(sample.rotations, found.rotations, group)
    moved: NDArray[np.float64] = found.positions_angstrom - sample.positions_angstrom
    far = np.linalg.norm(moved, axis=1)
    figure(f"{name}: CPU for a particle", found.cpu_seconds, "s", target)
    figure(f"{name}: pose error, median", float(np.median(turned)), "deg")
    figure(f"{name}: pose error, 90 %", float(np.percentile(turned, 90)), "deg")
    figure(f"{name}: share within 10 degrees", float(np.mean(turned < 10)), "", "1")
    figure(f"{name}: position error, median", float(np.median(far)), "A")


def fastest(search: Callable[[], Course], rounds: int) -> Course:
    return min((search() for _ in range(rounds)), key=lambda one: one.cpu_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--particles", type=int, default=20)
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--keep", type=Path, help="what RELION gets and says")
    parser.add_argument("--relion", default="relion_refine")
    parser.add_argument("--courses", nargs="*", choices=sorted(COURSES), default=["window", "held"])
    parser.add_argument("--rounds", type=int, default=1, help="of which the fastest counts")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary, torch.inference_mode():
        scratch = Path(temporary)
        folder = asked.keep or scratch / "relion"
        folder.mkdir(parents=True, exist_ok=True)
        task = RecordingTask(scratch / "task", threads=1)
        sample, particles = first_particles(
            asked.scenes or scratch / "scenes", asked.particles, task
        )
        reference = coarse_reference()
        scale = scale_of(particles, sample, reference)
        write_particles(particles, scale * reference, folder)
        own = fastest(partial(ours, particles, reference), asked.rounds)
        judge("ours", sample, own, "<= 4")
        picked = particles.poses.positions_angstrom
        for name in asked.courses:
            search = partial(relion, asked.relion, COURSES[name], folder, picked)
            other = fastest(search, asked.rounds)
            judge(f"RELION, {name}", sample, other)
            figure(f"RELION, {name}: over ours", other.cpu_seconds / own.cpu_seconds, "", ">= 5")


if __name__ == "__main__":
    main()
