"""The screen of tilt series: what each stage has made of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from tomotui.jobs.figures import NOTHING
from tomotui.records import JobRequest, Target
from tomotui.tui.actions import bindings
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.screens.first_reading import FirstReading
from tomotui.tui.screens.series_words import (
    FIGURES,
    SORTS,
    details,
    matrix_columns,
    matrix_row,
    sorted_rows,
)
from tomotui.tui.session import PicksWish
from tomotui.tui.shell_words import run_command
from tomotui.tui.snapshots import DatasetsSnapshot, SeriesDetail, read_datasets, read_series
from tomotui.tui.widgets.facts import Facts
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import counted

ROWS_AROUND = 3
"""Frame and titles of the matrix."""
LEAST_DETAILS = 3
FIRST_PICTURE_SECONDS = 0.15
"""The list is drawn before anything that pictures need is imported."""


class DatasetsScreen(FirstReading):
    """The matrix of tilt series and stages, with details of the one under the cursor.

    Parameters
    ----------
    stages
        The names of those that work on one tilt series at a time: what works on several
        together has nothing to say of one.
    """

    mode = "datasets"
    ABOUT = "tilt series"
    PROSE = (
        "Each row is a tilt series, each column a stage of the pipeline. Mark series with space "
        "and launch a stage on all of them with L; enter looks at one slice by slice, Q at its "
        "quality. s sorts by figures; ! marks what lies far from the other series."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings("dataset", "list.filter")

    class Seen(Message, bubble=False):
        """The feed has something new."""

        def __init__(self, observation: Observation[DatasetsSnapshot]) -> None:
            super().__init__()
            self.observation = observation

    class DetailSeen(Message, bubble=False):
        """The feed of details has something new."""

        def __init__(self, observation: Observation[SeriesDetail | None]) -> None:
            super().__init__()
            self.observation = observation

    def __init__(self, stages: Sequence[str]) -> None:
        super().__init__()
        self.stages = list(stages)
        self.snapshot = DatasetsSnapshot()
        self.detail: SeriesDetail | None = None
        self._arrived = False
        self._detail_feed: Feed[SeriesDetail | None] | None = None
        self._picture_is_due = False

    def compose_body(self) -> ComposeResult:
        """Lay out the matrix on the left and the details on the right."""
        with Horizontal(id="body"):
            with Vertical(id="main", classes="pane") as main:
                main.border_title = "tilt series"
                yield Table(
                    matrix_columns(self.stages, with_dataset=False),
                    empty="no tilt series yet: i imports some",
                    id="series",
                )
            with VerticalScroll(id="side", classes="pane"):
                yield Static(id="details", markup=False)

    def on_mount(self) -> None:
        """Begin to watch the project."""
        self.table.focus()
        session = self.tomotui.session
        if session.filters.get("datasets"):
            self.table.set_filter(session.filters["datasets"])
        folder = self.tomotui.folder
        assert folder is not None
        self._detail_feed = Feed(
            folder, read_series, lambda seen: self.post_message(self.DetailSeen(seen))
        )
        self.watch_feed(
            Feed(folder, read_datasets, lambda seen: self.post_message(self.Seen(seen)))
        )
        self.watch_feed(self._detail_feed)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._theme_changed())

    @property
    def table(self) -> Table:
        """The matrix."""
        return self.query_one("#series", Table)

    def filtered_table(self) -> Table | None:
        """Return the matrix: there is no other list here."""
        return self.table

    # ---- room

    def on_resize(self, event: events.Resize) -> None:
        """Share the rows anew."""
        super().on_resize(event)
        self.call_after_refresh(self._share_rows)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Share the rows anew: the pane with the focus gets more."""
        super().on_descendant_focus(event)
        self._share_rows()

    def action_zoom_pane(self) -> None:
        """Give the focused pane the whole body, or share again."""
        super().action_zoom_pane()
        self._share_rows()

    def _share_rows(self) -> None:
        """Give the details below the matrix the rows that it does not need."""
        side, n_rows = self.query_one("#side"), self.query_one("#body").size.height
        one_above_the_other = self.has_class("-narrow") and not self.has_class("-short")
        wanted = None
        if one_above_the_other and not self.has_class("-zoomed") and n_rows:
            least = n_rows // 2 if side.has_focus_within else LEAST_DETAILS
            wanted = max(n_rows - len(self.table.rows) - ROWS_AROUND, least)
        if wanted != (side.styles.inline.height and side.styles.inline.height.value):
            side.styles.height = wanted

    # ---- showing

    def on_datasets_screen_seen(self, message: Seen) -> None:
        """Show the matrix as it is now."""
        seen = message.observation
        self.set_alarm(seen.error)
        if seen.value is None:
            self.reading_came(False)
            return
        self.snapshot = seen.value
        self.counts = seen.value.counts
        self._show_rows()
        self.update_header()
        if not self._arrived and seen.value.rows:
            self._arrived = True
            if self.tomotui.session.series:
                self.table.go_to_key(self.tomotui.session.series)
        self.reading_came(True)

    def _show_rows(self) -> None:
        figures = self.snapshot.figures
        rows = sorted_rows(self.snapshot.rows, figures, self.order)
        with_dataset = len({row.dataset for row in rows}) > 1
        look, ascii_only = self.tomotui.look, self.tomotui.ascii_only
        self.table.set_columns(matrix_columns(self.stages, with_dataset, self.order, ascii_only))
        self.table.set_rows(
            [
                matrix_row(
                    row, self.stages, with_dataset, look, ascii_only, figures.get(row.name, NOTHING)
                )
                for row in rows
            ]
        )
        self.query_one("#main").border_subtitle = counted(len(rows), "tilt series", "tilt series")
        self.update_right()
        self._share_rows()

    def on_datasets_screen_detail_seen(self, message: DetailSeen) -> None:
        """Show the details of the series under the cursor."""
        self.detail = message.observation.value
        self._show_detail()

    def _show_thumbnail(self) -> None:
        """Show the small picture; what draws it is imported when the list stands."""
        from tomotui.tui.widgets.thumbnail import Thumbnail

        if not self.is_attached:
            return
        if found := self.query(Thumbnail):
            found.first().show(self.detail)
            return
        picture = Thumbnail(self.tomotui.capability)
        self.query_one("#side").mount(picture, before=0)
        picture.call_after_refresh(lambda: picture.show(self.detail))

    def _show_detail(self) -> None:
        self.query_one("#side").border_title = self.detail.name if self.detail else ""
        if self._picture_is_due:
            self._show_thumbnail()
        else:
            self._picture_is_due = True
            self.set_timer(FIRST_PICTURE_SECONDS, self._show_thumbnail)
        words: Facts | str = ""
        if self.detail is not None:
            words = details(self.detail, self.stages, self.tomotui.look, self.tomotui.ascii_only)
        self.query_one("#details", Static).update(words)

    def _theme_changed(self) -> None:
        self._show_rows()
        self._show_detail()
        self.refresh(layout=False)

    @on(Table.CursorMoved)
    def _cursor_moved(self, event: Table.CursorMoved) -> None:
        if event.key is not None or self._arrived:
            self.tomotui.session.series = event.key
        feed = self._detail_feed
        if feed is not None:
            self.when_at_rest(lambda: feed.look_at(event.key))

    @on(Table.SelectionChanged)
    def _filter_changed(self) -> None:
        self.tomotui.session.filters["datasets"] = self.table.filter.text
        self._share_rows()

    # ---- order

    @property
    def order(self) -> str:
        """The column that the table is sorted by; ``-`` before it: the largest first."""
        kept = self.tomotui.session.sorts.get("datasets", "name")
        return kept if kept.removeprefix("-") in SORTS else "name"

    def sort_by(self, order: str) -> None:
        """Sort the table; the cursor stays on its series."""
        self.tomotui.session.sorts["datasets"] = order
        here = self.table.cursor_key
        self._show_rows()
        if here is not None:
            self.table.go_to_key(here)
        name = order.removeprefix("-")
        self.say(f"sorted by {name}{', the largest first' if order.startswith('-') else ''}")

    def sort_column(self, name: str) -> None:
        """Sort by a column, the worst first; by the same one again: the other way round."""
        if name == self.order.removeprefix("-"):
            self.action_reverse()
            return
        high = any(one.column.key == name and one.worst_is == "high" for one in FIGURES)
        self.sort_by(f"-{name}" if high else name)

    def action_sort(self) -> None:
        """Sort by the next column of figures."""
        at = SORTS.index(self.order.removeprefix("-"))
        self.sort_column(SORTS[(at + 1) % len(SORTS)])

    def action_reverse(self) -> None:
        """Turn the order round."""
        order = self.order
        self.sort_by(order.removeprefix("-") if order.startswith("-") else f"-{order}")

    @on(Table.HeaderClicked)
    def _header_clicked(self, event: Table.HeaderClicked) -> None:
        if event.column in SORTS:
            self.sort_column(event.column)

    # ---- keys

    @on(Table.Activated)
    def _open(self, event: Table.Activated) -> None:
        row = next((row for row in self.snapshot.rows if row.name == event.key), None)
        if row is None or row.series is None:
            self.say(f"{event.key} is not imported yet", "warning")
        else:
            self.tomotui.show_slices(event.key)

    def action_launch(self, stage: str = "", pattern: str = "") -> None:
        """Open the form that runs a stage on the series meant."""
        if not self.tomotui.refuse_when_read_only():
            self.when_read(lambda: self._launch(stage, pattern))

    def _launch(self, stage: str, pattern: str) -> None:
        targets = self.imported_meant(pattern)
        if not targets:
            missing = f"no series matches {pattern}" if pattern else "no imported series here"
            self.say(f"{missing}; there is nothing to run a stage on", "warning")
            return
        request = JobRequest(
            stage=stage or self._next_stage(targets[0]),
            targets=tuple(Target(name=name) for name in targets),
        )
        self.tomotui.launch(request)

    def imported_meant(self, pattern: str = "") -> list[str]:
        """Return the series meant of which there are images here."""
        known = {row.name for row in self.snapshot.rows if row.series is not None}
        return [name for name in self._meant(pattern) if name in known]

    def _meant(self, pattern: str) -> list[str]:
        if not pattern:
            return self.table.selection.chosen()
        import fnmatch

        return [row.name for row in self.snapshot.rows if fnmatch.fnmatchcase(row.name, pattern)]

    def _next_stage(self, name: str) -> str:
        """Return the first stage that a series has not been through."""
        row = next(row for row in self.snapshot.rows if row.name == name)
        stages = [stage for stage in self.tomotui.launchable if stage.scope == "series"]
        for stage in stages:
            cell = row.cells.get(stage.name)
            if cell is None or cell.progress < 1:
                return stage.name
        return stages[-1].name if stages else ""

    def picks_wish(self) -> PicksWish | None:
        """Return the marked series, or the one under the cursor."""
        meant = self._meant("")
        return PicksWish(tuple(meant), narrow=bool(self.table.selection.marks)) if meant else None

    def action_yank(self) -> None:
        """Offer to copy paths, names or the command line of the series meant."""
        names = self.table.selection.chosen()
        folder = self.tomotui.folder
        if not names or folder is None:
            return
        series = {row.name: row.series for row in self.snapshot.rows if row.series is not None}
        known = [name for name in names if name in series]
        command = ""
        if known and (stage := self._next_stage(known[0])):
            request = JobRequest(stage=stage, targets=tuple(Target(name=name) for name in known))
            command = run_command(request, folder)
        paths = [str(folder / series[name].stack_path) for name in known]
        self.offer_copies({"path": "\n".join(paths), "name": " ".join(names), "command": command})
