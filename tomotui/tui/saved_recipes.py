"""Recipes as the screens list, save and delete them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tomotui.jobs.recipe import Recipe, RecipeError, Step
from tomotui.jobs.recipe_files import SHIPPED, known_recipes, recipe_text

FOLDER = "recipes"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class SavedStep:
    """A stage of a recipe with its parameters, as they stand in the file."""

    stage: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    when: str = ""


@dataclass(frozen=True)
class SavedRecipe:
    """A recipe in a file.

    Attributes
    ----------
    place
        ``project``, ``yours`` or ``shipped``.
    problem
        Why it cannot be read; empty when it can.
    has_raw
        Whether it names raw series to take in.
    """

    name: str
    path: Path
    place: str
    about: str = ""
    steps: tuple[SavedStep, ...] = ()
    problem: str = ""
    has_raw: bool = False

    @property
    def can_be_deleted(self) -> bool:
        """False for those that come with the program."""
        return self.place != "shipped"

    def step_of(self, stage: str) -> SavedStep | None:
        """Return the first step that runs a stage."""
        return next((step for step in self.steps if step.stage == stage), None)


def list_recipes(project_folder: Path) -> list[SavedRecipe]:
    """Return all recipes: the project's, the user's, those that come with the program."""
    found = [
        _read(name, path, project_folder) for name, path in known_recipes(project_folder).items()
    ]
    order = {"project": 0, "yours": 1, "shipped": 2}
    return sorted(found, key=lambda one: (order[one.place], one.name))


def _read(name: str, path: Path, project_folder: Path) -> SavedRecipe:
    place = "yours"
    if path.parent == SHIPPED:
        place = "shipped"
    elif path.is_relative_to(project_folder):
        place = "project"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return SavedRecipe(name, path, place, problem=f"{path} cannot be read: {error}")
    tables = values.get("step")
    if not isinstance(tables, list):
        return SavedRecipe(name, path, place, problem=f"{path} has no table [[step]]")
    steps = tuple(_step(table) for table in tables if isinstance(table, dict))
    about, has_raw = str(values.get("about", "")), bool(values.get("series"))
    return SavedRecipe(name, path, place, about, steps, has_raw=has_raw)


def _step(table: Mapping[str, Any]) -> SavedStep:
    parameters = table.get("parameters")
    return SavedStep(
        str(table.get("stage", "")),
        parameters if isinstance(parameters, dict) else {},
        str(table.get("when", "")),
    )


def save_values(project_folder: Path, name: str, stage: str, values: Mapping[str, Any]) -> Path:
    """Save the parameters of a stage as a recipe of one step, in the project; returns the file.

    Raises
    ------
    RecipeError
        When the name is none, or taken, or the file cannot be written.
    """
    name = name.strip().removesuffix(".toml")
    if not _NAME.fullmatch(name):
        raise RecipeError([f"{name!r} is no name for a recipe: give letters, digits, . - and _"])
    path = project_folder / FOLDER / f"{name}.toml"
    step = Step(name=stage, stage=stage, parameters=dict(values))
    text = recipe_text(Recipe(name, (step,), about=f"Parameters of {stage}, saved from its form."))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise RecipeError(
            [f"{path} is there already: give another name, or delete it first"]
        ) from None
    except OSError as error:
        raise RecipeError([f"{path} cannot be written: {error.strerror or error}"]) from error
    return path


def delete_recipe(recipe: SavedRecipe) -> None:
    """Delete the file of a recipe.

    Raises
    ------
    RecipeError
        When it comes with the program, or cannot be deleted.
    """
    if not recipe.can_be_deleted:
        raise RecipeError([f"{recipe.name} comes with the program and stays"])
    try:
        recipe.path.unlink(missing_ok=True)
    except OSError as error:
        raise RecipeError(
            [f"{recipe.path} cannot be deleted: {error.strerror or error}"]
        ) from error
