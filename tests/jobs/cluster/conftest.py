"""A project whose jobs go through a scheduler: a fake one, with real workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.cluster import fake_slurm
from tomotui.jobs.agent import Agent
from tomotui.jobs.local import Slots
from tomotui.jobs.settings import AgentSettings

HURRIED = AgentSettings(
    idle=0.1,
    heartbeat=0.1,
    start_grace=0.1,
    term_after=0.3,
    kill_after=0.5,
    linger=0.3,
    slurm_interval=0.1,
    slurm_patience=5.0,
    slurm_grace=0.1,
    slurm_unknown=0.3,
    slurm_files=0.02,
)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A scheduler whose programs are on PATH, and a user without profiles."""
    made = fake_slurm.FakeSlurm(tmp_path / "slurm")
    bin_folder = made.install()
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    yield made
    for number in made.numbers():
        if made.get(number, "state") == "RUNNING" and made.get(number, "pid"):
            made.kill(number)


@pytest.fixture
def bench(bench: Any, slurm: Any) -> Any:
    """The bench, with an agent that looks at the queue often."""
    bench.agent = hurried_agent(bench.agent._project)
    return bench


def hurried_agent(project: Any, settings: AgentSettings = HURRIED) -> Agent:
    return Agent(project, settings, Slots(cpu_slots=2, threads=1))
