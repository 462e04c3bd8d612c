"""How well moving bodies are followed: hinges, spikes on membranes, and particles all alike.

    python tests/benchmarks/heterogeneity_bodies.py FOLDER [--seeds 1 2] [--noise low high]
        [--cases hinge spike rigid] [--particles 200]

Ribosomes are cut along the valleys of their map; on spikes points are marked, which the screens do
by a brush. Recovered motions are compared with the true angles, maps of the body that moves with
the true one, and particles that are all alike must show no motion.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import heterogeneity_scenes as scenes
import numpy as np
import torch
from heterogeneity_scenes import VariedSample
from numpy.typing import NDArray
from report import figure
from stage_runner import RecordingTask, run_stage
from torch import Tensor

from tomotui.algorithms.refine.align_maps import aligned_to
from tomotui.formats.mrc import read_volume
from tomotui.imaging.fsc import fourier_shell_correlation
from tomotui.records import Landscape, Map

Array = NDArray[np.float64]


def canonical_correlations(found: Array, true: Array) -> Array:
    """Return how far two sets of coordinates are linear maps of each other, greatest first."""
    bases = [np.linalg.qr(one - one.mean(axis=0))[0] for one in (found, true)]
    return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)


def true_resolution(record: Map, mask: Tensor, truth: Tensor, sample: VariedSample) -> float:
    """Return the spacing at which a map, unfiltered, agrees with the truth by a half.

    Either is seen within a mask; the map is first turned to lie as the truth does.
    """
    values, pixel = read_volume(Path(record.unfiltered_path or record.path))
    seen = torch.from_numpy(np.ascontiguousarray(values)) * mask
    placed = aligned_to(seen, truth, pixel, sample.diameter_angstrom / 2, 25.0)
    around = (truth.abs() > 0.02 * truth.max()).float()
    soft = torch.nn.functional.avg_pool3d(around[None, None], 5, 1, 2)[0, 0]
    return fourier_shell_correlation(placed, truth, pixel, soft).resolution(0.5)


SPIKE_POINTS = [
    [[x, y, z] for z in (-128.0, -92.0) for x, y in ((0, 0), (60, 0), (-60, 0), (0, 60), (0, -60))],
    [[0.0, 0.0, z] for z in (-60.0, -20.0, 20.0)],
]
"""Of the membrane, and of the stalk and head."""

SPIKE_BODY = 1
"""That stands on the membrane, whichever of the two is held."""


class Run:
    """One multibody refinement of a sample, and its truth."""

    def __init__(self, sample: VariedSample, folder: Path, **choices: Any) -> None:
        self.sample = sample
        self.task = RecordingTask(folder, "all", threads=1)
        began = time.monotonic()
        self.result = run_stage("multibody", self.task, sample.records, choices, sample.table)
        self.seconds = time.monotonic() - began
        self.landscape = next(r for r in self.result.records if isinstance(r, Landscape))
        self.maps = [one for one in self.result.records if isinstance(one, Map)]
        with np.load(self.landscape.path) as file:
            self.arrays = dict(file)
        row_of = {uid: row for row, uid in enumerate(sample.table.uids.tolist())}
        self.rows = np.array([row_of[uid] for uid in self.arrays["uids"].tolist()])

    @property
    def true(self) -> Array:
        """True coordinates of the particles."""
        return self.sample.coordinates[self.rows]

    def moving_body(self) -> int:
        """Return the number of the body that moves, from 0."""
        return int(np.abs(self.arrays["modes"][0]).sum(axis=1).argmax())


def hinge_figures(run: Run, name: str) -> None:
    angle, found = run.true[:, 0], run.arrays["coordinates"][:, 0]
    figure(f"{name} correlation with the angle", abs(np.corrcoef(found, angle)[0, 1]), "", ">= 0.9")
    slope, offset = np.polyfit(found, angle, 1)
    figure(f"{name} angle error", float(np.std(angle - slope * found - offset)), "deg rms")
    figure(f"{name} motions reported", run.landscape.n_motions, "", "1")
    body, sample = run.moving_body(), run.sample
    pixel, box = run.maps[0].pixel_size_angstrom, run.maps[0].size_xyz[0]
    masks = sample.body_masks(pixel, box)
    truths = [sample.structure(0, (0.0, 0.0), pixel, box) * one for one in masks]
    mask = torch.from_numpy(
        np.ascontiguousarray(read_volume(Path(run.maps[1 + body].mask_path))[0])
    )
    consensus = run.maps[0].replace(unfiltered_path=str(run.task.folder / "consensus.mrc"))
    before, after = (
        true_resolution(one, mask, truths[1], sample) for one in (consensus, run.maps[1 + body])
    )
    figure(f"{name} small body, whole particle refined", before, "A to truth")
    figure(f"{name} small body, multibody", after, "A to truth", f"<= {before / 1.2:.1f}")


def spike_figures(run: Run, name: str) -> None:
    relative = canonical_correlations(run.arrays["coordinates"][:, :2], run.true)
    figure(f"{name} tilts, beside each other (weaker)", relative.min(), "canonical", ">= 0.8")
    figure(f"{name} motions reported", run.landscape.n_motions, "", "2")
    if "stance_deg" not in run.arrays:
        return
    seen, true = run.arrays["membrane_seen"], run.sample.normals
    figure(f"{name} membranes seen", 100 * float(seen.mean()), "%")
    stance = run.arrays["stance_deg"][:, SPIKE_BODY]
    for which, words in ((seen, "normals of membranes"), (~seen, "axes of particles")):
        if which.sum() > 10:
            found = canonical_correlations(stance[which], run.true[which]).min()
            figure(f"{name} tilts from {words} (weaker)", found, "canonical", ">= 0.8")
    if true is not None and seen.any():
        cosine = (run.arrays["normals"] * true[run.rows]).sum(axis=1)[seen]
        error = np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))
        figure(f"{name} error of normals", float(np.median(error)), "deg")


def with_tomograms(sample: VariedSample, folder: Path) -> VariedSample:
    """Reconstruct the tomograms of a sample, in which membranes are looked for."""
    records = list(sample.records)
    for at, one in enumerate(records):
        if one.kind != "tomogram":
            continue
        own = [
            r for r in records if getattr(r, "series_uid", getattr(r, "uid", "")) == one.series_uid
        ]
        task = RecordingTask(folder / f"tomogram-{at}", "all", threads=1)
        made = run_stage(
            "reconstruct", task, [r for r in own if r.kind != "tomogram"], {"binning": 2}
        )
        found = next(r for r in made.records if r.kind == "tomogram")
        records[at] = found.replace(uid=one.uid, path=str(task.resolve(found.path).absolute()))
    sample.records = records
    return sample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--noise", nargs="+", choices=("low", "high"), default=["low"])
    parser.add_argument("--cases", nargs="+", default=["hinge", "spike", "rigid"])
    parser.add_argument("--particles", type=int, default=scenes.PER_SERIES)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for case in asked.cases:
        for noise in asked.noise:
            for seed in asked.seeds:
                make = getattr(scenes, case)
                sample = make(asked.folder / "scenes", seed, noise, asked.particles)
                folder, name = asked.folder / f"{case}-{noise}-{seed}", f"{case} {noise} {seed}"
                choices: dict[str, Any] = {}
                if case == "spike":
                    sample = with_tomograms(sample, folder)
                    choices = {"normals": "membrane", "points": SPIKE_POINTS}
                run = Run(sample, folder, **choices)
                if case == "hinge":
                    hinge_figures(run, name)
                elif case == "spike":
                    spike_figures(run, name)
                else:
                    figure(f"{name} motions reported", run.landscape.n_motions, "", "0")
                figure(f"{name} time", run.seconds, "s")


if __name__ == "__main__":
    main()
