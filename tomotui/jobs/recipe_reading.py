"""Reading recipes, and checking them against what the stages declare."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from tomotui.jobs.condition import Condition, ConditionError, parse_condition
from tomotui.jobs.recipe import (
    FILE_OF,
    FORMAT,
    OF_ONE_SERIES,
    PLACES,
    Recipe,
    RecipeError,
    Step,
    entrance_of,
)
from tomotui.jobs.recipe_conditions import (
    SERIES,
    Asked,
    problems_of_units,
    problems_of_words,
)
from tomotui.stages import ENTRANCES, UnknownStage, get
from tomotui.stages.base import ParameterError, Parameters, Stage

_KEYS = {
    "recipe": ("format", "name", "about", "import", "motion", "series", "step"),
    "step": (
        *("stage", "name", "parameters", "overrides", "after", "when", "optional", "target"),
        *("where", "profile"),
    ),
}
_NAME = re.compile(r"[A-Za-z_][\w-]*")


def read_recipe(path: Path | str) -> Recipe:
    """Read a recipe and check it against the stages.

    Raises
    ------
    RecipeError
        With everything that is wrong with it, each naming file, step and key.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError([f"{path} cannot be read: {error.strerror or error}"]) from error
    except (ValueError, RecursionError) as error:
        raise RecipeError([f"{path} is no TOML file: {error}"]) from error
    return recipe_from(values, path)


def recipe_from(values: Mapping[str, Any], path: Path) -> Recipe:
    """Return the recipe of a file's values.

    Raises
    ------
    RecipeError
        With everything that is wrong with it.
    """
    reading = _Reading(str(path))
    if isinstance(values.get("format", FORMAT), int) and values.get("format", FORMAT) > FORMAT:
        newer = f"{path} has the format {values['format']}, this program knows {FORMAT}"
        raise RecipeError([f"{newer}: update tomotui"])
    reading.known_keys(values, "recipe", "")
    name = reading.text(values, "name", "") or path.stem
    about = reading.text(values, "about", "")
    imports = reading.import_parameters("import", values.get("import", {}))
    motion = reading.import_parameters("motion", values.get("motion", {}))
    series = reading.series(values.get("series", {}), path.parent, imports, motion)
    tables = values.get("step", [])
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        reading.wrong("", "step", "there must be at least one table [[step]]")
        tables = []
    reading.expect([str(table.get("name") or table.get("stage", "")) for table in tables])
    for number, table in enumerate(tables, 1):
        reading.step(number, table)
    if reading.problems:
        raise RecipeError(reading.problems)
    warnings = tuple(reading.warnings)
    return Recipe(name, tuple(reading.steps), about, imports, motion, series, path, warnings)


