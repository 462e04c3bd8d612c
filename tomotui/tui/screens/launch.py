"""The form that runs a stage: made from the stage's own declaration, checked as one types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Static

from tomotui.project import Project
from tomotui.project.jobs import Place
from tomotui.records import Job, JobRequest, Target, TiltSeries
from tomotui.stages.base import ParameterError, Stage
from tomotui.tui.actions import bindings
from tomotui.tui.forecast import History, forecast, read_history
from tomotui.tui.foresight import Foresight, foresee, series_meant
from tomotui.tui.screens.launch_place import PlaceRow
from tomotui.tui.screens.launch_recipes import RecipeForm
from tomotui.tui.screens.launch_targets import (
    checked,
    own_parameters,
    own_words,
    step_words,
    understood,
)
from tomotui.tui.shell_words import run_command
from tomotui.tui.widgets.choosing import Press
from tomotui.tui.widgets.fields import Choice, Field
from tomotui.tui.widgets.marked_row import MarkedRow, RowMark
from tomotui.tui.wording import counted, listed, plain_value


class LaunchScreen(RecipeForm):
    """Edits a wish and submits it.

    Parameters
    ----------
    stages
        Those that can be chosen; the wish's own is the first shown.
    request
        What to begin with.
    cloned_from
        The job it was taken from: what differs from it is marked.
    """

    ABOUT = "launch"
    PROSE = (
        "Each row is a parameter of the stage, with its unit and default; what differs is marked. "
        "The right side shows what will run, how long that may take and from how many earlier "
        "runs this is judged, and the command that does the same. f3 takes values from a recipe, "
        "f4 saves those of the form as one."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        "form.submit", "form.default", "form.next", "form.previous"
    )

    def __init__(
        self, stages: Sequence[Stage], request: JobRequest, cloned_from: Job | None = None
    ) -> None:
        super().__init__()
        self.stages = list(stages)
        self.request = request
        self.cloned_from = cloned_from
        self.stage = next((s for s in stages if s.name == request.stage), self.stages[0])
        self.problems: dict[str, str] = {}
        self._foresight: Foresight | None = None
        self._foreseen_for: object = None
        self._expected = ""
        self._history = History()
        self._submitting = False
        self._field: Field | None = None

    # ---- layout

    def compose(self) -> ComposeResult:
        """Lay out the form on the left and what will happen on the right."""
        with Vertical(classes="dialog full", id="launch") as dialog:
            dialog.border_title = self._title()
            dialog.border_subtitle = "f1 help"
            with Horizontal(id="launch-body"):
                with Vertical(id="launch-form"):
                    with MarkedRow(id="stage-row"):
                        yield RowMark()
                        yield Static("stage", classes="field-label")
                        names = [stage.name for stage in self.stages]
                        yield Choice(names, names.index(self.stage.name), id="stage")
                    yield PlaceRow(
                        Place(self.request.executor, self.request.profile),
                        self.cloned_from is not None,
                    )
                    yield Static(self.stage.summary, id="stage-summary", markup=False)
                    yield VerticalScroll(*self._fields(), id="fields", can_focus=False)
                with VerticalScroll(id="launch-side", can_focus=False):
                    yield Static(id="about", markup=False)
                    yield Static(id="outlook", markup=False)
            with Horizontal(classes="buttons"):
                yield Press("run  ctrl+r", id="run")
                yield Press("cancel  esc", id="cancel")
                yield Static(id="verdict", markup=False)
                yield Static(
                    "up down  fields   left right  choices   f3 f4  recipes",
                    classes="keys",
                )

    @property
    def _is_on_marked_series(self) -> bool:
        """True when the stage works together on the series that the form was opened for."""
        names = {target.name for target in self.request.targets}
        return self.stage.scope == "sample" and bool(names & set(self.tomotui.series_names()))

    def _title(self) -> str:
        if self.cloned_from is not None:
            return f"like {self.cloned_from.name}, with changes"
        return f"launch on {listed([target.name for target in self.request.targets], 3)}"

    def _fields(self) -> list[Static | Field]:
        given = self.request.parameters if self.stage.name == self.request.stage else {}
        rows: list[Static | Field] = []
        infos = self.stage.describe()
        own = self._hidden()
        if self._is_on_marked_series:
            # The series were chosen before the form was opened.
            own.add("series")
        for group in ("basic", "advanced"):
            listed_infos = [i for i in infos if i.group == group and i.name not in own]
            if listed_infos:
                rows.append(Static(group, classes="group"))
            for info in listed_infos:
                before = given.get(info.name, info.default)
                rows.append(Field(info, before, before if self.cloned_from else info.default))
        if not rows:
            rows.append(Static("this stage has no parameters", classes="group"))
        return rows

    def _hidden(self) -> set[str]:
        """Return the parameters that are not shown, as targets differ from each other in them."""
        return {name for each in own_parameters(self.request, self.stage) for name in each}

    def on_mount(self) -> None:
        """Begin at the first field."""
        self._begin()

    def _begin(self) -> None:
        fields = self.query(Field)
        if fields:
            fields.first().editor.focus()
        else:
            self.query_one("#run").focus()
        self.query_one(PlaceRow).ask(self.tomotui, self.stage.name)
        self._check()

    # ---- what is wished

    def values(self) -> dict[str, Any]:
        """Return the parameters that differ from their defaults, as they were typed."""
        # What is not shown stays as it was for all targets that do not differ.
        given, hidden = self.request.parameters, self._hidden()
        values = {name: given[name] for name in given if name in hidden}
        for field in self.query(Field):
            value, info = field.value, field.info
            if info.required and value is None:
                continue
            if info.required or plain_value(value) != plain_value(info.default):
                values[info.name] = value
        return values

    def wish(self) -> JobRequest:
        """Return the request as the form stands; parameters as the stage understands them."""
        values = self.values()
        if not self.problems:
            values = understood(self.stage, values, own_parameters(self.request, self.stage))
        after = tuple(self._foresight.after) if self._foresight else self.request.after
        place = self.query_one(PlaceRow).place._asdict()
        targets = self.request.targets
        if self.stage.name != self.request.stage:
            targets = tuple(Target(name=target.name) for target in targets)
        return self.request.replace(
            stage=self.stage.name, parameters=values, targets=targets, after=after, **place
        )

    @on(Field.Edited)
    def _check(self) -> None:
        """Ask the stage whether it accepts the values, and say so below each field."""
        values, self._expected = self.values(), ""
        try:
            parameters = checked(self.stage, values, own_parameters(self.request, self.stage))
            self.problems, self._expected = {}, self.stage.outlook(parameters)
        except ParameterError as error:
            self.problems = {name.split(".")[0]: why for name, why in error.problems.items()}
        shown = set()
        for field in self.query(Field):
            field.show_problem(self.problems.get(field.info.name, ""))
            shown.add(field.info.name)
        rest = [why for name, why in self.problems.items() if name not in shown]
        look = self.tomotui.look
        verdict = Text()
        if rest:
            verdict = Text("; ".join(rest), look.error)
        elif self.problems:
            verdict = Text(counted(len(self.problems), "value") + " not accepted", look.error)
        self.query_one("#verdict", Static).update(verdict)
        self.query_one("#run", Button).disabled = bool(self.problems)
        self._foresee(values)
        self._show_outlook()

    @on(Choice.Changed, "#stage")
    async def _another_stage(self, event: Choice.Changed) -> None:
        event.stop()
        choice = self.query_one("#stage", Choice)
        stage = self.stages[choice.index]
        if stage is self.stage:
            return
        self.stage, self._foresight, self._field = stage, None, None
        self._history = History()
        self.query_one("#stage-summary", Static).update(stage.summary)
        fields = self.query_one("#fields")
        await fields.remove_children()
        await fields.mount(*self._fields())
        self.query_one(PlaceRow).ask(self.tomotui, self.stage.name)
        self._check()

    # ---- what will happen

    def _foresee(self, values: dict[str, Any]) -> None:
        """Ask the project, when it has not been asked for these values yet."""
        stage, stages, request = self.stage, self.stages, self.request
        meant = {name: value for name, value in values.items() if name in ("series", "network")}
        question = (stage.name, repr(meant))
        if question == self._foreseen_for:
            return
        self._foreseen_for = question

        def look(project: Project) -> tuple[Foresight, History]:
            history = read_history(project, stage, self._series_meant(project.tilt_series(), meant))
            return foresee(project, stage, stages, request, meant), history

        def found(both: tuple[Foresight, History]) -> None:
            if self.is_attached and question == self._foreseen_for:
                self._foresight, self._history = both
                self._show_outlook()

        self.tomotui.change(look, found)

    def _series_meant(self, known: Sequence[TiltSeries], values: Mapping[str, Any]) -> list[str]:
        targets = [target.name for target in self.request.targets]
        return series_meant(self.stage, targets, [one.name for one in known], values)

    @on(PlaceRow.Known)
    def _show_place(self, event: PlaceRow.Known) -> None:
        event.stop()
        self._show_outlook()

    @on(Field.Focused)
    def _show_about(self, event: Field.Focused) -> None:
        self._field = event.field
        info, look = event.field.info, self.tomotui.look
        about = Text()
        about.append(f"{info.name}\n", Style(color=look.primary, bold=True))
        about.append(f"{info.help}\n", look.foreground)
        facts = [info.unit, info.limits, "" if info.required else "ctrl+t: default"]
        about.append("   ".join(fact for fact in facts if fact), look.dim)
        self.query_one("#about", Static).update(about)

    def _show_outlook(self) -> None:
        look, folder = self.tomotui.look, self.tomotui.folder or Path()
        words = Text()
        _heading(words, "will run on", look.primary)
        self._run_on(words)
        self._will_take(words)
        foresight = self._foresight
        if foresight is not None:
            for each in foresight.after.values():
                words.append(f"waits for {each}\n", look.colour("queued"))
            for why in list(foresight.missing.values())[:4]:
                words.append(f"{look.glyph('warning', self.tomotui.ascii_only)} {why}\n",
                             look.warning)  # fmt: skip
            if len(foresight.missing) > 4:
                words.append(f"and {len(foresight.missing) - 4} more\n", look.warning)
            _heading(words, "will write to", look.primary)
            words.append(f"{foresight.next_folder}\n", look.foreground)
        _heading(words, "the same from a shell", look.primary)
        words.append(run_command(self.wish(), folder), look.accent)
        if self._hidden():
            _heading(words, "\ndiffer from the rest", look.primary)
            words.append("".join(f"{line}\n" for line in own_words(self.request)), look.foreground)
        if self.cloned_from is not None:
            self._difference(words)
        self.query_one("#outlook", Static).update(words)

    def _will_take(self, words: Text) -> None:
        """Say how long it may take: what the stage says of itself, and what earlier runs tell."""
        look, history = self.tomotui.look, self._history
        values = self.wish().parameters
        expected = forecast(history, [*history.sizes], values, self.stage.scope == "series")
        if self._expected or expected is not None:
            _heading(words, "will take", look.primary)
        if self._expected:
            words.append(f"{self._expected}\n", look.foreground)
        if expected is not None:
            first, *rest = expected.words()
            words.append(f"{first}\n", look.foreground)
            words.append("".join(f"{line}\n" for line in rest), look.dim)

    def note(self, words: str) -> None:
        """Say something beside the buttons, until the next problem."""
        self._check()
        if not self.problems:
            self.query_one("#verdict", Static).update(Text(words, self.tomotui.look.foreground))

    def _run_on(self, words: Text) -> None:
        """Say which series are meant, and in how many tasks."""
        look, targets = self.tomotui.look, [target.name for target in self.request.targets]
        if self.stage.scope == "series":
            words.append(f"{listed(targets, 8)}\n", look.foreground)
            if len(targets) > 1:
                words.append(f"{len(targets)} tasks, one for each series\n", look.dim)
            return
        names = series_meant(self.stage, targets, self.tomotui.series_names(), self.values())
        words.append(f"{listed(names, 8)}\n", look.foreground)
        together = "one series" if len(names) == 1 else f"{len(names)} series together"
        words.append(f"{together}, as one task\n", look.dim)

    def _difference(self, words: Text) -> None:
        look = self.tomotui.look
        changed = [field for field in self.query(Field) if field.is_changed]
        assert self.cloned_from is not None
        _heading(words, f"\nchanges from {self.cloned_from.name}", look.primary)
        for field in changed:
            words.append(f"{field.info.name} ", look.dim)
            words.append(plain_value(field.before) or "auto", look.dim)
            words.append(" > " if self.tomotui.ascii_only else " → ", look.dim)
            words.append(f"{plain_value(field.value) or 'auto'}\n", look.foreground)
        if not changed:
            words.append("none yet\n", look.dim)
        if (step := self.cloned_from.step) is not None:
            words.append(f"{step_words(step)}\n", look.dim)

    # ---- keys

    def action_default(self) -> None:
        """Put the default into the field."""
        if self._field is not None:
            self._field.set_default()

    def action_submit(self) -> None:
        """Submit, unless something is wrong."""
        if self.problems:
            self._to_problem()
        elif not self._submitting:
            self._submitting = True
            self.query_one("#verdict", Static).update("submitting …")
            self.tomotui.submit(self.wish(), self._submitted, self._refused)

    def _to_problem(self) -> None:
        for field in self.query(Field):
            if field.problem:
                field.editor.focus()
                return

    def _submitted(self, job: Job) -> None:
        self.dismiss(job)

    def _refused(self) -> None:
        self._submitting = False
        self._check()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "run":
            self.action_submit()
        else:
            self.action_close()


def _heading(words: Text, title: str, colour: str) -> None:
    words.append(f"{title}\n" if not words else f"\n{title}\n", Style(color=colour))
