"""Template matching: speed beside a peer, and particles found in crowded scenes of known truth.

    python tests/benchmarks/matching.py [--peer-python PY] [--species ribosome ...] [--keep DIR]

Speed is that of a search alone, in voxels of the tomogram times orientations a second, on the same
volume, template and orientations, both programs by turns; processor seconds are told beside those
on the wall, for machines that are shared. Scenes are those of `picking_scenes`; the template is the
atomic model that they were made of, at the resolution given. A scene with small proteins and
membranes, but without any particle, shows whether as many candidates come as were expected.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from picking_scenes import (
    DIAMETER_ANGSTROM,
    SPECIES,
    STRUCTURES,
    Scene,
    best_score,
    make_scene,
    scored,
)
from report import figure
from scipy.spatial.distance import cdist
from stage_runner import RecordingTask, run_stage

from tomotui.algorithms.match.field import Band, prepare
from tomotui.algorithms.match.kernels import Kernels
from tomotui.algorithms.match.search import Search
from tomotui.algorithms.match.template import Density, make_template
from tomotui.algorithms.match.tiles import plan_tiles
from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.restore.comb import Comb
from tomotui.geometry import rotation_y
from tomotui.geometry.angles import super_fibonacci
from tomotui.geometry.poses import matrices_of_angles
from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations
from tomotui.records import AnyRecord
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation

VOXEL_ANGSTROM = 10.0
ASYMMETRIC = ("ribosome",)
"""The axes of the other atomic models do not lie along z: they are matched as if they had none."""

SPEED_SHAPE = (96, 160, 160)
SPEED_RADIUS = 13.0
FEW, MANY = 4, 36
SCENE_FALSE_POSITIVES = 50.0


class Seconds(NamedTuple):
    """That an orientation takes."""

    wall: float
    cpu: float


def speed(peer_python: Path | None, rounds: int, threads: int, folder: Path) -> None:
    """Print how fast a search is, beside the peer's."""
    chance = np.random.default_rng(0)
    side = 2 * (int(SPEED_RADIUS) + 3)
    z, y, x = np.indices((side,) * 3) - side // 2
    mask = np.clip(SPEED_RADIUS + 0.5 - np.sqrt(z**2 + y**2 + x**2), 0, 1).astype(np.float32)
    arrays = {
        "target": chance.normal(size=SPEED_SHAPE).astype(np.float32),
        "template": chance.normal(size=mask.shape).astype(np.float32) * mask,
        "mask": mask,
        "rotations": super_fibonacci(MANY).astype(np.float32),
    }
    path = folder / "speed.npz"
    np.savez(path, **arrays)
    found: dict[str, list[Seconds]] = {"ours": [], "ours with null": [], "pyTME": []}
    for _ in range(rounds):
        found["ours"].append(own_seconds(arrays, threads, with_null=False))
        found["ours with null"].append(own_seconds(arrays, threads, with_null=True))
        if peer_python is not None:
            found["pyTME"].append(peer_seconds(peer_python, path, threads))
    voxels = float(np.prod(SPEED_SHAPE)) / 1e6
    for name, times in found.items():
        for what in ("cpu", "wall") if times else ():
            best = min(getattr(one, what) for one in times)
            templates = 2 if "null" in name else 1
            rate = templates * voxels / best
            figure(f"speed {name}: {what}", rate, "Mvoxel/s")
    if found["pyTME"]:
        ratio = min(t.cpu for t in found["pyTME"]) / min(t.cpu for t in found["ours"])
        figure("speed over pyTME: cpu", ratio, "", ">= 1")
        both = 2 * min(t.cpu for t in found["pyTME"]) / min(t.cpu for t in found["ours with null"])
        figure("speed over pyTME with null: cpu", both, "", ">= 1")


