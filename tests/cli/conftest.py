"""Calling the command line in this process, and projects whose agents end with the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tomotui.cli.app import run
from tomotui.jobs import agent_status
from tomotui.jobs.liveness import kill_session, this_host
from tomotui.jobs.specification import WORKER_FILE, WorkerInfo
from tomotui.project import Project

FAKE_STAGES = Path(__file__).resolve().parents[1] / "jobs"
DEADLINE_SECONDS = 60.0


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Call:
    """Runs a command in this process, in a folder of the test's own."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *words: object) -> Said:
        self._capfd.readouterr()
        code = run([str(word) for word in words])
        out, err = self._capfd.readouterr()
        return Said(code, out, err)

    def well(self, *words: object) -> Said:
        """Run a command that must succeed."""
        said = self(*words)
        assert (said.code, said.err) == (0, ""), said
        return said


def wait_until(condition: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain {what}"
        time.sleep(0.05)


def end_all(folder: Path) -> None:
    """End the agent and whatever a failed test has left at work."""
    status = agent_status(folder)
    if status.is_alive:
        assert status.info is not None
        os.kill(status.info.process.pid, signal.SIGTERM)
        wait_until(lambda: not agent_status(folder).is_alive)
    for path in (folder / "jobs").glob(f"*/*/{WORKER_FILE}"):
        leader = WorkerInfo.model_validate_json(path.read_text()).supervisor
        kill_session(leader.replace(host=this_host()))


@pytest.fixture
def call(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Call:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TOMOTUI_CPU_SLOTS", "3")
    monkeypatch.delenv("TOMOTUI_DEBUG", raising=False)
    return Call(capfd)


@pytest.fixture
def with_fake_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FAKE_STAGES))
    paths = filter(None, [str(FAKE_STAGES), os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("TOMOTUI_EXTRA_STAGES", "fake_stages:FakeStage,fake_stages:NextStage")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty project; its agent ends with the test."""
    place = tmp_path / "project"
    Project.create(place).close()
    yield place
    if (place / "jobs").is_dir():
        end_all(place)


@pytest.fixture
def three(folder: Path, with_fake_stages: None) -> Path:
    """A project with the series ts_1, ts_2 and other."""
    from fake_stages import series

    with Project.open(folder) as project:
        project.add_records([series(name) for name in ("ts_1", "ts_2", "other")])
    return folder


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny tilt series, as a microscope leaves it: tiny.mrc, mdoc, rawtlt."""
    from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation

    folder = tmp_path_factory.mktemp("simulated") / "tiny"
    parameters = SimulationParameters(
        name="tiny",
        seed=1,
        size_px=144,
        height_px=128,
        pixel_size_angstrom=16.0,
        thickness_angstrom=800.0,
        tilt_step_deg=6.0,
        axis_deg=30.0,
        n_particles=30,
        species=("ribosome",),
        n_vesicles=0,
        n_gold=3,
        truth_binning=0,
    )
    write_simulation(simulate_tilt_series(parameters), folder)
    return folder


class Outside:
    """Commands as processes of their own, of this checkout."""

    def environment(self, **more: str) -> dict[str, str]:
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}

    def words(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "tomotui", *map(str, words)]

    def start(self, *words: object, **options: Any) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen(self.words(*words), **{"env": self.environment(), **options})

    def __call__(self, *words: object, **options: Any) -> Said:
        process = self.start(*words, **options)
        out, err = process.communicate(timeout=120)
        return Said(process.returncode, out, err)


@pytest.fixture(scope="session")
def outside() -> Outside:
    return Outside()


@pytest.fixture(scope="session", name="wait_until")
def _wait_until() -> Callable[..., None]:
    return wait_until


@pytest.fixture(scope="session", name="end_all")
def _end_all() -> Callable[[Path], None]:
    return end_all
