"""Judging the networks: one that fills the missing wedge, one that finds particles."""

from __future__ import annotations

from tomotui.bench import judges
from tomotui.bench.report import Figure
from tomotui.bench.scenes import DIAMETER_ANGSTROM, KNOWN
from tomotui.bench.workshop import Bench, CheckFailed
from tomotui.records import Network, ParticleSet, Target, Tomogram, new_uid
from tomotui.simulate.output import particle_records

TAUGHT_SET = "taught"


def judge_restoring(bench: Bench) -> list[Figure]:
    """Train on the tomogram and restore it: it comes nearer to the truth than it was."""
    before: Tomogram = bench.latest("tomogram", KNOWN)
    choices = {"series": [KNOWN], "cube_size": 32, "width": 8, "steps": 50, "refills": 1}
    bench.run("restore-train", choices, Target(name="sample"))
    bench.run("restore", {}, Target(name=KNOWN))
    after: Tomogram = bench.latest("tomogram", KNOWN)
    if after.uid == before.uid:
        raise CheckFailed("no tomogram was restored")
    was, now = (
        judges.volume_correlation(bench.path(one.path), bench.scene.true_volume)
        for one in (before, after)
    )
    return [
        Figure("correlation with the truth", now, "", 0.78, "higher"),
        Figure("gained by restoring", now - was, "", 0.02, "higher"),
    ]


def judge_picking(bench: Bench) -> list[Figure]:
    """Train on every other particle, and look for all."""
    tomogram: Tomogram = bench.latest("tomogram", KNOWN)
    marked = ParticleSet(name=TAUGHT_SET, diameter_angstrom=DIAMETER_ANGSTROM)
    # Their own identities: the same particles may be in the project already, as a set of truth.
    taught = [
        one.model_copy(
            update={
                "uid": new_uid(),
                "tomogram_uid": tomogram.uid,
                "class_number": None,
                "decision": "accepted",
            }
        )
        for one in particle_records(bench.scene.simulation)[::2]
    ]
    bench.project.add_records([marked])
    bench.project.add_particles(marked.uid, taught)
    choices = {
        "series": [KNOWN],
        "particles": [TAUGHT_SET],
        "preset": "quick",
        "pretraining_steps": 8,
        "steps": 35,
    }
    bench.run("pick-train", choices, Target(name="sample"))
    bench.run("pick", {"min_score": 0.3, "network": _newest(bench)}, Target(name=KNOWN))
    table = bench.project.particle_table([marked.uid])
    pairs = judges.Found(table.positions_angstrom, bench.true_places, DIAMETER_ANGSTROM / 3)
    return [Figure("F1, half of them taught", pairs.f1, "", 0.7, "higher")]


def _newest(bench: Bench) -> str:
    made = [one for one in bench.project.records("network") if isinstance(one, Network)]
    mine = [one.name for one in made if one.purpose == "pick"]
    if not mine:
        raise CheckFailed("no network was trained")
    return mine[-1]
