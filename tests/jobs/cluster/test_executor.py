"""Jobs that go through a scheduler, from their submission to whatever becomes of them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tomotui.jobs.cluster.queue import Queue
from tomotui.jobs.submission import submit
from tomotui.project import ProjectError
from tomotui.records import Job, JobRequest, Status, Target


def request(stage: str, *names: str, profile: str = "", **values: object) -> JobRequest:
    return JobRequest(
        stage=stage,
        targets=tuple(Target(name=name) for name in names),
        parameters=values,
        executor="slurm",
        profile=profile,
    )


def begun(bench: Any, job: Job, *names: str) -> None:
    for name in names:
        bench.run_until_working(job, name)


def restart(bench: Any) -> None:
    """Put another agent in the place of this one, as after a crash."""
    agent = bench.agent
    bench.agent = type(agent)(agent._project, agent._settings, agent._slots)
    bench.agent.adopt()


def words(bench: Any, job: Job, name: str) -> str:
    return str(bench.task(job, name).message)


def ended(bench: Any, job: Job, name: str) -> bool:
    return bool(bench.status(job, name).is_finished)


def test_a_job_is_one_array_and_later_and_local_jobs_go_on(bench: Any, slurm: Any) -> None:
    (slurm.folder / "real").touch()
    job = bench.project.submit(request("fake", "a", "c d/%e'f"))
    later = bench.project.submit(request("next", "a").replace(after=(job.id,)))
    beside = bench.request("fake", "z")
    bench.run()
    for each in (job, later, beside):
        assert bench.project.job(each.id).status == Status.DONE
    assert slurm.numbers() == ["101_0", "101_1", "102_0"]
    a = bench.task(job, "a")
    assert (a.device, a.attempt, a.summary) == ("slurm 101_0", 1, "made a")
    assert "half way" in (bench.folder(job, "a") / "log.txt").read_text()
    wish = json.loads((bench.folder(job, "a").parent / "job.json").read_text())
    assert wish["executor"] == "slurm"


def test_what_waits_says_why_and_runs_when_its_time_comes(bench: Any, slurm: Any) -> None:
    (slurm.folder / "hold").touch()
    job = bench.project.submit(request("fake", "a"))
    bench.run_until(lambda: words(bench, job, "a") == "slurm 101_0 pending (Priority)")
    assert bench.status(job, "a") == Status.STARTING
    slurm.put("101_0", reason="PartitionTimeLimit")
    bench.run_until(lambda: "lower `time`" in words(bench, job, "a"))
    slurm.start("101_0")
    bench.run()
    assert bench.status(job, "a") == Status.DONE


def test_no_more_of_a_job_are_there_at_once_than_its_profile_says(bench: Any, slurm: Any) -> None:
    (bench.project.folder / "cluster.toml").write_text("[profiles.one]\narray_limit = 1\n")
    before = bench.request("fake", "a", "b", "c", act="wait")
    job = bench.project.submit(request("next", "a", "b", "c", profile="one", act="wait").replace(
        after=(before.id,)))  # fmt: skip
    beside = bench.project.submit(request("fake", "a"))
    (slurm.folder / "hold").touch()
    bench.go("a")
    bench.run_until(lambda: len(slurm.numbers()) == 2)
    bench.go("b")
    bench.go("c")
    bench.run_until(lambda: ended(bench, before, "b") and ended(bench, before, "c"))
    for _ in range(50):
        bench.agent.step()
    assert bench.project.n_at_work(job.id) == 1
    (slurm.folder / "hold").unlink()
    for number in slurm.numbers():
        slurm.start(number)
    bench.run()
    assert slurm.numbers() == ["101_0", "102_0", "103_0", "103_1"]
    assert "--array=0-1%1" in slurm.calls("sbatch")[-1]
    assert {bench.project.job(one.id).status for one in (job, beside)} == {Status.DONE}


def test_a_killed_task_is_started_again_once(bench: Any, slurm: Any) -> None:
    job = bench.project.submit(request("fake", "a", "b", act="wait"))
    begun(bench, job, "a", "b")
    slurm.kill("101_0")
    bench.run_until(lambda: bench.task(job, "a").attempt == 2)
    begun(bench, job, "a")
    assert bench.task(job, "b").attempt == 1
    assert any("was killed" in event.message for event in bench.project.events(job.id, "a"))

    slurm.kill("102_0")
    bench.go("b")
    bench.run()
    a = bench.task(job, "a")
    assert (a.status, a.attempt) == (Status.FAILED, 2)
    assert "was killed" in a.error
    assert ", again. See the log" in a.error
    assert bench.status(job, "b") == Status.DONE

    bench.go("a")
    assert bench.project.retry(job.id) == 1
    bench.run()
    assert bench.status(job, "a") == Status.DONE


@pytest.mark.slow
def test_a_child_that_is_killed_is_started_again_too(bench: Any, slurm: Any) -> None:
    (slurm.folder / "real").touch()
    job = bench.project.submit(request("fake", "a", act="wait"))
    begun(bench, job, "a")
    os.kill(bench.worker(job, "a").child_pid, signal.SIGKILL)
    bench.go("a")
    bench.run()
    assert (bench.status(job, "a"), bench.task(job, "a").attempt) == (Status.DONE, 2)


def test_what_the_cluster_broke_off_goes_on(bench: Any, slurm: Any) -> None:
    job = bench.project.submit(request("fake", "a", act="wait"))
    begun(bench, job, "a")
    slurm.end("101_0", "NODE_FAIL")
    bench.run_until(lambda: bench.task(job, "a").attempt == 2)
    bench.go("a")
    bench.run()
    assert bench.status(job, "a") == Status.DONE
    assert slurm.numbers() == ["101_0", "102_0"]


def test_what_slurm_puts_back_itself_waits_and_goes_on(bench: Any, slurm: Any) -> None:
    (slurm.folder / "real").touch()
    job = bench.project.submit(request("fake", "a", act="wait"))
    begun(bench, job, "a")
    slurm.end("101_0", "PENDING", reason="BeginTime")
    bench.run_until(lambda: words(bench, job, "a") == "slurm 101_0 pending (BeginTime)")
    assert bench.status(job, "a") == Status.STARTING
    slurm.start("101_0")
    bench.run_until(lambda: bench.status(job, "a") == Status.RUNNING)
    bench.go("a")
    bench.run()
    assert (bench.status(job, "a"), bench.task(job, "a").attempt) == (Status.DONE, 1)
    assert slurm.numbers() == ["101_0"]


@pytest.mark.parametrize(
    ("state", "status", "remedy"),
    [
        ("OUT_OF_MEMORY", Status.FAILED, "Raise `memory` in the profile big"),
        ("TIMEOUT", Status.FAILED, "Raise `time` in the profile big"),
        ("CANCELLED", Status.CANCELLED, "cancelled outside of tomotui"),
    ],
)
def test_other_ends_are_told_with_their_remedy(
    bench: Any, slurm: Any, state: str, status: Status, remedy: str
) -> None:
    (bench.project.folder / "cluster.toml").write_text("[profiles.big]\nmemory = '4G'\n")
    (slurm.folder / "hold").touch()
    job = bench.project.submit(request("fake", "a", profile="big"))
    bench.run_until(lambda: "pending" in words(bench, job, "a"))
    slurm.put("101_0", state=state)
    bench.run()
    assert bench.status(job, "a") == status
    assert remedy in bench.task(job, "a").error
    assert "--mem=4G" in slurm.calls("sbatch")[0]


def test_cancelling_ends_what_runs_by_its_flag_and_what_waits_at_once(
    bench: Any, slurm: Any
) -> None:
    job = bench.project.submit(request("fake", "a", "b", act="wait"))
    begun(bench, job, "a", "b")
    (slurm.folder / "hold").touch()
    waiting = bench.project.submit(request("fake", "c", "d", act="wait"))
    bench.run_until(lambda: "pending" in words(bench, waiting, "d"))
    bench.project.request_cancel(job.id, "a")
    bench.project.request_cancel(waiting.id)
    bench.run_until(lambda: ended(bench, job, "a") and ended(bench, waiting, "d"))
    bench.go("b")
    bench.run()
    assert bench.status(job, "a") == bench.status(waiting, "c") == Status.CANCELLED
    assert bench.status(job, "b") == Status.DONE
    assert slurm.calls("scancel") == ["102_0 102_1"]


def test_a_stubborn_task_is_ended_by_the_scheduler(bench: Any, slurm: Any) -> None:
    job = bench.project.submit(request("fake", "a", act="stubborn"))
    bench.run_until(lambda: bench.status(job, "a") == Status.RUNNING)
    bench.project.request_cancel(job.id)
    bench.run()
    assert bench.status(job, "a") == Status.CANCELLED
    assert "101_0" in slurm.calls("scancel")[0]


def test_a_new_agent_adopts_what_runs_what_waits_and_what_has_ended(bench: Any, slurm: Any) -> None:
    job = bench.project.submit(request("fake", "a", "b", act="wait"))
    begun(bench, job, "a", "b")
    (slurm.folder / "hold").touch()
    waiting = bench.project.submit(request("fake", "c"))
    bench.run_until(lambda: "pending" in words(bench, waiting, "c"))
    bench.go("b")
    slurm.wait_gone("101_1")
    slurm.forget("101_1")
    restart(bench)
    slurm.start("102_0")
    bench.go("a")
    bench.run()
    assert {bench.status(job, "a"), bench.status(job, "b"), bench.status(waiting, "c")} == {
        Status.DONE
    }
    assert slurm.numbers() == ["101_0", "102_0"]


def test_a_submission_whose_answer_was_lost_is_found_and_not_repeated(
    bench: Any, slurm: Any
) -> None:
    (slurm.folder / "sbatch.mute").touch()
    (slurm.folder / "hold").touch()
    job = bench.project.submit(request("fake", "a"))
    bench.run_until(lambda: "pending" in words(bench, job, "a"))
    assert bench.task(job, "a").device == "slurm 101_0"
    assert len(slurm.calls("sbatch")) == 1


def test_an_agent_that_died_while_submitting_leaves_nothing_lost(bench: Any, slurm: Any) -> None:
    (slurm.folder / "sbatch.hangs").touch()
    job = bench.project.submit(request("fake", "a"))
    bench.run_until(lambda: slurm.calls("sbatch"))
    (slurm.folder / "sbatch.hangs").unlink()
    restart(bench)
    bench.run()
    assert bench.status(job, "a") == Status.DONE
    assert len(slurm.calls("sbatch")) == 2


def test_a_wrong_wish_fails_with_what_slurm_said(bench: Any, slurm: Any) -> None:
    said = "sbatch: error: Batch job submission failed: Invalid partition name specified"
    (slurm.folder / "sbatch.fails").write_text(said)
    job = bench.project.submit(request("fake", "a", "b"))
    bench.run()
    assert bench.status(job, "b") == Status.FAILED
    error = bench.task(job, "a").error
    assert "Batch job submission failed: Invalid partition name specified" in error
    assert "Correct the profile" in error


def test_a_full_queue_is_tried_again(bench: Any, slurm: Any) -> None:
    said = "sbatch: error: QOSMaxSubmitJobPerUserLimit"
    (slurm.folder / "sbatch.fails").write_text(said)
    job = bench.project.submit(request("fake", "a"))
    bench.run_until(lambda: "QOSMaxSubmitJobPerUserLimit. Trying again" in words(bench, job, "a"))
    (slurm.folder / "sbatch.fails").unlink()
    bench.run()
    assert bench.status(job, "a") == Status.DONE


def test_a_silent_scheduler_is_asked_less_often_and_costs_nothing(bench: Any, slurm: Any) -> None:
    job = bench.project.submit(request("fake", "a", "b", act="wait"))
    begun(bench, job, "a", "b")
    (slurm.folder / "squeue.fails").write_text("slurm_load_jobs error: Unable to contact")
    before = len(slurm.calls("squeue"))
    bench.run_until(lambda: len(slurm.calls("squeue")) >= before + 3)
    assert bench.status(job, "a") == Status.RUNNING
    # What has left its result needs nobody's word.
    bench.go("a")
    bench.run_until(lambda: ended(bench, job, "a"))
    (slurm.folder / "squeue.fails").unlink()
    bench.go("b")
    bench.run()
    assert bench.project.job(job.id).status == Status.DONE


def test_an_element_that_cannot_start_tells_what_it_printed(bench: Any, slurm: Any) -> None:
    (slurm.folder / "real").touch()
    (bench.project.folder / "cluster.toml").write_text(
        "[profiles.odd]\npython = '/no/such python'\n"
    )
    job = bench.project.submit(request("fake", "a", profile="odd"))
    bench.run()
    error = bench.task(job, "a").error
    assert "could not start its worker" in error
    assert "/no/such python" in error
    assert bench.task(job, "a").attempt == 1


def test_what_the_queue_has_forgotten_is_not_waited_for_for_ever(bench: Any, slurm: Any) -> None:
    (slurm.folder / "hold").touch()
    job = bench.project.submit(request("fake", "a"))
    bench.run_until(lambda: "pending" in words(bench, job, "a"))
    slurm.forget("101_0")
    (slurm.folder / "sacct.fails").write_text("Slurm accounting storage is disabled")
    (slurm.folder / "hold").unlink()
    bench.run()
    assert (bench.status(job, "a"), bench.task(job, "a").attempt) == (Status.DONE, 2)


def test_one_call_asks_for_everything_at_most_once_in_an_interval(slurm: Any) -> None:
    queue = Queue(interval_seconds=3600.0, patience_seconds=5.0)
    while not queue.step({"1_0", "1_1", "2_0"}):
        pass
    for _ in range(50):
        queue.step({"1_0", "1_1", "2_0", "3_0"})
    assert len(slurm.calls("squeue")) == len(slurm.calls("sacct")) == 1
    assert "-j 1,2 " in slurm.calls("sacct")[0]
    assert queue.look.states["77_3"].name == "somebody's | other job"


def test_without_slurm_or_its_profile_nothing_is_submitted(
    bench: Any, slurm: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ProjectError, match="there is no cluster profile gpu"):
        submit(bench.project, request("fake", "a", profile="gpu"), start_agent=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProjectError, match="there is no SLURM on this machine"):
        submit(bench.project, request("fake", "a"), start_agent=False)
    assert bench.project.jobs() == []
