"""The mode of variation: landscapes, what is selected, played and launched there, and classes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual import events
from textual.pilot import Pilot

from tests.tui.conftest import FakeStage, request, start, until
from tests.tui.variation_project import DEVIATIONS, N_PARTICLES, coordinates, make_variation
from tomotui.project import Project
from tomotui.records.particle_table import ParticleTable
from tomotui.stages.base import SampleParameters, parameter
from tomotui.tui.app import TomotuiApp
from tomotui.tui.raster.capability import Capability
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.maps import MapsScreen
from tomotui.tui.screens.variation import VariationScreen
from tomotui.tui.screens.variation_panels import page_of
from tomotui.tui.screens.variation_words import NO_MOTION
from tomotui.tui.widgets.fields import Field
from tomotui.tui.widgets.status_bar import Hints, LineInput

AppMaker = Callable[..., TomotuiApp]


class PathParameters(SampleParameters):
    particles: tuple[str, ...] = parameter((), "Set.")
    landscape: str = parameter("", "Landscape.")
    path: tuple[str, ...] = parameter((), "Points.")


class LandscapeMaps(FakeStage):
    name, title, summary = "landscape-maps", "Landscape maps", "Average along a path."
    parameters_type = PathParameters
    gives = ("map",)
    scope = "sample"


class Landscape(FakeStage):
    name, title, summary = "landscape", "Landscape", "Learn a landscape."
    parameters_type = SampleParameters
    gives = ("landscape",)
    scope = "sample"


STAGES = (LandscapeMaps(), Landscape())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_variation(tmp_path / "varied")
    return tmp_path / "varied"


async def opened(pilot: Pilot[Any], row: int = 0) -> VariationScreen:
    """Open the mode with the focus in the first panel of a row of the list."""
    await pilot.press("8")
    await until(pilot, lambda: isinstance(pilot.app.screen, VariationScreen))
    screen = pilot.app.screen
    assert isinstance(screen, VariationScreen)
    await until(pilot, lambda: len(screen.table.rows) > row)
    await pilot.press(*["j"] * row, "enter")
    key = screen.table.rows[row].key
    await until(pilot, lambda: screen.snapshot.chosen.key == key)
    await until(pilot, lambda: screen.focused in (screen.plane, screen.gallery))
    if screen.landscape is not None:
        await until(pilot, lambda: bool(screen.shape.densities))
        await until(pilot, lambda: screen.plane.pictures > 0)
    return screen


def message(screen: VariationScreen) -> str:
    return screen.query_one(Hints).message


async def while_busy(condition: Callable[[], Any]) -> None:
    """Wait for something that comes while pictures follow each other: a pilot waits for rest."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("what was waited for did not come")


def made(place: Path, name: str) -> tuple[ParticleTable, ParticleTable]:
    """The particles of a new set, and those of the set it was made from."""
    with Project.open(place) as project:
        found = project.particle_set_named(name)
        assert found is not None
        assert found.parent_uid is not None
        table = project.particle_table([found.uid])
        return table, project.particle_table([found.parent_uid])


async def test_the_conformation_follows_the_cursor(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(110, 30)) as pilot:
        screen = await opened(pilot)
        assert "2 motions among 120 particles" in str(
            screen.query_one("#variation-verdict").render()
        )
        before = screen.shape.densities[0]
        await pilot.press("right")
        screen.plane.action_move(11, 0)
        x, y = screen.plane.state.cursor
        assert (x > 0.5, y) == (True, 0.0)
        await until(pilot, lambda: screen.shape.densities[0].label == f"{x:+.2f} +0.00")
        moved = screen.shape.densities[0]
        assert moved.level == before.level
        # The arm has turned about z, from x towards y.
        await until(pilot, lambda: screen.shape.densities[0].values.shape[0] == 48)
        n = 48 // 2
        ends = screen.shape.densities[0].values[:, :, n + 8 :].sum(axis=(0, 2))
        assert ends[n + 1 :].sum() > 2 * ends[:n].sum()
        point = screen.point
        assert point is not None
        assert point == pytest.approx([x * DEVIATIONS[0], 0.0])
        near = np.hypot(coordinates()[:, 0] / DEVIATIONS[0] - x, coordinates()[:, 1]) < 0.35
        assert f"{near.sum()} near" in str(screen.pane("plane").border_subtitle)
        # The histogram is in degrees, as bodies turn.
        assert "°" in str(screen.pane("along").border_title)
        await pilot.press("X")
        assert screen.pane("plane").border_title == "motion 1 and coordinate 1"
        await pilot.press("X", "X")
        assert screen.pane("plane").border_title == "motion 1 and motion 2"
        assert screen.plane.state.cursor == pytest.approx((x, y))
        await pilot.press("0", "plus")
        assert screen.plane.state.cursor == (0.0, 0.0)
        span = screen.plane.state.span
        await pilot.press("minus")
        assert screen.plane.state.span.x[1] > span.x[1]


