"""Making a recipe from what was done in a project, and telling what no recipe does again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tomotui.jobs.condition import parse_condition
from tomotui.jobs.recipe import OF_ONE_SERIES, Recipe, Step
from tomotui.jobs.submission import SAMPLE
from tomotui.project import Project, ProjectError
from tomotui.records import Job, ParticleSet, Status
from tomotui.stages import ENTRANCES, UnknownStage, all_stages, get

_FOUND_BY_SEARCH = ("find", "match")
_FILES = ("reference", "template", "model", "focus", "mask")
"""Parameters that may name files."""


def recipe_of_history(
    project: Project,
    name: str,
    jobs: Sequence[int] = (),
    full: bool = False,
    with_raw: bool = False,
) -> Recipe:
    """Return the recipe that repeats what was done in a project.

    Without a choice the newest job of each stage that succeeded on anything, and those whose
    results they were made from, in the order of the pipeline; conditions of a recipe that ran
    before are kept.

    Parameters
    ----------
    jobs
        Numbers of the jobs to repeat, in this order.
    full
        Keep every parameter, also those that had their default: a later version of the program
        may have other defaults.

    Raises
    ------
    ProjectError
        When there is no such job, or nothing was done yet.
    """
    known = {job.id: job for job in project.jobs()}
    missing = [number for number in jobs if number not in known]
    if missing:
        raise ProjectError(f"there is no job {missing[0]}.", "See: tomotui jobs")
    entrances = {stage: _newest_parameters(project, known, stage) for stage in ENTRANCES}
    chosen = [known[number] for number in jobs] or _newest_and_their_sources(project, known)
    chosen = [job for job in chosen if job.stage not in ENTRANCES]
    if not chosen:
        raise ProjectError(
            f"{project.folder} has no job that a recipe could repeat.", "Run a stage first."
        )
    series = {one.name for one in project.tilt_series()}
    steps: list[Step] = []
    for job in chosen:
        steps.append(_step_of(project, job, steps, series, full))
    return Recipe(
        name,
        tuple(steps),
        about=f"As it was done in the project {project.name}.",
        import_parameters=entrances["import"],
        motion_parameters=entrances["motion"],
        series=_raw_series(project, entrances) if with_raw else {},
        by_hand=by_hand(project, steps),
    )


def by_hand(project: Project, steps: Sequence[Step]) -> tuple[str, ...]:
    """Return what a recipe of some steps does not do again, a line for each thing."""
    return (*_sets_by_hand(project), *_tilts_by_hand(project), *_named_files(steps))


def _sets_by_hand(project: Project) -> list[str]:
    found = []
    for one in project.records("particle_set"):
        if not isinstance(one, ParticleSet) or not one.is_picks:
            continue
        table = project.particle_table([one.uid])
        n_judged = int(np.isin(table.decisions, ("accepted", "rejected")).sum())
        n_marked = len(table) - int(np.isin(table.sources, _FOUND_BY_SEARCH).sum())
        counts = [f"{n_judged} judged"] * (n_judged > 0)
        counts += [f"{n_marked} marked or imported"] * (n_marked > 0)
        if counts:
            found.append(
                f"by hand, not in this recipe: particles of {one.name} ({', '.join(counts)}). "
                "Bring them along: tomotui export particles, then tomotui import-particles before "
                "the steps that use them, and run the recipe again"
            )
    return found


def _tilts_by_hand(project: Project) -> list[str]:
    left_out = [
        f"{series.name} ({', '.join(str(t.index) for t in series.tilts if t.excluded)})"
        for series in project.tilt_series()
        if any(tilt.excluded for tilt in series.tilts)
    ]
    if not left_out:
        return []
    return [
        "tilts left out, which an import leaves out again only where it finds them bad itself: "
        + ", ".join(left_out)
    ]


def _named_files(steps: Sequence[Step]) -> list[str]:
    """Return the files beside the raw data that steps read: they have to be there again."""
    found: dict[str, None] = {}
    for step in steps:
        for key in _FILES:
            value = step.parameters.get(key)
            words = value if isinstance(value, list | tuple) else [value]
            found.update({str(one): None for one in words if one and "/" in str(one)})
    return [f"a file that it reads and does not hold: {path}" for path in found]


def _raw_series(
    project: Project, common: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return by series its files, and what else its import was told of it alone."""
    found = {}
    current = {series.name for series in project.tilt_series()}
    for stage in ENTRANCES:
        for task in project.tasks_of_stage(stage):
            if task.status != Status.DONE or task.target not in current:
                continue
            shared = common[stage]
            found[task.target] = {
                key: value
                for key, value in task.parameters.items()
                if key in OF_ONE_SERIES[stage] or shared.get(key) != value
            }
    return found


