"""The slice view and its screen: keys change the state, the terminal sets the pace."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest
from textual import events
from textual.app import App

from tomotui.records import Alignment, Tilt, TiltAlignment, TiltSeries, Tomogram
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.loader import SliceError
from tomotui.tui.raster.volume import ArraySource
from tomotui.tui.raster.window import Window
from tomotui.tui.screens.slices import SlicesScreen
from tomotui.tui.screens.yank import YankMenu
from tomotui.tui.widgets.pacing import CURSOR_REPORT, FrameAcknowledgements, FramePacer
from tomotui.tui.widgets.slice_view import SliceView

OCTANT = Capability(glyphs="octant")


def volume(depth=12, size=64):
    data = np.random.default_rng(0).normal(0, 1, (depth, size, size)).astype(np.float32)
    return ArraySource(data, name="v")


async def until(pilot, condition):
    for _ in range(400):
        if condition():
            return
        await pilot.pause(0.01)
    raise AssertionError("it never came to be")


class ViewApp(FrameAcknowledgements, App[None]):
    BINDINGS = [("j", "next", "")]

    def __init__(self, source=None):
        super().__init__()
        self.source = source or volume()
        self.failures = []

    def compose(self):
        yield SliceView(self.source, OCTANT)

    @property
    def picture(self):
        return self.query_one(SliceView)

    def action_next(self):
        self.picture.move_slice(1)

    def on_slice_view_failed(self, message):
        self.failures.append(message.error)


async def test_one_picture_at_the_start():
    app = ViewApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.picture.pictures)
        await pilot.pause(0.1)
        assert app.picture.pictures == 1
        assert app.picture.view.index == 6
        assert app.picture.n_bytes > 5000


async def test_a_state_draws_and_a_resize_draws():
    app = ViewApp()
    async with app.run_test(size=(80, 24)) as pilot:
        picture = app.picture
        await until(pilot, lambda: picture.pictures == 1)
        picture.move_slice(2)
        await until(pilot, lambda: picture.pictures == 2)
        assert picture.view.index == 8
        await pilot.resize_terminal(40, 10)
        await until(pilot, lambda: picture.pictures == 3)
        assert len(picture.render_lines(picture.region)) == 10


async def test_the_theme_colours_the_picture():
    from tomotui.tui.theme import FALLBACK

    app = ViewApp()
    image = FALLBACK.image.model_copy(update={"lut": "ice"})
    app.look = FALLBACK.model_copy(update={"image": image})
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.picture.pictures)
        assert app.picture.artist.lut == "ice"
        palette = app.picture.artist.palette()
        assert any(r != b for r, _, b in palette.rgb[:10])
        app.look = FALLBACK.model_copy(update={"image": image.model_copy(update={"lut": "?"})})
        app.theme = "textual-light"
        await until(pilot, lambda: app.picture.pictures == 2)
        assert app.picture.artist.lut == "grey"


async def test_the_wheel_moves_through_slices():
    app = ViewApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.picture.pictures)
        await pilot._post_mouse_events([events.MouseScrollDown], SliceView, button=0)
        assert app.picture.view.index == 7
        await pilot._post_mouse_events([events.MouseScrollUp], SliceView, button=0)
        assert app.picture.view.index == 6


async def test_marks_are_drawn():
    from tomotui.tui.raster.picture import Mark

    app = ViewApp()
    async with app.run_test(size=(80, 24)) as pilot:
        picture = app.picture
        await until(pilot, lambda: picture.pictures == 1)
        picture.marks = (Mark(32, 32, 10, "accepted"),)
        await until(pilot, lambda: picture.pictures == 2)
        assert "⌜" in "".join(strip.text for strip in picture.render_lines(picture.region))


class Broken(ArraySource):
    def read(self, axis, index, slab=0):
        raise SliceError("/data/v.mrc became shorter while it was shown; open it again")


async def test_a_slice_that_cannot_be_read_says_why():
    app = ViewApp(Broken(np.zeros((3, 8, 8), np.float32)))
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: app.failures)
        assert "became shorter" in app.failures[0]
        text = "".join(strip.text for strip in app.picture.render_lines(app.picture.region))
        assert "open it again" in text


class TerminalApp(ViewApp):
    """An app that believes in a terminal, whose answers the test gives."""

    def __init__(self):
        super().__init__()
        self.asked = 0
        self.has_terminal = False

    @property
    def is_headless(self):
        return not self.has_terminal

    def on_mount(self):
        self.has_terminal = True
        write = self._driver.write

        def count(text):
            self.asked += text.count(CURSOR_REPORT)
            write(text)

        self._driver.write = count

    def answer(self):
        self.post_message(events.CursorPosition(0, 0))


async def test_no_picture_is_sent_before_the_last_was_shown():
    app = TerminalApp()
    async with app.run_test(size=(80, 24)) as pilot:
        picture = app.picture
        await until(pilot, lambda: app.asked == 1)
        assert picture.pictures == 0
        app.answer()
        await until(pilot, lambda: app.asked == 2)
        assert picture.pictures == 1
        assert picture.pacer.in_flight
        await pilot.press("j", "j", "j")
        await pilot.pause(0.05)
        assert picture.view.index == 9
        assert picture.pictures == 1
        app.answer()
        await until(pilot, lambda: app.asked == 3)
        assert picture.pictures == 2
        assert not picture.is_waiting
        app.answer()
        await until(pilot, lambda: not picture.pacer.in_flight)
        assert picture.pictures == 2
        app.has_terminal = False


def test_pacer_knows_a_slow_link():
    pacer = FramePacer()
    pacer.sent(0.0, 0)
    pacer.acknowledged(0.04)
    assert pacer.round_trip == pytest.approx(0.04)
    assert not pacer.is_slow(250_000)
    for start in (1.0, 3.0, 5.0):
        pacer.sent(start, 250_000)
        pacer.acknowledged(start + 0.64)
    assert pacer.transfer_seconds(250_000) == pytest.approx(0.6, rel=0.2)
    assert pacer.is_slow(250_000)
    assert not pacer.is_slow(10_000)


def test_pacer_does_not_take_distance_for_slowness():
    pacer = FramePacer()
    pacer.sent(0.0, 0)
    pacer.acknowledged(0.3)
    pacer.sent(1.0, 250_000)
    pacer.acknowledged(1.32)
    assert not pacer.is_slow(250_000)


def test_pacer_goes_by_the_clock_when_nobody_answers():
    pacer = FramePacer()
    pacer.sent(0.0, 0)
    assert pacer.patience(0) < pacer.patience(1)
    pacer.gave_up()
    assert pacer.answers is False
    assert not pacer.in_flight
    pacer.acknowledged(5.0)
    assert pacer.answers is True


@pytest.fixture
def project(tmp_path):
    from tomotui.project import Project

    rng = np.random.default_rng(1)
    with mrcfile.new(tmp_path / "stack.mrc") as mrc:
        mrc.set_data(rng.normal(0, 1, (5, 48, 64)).astype(np.float32))
    with mrcfile.new(tmp_path / "tomo.mrc") as mrc:
        mrc.set_data(rng.normal(0, 1, (20, 60, 80)).astype(np.float32))
    with Project.create(tmp_path / "p") as opened:
        for name in ("ts_1", "ts_2"):
            series = TiltSeries(
                name=name,
                stack_path=str(tmp_path / "stack.mrc"),
                width_px=64,
                height_px=48,
                pixel_size_angstrom=10,
                tilts=tuple(Tilt(index=i, nominal_tilt_deg=10.0 * i - 20) for i in range(5)),
            )
            opened.add_records([series])
        yield opened


def alignment_of(series):
    tilts = tuple(
        TiltAlignment(
            index=i, tilt_deg=10.0 * i - 20, axis_deg=85, shift_x_angstrom=5, shift_y_angstrom=0
        )
        for i in range(5)
    )
    return Alignment(series_uid=series.uid, tilts=tilts)


def tomogram_of(series, path, method="wbp"):
    return Tomogram(
        series_uid=series.uid,
        alignment_uid="a",
        path=str(path),
        size_xyz=(80, 60, 20),
        pixel_size_angstrom=10,
        method=method,
        window_low=-2.0,
        window_high=2.0,
    )


@pytest.fixture
def with_tomogram(project, tmp_path):
    series = project.series_named("ts_1")
    project.add_records([alignment_of(series), tomogram_of(series, tmp_path / "tomo.mrc")])
    return project


class ScreenApp(FrameAcknowledgements, App[None]):
    def __init__(self, screen):
        super().__init__()
        self.first = screen

    def on_mount(self):
        self.push_screen(self.first)

    def status(self):
        return str(self.first.query_one("#slices-status").render())


async def opened(pilot, screen):
    await until(pilot, lambda: screen.is_mounted and screen.slice_view.pictures)
    return screen.slice_view


async def test_slice_keys_change_the_state(with_tomogram):
    screen = SlicesScreen(with_tomogram, OCTANT, "ts_1")
    async with ScreenApp(screen).run_test(size=(130, 36)) as pilot:
        picture = await opened(pilot, screen)
        assert picture.view.index == 10
        for key, index in (
            ("j", 11),
            ("k", 10),
            ("pagedown", 11),
            ("pageup", 10),
            ("K", 0),
            ("J", 10),
            ("end", 19),
            ("home", 0),
            ("k", 0),
        ):
            await pilot.press(key)
            assert picture.view.index == index, key
        await pilot.press("plus")
        zoomed = picture.view.zoom
        assert zoomed is not None
        await pilot.press("plus")
        assert picture.view.zoom < zoomed
        await pilot.press("minus")
        assert picture.view.zoom == zoomed
        await pilot.press("0")
        assert picture.view.zoom == 2.0
        await pilot.press("right", "down")
        near = picture.view.centre
        await pilot.press("shift+right", "shift+down")
        assert picture.view.centre[1] - near[1] > near[1] - 40 > 0
        await pilot.press("equals_sign")
        assert (picture.view.zoom, picture.view.centre) == (None, None)
        await pilot.press(")", ")", "(")
        assert picture.view.slab == 1
        await pilot.press("f")
        assert picture.view.filter_name == "LP20"
        await pilot.press("I")
        assert picture.view.inverted
        axes = []
        for _ in range(3):
            await pilot.press("X")
            axes.append(picture.view.axis)
        assert axes == ["y", "x", "z"]
        await pilot.press("R")
        assert picture.view.glyphs == "sextant"


async def test_contrast_keys(with_tomogram):
    screen = SlicesScreen(with_tomogram, OCTANT, "ts_1")
    async with ScreenApp(screen).run_test(size=(130, 36)) as pilot:
        picture = await opened(pilot, screen)
        automatic = picture.window
        assert picture.view.window is None
        await pilot.press("]")
        assert picture.view.window.width == pytest.approx(0.8 * automatic.width)
        await until(pilot, lambda: picture.window == picture.view.window)
        await pilot.press("[")
        assert picture.view.window.width == pytest.approx(automatic.width)
        await until(pilot, lambda: picture.window == picture.view.window)
        await pilot.press("}")
        assert picture.view.window.level < automatic.level
        await pilot.press("c")
        assert picture.view.window is None
        await pilot.press("c")
        assert picture.view.window == Window(-2.0, 2.0)


async def test_the_newest_tomogram_is_shown_and_tilt_images_on_request(with_tomogram):
    screen = SlicesScreen(with_tomogram, OCTANT, "ts_1")
    app = ScreenApp(screen)
    async with app.run_test(size=(130, 36)) as pilot:
        picture = await opened(pilot, screen)
        assert picture.source.shape == (20, 60, 80)
        await pilot.press("J", "w")
        assert not picture.view.aligned
        await pilot.press("b")
        await until(pilot, lambda: picture.source.is_stack)
        await pilot.press("w")
        assert picture.view.aligned
        await pilot.press(")", "X")
        assert (picture.view.slab, picture.view.axis) == (0, "z")
        await until(pilot, lambda: "tilt 3/5" in app.status())
        await pilot.press("b")
        await until(pilot, lambda: not picture.source.is_stack)
        assert picture.view.index == 19


async def test_series_are_stepped_through(with_tomogram):
    screen = SlicesScreen(with_tomogram, OCTANT)
    app = ScreenApp(screen)
    async with app.run_test(size=(130, 36)) as pilot:
        picture = await opened(pilot, screen)
        await pilot.press("full_stop")
        await until(pilot, lambda: picture.source.name == "ts_2")
        await pilot.press("w")
        assert not picture.view.aligned
        assert "not aligned yet" in app.status()
        await pilot.press("full_stop")
        await until(pilot, lambda: not picture.source.is_stack)


async def test_a_new_tomogram_is_offered_not_forced(with_tomogram, tmp_path):
    screen = SlicesScreen(with_tomogram, OCTANT, "ts_1")
    app = ScreenApp(screen)
    async with app.run_test(size=(130, 36)) as pilot:
        picture = await opened(pilot, screen)
        await pilot.press("J")
        series = with_tomogram.series_named("ts_1")
        better = tomogram_of(series, tmp_path / "tomo.mrc", "sirt")
        with_tomogram.add_records([better])
        screen.source_changed("ts_2")
        assert "new:" not in app.status()
        screen.source_changed("ts_1")
        await until(pilot, lambda: "new: ts_1 sirt" in app.status())
        assert screen.choice.uid != better.uid
        await pilot.press("b")
        await until(pilot, lambda: picture.source.name.startswith("ts_1 sirt"))
        assert picture.view.index == 19, "the same voxels are looked at"


async def test_the_first_series_of_an_empty_project_is_shown_when_it_comes(tmp_path):
    from tomotui.project import Project

    with Project.create(tmp_path / "empty") as empty:
        screen = SlicesScreen(empty, OCTANT)
        app = ScreenApp(screen)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: screen.is_mounted and "import" in app.status())
            await pilot.press("j", "plus", "c", "]", "X", "y", "b", "w", "right")
            with mrcfile.new(tmp_path / "s.mrc") as mrc:
                mrc.set_data(np.random.default_rng(0).normal(size=(1, 8, 8)).astype(np.float32))
            series = TiltSeries(
                name="ts_9",
                stack_path=str(tmp_path / "s.mrc"),
                width_px=8,
                height_px=8,
                pixel_size_angstrom=1,
                tilts=(Tilt(index=0, nominal_tilt_deg=0),),
            )
            empty.add_records([series])
            screen.source_changed("ts_9")
            picture = await opened(pilot, screen)
            assert picture.source.name == "ts_9"


async def test_a_missing_file_is_named(project, tmp_path):
    (tmp_path / "stack.mrc").unlink()
    screen = SlicesScreen(project, OCTANT, "ts_1")
    app = ScreenApp(screen)
    async with app.run_test(size=(160, 24)) as pilot:
        await until(pilot, lambda: screen.is_mounted and "stack.mrc" in app.status())
        await pilot.press("j", "X")


async def test_small_terminals_give_the_picture_all_rows_but_three(with_tomogram):
    screen = SlicesScreen(with_tomogram, OCTANT, "ts_1")
    async with ScreenApp(screen).run_test(size=(80, 24)) as pilot:
        picture = await opened(pilot, screen)
        assert picture.size.width == 80
        assert picture.size.height >= 24 - 3
        await pilot.resize_terminal(130, 30)
        await until(pilot, lambda: picture.size.width == 100)
        await pilot.resize_terminal(9, 4)
        await until(pilot, lambda: picture.size.width == 9)
        await pilot.press("j", "plus", "right")
        await pilot.resize_terminal(2, 1)
        await pilot.press("j")


async def test_yank_copies_the_position(with_tomogram, tmp_path):
    screen = SlicesScreen(with_tomogram, OCTANT, "ts_1")
    app = ScreenApp(screen)
    async with app.run_test(size=(130, 36)) as pilot:
        picture = await opened(pilot, screen)
        picture.view = picture.view.panned(5.5, -9.5, picture.source.shape)
        await pilot.press("j", "y")
        await until(pilot, lambda: isinstance(app.screen, YankMenu) and app.screen.is_mounted)
        # There is no command for a slice: its key does nothing.
        await pilot.press("c", "x")
        # z slice 11 of 20 is one voxel of 10 Å above voxel 10.
        await until(pilot, lambda: app.clipboard == "x=-100.0 y=50.0 z=10.0 Å")
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, YankMenu) and app.screen.is_mounted)
        await pilot.press("p")
        await until(pilot, lambda: app.clipboard == str(tmp_path / "tomo.mrc"))


async def test_bookmarks_bring_back_the_place_and_the_volume(with_tomogram):
    screen = SlicesScreen(with_tomogram, OCTANT, "ts_1")
    app = ScreenApp(screen)
    async with app.run_test(size=(130, 36)) as pilot:
        picture = await opened(pilot, screen)
        await pilot.press("apostrophe")
        await until(pilot, lambda: "no bookmark yet" in app.status())
        await pilot.press("j", "plus", "right", "m", "j")
        kept = picture.view
        assert (kept.index, set(screen.bookmarks)) == (11, {"j"})
        await pilot.press("home", "X", "equals_sign", "apostrophe", "j")
        assert picture.view == kept
        await pilot.press("apostrophe", "escape", "m", "escape")
        assert app.screen is screen
        assert set(screen.bookmarks) == {"j"}
        await pilot.press("full_stop")
        await until(pilot, lambda: picture.source.name == "ts_2")
        await pilot.press("apostrophe", "j")
        await until(pilot, lambda: picture.source.name == "ts_1 wbp 10 Å")
        assert (picture.view.index, picture.view.centre) == (11, kept.centre)


async def test_the_mouse_drags_the_picture(with_tomogram):
    screen = SlicesScreen(with_tomogram, OCTANT, "ts_1")
    async with ScreenApp(screen).run_test(size=(130, 36)) as pilot:
        picture = await opened(pilot, screen)
        before = picture.view.middle(picture.source.shape)
        await pilot.mouse_down(SliceView, offset=(20, 10))
        await pilot.hover(SliceView, offset=(15, 12))
        await pilot.mouse_up(SliceView, offset=(15, 12))
        row, column = picture.view.middle(picture.source.shape)
        assert column > before[1]
        assert row < before[0]
        await pilot.hover(SliceView, offset=(40, 20))
        assert picture.view.middle(picture.source.shape) == (row, column)


async def test_escape_leaves(with_tomogram):
    screen = SlicesScreen(with_tomogram, OCTANT, "ts_1")
    app = ScreenApp(screen)
    async with app.run_test(size=(130, 36)) as pilot:
        await opened(pilot, screen)
        await pilot.press("escape")
        assert app.screen is not screen


def test_every_binding_has_an_id_a_text_and_its_own_keys():
    bindings = [b for cls in SlicesScreen.__mro__ for b in cls.__dict__.get("BINDINGS", ())]
    own = [b for b in bindings if (getattr(b, "id", "") or "").startswith("slice.")]
    assert len(own) >= 35
    assert all(b.description and b.tooltip for b in own)
    ids = [b.id for b in own]
    assert len(set(ids)) == len(ids)
    keys = [key for b in own for key in b.key.split(",")]
    assert len(set(keys)) == len(keys)
    forbidden = {"ctrl+h", "ctrl+i", "ctrl+j", "ctrl+m", "tab", "enter"}
    assert not forbidden & set(keys)
