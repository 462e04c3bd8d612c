"""What the project says about a wish before it is submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tomotui.jobs.launch import wish_of
from tomotui.project import MissingInput, Project
from tomotui.project.records import PER_SERIES
from tomotui.records import Job, JobRequest
from tomotui.stages.base import Stage


@dataclass(frozen=True)
class Foresight:
    """What a job would find.

    Attributes
    ----------
    missing
        What it lacks, in words: by series, and by kind what belongs to no series.
    after
        Unfinished jobs that make what is needed, with the stage of each.
    next_folder
        Where the job will write, as far as can be told.
    """

    missing: dict[str, str]
    after: dict[int, str]
    next_folder: str


def foresee(
    project: Project,
    stage: Stage,
    stages: Sequence[Stage],
    request: JobRequest,
    values: Mapping[str, Any],
) -> Foresight:
    """Look up what a job would work on, what it would wait for, and where it would write.

    Parameters
    ----------
    request
        Its targets are meant; its stage and parameters are not.
    values
        Parameters as they were typed; they need not be valid.
    """
    jobs = project.jobs()
    targets = [target.name for target in request.targets]
    names = series_meant(stage, targets, [one.name for one in project.tilt_series()], values)
    after, missing = _of_series(project, stage, stages, jobs, names, values)
    for kind in stage.takes:
        if kind not in PER_SERIES:
            waits_for, lacks = _shared(project, stage, stages, jobs, kind, targets[0], values)
            after |= waits_for
            missing |= lacks
    number = (jobs[-1].id if jobs else 0) + 1
    return Foresight(missing, after, f"jobs/{number:04d}-{stage.name}/")


def series_meant(
    stage: Stage, targets: Sequence[str], known: Sequence[str], values: Mapping[str, Any]
) -> list[str]:
    """Return the tilt series that a job works on.

    Those of a job that works on several together are its targets, as long as it is not
    submitted; later on they are one of its parameters.
    """
    if stage.scope == "series" or set(targets) & set(known):
        return list(targets)
    named = values.get("series")
    return [str(name) for name in named] if named else list(known)


def makers_of(kind: str, stage: Stage, stages: Sequence[Stage]) -> set[str]:
    """Return the stages that make what a stage takes of a kind."""
    return {
        each.name
        for each in stages
        if kind in each.gives
        and each.name != stage.name
        # What a network has made of a tomogram is a tomogram that few stages take.
        and not (kind == "tomogram" and each.uses_network and not stage.takes_restored)
        and not (kind == "network" and each.makes_network != stage.uses_network)
    }


def _of_series(
    project: Project,
    stage: Stage,
    stages: Sequence[Stage],
    jobs: Sequence[Job],
    names: Sequence[str],
    values: Mapping[str, Any],
) -> tuple[dict[int, str], dict[str, str]]:
    """Return the jobs that work on what is needed of the series, and what these lack."""
    kinds = [kind for kind in stage.takes if kind in PER_SERIES]
    useful = [*kinds, *(kind for kind in stage.optional if kind in PER_SERIES)]
    makers = {name for kind in useful for name in makers_of(kind, stage, stages)}
    after, covered = {}, set[str]()
    for job in jobs:
        if job.status.is_finished or job.stage not in makers or not set(names) & set(job.targets):
            continue
        # What is done for these series is done, whatever the job does for others.
        busy = {task.target for task in project.tasks(job.id) if not task.status.is_finished}
        if busy & set(names):
            after[job.id] = job.name
            covered |= busy
    missing = {}
    for name in names:
        try:
            project.resolve_inputs(kinds, (), name, wish_of(stage, {**values, "series": [name]}))
        except MissingInput as error:
            if name not in covered:
                missing[name] = error.message
    return after, missing


def _shared(
    project: Project,
    stage: Stage,
    stages: Sequence[Stage],
    jobs: Sequence[Job],
    kind: str,
    target: str,
    values: Mapping[str, Any],
) -> tuple[dict[int, str], dict[str, str]]:
    """Return the same of a kind that belongs to no series, such as a network."""
    wish = wish_of(stage, {**values, "series": []})
    try:
        project.resolve_inputs([kind], (), target, wish)
    except MissingInput:
        pass
    else:
        return {}, {}
    makers = makers_of(kind, stage, stages)
    wanted = {"network": wish.network, "map": ", ".join(wish.references)}.get(kind, "")
    after = {
        job.id: job.name
        for job in jobs
        if job.stage in makers
        and not job.status.is_finished
        and (kind != "network" or not wanted or wanted in job.targets)
    }
    if after:
        return after, {}
    noun = kind.replace("_", " ")
    first = f": run {' or '.join(sorted(makers))} first" if makers else ""
    what = f"there is no {noun} {wanted}" if wanted else f"there is no {noun} yet"
    return {}, {kind: f"{what}{first}"}
