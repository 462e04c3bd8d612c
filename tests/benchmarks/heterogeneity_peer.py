"""cryoDRGN beside the stage landscape, on the same particles of a hinge, on one thread of a CPU.

    python tests/benchmarks/heterogeneity_peer.py PYTHON [--scenes DIR] [--keep DIR] [--noise low]
        [--seed 1] [--particles 200] [--minutes 15] [--tilts 10] [--width 128] [--layers 3]
        [--lr 1e-4] [--true-poses] [--ours]

PYTHON is that of an environment with cryoDRGN 4.3. It gets what it asks of tilt series: the images
of every particle, 32 pixels wide and centred, in the order of their exposure, with the transfer and
the pose of each image. It trains until its minutes of processor time are over, and is judged by its
last epoch. It uses the ten first tilts, as it does unless told otherwise; its networks are 256 and
128 wide instead of 1024, and steps follow single particles instead of 16, because so few epochs fit
into the time.

Both are judged alike: by the rank correlation of the true angle with the first principal component
of the coordinates, and with the direction in them that tells the angle best on half of the
particles, on the other half. Of the landscape also its own first axis is told.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pickle
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from heterogeneity_scenes import DOSE, VariedSample, hinge
from numpy.typing import NDArray
from report import figure
from scipy.stats import spearmanr
from stage_runner import RecordingTask, run_stage

from tomotui.algorithms.refine.equations import ramps
from tomotui.algorithms.refine.particles import SeriesParticles
from tomotui.algorithms.subtomograms.views import views_of
from tomotui.formats.mrc import write_stack
from tomotui.formats.star import write_star
from tomotui.geometry.poses import angles_of_matrices
from tomotui.imaging.slices import HalfPlane
from tomotui.records import AnyRecord, ParticleSet
from tomotui.stages.averaging_inputs import subjects_with_particles
from tomotui.stages.base import Inputs

Array = NDArray[np.float64]
BOX_ANGSTROM, BOX_PX = 400.0, 32
N_LATENT = 4
ENOUGH_EPOCHS = 10_000
SIZES = ("--enc-dim", "256", "--tdim", "256", "--batch-size", "1", "--no-amp")
"""An encoder that a processor can train, and steps enough for few particles."""

IMAGES, TABLE = "particles.mrcs", "particles.star"


def images_of(particles: SeriesParticles) -> tuple[NDArray[np.float32], list[int]]:
    """Return centred images of particles, and the order of the tilts.

    Returns
    -------
    Dark protein, of unit deviation, ``[p, t, n, n]``; and the tilts by their exposure.
    """
    images, pixel = particles.load(1)
    positions = particles.poses.positions_angstrom
    wide = HalfPlane(round(BOX_ANGSTROM / pixel))
    views = views_of(images, pixel, particles.model, positions, wide)
    plane = HalfPlane(BOX_PX)
    n_terms = len(plane.frequencies)
    # The first terms of the wide crops are those of smaller ones as wide in Angstrom.
    offsets = views.offsets_px(particles.model, positions)
    centring = ramps(wide.frequencies[:n_terms], offsets, views.box).conj()
    found = plane.image(views.data[..., :n_terms] * views.noise[:, :n_terms] * centring)
    found = -found / found.std(dim=(-2, -1), keepdim=True).clamp_min(1e-12)
    order = [int(one) for one in particles.time_order()]
    return found[:, order].numpy(), order


def columns_of(particles: SeriesParticles, order: list[int], first: int) -> dict[str, list[Any]]:
    """Return a row for each image: pose, transfer and exposure as cryoDRGN reads them."""
    model, poses = particles.model, particles.poses
    ctf, exposure = model.ctf, model.exposure_e_per_a2
    assert ctf is not None
    assert exposure is not None
    cameras = model.geometry.projection_matrices[None] @ poses.rotations[:, None]
    angles = angles_of_matrices(cameras[:, order].reshape(-1, 3, 3)).reshape(-1, len(order), 3)
    depth = model.places(poses.positions_angstrom)[..., 2] * ctf.handedness
    table: dict[str, list[Any]] = {}
    for row in range(len(poses)):
        for place, tilt in enumerate(order):
            rot, tilting, psi = angles[row, place].tolist()
            values = {
                "rlnImageName": f"{first + row * len(order) + place + 1:06d}@{IMAGES}",
                "rlnGroupName": f"particle{particles.rows[row]:05d}",
                "rlnAngleRot": rot,
                "rlnAngleTilt": tilting,
                "rlnAnglePsi": psi,
                "rlnOriginX": 0.0,
                "rlnOriginY": 0.0,
                "rlnDefocusU": ctf.defocus_u_angstrom[tilt] + depth[row, tilt],
                "rlnDefocusV": ctf.defocus_v_angstrom[tilt] + depth[row, tilt],
                "rlnDefocusAngle": ctf.astigmatism_angle_deg[tilt],
                "rlnPhaseShift": ctf.phase_shift_deg[tilt],
                "rlnVoltage": ctf.optics.voltage_kv,
                "rlnSphericalAberration": ctf.optics.spherical_aberration_mm,
                "rlnAmplitudeContrast": ctf.optics.amplitude_contrast,
                "rlnCtfBfactor": -4.0 * exposure[tilt],
                "rlnCtfScalefactor": np.cos(np.deg2rad(model.geometry.tilt_deg[tilt])),
            }
            for name, value in values.items():
                table.setdefault(name, []).append(value)
    return table


def write_particles(sample: VariedSample, folder: Path) -> None:
    """Write images and their table."""
    records: dict[str, list[AnyRecord]] = {}
    for record in sample.records:
        records.setdefault(record.kind, []).append(record)
    (whole,) = (one for one in sample.records if isinstance(one, ParticleSet))
    task = RecordingTask(folder, "all", threads=1)
    inputs = Inputs(records, sample.table)
    subjects = subjects_with_particles(task, inputs, whole, sample.table, seed=0)
    stacks, table = [], dict[str, list[Any]]()
    for one in subjects.series:
        images, order = images_of(one)
        first = sum(len(stack) for stack in stacks)
        for name, values in columns_of(one, order, first).items():
            table.setdefault(name, []).extend(values)
        stacks.append(images.reshape(-1, BOX_PX, BOX_PX))
    write_stack(folder / IMAGES, np.concatenate(stacks), BOX_ANGSTROM / BOX_PX)
    write_star(folder / TABLE, {"": table})


class Peer:
    """cryoDRGN in an environment of its own, on one thread.

    Parameters
    ----------
    python
        Of the environment.
    folder
        With the particles; what it says goes there too.
    """

    def __init__(self, python: Path, folder: Path) -> None:
        self.program, self.folder = python.with_name("cryodrgn"), folder
        if not self.program.exists():
            raise SystemExit(f"{python}: no cryodrgn beside it; install cryodrgn 4.3 there")
        one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self.environment = {**os.environ, **one}

    def prepare(self) -> None:
        """Let it read poses and transfer."""
        size = ["-D", str(BOX_PX)]
        pixel = ["--Apix", str(BOX_ANGSTROM / BOX_PX)]
        for command, out, choices in (
            ("parse_pose_star", "pose.pkl", size),
            ("parse_ctf_star", "ctf.pkl", [*size, *pixel]),
        ):
            words = [str(self.program), command, TABLE, "-o", out, *choices]
            with (self.folder / f"{command}.log").open("w") as log:
                done = subprocess.run(
                    words, cwd=self.folder, env=self.environment, stdout=log, stderr=log
                )
            if done.returncode:
                raise SystemExit(f"{command} has failed; see {log.name}")

    def train(self, dose: float, minutes: float, choices: Sequence[str]) -> float:
        """Let it train for some minutes of processor time; returns seconds of it."""
        words = [
            str(self.program), "train_vae", TABLE, "-o", "out", "--poses", "pose.pkl",
            "--ctf", "ctf.pkl", "--zdim", str(N_LATENT), "--encode-mode", "tilt",
            "--dose-per-tilt", str(dose), "--angle-per-tilt", "3", "--no-analysis",
            "--num-epochs", str(ENOUGH_EPOCHS), "--seed", "0", *SIZES, *choices,
        ]  # fmt: skip
        log_path = self.folder / "train.log"
        with log_path.open("w") as log:
            running = subprocess.Popen(
                words, cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
            used = 0.0
            while used < 60 * minutes and running.poll() is None:
                time.sleep(1)
                with contextlib.suppress(psutil.Error):
                    spent = psutil.Process(running.pid).cpu_times()
                    used = spent.user + spent.system
            if running.poll() is not None:
                raise SystemExit(f"train_vae has ended before its time; see {log_path}")
            running.terminate()
            running.wait()
        return used

    def coordinates(self) -> list[Array]:
        """Return the particles' coordinates after each epoch that was kept, ``[n, d]`` each."""
        kept = [
            path
            for path in (self.folder / "out").glob("z.*.pkl")
            if path.suffixes[0].removeprefix(".").isdigit()
        ]
        kept.sort(key=lambda path: int(path.suffixes[0].removeprefix(".")))
        found = []
        for path in kept:
            try:
                with path.open("rb") as file:
                    found.append(np.asarray(pickle.load(file), dtype=np.float64))
            except (EOFError, pickle.UnpicklingError):
                break  # the epoch during which time was over
        if not found:
            raise SystemExit(f"no epoch was over in time; see {self.folder / 'train.log'}")
        return found


