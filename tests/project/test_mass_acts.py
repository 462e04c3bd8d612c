"""Acts about very many particles leave the same log and rows as acts about few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tomotui.project import Project, ProjectError, fold, mass_acts
from tomotui.project.curation import Curation
from tomotui.records import ParticleSet, Tomogram
from tomotui.records.particle_table import ParticleTable

N = 9
SET = ParticleSet(name="ribosome", diameter_angstrom=250)
ME = {"user": "anna", "session": "s1"}
Act = Callable[[Curation], Any]


@pytest.fixture
def fill(project: Project, tomogram: Tomogram) -> Curation:
    """Candidates, some of which have a class, no score, or were judged by hand."""
    project.add_records([SET])
    table = ParticleTable.of(
        tomogram.uid, np.arange(3 * N).reshape(N, 3), set_uid=SET.uid, scores=np.arange(N) / 10
    )
    table.uids[:] = [f"p{n}" for n in reversed(range(N))]
    table.classes[2], table.scores[7] = 4, np.nan
    project.add_particle_tables([table])
    curation = Curation(project, SET, **ME)
    curation.decide([3], "accepted")
    return curation


def threshold(curation: Curation) -> None:
    curation.apply_threshold(0.45)


def drop(curation: Curation) -> None:
    curation.drop(np.arange(N))


def undo(curation: Curation) -> None:
    curation.undo()


def redo(curation: Curation) -> None:
    curation.redo()


def state(curation: Curation) -> dict[str, Any]:
    """Return what the rows, the log and the columns say."""
    project, table = curation.project, curation.project.particle_table([SET.uid])
    log = [one.model_dump(exclude={"at"}) for one in project.decisions(SET.uid)]
    return {
        "rows": [table.decisions.tolist(), table.classes.tolist()],
        "log": sorted(log[1:], key=str),
        "columns": [curation.table.decisions.tolist(), curation.table.classes.tolist()],
        "seen": curation.seen.tolist(),
        "scores": curation.judged_scores.tolist(),
        "next": [project.n_to_return("s1", undo=way) for way in (True, False)],
    }


@pytest.mark.parametrize(
    "acts",
    [
        (threshold,),
        (drop,),
        (threshold, undo),
        (threshold, undo, redo),
        (threshold, undo, undo),
        (threshold, undo, redo, undo, undo, redo, redo),
    ],
    ids=lambda acts: "-".join(act.__name__ for act in acts),
)
def test_many_are_decided_about_as_few_are(
    fill: Curation, monkeypatch: pytest.MonkeyPatch, acts: tuple[Act, ...]
) -> None:
    found = []
    for many in (2, 2000):
        monkeypatch.setattr(mass_acts, "MANY", many)
        with fill.project.at_once():
            for act in acts:
                act(fill)
            found.append(state(fill))
            fill.project._db.execute("DELETE FROM decisions WHERE batch > 1")
            fill.project._db.execute("UPDATE particles SET decision = 'undecided'")
            fill.project._db.execute("UPDATE particles SET decision = 'accepted' WHERE uid = 'p5'")
        fill.reload()
    assert str(found[0]) == str(found[1])
    assert len(found[0]["log"]) >= N - 2


def test_the_rows_are_the_fold_of_the_log(fill: Curation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mass_acts, "MANY", 2)
    decided = fill.apply_threshold(0.45)
    assert [one.particle_uid for one in decided] == ["p0", "p2", "p3", "p4", "p6", "p7", "p8"]
    assert decided[0].verdict == "accepted"
    assert not decided[0].seen
    assert [one.class_number for one in decided[4:6]] == [4, None]
    judgements = fold(fill.project.decisions(SET.uid))
    table = fill.project.particle_table([SET.uid])
    rows = dict(zip(table.uids.tolist(), table.decisions.tolist(), strict=True))
    assert {uid: one.verdict for uid, one in judgements.items()} == {
        uid: verdict for uid, verdict in rows.items() if verdict != "undecided"
    }


def test_many_are_refused_whole_when_one_is_not_there(
    fill: Curation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mass_acts, "MANY", 2)
    before = state(fill)
    with pytest.raises(ProjectError, match="there is no particle nobody"):
        fill.project.decide(["p1", "p2", "nobody", "p4"], "accepted", **ME)
    assert state(fill) == before or str(state(fill)) == str(before)
    assert len(fill.project.decide(["p1", "p2", "p4"], "accepted", **ME)) == 3


def test_what_was_moved_is_taken_back_one_by_one(
    fill: Curation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mass_acts, "MANY", 0)
    fill.move(1, (9.0, 8.0, 7.0))
    fill.undo()
    assert fill.table.positions_angstrom[1].tolist() == [3.0, 4.0, 5.0]
    found = fill.project.particle_table([SET.uid])
    assert found.positions_angstrom[1].tolist() == [3.0, 4.0, 5.0]
