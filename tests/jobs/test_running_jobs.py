from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tomotui.jobs.specification import JobSpecification, TaskSpecification
from tomotui.records import Status

if TYPE_CHECKING:
    from conftest import Bench


def test_a_job_runs_to_its_end_and_everything_it_said_is_in_the_project(bench: Bench) -> None:
    job = bench.request("fake", "ts_01", amount=4)
    bench.run()

    task = bench.task(job, "ts_01")
    assert (task.status, task.progress, task.summary) == (Status.DONE, 1.0, "made ts_01")
    assert task.finished_at is not None
    metrics = bench.project.metrics(job.id)
    assert [m.value for m in metrics["loss"]] == [1.0, 1 / 2, 1 / 3, 1 / 4]
    assert metrics["loss"][0].unit == "1"
    assert metrics["final"][0].value == 1.5
    events = bench.project.events(job.id, "ts_01")
    assert [e.kind for e in events] == [
        "started",
        "warning",
        "log",
        "warning",
        "artifact",
        "finished",
    ]
    assert events[1].message == "loss is nan at step 99"
    assert events[4].data["path"] == f"{task.folder}/picture.mrc"
    made = bench.project.series_named("ts_01")
    assert made is not None
    assert made.name == "ts_01"
    done = bench.project.job(job.id)
    assert (done.status, done.progress, done.error) == (Status.DONE, 1.0, "")
    assert done.version


def test_the_last_progress_is_always_written(bench: Bench) -> None:
    job = bench.request("fake", "ts_01", amount=50)
    bench.run()
    lines = (bench.folder(job, "ts_01") / "events.jsonl").read_text().splitlines()
    progress = [event for event in map(json.loads, lines) if event["kind"] == "progress"]
    assert progress[-1]["message"] == "last words"
    assert progress[-1]["data"]["fraction"] == 1.0
    assert len(progress) < 50


def test_threads_of_a_worker_are_few_and_wait_without_work(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "100")
    job = bench.request("fake", "ts_01", act="environment")
    bench.run()
    told = json.loads((bench.folder(job, "ts_01") / "environment.json").read_text())
    for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"):
        assert told[f"{library}_NUM_THREADS"] == "1"
    assert told["CUDA_VISIBLE_DEVICES"] == ""
    assert (told["OMP_WAIT_POLICY"], told["KMP_BLOCKTIME"]) == ("passive", "0")
    # What the user has said stays.
    assert told["GOMP_SPINCOUNT"] == "100"


def test_a_job_folder_is_complete_in_itself(bench: Bench) -> None:
    first = bench.request("fake", "ts_01")
    second = bench.request("next", "ts_01", after=(first.id,))
    bench.run()
    job_folder = bench.project.jobs_folder / "0002-next"
    specification = JobSpecification.model_validate_json((job_folder / "job.json").read_text())
    assert (specification.id, specification.stage) == (second.id, "next")
    task = TaskSpecification.model_validate_json((job_folder / "ts_01/task.json").read_text())
    assert task.parameters == {"act": "work"}
    assert task.inputs["tilt_series"][0] == bench.project.series_named("ts_01")


def test_what_was_made_knows_what_it_was_made_from(bench: Bench) -> None:
    first = bench.request("fake", "ts_01")
    second = bench.request("next", "ts_01", after=(first.id,))
    bench.run()
    series = bench.project.series_named("ts_01")
    assert series is not None
    (alignment,) = bench.project.records("alignment", series.uid)
    assert bench.project.provenance(alignment.uid) == [(series.uid, "tilt_series", first.id)]
    assert bench.status(second, "ts_01") == Status.DONE


def test_a_task_waits_only_for_its_own_target(bench: Bench) -> None:
    first = bench.request("fake", "ts_01", "ts_02", act="wait")
    second = bench.request("next", "ts_01", "ts_02", after=(first.id,))
    bench.go("ts_01")
    bench.run_until(lambda: bench.status(second, "ts_01") == Status.DONE)
    assert not bench.status(first, "ts_02").is_finished
    assert bench.status(second, "ts_02") == Status.QUEUED
    bench.go("ts_02")
    bench.run()
    assert bench.project.job(second.id).status == Status.DONE


