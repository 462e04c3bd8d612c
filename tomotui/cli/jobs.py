"""Running stages and looking after jobs."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tomotui.cli.assignments import parse_assignments
from tomotui.cli.errors import WrongWords
from tomotui.cli.options import (
    JsonOption,
    OnOption,
    ProjectOption,
    SetOption,
    WaitOption,
    chosen_tasks,
    known_job,
    matching,
    open_project,
    print_json,
    print_table,
)
from tomotui.cli.waiting import follow_submission, job_json
from tomotui.cli.where import check_where
from tomotui.project import Project
from tomotui.records import Job, JobRequest, Target, Task


def run(
    stage: str,
    /,
    *,
    project: ProjectOption = None,
    on: OnOption = None,
    set_: SetOption = None,
    after: Annotated[list[int] | None, Parameter(consume_multiple=True)] = None,
    where: Annotated[str | None, Parameter(name=["--where", "--executor"])] = None,
    profile: str | None = None,
    processes: int | None = None,
    label: str = "",
    wait: WaitOption = False,
    json: JsonOption = False,
) -> int:
    """Run a stage on tilt series as a background job.

    Example: `tomotui run align --on ts_01 ts_02 --set thickness_angstrom=3000 --wait`

    Parameters
    ----------
    stage
        Name of the stage; `tomotui stages` lists them.
    project
        Project folder; the present one by default.
    on
        Tilt series by name or pattern (quote it: 'ts_*'); all by default.
    set_
        Parameters as key=value; `tomotui stages STAGE` lists them.
    after
        Numbers of jobs to wait for; their tilt series can be named before they are there.
    where
        Where to run: local or slurm; as the last job of the stage by default.
    profile
        What to ask of SLURM; `tomotui cluster profiles` lists them.
    processes
        So many processes of this machine share the work of one task, each on a GPU of its own
        where there are some; as the last job of the stage by default. Trainings, refinements and
        searches can be shared.
    label
        A note of your own.
    wait
        Wait until the job has ended; the exit code tells whether it was done.
    json
        Print the job as JSON, after the waiting when there is any.
    """
    from tomotui.jobs import submit
    from tomotui.stages import ENTRANCES, get

    fields = get(stage).parameters_type.model_fields
    if stage in ENTRANCES:
        given = "STACK..." if stage == "import" else "MDOC... [--frames FOLDER]"
        raise WrongWords(f"tilt series are imported with: tomotui import {given}")
    check_where(where, profile)
    if processes is not None and processes < 1:
        raise WrongWords(f"--processes {processes}: give 1 or more")
    if processes is not None and (where == "slurm" or profile):
        raise WrongWords(
            "--processes is for this machine; for SLURM write nodes, gpus or processes into the "
            "profile, in cluster.toml"
        )
    parameters = parse_assignments(set_ or [], fields)
    with open_project(project) as opened:
        names = _targets(opened, on or [], after or [])
        request = JobRequest(
            stage=stage,
            parameters=parameters,
            targets=tuple(Target(name=name) for name in names),
            after=tuple(after or ()),
            **_place(opened, stage, where, profile, processes),
            label=label,
        )
        job = submit(opened, request)
        words = f"{job.stage} on {len(names)} tilt series{_through(job)}"
        return follow_submission(opened, job, words, wait, json)


def _through(job: Job) -> str:
    """Say when a job does not run on this machine, or several processes share it."""
    if job.executor == "local":
        return f" with {job.profile}" if job.profile else ""
    return f" through {job.executor}{f', profile {job.profile}' if job.profile else ''}"


def _place(
    project: Project, stage: str, where: str | None, profile: str | None, processes: int | None
) -> dict[str, str]:
    """Return where to run: as it is said, and otherwise where the stage ran last."""
    from tomotui.jobs.processes import profile_of

    if processes is not None:
        return {"executor": "local", "profile": profile_of(processes)}
    before = project.last_place(stage)
    executor = where or ("slurm" if profile else before.executor)
    if executor == "local" and where is not None:
        return {"executor": executor}
    kept = before.profile if before.executor == executor else ""
    return {"executor": executor, "profile": kept if profile is None else profile}


def _targets(project: Project, patterns: list[str], after: list[int]) -> list[str]:
    """Return the names of the series, also those that an earlier job is about to make."""
    coming = [name for number in after for name in known_job(project, number).targets]
    known = [*(series.name for series in project.tilt_series()), *coming]
    if not known:
        raise WrongWords("the project has no tilt series yet; import some: tomotui import STACK...")
    return matching(known, patterns, "tilt series")


def list_jobs(*, project: ProjectOption = None, json: JsonOption = False) -> int:
    """List the jobs of a project.

    Example: `tomotui jobs -p ~/data/cells`

    Parameters
    ----------
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    with open_project(project, read_only=True) as opened:
        jobs = opened.jobs()
        if json:
            print_json([job_json(opened, job) for job in jobs])
            return 0
        if not jobs:
            print("no jobs yet; start one with: tomotui run STAGE")
            return 0
        print_table(
            ["job", "stage", "targets", "status", "done", "time", "note"],
            [
                [
                    str(job.id),
                    job.stage,
                    ", ".join(job.targets[:3]) + (" ..." if len(job.targets) > 3 else ""),
                    job.status.value,
                    f"{job.progress:.0%}",
                    _duration(job),
                    job.error or _standing(opened, job),
                ]
                for job in jobs
            ],
        )
    return 0


