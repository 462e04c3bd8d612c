"""What a job made from a recipe or by a script brings along into the form, beside its values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tomotui.records import Job, JobRequest, RecipeStep
from tomotui.stages.base import Parameters, Stage
from tomotui.tui.wording import listed, plain_value

MOST_CHECKED = 50
"""Distinct sets of parameters that a form has checked as one types; submitting checks all."""
MOST_TOLD = 4


def wish_like(job: Job, request: JobRequest, series_names: Collection[str]) -> JobRequest:
    """Return the wish for a job like another, to be changed in a form.

    What it waits for is found anew. Out of a recipe it is a job of its own, without the recipe's
    label; the task of a stage that works on the sample keeps its name.
    """
    wish = request.replace(after=(), optional_after=())
    if job.step is None:
        return wish
    of_sample = len(job.targets) == 1 and job.targets[0] not in series_names
    return wish.replace(label=job.targets[0] if of_sample else "")


def own_parameters(request: JobRequest, stage: Stage) -> list[dict[str, Any]]:
    """Return the distinct sets of parameters that targets have for themselves in a stage."""
    if stage.name != request.stage:
        return []
    sets = {repr(target.parameters): dict(target.parameters) for target in request.targets}
    return list(sets.values())


def checked(stage: Stage, values: Mapping[str, Any], own: list[dict[str, Any]]) -> Parameters:
    """Let a stage check the values as each target has them; return those of the first.

    Raises
    ------
    ParameterError
        When it does not accept those of one of them.
    """
    sets = own[:MOST_CHECKED] or [{}]
    first, *_ = [stage.validate({**values, **each}) for each in sets]
    return first


def understood(
    stage: Stage, values: Mapping[str, Any], own: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return accepted values as the stage understands them.

    Of a parameter in which targets differ, what holds for all others is kept as it was given.
    """
    known = checked(stage, values, own).model_dump(mode="json")
    differing = {name for each in own for name in each}
    return {name: values[name] if name in differing else known[name] for name in values}


def own_words(request: JobRequest) -> list[str]:
    """Say in which parameters targets differ from the rest."""
    groups: dict[str, list[str]] = {}
    for target in request.targets:
        values = (f"{name}={plain_value(value)}" for name, value in target.parameters.items())
        if words := "  ".join(values):
            groups.setdefault(words, []).append(target.name)
    lines = [f"{listed(names, 4)}: {words}" for words, names in groups.items()]
    rest = len(lines) - MOST_TOLD
    return [*lines[:MOST_TOLD], *([f"and {rest} more"] if rest > 0 else [])]


def step_words(step: RecipeStep) -> str:
    """Say which recipe a job came from, and that one like it stands by itself."""
    words = f"That was step {step.name} of the recipe {step.recipe}; this is a job of its own"
    return f"{words} and does not ask for {step.when}." if step.when else f"{words}."