def own_seconds(arrays: dict[str, Any], threads: int, with_null: bool) -> Seconds:
    """Return what an orientation takes here, wedge and filters and all."""
    torch.set_num_threads(threads)
    comb = Comb(rotation_y(np.arange(-60, 61, 3.0))[:, 2, :])
    radius = SPEED_RADIUS * VOXEL_ANGSTROM
    density = Density(torch.from_numpy(arrays["template"]), VOXEL_ANGSTROM, radius, (0, 0, 0))
    with torch.inference_mode():
        template = make_template(density, VOXEL_ANGSTROM, 30.0, radius, with_null=with_null)
        volume = -torch.from_numpy(arrays["target"])
        field = prepare(volume, VOXEL_ANGSTROM, Band(30.0, 0, False), Fraction(1), template.box)
        kernels = Kernels.of(template, comb, field.filter)
        plan = plan_tiles(field.shape, template.box, "cpu")
        rotations = torch.from_numpy(arrays["rotations"])
        search = Search(field, kernels, rotations, plan, Ranks())
        best = search.start()
        began, used = time.perf_counter(), time.process_time()
        search.run(best, lambda share: None, lambda state: None)
        n = len(rotations)
        return Seconds((time.perf_counter() - began) / n, (time.process_time() - used) / n)


def peer_seconds(python: Path, arrays: Path, threads: int) -> Seconds:
    """Return what an orientation takes the peer: the difference between many and few."""
    script = Path(__file__).with_name("pytme_matching.py")
    walls, used = [], [_children()]
    for n in (FEW, MANY):
        words = [str(python), str(script), str(arrays), str(n), str(threads)]
        told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        walls.append(float(json.loads(told.strip().splitlines()[-1])["wall"]))
        used.append(_children())
    n = MANY - FEW
    return Seconds((walls[1] - walls[0]) / n, (used[2] - 2 * used[1] + used[0]) / n)


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def match_scene(
    scene_records: list[AnyRecord], species: str, place: Path, choices: dict[str, Any]
) -> Any:
    """Run the stage as a user does, and return its result."""
    task = RecordingTask(place, "scene", threads=choices.pop("threads"))
    settings = {
        "template": str(STRUCTURES / SPECIES[species]),
        "particles": species,
        "for_review": 0,
        **choices,
    }
    began, used = time.perf_counter(), time.process_time()
    result = run_stage("match", task, scene_records, settings)
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    print(f"  {species}: {result.summary}; {wall:.0f} s, {cpu:.0f} s of processor", flush=True)
    return result


def threshold_of(details: Path, false_positives: float) -> float:
    """Return the score above which so many candidates by chance were expected."""
    with np.load(details) as kept:
        allowed = kept["expected_above"] <= false_positives
        return float(kept["edges"][:-1][allowed].min())


def report(name: str, result: Any, scene: Scene, species: str, place: Path) -> None:
    """Print what was found, at the threshold for one false positive and at the best one."""
    table, diameter = result.candidates[0].table, DIAMETER_ANGSTROM[species]
    everyone, rotations = scene.positions_angstrom[species], scene.rotations[species]
    half = np.array(scene.tomogram.size_xyz) * scene.tomogram.pixel_size_angstrom / 2
    # Those that a face cuts are not looked for; found none the less, they are not false.
    whole = (half - np.abs(everyone) >= diameter / 4).all(axis=1)
    true, rotations = everyone[whole], rotations[whole]
    threshold = threshold_of(place / "match.npz", 1.0)
    kept = table.select(table.scores >= threshold)
    score = scored([kept.positions_angstrom], [true], diameter)
    figure(f"{name}: recall at threshold", score.recall, "", ">= 0.9")
    right = scored([kept.positions_angstrom], [everyone], diameter)
    figure(f"{name}: precision at threshold", right.precision, "", ">= 0.9")
    figure(f"{name}: false ones, 1 expected", right.n_picks - right.hits, "", "0 to 4")
    more = table.select(table.scores >= threshold_of(place / "match.npz", 10.0))
    ten = scored([more.positions_angstrom], [everyone], diameter)
    figure(f"{name}: false ones, 10 expected", ten.n_picks - ten.hits, "", "5 to 20")
    best, _ = best_score([table.positions_angstrom], [table.scores], [true], diameter)
    figure(f"{name}: best F1", best.f1, "", ">= 0.9")
    figure(f"{name}: position error, median", float(np.median(score.errors_angstrom)), "A", "< 10")
    if not score.hits or species not in ASYMMETRIC:
        return
    distance = cdist(true, kept.positions_angstrom)
    hit = distance.min(axis=1) <= diameter / 4
    poses = matrices_of_angles(kept.angles_deg)[distance.argmin(axis=1)[hit]]
    group = symmetry_rotations("C1")
    angles = symmetric_angle_deg(poses, rotations[hit], group)
    figure(f"{name}: orientation error, median", float(np.median(angles)), "deg", "< 5")


