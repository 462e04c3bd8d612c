"""The panels of the screen of variation: where they lie, and going from one to the next."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.widgets import Static

from tomotui.records import Classification
from tomotui.tui.screens.maps_panels import titled
from tomotui.tui.screens.paneled import PaneledFrame, Panels
from tomotui.tui.screens.quality import Pane
from tomotui.tui.screens.variation_charts import Drawn
from tomotui.tui.screens.variation_words import ENTRY_COLUMNS, MOTION_COLUMNS
from tomotui.tui.status import Mood
from tomotui.tui.variation_feed import Entry, VariationSnapshot
from tomotui.tui.widgets.agreement_view import AgreementView
from tomotui.tui.widgets.chart import ChartView
from tomotui.tui.widgets.class_gallery import ClassGallery
from tomotui.tui.widgets.latent_plane import LatentPlane
from tomotui.tui.widgets.surface_view import SurfaceView
from tomotui.tui.widgets.table import Table

NOTHING_YET = "nothing yet: :run classify or :run landscape, on averaged particles"
LANDSCAPE = ("plane", "shape", "along", "motions")
CLASSES = ("gallery", "populations", "agreement", "sureness")
COLUMN_CELLS, ROW_CELLS = 28, 12
"""Least size of a panel."""


class Page(NamedTuple):
    """Panels shown together: the first and the last (excluded), and columns and rows of them."""

    first: int
    end: int
    columns: int
    rows: int


def page_of(panel: int, n_panels: int, width: int, height: int) -> Page:
    """Return the panels that are shown together with one, in a space of so many cells."""
    columns = min(max(width // COLUMN_CELLS, 1), 2)
    rows = min(max(height // ROW_CELLS, 1), 2)
    per_page = columns * rows
    first = panel // per_page * per_page
    return Page(first, min(first + per_page, n_panels), columns, rows)


def per_page(page: Page) -> int:
    """Return how many panels a full page has."""
    return page.columns * page.rows


class VariationPanels(PaneledFrame):
    """Lays out the list, and the panels of what is chosen in it."""

    CSS: ClassVar[str] = """
    VariationScreen {
        & #variation-body { height: 1fr; layout: horizontal; }
        & #variation-list { width: 44; height: 1fr; padding: 0; }
        &.-wide #variation-list { width: 56; }
        & #variation-main { width: 1fr; height: 1fr; }
        & #variation-verdict { height: 1; padding: 0 1; }
        & #variation-panels { layout: grid; width: 1fr; height: 1fr; grid-gutter: 0; }
        & #variation-panels .pane { padding: 0; width: 1fr; height: 1fr; }
        &.-narrow #variation-body { layout: vertical; }
        &.-narrow #variation-list { width: 1fr; height: 6; }
        &.-zoomed #variation-panels .pane { width: 1fr; height: 1fr; }
        &.-zoomed #variation-list { display: none; }
        &.-zoomed #variation-panels .pane.-shown { display: block; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.snapshot = VariationSnapshot()
        self._page: tuple[Page, tuple[str, ...]] | None = None
        self._page_words = ""

    def compose_body(self) -> ComposeResult:
        """Lay out the list at the left, panels at the right."""
        capability = self.tomotui.capability
        with Container(id="variation-body"):
            with Vertical(id="variation-list", classes="pane") as pane:
                pane.border_title = "how particles differ"
                yield Table(ENTRY_COLUMNS, empty=NOTHING_YET, id="variation-table")
            with Vertical(id="variation-main"):
                yield Static(id="variation-verdict", markup=False)
                with Panels(id="variation-panels"):
                    with Vertical(id="panel-plane", classes="pane"):
                        yield LatentPlane(capability)
                    with Vertical(id="panel-shape", classes="pane"):
                        yield SurfaceView(capability, id="shape")
                    with Pane(id="panel-along", classes="pane"):
                        yield ChartView()
                    with Vertical(id="panel-motions", classes="pane"):
                        yield Table(MOTION_COLUMNS, empty="no motions", id="motions-table")
                    with Vertical(id="panel-gallery", classes="pane"):
                        yield ClassGallery(capability)
                    with Pane(id="panel-populations", classes="pane"):
                        yield ChartView()
                    with Pane(id="panel-agreement", classes="pane"):
                        yield AgreementView()
                    with Pane(id="panel-sureness", classes="pane"):
                        yield ChartView()

    # ---- the parts

    @property
    def entry(self) -> Entry | None:
        """The landscape or the classes under the cursor."""
        key = self.table.cursor_key if self.is_mounted else None
        return self.snapshot.entry(key or self.snapshot.chosen.key)

    @property
    def panel_names(self) -> tuple[str, ...]:
        """The panels of what is chosen."""
        entry = self.entry
        is_classes = entry is not None and isinstance(entry.record, Classification)
        return CLASSES if is_classes else LANDSCAPE

    @property
    def table(self) -> Table:
        """The list of landscapes and classes."""
        return self.query_one("#variation-table", Table)

    @property
    def plane(self) -> LatentPlane:
        """The plane of a landscape."""
        return self.query_one(LatentPlane)

    @property
    def shape(self) -> SurfaceView:
        """The conformation at the cursor."""
        return self.query_one("#shape", SurfaceView)

    @property
    def gallery(self) -> ClassGallery:
        """The classes."""
        return self.query_one(ClassGallery)

    # ---- layout

    def lay_out(self) -> None:
        """Show as many panels as there is room for, among them the one with the focus."""
        names = self.panel_names
        room = self.query_one("#variation-panels").size
        in_sight = self.in_list or not self.has_class("-narrow")
        self.query_one("#variation-list").display = in_sight and not self.has_class("-zoomed")
        if self.has_class("-zoomed"):
            page = Page(self.panel, self.panel + 1, 1, 1)
        else:
            page = page_of(self.panel, len(names), room.width, room.height)
        number, n_pages = page.first // per_page(page), -(-len(names) // per_page(page))
        self._page_words = f"page {number + 1} of {n_pages}: tab" if n_pages > 1 else ""
        self.update_right()
        if (page, names) == self._page:
            return
        self._page = (page, names)
        grid = self.query_one("#variation-panels")
        grid.styles.grid_size_columns, grid.styles.grid_size_rows = page.columns, page.rows
        grid.styles.grid_rows = "3fr 2fr" if page.rows > 1 else "1fr"
        for name in (*LANDSCAPE, *CLASSES):
            is_shown = name in names[page.first : page.end]
            pane = self.pane(name)
            pane.display = is_shown
            pane.set_class(is_shown, "-shown")

    def update_right(self) -> None:
        """Leave the right of the status bar to the pages, unless the list is filtered."""
        if not self.table.filter.is_empty:
            super().update_right()
        elif self.is_mounted:
            self.status_bar.show_right(self._page_words)

    @on(Panels.Resized)
    def _resized(self) -> None:
        """Use the room there is."""
        self.lay_out()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Take note of the panel that was chosen, also with the mouse."""
        super().on_descendant_focus(event)
        self.lay_out()

    # ---- showing

    def show_verdict(self, mood: Mood, words: str) -> None:
        """Say above the panels what the entry comes to."""
        from rich.text import Text

        look, ascii_only = self.tomotui.look, self.tomotui.ascii_only
        line = Text(no_wrap=True, overflow="ellipsis")
        if words:
            line.append(f"{look.glyph(mood, ascii_only)} ", look.colour(mood))
            line.append(words, look.warning if mood == "warning" else look.foreground)
        self.query_one("#variation-verdict", Static).update(line)

    def show_chart(self, name: str, title: str, drawn: Drawn) -> None:
        """Draw a chart in its panel, under a title."""
        view = self.pane(name).query_one(ChartView)
        if isinstance(drawn, str):
            view.show(None, drawn)
        else:
            view.show(drawn)
        self.show_title(name, title)

    def show_title(self, name: str, title: str) -> None:
        """Write the title of a panel; ``[role]`` and ``[/]`` colour a part of it."""
        self.pane(name).border_title = titled(self.tomotui.look, title)
