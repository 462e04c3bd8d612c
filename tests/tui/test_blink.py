"""Comparing a restored tomogram with the measured one, at once and at the same place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from textual.app import App
from textual.pilot import Pilot

from tests.tui.conftest import AppMaker, finish, make_alignment, make_series, request, until
from tomotui.project import Project
from tomotui.records import Status, TiltSeries, Tomogram
from tomotui.tui.quality_feed import read_quality
from tomotui.tui.raster.capability import Capability
from tomotui.tui.screens.series_words import details
from tomotui.tui.screens.slice_choices import Choice, choices_of, newest_of, partner_of
from tomotui.tui.screens.slices import SlicesScreen
from tomotui.tui.snapshots import read_series
from tomotui.tui.theme import FALLBACK
from tomotui.tui.widgets.pacing import FrameAcknowledgements
from tomotui.tui.widgets.slice_view import SliceView
from tomotui.tui.widgets.thumbnail import load, subject_of

OCTANT = Capability(glyphs="octant")
SIZE = (80, 60, 20)


def volume(path: Path, scale: float) -> None:
    data = np.random.default_rng(1).normal(0, scale, SIZE[::-1]).astype(np.float32)
    mrcfile.write(path, data, overwrite=True)


def measured(series: TiltSeries, path: str, **others: Any) -> Tomogram:
    return Tomogram(
        **{
            "series_uid": series.uid,
            "alignment_uid": "a",
            "path": path,
            "size_xyz": SIZE,
            "pixel_size_angstrom": 10.0,
            "window_low": -2.0,
            "window_high": 2.0,
            **others,
        }
    )


def restored(tomogram: Tomogram, path: str, **others: Any) -> Tomogram:
    uid = f"restored-{path}"
    method = f"restored 3d of {tomogram.method}"
    made = {"uid": uid, "path": path, "method": method, "restored": True, **others}
    return tomogram.replace(**made)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """ts_1 has a measured tomogram on disk."""
    volume(tmp_path / "tomo.mrc", 1.0)
    volume(tmp_path / "restored.mrc", 5.0)
    volume(tmp_path / "spread.mrc", 0.1)
    volume(tmp_path / "stack.mrc", 1.0)
    with Project.create(tmp_path / "p") as project:
        series = make_series("ts_1").replace(stack_path=str(tmp_path / "stack.mrc"))
        project.add_records([series, measured(series, str(tmp_path / "tomo.mrc"))])
        yield project


@pytest.fixture
def both(project: Project, tmp_path: Path) -> Project:
    """ts_1 has a restored tomogram, too, with its uncertainty."""
    (tomogram,) = project.records("tomogram")
    assert isinstance(tomogram, Tomogram)
    made = restored(
        tomogram, str(tmp_path / "restored.mrc"), uncertainty_path=str(tmp_path / "spread.mrc")
    )
    project.add_records([made])
    return project


class ScreenApp(FrameAcknowledgements, App[None]):
    def __init__(self, project: Project) -> None:
        super().__init__()
        self.first = SlicesScreen(project, OCTANT, "ts_1")

    def on_mount(self) -> None:
        self.push_screen(self.first)

    @property
    def picture(self) -> SliceView:
        return self.first.slice_view

    def status(self) -> str:
        return str(self.first.query_one("#slices-status").render())


async def opened(pilot: Pilot[Any], app: ScreenApp) -> SliceView:
    await until(pilot, lambda: app.first.is_mounted and app.picture.pictures)
    return app.picture


def drawn(app: ScreenApp, words: str) -> Callable[[], bool]:
    return lambda: words in app.status() and not app.picture.is_waiting


async def test_both_are_seen_at_the_same_place_each_in_its_contrast(both: Project) -> None:
    app = ScreenApp(both)
    async with app.run_test(size=(150, 36)) as pilot:
        picture = await opened(pilot, app)
        await until(pilot, drawn(app, "restored"))
        assert "space: measured" in app.status()
        await pilot.press("X", "plus", "right", "j", ")", "f", "I")
        await until(pilot, drawn(app, "slab 3"))
        here, own = picture.view, picture.window
        assert own is not None
        await pilot.press("space")
        await until(pilot, drawn(app, "space: restored"))
        assert picture.view == here
        assert "restored 3d" not in app.status()
        other = picture.window
        assert other is not None
        assert other.width < own.width / 2
        await pilot.press("j", "j")
        await until(pilot, lambda: not picture.is_waiting)
        assert picture.window == other
        await pilot.press("space")
        await until(pilot, drawn(app, "space: measured"))
        assert picture.view == replace(here, index=here.index + 2)
        assert picture.window == own, "the contrast is kept, also where it is automatic"


async def test_a_contrast_that_was_set_belongs_to_one_of_both(both: Project) -> None:
    app = ScreenApp(both)
    async with app.run_test(size=(150, 36)) as pilot:
        picture = await opened(pilot, app)
        await pilot.press("]")
        chosen = picture.view.window
        assert chosen is not None
        await pilot.press("space")
        await until(pilot, drawn(app, "space: restored"))
        assert picture.view.window is None
        await pilot.press("space")
        assert picture.view.window == chosen


async def test_each_file_is_opened_once(both: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    opened_labels: list[str] = []
    open_file = Choice.open

    def count(choice: Choice, folder: Path) -> Any:
        opened_labels.append(choice.label)
        return open_file(choice, folder)

    monkeypatch.setattr(Choice, "open", count)
    app = ScreenApp(both)
    async with app.run_test(size=(150, 36)) as pilot:
        await opened(pilot, app)
        for words in ("restored", "measured", "restored", "measured"):
            await pilot.press("space")
            await until(pilot, drawn(app, f"space: {words}"))
        reads: list[object] = []
        for source in app.first._pair.values():
            source.read = lambda *where: reads.append(where)  # type: ignore[method-assign]
        await pilot.press("space", "space", "space")
        await until(pilot, drawn(app, "space: restored"))
        assert reads == [], "slices of both are still in memory"
    assert len(opened_labels) == 2


async def test_without_a_restored_tomogram_it_is_said_how_to_get_one(project: Project) -> None:
    app = ScreenApp(project)
    async with app.run_test(size=(150, 36)) as pilot:
        picture = await opened(pilot, app)
        assert "space:" not in app.status()
        source = picture.source
        await pilot.press("space")
        assert "no restored tomogram yet: run restore-train, then restore" in app.status()
        assert picture.source is source
        await pilot.press("b")
        await until(pilot, lambda: picture.source is not None and picture.source.is_stack)
        await pilot.press("space")
        assert "these are tilt images: b shows a tomogram" in app.status()


async def test_a_partner_whose_file_is_gone_leaves_all_as_it_was(
    both: Project, tmp_path: Path
) -> None:
    (tmp_path / "tomo.mrc").rename(tmp_path / "away.mrc")
    app = ScreenApp(both)
    async with app.run_test(size=(150, 36)) as pilot:
        picture = await opened(pilot, app)
        await until(pilot, drawn(app, "restored"))
        source = picture.source
        await pilot.press("space")
        await until(pilot, lambda: "tomo.mrc" in app.status())
        assert picture.source is source
        (tmp_path / "away.mrc").rename(tmp_path / "tomo.mrc")
        await pilot.press("space")
        await until(pilot, drawn(app, "space: restored"))


async def test_the_uncertainty_is_among_what_b_shows(both: Project) -> None:
    app = ScreenApp(both)
    async with app.run_test(size=(150, 36)) as pilot:
        picture = await opened(pilot, app)
        await pilot.press("X", "j")
        where = picture.view.index
        await pilot.press("b")
        await until(pilot, drawn(app, "uncertainty of restored 3d"))
        assert (picture.view.axis, picture.view.index) == ("y", where)
        assert picture.source is not None
        assert picture.source.describe("z", 0) == "z 1/20 uncertainty"
        await pilot.press("space")
        await until(pilot, drawn(app, "space: measured"))
        await pilot.press("b", "b")
        await until(pilot, lambda: picture.source is not None and picture.source.is_stack)


async def test_a_new_restored_tomogram_is_offered_not_its_uncertainty(
    project: Project, tmp_path: Path
) -> None:
    app = ScreenApp(project)
    async with app.run_test(size=(150, 36)) as pilot:
        picture = await opened(pilot, app)
        (tomogram,) = project.records("tomogram")
        assert isinstance(tomogram, Tomogram)
        files = [str(tmp_path / f"{name}.mrc") for name in ("restored", "spread")]
        project.add_records([restored(tomogram, files[0], uncertainty_path=files[1])])
        app.first.source_changed("ts_1")
        await until(pilot, lambda: "new: ts_1 restored 3d" in app.status())
        assert "space: restored" in app.status()
        await pilot.press("b")
        await until(pilot, drawn(app, "space: measured"))
        assert picture.source is not None
        assert picture.source.describe("z", 0) == "z 1/20 restored"


async def test_the_key_works_in_the_mode_of_slices(make_app: AppMaker, both: Project) -> None:
    app = make_app(both.folder)
    async with app.run_test(size=(150, 36)) as pilot:
        await until(pilot, lambda: app.current_mode == "datasets")
        app.show_slices("ts_1")
        await until(pilot, lambda: app.screen.query_one(SliceView).pictures)

        def status() -> str:
            return str(app.screen.query_one("#slices-status").render())

        await until(pilot, lambda: "space: measured" in status())
        await pilot.press("space")
        await until(pilot, lambda: "space: restored" in status())


# ---- what belongs together


def choices(*tomograms: Tomogram) -> list[Choice]:
    series = make_series("ts_1")

    class Records:
        folder = Path()

        def tilt_series(self) -> list[TiltSeries]:
            return [series]

        def records(self, kind: str, series_uid: str | None = None) -> list[Tomogram]:
            return list(tomograms)

        def latest(self, kind: str, series_uid: str) -> None:
            return None

    return choices_of(Records(), series)


def partner(found: list[Choice], path: str) -> str:
    shown = next(one for one in found if one.tomogram and one.tomogram.path == path)
    other = partner_of(found, shown)
    return other if isinstance(other, str) else other.tomogram.path if other.tomogram else ""


def test_a_restored_tomogram_belongs_to_the_measured_one_before_it() -> None:
    series = make_series("ts_1")
    first, second, other_size = (
        measured(series, "first"),
        measured(series, "second"),
        measured(series, "small", size_xyz=(40, 30, 10), pixel_size_angstrom=20.0),
    )
    found = choices(
        first,
        restored(first, "old"),
        restored(first, "new"),
        second,
        other_size,
    )
    assert partner(found, "new") == "first"
    assert partner(found, "old") == "first"
    assert partner(found, "first") == "new"
    assert partner(found, "second").startswith("no restored tomogram yet")
    assert partner(found, "small").startswith("no restored tomogram yet")
    assert newest_of(found).label == "ts_1 wbp 20 Å"
    assert "is not there any more" in partner(choices(restored(first, "alone")), "alone")


def test_every_label_of_a_restored_tomogram_says_so() -> None:
    tomogram = measured(make_series("ts_1"), "first")
    labels = [one.label for one in choices(tomogram, restored(tomogram, "x", method="isonet"))]
    assert labels == ["ts_1 tilt images", "ts_1 wbp 10 Å", "ts_1 isonet, restored 10 Å"]


# ---- other screens


def test_quality_is_that_of_the_measured_tomogram(both: Project) -> None:
    seen = read_quality(both, "ts_1")
    assert seen.tomogram is not None
    assert not seen.tomogram.restored


def test_a_small_picture_of_a_restored_tomogram_says_so(both: Project) -> None:
    detail = read_series(both, "ts_1")
    subject = subject_of(detail)
    assert detail is not None
    assert subject is not None
    assert load(subject, detail).caption == "restored slice"


def test_the_details_of_a_series_tell_of_the_null_test(folder: Path) -> None:
    with Project.open(folder) as project:
        series = project.series_named("ts_001")
        assert series is not None
        tomogram = measured(series, "t.mrc", alignment_uid=make_alignment(series).uid)
        job = project.submit(request("restore", ["ts_001"]))
        finish(
            project,
            job,
            "ts_001",
            Status.DONE,
            summary="3d by sample",
            records=(restored(tomogram, "r.mrc"),),
            metrics={"filled_correlation": 0.43, "null_correlation": 0.02},
        )
        detail = read_series(project, "ts_001")
        assert detail is not None
        words = details(detail, [], FALLBACK, False).plain
        assert "restored tomogram" in words
        assert "restored 3d of wbp" in words
        assert "null test" in words
        assert "0.43" in words
        again = project.submit(request("restore", ["ts_001"]))
        finish(project, again, "ts_001", Status.FAILED, error="no")
        detail = read_series(project, "ts_001")
        assert detail is not None
        assert detail.filled is None
        assert "null test" not in details(detail, [], FALLBACK, False).plain
