"""The question before all steps of a recipe are put into the queue: on what, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from tomotui.jobs.recipe import Recipe
from tomotui.tui.actions import bindings
from tomotui.tui.screens.base import Modal
from tomotui.tui.screens.launch_place import PlaceRow
from tomotui.tui.widgets.choosing import Press
from tomotui.tui.wording import counted, listed


class RecipeRunScreen(Modal):
    """Asks whether a recipe is to be run; gives the place where, or ``None``.

    Parameters
    ----------
    names
        The tilt series.
    """

    ABOUT = "run a recipe"
    PROSE = (
        "y puts all steps into the queue, n or escape none. Where there is a cluster, left and "
        "right choose where they run; it holds for all steps."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        "dialog.yes", "dialog.no", "form.next", "form.previous"
    )

    def __init__(self, recipe: Recipe, names: Sequence[str]) -> None:
        super().__init__()
        self.recipe, self.names = recipe, list(names)

    def compose(self) -> ComposeResult:
        """Lay out the question, where to run, and two buttons; the safe one has the focus."""
        recipe, names = self.recipe, self.names
        steps = " > ".join(step.name for step in recipe.steps)
        with Vertical(classes="dialog small") as dialog:
            dialog.border_title = "please confirm"
            question = f"Run {recipe.name} on {counted(len(names), 'series', 'series')}?"
            yield Static(question, classes="question", markup=False)
            yield Static(f"{listed(names, 4)}\n{steps}", classes="explanation", markup=False)
            yield PlaceRow()
            with Horizontal(classes="buttons"):
                yield Press("y  yes", id="yes")
                yield Press("n  no", id="no")

    def on_mount(self) -> None:
        """Put the focus on no."""
        self.query_one("#no").focus()
        self.query_one(PlaceRow).ask(self.tomotui, "")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.action_answer(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """Answer."""
        self.dismiss(self.query_one(PlaceRow).place if yes else None)
