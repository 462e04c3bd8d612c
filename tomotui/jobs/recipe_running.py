"""Queueing a recipe, and weighing its conditions when a step's turn has come."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from tomotui.jobs.condition import ConditionError, Scalar, parse_condition
from tomotui.jobs.files import UnreadableFile, read_model
from tomotui.jobs.findings import found_by, values_of
from tomotui.jobs.liveness import is_alive
from tomotui.jobs.presence import ensure_agent
from tomotui.jobs.recipe import Recipe
from tomotui.jobs.recipe_conditions import SERIES
from tomotui.jobs.recipe_planning import Part, Plan, plan_recipe
from tomotui.jobs.specification import WORKER_FILE, WorkerInfo
from tomotui.jobs.submission import submit
from tomotui.project import Project
from tomotui.project.jobs import Place
from tomotui.records import Job, JobRequest, RecipeStep, Target, Task, new_uid

HERE = Place()
PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.1


def notice_deaths(project: Project) -> None:
    """Let an agent see which processes have vanished, as after a power cut, before planning.

    What they did is lost then and can be tried again; until an agent has looked, it passes for
    being done.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(_is_dead(project, task) for task in project.active_tasks()):
        ensure_agent(project.folder)
        if time.monotonic() > deadline:
            return
        time.sleep(POLL_SECONDS)


def _is_dead(project: Project, task: Task) -> bool:
    try:
        info = read_model(project.folder / task.folder / WORKER_FILE, WorkerInfo)
    except UnreadableFile:
        return False
    return info is not None and info.supervisor.is_here and not is_alive(info.supervisor)


def queue_recipe(
    project: Project,
    recipe: Recipe,
    names: Sequence[str],
    *,
    after: Sequence[int] = (),
    label: str = "",
    place: Place = HERE,
) -> list[Job]:
    """Put the jobs of a recipe into the queue, all of them or none.

    A tilt series waits only for its own tasks: one that failed in a step holds up no other.
    Whoever calls this makes sure that an agent looks after the project.

    Parameters
    ----------
    names
        The tilt series; they may be ones that a job in ``after`` is about to make.
    after
        Jobs that the first steps wait for.
    place
        Where the jobs run whose steps do not say.

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
    return queue_plan(project, plan_recipe(project, recipe, names, after=after), label, place)


def queue_plan(project: Project, plan: Plan, label: str = "", place: Place = HERE) -> list[Job]:
    """Put what a plan needs into the queue, and what is to be tried again back, or nothing of it.

    Returns
    -------
    list of Job
        All jobs of the recipe, those of earlier runs that were kept too, in the order of steps.

    Raises
    ------
    ParameterError
        When a stage does not accept the parameters; nothing was queued.
    ProjectError
        When the project refuses a job; nothing was queued.
    """
    run, recipe = new_uid(), plan.recipe
    number_of: dict[int, int] = {}
    found: dict[int, None] = {}
    with project.at_once():
        for planned in plan.steps:
            for target in planned.again:
                project.retry(planned.kept[target].job_id, target)
            found.update(dict.fromkeys(task.job_id for task in planned.kept.values()))
            for part in planned.parts:
                request = _request(part, number_of, place)
                step = RecipeStep(
                    recipe=recipe.name,
                    run=run,
                    name=part.step.name,
                    when=part.step.when.text if part.step.when else "",
                    optional=part.step.optional,
                    earlier={name: _real(one, number_of) for name, one in part.earlier.items()},
                )
                request = request.replace(step=step, label=label or f"recipe {recipe.name}")
                job = submit(project, request, start_agent=False)
                number_of[part.number] = job.id
                found[job.id] = None
    return [project.job(number) for number in found]


def _request(part: Part, number_of: Mapping[int, int], place: Place) -> JobRequest:
    step = part.step
    targets = [
        Target(name=name, parameters=dict(step.overrides.get(name, {}))) for name in part.targets
    ]
    return JobRequest(
        stage=step.stage,
        parameters=dict(step.parameters),
        targets=tuple(targets),
        after=tuple(_real(one, number_of) for one in part.after),
        optional_after=tuple(_real(one, number_of) for one in part.optional_after),
        executor="slurm" if (step.where or place.executor) == "slurm" else "local",
        profile=step.profile or (place.profile if not step.where else ""),
    )


def _real(number: int, number_of: Mapping[int, int]) -> int:
    """Return the job of a number, which below 0 stands for a part of the plan."""
    return number_of[number] if number < 0 else number


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
    return next((step.name for step in recipe.steps if step.is_whole), "")
