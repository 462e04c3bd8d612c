"""Reviewing from the keyboard: what keys do to the project, and what is said."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.widgets import Input, Static

from tests.tui.conftest import AppMaker, FakeStage, Parameters, until
from tests.tui.picks_project import N, make_project, search
from tomotui.project import Project
from tomotui.records import Job, JobRequest, Status
from tomotui.stages.base import parameter
from tomotui.tui.app import TomotuiApp
from tomotui.tui.raster.capability import Capability
from tomotui.tui.screens import wait
from tomotui.tui.screens.confirm import ConfirmScreen
from tomotui.tui.screens.gallery import GalleryScreen
from tomotui.tui.screens.picks_mode import PicksMode
from tomotui.tui.screens.set_picker import SetPicker
from tomotui.tui.widgets.slice_view import SliceView
from tomotui.tui.widgets.status_bar import Hints
from tomotui.tui.widgets.tile_sheet import TileSheet

WIDE = (120, 26)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_project(tmp_path / "cells")
    return tmp_path / "cells"


def _app(make_app: AppMaker, place: Path, **settings: Any) -> TomotuiApp:
    return make_app(place, capability=Capability(glyphs="half"), **settings)


async def _review(pilot: Any) -> PicksMode:
    """Go to the picks and wait for the first picture."""
    app = pilot.app
    await until(pilot, lambda: app.project is not None and app.current_mode == "datasets")
    app.go_to_mode("picks")
    await until(pilot, lambda: isinstance(app.screen, PicksMode))
    screen: PicksMode = app.screen
    await until(pilot, lambda: screen.query_one(SliceView).pictures)
    return screen


def _decisions(place: Path) -> dict[str, int]:
    with Project.open(place, read_only=True) as project:
        held = project.particle_set_named("ribosome")
        words, n = np.unique(project.particle_table([held.uid]).decisions, return_counts=True)
    return dict(zip(words.tolist(), n.tolist(), strict=True))


def _text(screen: Any, name: str) -> str:
    return str(screen.query_one(name, Static).visual)


async def test_one_key_decides_and_the_slice_follows(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        review = screen.review
        first = review.row
        await pilot.press("a")
        # It is in the project before anything else happens.
        assert _decisions(place) == {"accepted": 1, "undecided": 2 * N - 1}
        assert review.row != first
        z = review.curation.table.positions_angstrom[review.row][2]
        assert screen.slice_view.view.index == round(z / 20) + 12
        await pilot.press("x", "s", "enter", "delete")
        counts = {"accepted": 2, "rejected": 2, "unsure": 1, "undecided": 2 * N - 5}
        assert _decisions(place) == counts
        assert "35 open/40" in _text(screen, "#picks-heading")
        await pilot.press("u", "u", "U")
        assert _decisions(place)["unsure"] == 1
        assert _decisions(place)["undecided"] == 2 * N - 4
        await pilot.press("p", "3", "n")
        assert 3 in review.curation.table.classes
        await until(pilot, lambda: "#" in _text(screen, "#picks-status"))


async def test_picks_of_another_tomogram_open_it(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        assert screen.series_name == "ts_1"
        for _ in range(5):
            await pilot.press("a")
        await until(pilot, lambda: screen.series_name == "ts_2" and "ts_2" in screen.choice.label)
        await until(pilot, lambda: screen.slice_view.source.name.startswith("ts_2"))
        await pilot.press("F")
        assert len(screen.review) == N
        await pilot.press("o")
        assert screen.review.order == "score"


async def test_the_threshold_is_asked_about_and_one_act(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        await pilot.press("a", "x", "x", "t", ">", "<", "T")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        keep, drop = screen.review.cut()
        await pilot.press("y")
        await until(pilot, lambda: _decisions(place).get("undecided") is None)
        assert _decisions(place) == {"accepted": keep + 1, "rejected": drop + 2}
        await pilot.press("u")
        assert _decisions(place)["undecided"] == 2 * N - 3
        await pilot.press("o", "N", "N", "d")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "candidates: this one and all below" in app.screen.question
        await pilot.press("n")
        assert _decisions(place)["undecided"] == 2 * N - 3


async def test_an_act_about_many_leaves_the_screen_alive_and_nothing_else_to_decide(
    make_app: AppMaker, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "MANY", 2)
    is_open, decide_each = threading.Event(), Project.decide_each

    def slow(project: Project, *arguments: Any, **named: Any) -> Any:
        assert is_open.wait(20)
        return decide_each(project, *arguments, **named)

    monkeypatch.setattr(Project, "decide_each", slow)
    app = _app(make_app, place)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        await pilot.press("T")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        keep, drop = screen.review.cut()
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, wait.WaitScreen))
        await pilot.press("a", "x", "escape")
        assert _decisions(place) == {"undecided": 2 * N}
        is_open.set()
        await until(pilot, lambda: app.screen is screen)
        assert _decisions(place) == {"accepted": keep, "rejected": drop}
        assert not screen.review.curation.is_open.any()
        await pilot.press("u")
        await until(pilot, lambda: _decisions(place) == {"undecided": 2 * N})
        await until(pilot, lambda: app.screen is screen)
        assert screen.review.curation.is_open.all()


async def test_from_nothing_to_marks(make_app: AppMaker, tmp_path: Path) -> None:
    make_project(tmp_path / "new", with_set=False)
    app = _app(make_app, tmp_path / "new")
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        assert "S begins a set" in _text(screen, "#picks-status") or screen.review is None
        await pilot.press("i")
        assert screen.review is None
        await pilot.press("S")
        await until(pilot, lambda: isinstance(app.screen, SetPicker) and app.screen.query(Input))
        await pilot.press(*"ribosome", "enter", *"wide", "enter")
        assert "number of Ångström" in _text(app.screen, "#set-problem")
        app.screen.query_one("#set-diameter", Input).value = "200"
        await pilot.press("enter")
        await until(pilot, lambda: screen.review is not None)
        await pilot.press("M", "l", "l", "j", "i")
        review = screen.review
        assert len(review) == 1
        first = review.curation.table.positions_angstrom[0].copy()
        await pilot.press("i")
        assert len(review) == 1, "one is there already"
        await pilot.press("shift+right", "shift+right", "shift+right", "full_stop", "enter")
        assert len(review) == 2
        second = review.curation.table.positions_angstrom[1]
        assert second[0] > first[0]
        assert second[2] == pytest.approx(first[2] + 20)
        await pilot.press("u")
        assert len(review) == 1
        await pilot.press("escape")
        assert screen.steering == ""
    assert _decisions(tmp_path / "new") == {"accepted": 1}


async def test_the_mouse_points_at_candidates_and_places(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        view = screen.slice_view
        height, width = view.cells
        await pilot.press("n", "n")
        await until(pilot, lambda: not view.is_waiting)
        row = screen.review.row
        await pilot.press("p")
        screen.on_slice_view_pointed(view.Pointed(view, *view.place_at(width // 2, height // 2)))
        await pilot.pause()
        assert screen.review.row is not None
        assert row is not None
        # A place without a candidate gets the crosshair, and i puts one in there.
        empty = SliceView.Pointed(view, 2.0, 2.0)
        screen.on_slice_view_pointed(empty)
        assert screen.cross is not None
        before = len(screen.review)
        await pilot.press("i")
        assert len(screen.review) == before + 1


async def test_a_curve_becomes_particles_along_it(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        before = len(screen.review)
        await pilot.press(
            "C", "i", "shift+right", "shift+right", "i", "j", "j", "i", "u", "i", "enter"
        )
        assert len(screen.curve_points) == 3
        await pilot.press(*["backspace"] * 3, *"40", "enter")
        await until(pilot, lambda: not screen.steering)
        table = screen.review.curation.table.select(slice(before, None))
        assert len(table) >= 5
        gaps = np.linalg.norm(np.diff(table.positions_angstrom, axis=0), axis=1)
        assert gaps == pytest.approx(40, abs=3)
        assert set(table.sources) == {"curve"}
        assert np.isfinite(table.angles_deg).all()
        await pilot.press("u")
        assert len(screen.review) == before
    assert _decisions(place) == {"undecided": 2 * N}


async def test_moving_a_candidate_is_one_act(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        table, row = screen.review.curation.table, screen.review.row
        before = table.positions_angstrom[row].copy()
        await pilot.press("r", "l", "l", "k", "full_stop", "escape")
        assert (table.positions_angstrom[row] == before).all()
        await pilot.press("r", "l", "l", "k", "full_stop", "enter")
        moved = table.positions_angstrom[row] - before
        assert moved.tolist() == pytest.approx([40, -20, 20])
        await pilot.press("u")
        assert table.positions_angstrom[row].tolist() == pytest.approx(before.tolist())


async def test_an_audit_tells_the_precision_as_it_goes(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        await pilot.press("e", "backspace", "backspace", "8", "enter")
        await until(pilot, lambda: screen.review.in_audit)
        assert len(screen.review) == 8
        await pilot.press("a", "a", "x")
        await until(pilot, lambda: "3 of 8 judged, 2 right" in _text(screen, "#picks-audit"))
        assert "precision 66.7%" in _text(screen, "#picks-audit")
        await pilot.press("e")
        assert len(screen.review) == 2 * N
        await pilot.press("percent_sign", "enter")
        await pilot.pause()
        await pilot.press("e")
        assert screen.review.n_open == 5


async def test_the_gallery_decides_many(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place)
    async with app.run_test(size=(80, 24)) as pilot:
        picks = await _review(pilot)
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen))
        screen = app.screen
        sheet = screen.query_one(TileSheet)
        await until(pilot, lambda: sheet.pictures and len(sheet.tiles) == 15)
        await until(pilot, lambda: len(screen._images) == 15)
        assert screen.per_page == 15
        await pilot.press("a", "l", "x", "l", "v", "l", "l", "s")
        assert _decisions(place) == {
            "accepted": 1,
            "rejected": 1,
            "unsure": 3,
            "undecided": 2 * N - 5,
        }
        signs = ["✓", "✗", "?", "?", "?"]
        await until(pilot, lambda: [tile.sign for tile in sheet.tiles[:5]] == signs)
        pictures = sheet.pictures
        await pilot.press("s")
        assert _decisions(place)["unsure"] == 2
        assert sheet.pictures == pictures, "a tile alone is painted alone"
        await pilot.press("A")
        assert _decisions(place)["accepted"] == 1 + 15 - 4
        await pilot.press("u", "pagedown")
        await until(pilot, lambda: "page 2/3" in _text(screen, "#gallery-status"))
        assert sheet.tiles[0].caption.startswith("016")
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: _decisions(place)["rejected"] == 1 + 2 * N - 15)
        await pilot.press("g")
        await until(pilot, lambda: app.screen is picks)
        assert picks.review.place == 15


async def test_read_only_refuses_in_words(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place, read_only=True)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        for key in ("a", "x", "3", "u", "M", "T", "d", "i"):
            await pilot.press(key)
            assert "read-only" in screen.status_bar.query_one("Hints").message
        await pilot.press("n")
        assert screen.review.place == 1
    assert _decisions(place) == {"undecided": 2 * N}


async def test_one_comes_back_to_where_one_was(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        await pilot.press("o", "n", "n", "n", "t")
        await pilot.pause()
        uid = str(screen.review.curation.table.uids[screen.review.row])
        threshold = screen.review.threshold
    again = _app(make_app, place)
    async with again.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(again.screen, PicksMode))
        await until(pilot, lambda: again.screen.review is not None and len(again.screen.review))
        review = again.screen.review
        assert str(review.curation.table.uids[review.row]) == uid
        assert (review.order, review.threshold) == ("score", threshold)


async def test_every_terminal_has_room_for_the_picture(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place)
    async with app.run_test(size=(60, 16)) as pilot:
        screen = await _review(pilot)
        view = screen.slice_view
        for size in ((60, 16), (80, 24), (140, 30)):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda size=size: view.size.height == size[1] - 3)
            assert view.size.width >= 54
            assert screen.query_one("#picks-right").display == (size[0] >= 118)
        await pilot.press("a", "x")
        assert _decisions(place)["undecided"] == 2 * N - 2


class TrainParameters(Parameters):
    particles: list[str] = parameter(..., "Sets to learn.")


class FakeTraining(FakeStage):
    name, title, summary = "pick-train", "Train", "Learn."
    parameters_type = TrainParameters
    takes = ("tilt_series", "tomogram")
    gives = ("network",)


class FakeSearch(FakeStage):
    name, title, summary = "pick", "Pick", "Find."
    takes = ("tilt_series", "tomogram")


async def test_training_from_within_brings_its_candidates(make_app: AppMaker, place: Path) -> None:
    wishes: list[JobRequest] = []

    def submitter(project: Project, request: JobRequest, start_agent: bool) -> Job:
        wishes.append(request)
        return project.submit(request)

    stages = (FakeTraining(), FakeSearch())
    app = _app(make_app, place, stages=stages, submitter=submitter)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        await pilot.press("ctrl+r")
        assert not wishes, "nothing is accepted yet"
        await pilot.press("a", "a", "ctrl+r")
        assert "accept 1 more particle" in screen.query_one(Hints).message
        assert not wishes
        await pilot.press("a", "x", "ctrl+r")
        await until(pilot, lambda: len(wishes) == 2 and len(screen.job_ids) == 2)
        training, searching = wishes
        assert training.parameters == {"particles": ["ribosome"]}
        assert (searching.stage, searching.after) == ("pick", (screen.job_ids[0],))
        assert [target.name for target in searching.targets] == ["ts_1", "ts_2"]
        await until(pilot, lambda: "pick-train queued" in _text(screen, "#picks-status"))
        await pilot.press("n", "n", "n")
        with Project.open(place) as project:
            tomograms = project.records("tomogram")
            for tomogram in tomograms:
                search(project, tomogram, 7, seed=11)
            for job in project.jobs():
                for task in project.tasks(job.id):
                    project.mark_starting(task, "cpu", "here")
                    project.mark_running(project.task(job.id, task.target), 1)
                    project.finish_task(project.task(job.id, task.target), Status.DONE)
        await until(pilot, lambda: not screen.job_ids and len(screen.review) <= 18)
        assert screen.review.curation.counts()["accepted"] == 3
        assert screen.review.curation.is_open[screen.review.row]
        assert screen.review.order == "priority"


async def test_a_search_started_elsewhere_is_taken_in(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        await until(pilot, lambda: screen._seen is not None)
        with Project.open(place) as project:
            search(project, project.records("tomogram")[0], 3, seed=5)
        await until(pilot, lambda: len(screen.review) == N + 3)


async def test_a_missing_volume_is_named_and_decisions_go_on(
    make_app: AppMaker, place: Path
) -> None:
    (place / "ts_1.mrc").unlink()
    app = _app(make_app, place)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.project is not None and app.current_mode == "datasets")
        app.go_to_mode("picks")
        await until(pilot, lambda: isinstance(app.screen, PicksMode) and app.screen.review)
        screen = app.screen
        await until(pilot, lambda: "ts_1.mrc" in _text(screen, "#picks-status"))
        await pilot.press("a")
        assert _decisions(place)["accepted"] == 1


async def test_the_list_is_narrowed_by_words(make_app: AppMaker, place: Path) -> None:
    app = _app(make_app, place)
    async with app.run_test(size=WIDE) as pilot:
        screen = await _review(pilot)
        review = screen.review
        await pilot.press("x", "/", *"ts_2")
        await until(pilot, lambda: len(review) == N)
        await pilot.press("enter")
        assert {review.series_at(int(row)) for row in review.rows} == {"ts_2"}
        assert screen.series_name == "ts_2"
        await pilot.press("/", "end", *["backspace"] * 4, *"!rej", "enter")
        await until(pilot, lambda: len(review) == 2 * N - 1)
        assert app.session.filters["picks"] == "!rej"
        await pilot.press("escape")
        assert len(review) == 2 * N
        assert isinstance(app.screen, PicksMode)
