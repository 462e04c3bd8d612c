"""Making a project, looking at it, and listing the stages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tomotui.cli.options import (
    JsonOption,
    ProjectOption,
    open_project,
    print_json,
    print_table,
    refuse_spectators,
)
from tomotui.project import Project, StageRow
from tomotui.stages import all_stages, get
from tomotui.stages.base import Stage


def init(folder: Path, /, *, name: str = "") -> int:
    """Make a project in a folder.

    Example: `tomotui init ~/data/cells`

    Parameters
    ----------
    folder
        Where; it is made when it is not there.
    name
        Name of the project; that of the folder by default.
    """
    refuse_spectators()
    with Project.create(folder, name) as made:
        print(f"made the project {made.name} in {made.folder}")
        if made.is_on_shared_file_system:
            print("the file system is shared: open this project on one host at a time")
    return 0


def status(*, project: ProjectOption = None, watch: bool = False, json: JsonOption = False) -> int:
    """Show every tilt series with what was done to it, and the jobs at work.

    Example: `tomotui status -p ~/data/cells --watch`

    Parameters
    ----------
    project
        Project folder; the present one by default.
    watch
        Go on and print one line for each change, until Ctrl-C: for logs and screen readers.
    json
        Print JSON for scripts; with --watch one object a line.
    """
    from tomotui.jobs import agent_status

    with open_project(project, read_only=True) as opened:
        if watch:
            from tomotui.cli.watching import watch_project

            return watch_project(opened, json)
        rows = opened.stage_rows()
        jobs = [job for job in opened.jobs() if not job.status.is_finished]
        agent = agent_status(opened.folder)
        if json:
            print_json(_status_json(opened, rows, agent.is_alive))
            return 0
        print(f"{opened.name}  {opened.folder}")
        if rows:
            _print_matrix(rows)
        else:
            print("no tilt series yet; import some with: tomotui import STACK...")
        for job in jobs:
            print(f"job {job.id} {job.stage}: {job.status} {job.progress:.0%}")
        print(agent.words)
        if jobs and not agent.is_alive:
            print(f"nobody looks after these jobs; go on with: tomotui agent -p {opened.folder}")
    return 0


def _print_matrix(rows: Sequence[StageRow]) -> None:
    stages = [stage.name for stage in all_stages() if stage.scope == "series"]
    stages += sorted({name for row in rows for name in row.cells} - set(stages))
    table = [
        [row.name, row.dataset]
        + [
            f"{cell.status} {cell.text}" if (cell := row.cells.get(stage)) else "-"
            for stage in stages
        ]
        for row in rows
    ]
    print_table(["tilt series", "data set", *stages], table)


def _status_json(
    project: Project, rows: Sequence[StageRow], agent_is_alive: bool
) -> dict[str, Any]:
    return {
        "name": project.name,
        "folder": str(project.folder),
        "observed_at": time.time(),
        "agent": agent_is_alive,
        "series": [
            {
                "name": row.name,
                "dataset": row.dataset,
                "stages": {
                    stage: {
                        "status": cell.status,
                        "text": cell.text,
                        "progress": cell.progress,
                        "job": cell.job_id,
                    }
                    for stage, cell in row.cells.items()
                },
            }
            for row in rows
        ],
        "jobs": [job.model_dump(mode="json") for job in project.jobs()],
    }


def stages(name: str | None = None, /, *, json: JsonOption = False) -> int:
    """List the stages, or tell what one takes, gives and may be told.

    Example: `tomotui stages align`

    Parameters
    ----------
    name
        One stage; all by default.
    json
        Print JSON for scripts.
    """
    chosen = all_stages() if name is None else [get(name)]
    if json:
        print_json([_stage_json(stage) for stage in chosen])
        return 0
    if name is None:
        print_table(
            ["stage", "takes", "gives", "what it does"],
            [
                [s.name, ", ".join(s.takes) or "-", ", ".join(s.gives) or "-", s.summary]
                for s in chosen
            ],
        )
        return 0
    stage = chosen[0]
    print(f"{stage.name}: {stage.summary}")
    takes, gives = ", ".join(stage.takes) or "files", ", ".join(stage.gives) or "nothing"
    print(f"takes {takes}; gives {gives}")
    if stage.optional:
        print(f"uses when there is one: {', '.join(stage.optional)}")
    parameters = stage.describe()
    if not any(parameter.required for parameter in parameters):
        expected = stage.outlook(stage.validate({}))
        if expected:
            print(f"costs by default {expected}")
    for parameter in parameters:
        default = "required" if parameter.required else f"default {_shown(parameter.default)}"
        limits = " or ".join(parameter.choices) or parameter.limits
        facts = ", ".join(fact for fact in (parameter.unit, default, limits) if fact)
        print(f"  {parameter.name} ({facts})\n      {parameter.help}")
    return 0


def _shown(value: Any) -> str:
    return "auto" if value is None else str(value)


def _stage_json(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "title": stage.title,
        "summary": stage.summary,
        "takes": stage.takes,
        "optional": stage.optional,
        "gives": stage.gives,
        "parameters": stage.parameters_type.model_json_schema(),
    }
