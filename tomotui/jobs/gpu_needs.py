"""How much of a GPU's memory a task will need, from what earlier tasks of its stage have held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tomotui.jobs.usage import USAGE_FILE, read_usage
from tomotui.project import Project
from tomotui.records import Task
from tomotui.stages import UnknownStage, get

MOST_RUNS = 20
"""The newest; what was long ago ran in another version."""
SAFETY = 1.25
"""Peaks are looked at every few seconds, and one run is not quite like another."""
LARGEST_STEP = 1.5
"""A series so many times as large as any that has run is like nothing that is known."""
LEAST_BYTES = 1 << 30
"""CUDA alone takes about half of that."""


class _Run(NamedTuple):
    """A task that has succeeded: what its GPU held for it, and what it worked on."""

    peak_bytes: int
    n_pixels: float
    parameters: Mapping[str, Any]


class GpuNeeds:
    """Foretells the need of tasks of one project.

    Tasks that work on several series together, such as trainings and refinements, are never
    foretold: they want a GPU alone.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._peaks: dict[tuple[int, int], int | None] = {}
        self._runs: dict[str, list[_Run]] = {}
        self._sizes: dict[str, float] | None = None

    def forget(self) -> None:
        """Look anew at what has run: tasks have ended, or series have come."""
        self._runs.clear()
        self._sizes = None

    def of(self, task: Task) -> int | None:
        """Return how many bytes a task will need at most, or ``None`` when nothing tells.

        Runs with the same parameters tell, on series that were not much smaller.
        """
        try:
            if get(task.stage).scope != "series":
                return None
        except UnknownStage:
            return None
        size = self._size(task.target)
        alike = [run for run in self._runs_of(task.stage) if run.parameters == task.parameters]
        if not size or not alike or size > LARGEST_STEP * max(run.n_pixels for run in alike):
            return None
        # What does not grow with the series is taken to grow with it too.
        needs = [run.peak_bytes * max(1.0, size / run.n_pixels) for run in alike]
        near = [need for need, run in zip(needs, alike, strict=True) if run.n_pixels * 2 >= size]
        return max(round(SAFETY * max(near or needs)), LEAST_BYTES)

    def _size(self, target: str) -> float:
        if self._sizes is None:
            self._sizes = {
                one.name: float(one.width_px * one.height_px * len(one.tilts))
                for one in self._project.tilt_series()
            }
        return self._sizes.get(target, 0.0)

    def _runs_of(self, stage: str) -> list[_Run]:
        if stage not in self._runs:
            found = []
            for task in self._project.done_on_gpu(stage, MOST_RUNS):
                peak, size = self._peak(task), self._size(task.target)
                if peak and size:
                    found.append(_Run(peak, size, task.parameters))
            self._runs[stage] = found
        return self._runs[stage]

    def _peak(self, task: Task) -> int | None:
        """Return the most that a task has held; of older runs, the most that anybody has."""
        key = (task.id, task.attempt)
        if key not in self._peaks:
            samples = read_usage(self._project.folder / task.folder / USAGE_FILE, task.attempt)
            held = [one.gpu_memory if one.gpu_own is None else one.gpu_own for one in samples]
            self._peaks[key] = max((value for value in held if value is not None), default=None)
        return self._peaks[key]
