"""Several processes that share a task: what a job may ask for, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.jobs.fake_nvml import GIB
from tomotui.jobs.devices import Gpu, GpuUsage
from tomotui.jobs.liveness import this_host
from tomotui.jobs.local import Slots
from tomotui.jobs.owners import job_in
from tomotui.jobs.processes import check_processes, processes_in, profile_of, torchrun_command
from tomotui.jobs.specification import TaskSpecification
from tomotui.jobs.submission import submit
from tomotui.project import ProjectError
from tomotui.records import Job, JobRequest, Status, Target
from tomotui.stages import get

if TYPE_CHECKING:
    from conftest import Bench


def cards(n: int) -> list[Gpu]:
    return [Gpu(i, f"GPU-{i}", "H100", 80 * GIB) for i in range(n)]


def test_a_profile_of_this_machine_is_a_number_of_processes() -> None:
    assert [processes_in(profile_of(n)) for n in (1, 2, 16)] == [1, 2, 16]
    for words in ("gpu", "0 processes", "2 processes of mine"):
        with pytest.raises(ProjectError, match="is no number of processes"):
            processes_in(words)


def test_what_cannot_be_shared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProjectError, match="ctf is done by one process"):
        check_processes(get("ctf"), "2 processes")
    monkeypatch.setattr("tomotui.jobs.processes.gpus", lambda: cards(2))
    check_processes(get("refine"), "2 processes")
    with pytest.raises(ProjectError, match=r"4 are wanted, and there is 2 GPUs.*at most 2"):
        check_processes(get("refine"), "4 processes")
    monkeypatch.setattr("tomotui.jobs.processes.gpus", list)
    check_processes(get("refine"), "4 processes")


def test_a_task_gets_a_gpu_for_each_process_and_is_not_kept_waiting_by_small_ones() -> None:
    slots = Slots(cpu_slots=1, gpus=cards(3), look=lambda visible: GpuUsage(0, 0.0))
    for task in (1, 2):
        device = slots.place_for("gpu", lambda: GIB)
        assert device is not None
        slots.take(task, device, GIB)
    assert slots.place_for("gpu", processes=2) is None
    # Two of the three are kept for it: the small ones have to share the other.
    assert slots.place_for("gpu", lambda: GIB) == "gpu 1"
    slots.free(1)
    slots.begin_round()
    assert slots.place_for("gpu", processes=2) == "gpu 0,2"
    slots.take(3, "gpu 0,2")
    assert slots.visible("gpu 0,2") == "GPU-0,GPU-2"
    assert slots.place_for("gpu", lambda: GIB) == "gpu 1"
    slots.free(3)
    assert slots.place_for("gpu") in ("gpu 0", "gpu 2")


def specification(**values: object) -> TaskSpecification:
    return TaskSpecification(
        job_id=1, stage="refine", target="all", attempt=1, parameters={}, version="1",
        project_folder=Path("/p"), **values,
    )  # fmt: skip


def test_processes_meet_on_one_host_or_on_the_nodes_of_a_job() -> None:
    folder = Path("/p/jobs/0003-refine/all")
    here = torchrun_command(folder, specification(processes=4), {})
    assert "--standalone" in here
    assert here[-5:] == ["--nproc-per-node", "4", "-m", "tomotui.jobs.ranks", str(folder)]
    assert job_in(here) == (Path("/p"), 3)
    spread = torchrun_command(
        folder,
        specification(processes=4, nodes=2, threads=8),
        {"SLURM_JOB_ID": "41"},
    )
    assert spread[:3] == ["srun", "--nodes=2", "--ntasks=2"]
    assert "--cpus-per-task=8" in spread
    assert spread[spread.index("--rdzv-endpoint") + 1] == f"{this_host()}:20041"


def shared(bench: Bench, act: str) -> Job:
    targets = (Target(name="all"),)
    wish = JobRequest(stage="together", targets=targets, parameters={"act": act})
    return submit(bench.project, wish.replace(profile="2 processes"), start_agent=False)


@pytest.mark.slow
def test_processes_work_together(bench: Bench) -> None:
    job = shared(bench, "sum")
    bench.run()
    task = bench.task(job, "all")
    assert (task.status, task.error) == (Status.DONE, "")
    assert task.summary == "3 of 2, 1 threads"
    assert (bench.folder(job, "all") / "log.txt").read_text().count("said once") == 1


@pytest.mark.slow
def test_what_goes_wrong_in_any_process_is_told(bench: Bench) -> None:
    job = shared(bench, "fail")
    bench.run()
    task = bench.task(job, "all")
    assert task.status == Status.FAILED
    assert task.error == "the second process finds no room. Make some."


@pytest.mark.slow
def test_all_processes_end_when_the_task_is_cancelled(bench: Bench) -> None:
    import psutil

    job = shared(bench, "wait")
    bench.run_until_working(job, "all")
    family = psutil.Process(bench.worker(job, "all").child_pid).children(recursive=True)
    assert len(family) >= 2
    bench.project.request_cancel(job.id)
    bench.run()
    assert bench.status(job, "all") == Status.CANCELLED
    assert not psutil.wait_procs(family, timeout=20)[1]
