"""Choosing a recipe, saving one, deleting one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tomotui.jobs.recipe import RecipeError
from tomotui.tui.actions import bindings
from tomotui.tui.saved_recipes import SavedRecipe, delete_recipe
from tomotui.tui.screens.base import Modal
from tomotui.tui.widgets.choosing import Options
from tomotui.tui.wording import plain_value, shortened

_PLACES = {"project": "of this project", "yours": "yours", "shipped": "comes with tomotui"}
_MOST_PARAMETERS = 6


class RecipePicker(Modal):
    """Offers recipes; gives the one chosen, or ``None``.

    Parameters
    ----------
    recipes
        Those there are.
    stage
        The stage whose parameters are wanted; empty for whole recipes.
    """

    ABOUT = "recipes"
    PROSE = (
        "A recipe is a file with the stages of a pipeline and their parameters, in the folder "
        "recipes of the project. Enter takes the one under the cursor; d deletes it, when it does "
        "not come with the program. From a shell: tomotui recipe run."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings("recipe")

    def __init__(self, recipes: Sequence[SavedRecipe], stage: str = "") -> None:
        super().__init__()
        self.recipes = [one for one in recipes if not stage or one.problem or one.step_of(stage)]
        self.stage = stage

    def compose(self) -> ComposeResult:
        """Lay out a line for each recipe, and what is in the one under the cursor."""
        with Vertical(classes="dialog medium") as dialog:
            dialog.border_title = f"recipes with {self.stage}" if self.stage else "recipes"
            dialog.border_subtitle = "enter takes it   d deletes it   esc closes"
            if not self.recipes:
                what = (
                    f"No recipe has parameters of {self.stage} yet"
                    if self.stage
                    else "No recipe yet"
                )
                yield Static(f"{what}: f4 in the form saves one.", markup=False)
            else:
                yield Options(*[self._option(one) for one in self.recipes], id="recipe-list")
                yield Static(id="recipe-about", markup=False)

    def on_mount(self) -> None:
        """Let the arrows choose."""
        for options in self.query(OptionList):
            options.focus()

    def _option(self, recipe: SavedRecipe) -> Option:
        look = self.tomotui.look
        line = Text(no_wrap=True, overflow="ellipsis")
        if recipe.problem:
            line.append(f"{look.glyph('failed', self.tomotui.ascii_only)} ", look.error)
        line.append(recipe.name.ljust(20), look.foreground)
        line.append(f" {_PLACES[recipe.place]}", look.dim)
        return Option(line, id=str(recipe.path))

    @property
    def chosen(self) -> SavedRecipe | None:
        """The recipe under the cursor."""
        for options in self.query(OptionList):
            if options.highlighted is not None:
                return self.recipes[options.highlighted]
        return None

    @on(OptionList.OptionHighlighted)
    def _show_about(self) -> None:
        recipe, look = self.chosen, self.tomotui.look
        if recipe is None:
            return
        words = Text()
        if recipe.problem:
            words.append(recipe.problem, look.error)
        else:
            words.append(f"{recipe.about}\n", look.foreground)
            words.append(" > ".join(step.stage for step in recipe.steps), look.accent)
            for one in recipe.steps if not self.stage else ():
                if one.when:
                    words.append(f"\n{one.stage} when ", look.dim)
                    words.append(one.when, look.foreground)
            if recipe.has_raw:
                words.append("\ntakes in raw series that the project lacks", look.dim)
            step = recipe.step_of(self.stage) if self.stage else None
            if step is not None and not step.parameters:
                words.append("\nall values as by default", look.dim)
            for name, value in list(step.parameters.items())[:_MOST_PARAMETERS] if step else ():
                words.append(f"\n{name} ", look.dim)
                words.append(shortened(plain_value(value), 48), look.foreground)
        self.query_one("#recipe-about", Static).update(words)

    @on(OptionList.OptionSelected)
    def _choose(self) -> None:
        recipe = self.chosen
        if recipe is not None and not recipe.problem:
            self.dismiss(recipe)

    def action_delete(self) -> None:
        """Ask, then delete the recipe under the cursor."""
        recipe = self.chosen
        if recipe is None or self.tomotui.refuse_when_read_only():
            return
        if not recipe.can_be_deleted:
            self.app.notify(f"{recipe.name} comes with the program and stays")
            return

        def confirmed(yes: bool | None) -> None:
            if yes:
                self._delete(recipe)

        self.tomotui.confirm(f"Delete the recipe {recipe.name}?", str(recipe.path), confirmed)

    def _delete(self, recipe: SavedRecipe) -> None:
        try:
            delete_recipe(recipe)
        except RecipeError as error:
            self.tomotui.show_error(str(error))
            return
        options = self.query_one(OptionList)
        options.remove_option(str(recipe.path))
        self.recipes.remove(recipe)
        self.app.notify(f"deleted {recipe.path}")


class RecipeNameScreen(Modal):
    """Asks under which name values are saved; gives the name, or ``None``."""

    ABOUT = "save as a recipe"
    PROSE = "The values of the form are saved in the folder recipes of the project."

    def __init__(self, stage: str) -> None:
        super().__init__()
        self.stage = stage

    def compose(self) -> ComposeResult:
        """Lay out a line to type in."""
        with Vertical(classes="dialog small") as dialog:
            dialog.border_title = f"save the values of {self.stage}"
            dialog.border_subtitle = "enter saves   esc closes"
            line = Input(placeholder="name, such as thick-lamella", compact=True, id="recipe-name")
            line.cursor_blink = False
            yield line

    def on_mount(self) -> None:
        """Let the user type."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip():
            self.dismiss(event.value.strip())
