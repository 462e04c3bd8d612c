"""Running a recipe from the screen of tilt series, on those that are marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tomotui.jobs.recipe import Recipe, RecipeError, read_recipe
from tomotui.jobs.recipe_running import queue_recipe
from tomotui.project import Project, ProjectError
from tomotui.project.jobs import Place
from tomotui.records import Job, JobRequest, Target
from tomotui.tui.saved_recipes import SavedRecipe, list_recipes
from tomotui.tui.wording import counted

if TYPE_CHECKING:
    from tomotui.tui.navigation import Navigation


def choose_recipe(app: Navigation, name: str = "") -> None:
    """Let the user choose a recipe, or take the one of a name, and go on to run it."""
    from tomotui.tui.screens.datasets import DatasetsScreen

    if app.refuse_when_read_only():
        return
    screen = app.screen
    if not isinstance(screen, DatasetsScreen):
        app.go_to_mode("datasets")
        app.say("mark series, then  :recipe  runs a recipe on them")
        return
    screen.when_read(lambda: _choose_for(app, screen.imported_meant(), name))


def _choose_for(app: Navigation, names: list[str], name: str) -> None:
    from tomotui.tui.screens.recipes import RecipePicker

    if not names:
        app.say("no imported series here; there is nothing to run a recipe on", "warning")
        return

    def chosen(recipe: SavedRecipe | None) -> None:
        if recipe is not None:
            run_recipe(app, recipe, names)

    def found(recipes: list[SavedRecipe]) -> None:
        wanted = next((one for one in recipes if one.name == name), None)
        if name and wanted is not None:
            chosen(wanted)
        else:
            app.push_screen(RecipePicker(recipes), chosen)

    app.change(lambda project: list_recipes(project.folder), found, opens=True)


def run_recipe(app: Navigation, saved: SavedRecipe, names: list[str]) -> None:
    """Open the form of a recipe with one step; ask, and queue all steps of a longer one."""
    from tomotui.tui.screens.recipe_run import RecipeRunScreen

    if len(saved.steps) == 1 and not saved.problem:
        step, targets = saved.steps[0], tuple(Target(name=each) for each in names)
        parameters = {
            key: None if v in ("none", "auto") else v for key, v in step.parameters.items()
        }
        app.launch(JobRequest(stage=step.stage, parameters=parameters, targets=targets))
        return
    try:
        recipe = read_recipe(saved.path)
    except RecipeError as error:
        app.show_error("\n".join(error.problems), f"Correct {saved.path}.")
        return

    def confirmed(place: Place | None) -> None:
        if place is not None:
            app.change(lambda project: _queued(project, recipe, names, place), queued)

    def queued(jobs: list[Job]) -> None:
        app.ensure_agent()
        app.say(f"{counted(len(jobs), 'job')} of {recipe.name} queued; 4 shows them")
        app.look_again()

    app.push_screen(RecipeRunScreen(recipe, names), confirmed)


def _queued(project: Project, recipe: Recipe, names: list[str], place: Place) -> list[Job]:
    try:
        return queue_recipe(project, recipe, names, place=place)
    except RecipeError as error:
        raise ProjectError("; ".join(error.problems), "Correct the recipe.") from error
