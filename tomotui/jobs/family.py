"""What a process, its descendants and their GPUs use, as the system and the driver tell."""

from __future__ import annotations

import psutil

from tomotui.jobs.devices import gpu_usage
from tomotui.jobs.usage import Reading


class FamilySampler:
    """Reads what a process, its descendants and their GPU use.

    Parameters
    ----------
    gpu
        The GPU or several, as CUDA_VISIBLE_DEVICES names them; empty for none. Of several the mean
        of the percentages and the sum of the memory is told.
    """

    def __init__(self, pid: int, gpu: str = "") -> None:
        self._process = psutil.Process(pid)
        self._gpus = [name for name in gpu.split(",") if name]
        self._known: dict[psutil.Process, psutil.Process] = {}

    def read(self) -> Reading:
        """Return what is used now; CPU time is counted since the call before."""
        cpu, memory = 0.0, 0
        family = self._family()
        for process in family:
            try:
                cpu += process.cpu_percent()
                memory += process.memory_info().rss
            except psutil.Error:
                continue
        usages = [usage for name in self._gpus if (usage := gpu_usage(name)) is not None]
        if not usages:
            return Reading(cpu, memory)
        pids = [process.pid for process in family]
        return Reading(
            cpu,
            memory,
            sum(usage.percent for usage in usages) / len(usages),
            sum(usage.memory_bytes for usage in usages),
            sum(usage.memory_of(pids) for usage in usages),
        )

    def _family(self) -> list[psutil.Process]:
        """Return the living members, each the object that has counted its time before."""
        try:
            present = [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return []
        # A number that was given again names another process, which is not equal to the first.
        self._known = {one: self._known.get(one, one) for one in present}
        return list(self._known.values())
