from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.widget import Widget
from textual.widgets import Input

from tests.tui.conftest import until
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.volume import ArraySource
from tomotui.tui.screens.next_key import NextKeyScreen
from tomotui.tui.widgets.slice_view import SliceView

Base = Widget if TYPE_CHECKING else object


class Counted(Base):
    """Counts how often it is to be painted."""

    times_dirty = 0

    def refresh(self, *regions: Region, repaint: bool = True, **changes: Any) -> Self:
        self.times_dirty += repaint
        return super().refresh(*regions, repaint=repaint, **changes)


class CountedView(Counted, SliceView):
    pass


class PictureAndLine(Counted, NextKeyScreen):
    def compose(self) -> ComposeResult:
        volume = np.random.default_rng(0).normal(0, 1, (4, 32, 32)).astype(np.float32)
        yield CountedView(ArraySource(volume), Capability())
        yield Input()


class Program(App[None]):
    CSS = "CountedView { height: 1fr; } Input { dock: bottom; }"

    def on_mount(self) -> None:
        self.push_screen(PictureAndLine())


async def test_a_picture_is_not_sent_again_when_a_line_is_typed_below_it() -> None:
    app = Program()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bool(app.screen.query(CountedView)))
        screen = app.screen
        assert isinstance(screen, PictureAndLine)
        view, line = screen.query_one(CountedView), screen.query_one(Input)
        await until(pilot, lambda: view.window is not None)
        screen.set_focus(view)
        await until(pilot, lambda: view.has_focus)
        await pilot.pause()
        before = (view.times_dirty, screen.times_dirty)
        screen.set_focus(line)
        await until(pilot, lambda: line.has_focus and not view.has_focus)
        await pilot.press("a", "b")
        await until(pilot, lambda: line.value == "ab")
        screen.set_focus(view)
        await until(pilot, lambda: view.has_focus and not line.has_focus)
        await pilot.pause()
        assert (view.times_dirty, screen.times_dirty) == before
