"""What cleaning and merging do to a set whose series was reconstructed twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tomotui.project import Project
from tomotui.project.cleaning import CleaningRules, Lattice, Volume, clean, undo_cleaning
from tomotui.project.merging import add_apart
from tomotui.records import Alignment, Particle, ParticleSet, TiltSeries, Tomogram
from tomotui.records.particle_table import ParticleTable

SET = ParticleSet(name="ribosome", diameter_angstrom=250)
VOLUMES = {"ts_01": Volume((1000, 1000, 300), 10.0)}


@pytest.fixture
def tomograms(
    project: Project,
    make_series: Callable[..., TiltSeries],
    make_alignment: Callable[[TiltSeries], Alignment],
) -> list[str]:
    series = make_series("ts_01")
    alignment = make_alignment(series)
    made = [
        Tomogram(
            series_uid=series.uid,
            alignment_uid=alignment.uid,
            path=f"{i}.mrc",
            size_xyz=(1000, 1000, 300),
            pixel_size_angstrom=10.0,
            window_low=0,
            window_high=1,
        )
        for i in range(2)
    ]
    project.add_records([series, alignment, *made, SET])
    return [one.uid for one in made]


def _add(project: Project, tomogram: str, *x: float, **options: object) -> list[Particle]:
    places = [[value, 0.0, 0.0] for value in x]
    particles = ParticleTable.of(tomogram, places, **options).particles()  # type: ignore[arg-type]
    project.add_particles(SET.uid, particles)
    return particles


def _series(tomograms: list[str]) -> dict[str, str]:
    return dict.fromkeys(tomograms, "ts_01")


def _decisions(project: Project) -> list[str]:
    return [p.decision for p in project.particles(SET.uid)]


def test_doubles_across_reconstructions_are_one_act_that_nobody_looked_at(
    project: Project, tomograms: list[str]
) -> None:
    _add(project, tomograms[0], 0, 1000, scores=[0.9, 0.1])
    _add(project, tomograms[1], 30, 970, scores=[0.5, 0.5])
    project.decide([project.particles(SET.uid)[1].uid], "accepted", user="anna", session="a")
    rules = CleaningRules(duplicates=100)
    found = clean(project, SET.uid, rules, VOLUMES, _series(tomograms), user="anna")
    assert (found.n_before, found.counts["duplicate"], found.n_rejected) == (4, 2, 2)
    # The accepted one stays though its score is worse.
    assert _decisions(project) == ["undecided", "accepted", "rejected", "rejected"]
    seen = {one.particle_uid: one.seen for one in project.judged(SET.uid)}
    rejected = [p.uid for p in project.particles(SET.uid) if p.decision == "rejected"]
    assert [seen[uid] for uid in rejected] == [False, False]
    assert undo_cleaning(project, SET.uid, user="anna") == 2
    assert _decisions(project) == ["undecided", "accepted", "undecided", "undecided"]
    assert undo_cleaning(project, SET.uid, user="anna") == 0


def test_what_one_rule_leaves_out_is_no_company_for_the_next(
    project: Project, tomograms: list[str]
) -> None:
    _add(project, tomograms[0], 0, 300, 310, 620, 4900)
    rules = CleaningRules(edge=200, duplicates=50, neighbours=(100, 400), lattice=Lattice(310, 0.1))
    found = clean(project, SET.uid, rules, VOLUMES, _series(tomograms), user="a", dry_run=True)
    expected = {"edge": 1, "duplicate": 1, "lattice": 2}
    assert {reason: n for reason, n in found.counts.items() if n} == expected
    assert found.by_series["ts_01"] == found.counts
    assert set(_decisions(project)) == {"undecided"}


def test_merging_knows_the_particles_of_an_older_reconstruction(
    project: Project, tomograms: list[str]
) -> None:
    (old,) = _add(project, tomograms[0], 0)
    project.decide([old.uid], "rejected", user="anna", session="a")
    fresh = ParticleTable.of(tomograms[1], np.diag([40.0, 90.0, 0.0])).particles()
    assert add_apart(project, SET.uid, fresh, 62.5, _series(tomograms)) == 2
    assert [p.y_angstrom for p in project.particles(SET.uid)] == [0, 90]
