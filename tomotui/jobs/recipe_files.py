"""Where recipes lie, and the text of their files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from tomotui.jobs.recipe import FORMAT, Recipe, RecipeError
from tomotui.jobs.recipe_reading import read_recipe

SHIPPED = Path(__file__).with_name("recipes")
STANDARD = "standard"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def recipe_folders(project_folder: Path | None = None) -> list[Path]:
    """Return where recipes are looked for: the project's, the user's, the program's own."""
    own = [project_folder / "recipes"] if project_folder is not None else []
    return [*own, platformdirs.user_config_path("tomotui") / "recipes", SHIPPED]


def known_recipes(project_folder: Path | None = None) -> dict[str, Path]:
    """Return the recipes by name; the project's go before the user's and the program's."""
    found: dict[str, Path] = {}
    for folder in recipe_folders(project_folder):
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return found


def find_recipe(wanted: Path | str, project_folder: Path | None = None) -> Recipe:
    """Read the recipe of a file, or of a name.

    Raises
    ------
    RecipeError
        When there is no such recipe, or it is wrong.
    """
    path = Path(wanted).expanduser()
    if path.is_file():
        return read_recipe(path.absolute())
    known = known_recipes(project_folder)
    if str(wanted) not in known:
        raise RecipeError([f"there is no recipe {wanted}; there are {', '.join(known)}, or a file"])
    return read_recipe(known[str(wanted)])


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe as the text of its TOML file."""
    lines = [f"# {words}" for words in recipe.by_hand]
    lines += [f"format = {FORMAT}", f"name = {_value(recipe.name)}"]
    if recipe.about:
        lines.append(f"about = {_value(recipe.about)}")
    if recipe.import_parameters:
        lines += ["", "[import]", *_pairs(recipe.import_parameters)]
    if recipe.motion_parameters:
        lines += ["", "[motion]", *_pairs(recipe.motion_parameters)]
    for name, files in recipe.series.items():
        lines += ["", f"[series.{_key(name)}]", *_pairs(files)]
    previous = ""
    for step in recipe.steps:
        lines += ["", "[[step]]", f"stage = {_value(step.stage)}"]
        if step.name != step.stage:
            lines.append(f"name = {_value(step.name)}")
        if step.after != ((previous,) if previous else ()):
            lines.append(f"after = {_value(list(step.after))}")
        if step.optional:
            lines.append("optional = true")
        if step.target:
            lines.append(f"target = {_value(step.target)}")
        if step.where:
            lines.append(f"where = {_value(step.where)}")
        if step.profile:
            lines.append(f"profile = {_value(step.profile)}")
        if step.when is not None:
            lines.append(f"when = {_value(step.when.text)}")
        if step.parameters:
            lines += ["[step.parameters]", *_pairs(step.parameters)]
        for target, values in step.overrides.items():
            if values:
                lines += [f"[step.overrides.{_key(target)}]", *_pairs(values)]
        previous = step.name
    return "\n".join(lines) + "\n"


def _pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in values.items()]


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    """Return a value as TOML writes it; no value is the word ``none``."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_pairs(value))} }}"
    # The escapes of JSON are those of TOML, but for one character that JSON leaves as it is.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
