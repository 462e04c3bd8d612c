"""The processors and GPUs that this process may use; asks the driver and never imports torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple


class Gpu(NamedTuple):
    """One GPU.

    Attributes
    ----------
    number
        Rank among the GPUs of the machine, in the order of the driver.
    visible
        How CUDA_VISIBLE_DEVICES names it; the unique name, for CUDA and the driver may count
        in different orders.
    """

    number: int
    visible: str
    name: str
    memory_bytes: int

    @property
    def label(self) -> str:
        """Short name for tables, such as ``gpu 0``."""
        return f"gpu {self.number}"


class GpuUsage(NamedTuple):
    """How busy a GPU is.

    Attributes
    ----------
    memory_bytes, percent
        Of everybody's work on it.
    by_process
        Memory of each process at work on it; ``None`` where the driver does not tell, or names
        processes of another system, as inside a container.
    """

    memory_bytes: int
    percent: float
    by_process: Mapping[int, int] | None = None

    def memory_of(self, pids: Iterable[int]) -> int:
        """Return the memory of some processes; all that is used where that is not told."""
        if self.by_process is None:
            return self.memory_bytes
        return sum(self.by_process.get(pid, 0) for pid in pids)


def cpu_count() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def gpus(environment: Mapping[str, str] | None = None) -> list[Gpu]:
    """Return the GPUs that this process may use, none when there is no driver.

    ``CUDA_VISIBLE_DEVICES`` is honoured the way CUDA does it: indices or unique names, and the
    first that does not exist ends the list.
    """
    wanted = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    return select_visible(_all_gpus(), wanted)


def select_visible(present: list[Gpu], wanted: str | None) -> list[Gpu]:
    """Return the GPUs that a value of CUDA_VISIBLE_DEVICES chooses (all when it is ``None``)."""
    if wanted is None:
        return present
    chosen: list[Gpu] = []
    for word in (word.strip() for word in wanted.split(",")):
        found = [gpu for gpu in present if _is_meant(gpu, word)]
        if len(found) != 1 or found[0] in chosen:
            break
        chosen.append(found[0])
    return chosen


def _is_meant(gpu: Gpu, word: str) -> bool:
    if word.isdecimal():
        return gpu.number == int(word)
    return bool(word) and gpu.visible.startswith(word)


def gpu_usage(visible: str) -> GpuUsage | None:
    """Return how busy a GPU is, or ``None`` when the driver does not say."""
    with _driver() as nvml:
        if nvml is None:
            return None
        try:
            handle = nvml.nvmlDeviceGetHandleByUUID(visible)
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            rates = nvml.nvmlDeviceGetUtilizationRates(handle)
        except nvml.NVMLError:
            return None
        return GpuUsage(int(memory.used), float(rates.gpu), _by_process(nvml, handle))


def _by_process(nvml: Any, handle: Any) -> dict[int, int] | None:
    """Return the memory of each process on a GPU, or ``None`` when that is not known of all."""
    import psutil

    try:
        found = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except nvml.NVMLError:
        return None
    if any(one.usedGpuMemory is None or not psutil.pid_exists(one.pid) for one in found):
        return None
    return {int(one.pid): int(one.usedGpuMemory) for one in found}


def _all_gpus() -> list[Gpu]:
    with _driver() as nvml:
        if nvml is None:
            return []
        found = []
        for number in range(nvml.nvmlDeviceGetCount()):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(number)
                found.append(
                    Gpu(
                        number,
                        _text(nvml.nvmlDeviceGetUUID(handle)),
                        _text(nvml.nvmlDeviceGetName(handle)),
                        int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
                    )
                )
            except nvml.NVMLError:
                # One that has fallen off the bus does not take the others with it.
                continue
        return found


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@contextmanager
def _driver() -> Iterator[Any]:
    """Give NVIDIA's management library, or ``None`` where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()
