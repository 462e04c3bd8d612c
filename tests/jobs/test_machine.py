from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs.fake_nvml import GIB, Device, NotFound, NotLoaded, install
from tomotui.jobs.gpu_watch import DriverTrouble, GpuWatch, NoDriver
from tomotui.jobs.machine import quota_in, read_disk, read_machine
from tomotui.jobs.owners import Owner, job_in, owner_of
from tomotui.jobs.slurm import Share, SlurmTrouble, has_slurm, partitions_in, read_partitions

SINFO = """\
gpu*|up|2-00:00:00|3/1/0/4|96/32/0/128|gpu:h100:4
gpu*|up|2-00:00:00|0/1/1/2|0/32/32/64|gpu:a100:8
cpu|drain|infinite|1.5K/2/3/1505|10/20/30/60|(null)
rubbish
"""


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be the only place where programs are found."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", str(place))
    return place


def program(folder: Path, name: str, words: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{words}\n")
    path.chmod(0o755)


def test_the_driver_is_asked_and_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = install(
        monkeypatch,
        Device(b"H100", 93, 41 * GIB, celsius=66, processes=[(os.getpid(), 40 * GIB), (1, None)]),
        Device(is_dumb=True),
        Device(is_lost=True),
    )
    watch = GpuWatch()
    first, dumb, lost = watch.read()
    watch.read()
    assert driver.opened == 1
    assert (first.name, first.percent, first.temperature_c) == ("H100", 93.0, 66.0)
    assert (first.memory_bytes, first.total_bytes) == (41 * GIB, 80 * GIB)
    assert [one.pid for one in first.processes] == sorted([1, os.getpid()])
    assert dumb.percent is None
    assert dumb.total_bytes == 80 * GIB
    assert lost.trouble == "GPU is lost"
    watch.close()
    assert driver.opened == 0


def test_a_driver_in_trouble_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = install(monkeypatch, Device())
    watch = GpuWatch()
    driver.fails_at = "count"
    with pytest.raises(DriverTrouble, match="does not answer"):
        watch.read()
    assert driver.opened == 0
    driver.fails_at = ""
    assert len(watch.read()) == 1


@pytest.mark.parametrize("failure", [NotFound, NotLoaded])
def test_without_a_driver_nobody_asks_again(
    monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    driver = install(monkeypatch)
    driver.fails_at, driver.failure = "init", failure  # type: ignore[assignment]
    with pytest.raises(NoDriver):
        GpuWatch().read()
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(NoDriver):
        GpuWatch().read()


def test_a_worker_tells_its_job_by_its_command_line(tmp_path: Path) -> None:
    task = tmp_path / "cells" / "jobs" / "0012-align" / "ts_001"
    # As a worker is: it leads a session, and its child is the one that works.
    code = "import subprocess, sys; subprocess.run(['cat'])"
    words = [sys.executable, "-c", code, "-m", "tomotui.jobs.worker", str(task)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)
    try:
        owner = owner_of(process.pid)
        assert (owner.job_id, owner.project_folder) == (12, tmp_path / "cells")
        assert owner.words(tmp_path / "cells") == "job 12"
        assert owner.words(tmp_path) == "job 12 of cells"
    finally:
        process.communicate()
    assert owner_of(process.pid) == Owner()
    assert Owner().words() == "somebody"
    assert Owner("ana", "python").words() == "ana"
    assert owner_of(os.getpid()).user


@pytest.mark.parametrize("words", [[], ["tomotui.jobs.worker"], ["tomotui.jobs.worker", "/x/y"]])
def test_other_command_lines_are_nobodys_job(words: list[str]) -> None:
    assert job_in(words) == (None, None)


def test_the_machine_and_the_room_of_a_folder_are_told(bin_folder: Path, tmp_path: Path) -> None:
    machine = read_machine()
    assert machine.n_processors >= 1
    assert 0 < machine.memory_bytes < machine.total_bytes
    said = "     blocks quota limit grace\n/dev/sda1 900* 500 1000 6days 3 0 0"
    program(bin_folder, "quota", f"echo '{said}'; exit 1")
    disk = read_disk(tmp_path)
    assert 0 < disk.free_bytes < disk.total_bytes
    assert (disk.quota_used_bytes, disk.quota_bytes) == (900 * 1024, 500 * 1024)
    with pytest.raises(OSError, match="gone"):
        read_disk(tmp_path / "gone")


@pytest.mark.parametrize("words", ["", "none", "fs 12 0 0 - 3 0 0", "a b c d"])
def test_no_quota_is_none(words: str) -> None:
    assert quota_in(words) == (None, None)


def test_partitions_are_added_up_by_name(bin_folder: Path) -> None:
    assert not has_slurm()
    program(bin_folder, "sbatch", "exit 0")
    assert has_slurm()
    program(bin_folder, "sinfo", f"echo '{SINFO}'")
    gpu, cpu = read_partitions()
    assert (gpu.name, gpu.is_default, gpu.is_up) == ("gpu", True, True)
    assert gpu.nodes == Share(3, 2, 1, 6)
    assert gpu.processors == Share(96, 64, 32, 192)
    assert gpu.gres == ("gpu:h100:4", "gpu:a100:8")
    assert (cpu.is_up, cpu.nodes.taken, cpu.gres) == (False, 1500, ())
    assert partitions_in("") == ()


def test_a_scheduler_that_fails_or_hangs_says_so(bin_folder: Path) -> None:
    with pytest.raises(SlurmTrouble, match="cannot be run"):
        read_partitions()
    program(bin_folder, "sinfo", "echo 'slurm_load_partitions: no contact' >&2; exit 1")
    with pytest.raises(SlurmTrouble, match="no contact"):
        read_partitions()
    program(bin_folder, "sinfo", "exec /bin/sleep 60")
    with pytest.raises(SlurmTrouble, match="has not answered"):
        read_partitions(patience_seconds=0.05)