async def test_thresholds_and_clusters_make_sets(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(110, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("w")
        assert "select particles first" in message(screen)
        await pilot.press("T")
        wanted = coordinates()[:, 0] <= 0
        assert f"{wanted.sum()} particles selected" in message(screen)
        await pilot.press("w")
        await until(pilot, lambda: "made ribosome-refined motion 1 up to 0.00" in message(screen))
        after, before = made(place, "ribosome-refined motion 1 up to 0.00")
        np.testing.assert_array_equal(after.origins, before.uids[wanted])
        await pilot.press("W", *"shut", "enter")
        await until(pilot, lambda: "made shut: 40 of 120" in message(screen))
        await pilot.press("escape")
        assert screen.work_here.selected is None
        await pilot.press("n")
        assert "c parts the particles" in message(screen)
        await pilot.press("c", "backspace", *"500", "enter")
        assert "from 1 to 20" in message(screen)
        await pilot.press("c", "enter")
        await until(pilot, lambda: screen.work_here.selected is not None)
        assert screen.work_here.selected.sum() == N_PARTICLES // 3
        await pilot.press("n", "w")
        await until(pilot, lambda: "cluster B: 80 of 120" in message(screen))
        after, before = made(place, "ribosome-refined cluster B")
        np.testing.assert_array_equal(after.origins, before.uids[N_PARTICLES // 3 :])


async def test_keys_of_one_burst_are_taken_in_their_order(make_app: AppMaker, place: Path) -> None:
    """As a slow line brings them: all at once."""
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(110, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("c")
        line = screen.query_one(LineInput)
        assert line.value == "2"
        for key in ("backspace", "3"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: line.value == "3")


async def test_lasso_box_and_mouse_select(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(110, 30)) as pilot:
        screen = await opened(pilot)

        def go(x: float, y: float) -> None:
            screen.plane.look(replace(screen.plane.state, cursor=(x, y)))

        places = coordinates() / DEVIATIONS
        go(0.1, -1.0)
        await pilot.press("b")
        go(1.4, 0.5)
        await pilot.press("b")
        inside = (np.abs(places[:, 0] - 0.75) < 0.65) & (np.abs(places[:, 1] + 0.25) < 0.75)
        await until(pilot, lambda: screen.work_here.selected is not None)
        np.testing.assert_array_equal(screen.work_here.selected, inside)
        for x, y in ((-2.0, -3.0), (0.0, -3.0), (0.0, 3.0)):
            go(x, y)
            await pilot.press("a")
        go(-2.0, 3.0)
        await pilot.press("enter")
        inside = (places[:, 0] < 0) & (np.abs(places[:, 1]) < 3)
        await until(pilot, lambda: np.array_equal(screen.work_here.selected, inside))
        await pilot.press("a", "enter")
        assert "three corners" in message(screen)
        size = screen.plane.size
        await pilot.mouse_down(screen.plane, offset=(0, 0))
        for column, row in ((size.width // 2, 0), (size.width // 2, size.height - 2)):
            await pilot.hover(screen.plane, offset=(column, row))
        await pilot.hover(screen.plane, offset=(0, size.height - 2))
        await pilot.mouse_up(screen.plane, offset=(0, size.height - 2))
        await pilot.pause()
        assert 0 < screen.work_here.selected.sum() < N_PARTICLES


async def test_motions_and_paths_are_played_and_a_path_fills_the_form(
    make_app: AppMaker, place: Path
) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(110, 30)) as pilot:
        screen = await opened(pilot)
        screen.action_motion()
        screen.action_faster(1)
        book = screen.work_here.book
        assert book is not None
        np.testing.assert_allclose(book.points[[0, -1], 0], (-4.0, 4.0))
        seen: set[str] = set()

        def has_moved() -> bool:
            seen.add(screen.shape.densities[0].label)
            return len(seen) > 2

        await while_busy(has_moved)
        screen.action_motion()
        assert str(screen.pane("shape").border_title).startswith("motion 2")
        await pilot.press("right")
        assert screen.work_here.book is None
        assert "at the cursor" in str(screen.pane("shape").border_title)
        await pilot.press("0", "L")
        assert "mark the path first" in message(screen)
        await pilot.press("i")
        screen.plane.action_move(10, 0)
        await pilot.press("i", "up", "i", "d")
        path = np.array(screen.work_here.path)
        assert path.shape == (2, 2)
        await pilot.press("full_stop")
        book = screen.work_here.book
        assert book is not None
        np.testing.assert_allclose(book.points[[0, -1]], path)
        assert (book.at, book.is_playing) == (1, False)
        screen.action_play()
        assert "playing" in str(screen.pane("shape").border_title)
        await while_busy(lambda: screen.work_here.book is not None and screen.work_here.book.at > 3)
        screen.action_play()
        assert "paused" in str(screen.pane("shape").border_title)
        await pilot.press("L")
        await until(
            pilot, lambda: isinstance(app.screen, LaunchScreen) and len(app.screen.query(Field)) > 2
        )
        wish = app.screen.wish()  # type: ignore[attr-defined]
        assert wish.parameters["landscape"] == "ribosome hinge"
        assert list(wish.parameters["particles"]) == ["ribosome-refined"]
        told = [[float(word) for word in one.split(",")] for one in wish.parameters["path"]]
        np.testing.assert_allclose(told, path, rtol=1e-3)


async def test_a_rigid_structure_is_said_to_be_one_and_reading_makes_nothing(
    make_app: AppMaker, tmp_path: Path
) -> None:
    make_variation(tmp_path / "rigid", rigid=True)
    app = make_app(tmp_path / "rigid", stages=STAGES, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, row=1)
        assert NO_MOTION in str(screen.query_one("#variation-verdict").render())
        await pilot.press("m")
        assert NO_MOTION in message(screen)
        assert screen.work_here.book is None
        await pilot.press("t", "w")
        assert "read-only" in message(screen)
    with Project.open(tmp_path / "rigid") as project:
        assert len(project.particle_sets()) == 3


async def test_marked_classes_become_one_set_and_maps_open(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(110, 30)) as pilot:
        screen = await opened(pilot, row=1)
        gallery = screen.gallery
        await until(pilot, lambda: len(gallery.densities) == 2)
        assert [one.name for one in gallery.tiles] == ["class 1", "class 2", "noise"]
        assert gallery.tiles[2].density is None
        words = "\n".join(gallery.render_line(y).text for y in range(gallery.size.height))
        assert "class 1 50%" in words
        assert "60 · 29.0 Å" in words
        await pilot.press("space", "right", "space", "w")
        await until(pilot, lambda: "made ribosome-classes 1+2: 100 of 120" in message(screen))
        assert set(made(place, "ribosome-classes 1+2")[0].classes.tolist()) == {1, 2}
        await pilot.press("right", "enter")
        assert "no map" in message(screen)
        await pilot.press("left", "enter")
        await until(pilot, lambda: isinstance(app.screen, MapsScreen))
        await until(pilot, lambda: app.screen.crumbs() == ("ribosome class 2",))
        # Also when the maps were open before.
        await pilot.press("8", "left", "enter")
        await until(pilot, lambda: app.screen.crumbs() == ("ribosome class 1",))


@pytest.mark.parametrize(("size", "n_shown"), [((60, 16), 2), ((110, 30), 4)])
async def test_every_panel_is_reached_in_any_terminal(
    make_app: AppMaker, place: Path, size: tuple[int, int], n_shown: int
) -> None:
    plain = Capability(colours="mono", glyphs="ascii", available=("ascii",))
    app = make_app(place, stages=STAGES, capability=plain if size[0] == 60 else Capability())
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        shown = [pane for pane in screen.query("#variation-panels .pane") if pane.display]
        assert len(shown) == n_shown
        seen = set()
        for _ in range(4):
            focused = screen.focused
            assert focused is not None
            seen.add(next(w.id for w in focused.ancestors_with_self if w.has_class("pane")))
            assert focused.region.width > 20
            await pilot.press("tab")
        assert seen == {"panel-plane", "panel-shape", "panel-along", "panel-motions"}
        await until(pilot, lambda: screen.focused is screen.table)
        assert screen.table.region.height > 2
        if app.ascii_only:
            rows = [screen.plane.render_line(y).text for y in range(screen.plane.size.height)]
            assert "".join(rows).isascii()
            assert str(screen.pane("along").border_title).isascii()


async def test_what_is_missing_is_said_and_nothing_falls(make_app: AppMaker, place: Path) -> None:
    (place / "ribosome-hinge.npz").write_bytes(b"torn")
    (place / "classes.npz").unlink()
    (place / "class1.mrc").write_bytes(b"no map")
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(110, 30)) as pilot:
        await pilot.press("8")
        await until(pilot, lambda: "cannot be read" in app.screen.plane.message)  # type: ignore[attr-defined]
        screen = app.screen
        assert isinstance(screen, VariationScreen)
        await pilot.press("enter", "right", "i", "m", "t", "c", "w", "L", "x", "escape")
        await pilot.press("shift+tab", "j")
        await until(pilot, lambda: len(screen.gallery.densities) == 1)
        assert len(screen.gallery.tiles) == 3
        assert "class1.mrc" in message(screen)


async def test_work_under_way_and_an_empty_project(
    make_app: AppMaker, place: Path, folder: Path
) -> None:
    with Project.open(place) as project:
        job = project.submit(request("landscape", ["sample"]))
        start(project, job, "sample", 0.4)
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(110, 30)) as pilot:
        await pilot.press("8")
        await until(pilot, lambda: "under way" in app.screen.plane.message)  # type: ignore[attr-defined]
    app = make_app(folder, stages=STAGES)
    async with app.run_test(size=(110, 30)) as pilot:
        await pilot.press("8")
        await until(pilot, lambda: "nothing yet" in app.screen.table.empty)  # type: ignore[attr-defined]
        await pilot.press("w", "m", "p", "L", "y", "P")
        assert isinstance(app.screen, VariationScreen)


def test_pages_use_the_room_there_is() -> None:
    assert page_of(0, 4, 58, 10) == (0, 2, 2, 1)
    assert page_of(3, 4, 58, 10) == (2, 4, 2, 1)
    assert page_of(3, 4, 90, 31) == (0, 4, 2, 2)
    assert page_of(2, 4, 20, 8) == (2, 3, 1, 1)


@pytest.mark.slow
async def test_the_place_on_a_plane_and_the_panel_come_back(
    make_app: AppMaker, place: Path
) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=(110, 30)) as pilot:
        screen = await opened(pilot)
        screen.plane.action_move(7, 2)
        cursor = screen.plane.state.cursor
        await pilot.press("tab", "q")
    again = make_app(place, stages=STAGES)
    async with again.run_test(size=(110, 30)) as pilot:
        await until(pilot, lambda: isinstance(again.screen, VariationScreen))
        screen = again.screen
        assert isinstance(screen, VariationScreen)
        await until(pilot, lambda: screen.plane.state.cursor == pytest.approx(cursor))
        await until(pilot, lambda: screen.focused is screen.shape)
        assert (screen.panel, screen.in_list) == (1, False)
