"""Leaving and coming back: everything that was seen is seen again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tui.conftest import STAGES, AppMaker, until
from tests.tui.maps_project import make_maps
from tests.tui.picks_project import make_project
from tomotui.tui import session
from tomotui.tui.app import TomotuiApp
from tomotui.tui.memory import place_of, surface_of, view_of
from tomotui.tui.raster.surface import turned
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.window import Window
from tomotui.tui.screens.gallery import GalleryScreen
from tomotui.tui.screens.job_detail import JobDetailScreen
from tomotui.tui.screens.maps import MapsScreen
from tomotui.tui.screens.ortho import OrthoScreen
from tomotui.tui.screens.picks_mode import PicksMode
from tomotui.tui.screens.quality import QualityScreen
from tomotui.tui.screens.slices_mode import SlicesMode
from tomotui.tui.widgets.map_slices import SlicesState
from tomotui.tui.widgets.surface_view import SurfaceState
from tomotui.tui.widgets.table import Table

SEEN = SliceViewState(
    axis="y",
    index=7,
    slab=2,
    zoom=1.5,
    centre=(11.0, 20.0),
    window=Window(-2.5, 1.25),
    inverted=True,
    filter_name="LP40",
)


def opened(place: Path) -> TomotuiApp:
    return TomotuiApp(place, stages=STAGES, start_agents=False)


def loaded(app: TomotuiApp, screen: type[Any]) -> bool:
    here = app.screen
    return isinstance(here, screen) and here.slice_view.source is not None


async def test_slices_come_back_with_place_contrast_and_volume(tmp_path: Path) -> None:
    make_project(tmp_path / "p", with_set=False)
    app = opened(tmp_path / "p")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 2)
        app.show_slices("ts_2")
        await until(pilot, lambda: loaded(app, SlicesMode))
        await pilot.press("b")
        await until(pilot, lambda: app.screen.slice_view.error or app.screen._shown is not None)
        await pilot.press("b")
        await until(pilot, lambda: not app.screen.slice_view.source.is_stack)
        app.screen.set_view(replace(SEEN, glyphs=app.screen.slice_view.view.glyphs))
        await pilot.press("q")
    again = opened(tmp_path / "p")
    async with again.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: loaded(again, SlicesMode))
        screen = again.screen
        assert screen.crumbs() == ("ts_2",)
        assert screen.slice_view.view == replace(SEEN, glyphs=again.capability.glyphs)
        # Going to another series and back shows the newest, as always.
        await pilot.press("full_stop")
        await until(pilot, lambda: screen.crumbs() == ("ts_1",))


@pytest.mark.slow
async def test_what_was_shown_with_a_slice_comes_back(tmp_path: Path) -> None:
    make_project(tmp_path / "p", with_set=False)
    app = opened(tmp_path / "p")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 2)
        app.show_slices("ts_2")
        await until(pilot, lambda: loaded(app, SlicesMode) and app.screen.slice_view.pictures)
        await pilot.press("g", "right", "down", "F", "O")
        await until(pilot, lambda: isinstance(app.screen, OrthoScreen))
        cross = app.screen_stack[-2].cross
        await pilot.press("left", "K")
        planes = app.screen.triple.state.cursor
        await pilot.press("q")
    again = opened(tmp_path / "p")
    async with again.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(again.screen, OrthoScreen))
        await until(pilot, lambda: again.screen.triple.state.cursor == planes)
        await pilot.press("escape")
        await until(pilot, lambda: loaded(again, SlicesMode))
        assert again.screen.cross == cross
        assert again.screen.beside == "spectrum"


async def test_a_review_comes_back_as_near_and_in_the_same_contrast(tmp_path: Path) -> None:
    make_project(tmp_path / "p", 6)
    app = opened(tmp_path / "p")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 2)
        await pilot.press("3")
        await until(pilot, lambda: loaded(app, PicksMode) and app.screen.review is not None)
        await pilot.press("n")
        screen = app.screen
        here = screen.slice_view.view
        seen = replace(here, slab=3, zoom=0.9, window=Window(-1.5, 1.5), filter_name="LP60")
        screen.set_view(screen.slice_view.view.fitted())
        screen.set_view(seen)
        row = screen.review.row
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen))
        await pilot.press("q")
    again = opened(tmp_path / "p")
    async with again.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(again.screen, GalleryScreen))
        await pilot.press("escape")
        await until(pilot, lambda: loaded(again, PicksMode))
        view = again.screen.slice_view.view
        assert not again.session.picks.as_tiles
        assert again.screen.review.row == row
        assert (view.slab, view.zoom, view.filter_name) == (3, 0.9, "LP60")
        assert view.window == Window(-1.5, 1.5)


async def test_maps_come_back_turned_at_the_same_level_and_panel(tmp_path: Path) -> None:
    make_maps(tmp_path / "p")
    app = opened(tmp_path / "p")
    turn = turned(np.eye(3), 30.0, 15.0)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 2)
        await pilot.press("6")
        await until(pilot, lambda: isinstance(app.screen, MapsScreen) and app.screen.entry)
        screen = app.screen
        await until(pilot, lambda: screen.surface.densities)
        await pilot.press("w", "tab", "tab")
        screen.surface.look(SurfaceState(turn, 1.4, 0.8))
        screen.slices.state = SlicesState((8.0, -16.0, 24.0), 1.2, 0.9)
        part, panel = screen.part, screen.panel
        await pilot.press("q")
    again = opened(tmp_path / "p")
    async with again.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(again.screen, MapsScreen))
        await until(pilot, lambda: again.screen.surface.densities)
        screen = again.screen
        np.testing.assert_allclose(screen.surface.state.turn, turn)
        assert (screen.surface.state.zoom, screen.surface.state.share) == (1.4, 0.8)
        assert screen.slices.state == SlicesState((8.0, -16.0, 24.0), 1.2, 0.9)
        assert (screen.part, screen.panel) == (part, panel)


async def test_an_open_job_and_open_charts_are_open_again(make_app: AppMaker, folder: Path) -> None:
    kept = session.Session(mode="jobs", filters={"tasks": "ts_00[24]"})
    kept.opened = session.OpenScreen(kind="job", name="2", target="ts_004")
    session.save_session(folder, kept)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, JobDetailScreen) and app.screen.detail)
        await until(pilot, lambda: app.screen.table.cursor_key == "ts_004")
        assert app.screen.table.filter.text == "ts_00[24]"
        assert app.current_mode == "jobs"
        app.save_session()
        assert session.load_session(folder).opened == kept.opened
        await pilot.press("escape", "escape")
        await until(pilot, lambda: not isinstance(app.screen, JobDetailScreen))
        app.show_quality("ts_002")
        await until(pilot, lambda: isinstance(app.screen, QualityScreen) and app.screen._has_place)
        await pilot.press("tab", "right", "right", "z")
        index, panel = app.screen.index, app.screen.panel
        await pilot.press("q")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, QualityScreen) and app.screen._has_place)
        assert app.screen.series_name == "ts_002"
        assert (app.screen.index, app.screen.panel) == (index, panel)
        assert app.screen.has_class("-zoomed")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: not isinstance(app.screen, QualityScreen))
        await pilot.press("q")
    assert session.load_session(folder).opened is None


async def test_what_is_gone_is_not_opened(make_app: AppMaker, folder: Path) -> None:
    gone = session.OpenScreen(kind="job", name="77")
    session.save_session(folder, session.Session(mode="jobs", opened=gone, volume="nowhere"))
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.current_mode == "jobs" and app.screen.query_one(Table).total)
        assert len(app.screen_stack) == 1


@pytest.mark.parametrize(
    ("damage", "mode", "n_places"),
    [
        ({"places": {"a": {"index": -4}, "b": {"index": 3}}}, "jobs", 2),
        ({"places": {"a": "nonsense"}}, "jobs", 0),
        ({"maps": {"turn": [[1, 0], [0, 1]], "zoom": "near"}, "unfinished": "all"}, "jobs", 0),
        ({"opened": {"kind": "window"}, "version": 99, "later": {"x": 1}}, "jobs", 0),
        ({"mode": ["jobs"]}, "datasets", 0),
    ],
)
def test_of_a_damaged_session_the_rest_holds(
    damage: dict[str, Any], mode: str, n_places: int, tmp_path: Path
) -> None:
    session.save_session(tmp_path, session.Session(mode="jobs", series="ts_3"))
    (path,) = (session.state_folder() / "sessions").iterdir()
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    found = session.load_session(tmp_path)
    assert (found.mode, found.series) == (mode, "ts_3")
    assert len(found.places) == n_places
    for text in ("", "[1, 2]", '"x"', "\xff", '{"mode": '):
        path.write_text(text, encoding="latin-1")
        assert session.load_session(tmp_path) == session.Session()


def test_only_the_volumes_seen_last_are_kept() -> None:
    kept = session.Session()
    for number in range(60):
        kept.keep_places({f"v{number}": place_of(replace(SEEN, index=number))})
    assert len(kept.places) == session.MOST_PLACES
    assert list(kept.places)[-1] == "v59"
    again = session.Session.model_validate_json(kept.model_dump_json())
    assert view_of(again.places["v59"], "octant") == replace(SEEN, index=59, glyphs="octant")


def test_a_turn_that_is_none_and_a_contrast_without_width_are_not_taken() -> None:
    wrong = session.MapPlace(turn=((2, 0, 0), (0, 1, 0), (0, 0, 1)), zoom=1e9)
    np.testing.assert_array_equal(surface_of(wrong).turn, np.eye(3))
    assert surface_of(wrong).zoom == 12.0
    assert view_of(session.SlicePlace(window=(1.0, 1.0)), "half").window is None
