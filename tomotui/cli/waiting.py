"""Waiting for a job in the foreground, with its progress on the terminal."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

from tomotui.cli.errors import WorkFailed
from tomotui.cli.options import one_line, print_json
from tomotui.project import Project
from tomotui.records import Job, Status, Task

POLL_SECONDS = 0.25
AGENT_LOOK_SECONDS = 2.0
MOST_AGENTS = 3


def job_json(project: Project, job: Job) -> dict[str, Any]:
    """Return a job with its tasks, for scripts."""
    tasks = [task.model_dump(mode="json") for task in project.tasks(job.id)]
    return {**job.model_dump(mode="json"), "tasks": tasks}


def follow_submission(project: Project, job: Job, words: str, wait: bool, json: bool) -> int:
    """Tell of a job that was submitted, and wait for its end when that is wished.

    Returns
    -------
    int
        Exit code: 0 when every task was done or nobody waited, 1 otherwise.
    """
    if not json:
        print(f"job {job.id}: {words}", flush=True)
    code = wait_for_job(project, job.id, quiet=json) if wait else 0
    if json:
        print_json(job_json(project, project.job(job.id)))
    return code


def wait_for_job(project: Project, job_id: int, quiet: bool = False) -> int:
    """Wait until a job has ended; interrupting stops the waiting and not the job.

    An agent that has been killed meanwhile is followed by another.

    Returns
    -------
    int
        Exit code: 0 when every task was done, 1 otherwise, 130 when interrupted.

    Raises
    ------
    WorkFailed
        When one agent after the other ends.
    """
    printer = _Printer(quiet)
    guard = _AgentGuard(project.folder)
    version = -1
    try:
        while True:
            now = project.data_version()
            if now != version:
                version = now
                printer.show(project.tasks(job_id))
                if project.job(job_id).status.is_finished:
                    break
            guard.look()
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        again = f"tomotui logs {job_id} --follow -p {project.folder}"
        print(f"\nthe job goes on; see it with: {again}", file=sys.stderr)
        return 130
    tasks = project.tasks(job_id)
    # They may have ended after they were looked at, and before the job was.
    printer.show(tasks)
    failed = [task for task in tasks if task.status is not Status.DONE]
    if failed:
        print(
            f"job {job_id}: {len(failed)} of {len(tasks)} tasks did not succeed; see "
            f"tomotui logs {job_id}, and run them again with tomotui retry {job_id}",
            file=sys.stderr,
        )
    return 1 if failed else 0


class _AgentGuard:
    """Sees to it that somebody looks after the project while one waits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looked_at = time.monotonic()
        self._started = 0

    def look(self) -> None:
        from tomotui.jobs import agent_status, ensure_agent

        if time.monotonic() - self._looked_at < AGENT_LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        if agent_status(self._folder).is_alive:
            return
        if self._started == MOST_AGENTS:
            raise WorkFailed(
                f"the agent of {self._folder} ended {MOST_AGENTS} times; "
                f"see {self._folder / 'agent.log'}. The job stays in the queue."
            )
        self._started += 1
        print("the agent has ended; another takes over", file=sys.stderr)
        ensure_agent(self._folder)


_NUMBER = re.compile(r"[0-9][0-9.,]*")


class _Printer:
    """Prints one line when a task's stage of work changes, so that logs stay short.

    Parameters
    ----------
    quiet
        Only what went wrong.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._said: dict[int, tuple[str, str, int]] = {}

    def show(self, tasks: list[Task]) -> None:
        for task in tasks:
            step = task.message
            runs = task.status is Status.RUNNING
            # A count that goes on is told a few times, a new kind of work at once.
            words = _NUMBER.sub("#", step) if runs else ""
            tenth = int(10 * task.progress) if runs and words != step else 0
            state = (task.status.value, words, tenth)
            if self._said.get(task.id) == state:
                continue
            self._said[task.id] = state
            self._tell(task, step)

    def _tell(self, task: Task, step: str) -> None:
        name = f"{task.stage} {task.target}"
        if task.status is Status.DONE and not self._quiet:
            print(f"{name} {task.status}: {one_line(task.summary)}", flush=True)
        elif task.status is Status.RUNNING and step and not self._quiet:
            print(f"{name} {task.progress:4.0%}  {one_line(step)}", flush=True)
        elif task.status.is_finished and task.status is not Status.DONE:
            reason = one_line(task.error or task.message)
            print(f"{name} {task.status}: {reason}", file=sys.stderr, flush=True)
