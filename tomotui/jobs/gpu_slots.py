"""Which task may have which GPU: one alone, or several small ones whose memory fits together.

A task may join others on a GPU only where its need and theirs are known and fit, beside what
strangers hold. One that does not fit anywhere has a GPU kept free of newcomers until it fits, so
small tasks that keep coming cannot keep a large one waiting for ever.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tomotui.jobs.devices import Gpu, GpuUsage, gpu_usage

TASKS_PER_GPU_VARIABLE = "TOMOTUI_TASKS_PER_GPU"
MOST_TASKS = 4
"""On one GPU, where nobody has said how many: beyond that they only take turns."""
SPARE = 0.1
"""This share of a GPU's memory is promised to nobody: what was measured is no exact forecast."""

Need = Callable[[], int | None]
"""Returns how many bytes a task will need at most; ``None`` when that is not known."""


@dataclass
class Tenant:
    """A task that has a GPU.

    Attributes
    ----------
    need_bytes
        What it will hold at most; ``None`` when that is not known: it has the GPU alone.
    held_bytes
        What it holds now.
    had_company
        Whether another task was on the GPU with it.
    """

    need_bytes: int | None = None
    held_bytes: int = 0
    had_company: bool = False

    @property
    def share_bytes(self) -> int:
        """What is to be kept for it."""
        return max(self.need_bytes or 0, self.held_bytes)


@dataclass
class GpuSlots:
    """The GPUs of a machine and the tasks that have them.

    Attributes
    ----------
    tasks_per_gpu
        So many tasks get each GPU, whatever they need; ``None`` to go by what they need.
    most_tasks
        On one GPU, when going by what they need.
    look
        Tells how much of a GPU is used.
    """

    gpus: Sequence[Gpu] = ()
    tasks_per_gpu: int | None = None
    most_tasks: int = MOST_TASKS
    look: Callable[[str], GpuUsage | None] = gpu_usage
    _tenants: dict[str, dict[int, Tenant]] = field(default_factory=dict)
    _kept_free: frozenset[str] = frozenset()

    def begin_round(self) -> None:
        """Look at the waiting tasks anew, from the first."""
        self._kept_free = frozenset()

    def tenants(self, label: str) -> dict[int, Tenant]:
        """Return the tasks that have a GPU."""
        return self._tenants.setdefault(label, {})

    @property
    def any_open(self) -> bool:
        """Whether any task might get a GPU in this round."""
        return any(map(self._is_open, self.gpus))

    def place_for(self, need: Need, n_gpus: int = 1) -> str | None:
        """Return the GPU for the next waiting task, or ``None``: it has to wait.

        GPUs that nobody of ours has are given first. A task that wants several gets such alone,
        and their names are put together, as in ``gpu 0,3``.
        """
        open_now = [gpu for gpu in self.gpus if self._is_open(gpu)]
        empty = [gpu for gpu in open_now if not self.tenants(gpu.label)]
        if n_gpus > 1:
            if len(empty) >= n_gpus:
                return label_of(empty[:n_gpus])
            self._keep_free(n_gpus)
            return None
        if empty:
            return max(empty, key=self._free_bytes).label if len(empty) > 1 else empty[0].label
        if not open_now:
            return None
        if self.tasks_per_gpu is not None:
            return min(open_now, key=lambda gpu: len(self.tenants(gpu.label))).label
        wanted = need()
        rooms = {gpu.label: self._room_bytes(gpu) for gpu in open_now}
        label = max(rooms, key=rooms.__getitem__)
        if wanted is not None and wanted <= rooms[label]:
            return label
        self._keep_free(1)
        return None

    def _keep_free(self, n_gpus: int) -> None:
        """Let nobody come to those GPUs with the fewest tasks, for the first that has to wait."""
        if not self._kept_free:
            fewest = sorted(self.gpus, key=lambda gpu: len(self.tenants(gpu.label)))[:n_gpus]
            self._kept_free = frozenset(gpu.label for gpu in fewest)

    def take(self, task_id: int, label: str, need_bytes: int | None) -> None:
        """Give a GPU, or several, to a task."""
        for gpu in self.named(label):
            here = self.tenants(gpu.label)
            here[task_id] = Tenant(need_bytes, had_company=bool(here))
            if len(here) > 1:
                for tenant in here.values():
                    tenant.had_company = True

    def named(self, label: str) -> list[Gpu]:
        """Return the GPUs that the device of a task names."""
        numbers = label.removeprefix("gpu ").split(",")
        return [gpu for gpu in self.gpus if str(gpu.number) in numbers]

    def free(self, task_id: int) -> None:
        """Take a task's GPU back."""
        for here in self._tenants.values():
            here.pop(task_id, None)

    def hold(self, task_id: int, held_bytes: int) -> None:
        """Note what a task holds now."""
        if (tenant := self.tenant(task_id)) is not None:
            tenant.held_bytes = held_bytes

    def tenant(self, task_id: int) -> Tenant | None:
        """Return what is known of a task that has a GPU."""
        return next((here[task_id] for here in self._tenants.values() if task_id in here), None)

    def _is_open(self, gpu: Gpu) -> bool:
        """Whether another task might come to a GPU, if it fits."""
        if gpu.label in self._kept_free:
            return False
        here = self.tenants(gpu.label).values()
        if self.tasks_per_gpu is not None:
            return len(here) < self.tasks_per_gpu
        is_shared = all(tenant.need_bytes is not None for tenant in here)
        return not here or (is_shared and len(here) < self.most_tasks)

    def _free_bytes(self, gpu: Gpu) -> int:
        usage = self.look(gpu.visible)
        return gpu.memory_bytes - (usage.memory_bytes if usage is not None else 0)

    def _room_bytes(self, gpu: Gpu) -> int:
        """Return what may be promised to another task, beside ours and strangers' on a GPU."""
        usage = self.look(gpu.visible)
        if usage is None or not gpu.memory_bytes:
            return 0  # Of a GPU that does not tell nothing can be promised.
        here = self.tenants(gpu.label).values()
        strangers = max(usage.memory_bytes - sum(tenant.held_bytes for tenant in here), 0)
        promised = sum(tenant.share_bytes for tenant in here)
        return int((1 - SPARE) * gpu.memory_bytes) - strangers - promised


def label_of(gpus: Sequence[Gpu]) -> str:
    """Return how the device of a task is called that has several GPUs."""
    return f"gpu {','.join(str(gpu.number) for gpu in gpus)}"


def tasks_per_gpu_from_environment() -> int | None:
    """Return how many tasks a user wants on each GPU; ``None`` when nothing is said."""
    value = os.environ.get(TASKS_PER_GPU_VARIABLE, "")
    return int(value) if value.isdecimal() and int(value) > 0 else None
