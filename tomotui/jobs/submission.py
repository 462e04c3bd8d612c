"""Submitting a job: checked by its stage, put into the queue, and looked after."""

from __future__ import annotations

from tomotui.jobs.cluster.profiles import read_profiles
from tomotui.jobs.presence import ensure_agent
from tomotui.jobs.processes import check_processes
from tomotui.jobs.slurm import has_slurm
from tomotui.project import Project, ProjectError
from tomotui.records import Job, JobRequest, Target
from tomotui.stages import get

SAMPLE = "sample"
"""Target of jobs that work on several tilt series together, unless a label names it."""


def for_sample(project: Project, request: JobRequest) -> JobRequest:
    """Return a wish whose tilt series are one task instead of one each.

    Raises
    ------
    ProjectError
        When the name of the task is that of a tilt series.
    """
    known = {series.name for series in project.tilt_series()}
    names = [target.name for target in request.targets]
    if not set(names) & known:
        return request
    # A name that no series bears yet is one that an earlier job is about to make.
    everything = known <= set(names)
    name = request.label or SAMPLE
    if name in known:
        raise ProjectError(
            f"{name} is the name of a tilt series.", "Give the job another label: --label NAME."
        )
    chosen = {} if everything else {"series": names}
    return request.replace(
        parameters={**request.parameters, **chosen}, targets=(Target(name=name),)
    )


def check_cluster(project: Project, profile: str) -> None:
    """Make sure that jobs can be given to SLURM from here.

    Raises
    ------
    ProjectError
        When there is no SLURM on this machine, or no such profile.
    """
    read_profiles(project.folder).find(profile)
    if not has_slurm():
        raise ProjectError(
            "there is no SLURM on this machine (sbatch is not found).",
            "Log in to a host of the cluster and open the project there, or run it here: "
            "--where local",
        )


def submit(project: Project, request: JobRequest, start_agent: bool = True) -> Job:
    """Check a wish, put it into the queue and make sure that an agent looks after it.

    Parameters
    ----------
    start_agent
        Start an agent when none is at work.

    Raises
    ------
    UnknownStage
        When there is no such stage.
    ParameterError
        When the stage does not accept the parameters; nothing was submitted.
    ProjectError
        When the project refuses the job, it cannot be shared by as many processes as it asks for,
        or no agent can be started (the job waits then).
    """
    stage = get(request.stage)
    if request.executor == "slurm":
        check_cluster(project, request.profile)
    else:
        check_processes(stage, request.profile)
    if stage.scope == "sample":
        request = for_sample(project, request)
    own = [target.parameters for target in request.targets if target.parameters]
    if len(own) < len(request.targets):
        own.append({})
    for values in own:
        stage.validate({**request.parameters, **values})
    job = project.submit(request)
    if start_agent:
        ensure_agent(project.folder)
    return job
