"""The screen of one job: its tasks, command line, metrics, warnings and log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from tomotui.records import Job
from tomotui.tui.actions import bindings
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.screens.job_keys import JobKeysFrame, task_log
from tomotui.tui.screens.job_words import TASK_COLUMNS, job_facts, silence_of, task_row
from tomotui.tui.screens.jobs import AGES_SECONDS
from tomotui.tui.session import OpenScreen
from tomotui.tui.snapshots import JobDetail, JobReader
from tomotui.tui.status import SIGNS
from tomotui.tui.training_pictures import TrainingPictures
from tomotui.tui.widgets.chart import role_colour
from tomotui.tui.widgets.log_view import LogView
from tomotui.tui.widgets.plot import Curve, MetricPlot, curve_of
from tomotui.tui.widgets.table import Table
from tomotui.tui.widgets.training_view import TrainingView

HELD_OUT = "held-out "
"""Begins the name of a metric that is plotted together with the one of the rest of its name."""


class JobDetailScreen(JobKeysFrame):
    """Everything about one job.

    Parameters
    ----------
    job_id
        The job.
    target
        The task to begin with; the most interesting one when not given.
    metric
        What to plot; the first of what there is when not given.
    """

    mode = "jobs"
    ABOUT = "one job"
    PROSE = (
        "One row for each tilt series of the job. Plot and log belong to the row under the "
        "cursor; m plots the next metric, f goes to the log, y copies path, name or command line. "
        "What a training shows of itself stands above the plot: a side view and its spectrum, "
        "before and after; p gives these pictures the whole screen, and takes it back."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings("job.metric", "job.pictures", "list.filter")

    class Seen(Message, bubble=False):
        """The feed has something new."""

        def __init__(self, observation: Observation[JobDetail]) -> None:
            super().__init__()
            self.observation = observation

    def __init__(
        self,
        job_id: int,
        target: str | None = None,
        metric: str = "",
        log_at: int | None = None,
    ) -> None:
        super().__init__()
        self._log_at = log_at
        self.job_id = job_id
        self.detail: JobDetail | None = None
        self._target = target
        self._metric = metric
        self._feed: Feed[JobDetail] | None = None
        self._focus_before: Widget | None = None

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
                with Vertical(id="pictures-pane", classes="pane"):
                    yield TrainingView(self.tomotui.capability)
                with Vertical(id="plot-pane", classes="pane"):
                    yield MetricPlot()
                with Vertical(id="log-pane", classes="pane"):
                    yield LogView()

    def on_mount(self) -> None:
        """Begin to watch the job."""
        self.table.focus()
        self.query_one(LogView).hold_at(self._log_at)
        opened = self.kept_session.opened
        if opened is not None and (opened.kind, opened.name) == ("job", str(self.job_id)):
            self.table.set_filter(self.kept_session.filters.get("tasks", ""))
        folder = self.tomotui.folder
        assert folder is not None
        reader = JobReader()
        self._feed = Feed(
            folder,
            reader,
            lambda seen: self.post_message(self.Seen(seen)),
            subject=(self.job_id, self._target),
            pulse=reader.pulse,
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

    def keep_place(self) -> None:
        """Keep the filter of the tasks."""
        if self.is_mounted:
            self.kept_session.filters["tasks"] = self.table.filter.text

    def as_opened(self) -> OpenScreen:
        """Return what opens the job again."""
        held = self.query_one(LogView).held_at if self.is_mounted else self._log_at
        return OpenScreen(
            kind="job",
            name=str(self.job_id),
            target=self._target,
            metric=self._metric,
            log_at=held,
        )

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
        self._show_facts(detail)
        self._show_plot(detail)
        self._show_pictures(detail.pictures)
        task = detail.task
        if task is not None and self.tomotui.folder is not None:
            log = task_log(self.tomotui.folder, task.folder)
            self.query_one(LogView).show(log, silence_of(task))
        self._title_log()
        self.update_header()

    def _show_facts(self, detail: JobDetail) -> None:
        pane, app = self.query_one("#facts", Static), self.tomotui
        width = pane.size.width or 60
        words = job_facts(detail, app.folder or Path(), app.look, width, app.ascii_only)
        pane.update(words)

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
        names, both = self._plottable(detail), self._curves(detail)
        if self._metric not in names:
            self._metric = names[0] if names else ""
        pane, plot = self.query_one("#plot-pane"), self.query_one(MetricPlot)
        pane.set_class(not names, "-empty")
        if not self._metric:
            plot.show_curves(None)
            pane.border_title, pane.border_subtitle = "metrics", ""
            return
        curve = curve_of(self._metric, detail.metrics[self._metric])
        partner = HELD_OUT + self._metric
        beside = [curve_of(partner, detail.metrics[partner])] if partner in both else []
        plot.title = f"{self._metric} of {detail.target}, {detail.line.job.name}"
        plot.show_curves(curve, *beside)
        pane.border_title = f"{self._plot_title(curve, beside)} · {detail.target}"
        place = names.index(self._metric) + 1
        pane.border_subtitle = f"{place} of {len(names)}, m next" if len(names) > 1 else ""

    def _plot_title(self, curve: Curve, beside: Sequence[Curve]) -> str:
        last = f" {curve.y[-1]:.4g} {curve.unit}".rstrip() if curve.y else ""
        if not beside or not beside[0].y:
            return f"{curve.name}{last}"
        look = self.tomotui.look
        first, second = (role_colour(look, f"series.{number}") for number in range(2))
        return f"[{first}]{curve.name}{last}[/], [{second}]held-out {beside[0].y[-1]:.4g}[/]"

    def _curves(self, detail: JobDetail) -> set[str]:
        """Return the metrics that make a curve."""
        return {name for name, values in detail.metrics.items() if len(values) > 1}

    def _plottable(self, detail: JobDetail) -> list[str]:
        """Return what can be plotted, one after the other; held-out values go with the others."""
        curves = self._curves(detail)
        names = [
            name
            for name in detail.metrics
            if name in curves
            and not (name.startswith(HELD_OUT) and name.removeprefix(HELD_OUT) in curves)
        ]
        # What is judged by held-out data is what one looks for.
        return sorted(names, key=lambda name: HELD_OUT + name not in curves)

    # ---- the pictures of a training

    def _show_pictures(self, pictures: TrainingPictures | None) -> None:
        pane, view = self.query_one("#pictures-pane"), self.query_one(TrainingView)
        appears = (pictures is None) != (view.pictures is None)
        view.show(pictures)
        pane.set_class(pictures is not None, "-shown")
        pane.border_title = f"training, step {pictures.step}" if pictures else ""
        if appears:
            if pictures is None and view.has_focus:
                self.action_pictures()
            # Narrow terminals have no room for them beside the rest.
            self.query_one("#main").border_subtitle = "p pictures" if pictures else ""
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer pictures only where there are some."""
        if action == "pictures":
            return self.query_one(TrainingView).pictures is not None if self.is_mounted else False
        return super().check_action(action, parameters)

    def action_pictures(self) -> None:
        """Give the pictures of the training the whole screen, or share it again."""
        view = self.query_one(TrainingView)
        enlarged = self.has_class("-zoomed") and view.has_focus
        if not enlarged and self.has_class("-zoomed"):
            self.action_zoom_pane()
        if enlarged:
            self.action_zoom_pane()
            self.set_focus(self._focus_before or self.table)
        else:
            self._focus_before = self.focused
            self.set_focus(view)
            self.action_zoom_pane()

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
        return self.query_one(LogView).reading

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
