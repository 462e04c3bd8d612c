"""The quality of one series: what is drawn, one cursor for all, and leaving tilts out."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from tests.tui.conftest import AppMaker, make_series, until
from tests.tui.quality_files import BAD_TILT, with_motion, with_quality
from tomotui.project import Project
from tomotui.records import Alignment
from tomotui.tui.details import read_details
from tomotui.tui.quality_feed import QualitySnapshot, read_quality
from tomotui.tui.raster.chart import Chart
from tomotui.tui.raster.tilt_stack import TiltStack
from tomotui.tui.raster.tracks import read_tracks
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.quality import QualityScreen, grid_of, page_of
from tomotui.tui.screens.quality_charts import (
    axis_curve,
    defocus,
    depth,
    drift,
    frame_path,
    panels_of,
    residuals,
    shifts,
    spectrum,
)
from tomotui.tui.screens.quality_words import series_facts, tilt_line
from tomotui.tui.screens.slices_mode import SlicesMode
from tomotui.tui.theme import FALLBACK
from tomotui.tui.widgets.chart import ChartView
from tomotui.tui.widgets.rings_view import RingsView
from tomotui.tui.widgets.table import Table


@pytest.fixture
def measured(folder: Path) -> Path:
    """ts_020 with an alignment, a CTF, a tomogram, their details, and its images."""
    with Project.open(folder) as project:
        series = make_series("ts_020").replace(width_px=64, height_px=48, pixel_size_angstrom=100.0)
        (folder / "raw").mkdir()
        images = np.random.default_rng(0).normal(size=(41, 48, 64)).astype(np.float32)
        mrcfile.write(folder / series.stack_path, images)
        project.add_records([series])
        with_quality(project, series)
    return folder


@pytest.fixture
def moved(folder: Path) -> Path:
    """ts_030, made of movies, with an alignment and all else."""
    with Project.open(folder) as project:
        series = with_motion(project, make_series("ts_030"))
        project.add_records([series])
        with_quality(project, series)
    return folder


def seen_of(folder: Path, name: str) -> QualitySnapshot:
    with Project.open(folder, read_only=True) as project:
        return read_quality(project, name)


def alignments(folder: Path) -> list[Alignment]:
    with Project.open(folder, read_only=True) as project:
        series = project.series_named("ts_020")
        assert series is not None
        return project.records("alignment", series.uid)  # type: ignore[return-value]


def left_out(folder: Path) -> list[int]:
    return [tilt.index for tilt in alignments(folder)[-1].tilts if tilt.excluded]


def test_charts_show_what_was_measured(measured: Path) -> None:
    seen = seen_of(measured, "ts_020")
    middle = seen.order[20]
    drawn = residuals(seen, middle)
    assert isinstance(drawn, Chart)
    assert drawn.cursor == seen.angle(middle)
    line = drawn.layers[0]
    assert len(line.x) == 40
    # What was left out stands at the rim, dim and with a glyph of its own.
    bad = next(one for one in drawn.layers if one.mark == "✗" and one.role == "dim")
    assert bad.x.tolist() == [seen.angle(BAD_TILT)]
    assert bad.y[0] <= drawn.y_range[1]  # type: ignore[index]
    axis = axis_curve(seen, middle)
    assert isinstance(axis, Chart)
    assert axis.uprights[0][0] == pytest.approx(85.3)
    radial = spectrum(seen, middle)
    assert isinstance(radial, Chart)
    resolution = seen.transfer[middle].fit_resolution_angstrom
    assert resolution is not None
    assert radial.uprights[0][0] == pytest.approx(1 / resolution)
    assert [one.style for one in radial.layers] == ["fill", "line"]
    profile = depth(seen, middle)
    assert isinstance(profile, Chart)
    assert [at for at, _, _ in profile.uprights] == [-91.0, 79.0]
    assert isinstance(shifts(seen, middle), Chart)
    both = defocus(seen, middle)
    assert isinstance(both, Chart)
    assert both.layers[0].y.max() < both.layers[2].y.min()


def test_the_motion_of_movies_is_drawn(moved: Path) -> None:
    seen = seen_of(moved, "ts_030")
    middle, last = seen.order[20], seen.order[-1]
    ways = drift(seen, middle)
    assert isinstance(ways, Chart)
    assert ways.cursor == seen.angle(middle)
    # The tilt that is left out is no part of the line.
    assert len(ways.layers[0].x) == 40
    bent = next(one for one in ways.layers if one.role == "series.1")
    assert bent.x.tolist() == [angle for angle in map(seen.angle, seen.order) if abs(angle) > 40]
    assert set(bent.y.tolist()) == {0.8}
    poor = next(one for one in ways.layers if one.role == "warning")
    assert poor.x.tolist() == [seen.angle(BAD_TILT)]

    way = frame_path(seen, middle)
    assert isinstance(way, Chart)
    assert way.is_map
    assert [one.role for one in way.layers] == ["series.0", "dim", "accent"]
    whole = way.layers[0]
    assert (len(whole.x), whole.x[0], whole.y[0]) == (8, 0, 0)
    # The file's y grows downwards, that of a chart upwards.
    details = seen.motion_details.arrays["shift_angstrom"][middle]
    assert (whole.x[-1], -whole.y[-1]) == pytest.approx(tuple(details[-1] - details[0]))
    with_patches = frame_path(seen, last)
    assert isinstance(with_patches, Chart)
    patches = with_patches.layers[0]
    assert patches.role == "series.1"
    assert np.isnan(patches.x).sum() == 4
    shorter = frame_path(seen, BAD_TILT)
    assert isinstance(shorter, Chart)
    assert len(next(one for one in shorter.layers if one.role == "series.0").x) == 6


def test_words_tell_how_the_specimen_moved(moved: Path) -> None:
    seen = seen_of(moved, "ts_030")
    whole = series_facts(seen, seen.order[20], FALLBACK).plain
    assert "in 14 of 41 tilts" in whole
    assert "not taken" in whole
    assert "0.80 Å taken" in series_facts(seen, seen.order[0], FALLBACK).plain
    assert " drift " in tilt_line(seen, seen.order[0], FALLBACK).plain


def test_only_series_of_movies_have_panes_of_motion(measured: Path, moved: Path) -> None:
    without, with_ = seen_of(measured, "ts_020"), seen_of(moved, "ts_030")
    keys = [panel.key for panel in panels_of(without)]
    assert [panel.key for panel in panels_of(with_)] == [*keys, "drift", "frames"]
    assert "drift" not in tilt_line(without, 0, FALLBACK).plain
    # Details that went lost are told, in the place of the charts.
    (moved / "jobs/details-ts_030/motion.npz").unlink()
    lost = seen_of(moved, "ts_030")
    assert "motion.npz is not there any more" in str(drift(lost, 0))
    assert "motion.npz is not there any more" in str(frame_path(lost, 0))


def test_missing_records_say_what_to_run(folder: Path) -> None:
    seen = seen_of(folder, "ts_006")
    assert seen.series is not None
    assert "L runs align" in str(residuals(seen, 0))
    assert "L runs align, then ctf" in str(spectrum(seen, 0))
    assert "L runs reconstruct" in str(depth(seen, 0))
    # Aligned, but nothing was kept of how.
    seen = seen_of(folder, "ts_001")
    assert isinstance(shifts(seen, 0), Chart)
    assert "L runs align again" in str(axis_curve(seen, 0))


def test_an_alignment_from_elsewhere_still_shows_its_shifts(measured: Path) -> None:
    with Project.open(measured) as project:
        series = project.series_named("ts_020")
        assert series is not None
        own = alignments(measured)[-1]
        tilts = tuple(tilt.model_copy(update={"residual_angstrom": None}) for tilt in own.tilts)
        foreign = own.model_copy(
            update={"uid": "e" * 16, "source": "imod", "tilts": tilts, "details_path": None}
        )
        project.add_records([foreign])
    seen = seen_of(measured, "ts_020")
    assert isinstance(shifts(seen, 0), Chart)
    assert "from imod, without residuals" in str(residuals(seen, 0))
    assert "from imod" in str(axis_curve(seen, 0))


def test_details_that_are_gone_or_broken_are_named(measured: Path) -> None:
    place = measured / "jobs" / "details-ts_020"
    (place / "alignment.npz").unlink()
    (place / "ctf.npz").write_bytes(b"no such thing")
    np.savez(place / "tomogram.npz", depth_angstrom=np.arange(5.0))
    seen = seen_of(measured, "ts_020")
    assert "alignment.npz is not there any more" in str(axis_curve(seen, 0))
    assert "ctf.npz cannot be read" in str(spectrum(seen, 0))
    assert "no depth profile" in str(depth(seen, 0))
    # The records alone are enough for these.
    assert isinstance(residuals(seen, 0), Chart)
    assert isinstance(defocus(seen, 0), Chart)


def test_details_of_an_unchanged_file_are_equal(measured: Path) -> None:
    path = "jobs/details-ts_020/ctf.npz"
    one, two = read_details(measured, path), read_details(measured, path, "tilt_index")
    assert one == two
    assert list(two.arrays) == ["tilt_index"]
    assert one.row_of(BAD_TILT) is None
    assert one.row_of(BAD_TILT + 1) == BAD_TILT
    assert one.get("fitted", 1) is None


def test_panes_fit_the_terminal() -> None:
    assert grid_of(120, 31) == (3, 3)
    assert grid_of(80, 21) == (2, 2)
    assert grid_of(20, 4) == (1, 1)
    assert list(page_of(5, 4, 9)) == [4, 5, 6, 7]
    assert list(page_of(8, 4, 9)) == [8]


async def open_quality(app: object, pilot: object, name: str = "ts_020") -> QualityScreen:
    await until(pilot, lambda: app.screen.query_one(Table).total >= 7)  # type: ignore
    await pilot.press(":", *f"quality {name}", "enter")  # type: ignore[attr-defined]
    await until(pilot, lambda: isinstance(app.screen, QualityScreen))  # type: ignore
    screen = app.screen  # type: ignore[attr-defined]
    await until(pilot, lambda: screen.snapshot.series is not None)  # type: ignore[arg-type]
    await until(pilot, lambda: screen._has_place)  # type: ignore[arg-type]
    return screen  # type: ignore[no-any-return]


async def test_all_panels_share_one_cursor(make_app: AppMaker, measured: Path) -> None:
    app = make_app()
    async with app.run_test(size=(120, 34)) as pilot:
        screen = await open_quality(app, pilot)
        assert screen.index == 20
        spectra = screen.query_one(RingsView)
        before = spectra.spectrum
        await pilot.press("right", "l")
        assert screen.index == 22
        cursors = {view.chart.cursor for view in screen.query(ChartView) if view.chart is not None}
        assert cursors == {None, screen.snapshot.angle(22)}
        assert spectra.spectrum is not before
        assert spectra.rings is not None
        assert len(spectra.rings(2.0)) > 5
        assert "tilt 23/41" in str(screen.query_one("#quality-line").render())
        await pilot.press("home", "left")
        assert screen.index == 0
        await pilot.press("end")
        assert screen.index == 40


async def test_tab_goes_from_panel_to_panel_and_z_enlarges_one(
    make_app: AppMaker, measured: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_quality(app, pilot)
        await until(pilot, lambda: [p.display for p in screen.query("Pane")].count(True) == 4)
        for _ in range(5):
            await pilot.press("tab")
        assert screen.panel == 5
        assert screen.query_one("#panel-rings").display
        assert not screen.query_one("#panel-residual").display
        await pilot.press("z")
        await until(pilot, lambda: screen.query_one("#panel-rings").size.width > 70)
        await pilot.press("tab")
        await until(pilot, lambda: screen.query_one("#panel-defocus").size.width > 70)
        await pilot.press("escape")
        await until(pilot, lambda: not screen.has_class("-zoomed"))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, QualityScreen))


async def test_panes_of_motion_come_with_a_series_of_movies_and_go(
    make_app: AppMaker, measured: Path, moved: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 34)) as pilot:
        screen = await open_quality(app, pilot, "ts_030")
        await until(pilot, lambda: len(screen.panels) == 11)
        await pilot.press("shift+tab")
        await until(pilot, lambda: screen.query_one("#panel-frames").size.width > 50)
        assert screen.query_one("#panel-drift").display
        assert not screen.query_one("#panel-residual").display
        assert screen.query_one("#panel-frames ChartView", ChartView).chart is not None
        screen.show_series("ts_020")
        await until(pilot, lambda: screen.snapshot.name == "ts_020")
        assert screen.panel == 8
        assert screen.query_one("#panel-facts").display
        assert not screen.query_one("#panel-frames").display


async def test_a_tilt_is_left_out_and_taken_in_again(make_app: AppMaker, measured: Path) -> None:
    app = make_app()
    async with app.run_test(size=(120, 34)) as pilot:
        screen = await open_quality(app, pilot)
        assert left_out(measured) == [BAD_TILT]
        await pilot.press("x")
        await until(pilot, lambda: screen.snapshot.is_excluded(20))
        assert left_out(measured) == [BAD_TILT, 20]
        assert len(alignments(measured)) == 2
        assert "left out" in str(screen.query_one("#quality-line").render())
        await pilot.press("u")
        await until(pilot, lambda: not screen.snapshot.is_excluded(20))
        assert left_out(measured) == [BAD_TILT]
        await pilot.press("U")
        await until(pilot, lambda: screen.snapshot.is_excluded(20))
        await pilot.press("u")
        await until(pilot, lambda: not screen.snapshot.is_excluded(20))
        await pilot.press("u")
        await pilot.pause()
        assert "nothing to take back" in screen.status_bar.query_one("Hints").message
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        assert app.screen.request.stage == "reconstruct"


async def test_read_only_projects_refuse(make_app: AppMaker, measured: Path) -> None:
    app = make_app(read_only=True)
    async with app.run_test(size=(120, 34)) as pilot:
        screen = await open_quality(app, pilot)
        for key in ("x", "u", "U", "L"):
            await pilot.press(key)
            await pilot.pause()
            assert "read-only" in screen.status_bar.query_one("Hints").message
        assert len(alignments(measured)) == 1


async def test_a_series_without_anything_says_so_and_the_next_is_near(
    make_app: AppMaker, measured: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(200, 60)) as pilot:
        screen = await open_quality(app, pilot, "ts_006")
        messages = [view.message for view in screen.query(ChartView)]
        assert sum("not aligned yet" in words for words in messages) >= 4
        assert "no CTF yet" in screen.query_one(RingsView).message
        await pilot.press("full_stop")
        await until(pilot, lambda: screen.snapshot.name == "ts_020")
        await until(pilot, lambda: screen.query_one(RingsView).spectrum is not None)


async def test_tracks_are_drawn_over_the_images_and_a_tilt_is_left_out(
    make_app: AppMaker, measured: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 34)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total >= 7)
        await pilot.press(":", *"slices ts_020", "enter")
        await until(pilot, lambda: isinstance(app.screen, SlicesMode))
        screen = app.screen
        assert isinstance(screen, SlicesMode)
        # The tomogram of this series is not on the disk; its tilt images are.
        await until(pilot, lambda: screen.choice is not None)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(screen.slice_view.source, TiltStack))
        await pilot.press("home", "j", "t")
        overlay = screen.slice_view.overlay
        assert overlay is not None
        assert any(trail.mark == "●" for trail in overlay(screen.slice_view.view))
        await pilot.press("x")
        await until(pilot, lambda: 1 in left_out(measured))

        def source() -> TiltStack:
            found = screen.slice_view.source
            assert isinstance(found, TiltStack)
            return found

        await until(pilot, lambda: source().is_excluded(1))
        # The place stays.
        assert screen.slice_view.view.index == 1
        await pilot.press("u")
        await until(pilot, lambda: not source().is_excluded(1))
        assert left_out(measured) == [BAD_TILT]
        await pilot.press("t")
        assert screen.slice_view.overlay is None
        # To the figures and back to the images.
        await pilot.press("Q")
        await until(pilot, lambda: isinstance(app.screen, QualityScreen))
        assert app.screen.series_name == "ts_020"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)


def test_tracks_lie_where_they_were_measured_raw_and_aligned(measured: Path) -> None:
    seen = seen_of(measured, "ts_020")
    assert seen.series is not None
    tracks = read_tracks(measured, seen.alignment)
    assert tracks is not None
    stack = TiltStack(seen.series, measured / seen.series.stack_path, seen.alignment)
    raw = tracks._shown(20, stack, SliceViewState(index=20))
    np.testing.assert_allclose(raw, tracks.place[20] / 100.0 + [32, 24])
    # Aligned, a track only moves across the tilt axis, which stands upright.
    aligned = SliceViewState(index=20, aligned=True)
    rows = np.stack([tracks._shown(at, stack, aligned)[:, 1] for at in (10, 20, 30)])
    assert np.nanmax(np.abs(rows - rows[1])) < 1e-3
    assert tracks.over(stack, SliceViewState(index=20))
    assert read_tracks(measured, None) is None
