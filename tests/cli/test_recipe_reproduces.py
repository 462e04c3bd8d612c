"""A project that is made again from its raw data by the recipe of its history."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cli.conftest import end_all, wait_until
from tomotui.formats.mrc import read_volume
from tomotui.jobs import agent_status
from tomotui.jobs.liveness import kill_session, this_host
from tomotui.jobs.recipe_reading import read_recipe
from tomotui.jobs.specification import WORKER_FILE, WorkerInfo
from tomotui.project import Project
from tomotui.records import Alignment, Status, Tomogram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Call

ALIGN = ("tilt_axis_deg=28", "rounds=1", "axis_range_deg=4", "thickness_angstrom=900",
         "n_landmarks=12", "local=off")  # fmt: skip


def results(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return shifts, axis and tilts of all tilts, and the tomogram."""
    with Project.open(folder, read_only=True) as project:
        series = project.series_named("tiny")
        assert series is not None
        alignment = project.latest("alignment", series.uid)
        tomogram = project.latest("tomogram", series.uid)
    assert isinstance(alignment, Alignment)
    assert isinstance(tomogram, Tomogram)
    numbers = [
        (t.shift_x_angstrom, t.shift_y_angstrom, t.axis_deg, t.tilt_deg) for t in alignment.tilts
    ]
    return np.array(numbers), read_volume(folder / tomogram.path)[0]


def kill_at_work(folder: Path, stage: str) -> None:
    """Kill the agent and the worker of a stage while it works, as a power cut would."""
    with Project.open(folder) as project:
        job = next(one for one in project.jobs() if one.stage == stage)
        wait_until(lambda: project.task(job.id, "tiny").status == Status.RUNNING, f"for {stage}")
        info = folder / project.task(job.id, "tiny").folder / WORKER_FILE
    worker = WorkerInfo.model_validate_json(info.read_text())
    agent = agent_status(folder).info
    assert agent is not None
    os.kill(agent.process.pid, signal.SIGKILL)
    kill_session(worker.supervisor.replace(host=this_host()))


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    """A second project, whose agent ends with the test."""
    place = tmp_path / "other"
    Project.create(place).close()
    yield place
    end_all(place)


@pytest.mark.slow
def test_a_project_is_made_again_from_its_raw_data(
    call: Call, simulated: Path, folder: Path, other: Path, tmp_path: Path
) -> None:
    """The second way is cut off in the middle, and told again to go on."""
    at = ("-p", folder)
    call.well("import", simulated / "tiny.mrc", "--wait", *at)
    call.well("run", "align", "--set", *ALIGN, "--wait", *at)
    call.well("run", "reconstruct", "--set", "voxel_size_angstrom=40", "--wait", *at)
    mine = tmp_path / "mine.toml"
    said = call.well("recipe", "save", mine, "--raw", *at)
    assert "align, reconstruct" in said.out
    assert read_recipe(mine).series["tiny"]["stack"] == str(simulated / "tiny.mrc")

    shown = call.well("recipe", "run", mine, "--dry-run", "-p", other).out
    assert "[import]" in shown
    call.well("recipe", "run", mine, "-p", other)
    kill_at_work(other, "align")
    said = call("recipe", "run", mine, "-p", other, "--wait")
    assert said.code == 0, said
    assert said.out.startswith("job 2: align on 1 targets\njob 3: reconstruct on 1 targets\n")
    with Project.open(other, read_only=True) as project:
        assert [job.stage for job in project.jobs()] == ["import", "align", "reconstruct"]

    (numbers, volume), (again, volume_again) = results(folder), results(other)
    np.testing.assert_allclose(again, numbers, atol=1e-3)
    np.testing.assert_allclose(volume_again, volume, atol=1e-3 * float(volume.std()))
    assert "everything is done already" in call.well("recipe", "run", mine, "-p", other).out
