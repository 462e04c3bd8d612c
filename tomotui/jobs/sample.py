"""A project with the sample tilt series, and the jobs that make a tomogram of it."""

from __future__ import annotations

from pathlib import Path

from tomotui.project import Project, ProjectError
from tomotui.project.database import FILE_NAME
from tomotui.records import JobRequest, Status, Target

NAME = "00254"
STACK = "empiar_10499_00254.mrc"

_PLAN: tuple[tuple[str, dict[str, object]], ...] = (
    ("import", {"dataset": "EMPIAR-10499"}),
    ("align", {}),
    ("reconstruct", {"voxel_size_angstrom": 20.0}),
)


def begin_sample(place: Path, *, start_agent: bool = True) -> int:
    """Make the project and queue its three stages, or go on with it where it was left.

    Returns
    -------
    The number of its last job.

    Raises
    ------
    ProjectError
        The folder holds another project, or the sample data are missing.
    """
    if (place / FILE_NAME).exists():
        return _go_on(place, start_agent)
    from tomotui.jobs import ensure_agent, submit
    from tomotui.resources import sample_data_folder

    stack = sample_data_folder() / STACK
    if not stack.is_file():
        raise ProjectError(f"{stack} is missing.", "Install tomotui again.")
    last = 0
    with Project.create(place, "first light") as project:
        for stage, parameters in _PLAN:
            own = {"stack": str(stack)} if stage == "import" else {}
            request = JobRequest(
                stage=stage,
                parameters=parameters,
                targets=(Target(name=NAME, parameters=own),),
                after=(last,) if last else (),
            )
            last = submit(project, request, start_agent=False).id
    if start_agent:
        ensure_agent(place)
    return last


def _go_on(place: Path, start_agent: bool) -> int:
    from tomotui.jobs import ensure_agent

    with Project.open(place) as project:
        jobs = project.jobs()
        if not jobs or NAME not in {name for job in jobs for name in job.targets}:
            raise ProjectError(
                f"{place} holds another project.", "Give the sample a folder of its own."
            )
        for job in jobs:
            if job.status.is_finished and job.status is not Status.DONE:
                project.retry(job.id)
        if start_agent and not all(job.status.is_finished for job in project.jobs()):
            ensure_agent(place)
        return max(job.id for job in jobs)
