"""The mode of maps: what is listed, how maps are turned and compared, what is told of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from tests.tui.conftest import FakeStage, finish, request, start, until
from tests.tui.maps_project import PIXEL, blob, details, make_maps
from tomotui.formats.mrc import write_volume
from tomotui.project import Project
from tomotui.records import Status
from tomotui.stages.base import Parameters, parameter
from tomotui.tui.app import TomotuiApp
from tomotui.tui.maps_feed import MapsReader
from tomotui.tui.screens.gallery import GalleryScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.maps import MapsScreen
from tomotui.tui.screens.maps_layout import pages_of
from tomotui.tui.screens.maps_panels import NO_MAPS
from tomotui.tui.widgets.chart import ChartView
from tomotui.tui.widgets.density_picture import places_of
from tomotui.tui.widgets.fields import Field
from tomotui.tui.widgets.heat_view import HeatView
from tomotui.tui.widgets.map_slices import tiles_of
from tomotui.tui.widgets.table import Table

AppMaker = Callable[..., TomotuiApp]


class Refine(FakeStage):
    name, title, summary = "refine", "Refine", "Average particles."
    parameters_type = Parameters
    gives = ("map",)


STAGES = (Refine(),)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_maps(tmp_path / "maps")
    return tmp_path / "maps"


async def opened(pilot: Pilot[Any], n_maps: int = 1) -> MapsScreen:
    await pilot.press("6")
    await until(pilot, lambda: isinstance(pilot.app.screen, MapsScreen))
    screen = pilot.app.screen
    assert isinstance(screen, MapsScreen)
    await until(pilot, lambda: len(screen.surface.densities) == n_maps)
    return screen


def text_of(screen: MapsScreen, panel: str) -> str:
    view = screen.pane(panel).query_one(ChartView)
    return "\n".join(view.render_line(y).text for y in range(view.size.height))


async def test_the_newest_map_is_shown_with_all_that_is_known_of_it(
    make_app: AppMaker, place: Path
) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(200, 60)) as pilot:
        screen = await opened(pilot)
        assert screen.table.rows[0].key == screen.snapshot.chosen
        assert screen.crumbs() == ("ribosome",)
        assert screen.surface.densities[0].label == "ribosome"
        iterations = screen.pane("iterations").query_one(Table)
        rows = [[span.text for cell in row.cells for span in cell] for row in iterations.rows]
        assert rows[2][:4] == ["3", "tilt shift", "8.00", "33.0"]
        assert " undone" in rows[2]
        assert "30.5 Å" in text_of(screen, "fsc")
        assert screen.pane("particles").border_title == "ribosome-refined: 24 kept, 0 cut"
        assert screen.pane("views").query_one(HeatView).heat is not None
        assert "ts_1" in str(screen.pane("motion").border_title)
        await pilot.press("full_stop", "t")
        assert screen.pane("tilts").border_title.endswith("· ts_2")
        assert "shift" in screen.pane("tilts").border_title


async def test_a_map_is_turned_and_contoured_from_the_keyboard(
    make_app: AppMaker, place: Path
) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(120, 34)) as pilot:
        screen = await opened(pilot)
        await pilot.press("enter")
        assert screen.focused is screen.surface
        await until(pilot, lambda: screen.surface.pictures > 0)
        plain = screen.surface.state
        drawn = screen.surface.pictures
        await pilot.press("right", "j", "plus", "right_square_bracket")
        state = screen.surface.state
        # What faces the viewer, at low z, goes to the right and down.
        assert (state.turn @ (0, 0, -1))[:2] == pytest.approx([0.259, 0.25], abs=0.01)
        assert state.zoom > plain.zoom
        assert state.share > plain.share
        await until(pilot, lambda: screen.surface.pictures > drawn)
        assert "contour 1.10" in screen.surface.render_line(screen.surface.size.height - 1).text
        await pilot.press("X", "X")
        np.testing.assert_allclose(screen.surface.state.turn @ (0, 0, 1), (0, 1, 0))
        await pilot.press("0")
        np.testing.assert_allclose(screen.surface.state.turn, np.eye(3))
        assert (screen.surface.state.zoom, screen.surface.state.share) == (1.0, 1.0)


async def test_sections_follow_a_cursor(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(120, 34)) as pilot:
        screen = await opened(pilot)
        await pilot.press("tab", "tab")
        await until(pilot, lambda: screen.focused is screen.slices)
        await pilot.press("l", "l", "k", "J")
        assert screen.slices.state.cursor_angstrom == (2 * PIXEL, -PIXEL, PIXEL)
        await until(pilot, lambda: not screen.slices.is_waiting)
        words = "\n".join(
            screen.slices.render_line(y).text for y in range(screen.slices.size.height)
        )
        assert "XY 0.8" in words
        assert "YZ 1.6" in words
        screen.slices.action_move(99, 0, 0)
        assert screen.slices.state.cursor_angstrom[0] == 12 * PIXEL


async def test_parts_of_a_map_are_shown_in_turn(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(120, 34)) as pilot:
        screen = await opened(pilot)

        def label() -> str:
            return screen.surface.densities[0].label

        for expected in ("ribosome: half 1", "ribosome: half 2", "ribosome"):
            await pilot.press("w")
            await until(pilot, lambda expected=expected: label() == expected)


async def test_two_maps_are_compared_from_one_side(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(120, 34)) as pilot:
        screen = await opened(pilot)

        def labels() -> list[str]:
            return [one.label for one in screen.surface.densities]

        await pilot.press("b")
        assert "mark another map" in screen.status_bar.query_one("Hints").message
        await pilot.press("j", "space", "k")
        await until(pilot, lambda: labels() == ["ribosome"])
        await pilot.press("b")
        await until(pilot, lambda: labels() == ["initial"])
        await pilot.press("b")
        await until(pilot, lambda: labels() == ["ribosome"])
        await pilot.press("d")
        await until(pilot, lambda: labels() == ["ribosome", "initial"])
        assert len(screen.slices.densities) == 2
        await pilot.press("d")
        await until(pilot, lambda: labels() == ["ribosome"])


async def test_all_marked_maps_are_seen_side_by_side(make_app: AppMaker, place: Path) -> None:
    with Project.open(place) as project:
        known = project.records("map")[0]
        others = [
            known.replace(uid=f"other{i}", name=f"other{i}", path=f"half{i}.mrc", half_paths=None)
            for i in (1, 2)
        ]
        project.add_records(others)
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(120, 34)) as pilot:
        screen = await opened(pilot)
        await pilot.press("A", "d")
        await until(pilot, lambda: len(screen.surface.densities) == 4)
        labels = {one.label for one in screen.surface.densities}
        assert labels == {"ribosome", "initial", "other1", "other2"}
        assert len(screen.slices.densities) == 4
        await pilot.press("d")
        await until(pilot, lambda: len(screen.surface.densities) == 1)


@pytest.mark.parametrize(("size", "n_shown"), [((80, 24), 1), ((120, 34), 5)])
async def test_every_panel_is_reached_in_any_terminal(
    make_app: AppMaker, place: Path, size: tuple[int, int], n_shown: int
) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        shown = [pane for pane in screen.query("#maps-panels .pane") if pane.display]
        assert len(shown) == n_shown
        seen = []
        for _ in range(8):
            await pilot.press("tab")
            focused = screen.focused
            assert focused is not None
            seen.append(next(w.id for w in focused.ancestors_with_self if w.has_class("pane")))
            assert focused.region.width > 20
        assert seen[0] == "panel-surface"
        assert len(set(seen)) == 8
        await pilot.press("tab")
        assert screen.focused is screen.table
        await pilot.press("shift+tab", "z")
        await until(pilot, lambda: screen.pane("particles").size.width > size[0] - 6)
        await pilot.press("escape")
        assert not screen.has_class("-zoomed")


async def test_particles_of_a_map_are_kept_or_cut(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(120, 34)) as pilot:
        screen = await opened(pilot)
        await pilot.press("S")
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen))
        await pilot.press("x")
        with Project.open(place) as project:
            refined = project.particle_set_named("ribosome-refined")
            assert refined is not None
            assert len(project.particles(refined.uid, decisions=["rejected"])) == 1
            picks = project.particle_set_named("ribosome")
            assert picks is not None
            assert not project.particles(picks.uid, decisions=["rejected"])
        await pilot.press("escape")
        app.go_to_mode("maps")
        await until(
            pilot,
            lambda: screen.pane("particles").border_title == "ribosome-refined: 23 kept, 1 cut",
        )


async def test_reviews_begin_with_picks_not_with_refined_sets(
    make_app: AppMaker, place: Path
) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(120, 34)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: app.screen.review is not None)  # type: ignore[attr-defined]
        assert app.screen.review.curation.particle_set.name == "ribosome"  # type: ignore[attr-defined]


async def test_an_average_under_way_is_shown_as_it_grows(make_app: AppMaker, place: Path) -> None:
    with Project.open(place) as project:
        job = project.submit(request("refine", ["sample"]))
        start(project, job, "sample", 0.4)
        folder = place / project.task(job.id, "sample").folder
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(120, 34)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: len(app.screen.table.rows) == 3)  # type: ignore[attr-defined]
        screen = app.screen
        assert isinstance(screen, MapsScreen)
        assert "refine sample" in screen.table.rows[0].search
        await until(pilot, lambda: "first iteration is under way" in screen.surface.message)
        folder.mkdir(parents=True)
        details(folder / "progress.npz")
        write_volume(folder / "progress.mrc", blob(), PIXEL)
        await until(pilot, lambda: len(screen.surface.densities) == 1)
        assert screen.surface.densities[0].pixel_size_angstrom == PIXEL
        assert len(screen.pane("iterations").query_one(Table).rows) == 4
        with Project.open(place) as project:
            finish(project, job, "sample", Status.DONE)
        await until(pilot, lambda: len(screen.table.rows) == 2)


async def test_what_is_missing_is_said_and_nothing_falls(make_app: AppMaker, place: Path) -> None:
    (place / "final.mrc").unlink()
    (place / "details.npz").write_bytes(b"torn")
    (place / "old.mrc").write_bytes(b"no map")
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(120, 34)) as pilot:
        screen = await opened(pilot, 0)
        await until(pilot, lambda: "not there any more" in screen.surface.message)
        assert "details.npz cannot be read" in text_of(screen, "fsc")
        await pilot.press("j")
        await until(pilot, lambda: "old.mrc" in screen.surface.message)


async def test_a_project_without_maps_says_how_to_have_some(
    make_app: AppMaker, folder: Path
) -> None:
    app = make_app(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, 0)
        assert NO_MAPS[:20] in screen.table.render_line(2).text
        await pilot.press("w", "b", "d", "P", "tab", "right", "plus", "tab", "right", "y", "t", "z")
        assert app.is_running


@pytest.mark.parametrize(
    ("width", "height", "n_by_page"), [(154, 58, [8]), (86, 32, [5, 3]), (80, 16, [1] * 8)]
)
def test_pages_hold_every_panel_once(width: int, height: int, n_by_page: list[int]) -> None:
    pages = pages_of(width, height)
    assert [page.end - page.first for page in pages] == n_by_page
    for page in pages:
        assert page.columns * page.rows >= page.end - page.first + page.tall
        assert width // page.columns >= 40


def test_details_are_told_by_the_set_where_the_map_has_none(place: Path) -> None:
    with Project.open(place) as project:
        seen = MapsReader({"refine"})(project, None)
        again = MapsReader({"refine"})(project, None)
    assert seen == again
    assert [one.name for one in seen.entries] == ["ribosome", "initial"]
    assert seen.particles.table is not None
    assert [part.name for part in seen.entries[0].parts] == ["map", "half 1", "half 2"]


class MultibodyParameters(Parameters):
    particles: tuple[str, ...] = parameter((), "Set.")
    points: tuple[tuple[tuple[float, float, float], ...], ...] = parameter((), "Points.")


class Multibody(FakeStage):
    name, title, summary = "multibody", "Multibody", "Refine bodies."
    parameters_type = MultibodyParameters
    gives = ("map",)
    scope = "sample"


async def test_bodies_are_painted_and_their_points_fill_the_form(
    make_app: AppMaker, place: Path
) -> None:
    app = make_app(place, stages=(*STAGES, Multibody()))
    async with app.run_test(size=(120, 34)) as pilot:
        screen = await opened(pilot)
        await pilot.press("tab", "tab")
        await until(pilot, lambda: screen.focused is screen.slices)
        await pilot.press("a", "L")
        assert "two bodies at least" in screen.status_bar.query_one("Hints").message
        await pilot.press("l", "l", "a", "n", "k", "a", "a", "x")
        assert "body 2 · points of bodies 1: 2, 2: 1" in str(screen.pane("slices").border_title)
        await until(pilot, lambda: not screen.slices.is_waiting)
        rows = [screen.slices.render_line(y).text for y in range(screen.slices.size.height)]
        assert "2" in "".join(rows[:-1])
        await pilot.press("L")
        await until(
            pilot, lambda: isinstance(app.screen, LaunchScreen) and len(app.screen.query(Field)) > 1
        )
        wish = app.screen.wish()  # type: ignore[attr-defined]
        assert wish.stage == "multibody"
        assert list(wish.parameters["particles"]) == ["ribosome-refined"]
        assert [[list(one) for one in body] for body in wish.parameters["points"]] == [
            [[0.0, 0.0, 0.0], [2 * PIXEL, 0.0, 0.0]],
            [[2 * PIXEL, -PIXEL, 0.0]],
        ]


@pytest.mark.parametrize("n", range(1, 10))
def test_pictures_of_many_maps_share_the_room_and_none_covers_another(n: int) -> None:
    for height, width in ((40, 120), (24, 80), (60, 40)):
        taken = set()
        for row, column, tall, wide in places_of(height, width, n, 2.0):
            mine = {(row + i, column + j) for i in range(tall) for j in range(wide)}
            assert not taken & mine
            assert row + tall <= height
            assert column + wide <= width
            taken |= mine
        tiles = tiles_of(height, width, n, 2.0)
        assert len(tiles) == 3 * n
        assert all(one.row + one.height <= height for one in tiles)
        assert all(one.column + one.width <= width for one in tiles)
    assert len({row for row, *_ in places_of(40, 80, 4, 2.0)}) == 2, "four maps in two rows"
