"""Picking against known truth: the loop of marking, training, searching and judging.

    python tests/benchmarks/picking.py [--seeds 1 2] [--rounds 3] [--eman]

An oracle that knows the truth is the user, and works through the command line: it marks a few
particles of each of three species (8 A beside their places, as a hand would), a network is trained
and looks through two tomograms, the oracle judges the first candidates of the queue, and so on.
A hit lies within half a radius. ``at 0.5`` are all candidates that the program itself calls more
likely than not, with what was judged as it was judged; ``best`` is at the threshold where F1 is
highest, as one would choose it who knew the truth. ``--eman`` trains a reproduction of EMAN2's
picking network on the same judgements.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from picking_scenes import (
    DIAMETER_ANGSTROM,
    PER_SAMPLE,
    SPECIES,
    STRUCTURES,
    Scene,
    best_score,
    make_scene,
    scored,
)
from report import figure
from scipy.spatial.distance import cdist
from stage_runner import RecordingTask

from tomotui.algorithms.curate.audit import Stratum, draw_sample, precision
from tomotui.algorithms.pick.volumes import Volume
from tomotui.project import Project
from tomotui.records import AnyRecord
from tomotui.records.particle_table import ParticleTable
from tomotui.stages.base import Inputs
from tomotui.stages.pick_inputs import load_volume
from tomotui.stages.restore_inputs import subjects_of

MARKED = 5
"""Particles of each species that are marked at the beginning."""

JUDGED = {"ribosome": (15, 0), "proteasome": (17, 18), "rubisco": (17, 18)}
"""Candidates that are judged after the first and the second search."""

TARGETS = {("ribosome", 1): 0.9, ("ribosome", 2): 0.9, ("proteasome", 2): 0.8}
"""F1, by species and round: after 20 decisions, and after 40."""

MARKING_ERROR_ANGSTROM = 8.0


def tomotui(*words: str) -> str:
    """Run the program and return what it prints."""
    run = subprocess.run(
        [sys.executable, "-m", "tomotui", *words], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise SystemExit(f"tomotui {' '.join(words)}: {run.stdout}{run.stderr}")
    return run.stdout


class Loop:
    """A project whose user is an oracle.

    Parameters
    ----------
    scenes
        Its tomograms.
    folder
        For the project and the truth.
    """

    def __init__(self, scenes: list[Scene], folder: Path) -> None:
        self.scenes, self.folder = scenes, folder
        self.project = str(folder / "project")
        tomotui("init", self.project)
        with Project.open(self.project) as project:
            for scene in scenes:
                project.add_records(scene.records)
        for species in SPECIES:
            with (folder / f"{species}.csv").open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["tomogram", "x", "y", "z"])
                for scene in scenes:
                    name = scene.records[0].name
                    writer.writerows([name, *p] for p in scene.positions_angstrom[species])

    def judge(self, species: str, command: str, *more: str) -> None:
        """Let the oracle do something."""
        script = self.folder / "script.txt"
        script.write_text(command + "\n")
        truth = str(self.folder / f"{species}.csv")
        words = ["curate", species, "--script", str(script), "--oracle", truth]
        tomotui(*words, *more, "-p", self.project)

    def search(self) -> tuple[float, float]:
        """Train and look through all tomograms; returns seconds of both."""
        times = []
        for stage in ("pick-train", "pick"):
            began = time.perf_counter()
            tomotui("run", stage, "-p", self.project, "--wait")
            times.append(time.perf_counter() - began)
        return times[0], times[1]

    def table(self, species: str) -> ParticleTable:
        """Return the candidates as they are now."""
        with Project.open(self.project, read_only=True) as project:
            found = project.particle_set_named(species)
            assert found is not None
            return project.particle_table([found.uid])


def report(loop: Loop, species: str, round_number: int, name: str) -> None:
    """Print what the candidates of a species are worth."""
    table, diameter = loop.table(species), DIAMETER_ANGSTROM[species]
    truths = [scene.positions_angstrom[species] for scene in loop.scenes]
    mine = [table.tomogram_uids == scene.tomogram.uid for scene in loop.scenes]
    kept = (table.decisions == "accepted") | (
        (table.decisions == "undecided") & (table.scores >= 0.5)
    )
    found = scored([table.positions_angstrom[kept & m] for m in mine], truths, diameter)
    known = np.isfinite(table.scores)
    best, threshold = best_score(
        [table.positions_angstrom[known & m] for m in mine],
        [table.scores[known & m] for m in mine],
        truths,
        diameter,
    )
    decisions = int(np.isin(table.decisions, ("accepted", "rejected")).sum())
    accepted = int((table.decisions == "accepted").sum())
    target = TARGETS.get((species, round_number))
    words = f">= {target}" if target else "-"
    print(f"{name} round {round_number} {species}: {accepted} of {decisions} accepted")
    figure(f"{name} round {round_number} {species}: F1 at 0.5", found.f1, "", words)
    figure(f"{name} round {round_number} {species}: best F1 of scores", best.f1, "", words)
    print(
        f"  at 0.5 precision {found.precision:.2f} recall {found.recall:.2f}; best at "
        f"{threshold:.2f}: precision {best.precision:.2f} recall {best.recall:.2f}"
    )
    if len(best.errors_angstrom):
        middle = float(np.median(best.errors_angstrom))
        figure(f"{name} round {round_number} {species}: position error", middle, "A", "<= 10")


def sample(seed: int, rounds: int, scenes_folder: Path, folder: Path) -> Loop:
    """Go through the loop on one sample."""
    scenes = [make_scene(seed, number, scenes_folder) for number in range(PER_SAMPLE)]
    loop = Loop(scenes, folder)
    name = f"seed {seed}"
    for species, diameter in DIAMETER_ANGSTROM.items():
        mark = f"mark {MARKED} {seed} {MARKING_ERROR_ANGSTROM}"
        loop.judge(species, mark, "--new", "--diameter", str(diameter))
    for round_number in range(rounds):
        training, looking = loop.search()
        figure(f"{name} round {round_number}: training", training, "s")
        figure(f"{name} round {round_number}: looking", looking, "s")
        figure(f"{name} round {round_number}: both", training + looking, "s", "< 240")
        for species in SPECIES:
            report(loop, species, round_number, name)
        for species, counts in JUDGED.items():
            if round_number < len(counts) and counts[round_number]:
                loop.judge(species, f"next {counts[round_number]}")
    return loop


def eman(loop: Loop, name: str) -> None:
    """Train EMAN2's network on the judgements of the loop, and compare."""
    from eman_picker import RATE, SHOWN_RATE, search, train

    volumes = [volume_of(scene, loop.folder) for scene in loop.scenes]
    for species, diameter in DIAMETER_ANGSTROM.items():
        table = loop.table(species)
        judged = table.select(np.isin(table.decisions, ("accepted", "rejected")))
        numbers = np.array(
            [[s.tomogram.uid for s in loop.scenes].index(uid) for uid in judged.tomogram_uids]
        )
        voxels = np.zeros((len(judged), 3))
        for number, volume in enumerate(volumes):
            mine = numbers == number
            voxels[mine] = volume.to_voxels(judged.positions_angstrom[mine])
        truths = [scene.positions_angstrom[species] for scene in loop.scenes]
        for words, rate in (("as it ships", RATE), ("at the rate it shows", SHOWN_RATE)):
            began = time.perf_counter()
            images = [volume.image for volume in volumes]
            accepted = judged.decisions == "accepted"
            model = train(images, numbers, voxels, accepted, rate)
            radius = diameter / 2 / float(volumes[0].voxel_zyx_angstrom[0])
            found = [search(model, image, radius) for image in images]
            places = [v.to_angstrom(f[0]) for v, f in zip(volumes, found, strict=True)]
            best, _ = best_score(places, [f[1] for f in found], truths, diameter)
            figure(f"{name} EMAN2 {words} {species}: best F1", best.f1, "", "less")
            figure(f"{name} EMAN2 {words} {species}: time", time.perf_counter() - began, "s")


