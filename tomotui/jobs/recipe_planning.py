"""What is to be done for a recipe: which steps are done already, and which jobs the others need.

A step was done for a series when a job of the same recipe and step has succeeded for it with the
same parameters and the same condition, after the same jobs. So a recipe that was stopped goes on
where it was, and a changed one from the first step that was changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from tomotui.jobs.recipe import Recipe, Step, entrance_of
from tomotui.jobs.submission import SAMPLE
from tomotui.project import Project, ProjectError
from tomotui.records import Job, Status, Task
from tomotui.stages import get
from tomotui.stages.base import ParameterError, Stage

_AGAIN = (Status.FAILED, Status.CANCELLED, Status.LOST)


@dataclass
class Part:
    """A job that is needed: a step, for targets that wait for the same jobs.

    Attributes
    ----------
    number
        Stands for the job until it has one: ``-1`` the first of a plan, ``-2`` the second.
    after, optional_after
        Jobs to wait for; those of the same plan by their numbers below 0.
    earlier
        By the name of a step its job, numbered alike: what the condition may ask about.
    """

    step: Step
    number: int
    targets: list[str]
    after: tuple[int, ...]
    optional_after: tuple[int, ...]
    earlier: dict[str, int]


@dataclass
class PlannedStep:
    """A step, and what is to be done for it.

    Attributes
    ----------
    parts
        Jobs that are needed.
    kept
        By target what an earlier run has done, or does.
    again
        Targets of ``kept`` that did not succeed, to be tried again in their jobs.
    pending
        Targets for which something is to be done, or is being done.
    """

    step: Step
    parts: list[Part] = field(default_factory=list)
    kept: dict[str, Task] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    pending: set[str] = field(default_factory=set)

    @property
    def n_done(self) -> int:
        """For how many targets nothing is to be done any more."""
        return len(self.kept.keys() - self.pending)

    @property
    def n_to_do(self) -> int:
        """For how many targets something is to be done, or is being done."""
        return len(self.pending)

    def awaits(self, target: str) -> bool:
        """Tell whether something is pending that a target of a later step would wait for."""
        mine = target in self.kept or any(target in part.targets for part in self.parts)
        return target in self.pending if mine else bool(self.pending)


@dataclass(frozen=True)
class Plan:
    """All that is to be done for a recipe.

    Attributes
    ----------
    names
        The tilt series.
    steps
        The import of raw series first, where one is needed.
    """

    recipe: Recipe
    names: tuple[str, ...]
    steps: tuple[PlannedStep, ...]

    def parts(self) -> Iterator[Part]:
        """Give the jobs that are needed, in order."""
        for planned in self.steps:
            yield from planned.parts

    @property
    def n_done(self) -> int:
        """How many tasks need not be done again."""
        return sum(planned.n_done for planned in self.steps)


def plan_recipe(
    project: Project,
    recipe: Recipe,
    names: Sequence[str],
    *,
    after: Sequence[int] = (),
    resume: bool = False,
) -> Plan:
    """Return what a recipe needs for some tilt series.

    Parameters
    ----------
    after
        Jobs that the first steps wait for.
    resume
        Take what an earlier run of the recipe has done for done.

    Raises
    ------
    ProjectError
        When a task for all series would have the name of one of them.
    """
    return _Planning(project, recipe, tuple(names), tuple(after), resume).plan()


class _Planning:
    def __init__(
        self,
        project: Project,
        recipe: Recipe,
        names: tuple[str, ...],
        after: tuple[int, ...],
        resume: bool,
    ) -> None:
        self._project, self._recipe, self._names, self._first = project, recipe, names, after
        self._resume = resume
        self._steps = {step.name: step for step in recipe.steps}
        self._uid_of = {series.name: series.uid for series in project.tilt_series()}
        # By step and target (one that is for all has its own) the job that does it.
        self._job_of: dict[str, dict[str, int]] = {}
        self._planned: dict[str, PlannedStep] = {}
        self._n_parts = 0

    def plan(self) -> Plan:
        """Decide about one step after the other."""
        imports = [self._import(stage) for stage in ("import", "motion")]
        steps = [self._step(step) for step in self._recipe.steps]
        there = [planned for planned in imports if planned.parts or planned.kept]
        return Plan(self._recipe, self._names, (*there, *steps))

    # Raw series

    def _import(self, stage: str) -> PlannedStep:
        files = {
            name: self._recipe.series[name]
            for name in self._names
            if name in self._recipe.series and name not in self._uid_of
            if entrance_of(self._recipe.series[name]) == stage
        }
        common = self._recipe.import_parameters
        if stage == "motion":
            common = self._recipe.motion_parameters
        step = Step(f"[{stage}]", stage, parameters=common, overrides=files)
        return self._decide(step, list(files), {name: ((), (), {}) for name in files})

    # Steps

    def _step(self, step: Step) -> PlannedStep:
        needed, optional = awaited(step, self._steps)
        if step.is_whole:
            step = self._of_all(step)
            targets = [step.target]
        else:
            targets = list(self._names)
        wanted = {}
        for target in targets:
            soft = self._jobs(optional, target)
            jobs = self._jobs([*needed, *optional], target)
            if not jobs:
                jobs = (*self._first, *self._jobs(["[import]", "[motion]"], target))
            earlier = {
                name: found[0] for name in self._steps if (found := self._jobs([name], target))
            }
            wanted[target] = (jobs, soft, earlier)
        return self._decide(step, targets, wanted)

    def _of_all(self, step: Step) -> Step:
        """Return a step that is one task, with its name and the series that it is for."""
        target = step.target or SAMPLE
        if target in self._uid_of or target in self._names:
            raise ProjectError(
                f"{target} is the name of a tilt series.",
                f"Give the step {step.name} of {self._recipe.name} another target.",
            )
        parameters = dict(step.parameters)
        takes_series = "series" in get(step.stage).parameters_type.model_fields
        if takes_series and "series" not in parameters and set(self._uid_of) - set(self._names):
            parameters["series"] = list(self._names)
        return replace(step, target=target, parameters=parameters)

    def _jobs(self, steps: Sequence[str], target: str) -> tuple[int, ...]:
        """Return the jobs of earlier steps that a target waits for, without repeats."""
        found: dict[int, None] = {}
        for name in steps:
            known = self._job_of.get(name, {})
            mine = [known[target]] if target in known else list(known.values())
            if name in ("[import]", "[motion]") and target in self._names:
                mine = [known[target]] if target in known else []
            found.update(dict.fromkeys(mine))
        return tuple(found)

    def _decide(self, step: Step, targets: Sequence[str], wanted: Mapping[str, Any]) -> PlannedStep:
        """Keep what was done, and make parts of the rest, by what they wait for."""
        planned = PlannedStep(step)
        known = self._job_of.setdefault(step.name, {})
        parts: dict[Any, Part] = {}
        for target in targets:
            after, soft, earlier = wanted[target]
            task = self._done_before(step, target, after) if self._resume else None
            if task is not None:
                planned.kept[target] = task
                known[target] = task.job_id
                if task.status in _AGAIN and not (step.optional and task.status == Status.FAILED):
                    planned.again.append(target)
                    planned.pending.add(target)
                elif not task.status.is_finished or (
                    task.status == Status.SKIPPED and self._has_pending_before(step, target)
                ):
                    planned.pending.add(target)
                continue
            planned.pending.add(target)
            key = (after, soft, tuple(earlier.items()))
            if key not in parts:
                self._n_parts += 1
                parts[key] = Part(step, -self._n_parts, [], after, soft, earlier)
                planned.parts.append(parts[key])
            parts[key].targets.append(target)
            known[target] = parts[key].number
        self._planned[step.name] = planned
        return planned

    # What was done before

    @cached_property
    def _jobs_before(self) -> list[Job]:
        """The jobs of earlier runs, the newest first."""
        mine = [job for job in self._project.jobs() if job.step is not None]
        return [j for j in reversed(mine) if j.step and j.step.recipe == self._recipe.name]

    def _done_before(self, step: Step, target: str, after: tuple[int, ...]) -> Task | None:
        """Return the task that has done a step, does it, or is to try it again."""
        if any(job < 0 for job in after):
            return None
        for job in self._jobs_before:
            if job.step is None or (job.step.name, job.stage) != (step.name, step.stage):
                continue
            if target not in job.targets:
                continue
            task = self._project.task(job.id, target)
            return task if self._is_same(step, job, task, after) else None
        return None

    def _is_same(self, step: Step, job: Job, task: Task, after: tuple[int, ...]) -> bool:
        """Tell whether the newest try of a step was what is meant now."""
        if step.after and set(job.after) != set(after):
            return False
        asked = step.when.text if step.when else ""
        if job.step is None or job.step.when != asked or job.step.optional != step.optional:
            return False
        values = {**step.parameters, **step.overrides.get(task.target, {})}
        if not _are_alike(get(step.stage), values, task.parameters):
            return False
        if task.status != Status.DONE:
            return True
        return self._is_of_these_series(task) and not self._is_overtaken(step, task)

    def _is_of_these_series(self, task: Task) -> bool:
        """Tell whether what a task made still is, and is of series that the project has."""
        current = set(self._uid_of.values())
        made = self._project.made_by(task.id)
        return all(getattr(record, "series_uid", None) in (None, *current) for record in made)

    def _is_overtaken(self, step: Step, task: Task) -> bool:
        """Tell whether something that a task waited for was done, or is to be done, after it."""
        if self._has_pending_before(step, task.target):
            return True
        for name in step.after:
            kept = self._planned[name].kept
            before = [kept[task.target]] if task.target in kept else list(kept.values())
            if any((one.finished_at or 0.0) > (task.started_at or 0.0) for one in before):
                return True
        return False

    def _has_pending_before(self, step: Step, target: str) -> bool:
        return any(self._planned[name].awaits(target) for name in step.after)


def _are_alike(stage: Stage, values: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    try:
        return stage.validate(values) == stage.validate(others)
    except ParameterError:
        # They were accepted by another version.
        return False


def awaited(step: Step, steps: Mapping[str, Step]) -> tuple[list[str], list[str]]:
    """Return the steps that must have succeeded, and the optional ones that must have ended.

    Where an optional step fails, what it waited for itself is still needed; and after a step
    that is one task for all series, each series still needs what it was made ready by before.
    """
    needed: dict[str, None] = {}
    optional: dict[str, None] = {}
    for name in step.after:
        before = steps[name]
        if before.optional:
            optional[name] = None
        else:
            needed[name] = None
        if before.optional or before.is_whole:
            more, also = awaited(before, steps)
            needed.update(dict.fromkeys(more))
            optional.update(dict.fromkeys(also))
    return list(needed), list(optional)


def series_meant(project: Project, recipe: Recipe) -> list[str]:
    """Return the tilt series of a recipe: those whose raw data it names, or all there are."""
    return list(recipe.series) or [series.name for series in project.tilt_series()]
