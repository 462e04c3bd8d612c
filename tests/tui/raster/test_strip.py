"""What the ready-made strips rely on in Textual: run these on every change of its version."""

from __future__ import annotations

import io

import numpy as np
import pyte
import pytest
from rich.console import Console
from textual.app import App
from textual.color import Color
from textual.containers import Horizontal
from textual.geometry import Region
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from tomotui.tui.raster.emit import to_frame
from tomotui.tui.raster.glyphs import GLYPHS
from tomotui.tui.raster.pack import pack
from tomotui.tui.raster.palette import make_palette
from tomotui.tui.raster.strip import RasterStrip, safe_render, segments_of, strips_of

WIDTH = 24


def make_frame(depth="256", height=2):
    glyphs = GLYPHS["octant"]
    grid = np.random.default_rng(5).integers(0, 256, (4 * height, 2 * WIDTH)).astype(np.uint8)
    frame = to_frame(pack(grid, glyphs, depth != "mono"), glyphs, make_palette(depth))
    frame.write(0, 3, "10 nm", "accent")
    return frame


@pytest.fixture
def console():
    return Console(file=io.StringIO(), color_system="truecolor", force_terminal=True)


def seen(text):
    screen = pyte.Screen(WIDTH + 4, 1)
    pyte.Stream(screen).feed(text)
    cells = []
    for x in range(WIDTH + 4):
        cell = screen.buffer[0][x]
        # The colour of a character that has no ink cannot be seen.
        cells.append((cell.data, "" if cell.data == " " else cell.fg, cell.bg))
    return cells


@pytest.fixture(params=["256", "truecolor", "16", "mono"])
def pair(request):
    frame = make_frame(request.param)
    strips, _ = strips_of(frame)
    assert isinstance(strips[0], RasterStrip)
    return strips[0], Strip(segments_of(frame, 0), WIDTH)


def test_whole(pair, console):
    fast, plain = pair
    assert seen(fast.render(console)) == seen(plain.render(console))
    assert fast.cell_length == plain.cell_length == WIDTH
    assert fast.text == plain.text
    assert bool(fast)


@pytest.mark.parametrize(("start", "end"), [(0, 7), (5, WIDTH), (4, 9), (0, WIDTH)])
def test_cropped(pair, console, start, end):
    fast, plain = pair
    a, b = fast.crop(start, end), plain.crop(start, end)
    assert seen(a.render(console)) == seen(b.render(console))


def test_divided(pair, console):
    fast, plain = pair
    for a, b in zip(fast.divide([3, 10, WIDTH]), plain.divide([3, 10, WIDTH]), strict=True):
        assert seen(a.render(console)) == seen(b.render(console))
    assert fast.divide([WIDTH]) == [fast]
    assert fast.divide([WIDTH])[0] is fast


def test_joined(pair, console):
    fast, plain = pair
    joined = Strip.join([fast, Strip.blank(2)])
    wanted = Strip.join([plain, Strip.blank(2)])
    assert seen(joined.render(console)) == seen(wanted.render(console))


def test_tinted(pair, console):
    fast, plain = pair
    tint = Color(200, 0, 0, 0.4)
    texts = [
        Strip(BackgroundScreen.process_segments(strip, tint)).render(console)
        for strip in (fast, plain)
    ]
    assert seen(texts[0]) == seen(texts[1])


def test_drawing_makes_no_segments(console):
    """The point of it all: sending a whole row must not build its segments."""
    (strip, _), _ = strips_of(make_frame())
    strip.render(console)
    strip.divide([WIDTH])
    strip.crop(0, WIDTH)
    assert strip._built is None
    assert len(strip._segments) > 5


def test_bytes_are_those_of_the_text():
    strips, n_bytes = strips_of(make_frame())
    assert n_bytes == sum(len(strip._render_cache.encode()) for strip in strips)


def test_safe_render_uses_plain_strips(monkeypatch):
    monkeypatch.setenv("TOMOTUI_SAFE_RENDER", "1")
    strips, _ = strips_of(make_frame())
    assert type(strips[0]) is Strip
    assert not safe_render({"TOMOTUI_SAFE_RENDER": "0"})


class Picture(Widget):
    def __init__(self):
        super().__init__()
        self.frame = make_frame(height=20)

    def render_lines(self, crop: Region) -> list[Strip]:
        strips, _ = strips_of(self.frame)
        return [strip.crop(crop.x, crop.right) for strip in strips[crop.y : crop.bottom]]


class Dialog(ModalScreen[None]):
    CSS = "Dialog { align: center middle; } #box { width: 8; height: 3; background: blue; }"

    def compose(self):
        yield Static("hello", id="box")


class PictureApp(App[None]):
    CSS = f"Picture {{ width: {WIDTH}; height: 20; }}"

    def compose(self):
        with Horizontal():
            yield Picture()
            yield Static("beside")


def octants(text):
    return sum("\U0001cd00" <= character <= "\U0001cde5" for character in text)


async def test_a_picture_under_a_dialog_is_not_blank():
    async with PictureApp().run_test(size=(40, 20)) as pilot:
        await pilot.pause()
        alone = "".join(strip.text for strip in pilot.app.screen._compositor.render_strips())
        pilot.app.push_screen(Dialog())
        await pilot.pause()
        rows = pilot.app.screen._compositor.render_strips()
        text = "".join(strip.text for strip in rows)
        assert "hello" in text
        assert octants(alone) > 300
        assert octants(text) > 0.8 * octants(alone)


async def test_an_export_contains_the_picture():
    async with PictureApp().run_test(size=(40, 20)) as pilot:
        await pilot.pause()
        assert octants(pilot.app.export_screenshot()) > 300
