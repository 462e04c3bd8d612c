"""What the mode of maps shows of a refinement's course: its iterations, and drift on images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from textual.pilot import Pilot

from tests.tui.conftest import FakeStage, until
from tests.tui.maps_project import K, make_maps
from tests.tui.test_maps import opened
from tomotui.project import Project
from tomotui.stages.base import Parameters
from tomotui.tui.app import TomotuiApp
from tomotui.tui.details import Details, read_details
from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.drift import EmptyField, arrows, read_drift
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.screens.maps import MapsScreen
from tomotui.tui.widgets.chart import ChartView

AppMaker = Callable[..., TomotuiApp]
SIZE = (100, 30)


class Refine(FakeStage):
    name, title, summary = "refine", "Refine", "Average particles."
    parameters_type = Parameters
    gives = ("map",)


STAGES = (Refine(),)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_maps(tmp_path / "maps")
    return tmp_path / "maps"


def labels(screen: MapsScreen) -> list[str]:
    return [one.label for one in screen.surface.densities]


def without(place: Path, *beginnings: str) -> None:
    """Leave arrays out of the details, as refinements did before they kept them."""
    with np.load(place / "details.npz") as found:
        kept = {name: found[name] for name in found.files if not name.startswith(beginnings)}
    np.savez(place / "details.npz", **kept)


def make_stack(place: Path, name: str = "ts_1", n: int = 10) -> None:
    with Project.open(place) as project:
        series = project.series_named(name)
    assert series is not None
    path = place / series.stack_path
    path.parent.mkdir(exist_ok=True)
    images = np.random.default_rng(0).normal(0, 1, (n, 48, 64)).astype(np.float32)
    with mrcfile.new(path, images) as file:
        file.voxel_size = series.pixel_size_angstrom


# Iterations


async def test_the_cursor_of_iterations_shows_each_beside_the_last(
    make_app: AppMaker, place: Path
) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("tab", "tab", "tab", "tab")
        assert screen.focused is screen.iterations
        assert screen.iterations.cursor_key == str(K - 1)
        await until_labels(pilot, screen, ["ribosome"])
        await pilot.press("g")
        both = ["1: 40.0 Å", "4: 30.5 Å"]
        await until_labels(pilot, screen, both)
        assert [one.label for one in screen.slices.densities] == both
        title = str(screen.pane("surface").border_title)
        assert "1 pose · 40.0 Å · Δ 30.00°, 12.00 Å" in title
        assert "last: 4 defocus · 30.5 Å" in title
        # What made no map is shown by the map that it began with.
        await pilot.press("j", "j")
        await until_labels(pilot, screen, ["2: 35.0 Å", both[1]])
        assert str(screen.pane("surface").border_title).startswith("3 tilt shift · 33.0 Å")
        # Those that are marked are seen as well, in the order of the course.
        await pilot.press("g", "space")
        await until_labels(pilot, screen, ["1: 40.0 Å", "2: 35.0 Å", "4: 30.5 Å"])
        await pilot.press("G")
        await until_labels(pilot, screen, ["ribosome"])
        assert screen.pane("surface").border_title == "surface"


async def test_an_iteration_and_the_last_are_blinked_at_one_scale(
    make_app: AppMaker, place: Path
) -> None:
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("tab", "tab", "tab", "tab", "k", "k")
        await until(pilot, lambda: len(labels(screen)) == 2)
        # Blinking goes on where one turns the map.
        await pilot.press("enter", "right", "b")
        assert screen.focused is screen.surface
        await until_labels(pilot, screen, ["4: 30.5 Å"])
        assert str(screen.pane("surface").border_title).startswith("4 defocus")
        turn = screen.surface.state.turn
        await pilot.press("b")
        await until_labels(pilot, screen, ["2: 35.0 Å"])
        assert screen.surface.state.turn is turn
        await pilot.press("d")
        await until(pilot, lambda: len(labels(screen)) == 2)
        await pilot.press("w")
        assert "nothing but their maps" in screen.status_bar.query_one("Hints").message
        # Another map has another course.
        await pilot.press("tab", "tab")
        screen.table.focus()
        await pilot.press("j")
        await until_labels(pilot, screen, ["initial"])
        await pilot.press("k")
        await until_labels(pilot, screen, ["ribosome"])


async def test_results_without_maps_of_iterations_still_open(
    make_app: AppMaker, place: Path
) -> None:
    without(place, "iteration_map")
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("tab", "tab", "tab", "tab", "k", "k")
        await until(
            pilot, lambda: "no maps of single" in screen.status_bar.query_one("Hints").message
        )
        assert labels(screen) == ["ribosome"]
        await pilot.press("b")
        assert "mark another map" in screen.status_bar.query_one("Hints").message


async def test_maps_of_iterations_that_are_gone_or_torn_are_told_of(
    make_app: AppMaker, place: Path
) -> None:
    (place / "iterations/001-p.mrc").unlink()
    (place / "iterations/002-p.mrc").write_bytes(b"torn")
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("tab", "tab", "tab", "tab", "k", "k")
        await until(pilot, lambda: "002-p.mrc" in screen.status_bar.query_one("Hints").message)
        assert labels(screen) == ["4: 30.5 Å"]
        await pilot.press("g")
        await until(pilot, lambda: screen.iteration == 0)
        assert app.is_running


async def until_labels(pilot: Pilot[Any], screen: MapsScreen, wanted: list[str]) -> None:
    await until(pilot, lambda: labels(screen) == wanted)


# Drift


async def test_drift_is_drawn_on_the_tilt_images_and_stepped_by_angle(
    make_app: AppMaker, place: Path
) -> None:
    make_stack(place)
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        view = screen.drift
        await until(pilot, lambda: view.drift is not None and view.source is not None)
        assert view.source is not None
        assert view.source.name == "ts_1"
        # The flattest of angles that fall along the stack.
        assert view.view.index == 5
        await pilot.press(*7 * ["tab"])
        assert screen.focused is view
        await pilot.press("right", "l")
        assert view.view.index == 3
        await until(pilot, lambda: not view.is_waiting)
        title = str(screen.pane("motion").border_title)
        assert title.startswith(f"drift × {view.factor:g} · ts_1 · score 0.866 · image ")
        tilts = screen.pane("tilts").query_one(ChartView).chart
        assert tilts is not None
        assert tilts.cursor == pytest.approx(30.0)
        assert any(0x2800 < ord(c) < 0x2900 for row in rows_of(view) for c in row)
        factor = view.factor
        await pilot.press("greater_than_sign", "home")
        assert view.factor == 2 * factor
        assert view.view.index == 9
        assert f"× {2 * factor:g}" in str(screen.pane("motion").border_title)
        await pilot.press("left")
        assert view.view.index == 9


async def test_without_images_arrows_are_drawn_on_an_empty_field(
    make_app: AppMaker, place: Path
) -> None:
    make_stack(place, n=4)
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        view = screen.drift
        await until(pilot, lambda: isinstance(view.source, EmptyField))
        await pilot.press("full_stop")
        await until(pilot, lambda: "ts_2" in str(screen.pane("motion").border_title))
        assert "no images" in str(screen.pane("motion").border_title)
        # Nobody looks at it yet, and nobody is told.
        assert "images" not in screen.status_bar.query_one("Hints").message
        await pilot.press(*7 * ["tab"])
        await until(pilot, lambda: not view.is_waiting)
        hints = screen.status_bar.query_one("Hints")
        await pilot.press("comma")
        await until(pilot, lambda: "fewer images than were refined" in hints.message)
        await pilot.press("full_stop")
        await until(pilot, lambda: "ts_2.mrc" in hints.message)
        assert any(0x2800 < ord(c) < 0x2900 for row in rows_of(view) for c in row)


async def test_refinements_that_kept_no_places_or_no_motion_still_open(
    make_app: AppMaker, place: Path
) -> None:
    make_stack(place)
    without(place, "motion_seen", "tilt_index", "motion_angstrom_1")
    app = make_app(place, stages=STAGES)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: isinstance(screen.drift.source, EmptyField))
        assert "no images" in str(screen.pane("motion").border_title)
        await pilot.press("full_stop")
        await until(pilot, lambda: "nothing is known of motion" in screen.drift.error)
        await pilot.press(*7 * ["tab"], "right", "home", "plus", "f", "0", "z")
        assert "refine with g tells" in " ".join(rows_of(screen.drift))


def rows_of(view: Any) -> list[str]:
    return [view.render_line(y).text for y in range(view.size.height)]


def test_arrows_end_where_particles_were_found() -> None:
    tails = np.array([[0.0, 0.0], [10.0, 5.0]])
    ways = np.array([[4.0, 0.0], [0.0, -2.0]])
    corners = arrows(tails, ways).reshape(2, 6, 2)
    np.testing.assert_allclose(corners[:, 0], tails)
    np.testing.assert_allclose(corners[:, 1], tails + ways)
    assert np.isnan(corners[:, 5]).all()
    for barb in (corners[:, 2], corners[:, 4]):
        back = barb - (tails + ways)
        assert ((back * ways).sum(axis=1) < 0).all()
        np.testing.assert_allclose(np.linalg.norm(back, axis=1), 0.35 * np.array([4.0, 2.0]))
    # One on each side.
    sides = [float(corners[0, at, 1]) for at in (2, 4)]
    assert sides[0] * sides[1] < 0


def test_arrows_lie_where_particles_are_seen_and_are_longer_by_the_factor(place: Path) -> None:
    drift = read_drift(read_details(place, "details.npz"), 0)
    assert not isinstance(drift, str)
    assert drift.order == tuple(range(9, 0, -1))
    field = EmptyField(drift)
    row = 8
    marks, lines = drift.over(field, SliceViewState(index=1), drift.factor)
    pixel, middle = field.pixel_size_angstrom, field.shape[1] // 2
    at = np.stack([marks.columns, marks.rows], axis=1)
    np.testing.assert_allclose((at - middle) * pixel, drift.seen_angstrom[row])
    heads = np.stack([lines.columns, lines.rows], axis=1).reshape(-1, 6, 2)[:, 1]
    np.testing.assert_allclose((heads - at) * pixel, drift.factor * drift.moved_angstrom[row])
    assert (at > 0).all()
    assert (at < field.shape[1]).all()
    assert drift.over(field, SliceViewState(index=0), drift.factor) == []
    longer = drift.factor * np.percentile(np.linalg.norm(drift.moved_angstrom, axis=2), 90)
    gap = np.ptp(drift.seen_angstrom[4], axis=0).max() / 4
    assert 0.3 * gap < longer <= 0.9 * gap
    assert isinstance(read_drift(Details(), 0), str)


def test_nothing_is_drawn_on_an_empty_field_but_arrows(place: Path) -> None:
    drift = read_drift(read_details(place, "details.npz"), 0)
    assert not isinstance(drift, str)
    for ground in (0.0, 0.04, 0.97):
        field, view = EmptyField(drift, "ts_1", ground), SliceViewState(index=5)
        artist = SliceArtist(Capability())
        frame = artist.draw(field, view, field.read("z", 5), (12, 24))
        inner = frame.background[1:9, 2:20]
        assert len(np.unique(inner)) == 1
    assert drift.is_any
    still = dataclasses.replace(drift, moved_angstrom=0 * drift.moved_angstrom)
    assert not still.is_any
    assert still.factor == 1.0
