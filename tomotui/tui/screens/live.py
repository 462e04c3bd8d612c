"""The live screen: tilt series as they arrive from the microscope, and what became of each."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from tomotui.jobs.board import BoardRow
from tomotui.project import Project
from tomotui.records import Status
from tomotui.tui.actions import bindings
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.live_feed import LiveSnapshot, read_live, read_watchers
from tomotui.tui.raster.chart import Axis
from tomotui.tui.screens.base import Frame
from tomotui.tui.screens.live_words import COLUMNS, TRENDS, board_row, session_facts, trend_curve
from tomotui.tui.screens.quality import Pane
from tomotui.tui.widgets.plot import MetricPlot
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import counted

RATES_SECONDS = 60.0
"""How often the rates are worked out anew while nothing happens."""

_AGAIN = (Status.FAILED, Status.LOST, Status.SKIPPED, Status.CANCELLED)


class LiveScreen(Frame):
    """The summary board, the newest series first."""

    mode = "live"
    ABOUT = "live"
    PROSE = (
        "Every tilt series with its figures, the newest first; ! marks what lies far from the "
        "others. tomotui watch FOLDER --detach takes series in as they arrive, also when this "
        "program is closed. n goes to the next one to look at, r runs again what failed."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings("live", "list.filter")

    class Seen(Message, bubble=False):
        """The feed has something new."""

        def __init__(self, observation: Observation[LiveSnapshot]) -> None:
            super().__init__()
            self.observation = observation

    def __init__(self) -> None:
        super().__init__()
        self.snapshot = LiveSnapshot()
        self._trend = 0
        self._facts = ""

    def compose_body(self) -> ComposeResult:
        """Lay out the board above, totals and the trend below."""
        with Vertical(id="body"):
            with Vertical(id="main", classes="pane") as main:
                main.border_title = "live"
                yield Table(
                    COLUMNS, empty="no tilt series yet: tomotui watch FOLDER takes what arrives"
                )
            with Horizontal(id="below"):
                with VerticalScroll(id="session-pane", classes="pane") as pane:
                    pane.border_title = "session"
                    yield Static(id="session", markup=False)
                with Pane(id="trend-pane", classes="pane"):
                    yield MetricPlot(Axis("arrival", "h"))

    def on_mount(self) -> None:
        """Begin to watch the project."""
        self.table.focus()
        folder = self.tomotui.folder
        assert folder is not None
        if self.tomotui.session.filters.get("live"):
            self.table.set_filter(self.tomotui.session.filters["live"])
        self.watch_feed(
            Feed(
                folder,
                read_live,
                lambda seen: self.post_message(self.Seen(seen)),
                pulse=lambda: read_watchers(folder),
            )
        )
        self.set_interval(RATES_SECONDS, self._show_session)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._theme_changed())

    @property
    def table(self) -> Table:
        """The board."""
        return self.query_one(Table)

    def filtered_table(self) -> Table | None:
        """Return the board: there is no other list here."""
        return self.table

    # ---- showing

    def on_live_screen_seen(self, message: Seen) -> None:
        """Show the board as it is now."""
        seen = message.observation
        self.set_alarm(seen.error)
        if seen.value is None:
            return
        self.snapshot = seen.value
        self.counts = seen.value.counts
        self._show_rows()
        self._show_session()
        self._show_trend()
        self.update_header()

    def _show_rows(self) -> None:
        look, ascii_only = self.tomotui.look, self.tomotui.ascii_only
        rows = self.snapshot.rows
        self.table.set_rows([board_row(row, look, ascii_only) for row in rows])
        self.query_one("#main").border_subtitle = counted(len(rows), "tilt series", "tilt series")
        self.update_right()

    def _show_session(self) -> None:
        if not self.is_current:
            return
        look, ascii_only = self.tomotui.look, self.tomotui.ascii_only
        row = self._row(self.table.cursor_key)
        facts = session_facts(self.snapshot, row, time.time(), look, ascii_only)
        # Drawn again only when a word of it differs.
        if facts.plain != self._facts:
            self._facts = facts.plain
            self.query_one("#session", Static).update(facts)

    def _show_trend(self) -> None:
        trend = TRENDS[self._trend]
        plot, pane = self.query_one(MetricPlot), self.query_one("#trend-pane")
        curve = trend_curve(self.snapshot.rows, trend)
        plot.show_curves(curve)
        last = f" {curve.y[-1]:.4g} {curve.unit}" if curve.y else ""
        pane.border_title = f"{trend.name}{last} · over arrival, hours"
        pane.border_subtitle = f"{self._trend + 1} of {len(TRENDS)}, m next"

    def _theme_changed(self) -> None:
        self._facts = ""
        self._show_rows()
        self._show_session()
        self.refresh(layout=False)

    @on(Table.CursorMoved)
    def _cursor_moved(self, event: Table.CursorMoved) -> None:
        if event.key is not None:
            self.tomotui.session.series = event.key
        self.when_at_rest(self._show_session)

    @on(Table.SelectionChanged)
    def _filter_changed(self) -> None:
        self.tomotui.session.filters["live"] = self.table.filter.text

    # ---- keys

    @on(Table.Activated)
    def _open(self, event: Table.Activated) -> None:
        row = self._row(event.key)
        if row is None or row.n_tilts is None:
            self.say(f"{event.key} is not imported yet", "warning")
        else:
            self.tomotui.show_slices(event.key)

    def _row(self, name: str | None) -> BoardRow | None:
        return next((row for row in self.snapshot.rows if row.name == name), None)

    def action_next_trend(self) -> None:
        """Plot the next quantity."""
        self._trend = (self._trend + 1) % len(TRENDS)
        self._show_trend()

    def action_next_odd(self) -> None:
        """Go to the next series that failed, is held, or is out of the ordinary."""
        names = [row.key for row in self.table.rows]
        here = names.index(self.table.cursor_key) if self.table.cursor_key in names else -1
        for name in names[here + 1 :] + names[: here + 1]:
            row = self._row(name)
            if row is not None and _deserves_a_look(row):
                self.table.go_to_key(name)
                return
        self.say("nothing has failed, and nothing is out of the ordinary")

    def action_retry(self) -> None:
        """Run again what failed or was held of the series meant."""
        if self.tomotui.refuse_when_read_only():
            return
        names = set(self.table.selection.chosen())

        def again(project: Project) -> int:
            tasks = [t for t in project.newest_tasks() if t.target in names and t.status in _AGAIN]
            return sum(project.retry(task.job_id, task.target) for task in tasks)

        def done(count: int) -> None:
            if not count:
                self.say("nothing of it has failed")
                return
            self.say(f"{counted(count, 'task')} queued again")
            self.tomotui.ensure_agent()
            self.tomotui.look_again()

        self.tomotui.change(again, done)

    def action_yank(self) -> None:
        """Offer to copy names, stacks, or the command that shows this board."""
        folder = self.tomotui.folder
        names = self.table.selection.chosen()
        if folder is None or not names:
            return
        project = self.tomotui.project
        series = {one.name: one for one in project.tilt_series()} if project else {}
        paths = [str(Path(folder / series[name].stack_path)) for name in names if name in series]
        command = f"tomotui watch --status -p {folder}"
        self.offer_copies({"path": "\n".join(paths), "name": " ".join(names), "command": command})


def _deserves_a_look(row: BoardRow) -> bool:
    return bool(row.odd) or row.state in ("failed", "held") or row.verdict in ("poor", "bad")
