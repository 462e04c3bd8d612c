"""The panels of the screen of maps: where they lie, and what each shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical

from tomotui.tui.maps_feed import MapsSnapshot
from tomotui.tui.raster.density import Density
from tomotui.tui.screens.maps_charts import (
    QUANTITIES,
    Drawn,
    fsc,
    scores,
    series_names,
    tilts,
    views,
    views_grid,
)
from tomotui.tui.screens.maps_layout import PANELS, Page, pages_of
from tomotui.tui.screens.maps_words import (
    ITERATION_COLUMNS,
    MAP_COLUMNS,
    iteration_rows,
    particle_words,
)
from tomotui.tui.screens.paneled import PaneledFrame, Panels
from tomotui.tui.screens.quality import Pane
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import Row
from tomotui.tui.widgets.chart import ChartView, role_colour
from tomotui.tui.widgets.drift_view import DriftView
from tomotui.tui.widgets.heat_view import HeatView
from tomotui.tui.widgets.map_slices import MapSlices
from tomotui.tui.widgets.surface_view import SurfaceView
from tomotui.tui.widgets.table import Table

NO_MAPS = "no maps yet: :run refine averages particles; or tomotui import-map FILE.mrc"


class MapsPanels(PaneledFrame):
    """Lays out the list of maps and the panels of the one that is chosen.

    Attributes
    ----------
    series, quantity
        Numbers of the tilt series and of what is plotted of its tilts.
    """

    CSS: ClassVar[str] = """
    MapsScreen {
        & #maps-body { height: 1fr; layout: horizontal; }
        & #maps-list { width: 34; height: 1fr; padding: 0; }
        &.-wide #maps-list { width: 46; }
        & #maps-panels { layout: grid; width: 1fr; height: 1fr; grid-gutter: 0; }
        & #maps-panels .pane { padding: 0; width: 1fr; height: 1fr; }
        &.-narrow #maps-body { layout: vertical; }
        &.-narrow #maps-list { width: 1fr; height: 6; }
        &.-zoomed #maps-panels .pane { width: 1fr; height: 1fr; }
        &.-zoomed #maps-list { display: none; }
        &.-zoomed #maps-panels .pane.-shown { display: block; }
        & #panel-motion ChartView { display: none; width: 40; }
        &.-zoomed #panel-motion ChartView { display: block; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.snapshot = MapsSnapshot()
        self.series = 0
        self.quantity = 0
        self._page: Page | None = None
        self._page_words = ""

    def compose_body(self) -> ComposeResult:
        """Lay out the list at the left, panels at the right."""
        capability = self.tomotui.capability
        with Container(id="maps-body"):
            with Vertical(id="maps-list", classes="pane") as pane:
                pane.border_title = "maps"
                yield Table(MAP_COLUMNS, empty=NO_MAPS, id="maps-table")
            with Panels(id="maps-panels"):
                with Vertical(id="panel-surface", classes="pane"):
                    yield SurfaceView(capability)
                with Vertical(id="panel-slices", classes="pane"):
                    yield MapSlices(capability)
                with Pane(id="panel-fsc", classes="pane"):
                    yield ChartView()
                with Vertical(id="panel-iterations", classes="pane"):
                    yield Table(
                        ITERATION_COLUMNS, empty="no iterations to tell of", id="iterations-table"
                    )
                with Pane(id="panel-views", classes="pane"):
                    yield HeatView(capability)
                with Pane(id="panel-tilts", classes="pane"):
                    yield ChartView()
                with Horizontal(id="panel-motion", classes="pane"):
                    yield DriftView(capability=capability)
                    yield ChartView()
                with Pane(id="panel-particles", classes="pane"):
                    yield ChartView()

    # ---- the parts

    @property
    def panel_names(self) -> tuple[str, ...]:
        """The panels in their order."""
        return PANELS

    @property
    def table(self) -> Table:
        """The list of maps."""
        return self.query_one("#maps-table", Table)

    @property
    def iterations(self) -> Table:
        """The list of iterations of the map."""
        return self.query_one("#iterations-table", Table)

    @property
    def drift(self) -> DriftView:
        """The tilt images with how particles drifted."""
        return self.query_one(DriftView)

    @property
    def surface(self) -> SurfaceView:
        """The surface of the map."""
        return self.query_one(SurfaceView)

    @property
    def slices(self) -> MapSlices:
        """The sections of the map."""
        return self.query_one(MapSlices)

    # ---- layout

    def lay_out(self) -> None:
        """Show as many panels as there is room for, among them the one with the focus."""
        size = self.query_one("#maps-panels").size
        if self.has_class("-zoomed"):
            pages = [Page(at, at + 1, 1, 1, tall=False) for at in range(len(PANELS))]
        else:
            pages = pages_of(size.width, size.height)
        number = next(at for at, page in enumerate(pages) if self.panel in page)
        page = pages[number]
        self._page_words = f"page {number + 1} of {len(pages)}: tab" if len(pages) > 1 else ""
        self.update_right()
        if page == self._page:
            return
        self._page = page
        grid = self.query_one("#maps-panels")
        grid.styles.grid_size_columns, grid.styles.grid_size_rows = page.columns, page.rows
        for at, name in enumerate(PANELS):
            pane = self.pane(name)
            pane.display = at in page
            pane.set_class(at in page, "-shown")
            pane.styles.row_span = 2 if page.tall and at == page.first else 1
        self.show_panels()

    @on(Panels.Resized)
    def _resized(self) -> None:
        """Use the room there is."""
        self.lay_out()

    def update_right(self) -> None:
        """Leave the right of the status bar to the pages, unless the list is filtered or marked."""
        selection = self.table.selection
        if selection.marks or selection.in_range or not self.table.filter.is_empty:
            super().update_right()
        elif self.is_mounted:
            self.status_bar.show_right(self._page_words)

    # ---- showing

    def show_densities(self, densities: Sequence[Sequence[Density]], message: str) -> None:
        """Draw maps: as surfaces, and as sections."""
        surfaces, sections = densities
        self.surface.show(surfaces, message)
        self.slices.show(sections, message)

    def show_panels(self) -> None:
        """Draw the charts that are seen."""
        if not self.is_mounted:
            return
        seen, look = self.snapshot, self.tomotui.look
        entry = seen.entry(seen.chosen)
        resolution = entry.record.resolution_angstrom if entry and entry.record else None
        self.show_iterations(iteration_rows(seen.details, look, self.tomotui.ascii_only))
        self.show_titles()
        self._chart(
            "fsc",
            "FSC [series.0]corrected[/] [series.1]masked[/] [warning]random phases[/]",
            fsc(seen.details, resolution, entry.name if entry else ""),
        )
        self._chart("particles", particle_words(seen.particles), scores(seen.particles))
        self._show_views()
        self.show_tilts()

    def show_iterations(self, rows: Sequence[Row]) -> None:
        """List the iterations."""
        self.iterations.set_rows(rows)
        self.entitle("iterations", "iterations")

    def show_titles(self) -> None:
        """Say what the pictures of the map are of."""
        self.entitle("surface", self.surface_words())
        self.entitle("slices", self.slices_words())

    def surface_words(self) -> str:
        """Return the title of the surface."""
        return "surface"

    def slices_words(self) -> str:
        """Return the title of the sections."""
        return "sections nm"

    def _show_views(self) -> None:
        heat = views(self.snapshot.details, self.snapshot.particles)
        view = self.pane("views").query_one(HeatView)
        view.show(heat, ("-180°", "azimuth", "180°"), "no orientations are known")
        view.grid = None if heat is None else views_grid(heat)
        most = f" · most {heat.max():.0f}" if heat is not None else ""
        self.entitle("views", f"views, from +z down to -z{most}")

    def show_tilts(self, cursor_deg: float | None = None) -> None:
        """Plot what is known of the tilts of a series, with a cursor at one of them."""
        details = self.snapshot.details
        names = series_names(details)
        self.series = min(self.series, max(len(names) - 1, 0))
        quantity = QUANTITIES[self.quantity]
        which = f" · {names[self.series]}" if names else ""
        drawn = tilts(details, self.series, quantity, cursor_deg)
        self._chart("tilts", f"{quantity.title}{which}", drawn)
        show_drawn(self.pane("motion").query_one(ChartView), drawn)

    def _chart(self, name: str, title: str, drawn: Drawn) -> None:
        show_drawn(self.pane(name).query_one(ChartView), drawn)
        self.entitle(name, title)

    def entitle(self, name: str, words: str) -> None:
        """Write the title of a panel."""
        self.pane(name).border_title = titled(self.tomotui.look, words)

    def action_quantity(self) -> None:
        """Plot the next quantity of the tilts."""
        self.quantity = (self.quantity + 1) % len(QUANTITIES)
        self.show_tilts()

    def action_series(self, step: int) -> None:
        """Plot the next tilt series."""
        names = series_names(self.snapshot.details)
        if not names:
            self.say("this map tells nothing of single tilt series")
            return
        self.series = (self.series + step) % len(names)
        self.show_tilts()


def show_drawn(view: ChartView, drawn: Drawn) -> None:
    """Draw a chart, or say why there is none."""
    if isinstance(drawn, str):
        view.show(None, drawn)
    else:
        view.show(drawn)


def titled(look: Look, words: str) -> str:
    """Return a title in which ``[series.0]`` and other roles are colours of the theme."""
    return re.sub(
        r"\[(series\.\d+|class\d|warning|accent|dim)\]",
        lambda found: f"[{role_colour(look, found.group(1))}]",
        words,
    )
