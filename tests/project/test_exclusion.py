from __future__ import annotations

from collections.abc import Callable

import pytest

from tomotui.project import Project, ProjectError
from tomotui.records import Alignment, TiltAlignment, TiltSeries

Maker = Callable[..., TiltSeries]


def aligned(series: TiltSeries, left_out: tuple[int, ...] = ()) -> Alignment:
    return Alignment(
        series_uid=series.uid,
        details_path="jobs/1/details.npz",
        tilts=tuple(
            TiltAlignment(
                index=tilt.index,
                tilt_deg=tilt.nominal_tilt_deg,
                axis_deg=85,
                shift_x_angstrom=tilt.index,
                shift_y_angstrom=0,
                excluded=tilt.index in left_out,
                note="agrees with no other" if tilt.index in left_out else "",
            )
            for tilt in series.tilts
        ),
    )


def state(project: Project, series: TiltSeries) -> tuple[list[bool], list[bool]]:
    now = project.series_named(series.name)
    newest = project.latest("alignment", series.uid)
    assert now is not None
    left_out = newest.tilts if isinstance(newest, Alignment) else ()
    return [tilt.excluded for tilt in now.tilts], [tilt.excluded for tilt in left_out]


def test_leaving_out_a_tilt_makes_an_alignment_of_the_same_geometry(
    project: Project, make_series: Maker
) -> None:
    series = make_series("ts_01")
    old = aligned(series)
    project.add_records([series, old])
    choice = project.choose_tilt(series.uid, 1, True)
    assert state(project, series) == ([False, True, False], [False, True, False])
    new = project.latest("alignment", series.uid)
    assert isinstance(new, Alignment)
    assert new.uid == choice.alignment_uid != old.uid
    assert project.record(old.uid) == old
    parents = [ancestor.parent_uid for ancestor in project.provenance(new.uid)]
    assert set(parents) == {old.uid, series.uid}
    assert new.tilts[1].note == "left out by hand"
    kept = {"excluded", "note"}
    assert [t.model_dump(exclude=kept) for t in new.tilts] == [
        t.model_dump(exclude=kept) for t in old.tilts
    ]
    assert new.details_path == old.details_path


def test_a_choice_is_taken_back(project: Project, make_series: Maker) -> None:
    series = make_series("ts_01")
    project.add_records([series, aligned(series, left_out=(2,))])
    taken_in = project.choose_tilt(series.uid, 2, False)
    assert state(project, series) == ([False] * 3, [False] * 3)
    project.restore_tilt(taken_in)
    # It was the alignment that had left the tilt out, not the user.
    assert state(project, series) == ([False] * 3, [False, False, True])
    left_out = project.choose_tilt(series.uid, 0, True)
    project.restore_tilt(left_out)
    assert state(project, series) == ([False] * 3, [False, False, True])
    newest = project.latest("alignment", series.uid)
    assert isinstance(newest, Alignment)
    assert newest.tilts[0].note == ""


def test_a_series_without_alignment_only_remembers(project: Project, make_series: Maker) -> None:
    series = make_series("ts_01")
    project.add_records([series])
    choice = project.choose_tilt(series.uid, 1, True)
    assert choice.alignment_uid is None
    assert state(project, series) == ([False, True, False], [])
    project.restore_tilt(choice)
    assert state(project, series) == ([False] * 3, [])
    assert project.latest("alignment", series.uid) is None


def test_what_changes_nothing_makes_no_record(project: Project, make_series: Maker) -> None:
    series = make_series("ts_01")
    project.add_records([series, aligned(series)])
    assert project.choose_tilt(series.uid, 1, False).alignment_uid is None
    assert len(project.records("alignment", series.uid)) == 1


def test_tilts_that_are_not_there_are_refused(project: Project, make_series: Maker) -> None:
    series = make_series("ts_01")
    project.add_records([series])
    with pytest.raises(ProjectError, match="has no tilt 3"):
        project.choose_tilt(series.uid, 3, True)
    with Project.open(project.folder, read_only=True) as closed, pytest.raises(ProjectError):
        closed.choose_tilt(series.uid, 1, True)
    assert state(project, series) == ([False] * 3, [])
