"""Curation follows in memory what it writes, and tells what judgements say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from tomotui.project import Project, ProjectError
from tomotui.project.curation import Curation, particle_set_named
from tomotui.records import Alignment, ParticleSet, TiltSeries, Tomogram
from tomotui.records.particle_table import Candidates, ParticleTable

SET = ParticleSet(name="ribosome", diameter_angstrom=250)
N = 60


@pytest.fixture
def tomograms(
    project: Project,
    make_series: Callable[..., TiltSeries],
    make_alignment: Callable[[TiltSeries], Alignment],
) -> list[Tomogram]:
    """Two tomograms with sixty candidates each; the score is the row over sixty."""
    made = []
    for name in ("ts_1", "ts_2"):
        series = make_series(name)
        alignment = make_alignment(series)
        tomogram = Tomogram(
            series_uid=series.uid,
            alignment_uid=alignment.uid,
            path=f"{name}.mrc",
            size_xyz=(8, 8, 8),
            pixel_size_angstrom=10.0,
            window_low=0,
            window_high=1,
        )
        project.add_records([series, alignment, tomogram])
        made.append(tomogram)
        _search(project, tomogram, np.arange(N) / N)
    return made


def _search(project: Project, tomogram: Tomogram, scores: np.ndarray) -> None:
    places = np.stack([np.arange(len(scores)) * 300.0] + [np.zeros(len(scores))] * 2, axis=1)
    table = ParticleTable.of(
        tomogram.uid, places, scores=scores, priorities=1 - scores, source="find"
    )
    project.take_candidates(Candidates(SET, tomogram.uid, table, 100.0))


def _open(project: Project) -> Curation:
    return Curation(project, particle_set_named(project, "ribosome"), user="anna", session="s")


@pytest.fixture
def curation(project: Project, tomograms: list[Tomogram]) -> Iterator[Curation]:
    """Whatever a test does, the columns in memory say in the end what a new reading says."""
    mine = _open(project)
    yield mine
    fresh, there = _open(project), mine.is_there
    for one in fields(ParticleTable):
        np.testing.assert_array_equal(
            getattr(mine.table, one.name)[there], getattr(fresh.table, one.name), one.name
        )
    np.testing.assert_array_equal(mine.seen[there], fresh.seen)
    np.testing.assert_array_equal(mine.judged_scores[there], fresh.judged_scores)


def test_acts_are_followed(curation: Curation, tomograms: list[Tomogram]) -> None:
    curation.decide([3, 4], "accepted", class_number=2)
    curation.decide([5], "unsure")
    curation.move(6, (1.0, 2.0, 3.0))
    curation.classify([7], 1)
    row = curation.insert(tomograms[0].uid, (0.0, 900.0, 0.0))
    assert curation.table.decisions[[3, 4, 5, row]].tolist() == [
        "accepted",
        "accepted",
        "unsure",
        "accepted",
    ]
    assert curation.counts() == {"accepted": 3, "rejected": 0, "unsure": 1, "undecided": 117}
    curation.undo()
    assert curation.counts()["accepted"] == 2
    assert row not in curation.order("score")
    for _ in range(4):
        curation.undo()
    assert curation.undo() == []
    for _ in range(5):
        assert curation.redo()


def test_what_was_put_in_and_taken_back_comes_again_after_a_reload(
    curation: Curation, tomograms: list[Tomogram]
) -> None:
    curation.insert(tomograms[0].uid, (0.0, 900.0, 0.0))
    curation.undo()
    curation.reload()
    assert len(curation.table) == 2 * N
    curation.redo()
    assert len(curation.table) == 2 * N + 1


def test_none_is_put_in_within_the_radius(curation: Curation, tomograms: list[Tomogram]) -> None:
    with pytest.raises(ProjectError, match="120 Å from here already; two must be 125 Å apart"):
        curation.insert(tomograms[0].uid, (0.0, 120.0, 0.0))
    curation.insert(tomograms[0].uid, (0.0, 130.0, 0.0))


def test_a_threshold_is_one_act_and_leaves_what_was_judged(curation: Curation) -> None:
    curation.decide([N - 1], "rejected")
    curation.decide([0], "accepted")
    above, below = curation.split(0.5)
    assert (len(above), len(below)) == (59, 59)
    curation.apply_threshold(0.5)
    assert curation.counts() == {"accepted": 60, "rejected": 60, "unsure": 0, "undecided": 0}
    curation.undo()
    assert curation.counts() == {"accepted": 1, "rejected": 1, "unsure": 0, "undecided": 118}
    curation.drop(curation.order("score")[100:])
    assert curation.counts()["rejected"] == 20


def test_the_nearest_is_found_in_its_tomogram(
    curation: Curation, tomograms: list[Tomogram]
) -> None:
    assert curation.nearest([tomograms[1].uid], (290.0, 0.0, 0.0)) == (N + 1, 10.0)
    assert curation.nearest(["nowhere"], (0.0, 0.0, 0.0)) is None


def test_an_audit_asks_about_what_nobody_saw_and_tells_the_precision(curation: Curation) -> None:
    right = curation.table.scores > 0.6
    curation.decide(np.flatnonzero(right)[:5], "accepted")
    curation.apply_threshold(0.5)
    audit = curation.start_audit(20, 0.5, seed=1)
    asked = curation.audit_rows()
    assert len(asked) == len(audit.uids) == 20
    assert not np.isin(asked, np.flatnonzero(right)[:5]).any()
    for row in asked.tolist():
        curation.decide([row], "accepted" if right[row] else "rejected")
    report = curation.audit_report()
    truth = right[curation.table.scores >= 0.5].mean()
    assert (report.n_asked, report.n_judged) == (20, 20)
    assert report.precision.low <= truth <= report.precision.high
    assert len(curation.audit_rows()) == 0
    curation.undo()
    assert curation.audit_report().n_judged == 19
    assert len(curation.audit_rows()) == 1
    again = _open(curation.project)
    assert again.audit_report() == curation.audit_report()
    curation.end_audit()
    assert _open(curation.project).audit is None


def test_an_audit_of_nothing_says_so(curation: Curation) -> None:
    with pytest.raises(ProjectError, match="with a score of 2 or more is left"):
        curation.start_audit(10, 2.0)


def test_judgements_tell_precision_recall_and_threshold(curation: Curation) -> None:
    assert curation.curve() is None
    right = curation.table.scores > 0.5
    rows = np.random.default_rng(0).permutation(2 * N)[:40]
    for row in rows.tolist():
        curation.decide([row], "accepted" if right[row] else "rejected")
    curve = curation.curve()
    assert curve.precision(0.7).estimate > 0.95
    assert curve.precision(0.0).estimate == pytest.approx(right.mean(), abs=0.08)
    assert curve.threshold_for(0.95) == pytest.approx(0.5, abs=0.12)


def test_precision_is_told_from_the_scores_that_were_judged(
    curation: Curation, tomograms: list[Tomogram]
) -> None:
    """A search that has learnt from judgements is sure of them, and so tells nothing."""
    right = curation.table.scores > 0.5
    for row in range(0, 2 * N, 3):
        curation.decide([row], "accepted" if right[row] else "rejected")
    before = curation.judged_scores.copy()
    for tomogram in tomograms:
        _search(curation.project, tomogram, np.full(N, 0.9))
    curation.reload()
    judged = curation.seen
    assert (
        np.sort(curation.judged_scores[judged]).tolist()
        == np.sort(before[np.isfinite(before)]).tolist()
    )
    assert set(curation.table.scores[judged].tolist()) == {0.9}


def test_recall_of_marked_ones(curation: Curation, tomograms: list[Tomogram]) -> None:
    curation.insert(tomograms[0].uid, (150.0, 900.0, 0.0))
    curation.insert(tomograms[0].uid, (150.0, 2900.0, 0.0))
    table = ParticleTable.of(tomograms[0].uid, [[150, 910, 0]], scores=[0.8], source="find")
    curation.project.take_candidates(Candidates(SET, tomograms[0].uid, table, 100.0))
    curation.reload()
    assert curation.recall_of_marked(0.5).estimate == 0.5
    assert curation.recall_of_marked(0.9).estimate == 0.0


def test_particles_are_put_into_the_tomogram_that_has_them(
    curation: Curation, tomograms: list[Tomogram]
) -> None:
    first = tomograms[0]
    newer = first.replace(uid="newer", path="newer.mrc")
    curation.project.add_records([newer])
    assert curation.home_of(first.series_uid) == first.uid
    empty = ParticleSet(name="proteasome")
    curation.project.add_records([empty])
    other = Curation(curation.project, empty, user="anna", session="s")
    assert other.home_of(first.series_uid) == "newer"
    assert other.home_of("nowhere") is None


def test_a_set_that_is_not_there(project: Project) -> None:
    with pytest.raises(ProjectError, match=r"no particle set proteasome\. .* begin a set by hand"):
        particle_set_named(project, "proteasome")


def test_a_killed_process_loses_no_decision(project: Project, tomograms: list[Tomogram]) -> None:
    script = """
import os, signal, sys
from tomotui.project import Project
from tomotui.project.curation import Curation, particle_set_named
project = Project.open(sys.argv[1])
curation = Curation(project, particle_set_named(project, "ribosome"), user="a", session="s")
for row in range(50):
    curation.decide([row], "accepted")
os.kill(os.getpid(), signal.SIGKILL)
"""
    words = [sys.executable, "-c", script, str(project.folder)]
    assert subprocess.run(words, cwd=Path(__file__).parents[2]).returncode == -9
    assert _open(project).counts()["accepted"] == 50


def test_curation_needs_neither_torch_nor_scipy(project: Project) -> None:
    script = (
        "import sys, tomotui.project.curation; print(sorted({'torch', 'scipy'} & set(sys.modules)))"
    )
    words = [sys.executable, "-c", script]
    found = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
