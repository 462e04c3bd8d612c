"""What stands beside slices, over them, and what is opened from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from textual.pilot import Pilot

from tests.tui.conftest import AppMaker, finish, request, start, until
from tests.tui.picks_project import PIXEL, SIZE_ZYX, make_project
from tomotui.project import Project
from tomotui.project.candidates import read_candidates
from tomotui.records import Event, Status
from tomotui.tui.app import TomotuiApp
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.spectrum import SpectrumSource
from tomotui.tui.raster.still_support import StillSupport
from tomotui.tui.screens.ortho import OrthoScreen
from tomotui.tui.screens.set_picker import SetPicker
from tomotui.tui.screens.slices_mode import SlicesMode
from tomotui.tui.screens.still import StillScreen
from tomotui.tui.slice_layers import read_layers
from tomotui.tui.widgets.ortho_triple import OrthoTriple
from tomotui.tui.widgets.pacing import PacedPicture
from tomotui.tui.widgets.status_bar import Hints, StatusBar

OCTANT = Capability(glyphs="octant")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """ts_1 has candidates, halves, scores, and a restored tomogram of half the voxels."""
    place = tmp_path / "cells"
    tomogram = make_project(place)[0]
    whole = mrcfile.read(place / "ts_1.mrc")
    noise = np.random.default_rng(5).normal(0, 1, SIZE_ZYX).astype(np.float32)
    for name, data, size in (
        ("half1", whole + noise, PIXEL),
        ("half2", whole - noise, PIXEL),
        ("small", whole.reshape(12, 2, 24, 2, 32, 2).mean(axis=(1, 3, 5)), 2 * PIXEL),
        ("scores", np.where(np.arange(64) < 32, 9.0, 0.0) + noise, PIXEL),
    ):
        with mrcfile.new(place / f"{name}.mrc", data.astype(np.float32)) as file:
            file.voxel_size = size
    with Project.open(place) as project:
        small = tomogram.replace(
            uid="small",
            path="small.mrc",
            size_xyz=(32, 24, 12),
            pixel_size_angstrom=2 * PIXEL,
            method="coarse",
        )
        halved = tomogram.replace(uid="halved", half_paths=("half1.mrc", "half2.mrc"))
        project.add_records([small, halved])
        job = project.submit(request("match", ["ts_1"]))
        start(project, job, "ts_1", 0.5)
        scores = Event(kind="artifact", at=1.0, message="scores", data={"path": "scores.mrc"})
        project.ingest_events(project.task(job.id, "ts_1"), [scores], 200)
        finish(project, job, "ts_1", Status.DONE, summary="20 candidates")
    return place


async def slices(pilot: Pilot[Any], app: TomotuiApp) -> SlicesMode:
    await until(pilot, lambda: app.current_mode == "datasets")
    app.show_slices("ts_1")
    await until(
        pilot, lambda: isinstance(app.screen, SlicesMode) and app.screen.slice_view.pictures
    )
    screen = app.screen
    assert isinstance(screen, SlicesMode)
    await until(pilot, lambda: screen.overlays is not None)
    return screen


def status(screen: SlicesMode) -> str:
    return str(screen.query_one("#slices-status").render())


def said(screen: SlicesMode) -> str:
    return " ".join(str(one.render()) for one in screen.query_one(StatusBar).query("*"))


def at_rest(screen: SlicesMode) -> Callable[[], bool]:
    return lambda: (
        not screen.slice_view.is_waiting and not (screen.beside and screen.companion.is_waiting)
    )


async def test_the_spectrum_follows_the_slice(make_app: AppMaker, place: Path) -> None:
    (place / "raw").mkdir()
    stack = np.random.default_rng(0).normal(size=(41, 30, 40)).astype(np.float32)
    mrcfile.write(place / "raw" / "ts_1.mrc", stack)
    app = make_app(place, capability=OCTANT)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await slices(pilot, app)
        await pilot.press("F")
        await until(pilot, lambda: screen.companion.pictures)
        assert "beside: spectrum" in status(screen)
        await pilot.press("X", "j", "right_parenthesis")
        await until(pilot, at_rest(screen))
        spectrum = screen.companion.source
        assert isinstance(spectrum, SpectrumSource)
        assert spectrum.axis == "y"
        assert spectrum.tilts_deg == (-54.0, 60.0), "two tilts are left out"
        here, there = screen.slice_view.view, screen.companion.view
        assert (there.index, there.slab) == (here.index, here.slab)
        screen.companion.move_slice(2)
        await until(pilot, lambda: screen.slice_view.view.index == here.index + 2)
        await pilot.press("F")
        await until(pilot, lambda: not screen.companion.display or not screen.companion.size.area)
        assert "beside" not in status(screen)
        await pilot.press("b")
        await until(pilot, lambda: screen.slice_view.source and screen.slice_view.source.is_stack)
        for key in "lOD":
            await pilot.press(key)
            assert "b shows a tomogram" in status(screen), "that is for volumes alone"
        await pilot.press("F")
        await until(
            pilot, lambda: getattr(screen.companion.source, "source", 0) is screen.slice_view.source
        )


async def test_two_volumes_side_by_side_show_one_place(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, capability=OCTANT)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await slices(pilot, app)
        await pilot.press("d")
        await until(pilot, lambda: "correlation" in status(screen))
        labels = []
        for _ in range(4):
            labels.append(screen._beside_choice.label if screen._beside_choice else "")
            before = screen.companion.source
            await pilot.press("D")
            await until(pilot, lambda: screen.companion.source is not before)  # noqa: B023
        assert sorted(labels) == [
            "ts_1 coarse 40 Å",
            "ts_1 wbp 20 Å",
            "ts_1 wbp 20 Å, half 1",
            "ts_1 wbp 20 Å, half 2",
        ]
        while screen._beside_choice is None or "coarse" not in screen._beside_choice.label:
            await pilot.press("D")
            await until(pilot, lambda: "opening" not in status(screen))
        await pilot.press("plus", "plus", "right", "j", "j")
        await until(pilot, at_rest(screen))
        here, there = screen.slice_view.view, screen.companion.view
        assert there.index == round((here.index - 12) / 2 + 6)
        assert there.zoom == pytest.approx(here.zoom / 2 if here.zoom else None)
        assert here.centre is not None
        assert there.centre is not None
        angstrom = [(here.centre[i] - 0.5 - n // 2) * PIXEL for i, n in enumerate((48, 64))]
        beside = [(there.centre[i] - 0.5 - n // 2) * 2 * PIXEL for i, n in enumerate((24, 32))]
        assert beside == pytest.approx(angstrom)
        # The mouse moves the other one, and both go.
        screen.companion.drag(0, -3)
        await until(pilot, at_rest(screen))
        assert screen.slice_view.view.centre is not None
        assert screen.slice_view.view.centre[1] > here.centre[1]
        # Blinking shows the one compared with, at the same place.
        await pilot.press("d", "space")
        await until(pilot, lambda: status(screen).strip().startswith("ts_1 coarse"))
        assert screen.slice_view.view.index == screen.companion.view.index
        await pilot.press("space")
        await until(pilot, lambda: status(screen).strip().startswith("ts_1 wbp"))


async def test_blinking_by_the_clock_ends_with_the_key(make_app: AppMaker, place: Path) -> None:
    (place / "half1.mrc").unlink()
    app = make_app(place, capability=OCTANT)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await slices(pilot, app)
        await pilot.press("B")
        assert "no restored tomogram yet" in status(screen)
        assert screen._blinker is None
        await pilot.press("D")
        await until(pilot, lambda: screen.beside == "volume")
        await pilot.press("d", "B")
        assert screen._blinker is not None
        shown = screen._shown
        screen._blink_by_clock()
        await until(pilot, lambda: screen._shown != shown)
        await pilot.press("B")
        assert screen._blinker is None
        for _ in range(4):
            is_new = partial(lambda before: status(screen) != before, status(screen))
            await pilot.press("D")
            await until(pilot, is_new)
            await until(pilot, lambda: "opening" not in status(screen))
            if "half1.mrc" in status(screen) + said(screen):
                break
        else:
            pytest.fail("a file that is gone is not named")
        await pilot.press("j")
        await until(pilot, at_rest(screen))
        assert "half1.mrc" not in status(screen)
        await pilot.press("B", "1")
        await until(pilot, lambda: app.current_mode == "datasets")
        assert screen._blinker is None, "nothing goes on where nobody looks"


async def test_the_crosshair_tells_place_and_value(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, capability=OCTANT)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await slices(pilot, app)
        await pilot.press("g", "right", "right", "up")
        await until(pilot, at_rest(screen))
        data = mrcfile.read(place / "ts_1.mrc")
        assert screen.cross is not None
        z, y, x = screen.slice_view.view.index, screen.cross.y, screen.cross.x
        assert (y, x) == (SIZE_ZYX[1] // 2 - 1, SIZE_ZYX[2] // 2 + 2)
        facts = screen.cross_facts()
        assert facts["voxel"] == f"{x + 1} {y + 1} {z + 1}"
        assert facts["at Å"] == f"{2 * PIXEL:.0f} {-PIXEL:.0f} {(z - 12) * PIXEL:.0f}"
        assert float(facts["value"]) == pytest.approx(data[z, y, x], rel=1e-3)
        assert "value" in status(screen)
        view = screen.slice_view.view
        await pilot.press("g", "right")
        assert screen.cross is None
        assert screen.slice_view.view.centre != view.centre, "without it arrows pan"
        assert await pilot.click("#slices-view", offset=(20, 10))
        assert screen.cross is not None


async def test_particles_and_scores_are_drawn_in_turn(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, capability=OCTANT)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await slices(pilot, app)
        view = screen.slice_view
        await pilot.press("l")
        await until(pilot, lambda: "over it: ribosome, 20 particles" in status(screen))
        near = screen._rings(view.view)
        assert near
        assert screen._rings(replace(view.view, slab=12))[0].rows.size > near[0].rows.size
        await pilot.press("S")
        await until(pilot, lambda: isinstance(app.screen, SetPicker))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        assert screen.sets_drawn() == ["ribosome"]
        await pilot.press("l")
        await until(pilot, lambda: "over it: scores" in status(screen))
        await until(pilot, at_rest(screen))

        def stained() -> Any:
            grid = view.artist.grid(view.source, view.view, view.cells)  # type: ignore[arg-type]
            return screen._stains(view.view, grid)

        await until(pilot, stained)
        assert "LP" not in status(screen)
        await pilot.press("l")
        await until(pilot, lambda: "over it" not in status(screen))
        assert view.stainer is None
        # The filter knows how large the particles are.
        for _ in range(5):
            await pilot.press("f")
        assert view.view.filter_name == "DoG200"
        # Once particles have classes, these are drawn for themselves.
        with Project.open(place) as project:
            tomogram = project.records("tomogram")[0].uid
            table = read_candidates(project, project.particle_sets()[0], [tomogram])
            uids = [str(uid) for uid in table.uids]
            project.classify(uids[:3], 1, user="ana", session="s")
            project.classify(uids[3:4], 4, user="ana", session="s")
        await pilot.press("l")
        await until(pilot, lambda: screen.overlays and screen.overlays.sets[0].is_sorted)
        await pilot.press("l")
        await until(pilot, lambda: "classes of ribosome  1: 3  4: 1" in status(screen))
        roles = {trail.role for trail in screen._rings(replace(view.view, slab=24))}
        assert roles == {"class1", "class4"}
        await pilot.press("l")
        await until(pilot, lambda: "over it: scores" in status(screen))


async def test_the_restored_tomogram_comes_behind_the_filters(
    make_app: AppMaker, place: Path
) -> None:
    with Project.open(place) as project:
        known = next(one for one in project.records("tomogram") if one.uid == "halved")
        made = known.replace(uid="restored", path="half2.mrc", half_paths=None, restored=True)
        project.add_records([made])
    app = make_app(place, capability=OCTANT)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await slices(pilot, app)
        for expected in ("halved", "restored"):
            await pilot.press("f", "f", "f", "f", "f", "f")
            await until(pilot, lambda: screen._shown and screen._shown.uid == expected)  # noqa: B023
            assert screen.slice_view.view.filter_name == "none"


def test_what_is_over_slices_belongs_to_its_series(place: Path) -> None:
    with Project.open(place) as project:
        series = project.series_named("ts_2")
        assert series is not None
        layers = read_layers(project, series.uid, series.name)
        assert [one.name for one in layers.sets] == ["ribosome"]
        assert len(layers.sets[0].verdicts) == 20
        assert layers.maps == ()


async def test_three_planes_meet_in_one_point(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, capability=OCTANT)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await slices(pilot, app)
        before = screen.slice_view.view
        await pilot.press("O")
        await until(
            pilot, lambda: isinstance(app.screen, OrthoScreen) and app.screen.triple.pictures
        )
        planes = app.screen
        assert isinstance(planes, OrthoScreen)
        await pilot.press("right", "shift+right", "up", "J", "J")
        cursor = (before.index + 2, SIZE_ZYX[1] // 2 - 1, SIZE_ZYX[2] // 2 + 11)
        assert planes.triple.state.cursor == cursor
        await until(pilot, lambda: not planes.triple.is_waiting)
        data = mrcfile.read(place / "ts_1.mrc")
        assert planes.triple.value == pytest.approx(data[cursor])
        words = str(planes.query_one("#triple-status").render())
        assert f"voxel {cursor[2] + 1} {cursor[1] + 1} {cursor[0] + 1}" in words
        panel = next(one for one in planes.triple._panels if one.plane.axis == "y")
        await pilot.click(OrthoTriple, offset=(panel.column + 1, panel.row + panel.height // 2))
        moved = planes.triple.state.cursor
        assert moved[1] == cursor[1], "a click in XZ leaves y"
        assert moved[2] < cursor[2]
        await pilot.press("plus", "f", "I", "right_parenthesis")
        await until(pilot, lambda: not planes.triple.is_waiting)
        assert planes.triple.state.look.zoom is not None
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        assert screen.slice_view.view.index == moved[0]
        assert screen.cross is not None
        assert (screen.cross.y, screen.cross.x) == moved[1:]
        here = screen.slice_view.view
        await pilot.press("O")
        await until(pilot, lambda: isinstance(app.screen, OrthoScreen))
        await pilot.press("J", "escape")
        await until(pilot, lambda: app.screen is screen)
        assert screen.slice_view.view == here
        (place / "ts_1.mrc").unlink()
        await pilot.press("O")
        await until(pilot, lambda: isinstance(app.screen, OrthoScreen))
        await pilot.press("home")  # beyond what is in memory
        await until(pilot, lambda: "ts_1.mrc" in app.screen.query_one(OrthoTriple).message)


async def test_a_sharp_picture_goes_with_any_key(make_app: AppMaker, place: Path) -> None:
    app = make_app(place, capability=OCTANT)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await slices(pilot, app)
        await until(pilot, at_rest(screen))
        await pilot.press("H")
        assert "TOMOTUI_STILL" in screen.query_one(Hints).message, "a terminal without pictures"
        assert app.screen is screen
        screen.capability = replace(OCTANT, still=StillSupport("kitty", ""))
        await pilot.press("H")
        await until(pilot, lambda: isinstance(app.screen, StillScreen) and app.screen.sent_bytes)
        words = str(app.screen.query_one("#still-words").render())
        assert "bar 20 nm  kitty" in words
        assert "any key goes back" in words
        await pilot.press("j")
        await until(pilot, lambda: app.screen is screen)
        assert screen.slice_view.view.index == SIZE_ZYX[0] // 2, "the key only closes it"


async def test_the_terminal_is_asked_after_each_picture(
    make_app: AppMaker, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer lets the next one go: else pictures pile up on a slow link."""
    asked: list[int] = []
    ask = PacedPicture._ask

    def recorded(picture: PacedPicture, n_bytes: int) -> None:
        asked.append(n_bytes)
        ask(picture, n_bytes)

    monkeypatch.setattr(PacedPicture, "_ask", recorded)
    app = make_app(place, capability=OCTANT)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await slices(pilot, app)
        await until(pilot, at_rest(screen))
        for key in "jjk":
            asked.clear()
            await pilot.press(key)
            await until(pilot, lambda: asked)
            assert asked[0] == screen.slice_view.n_bytes > 0
        # Between its rows and the question no other picture is sent.
        view = screen.slice_view
        await until(pilot, at_rest(screen))
        view._painted, n_pictures = False, view.pictures
        asked.clear()
        view.picture_painted()
        view.redraw()
        assert view.is_waiting
        assert not view._scheduled
        await until(pilot, lambda: view.pictures > n_pictures)
        assert asked
