"""Running a recipe from the screen of tilt series, on those that are marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tomotui.jobs.recipe import Recipe, RecipeError
from tomotui.jobs.recipe_planning import plan_recipe
from tomotui.jobs.recipe_reading import read_recipe
from tomotui.jobs.recipe_running import notice_deaths, queue_plan
from tomotui.project import Project, ProjectError
from tomotui.records import Job, JobRequest, Target
from tomotui.tui.recipe_course import Outlook, outlook_of, recipes_run
from tomotui.tui.saved_recipes import SavedRecipe, list_recipes
from tomotui.tui.wording import counted

if TYPE_CHECKING:
    from tomotui.tui.navigation import Navigation
    from tomotui.tui.screens.recipe_run import RecipeAnswer


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
    """Open the form of a recipe with one step; show what a longer one would do, and queue that."""
    if len(saved.steps) == 1 and not saved.problem and not saved.has_raw and names:
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
    # Raw data that a recipe names is what it is for.
    meant = list(recipe.series) or names
    if not meant:
        app.say("no imported series here; there is nothing to run a recipe on", "warning")
        return
    _preview(app, recipe, meant)


def _preview(app: Navigation, recipe: Recipe, names: list[str]) -> None:
    from tomotui.tui.screens.recipe_run import RecipeRunScreen

    def shown(outlook: Outlook) -> None:
        app.push_screen(RecipeRunScreen(recipe, names, outlook), confirmed)

    def confirmed(answer: RecipeAnswer | None) -> None:
        if answer is not None:
            app.change(lambda project: _queued(project, recipe, names, answer), queued)

    def queued(jobs: list[Job]) -> None:
        app.ensure_agent()
        waiting = [job for job in jobs if not job.status.is_finished]
        what = (
            f"{counted(len(waiting), 'job')} of {recipe.name} queued"
            if waiting
            else (f"everything of {recipe.name} is done already")
        )
        app.say(f"{what};  :progress  shows how far it is")
        app.look_again()

    app.change(lambda project: outlook_of(project, recipe, names), shown, opens=True)


def _queued(project: Project, recipe: Recipe, names: list[str], answer: RecipeAnswer) -> list[Job]:
    try:
        notice_deaths(project)
        plan = plan_recipe(project, recipe, names, resume=not answer.again)
        return queue_plan(project, plan, place=answer.place)
    except RecipeError as error:
        raise ProjectError("; ".join(error.problems), "Correct the recipe.") from error


def show_progress(app: Navigation, name: str = "") -> None:
    """Show how far a recipe has come; the one that was run last when none is named."""
    from tomotui.tui.screens.recipe_progress import RecipeProgressScreen

    def found(names: list[str]) -> None:
        if not names:
            app.say("no recipe was run here yet;  :recipe  runs one", "warning")
        elif name and name not in names:
            app.say(f"the recipe {name} was not run here; there are {', '.join(names)}", "warning")
        else:
            app.go_to_mode("jobs")
            app.push_screen(RecipeProgressScreen(name or names[0]))

    app.change(recipes_run, found, opens=True)
