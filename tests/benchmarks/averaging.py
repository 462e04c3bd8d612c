"""Averaging, from picks without orientations to maps, on simulated series with known poses.

    python tests/benchmarks/averaging.py [--kind ribosome] [--seeds 1] [--scenes DIR] [--keep DIR]
        [--parts initial refine errors noise speed]

``initial`` makes first maps from random orientations for several seeds of the search; ``refine``
goes from picks to the map by the stages initial-model and refine; ``errors`` plants 8 A rms of
misalignment in every tilt and 5 A of motion, and tells what share of the lost resolution comes
back; ``noise`` averages places where there is nothing; ``speed`` tells CPU seconds for a particle.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import torch
from averaging_scenes import (
    KINDS,
    Gauge,
    Kind,
    Sample,
    gauge_of,
    make_series,
    read_sample,
    true_map,
)
from report import figure
from stage_runner import RecordingTask, run_stage

from tomotui.algorithms.refine.align_maps import aligned_to
from tomotui.geometry.poses import matrices_of_angles
from tomotui.imaging.fsc import crossing_angstrom, fourier_shell_correlation
from tomotui.imaging.masks import soft_ball
from tomotui.records import Map
from tomotui.stages.base import StageResult

N_SERIES = 5


def cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def map_of(result: StageResult) -> Map:
    return next(one for one in result.records if isinstance(one, Map))


def read(path: str) -> torch.Tensor:
    return torch.from_numpy(mrcfile.read(path).astype(np.float32))


def first_map(sample: Sample, folder: Path, **choices: Any) -> StageResult:
    task = RecordingTask(folder, "all")
    return run_stage("initial-model", task, sample.records, choices, sample.table)


class Telling(RecordingTask):
    """A task that says what it logs as soon as it does."""

    def log(self, message: str) -> None:
        print("   ", message, flush=True)

    def warn(self, message: str) -> None:
        print("    warning:", message, flush=True)


def refined(sample: Sample, folder: Path, reference: str, **choices: Any) -> StageResult:
    choices = {"reference": reference, **choices}
    return run_stage("refine", Telling(folder, "all"), sample.records, choices, sample.table)


def judge(name: str, sample: Sample, result: StageResult) -> dict[str, float]:
    """Print what a refinement has reached against the truth, and return it."""
    record, table = map_of(result), result.particles[0]
    row_of = {str(uid): row for row, uid in enumerate(sample.table.uids)}
    rows = np.array([row_of[str(uid)] for uid in table.origins])
    rotations = matrices_of_angles(table.angles_deg)
    gauge, angles, shifts = gauge_of(
        rotations,
        table.positions_angstrom,
        sample.rotations[rows],
        sample.positions_angstrom[rows],
        sample.kind.symmetry,
    )
    pixel, box = record.pixel_size_angstrom, record.size_xyz[0]
    truth = true_map(sample.kind, pixel, box, gauge)
    whole, mask = read(record.unfiltered_path or ""), read(record.mask_path or "")
    against = fourier_shell_correlation(whole, truth, pixel, mask)
    to_truth = crossing_angstrom(against.frequency_per_angstrom, against.masked, 0.5)
    # A map of the other hand agrees with the mirrored truth beyond the first few shells.
    mirrored = fourier_shell_correlation(whole, truth.flip(2), pixel, mask)
    far = slice(box // 8, box // 4)
    bar = 1.15 * 2 * pixel
    figure(
        f"{name}: FSC=0.143 between halves", record.resolution_angstrom or 0, "A", f"<= {bar:.3g}"
    )
    figure(f"{name}: FSC=0.5 against truth", to_truth, "A", f"<= {bar:.3g}")
    figure(f"{name}: pose error, median", float(np.median(angles)), "deg", "<= 2")
    figure(f"{name}: pose error, 90 %", float(np.percentile(angles, 90)), "deg")
    figure(f"{name}: position error, median", float(np.median(shifts)) / pixel, "px", "<= 0.5")
    right = float(np.nanmean(against.masked[far])) - float(np.nanmean(mirrored.masked[far]))
    figure(f"{name}: correlation more than mirrored", right, "", "> 0")
    return {"halves": record.resolution_angstrom or 0.0, "truth": to_truth}


def best_agreement(values: torch.Tensor, kind: Kind, pixel: float) -> float:
    """Return where a map of any frame and the structure correlate by less than 0.5, Angstrom."""
    box = values.shape[-1]
    still = true_map(kind, pixel, box, Gauge(np.eye(3), np.zeros(3)))
    truth = aligned_to(still, values, pixel, kind.diameter_angstrom, 40.0, 40.0)
    radius = kind.diameter_angstrom / 2 / pixel
    mask = soft_ball(box, min(radius + 1, box / 2 - 4), 3.0)
    fsc = fourier_shell_correlation(values, truth, pixel, mask)
    return crossing_angstrom(fsc.frequency_per_angstrom, fsc.masked, 0.5)


def measure_initial(sample: Sample, folder: Path, seeds: list[int]) -> None:
    """Make first maps with several seeds; judge them by aligning them with the truth."""
    n_good = 0
    for seed in seeds:
        began = cpu_seconds()
        result = first_map(sample, folder / f"initial-{seed}", seed=seed)
        record = map_of(result)
        reached = best_agreement(read(record.path), sample.kind, record.pixel_size_angstrom)
        n_good += reached <= 30
        figure(f"initial, seed {seed}: FSC=0.5 against truth", reached, "A", "<= 30")
        figure(f"initial, seed {seed}: CPU", cpu_seconds() - began, "s")
        print("   ", result.summary)
    figure("initial: seeds that reach 30 A", n_good, f"of {len(seeds)}", "all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=sorted(KINDS), default="ribosome")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--series", type=int, default=N_SERIES)
    parser.add_argument("--search-seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--parts", nargs="+", default=["initial", "refine", "errors", "noise"])
    asked = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as temporary:
        scenes = asked.scenes or Path(temporary) / "scenes"
        for seed in asked.seeds:
            folder = (asked.keep or Path(temporary)) / f"{asked.kind}-{seed}"
            measure(asked, seed, scenes, folder)


def measure(asked: argparse.Namespace, seed: int, scenes: Path, folder: Path) -> None:
    kind = asked.kind
    places = [make_series(kind, seed, n, scenes) for n in range(1, asked.series + 1)]
    sample = read_sample(kind, places, seed)
    print(f"{kind}, seed {seed}: {len(sample.table)} particles in {len(places)} series")
    if "initial" in asked.parts:
        measure_initial(sample, folder, asked.search_seeds)
    if "refine" in asked.parts:
        began = cpu_seconds()
        first = map_of(first_map(sample, folder / "first"))
        result = refined(sample, folder / "refine", first.path, mass_kda=sample.kind.mass_kda)
        judge(f"{kind} {seed}", sample, result)
        figure(f"{kind} {seed}: CPU from picks to map", cpu_seconds() - began, "s")
    if "errors" in asked.parts:
        measure_errors(asked, seed, scenes, folder)
    if "noise" in asked.parts:
        measure_noise(sample, folder)


def measure_errors(asked: argparse.Namespace, seed: int, scenes: Path, folder: Path) -> None:
    """Plant errors of alignment and motion, and let refinement find them."""
    kind = asked.kind
    moving = [
        make_series(kind, seed, n, scenes, deformation_angstrom=5.0)
        for n in range(1, asked.series + 1)
    ]
    spoilt = read_sample(kind, moving, seed, misaligned_angstrom=8.0)
    whole = read_sample(
        kind, [make_series(kind, seed, n, scenes) for n in range(1, asked.series + 1)], seed
    )
    first = map_of(first_map(spoilt, folder / "errors-first")).path
    reached = {}
    for name, sample, corrections in (
        ("without errors", whole, ""),
        ("errors left", spoilt, ""),
        ("errors refined", spoilt, "tgr"),
    ):
        place = folder / f"errors-{name.split()[-1]}"
        result = refined(sample, place, first, corrections=corrections)
        reached[name] = judge(f"{name}", sample, result)
    for measure_name in ("halves", "truth"):
        best, worst, found = (
            1 / reached[name][measure_name]
            for name in ("without errors", "errors left", "errors refined")
        )
        share = (found - worst) / max(best - worst, 1e-9)
        figure(f"lost resolution won back ({measure_name})", share, "", ">= 0.8")


def measure_noise(sample: Sample, folder: Path) -> None:
    """Average places where nothing is: the reported resolution must not improve."""
    from averaging_noise import noise_sample

    nothing = noise_sample(sample, folder / "noise-series")
    first = map_of(first_map(sample, folder / "noise-first"))
    result = refined(nothing, folder / "noise", first.path)
    record = map_of(result)
    figure("noise: FSC=0.143 between halves", record.resolution_angstrom or np.inf, "A", ">= 40")


if __name__ == "__main__":
    main()
