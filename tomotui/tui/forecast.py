"""How long a job may take, from how long others have taken."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tomotui.project import Project
from tomotui.records import Status, TiltSeries
from tomotui.stages.base import Stage
from tomotui.tui.wording import counted, duration, plain_value

MOST_RUNS = 50
"""The newest; what was long ago ran in another version, on another machine."""


@dataclass(frozen=True)
class Run:
    """A task that has succeeded.

    Attributes
    ----------
    size
        Of what it worked on: pixels of a tilt series, or of all that it took; 0 when not known.
    """

    target: str
    seconds: float
    device: str
    size: float
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """Earlier runs of a stage, the newest first, and the sizes of the series that are meant now."""

    runs: tuple[Run, ...] = ()
    sizes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Forecast:
    """What is expected of each task.

    Attributes
    ----------
    seconds
        Of all tasks, one after the other.
    low, high
        What the same would take at the pace of the fastest and of the slowest run.
    n_tasks, n_runs
        How many there will be; how many it is judged by.
    is_scaled
        By the sizes of what is worked on.
    is_alike
        The runs had the same parameters.
    """

    seconds: float
    low: float
    high: float
    n_tasks: int
    n_runs: int
    device: str
    is_scaled: bool
    is_alike: bool

    def words(self) -> list[str]:
        """Return lines that say it."""
        about = f"about {_span(self.seconds)}" if self.seconds >= 1 else _span(self.seconds)
        if self.n_tasks > 1:
            each = _span(self.seconds / self.n_tasks)
            about += f" one after the other, {each} each"
        basis = f"from {counted(self.n_runs, 'earlier run')}"
        if self.device:
            basis += f" on {self.device}"
        if self.is_scaled:
            basis += ", by size"
        if not self.is_alike:
            basis += ", with other parameters"
        lines = [about, basis]
        if self.n_runs > 1 and self.high > 1.2 * self.low:
            lines.append(f"{_span(self.low)} to {_span(self.high)} at their paces")
        return lines


def _span(seconds: float) -> str:
    return duration(seconds) if seconds >= 1 else "less than 1 s"


def read_history(project: Project, stage: Stage, targets: Sequence[str]) -> History:
    """Read how long a stage has taken, and how large the series are."""
    sizes = {one.name: _n_pixels(one) for one in project.tilt_series()}
    jobs = {job.id: job for job in project.jobs() if job.stage == stage.name}
    runs = []
    for task in reversed(project.tasks_of_stage(stage.name)):
        if task.status != Status.DONE or not task.started_at or not task.finished_at:
            continue
        seconds, job = task.finished_at - task.started_at, jobs.get(task.job_id)
        parameters = {**(job.parameters if job else {}), **task.parameters}
        # A task that went on from a checkpoint tells only of its last part.
        if seconds > 0 and task.attempt == 1:
            size = _size_of(stage, task.target, parameters, sizes)
            runs.append(Run(task.target, seconds, _kind(task.device), size, parameters))
        if len(runs) == MOST_RUNS:
            break
    return History(tuple(runs), {name: sizes.get(name, 0.0) for name in targets})


def _n_pixels(series: TiltSeries) -> float:
    return float(series.width_px * series.height_px * len(series.tilts))


def _size_of(
    stage: Stage, target: str, parameters: Mapping[str, Any], sizes: Mapping[str, float]
) -> float:
    if stage.scope == "series":
        return sizes.get(target, 0.0)
    named = parameters.get("series") or ()
    return sum(sizes.get(str(name), 0.0) for name in named)


def _kind(device: str) -> str:
    """Return the kind of a device: graphics cards of one machine are alike."""
    return device.partition(":")[0]


def forecast(
    history: History, targets: Sequence[str], parameters: Mapping[str, Any], is_per_series: bool
) -> Forecast | None:
    """Judge how long a job will take; ``None`` when nothing like it has run.

    Runs with the same parameters count alone where there are any; of the rest those on the kind
    of device that was used last.
    """
    if not history.runs or not targets:
        return None
    wanted = _comparable(parameters)
    alike = [run for run in history.runs if _comparable(run.parameters) == wanted]
    runs = alike or list(history.runs)
    device = runs[0].device
    runs = [run for run in runs if run.device == device]
    sizes = [history.sizes.get(name, 0.0) for name in targets]
    tasks = sizes if is_per_series else [sum(sizes)]
    is_scaled = all(size > 0 for size in tasks) and all(run.size > 0 for run in runs)
    paces = [run.seconds / run.size if is_scaled else run.seconds for run in runs]
    amount = sum(tasks) if is_scaled else float(len(tasks))
    return Forecast(
        seconds=statistics.median(paces) * amount,
        low=min(paces) * amount,
        high=max(paces) * amount,
        n_tasks=len(tasks),
        n_runs=len(runs),
        device=device,
        is_scaled=is_scaled and len({*tasks, *(run.size for run in runs)}) > 1,
        is_alike=bool(alike),
    )


def _comparable(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {name: plain_value(value) for name, value in parameters.items() if name != "series"}
