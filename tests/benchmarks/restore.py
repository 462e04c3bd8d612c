"""Restoration against known truth, beside a peer, and on the real series.

    python tests/benchmarks/restore.py [--methods 3d 2d] [--seeds 1 2] [--halves noise frames tilts]

Crowded scenes with membranes, two tomograms of 160^3 voxels of 10 A a sample, 41 tilts of
3 e/A^2, true alignment and CTF; the network sees nothing but the tomograms. Halves have the
images' noise dealt out (or frames: electrons dealt out as those of every other frame are). As
controls the best linear filter alone, and a smoothed tomogram of which only the positive part is
left: a specimen is nowhere lighter than ice, and knowing no more than that fills much of the
wedge at coarse spacings. What was learnt shows in the finer shells. ``--peer-python`` names a
Python in which DeepDeWedge runs on the same tomograms for as long.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
from report import figure
from restoration_truth import Figures, Truth, elongation
from scipy.ndimage import gaussian_filter
from stage_runner import RecordingTask, run_stage

from tomotui.formats.mrc import write_stack
from tomotui.records import RECORD, AnyRecord, Tomogram
from tomotui.resources import sample_data_folder
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation
from tomotui.simulate.simulation import Simulation
from tomotui.stages.base import Inputs
from tomotui.stages.restore_inputs import load_material, subjects_of

PER_SAMPLE = 2
SHOWN_ANGSTROM = (200, 100, 70, 50, 40, 35, 30, 27)


def make_scene(seed: int, number: int, halves: str, folder: Path) -> list[AnyRecord]:
    """Simulate and reconstruct one tomogram, or take it from where it was made before."""
    place = folder / f"sample{seed}-{number}-{halves}"
    kept = place / "records.json"
    if kept.exists():
        return [RECORD.validate_python(one) for one in json.loads(kept.read_text())]
    simulation = simulate_tilt_series(
        SimulationParameters(
            name=f"s{seed}t{number}",
            seed=1000 * seed + number,
            size_px=320,
            pixel_size_angstrom=5.0,
            thickness_angstrom=1400.0,
            n_particles=45,
            n_vesicles=2,
            vesicle_min_radius_angstrom=220.0,
            vesicle_max_radius_angstrom=400.0,
            crowding=0.1,
            axis_deg=4.0,
            truth_binning=2,
            shift_min_angstrom=0.0,
        )
    )
    stack = write_simulation(simulation, place)[0]
    series = simulation.series.replace(stack_path=str(stack))
    if halves == "frames":
        series = series.replace(**_dealt_out(simulation, place, seed))
    made = run_stage(
        "reconstruct",
        RecordingTask(place, series.name),
        [series, simulation.alignment, simulation.ctf],
        {"binning": 2, "thickness_angstrom": 1600, "frame": "alignment", "halves": halves},
    ).records[-1]
    assert simulation.volume is not None
    np.save(place / "truth.npy", simulation.volume)
    records = [series, simulation.alignment, simulation.ctf, made]
    kept.write_text(json.dumps([one.model_dump(mode="json") for one in records]))
    return records


def _dealt_out(simulation: Simulation, place: Path, seed: int) -> dict[str, str]:
    """Write two stacks between which every electron was dealt out by chance."""
    counts = np.clip(simulation.stack, 0, None).astype(np.int64)
    even = np.random.default_rng(seed).binomial(counts, 0.5)
    paths = {"even_stack_path": place / "even.mrc", "odd_stack_path": place / "odd.mrc"}
    pixel = simulation.parameters.pixel_size_angstrom
    for path, part in zip(paths.values(), (even, counts - even), strict=True):
        write_stack(path, (2 * part).astype(np.int16), pixel, "int16")
    return {name: str(path) for name, path in paths.items()}


def truth_of(records: list[AnyRecord], folder: Path) -> Truth:
    """Return the truth beside a tomogram."""
    tomogram = next(one for one in records if isinstance(one, Tomogram))
    place = Path(tomogram.path).parent
    told = json.loads((place / "truth.json").read_text())
    centres = [
        p["position_angstrom"]
        for p in told["particles"]
        if p["species_number"] == 1 and p["in_field"]
    ]
    radius = told["species"][0]["radius_angstrom"]
    return Truth(
        np.load(place / "truth.npy"),
        tomogram.size_xyz[2],
        tomogram.pixel_size_angstrom,
        60.0,
        (np.array(centres), radius),
    )


def bright(path: str | Path) -> np.ndarray:
    """Return a tomogram with protein bright."""
    return -np.asarray(mrcfile.read(path), dtype=np.float32)


def filtered(records: list[AnyRecord], folder: Path) -> np.ndarray:
    """Return a tomogram with the best linear filter alone: what the network is given."""
    by_kind: dict[str, list[AnyRecord]] = {}
    for record in records:
        by_kind.setdefault(record.kind, []).append(record)
    task = RecordingTask(folder / "filtered", "filtered")
    subject = subjects_of(task, Inputs(by_kind))[0]
    return np.asarray(load_material(task, subject, "cpu").inputs.mean(dim=0))


def elongation_of(found: list[Figures]) -> float:
    """Return the elongation of the mean particle of a sample."""
    return elongation(np.sum([one.particles for one in found], axis=0))


def report(name: str, found: list[Figures], before: list[Figures] | None) -> None:
    """Print the means over the tomograms of a sample, and how shells compare with before."""

    def mean(what: str) -> Any:
        return np.mean([getattr(one, what) for one in found], axis=0)

    target = "-" if before is None else ">= 0.45" if " 3d" in name else "-"
    figure(f"{name}: correlation in the wedge", mean("wedge"), "", target)
    figure(f"{name}: correlation outside it", mean("measured"), "")
    figure(f"{name}: correlation of the whole", mean("whole"), "")
    figure(f"{name}: elongation along z", elongation_of(found), "")
    for what in ("fsc_measured", "fsc_wedge"):
        curve = mean(what)
        shown = " ".join(
            f"{a}:{curve[min(int(800 / a), len(curve) - 1)]:.2f}" for a in SHOWN_ANGSTROM
        )
        print(f"  {what:12s} at A  {shown}")
    if before is not None:
        gain = mean("fsc_measured") - np.mean([one.fsc_measured for one in before], axis=0)
        figure(f"{name}: worst shell outside, gain", float(gain[3:].min()), "", ">= 0")


def sample(
    seed: int, halves: str, methods: list[str], folder: Path, settings: dict[str, Any]
) -> None:
    """Train on the tomograms of a sample, restore them, and compare with the truth."""
    scenes = [make_scene(seed, number, halves, folder) for number in range(PER_SAMPLE)]
    truths = [truth_of(records, folder) for records in scenes]
    tomograms = [next(r for r in records if isinstance(r, Tomogram)) for records in scenes]
    before = [t.figures(bright(one.path)) for t, one in zip(truths, tomograms, strict=True)]
    name = f"seed {seed} {halves}"
    report(f"{name} before", before, None)
    linear = [t.figures(filtered(r, folder)) for t, r in zip(truths, scenes, strict=True)]
    report(f"{name} filtered", linear, None)
    clipped = [
        t.figures(np.maximum(gaussian_filter(bright(one.path), 1.0), 0))
        for t, one in zip(truths, tomograms, strict=True)
    ]
    report(f"{name} clipped", clipped, None)
    true_length = elongation(sum(t.particle_sum(t.volume) for t in truths))
    figure(f"{name} truth: elongation along z", true_length, "")
    for method in methods:
        place = folder / f"restored{seed}-{halves}-{method}"
        task = RecordingTask(place, "sample")
        (place / "checkpoint.pt").unlink(missing_ok=True)
        began = time.perf_counter()
        everything = [record for records in scenes for record in records]
        trained = run_stage("restore-train", task, everything, {"method": method, **settings})
        training = time.perf_counter() - began
        after = []
        for records, truth in zip(scenes, truths, strict=True):
            apply_task = RecordingTask(place, records[0].name)
            result = run_stage("restore", apply_task, [*records, *trained.records])
            after.append(truth.figures(bright(result.records[0].path)))
            print(f"  {result.summary}", flush=True)
        whole = time.perf_counter() - began
        report(f"{name} {method}", after, before)
        shrunk = elongation_of(after) / elongation_of(linear)
        figure(f"{name} {method}: elongation over filtered", shrunk, "", "< 0.5")
        limit = "< 600" if settings.get("preset", "preview") == "preview" else "-"
        figure(f"{name} {method}: training", training, "s")
        figure(f"{name} {method}: training and applying", whole, "s", limit)


def peer(seed: int, halves: str, folder: Path, python: Path, seconds: float) -> None:
    """Run DeepDeWedge on the same tomograms in the same time, and compare."""
    scenes = [make_scene(seed, number, halves, folder) for number in range(PER_SAMPLE)]
    out = folder / f"peer{seed}-{halves}"
    tomograms = [next(r for r in records if isinstance(r, Tomogram)) for records in scenes]
    pairs = [path for one in tomograms for path in (one.half_paths or ())]
    script = Path(__file__).with_name("deepdewedge.py")
    words = [str(python), str(script), "--out", str(out), "--seconds", str(seconds), *pairs]
    began = time.perf_counter()
    subprocess.run(words, check=True)
    whole = time.perf_counter() - began
    truths = [truth_of(records, folder) for records in scenes]
    before = [t.figures(bright(one.path)) for t, one in zip(truths, tomograms, strict=True)]
    after = [t.figures(bright(out / f"refined_{n}.mrc")) for n, t in enumerate(truths)]
    report(f"seed {seed} {halves} DeepDeWedge", after, before)
    figure(f"seed {seed} {halves} DeepDeWedge: all", whole, "s")


def real(folder: Path, settings: dict[str, Any]) -> None:
    """Align, reconstruct and restore EMPIAR-10499 00254 at 20 A, with what the null test says."""
    stack = sample_data_folder() / "empiar_10499_00254.mrc"
    task = RecordingTask(folder / "real", "00254")
    series = run_stage("import", task, (), {"stack": str(stack)}).records[0]
    alignment = run_stage("align", task, [series]).records[0]
    made = run_stage("reconstruct", task, [series, alignment]).records
    alignment = next((r for r in made if r.kind == "alignment"), alignment)
    records = [series, alignment, made[-1]]
    trained = run_stage("restore-train", task, records, settings)
    result = run_stage("restore", task, [*records, *trained.records], {"uncertainty": True})
    for name, value in result.metrics.items():
        figure(f"real: {name}", value, "")
    print(f"  {made[-1].path}\n  {result.records[0].path}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--methods", nargs="*", default=["3d", "2d"])
    parser.add_argument("--halves", nargs="*", default=["noise", "frames"])
    parser.add_argument("--preset", default="preview")
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--set", nargs="*", default=[], help="parameters of restore-train")
    parser.add_argument("--keep", type=Path, default=None, help="scenes, for the next time")
    parser.add_argument("--real", action="store_true", help="the real series too")
    parser.add_argument("--peer-python", type=Path, default=None)
    parser.add_argument("--peer-seconds", type=float, default=600.0)
    arguments = parser.parse_args()
    settings: dict[str, Any] = {"preset": arguments.preset}
    if arguments.steps:
        settings["steps"] = arguments.steps
    for word in arguments.set:
        key, _, value = word.partition("=")
        settings[key] = json.loads(value)
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        for seed in arguments.seeds:
            for halves in arguments.halves:
                if arguments.methods:
                    sample(seed, halves, arguments.methods, folder, settings)
                if arguments.peer_python is not None:
                    peer(seed, halves, folder, arguments.peer_python, arguments.peer_seconds)
        if arguments.real:
            real(folder, settings)
    figure("peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "GiB")


if __name__ == "__main__":
    main()
