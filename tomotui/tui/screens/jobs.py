"""The screen of jobs: what runs, what waits and why, what has failed and how."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from tomotui.jobs import agent_status
from tomotui.project import Project
from tomotui.records import Job
from tomotui.tui.actions import bindings
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.screens.first_reading import FirstReading
from tomotui.tui.screens.job_keys import JobKeysFrame, task_log
from tomotui.tui.screens.job_words import JOB_COLUMNS, job_row, job_summary, silence_of
from tomotui.tui.session import PicksWish
from tomotui.tui.snapshots import JobLine, JobsReader, JobsSnapshot, read_job
from tomotui.tui.widgets.log_view import LogView
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import counted

AGES_SECONDS = 5.0
"""How often the ages of signs of life are drawn anew while something runs."""

SEARCHES = ("match", "pick")
"""Stages whose jobs find particles."""


class JobsScreen(JobKeysFrame, FirstReading):
    """The table of jobs, with the log of the one under the cursor."""

    mode = "jobs"
    ABOUT = "jobs"
    PROSE = (
        "Jobs run in the background and outlive this program and your connection. A job has one "
        "task for each tilt series; enter shows them, c cancels, r runs again what failed, and R "
        "starts a job like this one with changes."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings("list.filter")

    class Seen(Message, bubble=False):
        """The feed has something new."""

        def __init__(self, observation: Observation[JobsSnapshot]) -> None:
            super().__init__()
            self.observation = observation

    class LogFound(Message, bubble=False):
        """The log of the job under the cursor is known."""

        def __init__(self, observation: Observation[tuple[Path, str] | None]) -> None:
            super().__init__()
            self.observation = observation

    def __init__(self) -> None:
        super().__init__()
        self.snapshot = JobsSnapshot()
        self._arrived = False
        self._log_feed: Feed[tuple[Path, str] | None] | None = None

    def compose_body(self) -> ComposeResult:
        """Lay out the table above, a summary and the log below."""
        with Vertical(id="body"):
            with Vertical(id="main", classes="pane") as main:
                main.border_title = "jobs"
                yield Table(JOB_COLUMNS, empty="no jobs yet: 1 goes to the series, L launches")
            with Horizontal(id="below"):
                with VerticalScroll(id="summary-pane", classes="pane"):
                    yield Static(id="summary", markup=False)
                with Vertical(id="log-pane", classes="pane"):
                    yield LogView()

    def on_mount(self) -> None:
        """Begin to watch the project."""
        self.table.focus()
        session = self.tomotui.session
        if session.filters.get("jobs"):
            self.table.set_filter(session.filters["jobs"])
        folder = self.tomotui.folder
        assert folder is not None
        reader = JobsReader()

        def read(project: Project, subject: object) -> JobsSnapshot:
            return reader(project, agent_status(project.folder).is_alive)

        self.watch_feed(
            Feed(
                folder,
                read,
                lambda seen: self.post_message(self.Seen(seen)),
                pulse=lambda: (agent_status(folder).is_alive, reader.pulse()),
            )
        )
        self._log_feed = Feed(
            folder, _read_log, lambda seen: self.post_message(self.LogFound(seen))
        )
        self.watch_feed(self._log_feed)
        self.set_interval(AGES_SECONDS, self._age)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._theme_changed())

    @property
    def table(self) -> Table:
        """The table of jobs."""
        return self.query_one(Table)

    def filtered_table(self) -> Table | None:
        """Return the table: there is no other list here."""
        return self.table

    # ---- showing

    def on_jobs_screen_seen(self, message: Seen) -> None:
        """Show the jobs as they are now."""
        seen = message.observation
        self.set_alarm(seen.error)
        if seen.value is None:
            self.reading_came(False)
            return
        self.snapshot = seen.value
        self.counts = seen.value.counts
        self._show_rows()
        self._show_summary()
        self.update_header()
        if not self._arrived and seen.value.lines:
            self._arrived = True
            if self.tomotui.session.job is not None:
                self.table.go_to_key(str(self.tomotui.session.job))
        self.reading_came(True)

    def _show_rows(self) -> None:
        now, look, ascii_only = time.time(), self.tomotui.look, self.tomotui.ascii_only
        self.table.set_rows([job_row(line, now, look, ascii_only) for line in self.snapshot.lines])
        self.query_one("#main").border_subtitle = counted(len(self.snapshot.lines), "job")
        self.update_right()

    def _age(self) -> None:
        """Draw the ages anew: they change in coarse steps, and only while something runs."""
        if self.is_current and any(line.heartbeat_at for line in self.snapshot.lines):
            self._show_rows()

    def _show_summary(self) -> None:
        line = self._line()
        pane = self.query_one("#summary-pane")
        if line is None:
            pane.border_title = ""
            self.query_one("#summary", Static).update("")
            return
        pane.border_title = line.job.name
        words = job_summary(line, self.tomotui.look, self.tomotui.ascii_only)
        self.query_one("#summary", Static).update(words)

    def on_jobs_screen_log_found(self, message: LogFound) -> None:
        """Show the log of the most interesting task."""
        found = message.observation.value
        log = self.query_one(LogView)
        log.show(*(found or (None, "")))
        self._title_log()

    @on(LogView.Moved)
    def _title_log(self) -> None:
        log = self.query_one(LogView)
        name = log.path.parent.name if log.path else ""
        self.query_one("#log-pane").border_title = f"log {name} · {log.state}" if name else "log"

    def _theme_changed(self) -> None:
        self._show_rows()
        self._show_summary()
        self.refresh(layout=False)

    def _line(self) -> JobLine | None:
        key = self.table.cursor_key
        return next((line for line in self.snapshot.lines if str(line.job.id) == key), None)

    @on(Table.CursorMoved)
    def _cursor_moved(self, event: Table.CursorMoved) -> None:
        if event.key is not None:
            self.tomotui.session.job = int(event.key)
        self.when_at_rest(self._show_details)

    def _show_details(self) -> None:
        self._show_summary()
        key = self.table.cursor_key
        if self._log_feed is not None:
            self._log_feed.look_at(int(key) if key else None)

    @on(Table.SelectionChanged)
    def _filter_changed(self) -> None:
        self.tomotui.session.filters["jobs"] = self.table.filter.text

    # ---- keys

    def meant_jobs(self) -> list[Job]:
        """Return the marked jobs, or the one under the cursor."""
        chosen = set(self.table.selection.chosen())
        return [line.job for line in self.snapshot.lines if str(line.job.id) in chosen]

    def picks_wish(self) -> PicksWish | None:
        """Return what the search under the cursor has found; nothing for other jobs."""
        jobs = self.meant_jobs()
        if len(jobs) != 1 or jobs[0].stage not in SEARCHES:
            return None
        names = self.tomotui.series_names()
        targets = tuple(name for name in jobs[0].targets if name in names)
        given = jobs[0].parameters.get("particles") or jobs[0].parameters.get("species")
        name = given[0] if isinstance(given, list) and given else given
        held = name if isinstance(name, str) and name else None
        return PicksWish(targets, held, narrow=len(targets) < len(names))

    def log_path(self) -> Path | None:
        """Return the log below."""
        return self.query_one(LogView).reading

    def action_follow(self) -> None:
        """Go to the log and follow it."""
        log = self.query_one(LogView)
        log.focus()
        log.action_last()

    @on(Table.Activated)
    def _open(self, event: Table.Activated) -> None:
        self.tomotui.show_job(int(event.key))


def _read_log(project: Project, job_id: Any) -> tuple[Path, str] | None:
    """Return the log of most interest, and what is true if it is empty."""
    if job_id is None:
        return None
    detail = read_job(project, (job_id, None))
    task = detail.task
    return (task_log(project.folder, task.folder), silence_of(task)) if task else None
