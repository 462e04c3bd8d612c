"""Walking through candidates, and which marks a slice has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.tui.picks_project import N, make_project
from tomotui.project import Project
from tomotui.project.curation import Curation, particle_set_named
from tomotui.tui.raster.cutouts import Cut, plane, window_of
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import ArraySource
from tomotui.tui.review import Review
from tomotui.tui.screens.places import (
    from_voxel,
    looking_at,
    marks_near,
    point_on_slice,
    to_voxel,
)


@pytest.fixture
def review(tmp_path: Path) -> Iterator[Review]:
    tomograms = make_project(tmp_path / "p")
    with Project.open(tmp_path / "p") as project:
        held = particle_set_named(project, "ribosome")
        curation = Curation(project, held, user="anna", session="s")
        yield Review(curation, {t.uid: f"ts_{i + 1}" for i, t in enumerate(tomograms)})


def test_a_decision_goes_on_to_the_next_undecided_one_and_comes_round(review: Review) -> None:
    review.sort("score")
    review.curation.decide([int(review.rows[1])], "rejected")
    assert review.decide("accepted")
    assert review.place == 2
    review.go_to(2 * N - 1)
    assert review.decide("rejected")
    assert review.place == 2
    while review.decide("unsure"):
        pass
    assert review.n_open == 0
    assert review.curation.counts()["undecided"] == 0


def test_the_list_stays_while_one_decides(review: Review) -> None:
    review.show = "undecided"
    review.arrange(keep=False)
    rows = review.rows
    review.decide("accepted")
    assert review.rows is rows
    assert review.n_open == 2 * N - 1
    review.arrange()
    assert len(review) == 2 * N - 1


def test_scope_and_decision_narrow_the_list(review: Review) -> None:
    review.look_at(["ts_2"])
    assert {review.series_at(int(row)) for row in review.rows} == {"ts_2"}
    review.decide("accepted")
    review.next_show()
    assert len(review) == N - 1
    review.next_show()
    assert (review.show, len(review)) == ("accepted", 1)
    review.look_at([])
    assert not review.go_to_series(["ts_1"])


def test_the_same_candidate_stays_under_the_cursor_in_another_order(review: Review) -> None:
    review.go_to(7)
    row = review.row
    review.order = "random"
    review.arrange()
    assert review.row == row


def test_undo_goes_to_what_was_taken_back(review: Review) -> None:
    review.sort("score")
    first = review.row
    review.decide("accepted")
    review.decide("rejected")
    review.go_to(30)
    review.undo()
    assert review.place == 1
    review.undo()
    assert review.row == first
    review.redo()
    assert review.curation.table.decisions[first] == "accepted"


def test_what_is_put_in_is_looked_at_and_leaves_when_taken_back(review: Review) -> None:
    uid = review.uids_of(["ts_1"])[0]
    row = review.insert(uid, (0.0, 0.0, 900.0))
    assert review.row == row
    review.undo()
    assert len(review) == 2 * N
    assert review.row is not None
    review.redo()
    assert review.row == row


def test_the_threshold_moves_past_candidates_and_decides_those_in_scope(review: Review) -> None:
    review.look_at(["ts_1"])
    review.threshold = 0.5
    assert review.cut() == (11, 9)
    review.nudge_threshold(1)
    assert review.threshold > 0.5
    review.nudge_threshold(-1)
    assert review.apply_threshold() == N
    assert review.curation.counts() == {
        "accepted": 11,
        "rejected": 9,
        "unsure": 0,
        "undecided": N,
    }
    for _ in range(300):
        review.nudge_threshold(1)
    assert review.threshold == 1.0


def test_a_threshold_that_a_search_has_left_outside_comes_back(review: Review) -> None:
    review.threshold = 0.3
    review.fit_threshold()
    assert review.threshold == 0.3
    review.threshold = 7.0
    review.fit_threshold()
    assert 0.4 < review.threshold < 0.6


def test_the_rest_of_the_list_is_what_is_undecided_from_here_on(review: Review) -> None:
    review.sort("score")
    review.decide("accepted")
    review.go_to(0)
    assert len(review.rest()) == 2 * N - 1
    assert review.row not in review.rest()


def test_an_audit_is_a_list_of_its_own(review: Review) -> None:
    review.curation.start_audit(8, 0.0, seed=2)
    review.in_audit = True
    review.arrange(keep=False)
    assert len(review) == review.n_open == 8
    while review.decide("accepted"):
        pass
    assert review.n_open == 0
    assert review.curation.audit_report().n_judged == 8
    review.sort("score")
    assert not review.in_audit
    assert len(review) == 2 * N


# ---- places


SOURCE = ArraySource(np.zeros((24, 48, 64), np.float32), pixel_size_angstrom=20.0)


def test_places_go_to_voxels_and_back() -> None:
    assert to_voxel(SOURCE, (0.0, 0.0, 0.0)) == (12, 24, 32)
    assert to_voxel(SOURCE, (20.0, -40.0, 100.0)) == (17, 22, 33)
    assert from_voxel(SOURCE, (17, 22, 33)) == (20.0, -40.0, 100.0)


def test_looking_at_a_place_puts_it_in_the_middle_when_zoomed() -> None:
    at = (20.0, -40.0, 100.0)
    fit = looking_at(SOURCE, at, SliceViewState())
    assert (fit.index, fit.centre) == (17, None)
    near = looking_at(SOURCE, at, SliceViewState(zoom=0.5))
    assert (near.index, near.centre) == (17, (22.5, 33.5))
    side = looking_at(SOURCE, at, SliceViewState(axis="y", zoom=0.5))
    assert (side.index, side.centre) == (22, (17.5, 33.5))
    assert point_on_slice(SOURCE, side, 17, 33) == at


def test_marks_are_near_the_slice_and_say_what_was_decided(review: Review) -> None:
    table = review.curation.table
    row = review.row
    x, y, z = table.positions_angstrom[row].tolist()
    view = looking_at(SOURCE, (x, y, z), SliceViewState(zoom=1.0))
    rows = np.flatnonzero(table.tomogram_uids == table.tomogram_uids[row])
    near = abs(table.positions_angstrom[rows, 2] - z) <= 50
    marks = marks_near(SOURCE, view, review, rows, False, (1000.0, 1000.0))
    assert len(marks) == near.sum()
    mine = marks[-1]
    assert (mine.role, mine.label) == ("accent", str(review.place + 1))
    assert (mine.row, mine.column) == (y / 20 + 24, x / 20 + 32)
    assert mine.radius == 5.0
    review.curation.decide([row], "accepted", class_number=3)
    review.go_to(review.place + 1)
    found = marks_near(SOURCE, view, review, rows, False, (1000.0, 1000.0))
    assert ("class3", "✓3") in {(mark.role, mark.label) for mark in found}
    assert marks_near(SOURCE, view, review, rows, True, (0.0, 0.0))[0].label.startswith("+")


# ---- boxes


def test_a_box_at_the_rim_is_filled_with_the_mean() -> None:
    data = np.random.default_rng(0).normal(5, 1, (10, 12, 14)).astype(np.float32)
    source = ArraySource(data, pixel_size_angstrom=10.0)
    cut = Cut(side_voxels=6, slab_voxels=3)
    middle = plane(source, (5, 6, 7), "z", cut)
    np.testing.assert_allclose(middle, data[4:7, 3:9, 4:10].mean(axis=0), rtol=1e-5)
    across = plane(source, (5, 6, 7), "x", cut)
    np.testing.assert_allclose(across, data[2:8, 3:9, 6:9].mean(axis=2), rtol=1e-5)
    rim = plane(source, (0, 0, 0), "z", cut)
    inside = data[:2, :3, :3].mean(axis=0)
    np.testing.assert_allclose(rim[3:, 3:], inside, rtol=1e-5)
    np.testing.assert_allclose(rim[:3], inside.mean(), rtol=1e-5)
    assert not plane(source, (50, 50, 50), "z", cut).any()


def test_tiles_share_one_contrast() -> None:
    images = [np.full((4, 4), level, np.float32) for level in (0, 1, 2)]
    window = window_of(images)
    assert window.low < 0 < 2 < window.high
    assert window_of([]).high > window_of([]).low
