"""A real scheduler: ``.ci/slurm`` sets one up, and ``pytest -m slurm -n 0`` runs these."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tomotui.jobs import agent_status, submit
from tomotui.jobs.specification import WORKER_FILE, WorkerInfo
from tomotui.project import Project
from tomotui.records import Job, JobRequest, Status, Target

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(280)]
OWN_CONF = Path(os.environ.get("TOMOTUI_SLURM_HOME", "/tmp/tomotui-slurm")) / "slurm.conf"
PATIENCE_SECONDS = 200.0
NAMES = ("a", "b", "c", "d")


@pytest.fixture(autouse=True)
def scheduler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if shutil.which("sbatch") is None:
        pytest.skip("there is no SLURM here (sbatch is not found); see .ci/slurm")
    if "SLURM_CONF" not in os.environ and OWN_CONF.is_file():
        monkeypatch.setenv("SLURM_CONF", str(OWN_CONF))
    asked = subprocess.run(["squeue", "-h"], capture_output=True, text=True, timeout=30)
    if asked.returncode:
        pytest.skip(f"SLURM does not answer ({asked.stderr.strip()}); start it: .ci/slurm")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def project(tmp_path: Path, fake_stages: None, scheduler: None) -> Project:
    """A project in a folder whose name SLURM and the shell would read their own way."""
    folder = tmp_path / "a %j 'project'"
    made = Project.create(folder)
    (folder / "cluster.toml").write_text(
        "[profiles.small]\ncpus = 1\nmemory = 200\ntime = 5\narray_limit = 4\n"
        "[profiles.closed]\nmemory = 200\npartition = 'closed'\n"
        "[profiles.pair]\nmemory = 200\ntime = 5\npartition = 'pair'\nnodes = 2\n"
    )
    start_agent(made)
    yield made
    for job in made.jobs():
        made.request_cancel(job.id)
    wait_until(lambda: not made.active_tasks(), "for the end of what was left")
    end_agent(made, signal.SIGTERM)
    made.close()


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain {what}"
        time.sleep(0.1)


def start_agent(project: Project) -> None:
    """Start an agent that looks at the queue more often than others do."""
    words = "import sys; from tomotui.jobs.agent import run_agent; "
    words += "from tomotui.jobs.settings import AgentSettings; "
    words += "run_agent(sys.argv[1], AgentSettings(slurm_interval=1.0))"
    with open(project.folder / "agent.log", "ab") as log:
        subprocess.Popen(
            [sys.executable, "-c", words, str(project.folder)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    wait_until(lambda: agent_status(project.folder).is_alive, "for an agent")


def end_agent(project: Project, number: int) -> None:
    status = agent_status(project.folder)
    if status.is_alive:
        assert status.info is not None
        os.kill(status.info.process.pid, number)
        wait_until(lambda: not agent_status(project.folder).is_alive, "for the agent's end")


def send(project: Project, *names: str, profile: str = "small") -> Job:
    return submit(
        project,
        JobRequest(
            stage="fake",
            targets=tuple(Target(name=name) for name in names),
            parameters={"act": "wait"},
            executor="slurm",
            profile=profile,
        ),
    )


def wait_for(project: Project, job: Job, status: Status, *names: str) -> None:
    def is_there(name: str) -> bool:
        task = project.task(job.id, name)
        assert task.status == status or not task.status.is_finished, task
        return task.status == status

    for name in names:
        wait_until(lambda name=name: is_there(name), f"for {name} to be {status}")


def worker(project: Project, job: Job, name: str) -> WorkerInfo:
    path = project.folder / project.task(job.id, name).folder / WORKER_FILE
    return WorkerInfo.model_validate_json(path.read_text())


def test_an_array_survives_a_killed_task_and_a_killed_agent(project: Project) -> None:
    job = send(project, *NAMES)
    wait_for(project, job, Status.RUNNING, *NAMES)
    assert len({project.task(job.id, name).device.split("_")[0] for name in NAMES}) == 1

    end_agent(project, signal.SIGKILL)
    os.kill(worker(project, job, "b").supervisor.pid, signal.SIGKILL)
    (project.folder / "go-c").touch()
    start_agent(project)
    wait_for(project, job, Status.DONE, "c")
    wait_until(lambda: project.task(job.id, "b").attempt == 2, "for b to be tried again")
    for name in NAMES:
        (project.folder / f"go-{name}").touch()
    wait_for(project, job, Status.DONE, *NAMES)
    assert [project.task(job.id, name).attempt for name in NAMES] == [1, 2, 1, 1]


def test_cancelling_ends_what_runs_and_what_waits(project: Project) -> None:
    waiting = send(project, "c", profile="closed")
    wait_until(
        lambda: "pending (PartitionDown)" in project.task(waiting.id, "c").message, "for its reason"
    )
    running = send(project, "a", "b")
    wait_for(project, running, Status.RUNNING, "a", "b")
    project.request_cancel(running.id, "a")
    project.request_cancel(waiting.id)
    (project.folder / "go-b").touch()
    wait_for(project, running, Status.CANCELLED, "a")
    wait_for(project, waiting, Status.CANCELLED, "c")
    wait_for(project, running, Status.DONE, "b")


def test_a_task_that_slurm_puts_back_goes_on(project: Project) -> None:
    job = send(project, "a")
    wait_for(project, job, Status.RUNNING, "a")
    number = project.task(job.id, "a").device.split()[1]
    subprocess.run(["scontrol", "requeue", number], check=True, timeout=30)
    wait_for(project, job, Status.STARTING, "a")
    assert "pending" in project.task(job.id, "a").message or "SLURM" in str(
        project.events(job.id, "a")
    )
    (project.folder / "go-a").touch()
    # SLURM lets what it has put back wait for up to two minutes, unless it is told not to.
    wish = ["scontrol", "update", f"JobId={number}", "StartTime=now"]
    subprocess.run(wish, check=True, timeout=30)
    wait_for(project, job, Status.DONE, "a")
    assert project.task(job.id, "a").attempt == 1


def test_two_nodes_share_a_task(project: Project) -> None:
    targets = (Target(name="all"),)
    wish = JobRequest(stage="together", targets=targets, executor="slurm", profile="pair")
    job = submit(project, wish)
    wait_for(project, job, Status.DONE, "all")
    assert project.task(job.id, "all").summary == "3 of 2, 1 threads"
