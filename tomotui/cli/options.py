"""Options that several commands share, and how values become text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.project import Project, ProjectError
from tomotui.records import Job, Task, TiltSeries

ProjectOption = Annotated[Path | None, Parameter(name=["--project", "-p"])]
JsonOption = Annotated[bool, Parameter(name="--json")]
OnOption = Annotated[list[str] | None, Parameter(name="--on", consume_multiple=True)]
SetOption = Annotated[list[str] | None, Parameter(name="--set", consume_multiple=True)]
DecisionOption = Annotated[
    list[Literal["accepted", "rejected", "unsure", "undecided"]] | None,
    Parameter(name="--decision", consume_multiple=True),
]
WaitOption = Annotated[bool, Parameter(name="--wait")]

_WIDEST_CELL = 48


def open_project(folder: Path | None, read_only: bool = False) -> Project:
    """Open the project of a folder, by default the present one.

    Raises
    ------
    WorkFailed
        When it is to be changed and the environment asks to look only.
    """
    if not read_only:
        refuse_spectators()
    return Project.open(folder or Path.cwd(), read_only=read_only)


def refuse_spectators() -> None:
    """Refuse to change anything where ``TOMOTUI_READ_ONLY`` asks to look only.

    Raises
    ------
    WorkFailed
        When it does.
    """
    from tomotui.jobs.visitors import READ_ONLY_VARIABLE, wants_read_only

    if wants_read_only():
        raise WorkFailed(
            f"{READ_ONLY_VARIABLE} asks to look only, and this would change the project; "
            f"nothing was done (unset {READ_ONLY_VARIABLE} to work)"
        )


def print_json(value: Any) -> None:
    """Print a value for scripts."""
    print(json.dumps(value, indent=2, default=str))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print left-aligned columns under a header; long cells are cut, but for the last column."""
    table = [list(header), *([*map(_cut, row[:-1]), one_line(row[-1])] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def one_line(text: str) -> str:
    """Return a text without line breaks and runs of spaces."""
    return " ".join(text.split())


def _cut(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _WIDEST_CELL else line[: _WIDEST_CELL - 4].rstrip() + " ..."


def matching(known: Iterable[str], patterns: Sequence[str], what: str) -> list[str]:
    """Return the names that names or patterns (``ts_*``) mean; all without patterns.

    Raises
    ------
    WrongWords
        When a pattern means nothing, listing what there is.
    """
    names = list(dict.fromkeys(known))
    if not patterns:
        return names
    found: dict[str, None] = {}
    for pattern in patterns:
        # A name that holds brackets, such as ts[1], means itself first of all.
        hits = [pattern] if pattern in names else [n for n in names if fnmatchcase(n, pattern)]
        if not hits:
            there = ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")
            raise WrongWords(f"there is no {what} {pattern}; there are {there or 'none yet'}")
        found.update(dict.fromkeys(hits))
    return list(found)


def chosen_series(project: Project, patterns: Sequence[str]) -> list[TiltSeries]:
    """Return the series that names or patterns mean; all without any.

    Raises
    ------
    WrongWords
        When a pattern means nothing, listing what there is.
    """
    series = {one.name: one for one in project.tilt_series()}
    return [series[name] for name in matching(series, patterns, "tilt series")]


def known_job(project: Project, number: int) -> Job:
    """Return a job.

    Raises
    ------
    WrongWords
        When there is no such job.
    """
    try:
        return project.job(number)
    except ProjectError as error:
        known = [job.id for job in project.jobs()]
        if number in known:
            raise
        there = f"the last is {known[-1]}; see tomotui jobs" if known else "there are none yet"
        raise WrongWords(f"there is no job {number}; {there}") from error


def chosen_tasks(project: Project, number: int, patterns: Sequence[str]) -> list[Task]:
    """Return the tasks of a job whose targets are meant; all without patterns.

    Raises
    ------
    WrongWords
        When there is no such job, or a pattern means none of its targets.
    """
    known_job(project, number)
    tasks = {task.target: task for task in project.tasks(number)}
    return [tasks[name] for name in matching(tasks, patterns, f"target of job {number} called")]
