"""Simulated tilt series through a real SLURM cluster: align and reconstruct as arrays.

    .ci/slurm
    SLURM_CONF=/tmp/tomotui-slurm/slurm.conf .venv/bin/python tests/benchmarks/slurm_run.py WORK

Meanwhile two tasks are killed without warning, and so is the agent; the figures say what it cost,
and whether everything was done in the end.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tomotui.jobs import agent_status, ensure_agent, submit
from tomotui.jobs.specification import WORKER_FILE, WorkerInfo
from tomotui.project import Project
from tomotui.records import Job, JobRequest, Status, Target, Task
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation

ALIGN = {"tilt_axis_deg": 85.0, "axis_range_deg": 4.0, "thickness_angstrom": 800.0, "rounds": 1,
         "n_landmarks": 12, "local": "off"}  # fmt: skip
PROFILE = "[profiles.bench]\ncpus = 1\nmemory = 900\ntime = 30\narray_limit = {limit}\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("work", type=Path, help="an empty folder on a file system of all nodes")
    parser.add_argument("--series", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=2, help="tasks of an array at once")
    parser.add_argument("--minutes", type=float, default=20.0, help="give up after so long")
    wanted = parser.parse_args()
    deadline = time.monotonic() + 60 * wanted.minutes
    with Project.create(wanted.work / "project") as project:
        (project.folder / "cluster.toml").write_text(PROFILE.format(limit=wanted.at_once))
        began = time.monotonic()
        names = simulate_and_import(project, wanted.work, wanted.series)
        print(f"{len(names)} series simulated and imported in {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        targets = tuple(Target(name=name) for name in names)
        align = submit(project, wish("align", targets, parameters=ALIGN))
        reconstruct = submit(project, wish("reconstruct", targets, after=(align.id,)))
        killed = [kill_one(project, align, deadline)]
        kill_agent(project)
        killed.append(kill_one(project, reconstruct, deadline))
        wait(lambda: project.job(reconstruct.id).status.is_finished, deadline)
        report(project, (align, reconstruct), killed, time.monotonic() - began)
        return 0 if project.job(reconstruct.id).status == Status.DONE else 1


def wish(stage: str, targets: tuple[Target, ...], **more: object) -> JobRequest:
    return JobRequest(stage=stage, targets=targets, executor="slurm", profile="bench", **more)


def simulate_and_import(project: Project, work: Path, n_series: int) -> list[str]:
    """Make the series and take them into the project, on this machine."""
    names = [f"ts_{number:02d}" for number in range(1, n_series + 1)]
    for seed, name in enumerate(names, 1):
        wanted = SimulationParameters(
            name=name, seed=seed, size_px=96, pixel_size_angstrom=20.0, thickness_angstrom=800.0,
            tilt_step_deg=8.0, n_particles=10, n_gold=6, n_vesicles=0, truth_binning=0,
        )  # fmt: skip
        write_simulation(simulate_tilt_series(wanted), work / name)
    stacks = [work / name / f"{name}.mrc" for name in names]
    subprocess.run(
        [sys.executable, "-m", "tomotui", "import", *stacks, "--wait", "-p", project.folder],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return names


def kill_one(project: Project, job: Job, deadline: float) -> str:
    """End the worker of a task that has begun, as a lack of memory would."""

    def working() -> list[Task]:
        if (now := project.job(job.id)).status.is_finished:
            sys.exit(f"{now.name} has ended too early: {now.status} {now.error}")
        return [task for task in project.tasks(job.id) if is_at_work(project, task)]

    wait(working, deadline)
    task = working()[0]
    path = project.folder / task.folder / WORKER_FILE
    worker = WorkerInfo.model_validate_json(path.read_text())
    os.kill(worker.supervisor.pid, signal.SIGKILL)
    return f"{job.stage} of {task.target} ({task.device})"


def is_at_work(project: Project, task: Task) -> bool:
    folder = project.folder / task.folder
    return task.status == Status.RUNNING and not (folder / "result.json").exists()


def kill_agent(project: Project) -> None:
    """End the agent without warning and start another."""
    info = agent_status(project.folder).info
    assert info is not None
    os.kill(info.process.pid, signal.SIGKILL)
    while agent_status(project.folder).is_alive:
        time.sleep(0.05)
    ensure_agent(project.folder)


def wait(condition: Callable[[], object], deadline: float) -> None:
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("it took too long")
        time.sleep(0.1)


def report(project: Project, jobs: tuple[Job, ...], killed: list[str], seconds: float) -> None:
    print(f"killed without warning: {', '.join(killed)}, and the agent once")
    for job in jobs:
        now, tasks = project.job(job.id), project.tasks(job.id)
        arrays = {task.device.split()[-1].split("_")[0] for task in tasks}
        done = sum(task.status == Status.DONE for task in tasks)
        retried = [task.target for task in tasks if task.attempt > 1]
        twice = ", ".join(retried) or "none"
        took = (now.finished_at or 0.0) - (now.started_at or 0.0)
        print(
            f"{job.stage:<12} {now.status}: {done} of {len(tasks)} tasks done in {took:.0f} s, "
            f"last in {len(arrays)} arrays; tried twice: {twice}"
        )
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"all together {seconds:.0f} s; load of the machine {load}")


if __name__ == "__main__":
    sys.exit(main())
