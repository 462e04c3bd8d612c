"""What varied particles let anybody see: maps at true poses, and an observer who knows all else.

    python tests/benchmarks/heterogeneity_truth.py FOLDER [--noise low high] [--seed 1]
        [--scenes rigid hinge swivel spike mixture]

Particles that are nearly alike are averaged at their true poses, and compared with the mean of
their true maps. The observer knows every conformation and every pose, and tells each particle's
from its images alone, to 20 A: no program can do better, and where he fails none should be asked.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from heterogeneity_scenes import VariedSample, hinge, mixture, rigid, spike
from numpy.typing import NDArray
from report import figure
from scipy.special import softmax
from scipy.stats import spearmanr
from stage_runner import RecordingTask

from tomotui.algorithms.refine.equations import fit_of, predicted
from tomotui.geometry.poses import angles_of_matrices
from tomotui.imaging.fsc import fourier_shell_correlation
from tomotui.imaging.slices import SliceSource
from tomotui.records import AnyRecord
from tomotui.stages.averaged_particles import AveragedParticles
from tomotui.stages.base import Inputs

Array = NDArray[np.float64]
RESOLUTION_ANGSTROM = 20.0
FEWEST_ALIKE = 40

SCENES: dict[str, Callable[[Path, int, str], VariedSample]] = {
    "rigid": rigid,
    "hinge": hinge,
    "swivel": lambda folder, seed, noise: hinge(folder, seed, noise, two_motions=True),
    "spike": spike,
    "mixture": lambda folder, seed, noise: mixture(folder, seed, noise=noise, n_junk=0),
}


def at_true_poses(sample: VariedSample, which: NDArray[np.bool_]) -> AveragedParticles:
    """Return some of the particles as they truly lie, and their average."""
    table = replace(
        sample.table.select(which),
        positions_angstrom=sample.positions_angstrom[which],
        angles_deg=angles_of_matrices(sample.rotations[which]),
    )
    records: dict[str, list[AnyRecord]] = {}
    for record in sample.records:
        records.setdefault(record.kind, []).append(record)
    with tempfile.TemporaryDirectory() as folder:
        return AveragedParticles(
            RecordingTask(Path(folder), "all", threads=1),
            Inputs(records, table),
            table,
            diameter_angstrom=None,
            box_angstrom=None,
            box_px=64,
            memory_gb=4.0,
            seed=0,
        )


def judge_map(sample: VariedSample, label: int, name: str) -> None:
    """Compare the average of particles that are nearly alike with their true mean."""
    distance = np.linalg.norm(sample.coordinates, axis=1)
    mine = sample.labels == label
    limit = np.sort(distance[mine])[min(FEWEST_ALIKE, int(mine.sum())) - 1]
    which = mine & (distance <= limit)
    averaged = at_true_poses(sample, which)
    found = averaged.maps
    alike = replace(sample, labels=sample.labels[which], coordinates=sample.coordinates[which])
    true = alike.consensus(found.pixel_size_angstrom, found.whole.shape[-1])
    curve = fourier_shell_correlation(found.whole, true, found.pixel_size_angstrom, found.mask)
    figure(f"particles averaged {name}", float(which.sum()), "")
    figure(f"average and truth agree to, FSC 0.5, {name}", curve.resolution(0.5), "A")
    figure(f"halves agree to, FSC 0.143, {name}", found.resolution_angstrom, "A")


def observed(sample: VariedSample) -> tuple[Array, Array]:
    """Return how probable an observer finds conformations who knows every pose.

    All of them are as probable beforehand.

    Returns
    -------
    Conformations as label and coordinates, ``[k, 1 + m]``; and probabilities, ``[n, k]``.
    """
    kinds = np.unique(np.c_[sample.labels, sample.coordinates], axis=0)
    averaged = at_true_poses(sample, np.ones(len(sample.table), dtype=bool))
    work = averaged.refinement.work
    pixel, radius = work.pixel_size_angstrom, work.radius(RESOLUTION_ANGSTROM)
    fits = np.zeros((2, len(kinds), len(sample.table)))
    for number, kind in enumerate(kinds):
        volume = sample.structure(int(kind[0]), kind[1:], pixel, work.box)
        source = SliceSource(volume, work.radius_limit)
        for one in averaged.subjects.series:
            views = work.store.views(one)
            n_terms = views.plane.within(radius)
            cameras = one.poses.cameras(one.model, work.device)
            offsets = views.offsets_px(one.model, one.poses.positions_angstrom)
            model = predicted(source, views, cameras, offsets, n_terms)
            agreement, power = fit_of(views.data[..., :n_terms], model)
            fits[0, number, one.rows] = agreement.double().sum(dim=1).numpy()
            fits[1, number, one.rows] = power.double().sum(dim=1).numpy()
    agreement, power = fits
    # Grey values are not Volts: their scale is that of the likeliest conformations.
    scale = float(agreement.sum() / power.sum())
    for _ in range(5):
        chances = softmax(scale * agreement - 0.5 * scale**2 * power, axis=0)
        scale = float((chances * agreement).sum() / (chances * power).sum())
    return kinds, chances.T


def judge_observer(sample: VariedSample, name: str) -> None:
    """Print how well one who knows everything else tells conformations apart."""
    kinds, chances = observed(sample)
    labels = kinds[chances.argmax(axis=1), 0]
    if len(np.unique(sample.labels)) > 1:
        figure(f"observer's accuracy {name}", float((labels == sample.labels).mean()), "", "> 0.95")
    for number, true in enumerate(sample.coordinates.T):
        if np.ptp(true):
            found = chances @ kinds[:, 1 + number]
            figure(
                f"observer's rank correlation, motion {number + 1} {name}",
                float(spearmanr(found, true).statistic),
                "",
                "> 0.9",
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), choices=list(SCENES))
    parser.add_argument("--noise", nargs="+", default=["low", "high"], choices=["low", "high"])
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for scene in asked.scenes:
        for noise in asked.noise:
            name = f"{scene} {noise}"
            began = time.process_time()
            sample = SCENES[scene](asked.folder, asked.seed, noise)
            figure(f"to simulate or read {name}", time.process_time() - began, "s CPU")
            with torch.inference_mode():
                for label in np.unique(sample.labels):
                    judge_map(sample, int(label), f"{name} {label}")
                if scene != "rigid":
                    judge_observer(sample, name)


if __name__ == "__main__":
    main()