def _newest_parameters(project: Project, jobs: Mapping[int, Job], stage: str) -> dict[str, Any]:
    """Return what the newest import of a kind that succeeded was told of all its series."""
    found = [job for job in jobs.values() if job.stage == stage and _succeeded(project, job)]
    parameters = found[-1].parameters if found else {}
    return {k: v for k, v in parameters.items() if k not in OF_ONE_SERIES[stage]}


def _newest_and_their_sources(project: Project, jobs: Mapping[int, Job]) -> list[Job]:
    """Return the newest job of each stage, and jobs for all series that these were made from.

    Of a stage that works on each series there is one step, by its newest job; of refinements and
    the like there may be several, each from the result of the one before.
    """
    newest = _newest_of_each_stage(project, jobs)
    sources = project.sources_of_jobs()
    found = {job.id for job in newest}
    queue = list(found)
    while queue:
        for number in sources.get(queue.pop(), set()) - found:
            job = jobs.get(number)
            if job is None or job.stage in ENTRANCES or not _succeeded(project, job):
                continue
            if get(job.stage).scope == "sample":
                found.add(number)
                queue.append(number)
    of_stage = {
        job.stage: [n for n in sorted(found) if jobs[n].stage == job.stage] for job in newest
    }
    return [jobs[number] for job in newest for number in of_stage[job.stage]]


def _newest_of_each_stage(project: Project, jobs: Mapping[int, Job]) -> list[Job]:
    """Return the newest job of each stage, in the order in which they wait for each other."""
    newest: dict[str, Job] = {}
    for job in jobs.values():
        if job.stage not in ENTRANCES and _succeeded(project, job):
            newest[job.stage] = job
    order = [stage.name for stage in all_stages()]
    left = sorted(newest.values(), key=lambda job: (order.index(job.stage), job.id))
    before = {job.stage: _stages_before(job, jobs) - {job.stage} for job in left}
    found: list[Job] = []
    while left:
        # Stages that were run in both orders wait for each other: then the pipeline's decides.
        free = [j for j in left if not before[j.stage] & {other.stage for other in left}]
        found.append((free or left)[0])
        left.remove(found[-1])
    return found


def _stages_before(job: Job, jobs: Mapping[int, Job]) -> set[str]:
    """Return the stages of the jobs that a job has waited for, directly or not."""
    found: set[str] = set()
    queue, seen = list(job.after), set(job.after)
    while queue:
        earlier = jobs[queue.pop()]
        found.add(earlier.stage)
        new = set(earlier.after) - seen
        seen |= new
        queue += new
    return found


def _succeeded(project: Project, job: Job) -> bool:
    try:
        get(job.stage)
    except UnknownStage:
        return False
    return job.status == Status.DONE or any(
        task.status == Status.DONE for task in project.tasks(job.id)
    )


def _step_of(
    project: Project, job: Job, before: Sequence[Step], series: set[str], full: bool
) -> Step:
    taken = {step.name for step in before}
    wanted = job.step.name if job.step else job.stage
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    parameters = job.parameters
    if full:
        parameters = get(job.stage).validate(parameters).model_dump(mode="json")
    when = parse_condition(job.step.when) if job.step and job.step.when else None
    if when is not None and not {n.step for n in when.names} <= taken | {"series"}:
        when = None
    whole = len(job.targets) == 1 and job.targets[0] not in series
    of_sample = get(job.stage).scope == "sample"
    if of_sample and set(parameters.get("series") or ()) >= series:
        parameters = {key: value for key, value in parameters.items() if key != "series"}
    return Step(
        name=name,
        stage=job.stage,
        parameters=parameters,
        overrides=project.overrides(job.id),
        after=(before[-1].name,) if before else (),
        when=when,
        optional=job.step is not None and job.step.optional,
        target=job.targets[0] if whole and not (of_sample and job.targets[0] == SAMPLE) else "",
        where="slurm" if job.executor == "slurm" else "",
        profile=job.profile,
    )
