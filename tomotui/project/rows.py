"""From rows of the project file to the records that the program speaks of."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from tomotui.project.database import Row
from tomotui.records import Event, Job, Metric, RecipeStep, Status, Task

_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")

JOB_COLUMNS = (
    "id", "stage", "status", "executor", "profile", "label", "folder", "progress", "created_at",
    "started_at", "finished_at", "error", "version",
)  # fmt: skip
TASK_COLUMNS = (
    "id", "job_id", "stage", "target", "status", "attempt", "folder", "progress", "eta_seconds",
    "message", "error", "device", "host", "pid", "started_at", "finished_at", "heartbeat_at",
    "event_offset", "summary",
)  # fmt: skip


def job_of(row: Row, targets: Sequence[str], after: Mapping[int, bool]) -> Job:
    """Return the job of a row; ``after`` tells of each job before it whether it is optional."""
    values = {name: row[name] for name in JOB_COLUMNS}
    return Job(
        **values,
        parameters=json.loads(row["parameters"]),
        targets=tuple(targets),
        after=tuple(after),
        optional_after=tuple(job_id for job_id, optional in after.items() if optional),
        step=RecipeStep.model_validate_json(row["step"]) if row["step"] else None,
    )


def task_of(row: Row, parameters: Mapping[str, object]) -> Task:
    """Return the task of a row, whose parameters were read already."""
    values = {name: row[name] for name in TASK_COLUMNS}
    return Task(
        **values,
        parameters=dict(parameters),
        cancel_requested=bool(row["cancel_requested"]),
    )


def event_of(row: Row) -> Event:
    """Return the event of a row."""
    return Event(
        kind=row["kind"],
        at=row["at"],
        attempt=row["attempt"],
        message=row["message"],
        data=json.loads(row["data"]),
    )


def metric_of(row: Row) -> Metric:
    """Return the metric of a row."""
    return Metric(**{name: row[name] for name in ("name", "value", "step", "unit", "at")})


def folder_name(target: str) -> str:
    """Return a folder name for a target: the target itself where the file system allows it.

    Names that would have to be changed get a digest of the original, so that two of them never
    share a folder.
    """
    safe = _UNSAFE.sub("_", target).strip(".")[:100]
    if safe == target:
        return target
    return f"{safe or 'target'}-{hashlib.sha256(target.encode()).hexdigest()[:8]}"


def job_status(counts: Mapping[Status, int]) -> Status:
    """Return the status of a job whose tasks have these states.

    A job runs while any of its tasks may still change, and has failed when all are finished and
    any of them has.
    """
    unfinished = {status: n for status, n in counts.items() if n and not status.is_finished}
    if unfinished:
        return (
            Status.QUEUED
            if sum(counts.values()) == unfinished.get(Status.QUEUED)
            else (Status.RUNNING)
        )
    for status in (Status.FAILED, Status.LOST, Status.CANCELLED, Status.SKIPPED):
        if counts.get(status):
            return status
    return Status.DONE