def agreement(coordinates: Array, true: Array) -> tuple[float, float]:
    """Return rank correlations of the first component and of the best direction with the truth."""
    centred = coordinates - coordinates.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    first = abs(float(spearmanr(centred @ axes[0], true).statistic))
    columns = np.c_[np.ones(len(true)), coordinates]
    judged = []
    for half in (0, 1):
        learning = np.arange(len(true)) % 2 == half
        weights, *_ = np.linalg.lstsq(columns[learning], true[learning], rcond=None)
        judged.append(float(spearmanr(columns[~learning] @ weights, true[~learning]).statistic))
    return first, float(np.mean(judged))


def tell(name: str, coordinates: Array, true: Array) -> None:
    first, best = agreement(coordinates, true)
    figure(f"{name}: rank correlation, first component", first, "", "> 0.9")
    figure(f"{name}: rank correlation, best direction", best, "", "> 0.9")


def judge_peer(
    python: Path,
    sample: VariedSample,
    dose: float,
    minutes: float,
    choices: Sequence[str],
    folder: Path,
) -> None:
    peer = Peer(python, folder)
    write_particles(sample, folder)
    peer.prepare()
    used = peer.train(dose, minutes, choices)
    epochs = peer.coordinates()
    figure("cryoDRGN: epochs", len(epochs), "")
    figure("cryoDRGN: CPU", used, "s")
    true = sample.coordinates[:, 0]
    tell("cryoDRGN", epochs[-1], true)
    best = max(agreement(one, true)[1] for one in epochs)
    figure("cryoDRGN: best direction, best epoch", best, "")


