"""Running the stages one after the other, and judging each.

Limits come from what the stages reached on two cores when they were set, with room for other
processors and libraries: import 5e-8 px, motion 0.15 px, align 0.29 px and 0.04 degrees, CTF 42 A,
reconstruct 0.81, match 0.84 and 2.7 degrees, extract 0.95, refine 0.96 and 32 A, which is all that
its pixels hold, pick 0.94, restore 0.87 and 0.06, classify 0.98 and 1.0, landscape 0.84. They tell
that a stage works here, not how good it can be: the scenes are small and coarse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tomotui.bench import judges
from tomotui.bench.learning import judge_picking, judge_restoring
from tomotui.bench.report import Check, Figure
from tomotui.bench.scenes import (
    DIAMETER_ANGSTROM,
    KNOWN,
    MOVIE_SERIES,
    MOVIES,
    RAW,
    RINGS,
    SERIES,
    Tell,
    make_movies,
    make_rings,
    make_scene,
)
from tomotui.bench.variation import judge_classes, judge_landscape
from tomotui.bench.workshop import Bench, CheckFailed, remove
from tomotui.formats.mrc import read_volume
from tomotui.project import Project, ProjectError
from tomotui.records import (
    Alignment,
    Ctf,
    Map,
    Particle,
    ParticleSet,
    Target,
    Tomogram,
)
from tomotui.simulate import alignment_error
from tomotui.simulate.output import particle_records

TOMOGRAM_ANGSTROM = 24.0
TRUE_SET = "true"


def _import(bench: Bench) -> list[Figure]:
    stack = {"stack": str(bench.scene.stack)}
    star = str(bench.scene.known_geometry)
    known = {**stack, "alignment": star, "ctf": star}
    targets = [Target(name=RAW, parameters=stack), Target(name=KNOWN, parameters=known)]
    bench.run("import", {}, *targets)
    truth = bench.scene.simulation
    alignment: Alignment = bench.latest("alignment", KNOWN)
    error = alignment_error(alignment, truth.alignment, SERIES.pixel_size_angstrom, _extent())
    tilts = bench.series(RAW).n_tilts - SERIES.n_tilts
    return [
        Figure("tilts missing", float(abs(tilts)), "", 0.0),
        Figure("imported alignment, error", error.rms_px, "px", 0.001),
    ]


def _motion(bench: Bench) -> list[Figure]:
    make_movies(bench.scene, bench.tell)
    files = {
        "movies": str(bench.scene.movies / f"{MOVIES}.mdoc"),
        "gain": str(bench.scene.movies / "gain.mrc"),
    }
    bench.run("motion", {}, Target(name=MOVIES, parameters=files))
    series = bench.series(MOVIES)
    with np.load(bench.path(series.details_path or "")) as details:
        found = details["shift_angstrom"] / MOVIE_SERIES.pixel_size_angstrom
    with np.load(bench.scene.movies / "motion.npz") as truth:
        error = judges.motion_error_px(found, truth["shift_px"])
    return [Figure("paths of frames, error", error, "px", 0.3)]


def _align(bench: Bench) -> list[Figure]:
    choices = {
        "tilt_axis_deg": SERIES.axis_deg - 3.0,
        "thickness_angstrom": 1600.0,
        "n_landmarks": 40,
        "rounds": 3,
        "local": "off",
        "gold": False,
    }
    bench.run("align", choices, Target(name=RAW))
    found: Alignment = bench.latest("alignment", RAW)
    truth = bench.scene.simulation.alignment
    error = alignment_error(found, truth, SERIES.pixel_size_angstrom, _extent(), best_of_twins=True)
    return [
        Figure("projection error", error.rms_px, "px", 0.6),
        Figure("tilt axis, error", abs(error.axis_error_deg), "deg", 0.5),
    ]


def _ctf(bench: Bench) -> list[Figure]:
    stack, known, truth = make_rings(bench.scene, bench.tell)
    files = {"stack": str(stack), "alignment": str(known)}
    bench.run("import", {}, Target(name=RINGS, parameters=files))
    bench.run("ctf", {}, Target(name=RINGS))
    found: Ctf = bench.latest("ctf", RINGS)
    if found.verdict == "bad":
        # What is noted then is what the microscope was asked for, and no measurement.
        raise CheckFailed(found.note)
    wrong = float(found.handedness is not None and found.handedness != truth.handedness)
    return [
        Figure("defocus, error", judges.defocus_error_angstrom(found, truth), "A", 150.0),
        Figure("wrong hand", wrong, "", 0.0),
    ]


def _reconstruct(bench: Bench) -> list[Figure]:
    choices = {
        "voxel_size_angstrom": TOMOGRAM_ANGSTROM,
        "thickness_angstrom": 1200.0,
        "frame": "alignment",
    }
    bench.run("reconstruct", choices, Target(name=KNOWN))
    tomogram: Tomogram = bench.latest("tomogram", KNOWN)
    alike = judges.volume_correlation(bench.path(tomogram.path), bench.scene.true_volume)
    return [Figure("correlation with the truth", alike, "", 0.65, "higher")]


def _match(bench: Bench) -> list[Figure]:
    choices = {
        "template": str(bench.scene.species_map),
        "particles": "matched",
        "diameter_angstrom": DIAMETER_ANGSTROM,
        "resolution_angstrom": 72.0,
        "angle_step_deg": 24.0,
        "for_review": 0,
    }
    bench.run("match", choices, Target(name=KNOWN))
    table = bench.project.particle_table([_set(bench, "matched").uid])
    pairs = judges.Found(table.positions_angstrom, bench.true_places, DIAMETER_ANGSTROM / 4)
    turns = judges.turn_errors_deg(
        table.angles_deg[pairs.rows], bench.true_rotations[pairs.columns]
    )
    median = float(np.median(turns)) if len(turns) else float("nan")
    return [
        Figure("F1 against the truth", pairs.f1, "", 0.7, "higher"),
        Figure("orientations, median error", median, "deg", 6.0),
    ]


def _extract(bench: Bench) -> list[Figure]:
    _true_set(bench)
    choices = {"particles": [TRUE_SET], "shape": "volumes", "orientation": "pose", "binning": 2}
    folder = bench.run("extract", choices, Target(name="sample"))
    average, pixel = judges.averaged_subtomograms(
        folder / "particles_3d.star", bench.project.folder
    )
    return [Figure("average against the truth", _alike(bench, average, pixel), "", 0.8, "higher")]


def _refine(bench: Bench) -> list[Figure]:
    _true_set(bench)
    choices = {
        "particles": [TRUE_SET],
        "reference": str(bench.scene.species_map),
        "iterations": "p",
        "finest_binning": 2,
        "search": False,
    }
    bench.run("refine", choices, Target(name="sample"))
    made = [one for one in bench.project.records("map") if isinstance(one, Map)]
    if not made:
        raise CheckFailed("the refinement made no map")
    values, pixel = read_volume(bench.path(made[-1].unfiltered_path or made[-1].path))
    resolution = made[-1].resolution_angstrom or float("inf")
    return [
        Figure("map against the truth", _alike(bench, values, pixel), "", 0.85, "higher"),
        Figure("resolution", resolution, "A", 45.0),
    ]


STAGES: dict[str, Callable[[Bench], list[Figure]]] = {
    "import": _import,
    "motion": _motion,
    "align": _align,
    "ctf": _ctf,
    "reconstruct": _reconstruct,
    "match": _match,
    "extract": _extract,
    "refine": _refine,
    "pick": judge_picking,
    "restore": judge_restoring,
    "classify": judge_classes,
    "landscape": judge_landscape,
}
"""What is judged, in the order of work."""

NEEDED = {
    "align": ("import",),
    "reconstruct": ("import",),
    "match": ("import", "reconstruct"),
    "extract": ("import", "reconstruct"),
    "refine": ("import", "reconstruct"),
    "pick": ("import", "reconstruct"),
    "restore": ("import", "reconstruct"),
}
"""What has to run before a stage can be judged."""


def wanted_stages(names: Sequence[str]) -> list[str]:
    """Return the stages named and those they need, in the order of work; all for none."""
    wanted = set(names or STAGES)
    for name in tuple(wanted):
        wanted |= set(NEEDED.get(name, ()))
    return [name for name in STAGES if name in wanted]


def run_bench(names: Sequence[str], parent: Path | None, tell: Tell) -> Iterator[Check]:
    """Judge stages in a temporary project, which is taken away at the end, whatever happens.

    Parameters
    ----------
    names
        Stages; those they need run too. All for none.
    parent
        Where to make the temporary folder; the system's place by default.
    tell
        Is told what goes on.
    """
    began = time.perf_counter()
    scene = make_scene(parent, tell)
    try:
        images = scene.simulation.stack
        expected = SERIES.dose_e_per_a2 * SERIES.pixel_size_angstrom**2
        share = float(images.max(axis=0).mean() / expected)
        yield Check(
            "simulate",
            (Figure("electrons over the dose", share, "", 0.5, "higher"),),
            time.perf_counter() - began,
        )
        with Project.create(scene.project_folder, "bench") as project:
            bench = Bench(scene, project, tell)
            try:
                for name in wanted_stages(names):
                    yield _checked(bench, name)
            finally:
                bench.end()
    finally:
        remove(scene.folder)


def _checked(bench: Bench, name: str) -> Check:
    bench.tell(f"{name}: running")
    bench.device = ""
    began = time.perf_counter()
    try:
        figures, error = tuple(STAGES[name](bench)), ""
    except (CheckFailed, ProjectError, OSError, ValueError, KeyError) as problem:
        figures, error = (), str(problem).splitlines()[0] if str(problem) else repr(problem)
    return Check(name, figures, time.perf_counter() - began, bench.device, error)


def _extent() -> tuple[float, float, float]:
    side = SERIES.size_px * SERIES.pixel_size_angstrom
    return side, side, SERIES.thickness_angstrom


def _set(bench: Bench, name: str) -> ParticleSet:
    sets = [one for one in bench.project.records("particle_set") if isinstance(one, ParticleSet)]
    mine = [one for one in sets if one.name == name]
    if not mine:
        raise CheckFailed(f"there is no particle set {name}")
    return mine[-1]


def _true_set(bench: Bench) -> None:
    """Put the particles into the project where they truly are, once."""
    tomogram: Tomogram = bench.latest("tomogram", KNOWN)
    if any(getattr(one, "name", "") == TRUE_SET for one in bench.project.records("particle_set")):
        return
    whole = ParticleSet(name=TRUE_SET, diameter_angstrom=DIAMETER_ANGSTROM)
    true = particle_records(bench.scene.simulation)
    mine: list[Particle] = [
        one.model_copy(update={"tomogram_uid": tomogram.uid, "class_number": None}) for one in true
    ]
    bench.project.add_records([whole])
    bench.project.add_particles(whole.uid, mine)


def _alike(bench: Bench, values: Any, pixel: float) -> float:
    true, true_pixel = read_volume(bench.scene.species_map)
    same = judges.sampled_like(true, true_pixel / pixel)
    return judges.map_correlation(values, same, DIAMETER_ANGSTROM / 2 / pixel)
