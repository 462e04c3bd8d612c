"""From a waiting task to a task folder that a worker can work on."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tomotui import __version__
from tomotui.jobs.files import write_model
from tomotui.jobs.specification import (
    CANCEL_FILE,
    EXIT_FILE,
    HEARTBEAT_FILE,
    JOB_FILE,
    PARTICLES_FILE,
    RESULT_FILE,
    TASK_FILE,
    WORKER_FILE,
    JobSpecification,
    TaskSpecification,
)
from tomotui.project import InputWish, Project
from tomotui.records import Job, Task
from tomotui.stages.base import Stage


def specify(
    project: Project,
    task: Task,
    stage: Stage,
    *,
    gpu: str,
    threads: int,
    processes: int = 1,
    heartbeat_seconds: float,
    kill_after_seconds: float,
) -> TaskSpecification:
    """Gather all that one attempt at a task needs.

    Raises
    ------
    MissingInput
        When the project lacks a record that the stage takes.
    ParameterError
        When the stage does not accept the parameters.
    """
    parameters = stage.validate(task.parameters)
    wish = wish_of(stage, task.parameters)
    return TaskSpecification(
        job_id=task.job_id,
        stage=task.stage,
        target=task.target,
        attempt=task.attempt,
        parameters=parameters.model_dump(mode="json"),
        inputs=project.resolve_inputs(stage.takes, stage.optional, task.target, wish),
        has_particles=stage.takes_particles,
        gpu=gpu,
        threads=threads,
        processes=processes,
        project_folder=project.folder,
        heartbeat_seconds=heartbeat_seconds,
        kill_after_seconds=kill_after_seconds,
        version=__version__,
    )


def wish_of(stage: Stage, parameters: Mapping[str, Any]) -> InputWish:
    """Return what a stage and its parameters ask of the records it works on."""
    return InputWish(
        of_series=tuple(parameters.get("series", ())) if stage.scope == "sample" else None,
        restored=stage.takes_restored,
        network=str(parameters.get("network") or ""),
        network_purpose=stage.uses_network,
        sets=tuple(parameters.get("particles") or ()) if stage.takes_particles else None,
        references=_words(parameters.get("reference")),
        landscape=str(parameters.get("landscape") or ""),
    )


def _words(value: Any) -> tuple[str, ...]:
    """Return the words of a parameter that takes one or several."""
    return (value,) if isinstance(value, str) and value else tuple(value or ())


def write_job_file(folder: Path, job: Job, overrides: Mapping[str, dict[str, Any]]) -> None:
    """Write ``job.json`` when it is not there; it is never changed.

    Parameters
    ----------
    overrides
        By target the parameters in which it differs from the job.
    """
    path = folder / JOB_FILE
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    fields = job.model_dump(include=set(JobSpecification.model_fields) - {"version"})
    made = JobSpecification(**fields, overrides=dict(overrides), version=__version__)
    write_model(path, made)


def write_task_folder(
    folder: Path, specification: TaskSpecification, project: Project, durable: bool = True
) -> None:
    """Write ``task.json`` and put away what an earlier attempt has left.

    The particles to work on are written beside it, as they are now.

    Events, log, outputs and checkpoints stay: a retry goes on from them. The earlier attempt's
    result and end are kept under names that bear its number.

    Parameters
    ----------
    durable
        Wait until the disk has ``task.json``; for hundreds of tasks at once that takes long.

    Raises
    ------
    OSError
        When the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = specification.attempt - 1
    for name in (RESULT_FILE, EXIT_FILE):
        path = folder / name
        with contextlib.suppress(FileNotFoundError):
            path.rename(path.with_stem(f"{path.stem}-attempt-{before}"))
    for name in (WORKER_FILE, HEARTBEAT_FILE, CANCEL_FILE):
        (folder / name).unlink(missing_ok=True)
    if specification.has_particles:
        sets = [one.uid for one in specification.inputs.get("particle_set", ())]
        unfinished = folder / f".partial-{PARTICLES_FILE}"
        project.particle_table(sets).write(unfinished)
        unfinished.replace(folder / PARTICLES_FILE)
    write_model(folder / TASK_FILE, specification, durable)
