"""Particles in and out of the project file as columns."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from tomotui.project import Chosen, Project, ProjectError
from tomotui.project.particle_columns import read_pages
from tomotui.records import ParticleSet, Tomogram
from tomotui.records.particle_table import ParticleTable

SET = ParticleSet(name="ribosome", diameter_angstrom=250)
OTHER = ParticleSet(name="proteasome")


@pytest.fixture
def table(project: Project, tomogram: Tomogram) -> ParticleTable:
    """Particles in a set, of some of which more is known than of others."""
    chance = np.random.default_rng(1)
    project.add_records([SET, OTHER])
    made = ParticleTable.of(
        tomogram.uid,
        chance.uniform(-900, 900, (7, 3)),
        set_uid=SET.uid,
        angles_deg=chance.uniform(-90, 90, (7, 3)),
        scores=np.linspace(0, 0.6, 7),
        source="match",
    )
    made.angles_deg[2], made.scores[5] = np.nan, np.nan
    made.classes[1:3], made.halves[4] = 3, 1
    made.decisions[1], made.decisions[6] = "accepted", "removed"
    made.origins[0] = "0123456789abcdef"
    project.add_particle_tables([made])
    return made


def assert_same(found: ParticleTable, expected: ParticleTable) -> None:
    for one in fields(ParticleTable):
        np.testing.assert_array_equal(getattr(found, one.name), getattr(expected, one.name))


def test_columns_come_out_as_they_went_in(project: Project, table: ParticleTable) -> None:
    found = project.particle_table([SET.uid])
    assert_same(found, table.select(np.arange(6)))
    # Screens let them follow what is decided.
    assert all(getattr(found, one.name).flags.writeable for one in fields(ParticleTable))
    assert len(project.particle_table([OTHER.uid])) == 0


def test_what_all_are_alike_in_is_read_as_well(project: Project, tomogram: Tomogram) -> None:
    project.add_records([SET])
    plain = ParticleTable.of(tomogram.uid, [[1, 2, 3], [4, 5, 6]], set_uid=SET.uid)
    project.add_particle_tables([plain])
    assert_same(project.particle_table([SET.uid]), plain)


def test_sets_read_together_are_in_the_order_they_came(
    project: Project, table: ParticleTable, tomogram: Tomogram
) -> None:
    later = [
        ParticleTable.of(tomogram.uid, [[x, 0, 0]], set_uid=one.uid)
        for x, one in ((1, OTHER), (2, SET), (3, OTHER))
    ]
    project.add_particle_tables(later)
    found = project.particle_table([OTHER.uid, SET.uid])
    assert_same(found, ParticleTable.joined([table.select(np.arange(6)), *later]))


@pytest.mark.parametrize(
    ("wish", "rows"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"decisions": ("accepted",)}, [1]),
        ({"classes": (3, 4)}, [1, 2]),
        ({"min_score": 0.3}, [3, 4]),
        ({"decisions": ("undecided",), "classes": (3,), "min_score": 0.0}, [2]),
        ({"tomogram_uid": "elsewhere"}, []),
    ],
)
def test_pages_give_what_was_chosen(
    project: Project, table: ParticleTable, wish: dict[str, object], rows: list[int]
) -> None:
    chosen = Chosen((SET.uid,), **wish)  # type: ignore[arg-type]
    pages = list(read_pages(project._db, chosen, page=2))
    assert all(len(page) <= 2 for page in pages)
    assert_same(ParticleTable.joined(pages), table.select(rows)) if rows else None
    n, known = project.n_known(chosen)
    assert n == len(rows) == sum(map(len, pages))
    assert known["score"] == np.isfinite(table.scores[rows]).sum()
    assert known["class_number"] == (table.classes[rows] >= 0).sum()


def test_totals_leave_out_what_was_taken_back(
    project: Project, table: ParticleTable, tomogram: Tomogram
) -> None:
    decisions, tomograms = project.particle_totals(SET.uid)
    assert decisions == {"accepted": 1, "rejected": 0, "unsure": 0, "undecided": 5}
    assert tomograms == {tomogram.uid: 6}
    assert project.particle_totals(OTHER.uid)[1] == {}


def test_tables_are_refused_whole(project: Project, table: ParticleTable) -> None:
    fresh = table.descendants(SET.uid)
    nowhere = replace(fresh, tomogram_uids=np.where(np.arange(7) == 6, "x", fresh.tomogram_uids))
    for bad in (nowhere, ParticleTable.joined([fresh, table])):
        with pytest.raises(ProjectError, match="refused"):
            project.add_particle_tables([fresh, bad])
        assert project.n_particles(SET.uid) == 6
