"""Run a stage in this process, without a project: what benchmarks and stage tests need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tomotui.records import AnyRecord
from tomotui.records.particle_table import ParticleTable
from tomotui.stages import get
from tomotui.stages.base import Cancelled, Inputs, StageResult


class RecordingTask:
    """A task that writes down what a stage reports, and may be cancelled at a fraction done."""

    def __init__(
        self,
        folder: Path,
        target: str = "series",
        threads: int = 2,
        cancel_at: float | None = None,
    ) -> None:
        self.target, self.folder, self.project_folder = target, folder, folder
        self.device, self.threads, self.attempt = "cpu", threads, 1
        self.cancel_at = cancel_at
        self.fractions: list[float] = []
        self.messages: list[str] = []
        self.warnings: list[str] = []
        self.metrics: dict[str, list[float]] = {}
        self.artifacts: dict[str, Path] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def progress(self, fraction: float, message: str = "") -> None:
        self.fractions.append(fraction)
        self.messages.append(message)
        self.raise_if_cancelled()

    def metric(self, name: str, value: float, step: float = 0.0, unit: str = "") -> None:
        self.metrics.setdefault(name, []).append(value)

    def log(self, message: str) -> None:
        self.messages.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def artifact(self, name: str, path: Path) -> None:
        self.artifacts[name] = path

    def raise_if_cancelled(self) -> None:
        done = self.fractions[-1] if self.fractions else 0.0
        if self.cancel_at is not None and done >= self.cancel_at:
            raise Cancelled

    def resolve(self, path: str) -> Path:
        return self.folder / path

    def relative(self, path: Path) -> str:
        return str(path)


def run_stage(
    name: str,
    task: RecordingTask,
    records: Sequence[AnyRecord] = (),
    parameters: Mapping[str, Any] | None = None,
    particles: ParticleTable | None = None,
) -> StageResult:
    stage = get(name)
    inputs: dict[str, list[AnyRecord]] = {}
    for record in records:
        inputs.setdefault(record.kind, []).append(record)
    result = stage.run(task, Inputs(inputs, particles), stage.validate(parameters or {}))
    # What conditions of recipes may ask about is what a stage declares.
    undeclared = {name for name in result.metrics if " " not in name} - set(stage.reports or ())
    assert stage.reports is None or not undeclared, f"{name} does not declare {undeclared}"
    return result
