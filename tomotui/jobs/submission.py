"""Submitting a job: checked by its stage, put into the queue, and looked after."""

from __future__ import annotations

from tomotui.jobs.presence import ensure_agent
from tomotui.project import Project, ProjectError
from tomotui.records import Job, JobRequest
from tomotui.stages import get


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
        When the project refuses the job, or no agent can be started (the job waits then).
    """
    stage = get(request.stage)
    if request.executor != "local":
        raise ProjectError(
            f"the executor {request.executor} is not available here.", "Use the executor local."
        )
    own = [target.parameters for target in request.targets if target.parameters]
    if len(own) < len(request.targets):
        own.append({})
    for values in own:
        stage.validate({**request.parameters, **values})
    job = project.submit(request)
    if start_agent:
        ensure_agent(project.folder)
    return job
