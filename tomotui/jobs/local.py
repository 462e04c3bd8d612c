"""Running tasks on this machine: slots, and starting workers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tomotui.jobs.devices import Gpu, cpu_count, gpus
from tomotui.jobs.specification import LOG_FILE
from tomotui.stages.base import Needs

CPU_SLOTS_VARIABLE = "TOMOTUI_CPU_SLOTS"
CPU = "cpu"


@dataclass
class Slots:
    """What this machine has to run tasks on, and which task has what.

    Attributes
    ----------
    cpu_slots
        How many tasks may run on the processors at once.
    gpus
        One task may run on each at once.
    threads
        Threads for each task.
    """

    cpu_slots: int
    gpus: list[Gpu] = field(default_factory=list)
    threads: int = 1
    _taken: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of_this_machine(cls, cpu_slots: int | None = None) -> Slots:
        """Return the slots of this machine.

        Parameters
        ----------
        cpu_slots
            Otherwise ``TOMOTUI_CPU_SLOTS``, and otherwise one for every four processors.
        """
        processors = cpu_count()
        slots = cpu_slots or _slots_from_environment() or max(1, processors // 4)
        return cls(slots, gpus(), max(1, processors // slots))

    def place_for(self, needs: Needs) -> str | None:
        """Return the free device for a task, or ``None``: it has to wait.

        On a machine with GPUs a stage that needs one waits for one; elsewhere it takes a
        processor slot.
        """
        taken = list(self._taken.values())
        if needs == "gpu" and self.gpus:
            return next((gpu.label for gpu in self.gpus if gpu.label not in taken), None)
        return CPU if taken.count(CPU) < self.cpu_slots else None

    @property
    def any_free(self) -> bool:
        """Whether any device is free."""
        return self.place_for("cpu") is not None or self.place_for("gpu") is not None

    def take(self, task_id: int, device: str) -> None:
        """Give a device to a task (also one already taken, by a task that was adopted)."""
        self._taken[task_id] = device

    def free(self, task_id: int) -> None:
        """Take a task's device back, once its processes are gone."""
        self._taken.pop(task_id, None)

    def visible(self, device: str) -> str:
        """Return how CUDA_VISIBLE_DEVICES names a device; empty for the processors."""
        return next((gpu.visible for gpu in self.gpus if gpu.label == device), "")


def spawn_worker(task_folder: Path) -> subprocess.Popen[bytes]:
    """Start a worker that outlives this process and its terminal.

    Raises
    ------
    OSError
        When the process cannot be started or its log not be written.
    """
    return spawn_detached(
        "tomotui.jobs.worker", task_folder, folder=task_folder, log=task_folder / LOG_FILE
    )


def spawn_detached(
    module: str, *arguments: object, folder: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start a module of this program in a session of its own, without a terminal.

    Parameters
    ----------
    folder
        Its working folder.
    log
        What it prints is appended to this file.

    Raises
    ------
    OSError
        When the process cannot be started or the log not be written.
    """
    package_root = str(Path(__file__).resolve().parents[2])
    inherited = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    paths = dict.fromkeys([package_root, *map(os.path.abspath, inherited)])
    with open(log, "ab") as output:
        return subprocess.Popen(
            # -P: a stray file in the working folder must not shadow a module.
            [sys.executable, "-P", "-m", module, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
            # The same program in the child, also where this one runs from a source checkout.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"},
        )


def _slots_from_environment() -> int | None:
    value = os.environ.get(CPU_SLOTS_VARIABLE, "")
    return int(value) if value.isdecimal() and int(value) > 0 else None
