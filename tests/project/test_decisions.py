"""The log of decisions: its fold is the present state, and undoing is the identity."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tomotui.project import Judgement, Project, ProjectError, fold
from tomotui.records import Decision, Particle, ParticleSet, Tomogram

UIDS = ("p0", "p1", "p2", "p3")
ME = {"user": "anna", "session": "s1"}


def _add(project: Project, tomogram: Tomogram) -> ParticleSet:
    picks = ParticleSet(name="picks")
    project.add_records([picks])
    project.add_particles(
        picks.uid,
        [
            Particle(
                uid=uid, tomogram_uid=tomogram.uid, x_angstrom=i, y_angstrom=0, z_angstrom=0, half=1
            )
            for i, uid in enumerate(UIDS)
        ],
    )
    return picks


@pytest.fixture
def picks(project: Project, tomogram: Tomogram) -> ParticleSet:
    return _add(project, tomogram)


def _state(project: Project, set_uid: str) -> dict[str, Judgement]:
    return {
        p.uid: Judgement(p.decision, p.class_number, (p.x_angstrom, p.y_angstrom, p.z_angstrom))
        for p in project.particles(set_uid)
    }


def test_decisions_are_kept_with_who_and_what_was_before(
    project: Project, picks: ParticleSet
) -> None:
    project.decide(["p1", "p2"], "accepted", **ME)
    project.decide(["p2"], "rejected", user="ben", session="s2", class_number=3)
    log = project.decisions(picks.uid)
    assert [(d.particle_uid, d.previous, d.verdict, d.user) for d in log] == [
        ("p1", "undecided", "accepted", "anna"),
        ("p2", "undecided", "accepted", "anna"),
        ("p2", "accepted", "rejected", "ben"),
    ]
    assert [p.uid for p in project.particles(picks.uid, decisions=["rejected"])] == ["p2"]
    assert project.particles(picks.uid)[2].class_number == 3


def test_undo_takes_back_whole_acts_of_the_session_one_by_one(
    project: Project, picks: ParticleSet
) -> None:
    project.decide(["p0"], "unsure", **ME)
    project.decide(list(UIDS), "accepted", **ME)
    project.decide(["p3"], "rejected", user="ben", session="s2")
    assert len(project.undo(**ME)) == 4
    assert _state(project, picks.uid)["p0"].verdict == "unsure"
    assert len(project.undo(**ME)) == 1
    assert _state(project, picks.uid)["p0"].verdict == "undecided"
    assert project.undo(**ME) == []
    assert len(project.decisions(picks.uid)) == 11


def test_a_decision_about_nothing_changes_nothing(project: Project, picks: ParticleSet) -> None:
    with pytest.raises(ProjectError, match="no particle p9"):
        project.decide(["p0", "p9"], "accepted", **ME)
    assert project.decisions(picks.uid) == []
    assert _state(project, picks.uid)["p0"].verdict == "undecided"


def test_decisions_keep_the_score_that_they_saw(project: Project, picks: ParticleSet) -> None:
    tomogram_uid = project.particles(picks.uid)[0].tomogram_uid
    project.add_particles(
        picks.uid,
        [
            Particle(
                uid="scored",
                tomogram_uid=tomogram_uid,
                x_angstrom=0,
                y_angstrom=0,
                z_angstrom=0,
                score=0.7,
            )
        ],
    )
    project.decide_each({"scored": "accepted", "p0": "rejected", "p1": "unsure"}, **ME)
    project.classify(["scored"], 2, **ME)
    assert project.decisions(picks.uid)[0].score == 0.7
    judged = {one.particle_uid: one for one in project.judged(picks.uid)}
    assert set(judged) == {"scored", "p0", "p1"}
    assert judged["scored"] == ("scored", "accepted", 0.7, True)
    assert judged["p0"].score is None


def test_what_a_threshold_decided_was_not_seen_until_somebody_looks(
    project: Project, picks: ParticleSet
) -> None:
    def seen() -> dict[str, bool]:
        return {one.particle_uid: one.seen for one in project.judged(picks.uid)}

    project.decide_each({"p0": "accepted", "p1": "rejected"}, seen=False, **ME)
    project.decide(["p0"], "rejected", **ME)
    assert seen() == {"p0": True, "p1": False}
    project.undo(**ME)
    assert seen() == {"p0": False, "p1": False}
    project.redo(**ME)
    assert seen() == {"p0": True, "p1": False}


def test_what_was_taken_back_is_made_again_until_there_is_something_new(
    project: Project, picks: ParticleSet
) -> None:
    project.decide(["p0"], "accepted", **ME)
    project.decide(["p1"], "rejected", **ME)
    project.undo(**ME)
    project.undo(**ME)
    assert [d.verdict for d in project.redo(**ME)] == ["accepted"]
    assert [d.verdict for d in project.redo(**ME)] == ["rejected"]
    assert project.redo(**ME) == []
    project.undo(**ME)
    project.decide(["p2"], "unsure", **ME)
    assert project.redo(**ME) == []
    assert [d.particle_uid for d in project.undo(**ME)] == ["p2"]
    assert [d.particle_uid for d in project.undo(**ME)] == ["p0"]


def test_a_particle_put_in_by_hand_is_taken_back_and_put_in_again(
    project: Project, picks: ParticleSet
) -> None:
    tomogram_uid = project.particles(picks.uid)[0].tomogram_uid
    made = project.insert_particle(picks.uid, tomogram_uid, (50.0, 60.0, 70.0), **ME)
    assert (made.source, made.decision) == ("hand", "accepted")
    assert project.particles(picks.uid)[-1] == made
    project.undo(**ME)
    assert [p.uid for p in project.particles(picks.uid)] == list(UIDS)
    project.redo(**ME)
    assert project.particles(picks.uid)[-1] == made


def test_no_particle_is_put_in_where_one_is(project: Project, picks: ParticleSet) -> None:
    tomogram_uid = project.particles(picks.uid)[0].tomogram_uid
    far, near = (100.0, 0.0, 0.0), (100.0, 30.0, 0.0)
    project.insert_particle(picks.uid, tomogram_uid, far, apart_angstrom=50, **ME)
    with pytest.raises(ProjectError, match="a particle 30 Å from here already"):
        project.insert_particle(picks.uid, tomogram_uid, near, apart_angstrom=50, **ME)
    project.undo(**ME)
    project.insert_particle(picks.uid, tomogram_uid, near, apart_angstrom=50, **ME)


VERDICTS = st.sampled_from(["accepted", "rejected", "unsure", "undecided"])
UID = st.sampled_from(UIDS)
PLACES = st.tuples(*[st.floats(-500, 500)] * 3)
ACTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("decide"),
            st.dictionaries(UID, VERDICTS, min_size=1),
            st.one_of(st.none(), st.integers(0, 9)),
        ),
        st.tuples(st.just("class"), UID, st.one_of(st.none(), st.integers(0, 9))),
        st.tuples(st.just("move"), UID, PLACES),
        st.tuples(st.just("insert"), PLACES),
        st.just(("undo",)),
        st.just(("redo",)),
    ),
    max_size=12,
)


def _do(project: Project, picks: ParticleSet, act: tuple[Any, ...]) -> list[Decision]:
    what, *words = act
    if what == "decide":
        return project.decide_each(words[0], class_number=words[1], **ME)
    if what == "class":
        return project.classify([words[0]], words[1], **ME)
    if what == "move":
        return project.move_particle(words[0], words[1], **ME)
    if what == "insert":
        tomogram_uid = project.particles(picks.uid)[0].tomogram_uid
        project.insert_particle(picks.uid, tomogram_uid, words[0], **ME)
        return project.decisions(picks.uid)[-1:]
    return project.undo(**ME) if what == "undo" else project.redo(**ME)


def _folded(project: Project, picks: ParticleSet, before: dict[str, Judgement]) -> dict[str, Any]:
    """What the log says, on top of where particles were when they came."""
    state = dict(before)
    for uid, judgement in fold(project.decisions(picks.uid)).items():
        at = judgement.position_angstrom or (state[uid].position_angstrom if uid in state else None)
        state[uid] = judgement._replace(position_angstrom=at)
    return {uid: one for uid, one in state.items() if one.verdict != "removed"}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=ACTS)
def test_the_fold_of_the_log_is_the_state_and_undoing_all_restores_it(
    project: Project, picks: ParticleSet, acts: list[tuple[Any, ...]]
) -> None:
    while project.undo(**ME):
        pass
    before = _state(project, picks.uid)
    for act in acts:
        was = _state(project, picks.uid)
        done = _do(project, picks, act)
        now = _state(project, picks.uid)
        folded = _folded(project, picks, before)
        for uid, judgement in now.items():
            # The log says nothing of where a particle was put in.
            if uid not in before and folded[uid].position_angstrom is None:
                judgement = judgement._replace(position_angstrom=None)
            assert folded.pop(uid) == judgement
        assert not folded
        if done and act[0] != "undo":
            assert project.undo(**ME)
            assert _state(project, picks.uid) == was
            assert project.redo(**ME)
            assert _state(project, picks.uid) == now
    while project.undo(**ME):
        pass
    assert _state(project, picks.uid) == before
