from __future__ import annotations

import time
from pathlib import Path

import pytest
from textual.widgets import Static

from tests.tui.conftest import AppMaker, until
from tomotui.jobs.usage import USAGE_FILE, Reading, UsageRecorder, UsageSample
from tomotui.project import Project
from tomotui.tui.job_usage import binned, cpu_percent, is_low, processors_scale
from tomotui.tui.screens.job_detail import JobDetailScreen
from tomotui.tui.screens.usage_words import usage_facts
from tomotui.tui.sparks import spark
from tomotui.tui.theme import FALLBACK
from tomotui.tui.widgets.cells import plain
from tomotui.tui.widgets.facts import Facts
from tomotui.tui.widgets.table import Table

GIB = 1 << 30


def sample(at: float, seconds: float, cpu: float, gpu: float | None = None) -> UsageSample:
    memory = None if gpu is None else 2 * GIB
    return UsageSample(
        attempt=1, at=at, seconds=seconds, cpu=cpu, cpu_peak=cpu, memory=3 * GIB,
        gpu=gpu, gpu_peak=gpu, gpu_memory=memory,
    )  # fmt: skip


def record(folder: Path, gpu_percent: float | None, seconds: int = 200) -> None:
    """Let the task that runs have used so much until now."""
    with Project.open(folder, read_only=True) as project:
        place = folder / project.task(2, "ts_002").folder
    place.mkdir(parents=True, exist_ok=True)
    recorder, now = UsageRecorder(place / USAGE_FILE, 1), time.time()
    gpu_memory = None if gpu_percent is None else 20 * GIB
    for second in range(0, seconds + 1, 4):
        recorder.note(Reading(150.0, 3 * GIB, gpu_percent, gpu_memory), now - seconds + second)


def test_samples_count_in_every_span_for_as_long_as_they_lie_in_it() -> None:
    samples = [sample(10, 10, 100.0), sample(40, 20, 50.0)]
    assert binned(samples, cpu_percent, 0, 40, 4) == [100.0, None, 50.0, 50.0]
    assert binned(samples, cpu_percent, 5, 35, 3) == [100.0, 50.0, 50.0]
    assert binned(samples, cpu_percent, 0, 40, 1) == [pytest.approx(200 / 3)]
    assert binned([], cpu_percent, 0, 40, 2) == [None, None]


def test_sparklines_span_nothing_to_the_most() -> None:
    assert spark([0.0, 50.0, None, 100.0, 300.0], 100.0) == "▁▅ ██"
    assert spark([0.0, 100.0], 100.0, ascii_only=True) == "_#"
    assert spark([0.0], 0.0) == "▁"
    assert [processors_scale(v) for v in ([], [None, 99.0], [101.0])] == [100.0, 100.0, 200.0]


def test_low_use_takes_two_minutes_of_an_idle_gpu() -> None:
    idle = [sample(at, 10, 90.0, 5.0) for at in range(10, 200, 10)]
    assert is_low(idle, 190)
    assert not is_low(idle[-6:], 190)
    assert not is_low([sample(at, 10, 90.0, 60.0) for at in range(10, 200, 10)], 190)
    assert not is_low([sample(at, 10, 1.0) for at in range(10, 200, 10)], 190)


def test_facts_tell_the_mean_and_the_peak_of_the_whole_life() -> None:
    facts = Facts(FALLBACK, 12)
    samples = [sample(10, 10, 100.0, 20.0), sample(20, 10, 300.0, 100.0)]
    usage_facts(facts, samples, is_running=False, cells=40, ascii_only=False)
    lines = facts.plain.splitlines()
    assert lines[0] == "use"
    assert lines[1] == "gpu ▂▂▂▂▂▂▂███████ mean 60, peak 100%"
    assert "mean 2.0, peak 2.0 GiB" in lines[2]
    assert "mean 200, peak 300%" in lines[3]
    assert "mean 3.0, peak 3.0 GiB" in lines[4]
    nothing = Facts(FALLBACK)
    usage_facts(nothing, (), True, 40, False)
    assert nothing.plain == ""


async def test_the_table_shows_what_a_job_uses_and_says_when_its_gpu_idles(
    make_app: AppMaker, folder: Path
) -> None:
    record(folder, gpu_percent=3.0)
    app = make_app()
    async with app.run_test(size=(170, 40)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one(Table).total == 3)
        table = app.screen.query_one(Table)
        cells = {row.key: [plain(cell) for cell in row.cells] for row in table.rows}
        assert cells["2"][6] == "▁" * 8 + "    3%"
        assert cells["2"][-1].startswith("! low use  every tilt")
        assert cells["3"][6] == ""
        await pilot.press("/", *"low use", "enter")
        await until(pilot, lambda: [row.key for row in table.rows] == ["2"])


async def test_without_a_gpu_the_processors_are_shown_also_in_the_details(
    make_app: AppMaker, folder: Path
) -> None:
    record(folder, gpu_percent=None)
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one(Table).total == 3)
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobDetailScreen))
        screen = app.screen
        assert isinstance(screen, JobDetailScreen)
        await until(pilot, lambda: screen.detail is not None)
        await pilot.press("k")
        await until(pilot, lambda: screen.detail is not None and bool(screen.detail.usage))
        assert screen.detail is not None
        assert {one.cpu for one in screen.detail.usage} == {150.0}
        shown = str(screen.query_one("#facts", Static).content.plain)  # type: ignore[union-attr]
        assert "mean 150, peak 150%" in shown
        assert "mean 3.0, peak 3.0 GiB" in shown
