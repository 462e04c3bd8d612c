"""The project of a self-test: jobs that are waited for, and what is left of them taken away."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomotui.bench.scenes import Scene, Tell
from tomotui.bench.varied import Varied
from tomotui.jobs import ensure_agent, submit
from tomotui.project import Project
from tomotui.records import JobRequest, Target, TiltSeries

POLL_SECONDS = 0.2


class CheckFailed(Exception):
    """A stage did not make what there is to judge."""


@dataclass
class Bench:
    """A bench while it runs: the scene, the project, and what was found so far."""

    scene: Scene
    project: Project
    tell: Tell
    device: str = ""
    jobs: list[int] = field(default_factory=list)
    varied: Varied | None = None

    def run(self, stage: str, parameters: Mapping[str, Any], *targets: Target) -> Path:
        """Run a stage as a job and wait for it.

        Returns
        -------
        The folder of its last task.

        Raises
        ------
        CheckFailed
            When the job did not succeed.
        """
        request = JobRequest(stage=stage, parameters=dict(parameters), targets=targets)
        job = submit(self.project, request)
        self.jobs.append(job.id)
        while not self.project.job(job.id).status.is_finished:
            # An agent that was killed is followed by another.
            ensure_agent(self.project.folder)
            time.sleep(POLL_SECONDS)
        task = self.project.tasks(job.id)[-1]
        self.device = task.device
        if task.status.value != "done":
            raise CheckFailed(task.error or task.message or f"the job is {task.status.value}")
        return self.project.folder / task.folder

    def series(self, name: str) -> TiltSeries:
        """Return a series, which the import has made."""
        found = self.project.series_named(name)
        if found is None:
            raise CheckFailed(f"the import made no series {name}")
        return found

    def latest(self, kind: str, name: str) -> Any:
        """Return the newest record of a series."""
        found = self.project.latest(kind, self.series(name).uid)
        if found is None:
            raise CheckFailed(f"there is no {kind} of {name}")
        return found

    def path(self, path: str) -> Path:
        """Return a path of a record from the project's folder on."""
        return self.project.folder / path

    @property
    def true_rotations(self) -> NDArray[np.float64]:
        """Poses of the particles in the field, ``[n, 3, 3]``."""
        mine = [one for one in self.scene.simulation.specimen.particles if one.in_field]
        return np.array([one.rotation for one in mine])

    @property
    def true_places(self) -> NDArray[np.float64]:
        """Places of the particles in the field, ``[n, 3]``."""
        mine = [one for one in self.scene.simulation.specimen.particles if one.in_field]
        return np.array([one.position_angstrom for one in mine])

    def end(self) -> None:
        """Stop what is still at work, and wait for its end."""
        running = [one for one in self.jobs if not self.project.job(one).status.is_finished]
        for job in running:
            self.project.request_cancel(job)
        deadline = time.monotonic() + 30
        while running and time.monotonic() < deadline:
            ensure_agent(self.project.folder)
            running = [one for one in running if not self.project.job(one).status.is_finished]
            time.sleep(POLL_SECONDS)


def remove(folder: Path) -> None:
    """Take the folder away; the agent may still be writing its last words."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(POLL_SECONDS)