def make_empty(folder: Path, seed: int) -> list[AnyRecord]:
    """Return the records of a small tomogram of small proteins alone."""
    place = folder / f"empty{seed}"
    simulation = simulate_tilt_series(
        SimulationParameters(
            name="empty",
            seed=seed,
            size_px=256,
            pixel_size_angstrom=5.0,
            thickness_angstrom=1000.0,
            n_particles=0,
            n_vesicles=0,
            crowding=0.12,
            axis_deg=4.0,
            shift_min_angstrom=0.0,
            truth_binning=0,
        )
    )
    stack = write_simulation(simulation, place)[0]
    series = simulation.series.replace(stack_path=str(stack))
    records: list[AnyRecord] = [series, simulation.alignment, simulation.ctf]
    choices = {"binning": 2, "thickness_angstrom": 1280, "frame": "alignment"}
    made = run_stage("reconstruct", RecordingTask(place, "empty"), records, choices)
    return [*records, *made.records]


def null_calibration(folder: Path, species: str, seeds: list[int], choices: Any) -> None:
    """Print how many candidates come where there is no particle."""
    counts = []
    for seed in seeds:
        records, place = make_empty(folder, seed), folder / f"null{seed}"
        result = match_scene(records, species, place, {**choices, "expected_false_positives": 10})
        counts.append(len(result.candidates[0].table))
    figure("candidates without particles, 10 expected", float(np.mean(counts)), "", "5 to 20")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", type=Path, default=None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--species", nargs="*", default=["ribosome"])
    parser.add_argument("--resolution", type=float, default=None, help="of the search, Angstrom")
    parser.add_argument("--set", nargs="*", default=[], help="parameters of match")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1])
    parser.add_argument("--tomograms", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=None, help="scenes, for the next time")
    parser.add_argument("--crowd", type=int, default=0, help="ribosomes, in scenes of them alone")
    parser.add_argument("--only", choices=("speed", "scenes", "null"), default=None)
    arguments = parser.parse_args()
    choices: dict[str, Any] = {"threads": arguments.threads}
    if arguments.resolution:
        choices["resolution_angstrom"] = arguments.resolution
    for word in arguments.set:
        key, _, value = word.partition("=")
        choices[key] = json.loads(value)
    with tempfile.TemporaryDirectory() as name:
        folder, scratch = arguments.keep or Path(name), Path(name)
        if arguments.only in (None, "speed"):
            speed(arguments.peer_python, arguments.rounds, arguments.threads, scratch)
        for seed in arguments.seeds if arguments.only in (None, "scenes") else ():
            for number in range(arguments.tomograms):
                crowd = {"ribosome": arguments.crowd} if arguments.crowd else None
                scene = make_scene(seed, number, folder, crowd)
                for species in crowd or arguments.species:
                    place = scratch / f"{seed}-{number}-{species}"
                    settings = {**choices, "expected_false_positives": SCENE_FALSE_POSITIVES}
                    result = match_scene(scene.records, species, place, settings)
                    report(f"scene {seed}-{number} {species}", result, scene, species, place)
        if arguments.only in (None, "null"):
            null_calibration(scratch, arguments.species[0], arguments.seeds, choices)
    figure("peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "GiB")


if __name__ == "__main__":
    sys.exit(main())
