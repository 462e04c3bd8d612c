"""What a stage sees of the worker that runs it: `tomotui.stages.base.Task` made real."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path

from tomotui.jobs.eta import RemainingTime
from tomotui.jobs.events import EventWriter
from tomotui.jobs.specification import CANCEL_FILE, TaskSpecification
from tomotui.stages.base import Cancelled

PROGRESS_INTERVAL_SECONDS = 0.2
CANCEL_INTERVAL_SECONDS = 0.2


class RunningTask:
    """The task that a stage works on.

    Parameters
    ----------
    folder
        The task's folder.
    specification
        What ``task.json`` says.
    events
        Where to write what the stage reports.
    device
        Where to work; by default the GPU that the specification names, as the only one seen.
    """

    def __init__(
        self,
        folder: Path,
        specification: TaskSpecification,
        events: EventWriter,
        device: str | None = None,
    ) -> None:
        self.target = specification.target
        self.folder = folder
        self.project_folder = specification.project_folder
        self.device = device or ("cuda:0" if specification.gpu else "cpu")
        self.threads = specification.threads
        self.attempt = specification.attempt
        self._events = events
        self._progress = _ProgressReports(events)
        self._cancel_flag = folder / CANCEL_FILE
        self._cancel_looked_at = -math.inf
        self._cancelled = False
        self._warned: set[str] = set()

    def progress(self, fraction: float, message: str = "") -> None:
        """Report the fraction done (0..1); raises `Cancelled` when the user asked to stop."""
        self.raise_if_cancelled()
        self._progress.report(min(max(float(fraction), 0.0), 1.0), message)

    def metric(self, name: str, value: float, step: float = 0.0, unit: str = "") -> None:
        """Report a measured value; one that is no number becomes a warning."""
        value = float(value)
        if math.isfinite(value):
            self._events.write("metric", name=name, value=value, step=float(step), unit=unit)
        elif name not in self._warned:
            self._warned.add(name)
            self.warn(f"{name} is {value} at step {step:g}")

    def log(self, message: str) -> None:
        """Write a line into the task's log."""
        self._say(message)
        self._events.write("log", message)

    def warn(self, message: str) -> None:
        """Report something that the user should know, and go on."""
        self._say(f"warning: {message}")
        self._events.write("warning", message)

    def artifact(self, name: str, path: Path) -> None:
        """Name a file that the task has made."""
        self._events.write("artifact", name, path=self.relative(path))

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` when the user asked to stop."""
        now = time.monotonic()
        if not self._cancelled and now - self._cancel_looked_at >= CANCEL_INTERVAL_SECONDS:
            self._cancel_looked_at = now
            self._cancelled = self._cancel_flag.exists()
        if self._cancelled:
            raise Cancelled

    def cancel(self) -> None:
        """Make the next report raise `Cancelled`."""
        self._cancelled = True

    def resolve(self, path: str) -> Path:
        """Return the absolute path of a record's path."""
        return self.project_folder / path

    def relative(self, path: Path) -> str:
        """Return the path to store in a record: relative when it lies inside the project."""
        absolute = path if path.is_absolute() else Path.cwd() / path
        if absolute.is_relative_to(self.project_folder):
            return str(absolute.relative_to(self.project_folder))
        return str(absolute)

    def flush(self) -> None:
        """Write the last progress, which may have come too soon after the one before."""
        self._progress.flush()

    def _say(self, message: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)  # noqa: T201


class _ProgressReports:
    """Writes progress at a bounded rate, and never keeps the newest back for long."""

    def __init__(self, events: EventWriter) -> None:
        self._events = events
        self._remaining = RemainingTime()
        self._lock = threading.Lock()
        self._written_at = -math.inf
        self._pending: tuple[float, str, float | None] | None = None
        self._timer: threading.Timer | None = None

    def report(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        with self._lock:
            self._pending = (fraction, message, self._remaining.update(fraction, now))
            wait = self._written_at + PROGRESS_INTERVAL_SECONDS - now
            if wait <= 0:
                self._write()
            elif self._timer is None:
                self._timer = threading.Timer(wait, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        with self._lock:
            self._write()

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending is None:
            return
        fraction, message, eta = self._pending
        self._pending = None
        self._written_at = time.monotonic()
        self._events.write("progress", message, fraction=fraction, eta_seconds=eta)
