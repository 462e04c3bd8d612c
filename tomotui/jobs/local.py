"""Running tasks on this machine: slots, and starting workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tomotui.jobs.devices import Gpu, GpuUsage, cpu_count, gpu_usage, gpus
from tomotui.jobs.gpu_slots import (
    MOST_TASKS,
    GpuSlots,
    Need,
    Tenant,
    tasks_per_gpu_from_environment,
)
from tomotui.jobs.specification import LOG_FILE, JobFile
from tomotui.stages.base import Needs

CPU_SLOTS_VARIABLE = "TOMOTUI_CPU_SLOTS"
CPU = "cpu"
GPU = "gpu"


class SlotState(JobFile):
    """How many tasks a device has, and may have.

    Attributes
    ----------
    by_memory
        Whether that goes by what the tasks need, rather than by a number that a user has given.
    promised_bytes, total_bytes
        Of the GPU's memory, what its tasks will need, and all.
    is_alone
        Whether a task has it whose need is not known: nobody joins that.
    """

    device: str
    tasks: int = 0
    most: int = 1
    by_memory: bool = False
    promised_bytes: int = 0
    total_bytes: int = 0
    is_alone: bool = False

    @property
    def words(self) -> str:
        """How it stands, such as ``2 of up to 4, 21 of 80 GiB``, which are promised."""
        if not self.by_memory:
            return f"{self.tasks} of {self.most} in use"
        if not self.tasks:
            return f"0 of up to {self.most}"
        if self.is_alone:
            return "1, alone: need not known"
        gib, total = self.promised_bytes / 2**30, self.total_bytes / 2**30
        return f"{self.tasks} of up to {self.most}, {gib:.0f} of {total:.0f} GiB"


@dataclass
class Slots:
    """What this machine has to run tasks on, and which task has what.

    Attributes
    ----------
    cpu_slots
        How many tasks may run on the processors at once.
    gpus
        One task, or several small ones, may run on each at once.
    threads
        Threads for each task.
    tasks_per_gpu
        So many tasks get each GPU, whatever they need; ``None`` to go by what they need.
    most_per_gpu
        When going by what they need.
    look
        Tells how much of a GPU is used.
    """

    cpu_slots: int
    gpus: list[Gpu] = field(default_factory=list)
    threads: int = 1
    tasks_per_gpu: int | None = None
    most_per_gpu: int = MOST_TASKS
    look: Callable[[str], GpuUsage | None] = gpu_usage
    _on_cpu: set[int] = field(default_factory=set)
    _on_gpu: GpuSlots = field(init=False)

    def __post_init__(self) -> None:
        self._on_gpu = GpuSlots(self.gpus, self.tasks_per_gpu, self.most_per_gpu, self.look)

    @classmethod
    def of_this_machine(
        cls, cpu_slots: int | None = None, tasks_per_gpu: int | None = None
    ) -> Slots:
        """Return the slots of this machine.

        Parameters
        ----------
        cpu_slots
            Otherwise ``TOMOTUI_CPU_SLOTS``, and otherwise one for every four processors.
        tasks_per_gpu
            Otherwise ``TOMOTUI_TASKS_PER_GPU``, and otherwise as many as fit.
        """
        processors = cpu_count()
        slots = cpu_slots or _slots_from_environment() or max(1, processors // 4)
        wanted = tasks_per_gpu or tasks_per_gpu_from_environment()
        found = gpus()
        # A task on a GPU keeps a processor busy too.
        most = min(MOST_TASKS, max(1, processors // max(1, len(found))))
        return cls(slots, found, max(1, processors // slots), wanted, most)

    def begin_round(self) -> None:
        """Look at the waiting tasks anew, from the first."""
        self._on_gpu.begin_round()

    def place_for(
        self, needs: Needs, gpu_need: Need = lambda: None, processes: int = 1
    ) -> str | None:
        """Return the device for the next waiting task, or ``None``: it has to wait.

        On a machine with GPUs a stage that needs one waits for one; elsewhere it takes a
        processor slot.

        Parameters
        ----------
        gpu_need
            Tells how much of a GPU's memory it will need; asked only where it would not be alone.
        processes
            That work on it together, each on a GPU of its own.
        """
        if needs == "gpu" and self.gpus:
            return self._on_gpu.place_for(gpu_need, processes)
        return CPU if len(self._on_cpu) < self.cpu_slots else None

    @property
    def any_free(self) -> bool:
        """Whether any task might get a device."""
        return len(self._on_cpu) < self.cpu_slots or self._on_gpu.any_open

    def take(self, task_id: int, device: str, gpu_need_bytes: int | None = None) -> None:
        """Give a device to a task (also one already taken, by a task that was adopted)."""
        self.free(task_id)
        if device.startswith(GPU):
            self._on_gpu.take(task_id, device, gpu_need_bytes)
        else:
            self._on_cpu.add(task_id)

    def hold(self, task_id: int, gpu_bytes: int) -> None:
        """Note how much of its GPU's memory a task holds now."""
        self._on_gpu.hold(task_id, gpu_bytes)

    def free(self, task_id: int) -> None:
        """Take a task's device back, once its processes are gone."""
        self._on_cpu.discard(task_id)
        self._on_gpu.free(task_id)

    def visible(self, device: str) -> str:
        """Return how CUDA_VISIBLE_DEVICES names a device; empty for the processors."""
        if not device.startswith(GPU):
            return ""
        return ",".join(gpu.visible for gpu in self._on_gpu.named(device))

    def tenant(self, task_id: int) -> Tenant | None:
        """Return what is known of a task that has a GPU."""
        return self._on_gpu.tenant(task_id)

    def states(self) -> tuple[SlotState, ...]:
        """Return how the slots stand, the processors' first."""
        spread = [
            SlotState(
                device=gpu.label,
                tasks=len(here := self._on_gpu.tenants(gpu.label).values()),
                most=self.tasks_per_gpu or self._on_gpu.most_tasks,
                by_memory=self.tasks_per_gpu is None,
                promised_bytes=sum(tenant.share_bytes for tenant in here),
                total_bytes=gpu.memory_bytes,
                is_alone=any(tenant.need_bytes is None for tenant in here),
            )
            for gpu in self.gpus
        ]
        return (SlotState(device=CPU, tasks=len(self._on_cpu), most=self.cpu_slots), *spread)


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