def judge_ours(sample: VariedSample, folder: Path) -> None:
    task = RecordingTask(folder, "all", threads=1)
    began = time.process_time()
    choices = {"coordinates": N_LATENT}
    result = run_stage("landscape", task, sample.records, choices, sample.table)
    figure("landscape: CPU", time.process_time() - began, "s")
    row_of = {str(uid): row for row, uid in enumerate(sample.table.uids)}
    with np.load(folder / "landscape.npz") as file:
        rows = [row_of[str(uid)] for uid in file["uids"]]
        true = sample.coordinates[rows, 0]
        tell("landscape", file["coordinates"], true)
        for axis in file["axes"][:1]:
            along = abs(float(spearmanr(file["coordinates"] @ axis, true).statistic))
            figure("landscape: rank correlation, its own first axis", along, "", "> 0.9")
    print(f"  {result.summary}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", type=Path)
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--keep", type=Path, help="what cryoDRGN gets and says")
    parser.add_argument("--noise", default="low", choices=["low", "high"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--particles", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--tilts", type=int, default=10, help="of each particle, for cryoDRGN")
    parser.add_argument("--lr", type=float, default=1e-4, help="cryoDRGN's rate of learning")
    parser.add_argument("--width", type=int, default=128, help="of cryoDRGN's decoder")
    parser.add_argument("--layers", type=int, default=3, help="of cryoDRGN's decoder")
    parser.add_argument("--true-poses", action="store_true")
    parser.add_argument("--ours", action="store_true", help="the stage landscape as well")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as spare:
        folder = asked.keep or Path(spare)
        folder.mkdir(parents=True, exist_ok=True)
        sample = hinge(asked.scenes or folder, asked.seed, asked.noise, asked.particles)
        if asked.true_poses:
            sample.table = replace(
                sample.table,
                positions_angstrom=sample.positions_angstrom,
                angles_deg=angles_of_matrices(sample.rotations),
            )
        if asked.ours:
            judge_ours(sample, folder / "landscape")
        choices = (
            *("--ntilts", str(asked.tilts), "--lr", str(asked.lr)),
            *("--dec-dim", str(asked.width), "--dec-layers", str(asked.layers)),
        )
        judge_peer(asked.python, sample, DOSE[asked.noise], asked.minutes, choices, folder)


if __name__ == "__main__":
    main()
