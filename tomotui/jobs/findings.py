"""What a task has found, as plain values by name: what conditions of recipes ask about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, get_args, get_origin

from tomotui.jobs.condition import Scalar
from tomotui.project import Project
from tomotui.records import AnyRecord, Record, Status

_NO_FINDING = ("uid", "kind", "name", "checksum")


def found_by(project: Project, job_id: int, target: str) -> dict[str, Scalar]:
    """Return what the task of a job found for a target: fields of records, then metrics.

    A job that is one task for all targets has found it for each.
    """
    every = project.tasks(job_id)
    mine = [task for task in every if task.target == target] or every[: len(every) == 1]
    tasks = [task for task in mine if task.status == Status.DONE]
    if not tasks:
        return {}
    found: dict[str, Scalar] = {}
    metrics = project.metrics(job_id, tasks[0].target)
    for name, values in metrics.items():
        found[name] = max(values, key=lambda metric: metric.at).value
    for record in reversed(project.made_by(tasks[0].id)):
        found.update(values_of(record))
    return found


def values_of(record: AnyRecord) -> dict[str, Scalar]:
    """Return the plain values of a record, and ``n_`` with a name for how many of it there are."""
    found: dict[str, Scalar] = {}
    for name in _names_of(type(record)):
        if hasattr(record, name):
            value = getattr(record, name)
        else:
            value = getattr(record, name.removeprefix("n_"))
        if isinstance(value, list | tuple | dict):
            found[name] = len(value)
        elif isinstance(value, float) and not math.isfinite(value):
            found[name] = None
        elif value is None or isinstance(value, float | int | str | bool):
            found[name] = value
    return found


def names_in_records(kinds: Sequence[str]) -> list[str]:
    """Return the names that conditions may ask about in records of some kinds."""
    by_kind = {model.model_fields["kind"].default: model for model in _models()}
    return [name for kind in kinds if kind in by_kind for name in _names_of(by_kind[kind])]


def _models() -> list[type[Record]]:
    union = get_args(AnyRecord)[0]
    return list(get_args(union))


@cache
def _names_of(model: type[Any]) -> tuple[str, ...]:
    """Return the names of plain fields and properties of a kind of record, and of counts."""
    names = []
    for name, info in model.model_fields.items():
        is_several = get_origin(info.annotation) in (tuple, list, dict)
        if name not in _NO_FINDING and not name.endswith(("_uid", "_path")):
            names.append(f"n_{name}" if is_several else name)
    for name, attribute in vars(model).items():
        if isinstance(attribute, property):
            names.append(f"n_{name}" if "tuple" in _annotation_of(attribute) else name)
    return tuple(dict.fromkeys(names))


def _annotation_of(attribute: property) -> str:
    return str(getattr(attribute.fget, "__annotations__", {}).get("return", ""))
