"""The preview of a recipe: its steps, conditions and times; whether to run it, how, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from tomotui.jobs.recipe import Recipe
from tomotui.project.jobs import Place
from tomotui.tui.actions import bindings
from tomotui.tui.recipe_course import Outlook, StepOutlook
from tomotui.tui.screens.base import Modal
from tomotui.tui.screens.launch_place import PlaceRow
from tomotui.tui.theme import Look
from tomotui.tui.widgets.choosing import Press
from tomotui.tui.widgets.fields import Choice
from tomotui.tui.widgets.marked_row import MarkedRow, RowMark
from tomotui.tui.wording import counted, duration, listed

_NAME, _NUMBER, _TIME = 22, 7, 12


class RecipeAnswer(NamedTuple):
    """How a recipe is to be run: where, and whether everything is done again."""

    place: Place
    again: bool


class AgainRow(MarkedRow):
    """Chooses between going on and doing everything again; there where something was done."""

    DEFAULT_CSS: ClassVar[str] = """
    AgainRow { height: 1; }
    AgainRow:focus-within { background: $cursor; }
    AgainRow:focus-within Choice { background: $cursor; }
    """

    def __init__(self, n_done: int) -> None:
        super().__init__(id="again-row")
        self._n_done = n_done

    def compose(self) -> ComposeResult:
        """Lay out the label and the choice."""
        yield RowMark()
        yield Static("what", classes="field-label")
        yield Choice([f"go on; {self._n_done} done stay", "everything again"], 0, id="again")


class RecipeRunScreen(Modal):
    """Shows what a recipe would do; gives how it is to be run, or ``None``.

    Parameters
    ----------
    names
        The tilt series.
    outlook
        What running it on them would do.
    """

    ABOUT = "run a recipe"
    PROSE = (
        "What each step is to do and what an earlier run has done, about how long it takes by "
        "what has run in this project, and its condition. y puts what is to do into the queue, n "
        "or escape nothing. Left and right choose whether to go on or to do everything again, and "
        "where there is a cluster where the steps run that do not say it. A recipe that was "
        "changed goes on from the first step that is another."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        "dialog.yes", "dialog.no", "form.next", "form.previous"
    )

    def __init__(self, recipe: Recipe, names: Sequence[str], outlook: Outlook) -> None:
        super().__init__()
        self.recipe, self.names, self.outlook = recipe, list(names), outlook

    def compose(self) -> ComposeResult:
        """Lay out the steps, what may be chosen, and two buttons; the safe one has the focus."""
        recipe, names = self.recipe, self.names
        with Vertical(classes="dialog medium") as dialog:
            dialog.border_title = f"recipe {recipe.name}"
            verb = "Go on with" if self.outlook.n_done else "Run"
            question = f"{verb} {recipe.name} on {counted(len(names), 'series', 'series')}?"
            yield Static(question, classes="question", markup=False)
            yield Static(listed(names, 4), classes="explanation", markup=False)
            yield Static(id="recipe-steps")
            if self.outlook.n_done:
                yield AgainRow(self.outlook.n_done)
            yield PlaceRow()
            with Horizontal(classes="buttons"):
                yield Press("y  yes", id="yes")
                yield Press("n  no", id="no")

    def on_mount(self) -> None:
        """Put the focus on no."""
        self.query_one("#no").focus()
        self.query_one(PlaceRow).ask(self.tomotui, "")
        self._show_steps()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_steps())

    @property
    def again(self) -> bool:
        """Whether everything is to be done again."""
        return any(choice.index == 1 for choice in self.query("#again").results(Choice))

    @on(Choice.Changed, "#again")
    def _show_steps(self) -> None:
        steps = self.outlook.again if self.again else self.outlook.going_on
        words = steps_text(steps, self.tomotui.look)
        self.query_one("#recipe-steps", Static).update(words)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.action_answer(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """Answer."""
        answer = RecipeAnswer(self.query_one(PlaceRow).place, self.again)
        self.dismiss(answer if yes else None)


def steps_text(steps: Sequence[StepOutlook], look: Look) -> Text:
    """Return a table of steps, each with its condition below it."""
    words = Text()
    head = ("step".ljust(_NAME), "to do".rjust(_NUMBER), "done".rjust(_NUMBER))
    words.append("".join((*head, "takes about".rjust(_TIME + 2))), look.dim)
    for step in steps:
        words.append(f"\n{step.name[: _NAME - 1].ljust(_NAME)}", look.accent)
        words.append(_number(step.n_to_do).rjust(_NUMBER), look.foreground)
        words.append(_number(step.n_done).rjust(_NUMBER), look.foreground)
        words.append(_time(step).rjust(_TIME + 2), look.foreground)
        remarks = [f"when {step.when}"] if step.when else []
        remarks += ["may fail"] if step.is_optional else []
        remarks += [f"on {step.place}"] if step.place else []
        remarks += [step.stage] if step.stage != step.name.strip("[]") else []
        for remark in remarks:
            words.append(f"\n  {remark}", look.dim)
    words.append(f"\n\n{_total(steps)}", look.foreground)
    return words


def _number(n: int) -> str:
    return str(n) if n else "-"


def _time(step: StepOutlook) -> str:
    if not step.n_to_do:
        return "-"
    return "not known" if step.seconds is None else _span(step.seconds)


def _span(seconds: float) -> str:
    return duration(seconds) if seconds >= 1 else "< 1 s"


def _total(steps: Sequence[StepOutlook]) -> str:
    left = [step for step in steps if step.n_to_do]
    if not left:
        return "Everything is done already."
    known = [step.seconds for step in left if step.seconds is not None]
    if not known:
        return "How long it takes is not known: nothing like it has run here."
    about = f"about {_span(sum(known))}, one task after the other"
    unknown = len(left) - len(known)
    return f"{about}, and {counted(unknown, 'step')} of unknown length" if unknown else about
