"""The screen of one job: its tasks, command line, metrics, warnings and log."""

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

from tomotui.records import Job
from tomotui.tui.actions import bindings
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.screens.job_keys import JobKeysFrame, task_log
from tomotui.tui.screens.job_words import TASK_COLUMNS, job_facts, task_row
from tomotui.tui.screens.jobs import AGES_SECONDS
from tomotui.tui.snapshots import JobDetail, read_job
from tomotui.tui.status import SIGNS
from tomotui.tui.widgets.log_view import LogView
from tomotui.tui.widgets.plot import MetricPlot, curve_of
from tomotui.tui.widgets.table import Table


class JobDetailScreen(JobKeysFrame):
    """Everything about one job.

    Parameters
    ----------
    job_id
        The job.
    target
        The task to begin with; the most interesting one when not given.
    """

    mode = "jobs"
    ABOUT = "one job"
    PROSE = (
        "One row for each tilt series of the job. Plot and log belong to the row under the "
        "cursor; m plots the next metric, f goes to the log, y copies path, name or command line."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings("job.metric", "list.filter")

    class Seen(Message, bubble=False):
        """The feed has something new."""

        def __init__(self, observation: Observation[JobDetail]) -> None:
            super().__init__()
            self.observation = observation

    def __init__(self, job_id: int, target: str | None = None) -> None:
        super().__init__()
        self.job_id = job_id
        self.detail: JobDetail | None = None
        self._target = target
        self._metric = ""
        self._feed: Feed[JobDetail] | None = None

    def compose_body(self) -> ComposeResult:
        """Lay out tasks and facts on the left, plot and log on the right."""
        with Horizontal(id="body"):
            with Vertical(id="job-left"):
                with Vertical(id="main", classes="pane"):
                    yield Table(TASK_COLUMNS, empty="reading")
                with VerticalScroll(id="facts-pane", classes="pane") as pane:
                    pane.border_title = "job"
                    yield Static(id="facts", markup=False)
            with Vertical(id="job-right"):
                with Vertical(id="plot-pane", classes="pane"):
                    yield MetricPlot()
                with Vertical(id="log-pane", classes="pane"):
                    yield LogView()

    def on_mount(self) -> None:
        """Begin to watch the job."""
        self.table.focus()
        folder = self.tomotui.folder
        assert folder is not None
        self._feed = Feed(
            folder,
            read_job,
            lambda seen: self.post_message(self.Seen(seen)),
            subject=(self.job_id, self._target),
        )
        self.watch_feed(self._feed)
        self.set_interval(AGES_SECONDS, self._age)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_all())

    @property
    def table(self) -> Table:
        """The table of tasks."""
        return self.query_one(Table)

    def filtered_table(self) -> Table | None:
        """Return the table of tasks: there is no other list here."""
        return self.table

    def crumbs(self) -> tuple[str, ...]:
        """Return the job's name."""
        return (self.detail.line.job.name if self.detail else f"{self.job_id:04d}",)

    # ---- showing

    def on_job_detail_screen_seen(self, message: Seen) -> None:
        """Show the job as it is now."""
        seen = message.observation
        self.set_alarm(seen.error)
        if seen.value is None:
            return
        first = self.detail is None
        self.detail = seen.value
        self.counts = seen.value.counts
        self._show_all()
        if first:
            self.table.go_to_key(seen.value.target)

    def _show_all(self) -> None:
        detail = self.detail
        if detail is None:
            return
        self._show_rows(detail)
        words = job_facts(detail, self.tomotui.folder or Path(), self.tomotui.look)
        self.query_one("#facts", Static).update(words)
        self._show_plot(detail)
        task = detail.task
        if task is not None and self.tomotui.folder is not None:
            self.query_one(LogView).show(task_log(self.tomotui.folder, task.folder))
        self._title_log()
        self.update_header()

    def _show_rows(self, detail: JobDetail) -> None:
        now, look, ascii_only = time.time(), self.tomotui.look, self.tomotui.ascii_only
        self.table.set_rows([task_row(task, now, look, ascii_only) for task in detail.tasks])
        job = detail.line.job
        word, mood = SIGNS[job.status]
        title = f"{job.name} {look.glyph(mood, ascii_only)} {word}"
        self.query_one("#main").border_title = title

    def _age(self) -> None:
        if self.is_current and self.detail is not None and self.detail.line.heartbeat_at:
            self._show_rows(self.detail)

    def _show_plot(self, detail: JobDetail) -> None:
        names = self._plottable(detail)
        if self._metric not in names:
            self._metric = names[0] if names else ""
        pane, plot = self.query_one("#plot-pane"), self.query_one(MetricPlot)
        pane.set_class(not names, "-empty")
        if not self._metric:
            plot.show(None)
            pane.border_title, pane.border_subtitle = "metrics", ""
            return
        curve = curve_of(self._metric, detail.metrics[self._metric], 2 * max(plot.size.width, 40))
        plot.show(curve)
        last = f" {curve.y[-1]:.4g} {curve.unit}" if curve.y else ""
        pane.border_title = f"{self._metric}{last.rstrip()} · {detail.target}"
        place = names.index(self._metric) + 1
        pane.border_subtitle = f"{place} of {len(names)}, m next" if len(names) > 1 else ""

    def _plottable(self, detail: JobDetail) -> list[str]:
        """Return the metrics that make a curve."""
        return [name for name, values in detail.metrics.items() if len(values) > 1]

    @on(LogView.Moved)
    def _title_log(self) -> None:
        log = self.query_one(LogView)
        name = self.detail.target if self.detail else ""
        self.query_one("#log-pane").border_title = f"log {name} · {log.state}"

    @on(Table.CursorMoved)
    def _cursor_moved(self, event: Table.CursorMoved) -> None:
        if self._feed is not None and event.key is not None and self.detail is not None:
            self._target = event.key
            feed, subject = self._feed, (self.job_id, event.key)
            self.when_at_rest(lambda: feed.look_at(subject))

    @on(Table.Activated)
    def _open(self) -> None:
        self.action_follow()

    # ---- keys

    def meant_jobs(self) -> list[Job]:
        """Return the job."""
        return [self.detail.line.job] if self.detail else []

    def meant_targets(self) -> list[str]:
        """Return the tasks marked; none of them: the whole job."""
        marked = self.table.selection
        return marked.chosen() if marked.marks or marked.in_range else []

    def meant_folders(self) -> list[str]:
        """Return the folders of the tasks marked, or of the one under the cursor."""
        if self.detail is None:
            return []
        wanted = self.meant_targets() or [self.table.cursor_key or ""]
        return [task.folder for task in self.detail.tasks if task.target in wanted]

    def log_path(self) -> Path | None:
        """Return the log at the right."""
        return self.query_one(LogView).path

    def action_follow(self) -> None:
        """Go to the log and follow it."""
        log = self.query_one(LogView)
        log.focus()
        log.action_last()

    def action_next_metric(self) -> None:
        """Plot the next metric."""
        names = self._plottable(self.detail) if self.detail else []
        if names and self.detail is not None:
            at = names.index(self._metric) if self._metric in names else -1
            self._metric = names[(at + 1) % len(names)]
            self._show_plot(self.detail)
