"""Arrows of particles' drift on the tilt images, stepped through by angle."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from rich.segment import Segment
from textual.binding import BindingType
from textual.color import Color
from textual.message import Message
from textual.strip import Strip

from tomotui.tui.actions import bindings
from tomotui.tui.raster.drift import Drift, EmptyField
from tomotui.tui.raster.picture import Trail
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import SliceSource
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.drawn_once import wrapped
from tomotui.tui.widgets.slice_view import SliceView

CONTRAST_STEP = 0.8
LENGTH_STEP = 2.0


class DriftView(SliceView):
    """Shows one tilt image of a series with its arrows.

    Attributes
    ----------
    drift
        What is drawn; ``None`` where nothing is known, which `message` says.
    longer
        Length of arrows over what suits the series.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings("drift")

    class TiltShown(Message):
        """Another tilt is shown."""

    drift: Drift | None = None
    longer: float = 1.0
    message: str = ""

    @property
    def factor(self) -> float:
        """By how much arrows are longer than the drift."""
        return self.drift.factor * self.longer if self.drift is not None else 1.0

    @property
    def row(self) -> int | None:
        """The tilt that is shown, as a row of the drift."""
        return None if self.drift is None else self.drift.row_of(self.view.index)

    @property
    def ground(self) -> float:
        """How light the theme's background is, 0 to 1."""
        look: Look = getattr(self.app, "look", FALLBACK)
        return Color.parse(look.background).brightness

    def show_drift(self, drift: Drift, source: SliceSource | None, name: str) -> None:
        """Draw the drift of a series on its images, or on an empty field where there are none.

        The tilt nearest to the one that was shown is shown first, or the flattest.
        """
        row = self.row
        wanted = 0.0 if self.drift is None or row is None else float(self.drift.tilt_deg[row])
        self.drift, self.message = drift, ""
        self.overlay = self._arrows
        # Arrows stand out from a picture that keeps to the side of the theme's background.
        is_light = self.ground > 0.5
        self.artist.adapted = lambda window: window.veiled(is_light)
        source = source or EmptyField(drift, name, self.ground)
        nearest = int(abs(drift.tilt_deg - wanted).argmin())
        index = int(drift.section[nearest])
        self.show(source, replace(self.view, index=index, window=None, zoom=None, centre=None))

    def say_instead(self, message: str) -> None:
        """Show words: nothing is known."""
        self.drift, self.message = None, message
        self.overlay = self._source = None
        self._strips, self.error = [], message
        self.give_up_picture()

    def _empty_row(self, y: int, width: int, height: int) -> Strip:
        """Return a row of the words, which may take several."""
        lines = wrapped(self.error, width - 2)
        at = y - (height // 2 - len(lines) // 2)
        if 0 <= at < len(lines):
            return Strip([Segment(lines[at].center(width), self.rich_style)])
        return super()._empty_row(y, width, height)

    def _arrows(self, view: SliceViewState) -> list[Trail]:
        if self.drift is None or self.source is None:
            return []
        return self.drift.over(self.source, view, self.factor)

    # ---- keys

    def move_slice(self, step: int) -> None:
        """Go to the next tilts by angle."""
        if self.drift is None or self.source is None:
            return
        order = self.drift.order
        at = order.index(self.view.index) if self.view.index in order else 0
        self._go_to(order[min(max(at + step, 0), len(order) - 1)])

    def _go_to(self, section: int) -> None:
        assert self.source is not None
        self.view = self.view.at(section, self.source.shape)
        self.post_message(self.TiltShown())

    def action_tilt(self, step: int) -> None:
        """Go to the next tilts by angle."""
        self.move_slice(step)

    def action_end(self, last: bool) -> None:
        """Go to the lowest angle, or to the highest."""
        if self.drift is not None and self.source is not None:
            self._go_to(self.drift.order[-1 if last else 0])

    def action_length(self, steps: int) -> None:
        """Draw longer or shorter arrows."""
        self.longer = min(max(self.longer * LENGTH_STEP**steps, 1 / 64), 64.0)
        self.redraw()
        self.post_message(self.TiltShown())

    def action_zoom(self, steps: int) -> None:
        """Go nearer, or further."""
        if self.source is not None:
            aspect = self.artist.capability.cell_aspect
            self.view = self.view.zoomed(steps, self.source.shape, self.cells, aspect)

    def action_contrast(self, sign: int) -> None:
        """Let greys span less, or more."""
        if self.source is not None and self.window is not None:
            factor = CONTRAST_STEP if sign > 0 else 1 / CONTRAST_STEP
            self.view = replace(self.view, window=self.window.narrowed(factor))

    def action_filter(self) -> None:
        """Take the next low-pass filter."""
        self.view = self.view.next_filter()

    def action_reset(self) -> None:
        """Look as at the beginning."""
        self.longer = 1.0
        self.view = replace(self.view.fitted(), window=None, filter_name="none")
        self.redraw()
        self.post_message(self.TiltShown())
