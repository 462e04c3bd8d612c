"""What is to come of a recipe, and what has come of it, as the screens show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tomotui.jobs.recipe import Recipe
from tomotui.jobs.recipe_planning import Plan, PlannedStep, plan_recipe
from tomotui.project import Project
from tomotui.project.rows import job_status
from tomotui.records import Job, Status, Task
from tomotui.stages import get
from tomotui.tui.forecast import forecast, read_history
from tomotui.tui.snapshots import NO_COUNTS, Counts, line_of, read_counts


@dataclass(frozen=True)
class StepOutlook:
    """A step before it is run.

    Attributes
    ----------
    seconds
        About how long its tasks will take, one after the other; ``None`` when nothing like them
        has run in the project.
    """

    name: str
    stage: str
    n_to_do: int
    n_done: int
    seconds: float | None = None
    when: str = ""
    place: str = ""
    is_optional: bool = False


@dataclass(frozen=True)
class Outlook:
    """A recipe before it is run, going on with what was done; and doing everything again."""

    going_on: tuple[StepOutlook, ...]
    again: tuple[StepOutlook, ...]

    @property
    def n_done(self) -> int:
        """How many tasks were done by an earlier run."""
        return sum(step.n_done for step in self.going_on)

    @property
    def n_to_do(self) -> int:
        """How many tasks are left."""
        return sum(step.n_to_do for step in self.going_on)


def outlook_of(project: Project, recipe: Recipe, names: Sequence[str]) -> Outlook:
    """Look at what running a recipe would do.

    Raises
    ------
    ProjectError
        When the recipe cannot be run on these series.
    """
    plans = [plan_recipe(project, recipe, names, resume=resume) for resume in (True, False)]
    going_on, again = (_of_plan(project, plan) for plan in plans)
    return Outlook(going_on, again)


def _of_plan(project: Project, plan: Plan) -> tuple[StepOutlook, ...]:
    return tuple(_of_step(project, planned) for planned in plan.steps)


def _of_step(project: Project, planned: PlannedStep) -> StepOutlook:
    step = planned.step
    stage, targets = get(step.stage), sorted(planned.pending)
    is_per_series = stage.scope == "series"
    expected = forecast(
        read_history(project, stage, targets), targets, step.parameters, is_per_series
    )
    return StepOutlook(
        name=step.name,
        stage=step.stage,
        n_to_do=planned.n_to_do,
        n_done=planned.n_done,
        seconds=expected.seconds if expected else None,
        when=step.when.text if step.when else "",
        place=" ".join(word for word in (step.where, step.profile) if word),
        is_optional=step.optional,
    )


@dataclass(frozen=True)
class StepCourse:
    """A step while a recipe runs.

    Attributes
    ----------
    n_by_status
        How many of its targets are in each state; of each the newest task counts.
    jobs
        Its jobs, oldest first.
    trouble
        Why the newest target that did not succeed did not.
    """

    name: str
    stage: str
    jobs: tuple[Job, ...]
    n_by_status: dict[Status, int] = field(default_factory=dict)
    eta_seconds: float | None = None
    when: str = ""
    is_optional: bool = False
    trouble: str = ""

    @property
    def n_targets(self) -> int:
        """How many targets there are."""
        return sum(self.n_by_status.values())

    @property
    def n_done(self) -> int:
        """How many have succeeded."""
        return self.n_by_status.get(Status.DONE, 0)

    @property
    def status(self) -> Status:
        """The state of the step as a whole."""
        return job_status(self.n_by_status)


@dataclass(frozen=True)
class RunCourse:
    """How far a recipe has come in a project."""

    recipe: str = ""
    steps: tuple[StepCourse, ...] = ()
    counts: Counts = NO_COUNTS


def recipes_run(project: Project) -> list[str]:
    """Return the recipes that were run in a project, the one of the newest job first."""
    names = [job.step.recipe for job in reversed(project.jobs()) if job.step is not None]
    return list(dict.fromkeys(names))


def read_course(project: Project, recipe: str) -> RunCourse:
    """Read how far the steps of a recipe's newest run have come."""
    mine = [job for job in project.jobs() if job.step is not None and job.step.recipe == recipe]
    if not mine:
        return RunCourse(recipe, (), read_counts(project))
    newest = mine[-1].step
    assert newest is not None
    of_run: dict[str, None] = {}
    for job in mine:
        if job.step is not None and job.step.run == newest.run:
            of_run.update(dict.fromkeys([*job.step.earlier, job.step.name]))
    by_name: dict[str, list[Job]] = {}
    for job in mine:
        if job.step is not None and (job.step.name in of_run or job.step.name.startswith("[")):
            by_name.setdefault(job.step.name, []).append(job)
    steps = [_course_of(project, name, by_name[name]) for name in by_name]
    order = list(of_run)
    steps.sort(key=lambda step: order.index(step.name) if step.name in order else -1)
    return RunCourse(recipe, tuple(steps), read_counts(project))


def _course_of(project: Project, name: str, jobs: Sequence[Job]) -> StepCourse:
    newest: dict[str, Task] = {}
    remaining: list[float] = []
    for job in jobs:
        tasks = project.tasks(job.id)
        newest.update({task.target: task for task in tasks})
        eta = line_of(job, tasks).eta_seconds
        remaining += [eta] if eta is not None and not job.status.is_finished else []
    n_by_status: dict[Status, int] = {}
    for task in newest.values():
        n_by_status[task.status] = n_by_status.get(task.status, 0) + 1
    bad = [t for t in newest.values() if t.status.is_finished and t.status != Status.DONE]
    step = jobs[-1].step
    return StepCourse(
        name=name,
        stage=jobs[-1].stage,
        jobs=tuple(jobs),
        n_by_status=n_by_status,
        eta_seconds=max(remaining, default=None),
        when=step.when if step else "",
        is_optional=step.optional if step else False,
        trouble=f"{bad[-1].target}: {bad[-1].error or bad[-1].message}" if bad else "",
    )