def audited(loop: Loop, name: str) -> None:
    """Audit the undecided candidates with ten random samples each, and count right intervals."""
    covered = tried = 0
    for species, diameter in DIAMETER_ANGSTROM.items():
        table = loop.table(species)
        open_ = table.select((table.decisions == "undecided") & (table.scores >= AUDITED_SCORE))
        right = np.zeros(len(open_), dtype=bool)
        for scene in loop.scenes:
            here = open_.tomogram_uids == scene.tomogram.uid
            gaps = cdist(open_.positions_angstrom[here], scene.positions_angstrom[species])
            right[here] = gaps.min(axis=1) <= diameter / 4
        for seed in range(10):
            chosen, _, sizes = draw_sample(open_.scores, AUDITED, seed)
            accepted = int(right[chosen].sum())
            stratum = Stratum(int(sizes[0]), accepted, len(chosen) - accepted)
            found = precision([stratum])
            covered += found.low <= right.mean() <= found.high
            tried += 1
        words = f"{len(open_)} candidates, true precision {right.mean():.2f}"
        print(f"{name} audit of {species}: {words}, last interval {found.low:.2f}-{found.high:.2f}")
    figure(f"{name} audits whose interval holds the truth", covered / tried, "", ">= 0.9")


AUDITED, AUDITED_SCORE = 20, 0.2
"""Candidates in a sample, and the score above which they are drawn."""


