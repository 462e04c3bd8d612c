"""What this machine does, in steps so coarse that an idle machine does not tremble on the screen.

Percentages go in steps of 5, temperatures of 3 degrees, memory and disks of a 64th of what there
is, loads of a quarter; and a value leaves its step only when it is well on its way to the next
(see `steady`). An idle GPU that says 0, 1, 0 % is not drawn anew.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple, Protocol

from tomotui.jobs.gpu_watch import GpuProcess, GpuState, GpuWatch
from tomotui.jobs.machine import DiskState, MachineState, read_disk, read_machine
from tomotui.tui.polling import steady

GIB = float(1 << 30)
PERCENT_STEP = 5.0
TEMPERATURE_STEP_C = 3.0
LOAD_STEP = 0.25
PARTS = 64
"""Memory and disks are told in so many steps."""
MINUTES = 20
"""Of the past of a device that is kept."""

Past = tuple[float | None, ...]
"""Mean percentages of the last minutes that are over, the oldest first; ``None`` when not seen."""


class GpuNews(NamedTuple):
    """The GPUs as they are to be shown, and the past of each."""

    gpus: tuple[GpuState, ...] = ()
    pasts: tuple[Past, ...] = ()


class MachineNews(NamedTuple):
    """The machine as it is to be shown, and the past of its processors."""

    machine: MachineState
    past: Past


class Minutes:
    """Keeps the means of a percentage over the last minutes.

    A minute is told when it is over, so that what is shown changes once in a minute.
    """

    def __init__(self) -> None:
        self._sums: dict[int, tuple[float, int]] = {}

    def add(self, percent: float | None, now: float) -> Past:
        """Take a value in, and return the minutes that are over."""
        minute = int(now // 60)
        if percent is not None:
            total, number = self._sums.get(minute, (0.0, 0))
            self._sums[minute] = total + percent, number + 1
        for old in [each for each in self._sums if each < minute - MINUTES]:
            del self._sums[old]
        means = (self._sums.get(each) for each in range(minute - MINUTES, minute))
        return tuple(round(one[0] / one[1], 1) if one else None for one in means)


class GpuSource(Protocol):
    """Tells the GPUs of the machine."""

    def read(self) -> tuple[GpuState, ...]:
        """Return them."""

    def close(self) -> None:
        """Let go of the driver."""


class SteadyGpus:
    """Reads GPUs; values that tremble stay as they were."""

    def __init__(self, source: GpuSource | None = None) -> None:
        self._source = source or GpuWatch()
        self._before: dict[int, GpuState] = {}
        self._minutes: dict[int, Minutes] = {}

    def read(self) -> GpuNews:
        """Return the GPUs as they are to be shown."""
        read, now = self._source.read(), time.time()
        pasts = [
            self._minutes.setdefault(state.number, Minutes()).add(state.percent, now)
            for state in read
        ]
        states = [_steady_gpu(self._before.get(state.number), state) for state in read]
        self._before = {state.number: state for state in states}
        return GpuNews(tuple(states), tuple(pasts))

    def close(self) -> None:
        """Let go of the driver."""
        self._source.close()


def _steady_gpu(before: GpuState | None, now: GpuState) -> GpuState:
    if before is None:
        before = GpuState(now.number, now.name)
    step = (now.total_bytes or 0) / PARTS
    known = {process.pid: process for process in before.processes}
    return now._replace(
        percent=steady(before.percent, now.percent, PERCENT_STEP),
        memory_bytes=_steady_bytes(before.memory_bytes, now.memory_bytes, step),
        temperature_c=steady(before.temperature_c, now.temperature_c, TEMPERATURE_STEP_C),
        processes=tuple(_steady_process(known.get(p.pid), p, step) for p in now.processes),
    )


def _steady_process(before: GpuProcess | None, now: GpuProcess, step: float) -> GpuProcess:
    memory = before.memory_bytes if before is not None else None
    return now._replace(memory_bytes=_steady_bytes(memory, now.memory_bytes, step))


def _steady_bytes(before: int | None, now: int | None, step: float) -> int | None:
    shown = steady(before, now, step)
    return None if shown is None else int(shown)


class SteadyMachine:
    """Reads processors, load and memory; values that tremble stay as they were."""

    def __init__(self) -> None:
        self._before: MachineState | None = None
        self._minutes = Minutes()

    def read(self) -> MachineNews:
        """Return the machine as it is to be shown."""
        machine = read_machine()
        self._before = steady_machine(self._before, machine)
        return MachineNews(self._before, self._minutes.add(machine.cpu_percent, time.time()))


def steady_machine(before: MachineState | None, now: MachineState) -> MachineState:
    """Return what is to be shown of a machine after what was shown before."""
    loads = before.load if before is not None else (None, None, None)
    load = [steady(a, b, LOAD_STEP) or 0.0 for a, b in zip(loads, now.load, strict=True)]
    cpu = before.cpu_percent if before is not None else None
    memory = before.memory_bytes if before is not None else None
    return now._replace(
        cpu_percent=steady(cpu, now.cpu_percent, PERCENT_STEP) or 0.0,
        load=(load[0], load[1], load[2]),
        memory_bytes=_steady_bytes(memory, now.memory_bytes, now.total_bytes / PARTS) or 0,
    )


class SteadyDisk:
    """Reads the room of a folder; values that tremble stay as they were."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before: DiskState | None = None

    def read(self) -> DiskState:
        """Return the room as it is to be shown."""
        self._before = steady_disk(self._before, read_disk(self._folder))
        return self._before


def steady_disk(before: DiskState | None, now: DiskState) -> DiskState:
    """Return what is to be shown of a disk after what was shown before."""
    free = before.free_bytes if before is not None else None
    used = before.quota_used_bytes if before is not None else None
    return now._replace(
        # What is nearly full is told more finely.
        free_bytes=_steady_bytes(free, now.free_bytes, min(now.total_bytes / PARTS, GIB)) or 0,
        quota_used_bytes=_steady_bytes(used, now.quota_used_bytes, (now.quota_bytes or 0) / PARTS),
    )
