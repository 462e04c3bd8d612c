"""What happens when processes are killed, files are damaged and folders vanish."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tomotui.jobs.files import write_model
from tomotui.jobs.liveness import kill_session, session_members
from tomotui.jobs.local import spawn_worker
from tomotui.jobs.settings import AgentSettings
from tomotui.records import Job, Status

if TYPE_CHECKING:
    from conftest import Bench


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_killed_child_fails_with_its_reason_and_the_others_go_on(bench: Bench) -> None:
    job = bench.request("fake", "a", "b", act="wait")
    bench.run_until_working(job, "a")
    bench.run_until_working(job, "b")
    os.kill(bench.worker(job, "a").child_pid, signal.SIGKILL)
    bench.run_until(lambda: bench.status(job, "a").is_finished)
    a = bench.task(job, "a")
    assert a.status == Status.FAILED
    assert a.error == "killed by signal 9 (SIGKILL): out of memory or killed by hand"
    assert bench.status(job, "b") == Status.RUNNING

    bench.go("a", "b")
    bench.run()
    assert bench.project.retry(job.id) == 1
    bench.run()
    assert bench.project.job(job.id).status == Status.DONE
    assert {s.name for s in bench.project.tilt_series()} == {"a", "b"}


def test_the_child_dies_with_its_supervisor(bench: Bench) -> None:
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    worker = bench.worker(job, "a")
    os.kill(worker.supervisor.pid, signal.SIGKILL)
    bench.run()
    task = bench.task(job, "a")
    assert task.status == Status.FAILED
    assert "its supervisor was lost: killed by signal 9 (SIGKILL)" in task.error
    assert session_members(worker.supervisor) == []
    assert not _lives(worker.child_pid)


def test_a_new_agent_adopts_what_the_old_one_left_and_nothing_is_lost(bench: Bench) -> None:
    job = bench.request("fake", "a", act="wait")
    later = bench.request("next", "a", after=(job.id,))
    bench.run_until_working(job, "a")
    pid = bench.worker(job, "a").supervisor.pid

    bench.new_agent()
    bench.agent.step()
    assert bench.task(job, "a").pid == pid
    bench.go("a")
    bench.run()
    assert bench.project.job(later.id).status == Status.DONE
    kinds = [event.kind for event in bench.project.events(job.id)]
    assert kinds == ["started", "adopted", "finished"]
    assert len(bench.project.tilt_series()) == 1


def test_a_task_that_ended_without_an_agent_is_taken_in(bench: Bench) -> None:
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    process = bench.agent._followers[bench.task(job, "a").id]._process
    assert process is not None
    bench.go("a")
    process.wait()
    bench.new_agent()
    bench.run()
    assert bench.status(job, "a") == Status.DONE
    assert bench.project.series_named("a") is not None


def test_a_supervisor_that_vanished_without_an_agent_is_a_failure(bench: Bench) -> None:
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    process = bench.agent._followers[bench.task(job, "a").id]._process
    assert process is not None
    process.kill()
    process.wait()
    bench.new_agent()
    bench.run()
    assert bench.status(job, "a") == Status.FAILED
    assert "its process vanished" in bench.task(job, "a").error


def test_a_task_whose_start_was_interrupted_is_started_again(bench: Bench) -> None:
    job = bench.request("fake", "a")
    bench.project.mark_starting(bench.task(job, "a"), "cpu", "somewhere")
    bench.new_agent()
    bench.run()
    task = bench.task(job, "a")
    assert (task.status, task.attempt) == (Status.DONE, 1)


def test_a_second_worker_for_the_same_task_ends_at_once(bench: Bench) -> None:
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    second = spawn_worker(bench.folder(job, "a"))
    assert second.wait(timeout=30) == 0
    bench.go("a")
    bench.run()
    assert bench.status(job, "a") == Status.DONE
    assert "another worker is at work" in (bench.folder(job, "a") / "log.txt").read_text()
    events = bench.project.events(job.id, kinds=("started",))
    assert len(events) == 1


def test_a_finished_task_folder_is_not_run_again_by_hand(bench: Bench) -> None:
    job = bench.request("fake", "a")
    bench.run()
    before = (bench.folder(job, "a") / "result.json").read_bytes()
    assert spawn_worker(bench.folder(job, "a")).wait(timeout=30) == 0
    assert (bench.folder(job, "a") / "result.json").read_bytes() == before


@pytest.mark.parametrize("content", ["", '{"attempt": 1, "status": "do', "[]"])
def test_a_damaged_result_fails_its_task_and_names_the_file(bench: Bench, content: str) -> None:
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    process = bench.agent._followers[bench.task(job, "a").id]._process
    assert process is not None
    bench.go("a")
    process.wait()
    path = bench.folder(job, "a") / "result.json"
    path.write_text(content)
    bench.run()
    task = bench.task(job, "a")
    assert task.status == Status.FAILED
    assert str(path) in task.error
    assert bench.project.tilt_series() == []
    bench.project.retry(job.id)
    bench.run()
    assert bench.status(job, "a") == Status.DONE


@pytest.mark.parametrize("adopted", [False, True])
def test_a_job_folder_deleted_by_hand_is_a_clear_failure(bench: Bench, adopted: bool) -> None:
    job = bench.request("fake", "a", "b", act="wait")
    task = bench.run_until_working(job, "a")
    bench.run_until_working(job, "b")
    shutil.rmtree(bench.folder(job, "a"))
    if adopted:
        bench.new_agent()
    bench.run_until(lambda: bench.status(job, "a").is_finished)
    assert bench.status(job, "a") == Status.FAILED
    assert "0001-fake/a was deleted while it ran" in bench.task(job, "a").error
    assert task.pid is not None
    assert not _lives(task.pid)
    bench.go("a", "b")
    bench.project.retry(job.id)
    bench.run()
    assert bench.project.job(job.id).status == Status.DONE


def test_a_finished_job_whose_folder_is_gone_stays_done(bench: Bench) -> None:
    job = bench.request("fake", "a")
    bench.run()
    shutil.rmtree(bench.project.jobs_folder)
    bench.new_agent()
    bench.run()
    assert bench.status(job, "a") == Status.DONE
    assert bench.project.series_named("a") is not None


def test_a_torn_last_line_of_an_earlier_attempt_costs_nothing(bench: Bench) -> None:
    job = bench.request("fake", "a", act="fail")
    bench.run()
    with open(bench.folder(job, "a") / "events.jsonl", "ab") as file:
        file.write(b'{"kind": "log", "at": 1.0, "mess')
    bench.project.retry(job.id)
    bench.run()
    kinds = [(e.attempt, e.kind) for e in bench.project.events(job.id)]
    once = ["started", "error", "finished"]
    assert kinds == [(1, kind) for kind in once] + [(2, kind) for kind in once]


def test_cancelling_stops_what_runs_and_what_waits(bench: Bench) -> None:
    job = bench.request("fake", "a", "b", "c", act="wait")
    bench.run_until_working(job, "a")
    bench.run_until_working(job, "b")
    assert bench.project.request_cancel(job.id) == 3
    assert bench.status(job, "c") == Status.CANCELLED
    bench.run()
    assert {task.status for task in bench.project.tasks(job.id)} == {Status.CANCELLED}
    assert bench.project.job(job.id).status == Status.CANCELLED
    bench.go("a", "b", "c")
    assert bench.project.retry(job.id) == 3
    bench.run()
    assert bench.project.job(job.id).status == Status.DONE


def test_cancelling_one_target_leaves_the_other(bench: Bench) -> None:
    job = bench.request("fake", "a", "b", act="wait")
    bench.run_until_working(job, "a")
    bench.project.request_cancel(job.id, "a")
    bench.run_until(lambda: bench.status(job, "a") == Status.CANCELLED)
    bench.go("b")
    bench.run()
    assert bench.status(job, "b") == Status.DONE


def test_a_stage_that_does_not_listen_is_killed_with_all_that_it_started(bench: Bench) -> None:
    job = bench.request("fake", "a", act="stubborn")
    bench.run_until(lambda: bench.project.events(job.id, kinds=("log",)))
    worker = bench.worker(job, "a")
    left_behind = int(bench.project.events(job.id, kinds=("log",))[0].message.split()[-1])
    bench.project.request_cancel(job.id)
    bench.run()
    assert bench.status(job, "a") == Status.CANCELLED
    assert session_members(worker.supervisor) == []
    assert not _lives(left_behind)


def test_a_silent_worker_is_reported_and_not_killed(bench: Bench) -> None:
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    supervisor = bench.worker(job, "a").supervisor
    os.kill(supervisor.pid, signal.SIGSTOP)
    bench.new_agent(AgentSettings(stall=0.3))
    bench.run_until(lambda: bench.task(job, "a").message.startswith("no heartbeat for"))
    assert bench.status(job, "a") == Status.RUNNING
    warnings = bench.project.events(job.id, kinds=("warning",))
    assert len(warnings) == 1
    os.kill(supervisor.pid, signal.SIGCONT)
    bench.run_until(lambda: bench.task(job, "a").message == "")
    bench.go("a")
    bench.run()
    assert bench.status(job, "a") == Status.DONE


def _rewrite_worker(bench: Bench, job: Job, **changes: str) -> None:
    """Make it look as if the worker had been started elsewhere or before."""
    worker = bench.worker(job, "a")
    changed = worker.model_copy(update={"supervisor": worker.supervisor.replace(**changes)})
    write_model(bench.folder(job, "a") / "worker.json", changed)


def test_a_restart_of_the_machine_is_the_reason(bench: Bench) -> None:
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    leader = bench.worker(job, "a").supervisor
    kill_session(leader)
    bench.wait_until(lambda: not session_members(leader))
    _rewrite_worker(bench, job, boot_id="before")
    bench.new_agent()
    bench.run()
    assert bench.status(job, "a") == Status.FAILED
    assert bench.task(job, "a").error == "the machine was restarted while it ran"


def test_a_worker_on_another_host_is_followed_by_its_files(bench: Bench) -> None:
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    _rewrite_worker(bench, job, host="another-host")
    bench.new_agent(AgentSettings(lost=30.0))
    bench.agent.step()
    assert bench.status(job, "a") == Status.RUNNING
    bench.go("a")
    bench.run()
    assert bench.status(job, "a") == Status.DONE


def test_a_silent_worker_on_another_host_is_lost(bench: Bench) -> None:
    job = bench.request("fake", "a", act="wait")
    bench.run_until_working(job, "a")
    kill_session(bench.worker(job, "a").supervisor)
    _rewrite_worker(bench, job, host="another-host")
    bench.new_agent(AgentSettings(lost=0.2))
    bench.run()
    assert bench.status(job, "a") == Status.LOST
    assert "nothing was heard of its process on another-host" in bench.task(job, "a").error


def test_a_worker_without_a_task_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tomotui.jobs.worker", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "holds no task" in ended.stdout