class _Reading:
    """A recipe while it is being read; goes on after a problem, to tell all at once."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.steps: list[Step] = []
        self._upstream: dict[str, set[str]] = {}
        self._expected: Sequence[str] = ()

    def expect(self, names: Sequence[str]) -> None:
        """Note the names of all steps, also of those that are still to be read."""
        self._expected = names

    def wrong(self, place: str, key: str, words: str) -> None:
        """Note what is wrong with a key of a step (or of the file itself)."""
        self.problems.append(": ".join(filter(None, (self._file, place, key, words))))

    def known_keys(self, table: Mapping[str, Any], kind: str, place: str) -> None:
        for key in table:
            if key not in _KEYS[kind]:
                self.wrong(place, key, f"no such key; there are {', '.join(_KEYS[kind])}")

    def text(self, table: Mapping[str, Any], key: str, place: str) -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            self.wrong(place, key, f"must be text (got {value!r})")
            return ""
        return value.strip()

    def import_parameters(self, stage: str, values: Any) -> dict[str, Any]:
        if not isinstance(values, dict):
            self.wrong(stage, "", f"must be a table [{stage}]")
            return {}
        own = [key for key in OF_ONE_SERIES[stage] if key in values]
        what = "stack" if stage == "import" else "series"
        for key in own:
            self.wrong(stage, key, f"belongs to a single {what}, not into a recipe")
        rest = {key: value for key, value in values.items() if key not in own}
        return self._validated(get(stage), rest, stage, FILE_OF[stage])

    def series(
        self, tables: Any, folder: Path, imports: Mapping[str, Any], motion: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Read the files of raw series, which are seen from the recipe's folder."""
        if not isinstance(tables, dict):
            self.wrong("series", "", "must hold one table for each tilt series: [series.NAME]")
            return {}
        found = {}
        for name, files in tables.items():
            place = f"series {name}"
            if not isinstance(files, dict):
                self.wrong(place, "", f"must be a table [series.{name}]")
                continue
            stage = entrance_of(files)
            common = motion if stage == "motion" else imports
            # One without its file is told as the stage tells it.
            plain = self._validated(get(stage), files, place, common)
            own = [key for key in OF_ONE_SERIES[stage] if isinstance(plain.get(key), str)]
            found[name] = plain | {key: str(folder / plain[key]) for key in own if plain[key]}
        return found

    def step(self, number: int, table: Mapping[str, Any]) -> None:
        stage_name = self.text(table, "stage", f"step {number}")
        name = self.text(table, "name", f"step {number}") or stage_name
        place = f"step {number} ({name})" if name else f"step {number}"
        self.known_keys(table, "step", place)
        if name and (not _NAME.fullmatch(name) or name == SERIES):
            self.wrong(place, "name", "give letters, digits, - and _, and not the word series")
        if name in self._upstream:
            self.wrong(place, "name", "an earlier step has this name already; give another")
        stage = self._stage(stage_name, place)
        parameters: dict[str, Any] = {}
        overrides: dict[str, dict[str, Any]] = {}
        if stage is not None:
            parameters = self._parameters(stage, table.get("parameters", {}), place, "parameters")
            overrides = self._overrides(stage, table, parameters, place)
        after = self._after(table, name, place)
        self._upstream[name] = set(after).union(*(self._upstream.get(n, set()) for n in after))
        self.steps.append(
            Step(
                name=name,
                stage=stage_name,
                parameters=parameters,
                overrides=overrides,
                after=after,
                when=self._condition(table, name, stage, place),
                optional=self._optional(table, place),
                target=self.text(table, "target", place),
                where=self._where(table, place),
                profile=self.text(table, "profile", place),
            )
        )

    def _where(self, table: Mapping[str, Any], place: str) -> str:
        where = self.text(table, "where", place)
        if where and where not in PLACES:
            self.wrong(place, "where", f"there are {' and '.join(PLACES)} (got {where!r})")
        return where

    def _stage(self, name: str, place: str) -> Stage | None:
        if name in ENTRANCES:
            self.wrong(place, "stage", f"importing is no step; its parameters stand in [{name}]")
            return None
        if not name:
            self.wrong(place, "stage", "is required; tomotui stages lists them")
            return None
        try:
            return get(name)
        except UnknownStage as error:
            self.wrong(place, "stage", str(error))
            return None

    def _parameters(self, stage: Stage, values: Any, place: str, key: str) -> dict[str, Any]:
        if not isinstance(values, dict):
            self.wrong(place, key, "must be a table of parameters")
            return {}
        return self._validated(stage, values, place)

    def _overrides(
        self, stage: Stage, table: Mapping[str, Any], common: Mapping[str, Any], place: str
    ) -> dict[str, dict[str, Any]]:
        given = table.get("overrides", {})
        if not isinstance(given, dict):
            self.wrong(place, "overrides", "must hold one table for each tilt series")
            return {}
        found = {}
        for series, values in given.items():
            if not isinstance(values, dict):
                self.wrong(place, f"overrides.{series}", "must be a table of parameters")
                continue
            found[series] = self._validated(stage, values, f"{place}: {series}", common)
        return found

    def _validated(
        self, stage: Stage, values: Mapping[str, Any], place: str, more: Mapping[str, Any] = {}
    ) -> dict[str, Any]:
        plain = {key: _none_if_said(stage.parameters_type, key, v) for key, v in values.items()}
        try:
            stage.validate({**more, **plain})
        except ParameterError as error:
            for key, reason in error.problems.items():
                near = difflib.get_close_matches(key, stage.parameters_type.model_fields, n=1)
                hint = f"; did you mean {near[0]}?" if near and key not in near else ""
                self.wrong(place, key, f"{reason}{hint}")
        return plain

    def _after(self, table: Mapping[str, Any], own: str, place: str) -> tuple[str, ...]:
        if "after" not in table:
            return (self.steps[-1].name,) if self.steps else ()
        given = table["after"]
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            self.wrong(place, "after", "must be a list of names of earlier steps")
            return ()
        earlier = [step.name for step in self.steps]
        for name in given:
            if name not in earlier:
                there = f"there are {', '.join(earlier)}" if earlier else "it is the first"
                why = ""
                if name == own:
                    why = "; a step cannot wait for itself"
                elif name in self._expected:
                    why = f"; {name} comes later and waits for this one: leave one of them out"
                self.wrong(place, "after", f"no earlier step is called {name}; {there}{why}")
        return tuple(dict.fromkeys(name for name in given if name in earlier))

    def _optional(self, table: Mapping[str, Any], place: str) -> bool:
        value = table.get("optional", False)
        if not isinstance(value, bool):
            self.wrong(place, "optional", f"must be true or false (got {value!r})")
        return value is True

    def _condition(
        self, table: Mapping[str, Any], step: str, stage: Stage | None, place: str
    ) -> Condition | None:
        text = self.text(table, "when", place)
        if not text:
            return None
        try:
            condition = parse_condition(text)
        except ConditionError as error:
            self.wrong(place, "when", f"{text!r} {error}")
            return None
        is_whole = bool(table.get("target")) or (stage is not None and stage.scope == "sample")
        asked = Asked(step, is_whole, {one.name: one for one in self.steps}, self._upstream[step])
        wrong, doubts = problems_of_words(condition, asked)
        for words in (*wrong, *problems_of_units(condition)):
            self.wrong(place, "when", words)
        self.warnings += [f"{self._file}: {place}: when: {words}" for words in doubts]
        return condition


def _none_if_said(parameters: type[Parameters], key: str, value: Any) -> Any:
    """Return ``None`` for the words ``none`` and ``auto``, which TOML has no value for."""
    if not isinstance(value, str) or value.lower() not in ("none", "auto"):
        return value
    info = parameters.model_fields.get(key)
    allowed = set(_members(info.annotation)) if info is not None else set()
    return None if NoneType in allowed and value not in allowed else value


def _members(annotation: Any) -> Iterator[Any]:
    """Yield the plain types and the literal values that an annotation allows."""
    members = get_args(annotation)
    if not members:
        yield annotation
    for member in members:
        yield from _members(member)