def test_one_failing_task_does_not_cost_the_others(bench: Bench) -> None:
    job = bench.project.submit(
        bench.project.clone_request(bench.request("fake", "ts_01", "ts_02").id).replace(
            targets=[
                {"name": "bad", "parameters": {"act": "fail"}},
                {"name": "good", "parameters": {}},
            ]
        )
    )
    later = bench.request("next", "bad", "good", after=(job.id,))
    whole = bench.request("whole", "everything", after=(job.id,))
    bench.run()
    assert bench.status(job, "good") == Status.DONE
    bad = bench.task(job, "bad")
    assert (bad.status, bad.error) == (Status.FAILED, "bad.mrc is truncated. Copy it again.")
    assert bench.status(later, "good") == Status.DONE
    skipped = bench.task(later, "bad")
    assert skipped.status == Status.SKIPPED
    assert skipped.message == f"waits for {job.id:04d}-fake of bad, which failed"
    assert bench.task(whole, "everything").summary == "good ts_01 ts_02"
    assert bench.project.job(job.id).error == "1 failed of 2"
    errors = bench.project.events(job.id, "bad", kinds=("error",))
    assert errors[0].data["remedy"] == "Copy it again."
    log = (bench.folder(job, "bad") / "log.txt").read_text()
    assert "Traceback" in log


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("crash", "ValueError: an odd value See the log."),
        ("memory", "ran out of memory."),
        ("full", "the disk is full: "),
        ("exit", "ended with exit code 5 and without a result"),
    ],
)
def test_every_kind_of_failure_has_a_readable_reason(bench: Bench, act: str, words: str) -> None:
    job = bench.request("fake", "ts_01", act=act)
    bench.run()
    task = bench.task(job, "ts_01")
    assert task.status == Status.FAILED
    assert words in task.error
    assert "Traceback" not in task.error
    if act == "full":
        assert f"{task.folder}/out.mrc" in task.error
    assert bench.project.tilt_series() == []


def test_a_retry_goes_on_from_the_checkpoint(bench: Bench) -> None:
    job = bench.request("fake", "ts_01", act="checkpoint")
    after = bench.request("next", "ts_01", after=(job.id,))
    bench.run()
    assert bench.status(job, "ts_01") == Status.FAILED
    assert bench.status(after, "ts_01") == Status.SKIPPED
    assert bench.project.retry(job.id) == 2
    bench.run()
    task = bench.task(job, "ts_01")
    assert (task.status, task.attempt, task.error) == (Status.DONE, 2, "")
    logs = bench.project.events(job.id, kinds=("log",))
    assert [(e.attempt, e.message) for e in logs] == [(1, "from step 0"), (2, "from step 2")]
    assert [m.step for m in bench.project.metrics(job.id)["step"]] == [0, 1, 2, 3]
    assert (bench.folder(job, "ts_01") / "result-attempt-1.json").exists()
    assert bench.status(after, "ts_01") == Status.DONE


def test_records_that_cannot_be_stored_fail_the_task_and_change_nothing(bench: Bench) -> None:
    broken = bench.request("broken-record", "ts_01")
    orphan = bench.request("orphan", "ts_01")
    bench.run()
    assert "the alignment that was made is not complete" in bench.task(broken, "ts_01").error
    assert "would contradict the project" in bench.task(orphan, "ts_01").error
    assert bench.status(orphan, "ts_01") == Status.FAILED
    assert bench.project.records("alignment") == []


def test_a_missing_input_names_the_stage_to_run(bench: Bench) -> None:
    job = bench.request("next", "ts_01")
    later = bench.request("next", "ts_01", after=(job.id,))
    unknown = bench.request("no-such-stage", "ts_01")
    bench.run()
    task = bench.task(job, "ts_01")
    assert task.status == Status.FAILED
    assert task.error == "ts_01 has no tilt series. Run the stage that makes a tilt series first."
    assert bench.status(later, "ts_01") == Status.SKIPPED
    assert "there is no stage no-such-stage" in bench.task(unknown, "ts_01").error


def test_no_more_tasks_run_at_once_than_there_are_slots(bench: Bench) -> None:
    job = bench.request("fake", "a", "b", "c", act="wait")
    bench.run_until_working(job, "a")
    bench.run_until_working(job, "b")
    bench.agent.step()
    assert bench.status(job, "c") == Status.QUEUED
    bench.go("a", "b", "c")
    bench.run()
    assert bench.project.job(job.id).status == Status.DONE
