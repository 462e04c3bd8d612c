from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from tomotui.jobs import family
from tomotui.jobs.devices import GpuUsage
from tomotui.jobs.family import FamilySampler
from tomotui.jobs.usage import Reading, UsageRecorder, read_usage

GIB = 1 << 30


def record(path: Path, readings: list[Reading], attempt: int = 1, most: int = 360) -> None:
    recorder = UsageRecorder(path, attempt, most)
    for number, reading in enumerate(readings):
        recorder.note(reading, 1000.0 + 2 * number)


def test_what_was_recorded_is_read_with_its_spans(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    record(path, [Reading(), Reading(150.0, GIB, 90.0, 2 * GIB), Reading(50.0, GIB, 10.0, GIB)])
    first, second = read_usage(path)
    assert (first.at, first.seconds, first.cpu, first.memory) == (1002.0, 2.0, 150.0, GIB)
    assert (second.gpu, second.gpu_peak, second.gpu_memory) == (10.0, 10.0, GIB)


def test_without_a_gpu_there_are_processors_and_memory(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    record(path, [Reading(), Reading(100.0, GIB)])
    assert read_usage(path)[0].gpu is None
    assert "gpu" not in path.read_text()


def test_hours_stay_a_few_hundred_lines_that_keep_mean_and_peak(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    readings = [Reading(100.0 * (n % 2), GIB + n, 50.0, GIB) for n in range(4001)]
    readings[1777] = Reading(0.0, 9 * GIB, 100.0, 8 * GIB)
    record(path, readings, most=100)
    samples = read_usage(path)
    assert 50 <= len(samples) <= 100
    assert len(path.read_text().splitlines()) == len(samples)
    assert max(one.memory for one in samples) == 9 * GIB
    assert max(one.gpu_peak or 0 for one in samples) == 100.0
    # The last span is still being gathered; all others follow each other without a gap.
    assert 0.9 * 8000 < sum(one.seconds for one in samples) <= 8000
    assert all(b.began_at == pytest.approx(a.at, abs=0.1) for a, b in itertools.pairwise(samples))
    whole = sum(one.seconds for one in samples)
    assert sum(one.cpu * one.seconds for one in samples) / whole == pytest.approx(50.0, abs=1.0)


def test_torn_and_foreign_lines_are_passed_over_and_cost_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    record(path, [Reading(), Reading(10.0, 1), Reading(20.0, 2)])
    with path.open("ab") as file:
        file.write(b'\xff\xfe rubbish\n{"attempt": 1, "at": 5}\n{"attempt":1,"at":10')
    assert [one.cpu for one in read_usage(path)] == [10.0, 20.0]
    record(path, [Reading(), Reading(30.0, 3)], attempt=2)
    assert [one.cpu for one in read_usage(path)] == [10.0, 20.0, 30.0]
    assert [one.cpu for one in read_usage(path, attempt=2)] == [30.0]
    assert read_usage(tmp_path / "none.jsonl") == ()


def test_a_clock_set_back_begins_a_new_span(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    recorder = UsageRecorder(path, 1)
    for at in (1000.0, 1002.0, 400.0, 402.0):
        recorder.note(Reading(10.0, 1), at)
    assert [one.seconds for one in read_usage(path)] == [2.0, 2.0]


def test_a_process_and_its_gpu_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family, "gpu_usage", lambda visible: GpuUsage(3 * GIB, 42.0))
    sampler = FamilySampler(os.getpid(), "GPU-aaa")
    sampler.read()
    reading = sampler.read()
    assert reading.memory_bytes > 1 << 20
    assert (reading.gpu_percent, reading.gpu_memory_bytes) == (42.0, 3 * GIB)
    monkeypatch.setattr(family, "gpu_usage", lambda visible: None)
    assert sampler.read().gpu_percent is None
