"""Judging what tells particles apart: classes, and the landscape of a hinge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from tomotui.bench.report import Figure
from tomotui.bench.varied import (
    ANGLES_DEG,
    HINGE_DIAMETER_ANGSTROM,
    VARIED,
    Varied,
    make_varied,
)
from tomotui.bench.workshop import Bench, CheckFailed
from tomotui.records import Classification, Landscape, ParticleSet, Target, Tomogram

MIXED_SET, HINGE_SET = "mixed", "hinges"


def judge_classes(bench: Bench) -> list[Figure]:
    """Let hinges and proteasomes be told apart without maps."""
    varied = _varied(bench)
    truth = _put(bench, varied, MIXED_SET, np.ones(len(varied.species), dtype=bool))
    choices = {
        "series": [VARIED],
        "particles": [MIXED_SET],
        "box_px": 24,
        "resolution_angstrom": 36.0,
        "runs": 2,
        "rounds": 12,
        "noise_class": False,
    }
    bench.run("classify", choices, Target(name="sample"))
    records = bench.project.records("classification")
    made = [one for one in records if isinstance(one, Classification)]
    if not made:
        raise CheckFailed("no classes were made")
    found = made[-1]
    table = bench.project.particle_table([found.particle_set_uid])
    kinds = np.array([truth[uid] for uid in table.origins.tolist()]) >= len(ANGLES_DEG)
    alike = float(np.mean((table.classes == 2) == kinds))
    return [
        Figure("particles in the right class", max(alike, 1 - alike), "", 0.9, "higher"),
        Figure("agreement of two runs", found.reproducibility or 0.0, "", 0.8, "higher"),
    ]


def judge_landscape(bench: Bench) -> list[Figure]:
    """Let hinges be put in order by the angle of their arm."""
    varied = _varied(bench)
    truth = _put(bench, varied, HINGE_SET, varied.is_hinge)
    choices = {
        "series": [VARIED],
        "particles": [HINGE_SET],
        "coordinates": 2,
        "box_px": 24,
        "epochs": 6,
        "gaussians": 120,
        "anchors": 16,
    }
    bench.run("landscape", choices, Target(name="sample"))
    made = [one for one in bench.project.records("landscape") if isinstance(one, Landscape)]
    if not made:
        raise CheckFailed("no landscape was made")
    with np.load(bench.path(made[-1].path)) as arrays:
        along = arrays["coordinates"] @ arrays["axes"][0]
        angles = [ANGLES_DEG[truth[uid]] for uid in arrays["uids"].tolist()]
    order = abs(float(spearmanr(along, angles)[0]))
    return [
        Figure("order along the first motion", order, "", 0.7, "higher"),
        Figure("motions found", float(made[-1].n_motions), "", 1.0, "higher"),
    ]


def _varied(bench: Bench) -> Varied:
    """Return the series of particles that differ; made, and taken into the project, once."""
    if bench.varied is None:
        varied = make_varied(bench.scene, bench.tell)
        star = str(varied.known_geometry)
        files = {"stack": str(varied.stack), "alignment": star, "ctf": star}
        bench.run("import", {}, Target(name=VARIED, parameters=files))
        # Views come from the images: of the tomogram only the frame is asked for.
        coarse = {"voxel_size_angstrom": 48.0, "thickness_angstrom": 800.0, "frame": "alignment"}
        bench.run("reconstruct", coarse, Target(name=VARIED))
        bench.varied = varied
    return bench.varied


def _put(bench: Bench, varied: Varied, name: str, which: NDArray[np.bool_]) -> dict[str, int]:
    """Put chosen particles into the project as a set; returns the species of each by identity."""
    tomogram: Tomogram = bench.latest("tomogram", VARIED)
    particles = varied.records(tomogram.uid, which)
    whole = ParticleSet(name=name, diameter_angstrom=HINGE_DIAMETER_ANGSTROM)
    bench.project.add_records([whole])
    bench.project.add_particles(whole.uid, particles)
    species = varied.species[which].tolist()
    return {one.uid: kind for one, kind in zip(particles, species, strict=True)}