def volume_of(scene: Scene, folder: Path) -> Volume:
    """Return a tomogram as the picking networks are given it, at its own sampling."""
    task = RecordingTask(folder / "volume", "volume")
    by_kind: dict[str, list[AnyRecord]] = {}
    for record in scene.records:
        by_kind.setdefault(record.kind, []).append(record)
    subject = subjects_of(task, Inputs(by_kind))[0]
    return load_volume(task, subject, scene.tomogram.pixel_size_angstrom, "cpu")


def matched(loop: Loop, name: str) -> None:
    """Look for the species with templates from their atoms, and compare."""
    for species, file in SPECIES.items():
        target = f"{species}-matched"
        began = time.perf_counter()
        choices = {
            "template": str(STRUCTURES / file),
            "particles": target,
            "diameter_angstrom": str(DIAMETER_ANGSTROM[species]),
            "max_candidates": "400",
            **MATCHING.get(species, {}),
        }
        words = [word for key, value in choices.items() for word in ("--set", f"{key}={value}")]
        tomotui("run", "match", "-p", loop.project, "--wait", *words)
        figure(f"{name} matching {species}: time", time.perf_counter() - began, "s")
        table, diameter = loop.table(target), DIAMETER_ANGSTROM[species]
        mine = [table.tomogram_uids == scene.tomogram.uid for scene in loop.scenes]
        truths = [scene.positions_angstrom[species] for scene in loop.scenes]
        places = [table.positions_angstrom[m] for m in mine]
        best, _ = best_score(places, [table.scores[m] for m in mine], truths, diameter)
        figure(f"{name} matching {species}: best F1", best.f1, "", "-")


MATCHING = {"proteasome": {"symmetry": "D7"}, "rubisco": {"symmetry": "D4"}}
"""What is known of each species beside its atoms."""


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenes", type=Path, help="keep the simulated tomograms here")
    parser.add_argument("--eman", action="store_true", help="also train EMAN2's network")
    parser.add_argument("--matching", action="store_true", help="also match templates")
    parser.add_argument("--keep", type=Path, help="keep the projects here")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for seed in chosen.seeds:
            folder = (chosen.keep or Path(temporary)) / f"seed{seed}"
            folder.mkdir(parents=True)
            scenes = chosen.scenes or Path(temporary) / "scenes"
            loop = sample(seed, chosen.rounds, scenes, folder)
            audited(loop, f"seed {seed}")
            if chosen.eman:
                eman(loop, f"seed {seed}")
            if chosen.matching:
                matched(loop, f"seed {seed}")


if __name__ == "__main__":
    main()
