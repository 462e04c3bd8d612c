"""The part of the launch form that takes values from recipes, and saves them as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textual.binding import BindingType

from tomotui.jobs.recipe import RecipeError
from tomotui.records import JobRequest
from tomotui.stages.base import Stage
from tomotui.tui.actions import bindings
from tomotui.tui.saved_recipes import SavedRecipe, list_recipes, save_values
from tomotui.tui.screens.base import Modal
from tomotui.tui.screens.recipes import RecipeNameScreen, RecipePicker
from tomotui.tui.widgets.fields import Field
from tomotui.tui.wording import listed


class RecipeForm(Modal):
    """A form whose values go into recipes and come from them."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("form.recipes", "form.save_recipe")
    stage: Stage
    problems: dict[str, str]

    def wish(self) -> JobRequest:
        """Return the request as the form stands."""
        raise NotImplementedError

    def note(self, words: str) -> None:
        """Say something that is no problem."""
        raise NotImplementedError

    def action_recipes(self) -> None:
        """Choose a recipe, and take its values of this stage."""
        folder, stage = self.tomotui.folder, self.stage.name
        assert folder is not None

        def chosen(recipe: SavedRecipe | None) -> None:
            step = recipe.step_of(stage) if recipe is not None else None
            if recipe is not None and step is not None:
                self.take(recipe.name, step.parameters)

        def listed_recipes(recipes: list[SavedRecipe]) -> None:
            self.app.push_screen(RecipePicker(recipes, stage), chosen)

        self.tomotui.change(
            lambda project: list_recipes(project.folder), listed_recipes, opens=True
        )

    def take(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Put the values of a recipe into the form; what it does not name gets its default."""
        known = set()
        for field in self.query(Field):
            info = field.info
            known.add(info.name)
            if info.name in parameters:
                value = parameters[info.name]
                field.set_value(None if value in ("none", "auto") else value)
            elif not info.required:
                field.set_default()
        strange = [key for key in parameters if key not in known]
        rest = f"; this form has no {listed(strange, 3)}" if strange else ""
        self.note(f"values of the recipe {name}{rest}")

    def action_save_recipe(self) -> None:
        """Save the values under a name."""
        folder = self.tomotui.folder
        if folder is None or self.tomotui.refuse_when_read_only():
            return
        if self.problems:
            self.note("what is not accepted is not saved")
            return
        stage, values = self.stage.name, dict(self.wish().parameters)
        # Which series are meant belongs to this job alone.
        values.pop("series", None)

        def named(name: str | None) -> None:
            if name is None:
                return
            try:
                path = save_values(folder, name, stage, values)
            except RecipeError as error:
                self.tomotui.show_error(str(error))
            else:
                self.note(f"saved as {path.relative_to(folder)}")

        self.app.push_screen(RecipeNameScreen(stage), named)
