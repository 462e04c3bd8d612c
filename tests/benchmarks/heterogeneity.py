"""Continuous variation: landscapes of simulated particles whose motions are known.

    python tests/benchmarks/heterogeneity.py [--seeds 1 2] [--noise low high] [--particles 200]
        [--scenes DIR] [--parts one two rigid path speed]

``one`` is a hinge with one motion, ``two`` one with two independent ones, ``rigid`` a structure
that does not vary, ``path`` makes maps of the real particles along the first motion, and ``speed``
learns from 1,000 particles with 1,000 Gaussians. Poses begin 2 degrees and 3 A off and are refined
against the mean of all conformations, by the stage refine, as anybody would.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import torch
from heterogeneity_scenes import VariedSample, hinge, rigid
from numpy.typing import NDArray
from report import figure
from scipy.stats import spearmanr
from stage_runner import RecordingTask, run_stage

from tomotui.formats.mrc import write_volume
from tomotui.imaging.fsc import crossing_angstrom, fourier_shell_correlation
from tomotui.records import AnyRecord, Map, ParticleSet
from tomotui.records.particle_table import ParticleTable
from tomotui.stages.base import StageResult

Array = NDArray[np.float64]
BOX_OF_REFERENCE = 52


class Refined:
    """Particles after a refinement that knew nothing of their variation."""

    def __init__(self, sample: VariedSample, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        reference = folder / "consensus.mrc"
        pixel = sample.pixel_size_angstrom
        write_volume(reference, sample.consensus(pixel, BOX_OF_REFERENCE).numpy(), pixel)
        choices = {
            "reference": str(reference),
            "iterations": "p,p",
            "first_resolution_angstrom": 30.0,
            "search": False,
        }
        result = run_stage(
            "refine",
            RecordingTask(folder / "refine", "all"),
            sample.records,
            choices,
            sample.table,
        )
        self.sample, self.result = sample, result
        self.table: ParticleTable = result.particles[0]
        own = [one for one in result.records if isinstance(one, ParticleSet)]
        others = [one for one in sample.records if not isinstance(one, ParticleSet)]
        self.records: list[AnyRecord] = [*own, *others]
        row_of = {str(uid): row for row, uid in enumerate(sample.table.uids)}
        self.rows = np.array([row_of[str(uid)] for uid in self.table.origins])

    def truth_of(self, uids: Any) -> Array:
        """Return the true coordinates of refined particles."""
        row_of = {str(uid): row for row, uid in enumerate(self.table.uids)}
        return self.sample.coordinates[self.rows[[row_of[str(uid)] for uid in uids]]]


def learnt(particles: Refined, folder: Path, **choices: Any) -> tuple[StageResult, dict[str, Any]]:
    """Learn a landscape; returns what the stage gives and the arrays it left."""
    task = RecordingTask(folder, "all")
    result = run_stage("landscape", task, particles.records, choices, particles.table)
    with np.load(folder / "landscape.npz") as file:
        return result, dict(file)


def best_direction(coordinates: Array, truth: Array) -> float:
    """Return how coordinates tell a motion: fitted on every other particle, judged on the rest."""
    table = np.c_[coordinates, np.ones(len(coordinates))]
    fitted = np.arange(len(table)) % 2 == 0
    weights = np.linalg.lstsq(table[fitted], truth[fitted], rcond=None)[0]
    return float(spearmanr(table[~fitted] @ weights, truth[~fitted])[0])


def measure_one(name: str, particles: Refined, folder: Path) -> StageResult:
    result, found = learnt(particles, folder, coordinates=3)
    truth = particles.truth_of(found["uids"])[:, 0]
    leading = found["coordinates"] @ found["axes"][0]
    reached = abs(spearmanr(leading, truth)[0])
    figure(f"{name}: Spearman of the leading coordinate", reached, "", ">= 0.9")
    figure(f"{name}: agreement of halves", result.metrics.get("agreement", 0.0), "")
    figure(f"{name}: motions reported", result.metrics["motions"], "", "1")
    return result


def measure_two(name: str, particles: Refined, folder: Path) -> None:
    result, found = learnt(particles, folder, coordinates=4)
    truth = particles.truth_of(found["uids"])
    for number in (0, 1):
        reached = best_direction(found["coordinates"], truth[:, number])
        figure(f"{name}: Spearman with motion {number + 1}", reached, "", ">= 0.8")
    figure(f"{name}: motions reported", result.metrics["motions"], "", "2")


def measure_rigid(name: str, particles: Refined, folder: Path) -> None:
    result, found = learnt(particles, folder, coordinates=3)
    figure(f"{name}: motions reported", result.metrics["motions"], "", "0")
    figure(f"{name}: greatest strength over chance",
           float(found["evident"][0] / found["by_chance"][0]), "")  # fmt: skip


def measure_path(name: str, particles: Refined, learned: StageResult, folder: Path) -> None:
    """Make maps along the first motion, and compare each with the truth there."""
    sample = particles.sample
    with np.load(folder.parent / "landscape" / "landscape.npz") as file:
        found = dict(file)
    result = run_stage(
        "landscape-maps",
        RecordingTask(folder, "all"),
        [*particles.records, *learned.records],
        {"maps": 5, "share": 0.25},
        particles.table,
    )
    truth = particles.truth_of(found["uids"])[:, 0]
    leading = found["coordinates"] @ found["axes"][0]
    ends = np.linspace(-1.5, 1.5, 5) * found["deviations"][0]
    consensus = next(one for one in particles.result.records if isinstance(one, Map))
    to_beat = agreement(consensus, sample.consensus(consensus.pixel_size_angstrom, 50), sample)
    figure(f"{name}: consensus against its truth", to_beat, "A")
    maps = [one for one in result.records if isinstance(one, Map)]
    for number, (one, at) in enumerate(zip(maps, ends, strict=True), start=1):
        weights = np.exp(-0.5 * ((leading - at) / (0.35 * found["deviations"][0])) ** 2)
        angle = float((weights * truth).sum() / weights.sum())
        pixel, box = one.pixel_size_angstrom, one.size_xyz[0]
        there = agreement(one, sample.structure(0, (angle, 0.0), pixel, box), sample)
        figure(f"{name}: map {number} ({angle:+.1f} deg), FSC=0.5", there, "A",
               f"<= {1.3 * to_beat:.1f}")  # fmt: skip


def agreement(record: Map, truth: torch.Tensor, sample: VariedSample) -> float:
    """Return where a map and the truth, brought into its frame, correlate by 0.5, Angstrom."""
    from tomotui.algorithms.refine.align_maps import aligned_to

    pixel = record.pixel_size_angstrom
    whole = torch.from_numpy(mrcfile.read(record.unfiltered_path).astype(np.float32))
    mask = torch.from_numpy(mrcfile.read(record.mask_path).astype(np.float32))
    placed = aligned_to(truth, whole, pixel, sample.diameter_angstrom, 40.0, 20.0)
    fsc = fourier_shell_correlation(whole, placed, pixel, mask)
    return crossing_angstrom(fsc.frequency_per_angstrom, fsc.masked, 0.5)


def measure_speed(scenes: Path, folder: Path, seed: int) -> None:
    sample = hinge(scenes, seed, "low", 1000)
    particles = Refined(sample, folder / "refined")
    began, cpu = time.monotonic(), time.process_time()
    _, found = learnt(
        particles, folder / "landscape", gaussians=1000, box_angstrom=512.0, coordinates=4
    )
    truth = particles.truth_of(found["uids"])[:, 0]
    figure("1,000 particles, 1,000 Gaussians, 32^2: wall clock", time.monotonic() - began, "s",
           "<= 900")  # fmt: skip
    figure("the same: processor", time.process_time() - cpu, "s")
    leading = found["coordinates"] @ found["axes"][0]
    figure("the same: Spearman", abs(spearmanr(leading, truth)[0]), "", ">= 0.9")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--noise", nargs="+", default=["low", "high"])
    parser.add_argument("--particles", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--parts", nargs="+", default=["one", "two", "rigid", "path", "speed"])
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as temporary:
        scenes = asked.scenes or Path(temporary) / "scenes"
        for seed in asked.seeds:
            for noise in asked.noise:
                measure(asked, scenes, Path(temporary) / f"{seed}-{noise}", seed, noise)
        if "speed" in asked.parts:
            measure_speed(scenes, Path(temporary) / "speed", asked.seeds[0])


def measure(asked: argparse.Namespace, scenes: Path, folder: Path, seed: int, noise: str) -> None:
    name = f"seed {seed}, {noise} noise"
    n, parts = asked.particles, asked.parts
    if "one" in parts or "path" in parts:
        particles = Refined(hinge(scenes, seed, noise, n), folder / "one")
        result = measure_one(f"one motion, {name}", particles, folder / "one" / "landscape")
        if "path" in parts:
            measure_path(f"path, {name}", particles, result, folder / "one" / "path")
    if "two" in parts:
        particles = Refined(hinge(scenes, seed, noise, n, two_motions=True), folder / "two")
        measure_two(f"two motions, {name}", particles, folder / "two" / "landscape")
    if "rigid" in parts:
        particles = Refined(rigid(scenes, seed, noise, n), folder / "rigid")
        measure_rigid(f"rigid, {name}", particles, folder / "rigid" / "landscape")


if __name__ == "__main__":
    main()
