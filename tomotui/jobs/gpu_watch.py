"""How busy the GPUs of this machine are, and with whose work; asks the driver."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

from tomotui.jobs.owners import Owner, owner_of


class NoDriver(Exception):
    """There is no NVIDIA driver on this machine, and will not be one soon."""


class DriverTrouble(OSError):
    """The driver does not answer now."""


class GpuProcess(NamedTuple):
    """A process at work on a GPU; the driver does not always tell its memory."""

    pid: int
    memory_bytes: int | None
    owner: Owner


class GpuState(NamedTuple):
    """One GPU now.

    Attributes
    ----------
    percent, temperature_c, memory_bytes
        ``None`` where the driver does not tell, as for parts of a GPU.
    trouble
        Why the GPU does not answer; empty when it does.
    """

    number: int
    name: str
    percent: float | None = None
    memory_bytes: int | None = None
    total_bytes: int | None = None
    temperature_c: float | None = None
    processes: tuple[GpuProcess, ...] = ()
    trouble: str = ""


class GpuWatch:
    """Keeps the driver open between looks; opens it again after trouble.

    For one thread.
    """

    def __init__(self) -> None:
        self._nvml: Any = None

    def read(self) -> tuple[GpuState, ...]:
        """Return all GPUs of the machine.

        Raises
        ------
        NoDriver
            There is none: asking again is of no use.
        DriverTrouble
            It does not answer now.
        """
        nvml = self._opened()
        try:
            return tuple(_state(nvml, number) for number in range(nvml.nvmlDeviceGetCount()))
        except nvml.NVMLError as error:
            self.close()
            raise DriverTrouble(f"the GPU driver does not answer ({error})") from error

    def close(self) -> None:
        """Let go of the driver."""
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            with contextlib.suppress(nvml.NVMLError):
                nvml.nvmlShutdown()

    def _opened(self) -> Any:
        if self._nvml is not None:
            return self._nvml
        try:
            import pynvml
        except ImportError as error:
            raise NoDriver(str(error)) from error
        try:
            pynvml.nvmlInit()
        except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded) as error:
            raise NoDriver(str(error)) from error
        except pynvml.NVMLError as error:
            raise DriverTrouble(f"the GPU driver does not answer ({error})") from error
        self._nvml = pynvml
        return pynvml


def _state(nvml: Any, number: int) -> GpuState:
    """Return one GPU; one that has fallen off the bus does not take the others with it."""
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(number)
        name = nvml.nvmlDeviceGetName(handle)
    except nvml.NVMLError as error:
        return GpuState(number, "", trouble=str(error))
    memory = _asked(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
    rates = _asked(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    degrees = _asked(nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)
    found = _asked(nvml, nvml.nvmlDeviceGetComputeRunningProcesses, handle) or ()
    return GpuState(
        number,
        name.decode(errors="replace") if isinstance(name, bytes) else str(name),
        percent=None if rates is None else float(rates.gpu),
        memory_bytes=None if memory is None else int(memory.used),
        total_bytes=None if memory is None else int(memory.total),
        temperature_c=None if degrees is None else float(degrees),
        processes=tuple(sorted(map(_process, found), key=lambda one: one.pid)),
    )


def _asked(nvml: Any, question: Any, *arguments: Any) -> Any:
    """Return an answer of the driver, ``None`` when it has none to this question."""
    try:
        return question(*arguments)
    except nvml.NVMLError:
        return None


def _process(found: Any) -> GpuProcess:
    pid, memory = int(found.pid), found.usedGpuMemory
    return GpuProcess(pid, None if memory is None else int(memory), owner_of(pid))
