"""What the doctor looks at, and what it says when something is not well."""

from __future__ import annotations

import subprocess
import sys
from collections import namedtuple
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tomotui import doctor
from tomotui.doctor import Check
from tomotui.jobs.devices import Gpu

if TYPE_CHECKING:
    from conftest import Call


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_torch", lambda: Check("torch", "ok", "PyTorch 2"))


@pytest.mark.usefixtures("no_torch")
def test_every_check_is_told_with_its_remedy(call: Call, tmp_path: Path) -> None:
    said = call("doctor", tmp_path / "not" / "yet", "--json")
    checks = {check["name"]: check for check in said.json}
    assert {"python", "packages", "machine", "torch", "terminal", "disk", "sqlite", "logout",
            "slurm", "screens"} <= set(checks)  # fmt: skip
    assert checks["disk"]["text"].startswith(f"{tmp_path}:")
    assert all(check["remedy"] for check in said.json if check["state"] != "ok")
    assert said.code == (1 if any(c["state"] == "fail" for c in said.json) else 0)
    lines = call("doctor", tmp_path).out.splitlines()
    assert lines[0].startswith("ok      python")


@pytest.mark.usefixtures("no_torch")
def test_a_folder_that_cannot_be_written_fails(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tomotui.project.filesystem.is_writable", lambda folder: False)
    said = call("doctor", tmp_path)
    assert said.code == 1
    assert f"FAILED  folder       {tmp_path} cannot be written" in said.out
    assert "Choose another folder." in said.out


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "torch-fourier-filter":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(doctor, "version", version)
    check = doctor._packages()
    assert (check.state, check.text) == ("fail", "missing: torch-fourier-filter")

    def nothing(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "requires", nothing)
    assert doctor._packages().state == "warn"


@pytest.mark.parametrize(
    ("printed", "state", "said"),
    [
        ("2.9.0 True 12.8", "ok", "PyTorch 2.9.0 with CUDA 12.8"),
        ("2.9.0 False None", "ok", "PyTorch 2.9.0 on the CPU"),
    ],
)
def test_torch_is_asked_in_another_process(
    monkeypatch: pytest.MonkeyPatch, printed: str, state: str, said: str
) -> None:
    done = subprocess.CompletedProcess([], 0, f"a warning\n{printed}\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert doctor._torch() == Check("torch", state, said)  # type: ignore[arg-type]


def test_torch_that_is_broken_or_slow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(1, "python", stderr="x\nImportError: libcudart.so\n")

    monkeypatch.setattr(subprocess, "run", broken)
    assert doctor._torch()[:3] == ("torch", "fail", "ImportError: libcudart.so")

    def slow(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("python", 120, stderr=b"bytes")

    monkeypatch.setattr(subprocess, "run", slow)
    assert doctor._torch().state == "warn"


class _Driver:
    """Stands in for NVIDIA's library."""

    NVMLError = RuntimeError

    def __init__(self, free: float | None) -> None:
        self._free = free

    def nvmlInit(self) -> None: ...
    def nvmlShutdown(self) -> None: ...

    def nvmlDeviceGetCount(self) -> int:
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        return b"NVIDIA H200"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> object:
        if self._free is None:
            raise RuntimeError("Not Supported")
        return namedtuple("Memory", "free total")(self._free * 2**30, 100 * 2**30)


def test_slots_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Gpu(0, "GPU-a", "H100", 80 << 30)
    monkeypatch.setattr("tomotui.jobs.local.gpus", lambda: [card])
    monkeypatch.setattr("tomotui.jobs.local.cpu_count", lambda: 16)
    monkeypatch.setenv("TOMOTUI_CPU_SLOTS", "1")
    monkeypatch.delenv("TOMOTUI_TASKS_PER_GPU", raising=False)
    text = doctor._slots().text
    assert "1 task at once on the processors" in text
    assert "on each GPU up to 4 that fit together" in text
    monkeypatch.setenv("TOMOTUI_TASKS_PER_GPU", "2")
    assert "on each GPU 2 at once" in doctor._slots().text
    monkeypatch.setenv("TOMOTUI_TASKS_PER_GPU", "two")
    check = doctor._slots()
    assert (check.state, "'two'" in check.text) == ("warn", True)


@pytest.mark.parametrize(
    ("free", "state", "text"),
    [
        (80.0, "ok", "NVIDIA H200, 80 of 100 GiB free"),
        (10.0, "warn", "NVIDIA H200, 10 of 100 GiB free"),
        (None, "ok", "NVIDIA H200"),
    ],
)
def test_gpus_are_listed(
    monkeypatch: pytest.MonkeyPatch, free: float | None, state: str, text: str
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", _Driver(free))
    (check,) = doctor._gpus()
    assert (check.name, check.state, check.text) == ("gpu 0", state, text)
