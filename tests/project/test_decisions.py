"""The log of decisions: its fold is the present state, and undoing is the identity."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tomotui.project import Judgement, Project, ProjectError, fold
from tomotui.records import Alignment, Particle, ParticleSet, TiltSeries, Tomogram, Verdict

UIDS = ("p0", "p1", "p2", "p3")
ME = {"user": "anna", "session": "s1"}


def _add(
    project: Project,
    make_series: Callable[..., TiltSeries],
    make_alignment: Callable[[TiltSeries], Alignment],
) -> ParticleSet:
    series = make_series("ts_01")
    alignment = make_alignment(series)
    tomogram = Tomogram(
        series_uid=series.uid,
        alignment_uid=alignment.uid,
        path="t.mrc",
        size_xyz=(8, 8, 8),
        pixel_size_angstrom=10.0,
        window_low=0,
        window_high=1,
    )
    picks = ParticleSet(name="picks")
    project.add_records([series, alignment, tomogram, picks])
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
def picks(
    project: Project,
    make_series: Callable[..., TiltSeries],
    make_alignment: Callable[[TiltSeries], Alignment],
) -> ParticleSet:
    return _add(project, make_series, make_alignment)


def _state(project: Project, set_uid: str) -> dict[str, Judgement]:
    return {p.uid: Judgement(p.decision, p.class_number) for p in project.particles(set_uid)}


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


VERDICTS = st.sampled_from(["accepted", "rejected", "unsure", "undecided"])
ACTS = st.lists(
    st.one_of(
        st.tuples(
            st.lists(st.sampled_from(UIDS), min_size=1, unique=True),
            VERDICTS,
            st.one_of(st.none(), st.integers(0, 9)),
        ),
        st.just("undo"),
    ),
    max_size=12,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=ACTS)
def test_the_fold_of_the_log_is_the_state_and_undoing_all_restores_it(
    project: Project, picks: ParticleSet, acts: list[tuple[list[str], Verdict, int | None] | str]
) -> None:
    before = _state(project, picks.uid)
    for act in acts:
        if isinstance(act, str):
            project.undo(**ME)
        else:
            uids, verdict, class_number = act
            project.decide(uids, verdict, class_number=class_number, **ME)
        assert before | fold(project.decisions(picks.uid)) == _state(project, picks.uid)
    while project.undo(**ME):
        pass
    assert _state(project, picks.uid) == before
