"""Recipes in the screens: saved from the form, taken into it, run, deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input, OptionList

from tests.tui.conftest import AppMaker, request, until
from tests.tui.test_launch import field, opened
from tomotui.jobs.recipe import RecipeError
from tomotui.jobs.recipe_reading import read_recipe
from tomotui.project import Project
from tomotui.tui.saved_recipes import delete_recipe, list_recipes, save_values
from tomotui.tui.screens.confirm import ConfirmScreen
from tomotui.tui.screens.error import ErrorScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.recipe_run import RecipeRunScreen
from tomotui.tui.screens.recipes import RecipeNameScreen, RecipePicker
from tomotui.tui.widgets.table import Table


def test_saved_values_are_a_recipe_that_the_command_line_reads(tmp_path: Path) -> None:
    path = save_values(tmp_path, "thick", "align", {"thickness_angstrom": 4000.0})
    assert path == tmp_path / "recipes" / "thick.toml"
    recipe = read_recipe(path)
    assert [(step.stage, dict(step.parameters)) for step in recipe.steps] == [
        ("align", {"thickness_angstrom": 4000.0})
    ]
    found = {one.name: one for one in list_recipes(tmp_path)}
    assert found["thick"].place == "project"
    assert found["standard"].place == "shipped"
    with pytest.raises(RecipeError, match=r"thick\.toml is there already: give another name"):
        save_values(tmp_path, "thick", "align", {})
    with pytest.raises(RecipeError, match="is no name for a recipe"):
        save_values(tmp_path, "../elsewhere", "align", {})
    with pytest.raises(RecipeError, match="comes with the program"):
        delete_recipe(found["standard"])
    delete_recipe(found["thick"])
    assert "thick" not in {one.name for one in list_recipes(tmp_path)}


def test_a_recipe_that_cannot_be_read_is_listed_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "torn.toml").write_text("[[step]\n")
    (tmp_path / "recipes" / "empty.toml").write_text("")
    found = {one.name: one for one in list_recipes(tmp_path)}
    assert "torn.toml cannot be read" in found["torn"].problem
    assert "has no table [[step]]" in found["empty"].problem


async def test_values_are_saved_taken_again_and_marked_as_changes(
    make_app: AppMaker, folder: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await opened(pilot, app, request("align", ["ts_005"], rounds=9))
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(app.screen, RecipeNameScreen))
        await until(pilot, lambda: app.screen.query_one(Input).has_focus)
        await pilot.press(*"nine", "enter")
        await until(pilot, lambda: (folder / "recipes" / "nine.toml").is_file())
        await until(pilot, lambda: app.screen is form)
        field(form, "rounds").set_value("4")
        field(form, "thickness_angstrom").set_value("3100")
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, RecipePicker))
        await until(pilot, lambda: app.screen.query_one(OptionList).has_focus)
        assert isinstance(app.screen, RecipePicker)
        assert app.screen.recipes[0].name == "nine"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is form and field(form, "rounds").value == "9")
        assert form.values() == {"rounds": "9"}
        # Under the same name it is not saved again.
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(app.screen, RecipeNameScreen))
        await until(pilot, lambda: app.screen.query_one(Input).has_focus)
        await pilot.press(*"nine", "enter")
        await until(pilot, lambda: isinstance(app.screen, ErrorScreen))


async def test_a_recipe_is_run_on_series_and_deleted(make_app: AppMaker, folder: Path) -> None:
    save_values(folder, "mine", "align", {"rounds": 3})
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.run_command_line("recipe mine")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        form = app.screen
        assert isinstance(form, LaunchScreen)
        await until(pilot, lambda: field(form, "rounds").value == "3")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not form)
        app.run_command_line("recipe standard")
        await until(pilot, lambda: isinstance(app.screen, RecipeRunScreen))
        await pilot.press("y")
        with Project.open(folder) as project:
            await until(pilot, lambda: len(project.jobs()) > 4)
            assert project.jobs()[-1].targets == ("ts_001",)
        app.run_command_line("recipe")
        await until(pilot, lambda: isinstance(app.screen, RecipePicker))
        await until(pilot, lambda: app.screen.query_one(OptionList).has_focus)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: not (folder / "recipes" / "mine.toml").exists())
