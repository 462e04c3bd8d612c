"""A project, an impatient agent in this process, and real workers that run fake stages."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tomotui.jobs.agent import Agent
from tomotui.jobs.liveness import kill_session, this_host
from tomotui.jobs.local import Slots
from tomotui.jobs.settings import AgentSettings
from tomotui.jobs.specification import WORKER_FILE, WorkerInfo
from tomotui.project import Project
from tomotui.records import Job, JobRequest, Status, Target, Task

HERE = Path(__file__).resolve().parent
DEADLINE_SECONDS = 60.0
STAGES = (
    "FakeStage",
    "NextStage",
    "MeasureStage",
    "WholeStage",
    "GreedyStage",
    "CrowdedStage",
    "TogetherStage",
    "BrokenRecordStage",
    "OrphanStage",
    "AverageStage",
    "StrayParticlesStage",
)
IMPATIENT = AgentSettings(
    idle=0.1,
    heartbeat=0.1,
    stall=60.0,
    start_grace=0.2,
    term_after=0.3,
    kill_after=0.5,
    linger=5.0,
)


def wait_until(condition: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain {what}"
        time.sleep(0.01)


@dataclass
class Bench:
    """A project with an agent that is driven step by step."""

    project: Project
    agent: Agent

    def request(
        self, stage: str, *names: str, after: tuple[int, ...] = (), **values: object
    ) -> Job:
        targets = tuple(Target(name=name) for name in names)
        return self.project.submit(
            JobRequest(stage=stage, targets=targets, parameters=values, after=after)
        )

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait without an agent."""
        wait_until(condition)

    def run_until(self, condition: Callable[[], object], what: str = "") -> None:
        def step() -> object:
            self.agent.step()
            return condition()

        wait_until(step, what)

    def run(self) -> None:
        """Go on until nothing is left to do."""
        wait_until(lambda: not self.agent.step(), "for the end of all tasks")

    def run_until_working(self, job: Job, target: str) -> Task:
        """Go on until a stage has spoken."""
        self.run_until(lambda: self.task(job, target).progress > 0, f"for {target} to begin")
        return self.task(job, target)

    def task(self, job: Job, target: str) -> Task:
        return self.project.task(job.id, target)

    def status(self, job: Job, target: str) -> Status:
        return self.task(job, target).status

    def folder(self, job: Job, target: str) -> Path:
        return self.project.folder / self.task(job, target).folder

    def worker(self, job: Job, target: str) -> WorkerInfo:
        text = (self.folder(job, target) / WORKER_FILE).read_text()
        return WorkerInfo.model_validate_json(text)

    def go(self, *names: str) -> None:
        """Let the stages that wait go on."""
        for name in names:
            (self.project.folder / f"go-{name}").touch()

    def new_agent(self, settings: AgentSettings = IMPATIENT) -> None:
        """Put another agent in the place of this one, as after a crash."""
        self.agent = make_agent(self.agent._project, settings)
        self.agent.adopt()


@pytest.fixture
def fake_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    paths = filter(None, [str(HERE), os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    listed = ",".join(f"fake_stages:{name}" for name in STAGES)
    monkeypatch.setenv("TOMOTUI_EXTRA_STAGES", listed)
    monkeypatch.setenv("TOMOTUI_CPU_SLOTS", "2")


@pytest.fixture
def project(tmp_path: Path, fake_stages: None) -> Iterator[Project]:
    with Project.create(tmp_path / "project") as project:
        yield project
        end_all(project)


@pytest.fixture
def bench(project: Project) -> Iterator[Bench]:
    with Project.open(project.folder) as agents_own:
        yield Bench(project, make_agent(agents_own))


def make_agent(project: Project, settings: AgentSettings = IMPATIENT) -> Agent:
    return Agent(project, settings, Slots(cpu_slots=2, threads=1))


def end_all(project: Project) -> None:
    """End whatever a failed test has left at work."""
    for path in project.jobs_folder.glob("*/*/worker.json"):
        leader = WorkerInfo.model_validate_json(path.read_text()).supervisor
        kill_session(leader.replace(host=this_host()))
