"""A project with stages that do no science, and an app on it that starts no agent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from textual.pilot import Pilot

from tomotui.project import Project
from tomotui.records import (
    Alignment,
    Event,
    Job,
    JobRequest,
    Status,
    Target,
    Tilt,
    TiltAlignment,
    TiltSeries,
    Tomogram,
)
from tomotui.stages.base import Inputs, Parameters, Stage, StageResult, Task, parameter
from tomotui.tui.app import TomotuiApp


class ImportParameters(Parameters):
    stack: str = parameter(..., "Image stack.")
    dataset: str = parameter("default", "Data set.")


class AlignParameters(Parameters):
    thickness_angstrom: float = parameter(
        2500.0, "Depth that may hold matter.", unit="angstrom", ge=200, le=20000
    )
    tilt_axis_deg: float | None = parameter(
        None, "Tilt axis, when it is known.", unit="degree", ge=-360, le=360
    )
    method: Literal["coarse", "fine"] = parameter("fine", "How much effort to spend.")
    exclude_bad_tilts: bool = parameter(True, "Leave out tilts that agree with no other.")
    rounds: int = parameter(6, "Most rounds.", ge=1, le=50, group="advanced")


class ReconstructParameters(Parameters):
    binning: float = parameter(2.0, "Voxel size over pixel size.", ge=1, le=64)


class FakeStage(Stage):
    def run(self, task: Task, inputs: Inputs, parameters: Any) -> StageResult:
        raise NotImplementedError


class FakeImport(FakeStage):
    name, title, summary = "import", "Import", "Take tilt series into the project."
    parameters_type = ImportParameters
    gives = ("tilt_series",)


class FakeAlign(FakeStage):
    name, title, summary = "align", "Align", "Find the geometry of every tilt."
    parameters_type = AlignParameters
    takes = ("tilt_series",)
    gives = ("alignment",)


class FakeReconstruct(FakeStage):
    name, title, summary = "reconstruct", "Reconstruct", "Compute the tomogram."
    parameters_type = ReconstructParameters
    takes = ("tilt_series", "alignment")
    gives = ("tomogram",)


STAGES: tuple[Stage, ...] = (FakeImport(), FakeAlign(), FakeReconstruct())


def make_series(name: str, n_tilts: int = 41, excluded: tuple[int, ...] = ()) -> TiltSeries:
    angles = np.linspace(-60, 60, n_tilts)
    return TiltSeries(
        name=name,
        dataset="lamella",
        stack_path=f"raw/{name}.mrc",
        width_px=3838,
        height_px=3710,
        pixel_size_angstrom=1.7005,
        nominal_tilt_axis_deg=84.7,
        tilts=tuple(
            Tilt(
                index=i,
                nominal_tilt_deg=round(float(angle), 2),
                dose_e_per_a2=3.0,
                excluded=i in excluded,
            )
            for i, angle in enumerate(angles)
        ),
    )


def make_alignment(series: TiltSeries) -> Alignment:
    return Alignment(
        series_uid=series.uid,
        residual_angstrom=4.1,
        tilts=tuple(
            TiltAlignment(
                index=tilt.index,
                tilt_deg=tilt.nominal_tilt_deg,
                axis_deg=85.3,
                shift_x_angstrom=0.0,
                shift_y_angstrom=0.0,
                excluded=tilt.index < 2,
            )
            for tilt in series.tilts
        ),
    )


def make_tomogram(series: TiltSeries, alignment: Alignment, thumbnail: str | None) -> Tomogram:
    return Tomogram(
        series_uid=series.uid,
        alignment_uid=alignment.uid,
        path=f"{series.name}.mrc",
        size_xyz=(464, 480, 200),
        pixel_size_angstrom=10.0,
        thickness_angstrom=1840.0,
        window_low=-1.0,
        window_high=1.0,
        thumbnail_path=thumbnail,
    )


def request(stage: str, names: list[str], **parameters: Any) -> JobRequest:
    targets = tuple(Target(name=name) for name in names)
    return JobRequest(stage=stage, parameters=parameters, targets=targets)


def start(project: Project, job: Job, target: str, fraction: float, message: str = "") -> None:
    """Let a task run so far, with a metric for each of forty steps."""
    task = project.task(job.id, target)
    project.mark_starting(task, "cpu", "node07")
    project.mark_running(project.task(job.id, target), 4242)
    task = project.task(job.id, target)
    now = time.time()
    events = [
        Event(
            kind="metric",
            at=now,
            data={"name": "residual", "value": 30 / (step + 1), "step": step, "unit": "Å"},
        )
        for step in range(40)
    ]
    data = {"fraction": fraction, "eta_seconds": 840.0}
    events.append(Event(kind="progress", at=now, message=message, data=data))
    events.append(Event(kind="warning", at=now, message="tilt 3 agrees with no other"))
    project.ingest_events(task, events, 100)


def finish(project: Project, job: Job, target: str, status: Status, **ends: Any) -> None:
    if project.task(job.id, target).status == Status.QUEUED:
        start(project, job, target, 0.5)
    project.finish_task(project.task(job.id, target), status, **ends)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep sessions, themes and keymaps of whoever runs the tests out of them, and theirs safe."""
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _no_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show the same forms on every machine."""
    for screen in ("cluster", "launch_place"):
        monkeypatch.setattr(f"tomotui.tui.screens.{screen}.has_slurm", lambda: False)
    monkeypatch.setattr("tomotui.tui.screens.launch_place.gpus", list)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project: ts_001 is done, ts_002 is being aligned, ts_003 failed, ts_004 waits."""
    place = tmp_path / "project"
    with Project.create(place, "EMPIAR-11830") as project:
        names = [f"ts_{i:03d}" for i in range(1, 7)]
        series = {
            name: make_series(name, excluded=(0, 1) if name == "ts_005" else ()) for name in names
        }
        job = project.submit(
            JobRequest(
                stage="import",
                targets=tuple(
                    Target(name=name, parameters={"stack": f"/raw/{name}.mrc"}) for name in names
                ),
            )
        )
        for name in names:
            finish(project, job, name, Status.DONE, summary="41 tilts", records=(series[name],))
        align = project.submit(request("align", names[:4], thickness_angstrom=3000.0))
        alignment = make_alignment(series["ts_001"])
        finish(project, align, "ts_001", Status.DONE, summary="4.1 Å", records=(alignment,))
        start(project, align, "ts_002", 0.62, "round 3 of 6")
        finish(project, align, "ts_003", Status.FAILED, error="every tilt of ts_003 is empty.")
        log = place / project.task(align.id, "ts_003").folder / "log.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("reading ts_003\nError: every tilt of ts_003 is empty.\nbye\n")
        rec = project.submit(request("reconstruct", ["ts_001"]))
        tomogram = make_tomogram(series["ts_001"], alignment, None)
        finish(project, rec, "ts_001", Status.DONE, summary="10.0 Å", records=(tomogram,))
    return place


AppMaker = Callable[..., TomotuiApp]


@pytest.fixture
def make_app(folder: Path) -> AppMaker:
    def make(place: Path | None = folder, **settings: Any) -> TomotuiApp:
        settings.setdefault("stages", STAGES)
        settings.setdefault("start_agents", False)
        return TomotuiApp(place, **settings)

    return make


async def until(pilot: Pilot[Any], condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until a condition holds; feeds and workers take their time."""
    deadline = time.monotonic() + seconds
    while True:
        await pilot.pause()
        try:
            if condition():
                return
        except LookupError:
            pass
        except Exception as error:
            if type(error).__name__ not in ("NoMatches", "ScreenStackError"):
                raise
        assert time.monotonic() < deadline, "what was waited for did not come"
        await asyncio.sleep(0.01)
