"""A driver for tests: as much of NVIDIA's management library as is asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

GIB = 1 << 30


class NVMLError(Exception):
    pass


class NotFound(NVMLError):
    pass


class NotLoaded(NVMLError):
    pass


@dataclass
class Device:
    name: str | bytes = "NVIDIA H100"
    percent: int = 0
    memory: int = 0
    total: int = 80 * GIB
    celsius: int = 40
    processes: list[tuple[int, int | None]] = field(default_factory=list)
    is_lost: bool = False
    is_dumb: bool = False


class FakeDriver(ModuleType):
    NVML_TEMPERATURE_GPU = 0
    NVMLError, NVMLError_LibraryNotFound, NVMLError_DriverNotLoaded = NVMLError, NotFound, NotLoaded

    def __init__(self, devices: list[Device]) -> None:
        super().__init__("pynvml")
        self.devices, self.failure, self.opened = devices, NVMLError, 0
        self.fails_at: str = ""

    def _answer(self, question: str) -> None:
        if self.fails_at == question:
            raise self.failure("fell off")

    def nvmlInit(self) -> None:
        self._answer("init")
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:
        self._answer("count")
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, number: int) -> Device:
        if self.devices[number].is_lost:
            raise NVMLError("GPU is lost")
        return self.devices[number]

    def nvmlDeviceGetName(self, device: Device) -> str | bytes:
        return device.name

    def nvmlDeviceGetMemoryInfo(self, device: Device) -> Any:
        return SimpleNamespace(used=device.memory, total=device.total)

    def nvmlDeviceGetUtilizationRates(self, device: Device) -> Any:
        if device.is_dumb:
            raise NVMLError("not supported")
        return SimpleNamespace(gpu=device.percent)

    def nvmlDeviceGetTemperature(self, device: Device, sensor: int) -> int:
        return device.celsius

    def nvmlDeviceGetComputeRunningProcesses(self, device: Device) -> list[Any]:
        return [SimpleNamespace(pid=p, usedGpuMemory=m) for p, m in device.processes]


def install(monkeypatch: pytest.MonkeyPatch, *devices: Device) -> FakeDriver:
    driver = FakeDriver(list(devices))
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    return driver
