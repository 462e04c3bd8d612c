"""The screen that tells how far a recipe has come."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from tomotui.project import Project
from tomotui.records import Job, Status
from tomotui.tui.actions import bindings
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.recipe_course import RunCourse, StepCourse, read_course
from tomotui.tui.screens.job_keys import JobKeysFrame
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import Column, Row, status_sign, text
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import counted, duration

STEP_COLUMNS = (
    Column("step", "step", 10, 30),
    Column("status", "status", 8, 12),
    Column("done", "done", 5, 11, "right"),
    Column("left", "left", 5, 7, "right"),
    Column("not", "not done", 8, 24, rank=1),
    Column("when", "when", 6, 200, grows=True, rank=2),
)
_WORDS = (
    (Status.FAILED, "failed"),
    (Status.LOST, "lost"),
    (Status.CANCELLED, "cancelled"),
    (Status.SKIPPED, "skipped"),
)


class RecipeProgressScreen(JobKeysFrame):
    """The steps of the newest run of a recipe; the keys of jobs work on the one under the cursor.

    Parameters
    ----------
    recipe
        Name of the recipe.
    """

    mode = "jobs"
    ABOUT = "how far a recipe has come"
    PROSE = (
        "One row for each step, with how many of its tasks are done. Enter shows the newest job of "
        "the step under the cursor; r tries again what failed. To go on with a recipe that was "
        "stopped or changed, run it again:  :recipe NAME."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings("list.filter")

    class Seen(Message, bubble=False):
        """The feed has something new."""

        def __init__(self, observation: Observation[RunCourse]) -> None:
            super().__init__()
            self.observation = observation

    def __init__(self, recipe: str) -> None:
        super().__init__()
        self.recipe = recipe
        self.course = RunCourse(recipe)

    def compose_body(self) -> ComposeResult:
        """Lay out the steps, and what is wrong with the one under the cursor."""
        with Vertical(id="main", classes="pane"):
            yield Table(STEP_COLUMNS, empty="reading")
            yield Static(id="recipe-trouble", markup=False)

    def on_mount(self) -> None:
        """Begin to watch the jobs."""
        self.table.focus()
        folder = self.tomotui.folder
        assert folder is not None
        self.watch_feed(Feed(folder, self._read, lambda seen: self.post_message(self.Seen(seen))))
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show())

    def _read(self, project: Project, _: object) -> RunCourse:
        return read_course(project, self.recipe)

    @property
    def table(self) -> Table:
        """The steps, as rows."""
        return self.query_one(Table)

    def crumbs(self) -> tuple[str, ...]:
        """Return the name of the recipe."""
        return (f"recipe {self.recipe}",)

    def on_recipe_progress_screen_seen(self, message: Seen) -> None:
        """Show the steps as they are now."""
        seen = message.observation
        self.set_alarm(seen.error)
        if seen.value is not None:
            self.course, self.counts = seen.value, seen.value.counts
            self._show()

    def _show(self) -> None:
        look, ascii_only = self.tomotui.look, self.tomotui.ascii_only
        self.table.set_rows([_row(step, look, ascii_only) for step in self.course.steps])
        n_done = sum(step.n_done for step in self.course.steps)
        n_all = sum(step.n_targets for step in self.course.steps)
        pane = self.query_one("#main")
        pane.border_title = f"recipe {self.recipe}"
        pane.border_subtitle = f"{n_done} of {counted(n_all, 'task')} done"
        self._show_trouble()
        self.update_header()

    @on(Table.CursorMoved)
    def _show_trouble(self) -> None:
        step = self._step
        trouble = step.trouble if step else ""
        self.query_one("#recipe-trouble", Static).update(trouble)

    @property
    def _step(self) -> StepCourse | None:
        key = self.table.cursor_key
        return next((step for step in self.course.steps if step.name == key), None)

    def meant_jobs(self) -> list[Job]:
        """Return the jobs of the steps marked, or of the one under the cursor."""
        keys = self.table.selection.chosen() or [self.table.cursor_key or ""]
        return [job for step in self.course.steps if step.name in keys for job in step.jobs]

    @on(Table.Activated)
    def _open(self) -> None:
        step = self._step
        if step is not None:
            self.tomotui.show_job(step.jobs[-1].id)


def _row(step: StepCourse, look: Look, ascii_only: bool) -> Row:
    bad = [f"{n} {word}" for status, word in _WORDS if (n := step.n_by_status.get(status, 0))]
    name = f"{step.name} (may fail)" if step.is_optional else step.name
    cells = (
        text(name, "primary"),
        status_sign(step.status, look, ascii_only),
        text(f"{step.n_done} of {step.n_targets}", "foreground"),
        text(duration(step.eta_seconds), "dim"),
        text(", ".join(bad), "foreground"),
        text(step.when, "dim"),
    )
    return Row(step.name, cells, " ".join((step.name, step.stage, str(step.status))))
