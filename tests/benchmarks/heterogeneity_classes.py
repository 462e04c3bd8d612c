"""How well particles are sorted: two compositions and places of junk, and particles all alike.

    python tests/benchmarks/heterogeneity_classes.py FOLDER [--seeds 1 2] [--noise low high]
        [--cases even uneven rigid] [--ways none local maps]

Every way of sorting is judged by the share of the particles in the right one of the three
classes: 70S, 50S, noise. Of particles that are all alike nothing may be said to differ.
"""

from __future__ import annotations

import argparse
import time
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from heterogeneity_scenes import VariedSample, mixture, rigid
from numpy.typing import NDArray
from report import figure
from stage_runner import RecordingTask, run_stage

from tomotui.formats.mrc import write_volume

CASES = {"even": (0.5, 0.5), "uneven": (0.85, 0.15)}
TARGETS = {"even": 0.95, "uneven": 0.90}
WAYS: dict[str, dict[str, object]] = {
    "none": {},
    "local": {"alignment": "local"},
    "maps": {"given": True},
    "maps-local": {"given": True, "alignment": "local"},
}


def accuracy(found: NDArray[np.int64], true: NDArray[np.int64], n: int) -> float:
    """Return the share of particles in the right class, whatever classes are called."""
    return max(float(np.mean(np.array(names)[found] == true)) for names in permutations(range(n)))


def given_maps(sample: VariedSample, folder: Path) -> list[str]:
    """Write the true maps, at another scale than the images are of."""
    paths = []
    for label in (0, 1):
        path = folder / f"true{label}.mrc"
        write_volume(path, sample.structure(label, (0.0, 0.0), 8.0, 50).numpy(), 8.0)
        paths.append(str(path))
    return paths


def sorted_by(
    sample: VariedSample, folder: Path, way: dict[str, object]
) -> tuple[RecordingTask, object, NDArray[np.int64], float]:
    task = RecordingTask(folder, "all", threads=1)
    choices = {key: value for key, value in way.items() if key != "given"}
    if way.get("given"):
        choices["reference"] = given_maps(sample, folder)
    began = time.monotonic()
    result = run_stage("classify", task, sample.records, choices, sample.table)
    (table,) = result.particles
    row_of = {uid: row for row, uid in enumerate(sample.table.uids.tolist())}
    labels = np.empty(len(table), dtype=np.int64)
    labels[[row_of[uid] for uid in table.origins.tolist()]] = table.classes - 1
    return task, result, labels, time.monotonic() - began


def judge_mixture(case: str, seed: int, noise: str, ways: list[str], folder: Path) -> None:
    sample = mixture(folder, seed, CASES[case], noise)
    for way in ways:
        name = f"{case} {noise} {seed} {way}"
        place = folder / "classes" / name.replace(" ", "-")
        _, result, labels, seconds = sorted_by(sample, place, WAYS[way])
        figure(f"accuracy {name}", accuracy(labels, sample.labels, 3), "", f">= {TARGETS[case]}")
        agreement = result.metrics.get("reproducibility")
        if agreement is not None:
            figure(f"Rand index between runs {name}", agreement, "", ">= 0.9")
        figure(f"gain of a particle held out {name}", result.metrics["gain"], "", "> 0.5")
        figure(f"time {name}", seconds, "s")
        print(f"  {result.summary}", flush=True)


def judge_rigid(seed: int, noise: str, ways: list[str], folder: Path) -> None:
    sample = rigid(folder, seed, noise)
    for way in ways:
        if way.startswith("maps"):
            continue
        name = f"rigid {noise} {seed} {way}"
        place = folder / "classes" / name.replace(" ", "-")
        _, result, _, seconds = sorted_by(sample, place, WAYS[way])
        figure(f"gain of a particle held out {name}", result.metrics["gain"], "", "< 0.5")
        said = "not different" in result.summary or "not reproducible" in result.summary
        figure(f"said not to differ {name}", float(said), "", "1")
        figure(f"time {name}", seconds, "s")
        print(f"  {result.summary}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--noise", nargs="+", default=["low", "high"])
    parser.add_argument("--cases", nargs="+", default=[*CASES, "rigid"])
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for noise in asked.noise:
        for seed in asked.seeds:
            for case in asked.cases:
                if case == "rigid":
                    judge_rigid(seed, noise, asked.ways, asked.folder)
                else:
                    judge_mixture(case, seed, noise, asked.ways, asked.folder)


if __name__ == "__main__":
    main()
