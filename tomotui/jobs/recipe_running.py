"""Queueing a recipe, and weighing its conditions when a step's turn has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tomotui.jobs.condition import ConditionError, Scalar, parse_condition
from tomotui.jobs.findings import found_by, values_of
from tomotui.jobs.recipe import SERIES, Recipe, Step
from tomotui.jobs.submission import submit
from tomotui.project import Project
from tomotui.project.jobs import Place
from tomotui.records import Job, JobRequest, RecipeStep, Target, Task, new_uid

HERE = Place()


def queue_recipe(
    project: Project,
    recipe: Recipe,
    names: Sequence[str],
    *,
    after: Sequence[int] = (),
    label: str = "",
    place: Place = HERE,
) -> list[Job]:
    """Put one job for each step into the queue, all of them or none.

    A tilt series waits only for its own tasks: one that failed in a step holds up no other.
    Whoever calls this makes sure that an agent looks after the project.

    Parameters
    ----------
    names
        The tilt series; they may be ones that a job in ``after`` is about to make.
    after
        Jobs that the first steps wait for.
    place
        Where the jobs run.

    Returns
    -------
    list of Job
        In the order of the steps.

    Raises
    ------
    ParameterError
        When a stage does not accept the parameters; nothing was queued.
    ProjectError
        When the project refuses a job; nothing was queued.
    """
    run = new_uid()
    steps = {step.name: step for step in recipe.steps}
    jobs: dict[str, Job] = {}
    with project.at_once():
        for step in recipe.steps:
            needed, optional = _awaited(step, steps)
            earlier = tuple(jobs[name].id for name in (*needed, *optional))
            request = JobRequest(
                stage=step.stage,
                parameters=dict(step.parameters),
                targets=_targets(step, names),
                after=earlier or tuple(after),
                optional_after=tuple(jobs[name].id for name in optional),
                executor=place.executor,
                profile=place.profile,
                label=label or f"recipe {recipe.name}",
                step=RecipeStep(
                    recipe=recipe.name,
                    run=run,
                    name=step.name,
                    when=step.when.text if step.when else "",
                    optional=step.optional,
                    earlier={name: job.id for name, job in jobs.items()},
                ),
            )
            jobs[step.name] = submit(project, request, start_agent=False)
    return list(jobs.values())


def _awaited(step: Step, steps: Mapping[str, Step]) -> tuple[list[str], list[str]]:
    """Return the steps that must have succeeded, and the optional ones that must have ended.

    Where an optional step fails, what it waited for itself is still needed.
    """
    needed: dict[str, None] = {}
    optional: dict[str, None] = {}
    for name in step.after:
        if steps[name].optional:
            optional[name] = None
            more, also = _awaited(steps[name], steps)
            needed.update(dict.fromkeys(more))
            optional.update(dict.fromkeys(also))
        else:
            needed[name] = None
    return list(needed), list(optional)


def _targets(step: Step, names: Sequence[str]) -> tuple[Target, ...]:
    if step.target:
        return (Target(name=step.target),)
    return tuple(Target(name=n, parameters=dict(step.overrides.get(n, {}))) for n in names)


def why_not(project: Project, job: Job, task: Task) -> str:
    """Return why a task whose turn has come is not to be done; empty when it is.

    What a condition asks about is read from the records and metrics of the earlier tasks of the
    same target (for a step that works on all at once, from those that were done for all).
    """
    step = job.step
    if step is None or not step.when:
        return ""
    try:
        condition = parse_condition(step.when)
    except ConditionError as error:
        return f"its condition {step.when!r} {error}"
    found: dict[str, dict[str, Scalar]] = {}
    for name in {name.step for name in condition.names}:
        if name == SERIES:
            series = project.series_named(task.target)
            found[name] = values_of(series) if series is not None else {}
        elif name in step.earlier:
            found[name] = found_by(project, step.earlier[name], task.target)
    verdict = condition.weigh(found)
    if verdict.holds:
        return ""
    return f"not run, for the recipe {step.recipe} asks for {condition.text}: {verdict.reason}"


def per_series_only(recipe: Recipe) -> str:
    """Return the name of the first step that works on all series at once; empty when none."""
    return next((step.name for step in recipe.steps if step.target), "")