def _standing(project: Project, job: Job) -> str:
    """Say how the tasks stand that SLURM has, such as ``slurm 1234_7 pending (Priority)``."""
    if job.executor == "local" or job.status.is_finished:
        return ""
    said = [
        task.message
        for task in project.tasks(job.id)
        if task.status.is_active and task.message.startswith("slurm")
    ]
    more = f" and {len(said) - 1} more" if len(said) > 1 else ""
    return f"{said[0]}{more}" if said else ""


def _duration(job: Job) -> str:
    if job.started_at is None:
        return "-"
    seconds = int((job.finished_at or time.time()) - job.started_at)
    return f"{seconds // 60}:{seconds % 60:02d}"


def logs(
    job: int,
    /,
    *,
    project: ProjectOption = None,
    on: OnOption = None,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"])] = False,
) -> int:
    """Print what the tasks of a job wrote.

    Example: `tomotui logs 3 --on ts_01 --follow`

    Parameters
    ----------
    job
        Number of the job.
    project
        Project folder; the present one by default.
    on
        Tilt series by name or pattern; all by default.
    follow
        Go on until the job has ended; Ctrl-C stops the looking and not the job.
    """
    with open_project(project, read_only=True) as opened:
        tasks = chosen_tasks(opened, job, on or [])
        offsets = dict.fromkeys((task.target for task in tasks), 0)
        several = len(tasks) > 1
        while True:
            finished = opened.job(job).status.is_finished
            for task in tasks:
                heading = f"== {task.stage} {task.target} ==" if several else ""
                offsets[task.target] = _print_from(opened, task, offsets[task.target], heading)
            if finished or not follow:
                return 0
            try:
                time.sleep(0.5)
            except KeyboardInterrupt:
                return 0


def _print_from(project: Project, task: Task, offset: int, heading: str) -> int:
    """Print what a log has from an offset on; return where it ends."""
    path = project.folder / task.folder / "log.txt"
    if not path.is_file():
        return offset
    with path.open("rb") as file:
        file.seek(offset)
        text = file.read()
    if text and heading:
        print(heading)
    sys.stdout.write(text.decode(errors="replace"))
    sys.stdout.flush()
    return offset + len(text)


def cancel(job: int, /, *, project: ProjectOption = None, on: OnOption = None) -> int:
    """Stop a job, or some of its tasks.

    Example: `tomotui cancel 3 --on ts_01`

    Parameters
    ----------
    job
        Number of the job.
    project
        Project folder; the present one by default.
    on
        Tilt series by name or pattern; all by default.
    """
    from tomotui.jobs import ensure_agent

    with open_project(project) as opened:
        tasks = chosen_tasks(opened, job, on or [])
        count = sum(opened.request_cancel(job, task.target) for task in tasks)
        if any(not opened.task(job, task.target).status.is_finished for task in tasks):
            # Without an agent nobody would end the processes that are still at work.
            ensure_agent(opened.folder)
        print(f"asked {_tasks(count)} of job {job} to stop" if count else "nothing was at work")
    return 0


def retry(
    job: int,
    /,
    *,
    project: ProjectOption = None,
    on: OnOption = None,
    wait: WaitOption = False,
) -> int:
    """Run the failed or cancelled tasks of a job again; they go on from their checkpoints.

    Example: `tomotui retry 3 --on 'ts_*' --wait`

    Parameters
    ----------
    job
        Number of the job.
    project
        Project folder; the present one by default.
    on
        Tilt series by name or pattern; all by default.
    wait
        Wait until the job has ended.
    """
    from tomotui.cli.waiting import wait_for_job
    from tomotui.jobs import ensure_agent

    with open_project(project) as opened:
        tasks = chosen_tasks(opened, job, on or [])
        count = sum(opened.retry(job, task.target) for task in tasks)
        if not count:
            print("nothing had failed")
            return 0
        ensure_agent(opened.folder)
        print(f"{_tasks(count)} of job {job} run again", flush=True)
        return wait_for_job(opened, job) if wait else 0


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def agent(
    *,
    project: ProjectOption = None,
    idle_seconds: float = 30.0,
    tasks_per_gpu: int | None = None,
) -> int:
    """Look after the jobs of a project in the foreground; submitting starts one by itself.

    Example: `tomotui agent -p ~/data/cells`

    Parameters
    ----------
    project
        Project folder; the present one by default.
    idle_seconds
        Leave when there was no work for so long.
    tasks_per_gpu
        Run so many tasks on each GPU at once, whatever they need. By default (or as
        TOMOTUI_TASKS_PER_GPU says) it is one, and more where the memory that such tasks have
        held before fits together.
    """
    import logging

    from tomotui.jobs import agent_status
    from tomotui.jobs.agent import run_agent
    from tomotui.jobs.settings import AgentSettings

    if not idle_seconds >= 0:
        raise WrongWords(f"--idle-seconds {idle_seconds:g}: give 0 or more")
    if tasks_per_gpu is not None and tasks_per_gpu < 1:
        raise WrongWords(f"--tasks-per-gpu {tasks_per_gpu}: give 1 or more")
    with open_project(project) as opened:
        folder: Path = opened.folder
    present = agent_status(folder)
    if present.is_alive:
        print(f"another agent is at work already: {present.words}")
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    print(f"looking after {folder}; Ctrl-C ends the agent, and jobs at work go on", flush=True)
    return run_agent(folder, AgentSettings(idle=idle_seconds, tasks_per_gpu=tasks_per_gpu))
