"""The pictures of a training in the screen of its job: live, tolerant, and where there is room."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from tests.tui.conftest import AppMaker, request, until
from tomotui.project import Project
from tomotui.records import Event
from tomotui.tui.app import TomotuiApp
from tomotui.tui.details import Details, read_details
from tomotui.tui.screens.job_detail import JobDetailScreen
from tomotui.tui.training_pictures import PicturesReader, pictures_of
from tomotui.tui.widgets.plot import MetricPlot
from tomotui.tui.widgets.training_layout import Place, Shapes, arrange
from tomotui.tui.widgets.training_view import TrainingView, even_frequencies, spectrum_window

FOUR = {"before", "after", "spectrum_before", "spectrum_after"}


def write_pictures(path: Path, number: int, **others: Any) -> None:
    """Write what a training shows of itself, and replace the file at once."""
    rng = np.random.default_rng(number)
    arrays = {name: rng.normal(size=(48, 96)).astype(np.float32) for name in FOUR}
    temporary = path.with_name(f".{path.stem}.partial.npz")
    np.savez(temporary, **{**arrays, "step": number, "voxel_size_angstrom": 10.0, **others})
    temporary.replace(path)


@pytest.fixture
def place(folder: Path) -> Path:
    """The file of pictures of job 4, which trains."""
    with Project.open(folder) as project:
        job = project.submit(request("restore-train", ["sample"]))
        task = project.task(job.id, "sample")
        project.mark_starting(task, "cuda:0", "node07")
        project.mark_running(project.task(job.id, "sample"), 4242)
        values = {
            "learning rate": 1e-3,
            "loss of filling": 0.5,
            "held-out loss of filling": 0.6,
            "held-out loss of nothing": 0.7,
        }
        events = [
            Event(kind="metric", at=time.time(), data={"name": name, "value": value, "step": step})
            for name, value in values.items()
            for step in range(5)
        ]
        project.ingest_events(project.task(job.id, "sample"), events, 100)
        path = folder / task.folder / "training.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pictures(path, 40)
    return path


async def opened(pilot: Pilot[Any], app: TomotuiApp, job_id: int = 4) -> JobDetailScreen:
    await until(pilot, lambda: app.current_mode == "datasets")
    app.show_job(job_id)
    await until(pilot, lambda: isinstance(app.screen, JobDetailScreen) and app.screen.detail)
    assert isinstance(app.screen, JobDetailScreen)
    return app.screen


def title(screen: JobDetailScreen) -> str:
    return str(screen.query_one("#pictures-pane").border_title)


def is_seen(screen: JobDetailScreen) -> bool:
    return bool(screen.query_one(TrainingView).region.area)


async def test_a_training_shows_four_pictures_and_its_step(make_app: AppMaker, place: Path) -> None:
    app = make_app()
    async with app.run_test(size=(140, 44)) as pilot:
        screen = await opened(pilot, app)
        view = screen.query_one(TrainingView)
        await until(pilot, lambda: {one.name for one in view.places} == FOUR)
        assert title(screen) == "training, step 40"
        text = "\n".join(view.render_line(y).text for y in range(view.size.height))
        assert text.count(" before ") == 2
        assert text.count(" after ") == 2
        assert " nm " in text
        widths = {view.render_line(y).cell_length for y in range(view.size.height)}
        assert widths == {view.size.width}


async def test_other_jobs_have_neither_pictures_nor_their_key(
    make_app: AppMaker, place: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(140, 44)) as pilot:
        screen = await opened(pilot, app, 2)
        assert not is_seen(screen)
        known = {one.binding.id: one.enabled for one in screen.active_bindings.values()}
        assert not known.get("job.pictures", False)
        await pilot.press("p")
        await pilot.pause()
        assert not screen.has_class("-zoomed")


async def test_pictures_follow_the_file_and_survive_a_torn_one(
    make_app: AppMaker, place: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(140, 44)) as pilot:
        screen = await opened(pilot, app)
        await until(pilot, lambda: title(screen) == "training, step 40")
        write_pictures(place, 80)
        await until(pilot, lambda: title(screen) == "training, step 80")
        whole = place.read_bytes()
        place.write_bytes(whole[: len(whole) // 2])
        await asyncio.sleep(0.7)
        assert title(screen) == "training, step 80"
        place.unlink()
        await asyncio.sleep(0.7)
        assert title(screen) == "training, step 80"
        assert screen._alarm == ""
        write_pictures(place, 120)
        await until(pilot, lambda: title(screen) == "training, step 120")


async def test_nothing_is_drawn_while_nothing_changes(make_app: AppMaker, place: Path) -> None:
    app = make_app()
    async with app.run_test(size=(140, 44)) as pilot:
        screen = await opened(pilot, app)
        await until(pilot, lambda: screen.query_one(TrainingView).places)
        await asyncio.sleep(0.3)
        await pilot.pause()
        written: list[str] = []
        assert app._driver is not None
        app._driver.write = written.append  # type: ignore[method-assign]
        await asyncio.sleep(1.3)
        assert "".join(written) == ""


async def test_narrow_terminals_show_pictures_by_key(make_app: AppMaker, place: Path) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app)
        view = screen.query_one(TrainingView)
        await until(pilot, lambda: view.pictures is not None)
        assert not is_seen(screen)
        assert screen.query_one("#main").border_subtitle == "p pictures"
        await pilot.press("p")
        await until(pilot, lambda: is_seen(screen) and {one.name for one in view.places} == FOUR)
        assert view.size.width > 70
        await pilot.press("p")
        await until(pilot, lambda: not is_seen(screen) and screen.table.has_focus)
        await pilot.press("p")
        await until(pilot, lambda: is_seen(screen))
        await pilot.press("escape")
        await until(pilot, lambda: not is_seen(screen))
        assert app.screen is screen


async def test_the_key_also_leads_from_another_enlarged_pane(
    make_app: AppMaker, place: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(140, 44)) as pilot:
        screen = await opened(pilot, app)
        view = screen.query_one(TrainingView)
        await until(pilot, lambda: view.pictures is not None)
        await pilot.press("f", "z")
        await until(pilot, lambda: not is_seen(screen))
        await pilot.press("p")
        await until(pilot, lambda: view.size.width > 130)
        assert screen.has_class("-zoomed")
        await pilot.press("p")
        await until(pilot, lambda: is_seen(screen) and view.size.width < 80)


async def test_what_is_held_out_is_plotted_with_what_is_learnt_from(
    make_app: AppMaker, place: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(140, 44)) as pilot:
        screen = await opened(pilot, app)
        plot = screen.query_one(MetricPlot)
        await until(pilot, lambda: plot.curve is not None)
        assert plot.curve is not None
        assert plot.curve.name == "loss of filling"
        assert [one.name for one in plot.beside] == ["held-out loss of filling"]
        words = str(screen.query_one("#plot-pane").border_title)
        assert "loss of filling 0.5" in words
        assert "held-out 0.6" in words
        await pilot.press("m")
        assert plot.curve.name == "held-out loss of nothing"
        assert plot.beside == ()
        await pilot.press("m")
        assert plot.curve.name == "learning rate"
        await pilot.press("m")
        assert plot.curve.name == "loss of filling"


# ---- reading


def test_a_file_without_all_pictures_is_none(tmp_path: Path) -> None:
    path = tmp_path / "training.npz"
    write_pictures(path, 3, after=np.zeros(3))
    assert pictures_of(read_details(tmp_path, "training.npz")) is None
    write_pictures(path, 3, after=np.full((2, 2), "x"))
    assert pictures_of(read_details(tmp_path, "training.npz")) is None
    write_pictures(path, 3, step=np.zeros(4), voxel_size_angstrom=np.nan)
    found = pictures_of(read_details(tmp_path, "training.npz"))
    assert found is not None
    assert (found.step, found.voxel_size_angstrom) == (0, 0.0)
    assert pictures_of(Details()) is None


def test_pictures_of_another_task_are_not_kept(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_pictures(tmp_path / "a" / "training.npz", 3)
    reader = PicturesReader()
    assert reader.modified_ns() == 0
    first = reader.read(tmp_path, "a")
    assert first is not None
    assert reader.modified_ns() == first.modified_ns
    assert reader.read(tmp_path, "a") is first
    assert reader.read(tmp_path, "b") is None


# ---- drawing


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0, 5.0])
def test_pictures_never_overlap_and_what_is_compared_has_one_size(ratio: float) -> None:
    shapes = Shapes(2 * ratio, 2.0)
    for height in range(0, 50, 3):
        for width in range(0, 180, 7):
            places = arrange(height, width, shapes)
            taken = np.zeros((height, width), int)
            for one in places:
                assert one.row + one.height <= height
                assert one.column + one.width <= width
                taken[one.row : one.row + one.height, one.column : one.column + one.width] += 1
            assert not (taken > 1).any()
            sizes = {one.name: (one.height, one.width) for one in places}
            assert set(sizes) in (set(), {"before", "after"}, FOUR)
            if sizes:
                (rows, columns), (others, more) = sizes["before"], sizes["after"]
                assert rows == others
                assert abs(columns - more) <= 1


def test_small_panes_show_the_side_views_alone_or_words() -> None:
    shapes = Shapes(4.0, 2.0)
    assert {one.name for one in arrange(20, 76, shapes)} == FOUR
    assert {one.name for one in arrange(6, 42, shapes)} == {"before", "after"}
    assert arrange(3, 60, shapes) == ()
    assert Place("before", 0, 0, 6, 20) in arrange(6, 41, shapes)


def test_spectra_show_angles_as_they_are_and_share_one_contrast() -> None:
    spectrum = np.zeros((32, 64), np.float32)
    spectrum[16, 32] = 1
    square = even_frequencies(spectrum)
    assert square.shape == (64, 64)
    assert square[32, 32] == 1
    window = spectrum_window([spectrum, spectrum + 10])
    assert window is not None
    assert window.low == pytest.approx(0, abs=0.1)
    assert window.high >= 10
    assert spectrum_window([np.full((3, 3), np.nan, np.float32)]) is None
    assert spectrum_window([np.ones((3, 3), np.float32)]) is None
