"""``status --watch``: one line for each change, for logs and for screen readers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from tomotui.cli.options import one_line
from tomotui.project import Project

POLL_SECONDS = 0.25
AGENT_LOOK_SECONDS = 2.0
PROGRESS_STEP = 0.1


class _Seen(NamedTuple):
    """What was last said of a cell."""

    job_id: int | None
    status: str
    tenth: int


def watch_project(project: Project, as_json: bool) -> int:
    """Print the present state and then every change, until interrupted."""
    seen: dict[tuple[str, str], _Seen] = {}
    agent_words, agent_at, version = "", float("-inf"), -1
    try:
        while True:
            if time.monotonic() - agent_at >= AGENT_LOOK_SECONDS:
                agent_at = time.monotonic()
                agent_words = _tell_agent(project, agent_words, as_json)
            now = project.data_version()
            if now != version:
                version = now
                for change in _changes(project, seen):
                    _say(change, as_json)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return 0


def _changes(project: Project, seen: dict[tuple[str, str], _Seen]) -> Iterator[dict[str, Any]]:
    """Yield what differs from what was said, and remember it; progress counts in tenths."""
    for row in project.matrix():
        for stage, cell in row.cells.items():
            state = _Seen(cell.job_id, cell.status.value, int(cell.progress / PROGRESS_STEP))
            if seen.get((row.name, stage)) == state:
                continue
            seen[row.name, stage] = state
            yield {
                "series": row.name,
                "stage": stage,
                "status": cell.status.value,
                "progress": cell.progress,
                "text": one_line(cell.text),
                "job": cell.job_id,
            }


def _tell_agent(project: Project, before: str, as_json: bool) -> str:
    from tomotui.jobs import agent_status

    agent = agent_status(project.folder)
    if agent.words != before:
        _say({"agent": agent.is_alive, "text": agent.words}, as_json)
    return agent.words


def _say(change: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"at": time.time(), **change}), flush=True)
        return
    clock = time.strftime("%H:%M:%S")
    if "stage" not in change:
        print(f"{clock}  {change['text']}", flush=True)
        return
    share = f" {change['progress']:.0%}" if change["status"] == "running" else ""
    words = f"{change['stage']} {change['series']} {change['status']}{share}"
    print(f"{clock}  {words}  {change['text']}".rstrip(), flush=True)
