"""An agent on a machine with a planted GPU: its tasks share it when earlier ones tell they can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.jobs.fake_nvml import GIB
from tests.jobs.fake_stages import series
from tomotui.jobs.agent import Agent
from tomotui.jobs.devices import Gpu, GpuUsage
from tomotui.jobs.gpu_needs import GpuNeeds
from tomotui.jobs.local import Slots
from tomotui.jobs.usage import USAGE_FILE, Reading, UsageRecorder
from tomotui.records import Job, Status

if TYPE_CHECKING:
    from conftest import Bench


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """The bench, with four series and an agent that has one GPU of 30 GiB."""
    bench.project.add_records([series(name) for name in "abcd"])
    bench.agent = Agent(bench.agent._project, bench.agent._settings, planted())
    return bench


def planted() -> Slots:
    card = Gpu(0, "GPU-planted", "H100", 30 * GIB)
    return Slots(cpu_slots=1, gpus=[card], look=lambda visible: GpuUsage(0, 0.0))


def plant_peak(bench: Bench, job: Job, name: str, own: int | None, everybody: int = GIB) -> None:
    """Be the record of a task that has held so much of its GPU."""
    path = bench.folder(job, name) / USAGE_FILE
    path.unlink(missing_ok=True)
    recorder = UsageRecorder(path, bench.task(job, name).attempt)
    for at in (1.0, 2.0):
        recorder.note(Reading(100.0, GIB, 50.0, everybody, own), at)


def measured(bench: Bench, own: int | None, **values: object) -> Job:
    """Be a job whose only task has run, on the GPU, and has held so much of it."""
    job = bench.request("crowded", "a", **values)
    task = bench.task(job, "a")
    assert bench.project.mark_starting(task, "gpu 0", "here")
    bench.project.finish_task(task, Status.DONE)
    bench.folder(job, "a").mkdir(parents=True)
    plant_peak(bench, job, "a", own)
    return job


def test_tasks_share_a_gpu_as_far_as_they_fit(bench: Bench) -> None:
    measured(bench, 10 * GIB)
    job = bench.request("crowded", "b", "c", "d")
    for name in ("b", "c"):
        bench.run_until_working(job, name)
    assert [bench.task(job, name).device for name in ("b", "c")] == ["gpu 0", "gpu 0"]
    gpu = bench.agent.slots[1]
    assert gpu.words == "2 of up to 4, 25 of 30 GiB"
    assert bench.status(job, "d") == Status.QUEUED
    # Another agent promises no more.
    bench.agent = Agent(bench.agent._project, bench.agent._settings, planted())
    bench.agent.adopt()
    bench.agent.step()
    assert bench.agent.slots[1] == gpu
    assert bench.status(job, "d") == Status.QUEUED
    bench.go("b", "c", "d")
    bench.run()
    assert {bench.status(job, name) for name in "bcd"} == {Status.DONE}


def test_what_ran_out_of_memory_beside_others_is_tried_again_alone(bench: Bench) -> None:
    measured(bench, 2 * GIB, greed=1)
    job = bench.request("crowded", "b", "c", greed=1)
    bench.run_until_working(job, "c")
    (bench.project.folder / "full-b").touch()
    bench.go("b")
    bench.run_until(lambda: bench.task(job, "b").attempt == 2)
    assert bench.status(job, "c") == Status.RUNNING
    bench.agent.step()
    assert bench.status(job, "b") == Status.QUEUED
    (bench.project.folder / "full-b").unlink()
    bench.go("c")
    bench.run()
    assert [bench.status(job, name) for name in "bc"] == [Status.DONE, Status.DONE]
    said = [event.message for event in bench.project.events(job.id, "b", kinds=("warning",))]
    assert said == [
        "the GPU ran out of memory; tried once more with 4 instead of 8 at once",
        "the GPU's memory did not suffice beside other tasks; started again alone",
    ]


def test_what_is_not_known_runs_alone_and_fails_when_that_does_not_suffice(bench: Bench) -> None:
    job = bench.request("crowded", "a", "b")
    bench.run_until_working(job, "a")
    bench.agent.step()
    assert bench.status(job, "b") == Status.QUEUED
    bench.project.request_cancel(job.id, "b")
    (bench.project.folder / "full-a").touch()
    bench.go("a")
    bench.run()
    task = bench.task(job, "a")
    assert (task.status, task.attempt) == (Status.FAILED, 1)
    assert "the GPU ran out of memory." in task.error


def test_needs_are_foretold_from_runs_that_are_alike(bench: Bench) -> None:
    job = measured(bench, 8 * GIB, greed=2)
    needs = GpuNeeds(bench.project)
    later = bench.request("crowded", "b", greed=2)
    other = bench.request("crowded", "b", greed=3)
    whole = bench.request("whole", "sample")
    assert needs.of(bench.task(later, "b")) == 10 * GIB
    assert needs.of(bench.task(other, "b")) is None
    assert needs.of(bench.task(whole, "sample")) is None
    # Records of older runs tell only what everybody held.
    plant_peak(bench, job, "a", None, everybody=16 * GIB)
    assert GpuNeeds(bench.project).of(bench.task(later, "b")) == 20 * GIB
