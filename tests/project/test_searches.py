"""What searches find enters a set beside what people have decided."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomotui.project import Project, ProjectError
from tomotui.records import Particle, ParticleSet, Tomogram
from tomotui.records.particle_table import Candidates, ParticleTable

ME = {"user": "anna", "session": "s1"}
SET = ParticleSet(name="ribosome", diameter_angstrom=250)


def _found(tomogram: Tomogram, positions: list[list[float]], scores: list[float]) -> Candidates:
    table = ParticleTable.of(tomogram.uid, positions, scores=scores, source="find")
    return Candidates(SET, tomogram.uid, table, 100.0)


def test_the_first_search_makes_the_set(project: Project, tomogram: Tomogram) -> None:
    uid = project.take_candidates(_found(tomogram, [[0, 0, 0], [500, 0, 0]], [0.9, 0.4]))
    table = project.particle_table([uid])
    assert project.particle_set_named("ribosome") == SET
    assert table.scores.tolist() == [0.9, 0.4]
    assert set(table.decisions) == {"undecided"}
    assert np.isnan(table.angles_deg).all()


def test_a_later_search_replaces_what_nobody_judged_and_keeps_the_rest(
    project: Project, tomogram: Tomogram
) -> None:
    uid = project.take_candidates(
        _found(tomogram, [[0, 0, 0], [500, 0, 0], [900, 0, 0]], [0.9, 0.4, 0.3])
    )
    before = project.particle_table([uid])
    project.decide([str(before.uids[0])], "accepted", **ME)
    project.decide([str(before.uids[1])], "rejected", **ME)
    project.add_particles(
        uid,
        [
            Particle(
                uid="mine",
                tomogram_uid=tomogram.uid,
                x_angstrom=-500,
                y_angstrom=0,
                z_angstrom=0,
                source="hand",
            )
        ],
    )
    project.take_candidates(_found(tomogram, [[30, 0, 0], [-470, 0, 0], [40, 0, 0]], [0.8, 0.7, 1]))
    after = project.particle_table([uid])
    places = {tuple(p) for p in after.positions_angstrom.tolist()}
    # The judged ones and the one put in by hand stay where they are; only one candidate can be
    # the accepted one; the one at 900 makes room.
    assert places == {(0, 0, 0), (500, 0, 0), (-500, 0, 0), (40, 0, 0)}
    scores = dict(zip(after.uids.tolist(), after.scores.tolist(), strict=True))
    assert scores[before.uids[0]] == 0.8
    assert np.isnan(scores[before.uids[1]])
    assert scores["mine"] == 0.7


def test_what_was_judged_once_is_never_thrown_away(project: Project, tomogram: Tomogram) -> None:
    uid = project.take_candidates(_found(tomogram, [[0, 0, 0]], [0.9]))
    mine = str(project.particle_table([uid]).uids[0])
    project.decide([mine], "accepted", **ME)
    project.undo(**ME)
    project.take_candidates(_found(tomogram, [], []))
    assert project.particle_table([uid]).uids.tolist() == [mine]
    assert len(project.decisions(uid)) == 2


def test_a_search_in_an_unknown_tomogram_changes_nothing(
    project: Project, tomogram: Tomogram
) -> None:
    table = ParticleTable.of("nowhere", [[0, 0, 0]])
    with pytest.raises(ProjectError):
        project.take_candidates(Candidates(SET, "nowhere", table, 10.0))
    assert project.particle_set_named("ribosome") is None


def test_columns_come_back_from_their_file(tmp_path: Path) -> None:
    table = ParticleTable.of("t", [[1, 2, 3], [4, 5, 6]], scores=[0.5, np.nan], source="match")
    table.write(tmp_path / "p.npz")
    back = ParticleTable.read(tmp_path / "p.npz")
    assert [one.model_dump() for one in back.particles()] == [
        one.model_dump() for one in table.particles()
    ]
    assert back.particles()[1].score is None
    assert len(ParticleTable.joined([back, back.select([1])])) == 3


def test_columns_of_an_older_program_have_no_origins(tmp_path: Path) -> None:
    table = ParticleTable.of("t", [[1, 2, 3]])
    columns = {name: values for name, values in vars(table).items() if name != "origins"}
    np.savez(tmp_path / "old.npz", **columns)
    back = ParticleTable.read(tmp_path / "old.npz")
    assert back.origins.tolist() == [""]
    assert back.particles()[0].origin_uid is None
