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
    Scene,
    best_score,
    make_scene,
    scored,
)
from report import figure

from tomotui.project import Project
from tomotui.records.particle_table import ParticleTable

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


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenes", type=Path, help="keep the simulated tomograms here")
    parser.add_argument("--keep", type=Path, help="keep the projects here")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for seed in chosen.seeds:
            folder = (chosen.keep or Path(temporary)) / f"seed{seed}"
            folder.mkdir(parents=True)
            sample(seed, chosen.rounds, chosen.scenes or Path(temporary) / "scenes", folder)


if __name__ == "__main__":
    main()
