"""Sets from others: mates, centres, parts and halves, with what each came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tui.conftest import make_alignment, make_series
from tomotui.geometry.poses import matrices_of_angles
from tomotui.project import Project
from tomotui.records import ParticleSet, Tomogram
from tomotui.records.particle_table import ParticleTable

Call = Any


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tomograms with five oriented particles each; one of them is rejected."""
    with Project.create(tmp_path / "project") as project:
        ring = ParticleSet(name="ring", symmetry="C4", diameter_angstrom=300, made_by="refine")
        project.add_records([ring, ParticleSet(name="blind")])
        for number in range(2):
            series = make_series(f"ts_{number}")
            alignment = make_alignment(series)
            tomogram = Tomogram(
                series_uid=series.uid,
                alignment_uid=alignment.uid,
                path="t.mrc",
                size_xyz=(64, 64, 32),
                pixel_size_angstrom=10.0,
                window_low=0,
                window_high=1,
            )
            project.add_records([series, alignment, tomogram])
            rng = np.random.default_rng(number)
            table = ParticleTable.of(
                tomogram.uid,
                rng.uniform(-300, 300, (5, 3)),
                set_uid=ring.uid,
                angles_deg=rng.uniform(0, 180, (5, 3)),
                decision="accepted",
            )
            project.add_particle_tables([table])
            project.decide([str(table.uids[0])], "rejected", user="anna", session="s")
        blind = project.particle_set_named("blind")
        assert blind is not None
        project.add_particle_tables(
            [ParticleTable.of(tomogram.uid, [[0, 0, 0]], set_uid=blind.uid)]
        )
        return project.folder


def tables(folder: Path, name: str) -> tuple[ParticleSet, ParticleTable, ParticleTable]:
    """The set of a name, its particles, and those they were made from, row by row."""
    with Project.open(folder) as project:
        ring, made = project.particle_set_named("ring"), project.particle_set_named(name)
        assert ring is not None
        assert made is not None
        assert made.parent_uid == ring.uid
        before, after = (project.particle_table([one.uid]) for one in (ring, made))
    row_of = {uid: row for row, uid in enumerate(before.uids.tolist())}
    return made, after, before.select([row_of[uid] for uid in after.origins.tolist()])


def test_symmetry_mates_of_what_was_not_rejected(call: Call, folder: Path) -> None:
    said = call.well("particles", "expand", "ring", "-p", folder).out
    assert said.strip() == "made ring-expanded: 32 particles from 8"
    made, after, before = tables(folder, "ring-expanded")
    assert (made.symmetry, made.made_by) == ("C1", "expand")
    np.testing.assert_allclose(after.positions_angstrom, before.positions_angstrom)
    z_after, z_before = (matrices_of_angles(one.angles_deg)[:, :, 2] for one in (after, before))
    np.testing.assert_allclose(z_after, z_before, atol=1e-9)
    assert set(after.decisions) == {"accepted"}


def test_a_new_centre_lies_where_the_map_has_it(call: Call, folder: Path) -> None:
    words = ["particles", "recentre", "ring", "-p", folder, "--json"]
    told = call.well(*words, "--offset", "0", "0", "-50").json
    assert (told["name"], told["particles"]) == ("ring-recentred", 8)
    made, after, before = tables(folder, "ring-recentred")
    assert made.symmetry == "C4"
    axis = matrices_of_angles(before.angles_deg)[:, :, 2]
    np.testing.assert_allclose(
        after.positions_angstrom, before.positions_angstrom - 50 * axis, atol=1e-9
    )
    assert call.well(*words, "--offset", "10", "0", "0").json["name"] == "ring-recentred-2"
    assert tables(folder, "ring-recentred-2")[0].symmetry == "C1"


def test_parts_of_all_mates_and_the_best_of_those_that_meet(call: Call, folder: Path) -> None:
    words = ["particles", "subparticles", "ring", "--offset", "80", "0", "0", "-p", folder]
    told = call.well(*words, "--diameter", "90", "--facing-out", "--json").json
    assert told["particles"] == 32
    made, after, before = tables(folder, "ring-parts")
    assert (made.diameter_angstrom, made.made_by) == (90, "subparticles")
    away = after.positions_angstrom - before.positions_angstrom
    np.testing.assert_allclose(np.linalg.norm(away, axis=1), 80)
    np.testing.assert_allclose(matrices_of_angles(after.angles_deg)[:, :, 2] * 80, away, atol=1e-9)
    few = call.well(*words, "--apart", "2000", "--json").json
    assert few["particles"] == 2


def test_halves_are_even_and_keep_kin_together(call: Call, folder: Path) -> None:
    call.well("particles", "split-halves", "ring", "-p", folder)
    _, after, _ = tables(folder, "ring-halves")
    for tomogram in np.unique(after.tomogram_uids):
        here = after.halves[after.tomogram_uids == tomogram]
        assert sorted(here.tolist()) == [0, 0, 1, 1]
    call.well("particles", "expand", "ring", "-p", folder)
    # Through another set in between, too.
    again = ["particles", "recentre", "ring-expanded", "--offset", "0", "0", "1", "-p", folder]
    call.well(*again, "--name", "moved")
    call.well("particles", "split-halves", "moved", "--name", "kin", "-p", folder)
    call.well("particles", "split-halves", "ring", "--name", "whole", "--by-tomogram", "-p", folder)
    with Project.open(folder) as project:
        ring, kin, whole = (project.particle_set_named(name) for name in ("ring", "kin", "whole"))
        assert ring is not None
        assert kin is not None
        assert whole is not None
        first = project.first_origins(kin.uid)
        assert set(first.values()) <= set(project.particle_table([ring.uid]).uids.tolist())
        table = project.particle_table([kin.uid])
        families: dict[str, set[int]] = {}
        for uid, half in zip(table.uids.tolist(), table.halves.tolist(), strict=True):
            families.setdefault(first[uid], set()).add(half)
        assert len(families) == 8
        assert all(len(halves) == 1 for halves in families.values())
        table = project.particle_table([whole.uid])
        assert {len(set(table.halves[table.tomogram_uids == t])) for t in table.tomogram_uids} == {
            1
        }
        assert set(table.halves) == {0, 1}


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["expand", "blind", "--symmetry", "C4"], 1, "1 of 1 particles have no orientation"),
        (["expand", "ring", "--symmetry", "C1"], 1, "no symmetry to expand"),
        (["expand", "ring", "--symmetry", "Q9"], 1, "no point group"),
        (["expand", "ring", "--decision", "unsure"], 1, "no particle has an orientation"),
        (["expand", "wrong"], 2, "no particle set wrong"),
        (["split-halves", "ring", "--decision", "unsure"], 1, "no particles to split"),
        (["subparticles", "ring", "--offset", "0", "0", "0", "--facing-out"], 1, "faces no way"),
        (["recentre", "ring", "--offset", "0", "0", "1", "--name", "a/b"], 2, "without slashes"),
    ],
)
def test_what_cannot_be_made_is_said_and_nothing_is_made(
    call: Call, folder: Path, words: list[str], code: int, reason: str
) -> None:
    said = call("particles", *words, "-p", folder)
    assert said.code == code
    assert reason in said.err
    with Project.open(folder) as project:
        assert [one.name for one in project.particle_sets()] == ["ring", "blind"]
