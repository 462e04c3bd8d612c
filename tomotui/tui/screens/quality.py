"""The quality of one tilt series: alignment, CTF and tomogram as charts over its tilts."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import numpy as np
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from tomotui.records import TiltCtf, TiltSeries
from tomotui.tui.actions import bindings
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.quality_feed import QualitySnapshot, read_quality
from tomotui.tui.raster.picture import Trail
from tomotui.tui.raster.rings import ring_trails
from tomotui.tui.screens.base import Frame
from tomotui.tui.screens.quality_charts import (
    PANELS,
    PAST_RINGS,
    Panel,
    needs_ctf,
    panels_of,
)
from tomotui.tui.screens.quality_words import series_facts, tilt_line
from tomotui.tui.screens.tilt_choices import launch_again, toggle_tilt
from tomotui.tui.session import OpenScreen
from tomotui.tui.widgets.chart import ChartView, role_colour
from tomotui.tui.widgets.rings_view import RingsView

COLUMN_CELLS, ROW_CELLS = 33, 9
"""Least size of a pane; where there is less room for all, there are pages."""
MOST_COLUMNS, MOST_ROWS = 3, 3


class Pane(Vertical, can_focus=True):
    """One panel; the focus chooses which is enlarged."""


def grid_of(width: int, height: int) -> tuple[int, int]:
    """Return columns and rows of panes that a space has room for."""
    columns = min(max(width // COLUMN_CELLS, 1), MOST_COLUMNS)
    return columns, min(max(height // ROW_CELLS, 1), MOST_ROWS)


def page_of(place: int, per_page: int, n_panes: int) -> range:
    """Return the panes that are shown together with one."""
    first = place - place % per_page
    return range(first, min(first + per_page, n_panes))


class QualityScreen(Frame):
    """Charts of one series with a cursor over its tilts that all of them share.

    Parameters
    ----------
    series_name
        The series.
    mode
        The mode that it was opened in.

    Attributes
    ----------
    first_image
        Where the cursor begins, counted as in the stack; at the least tilt when ``None``.
    """

    ABOUT = "quality"
    PROSE = (
        "What alignment, CTF and tomogram of one tilt series are worth; of movies, also how the "
        "specimen moved. Left and right move the "
        "tilt cursor of all panels; tab goes from panel to panel, z enlarges one. x leaves the "
        "tilt under the cursor out, u takes that back, L runs a stage again."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("quality", "tilt.exclude", "tilt.launch"),
    ]

    class Seen(Message, bubble=False):
        """The feed has something new."""

        def __init__(self, observation: Observation[QualitySnapshot]) -> None:
            super().__init__()
            self.observation = observation

    def __init__(self, series_name: str, mode: str) -> None:
        super().__init__()
        self.mode = mode  # type: ignore[misc]
        self.series_name = series_name
        self.snapshot = QualitySnapshot(series_name)
        self.panels = panels_of(self.snapshot)
        self.place = 0
        self.panel = 0
        self.first_image: int | None = None
        self._has_place = False
        self._feed: Feed[QualitySnapshot] | None = None

    def compose_body(self) -> ComposeResult:
        """Lay out one line about the tilt, and the panels."""
        yield Static(id="quality-line", markup=False)
        with Container(id="panels"):
            for panel in PANELS:
                with Pane(id=f"panel-{panel.key}", classes="pane"):
                    if panel.key == "rings":
                        yield RingsView(self.tomotui.capability)
                    elif panel.build is None:
                        with VerticalScroll(id="quality-scroll", can_focus=False):
                            yield Static(id="quality-facts", markup=False)
                    else:
                        yield ChartView(with_keys=False)

    def on_mount(self) -> None:
        """Begin to watch the series."""
        folder = self.tomotui.folder
        assert folder is not None
        self.panel = min(self.panel, len(self.panels) - 1)
        self._pane(self.panel).focus()
        self._feed = Feed(
            folder,
            read_quality,
            lambda seen: self.post_message(self.Seen(seen)),
            subject=self.series_name,
        )
        self.watch_feed(self._feed)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_all())

    def crumbs(self) -> tuple[str, ...]:
        """Return the series."""
        return (self.series_name, "quality")

    def as_opened(self) -> OpenScreen:
        """Return what opens the charts again."""
        return OpenScreen(
            kind="quality",
            name=self.series_name,
            panel=self.panel,
            image=self.index if self._has_place else self.first_image,
            is_zoomed=self.has_class("-zoomed"),
        )

    # ---- showing

    @property
    def index(self) -> int:
        """The image under the cursor, counted as in the stack."""
        order = self.snapshot.order
        return order[min(self.place, len(order) - 1)] if order else 0

    def on_quality_screen_seen(self, message: Seen) -> None:
        """Show the series as it is now."""
        seen = message.observation
        self.set_alarm(seen.error)
        if seen.value is None or seen.value.name != self.series_name:
            return
        before, at, now = self.snapshot, self.index, seen.value
        self.snapshot, self.counts, order = now, now.counts, now.order
        if not order:
            self.say(f"there is no tilt series {self.series_name}", "warning")
        elif not self._has_place:
            self._has_place = True
            self.place = (
                order.index(self.first_image)
                if self.first_image in order
                else min(range(len(order)), key=lambda i: abs(now.angle(order[i])))
            )
            self.first_image = None
        elif before.name == now.name and at in order:
            # A new alignment may put the angles into another order.
            self.place = order.index(at)
        self.place = min(self.place, max(len(order) - 1, 0))
        panels = panels_of(now)
        if panels == self.panels:
            self._show_all()
        else:
            self.panels, self.panel = panels, min(self.panel, len(panels) - 1)
            self._arrange()
        self.update_header()

    def _show_all(self) -> None:
        if not self.is_mounted or self.snapshot.series is None:
            return
        look = self.tomotui.look
        self.query_one("#quality-line", Static).update(tilt_line(self.snapshot, self.index, look))
        shown = self._shown()
        for at, panel in enumerate(self.panels):
            pane = self._pane(at)
            pane.border_title = self._title(panel)
            if at in shown:
                self._show_panel(panel, pane)

    def _show_panel(self, panel: Panel, pane: Pane) -> None:
        if panel.key == "rings":
            self._show_rings(pane)
        elif panel.build is None:
            facts = series_facts(self.snapshot, self.index, self.tomotui.look)
            pane.query_one("#quality-facts", Static).update(facts)
        else:
            drawn = panel.build(self.snapshot, self.index)
            if isinstance(drawn, str):
                pane.query_one(ChartView).show(None, drawn)
            else:
                pane.query_one(ChartView).show(drawn)

    def _show_rings(self, pane: Pane) -> None:
        seen, view = self.snapshot, pane.query_one(RingsView)
        spectra = seen.ctf_details.get("spectrum_2d", 3)
        if spectra is None or seen.series is None:
            view.show(None, None, needs_ctf(seen, "spectra"))
            return
        row = seen.ctf_details.row_of(self.index)
        if row is None or row >= len(spectra):
            view.show(None, None, "this tilt was left out when the CTF was measured")
            return
        transfer, step = seen.transfer.get(self.index), _frequency_step(seen)
        rings = None
        if transfer is not None and step > 0:
            rings = partial(_rings, seen.series, transfer, spectra.shape[1], step)
        view.show(np.asarray(spectra[row], np.float32), rings, reach=_reach(seen, step))

    def _title(self, panel: Panel) -> str:
        look, words = self.tomotui.look, panel.title
        for role in ("series.0", "series.1"):
            words = words.replace(f"[{role}]", f"[{role_colour(look, role)}]")
        return words

    # ---- layout

    def _pane(self, at: int) -> Pane:
        return self.query_one(f"#panel-{self.panels[at].key}", Pane)

    def _grid(self) -> tuple[int, int]:
        if self.has_class("-zoomed"):
            return 1, 1
        size = self.query_one("#panels").size
        return grid_of(size.width, size.height)

    def _shown(self) -> range:
        columns, rows = self._grid()
        return page_of(self.panel, columns * rows, len(self.panels))

    def _arrange(self) -> None:
        """Show as many panes as there is room for, among them the one with the focus."""
        columns, rows = self._grid()
        shown = page_of(self.panel, columns * rows, len(self.panels))
        grid = self.query_one("#panels")
        # The last page may have fewer columns and rows.
        grid.styles.grid_size_columns = min(columns, len(shown))
        grid.styles.grid_size_rows = min(rows, -(-len(shown) // columns))
        seen = {self.panels[at].key for at in shown}
        for panel in PANELS:
            self.query_one(f"#panel-{panel.key}", Pane).display = panel.key in seen
        pages = -(-len(self.panels) // (columns * rows))
        page = shown.start // (columns * rows) + 1
        self.status_bar.show_right(f"page {page} of {pages}: tab" if pages > 1 else "")
        self._pane(self.panel).focus()
        self._show_all()

    def on_resize(self, event: events.Resize) -> None:
        """Use the room there is."""
        self.call_after_refresh(self._arrange)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Take note of the pane that was chosen, also with the mouse."""
        for at in range(len(self.panels)):
            if event.widget is self._pane(at):
                self.panel = at

    def update_right(self) -> None:
        """Leave the right of the status bar to the pages."""

    # ---- keys

    def action_move(self, step: int) -> None:
        """Move the cursor over the tilts, in the order of their angles."""
        last = len(self.snapshot.order) - 1
        place = min(max(self.place + step, 0), max(last, 0))
        if place != self.place:
            self.place = place
            self._show_all()

    def action_end(self, last: bool) -> None:
        """Go to the most tilted image of one side."""
        self.action_move(len(self.snapshot.order) * (1 if last else -1))

    def action_panel(self, step: int) -> None:
        """Go to the next panel."""
        self.panel = (self.panel + step) % len(self.panels)
        self._arrange()

    def action_zoom_pane(self) -> None:
        """Give one panel all the room, or let all have some."""
        self.toggle_class("-zoomed")
        self._arrange()

    def action_series(self, step: int) -> None:
        """Show the next series."""
        names = self.tomotui.series_names()
        if names:
            at = names.index(self.series_name) if self.series_name in names else 0
            self.show_series(names[(at + step) % len(names)])

    def show_series(self, name: str) -> None:
        """Show another series."""
        self.series_name = name
        self.tomotui.session.series = name
        self._has_place = False
        if self._feed is not None:
            self._feed.look_at(name)
        self.update_header()

    def action_slices(self) -> None:
        """Look at the images; of two keys in one breath the first one counts."""
        if not self.is_current:
            return
        self.tomotui.show_slices(self.series_name)
        if self.mode == "slices" and self.is_current and len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def action_exclude(self) -> None:
        """Leave the tilt under the cursor out, or take it in again."""
        series = self.snapshot.series
        if series is not None and not self.tomotui.refuse_when_read_only():
            index = self.index
            toggle_tilt(self.tomotui, series, index, not self.snapshot.is_excluded(index))

    def action_launch_again(self) -> None:
        """Run a stage again on this series."""
        if self.snapshot.series is not None:
            launch_again(self.tomotui, self.snapshot.series, self.snapshot.alignment)


def _rings(
    series: TiltSeries, transfer: TiltCtf, size: int, step: float, least_gap: float
) -> list[Trail]:
    resolution = transfer.fit_resolution_angstrom
    return ring_trails(
        series, transfer, size, step, least_gap=least_gap, resolution_angstrom=resolution
    )


def _reach(seen: QualitySnapshot, step_per_angstrom: float) -> float | None:
    """Return how many pixels of the spectra from their origin hold rings; the same for all."""
    known = [tilt.fit_resolution_angstrom for tilt in seen.transfer.values()]
    finest = min((one for one in known if one), default=None)
    if finest is None or step_per_angstrom <= 0:
        return None
    return PAST_RINGS / finest / step_per_angstrom


def _frequency_step(seen: QualitySnapshot) -> float:
    """Return the frequency from one pixel of the spectra to the next, in 1/A; 0 when unknown."""
    step = seen.ctf_details.arrays.get("spectrum_pixel_per_angstrom")
    return float(np.ravel(step)[0]) if step is not None and step.size else 0.0
