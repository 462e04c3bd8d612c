"""The end of a task: what it made goes into the project file, all of it or nothing."""

from __future__ import annotations

from tomotui.jobs.files import UnreadableFile
from tomotui.jobs.follow import Outcome
from tomotui.jobs.found import read_candidates, read_particles
from tomotui.project import Project, RefusedChange
from tomotui.records import Status, Task


def settle(project: Project, task: Task, outcome: Outcome) -> None:
    """Note how a task ended, with all that it made when it did what it should.

    A result that cannot be read, or that contradicts the project, is a failure of its task.
    """
    result = outcome.result
    try:
        if result is not None and outcome.status == Status.DONE:
            folder = project.folder / task.folder
            project.finish_task(
                task,
                outcome.status,
                summary=result.summary,
                records=result.records,
                particles=read_particles(folder, result),
                candidates=read_candidates(folder, result),
                parents=result.parents,
                metrics=result.metrics,
                version=result.version,
            )
        else:
            version = result.version if result is not None else ""
            project.finish_task(task, outcome.status, error=outcome.error, version=version)
    except (RefusedChange, UnreadableFile) as error:
        project.finish_task(task, Status.FAILED, error=f"its result: {error}")
