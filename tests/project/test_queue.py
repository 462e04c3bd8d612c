from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tomotui.project import Project, ProjectError, RefusedChange
from tomotui.records import Alignment, Event, Job, JobRequest, Status, Target, Task, TiltSeries

Maker = Callable[..., TiltSeries]


def _submit(
    project: Project, stage: str, *names: str, after: tuple[int, ...] = (), **parameters: object
) -> Job:
    targets = tuple(Target(name=name) for name in names)
    return project.submit(
        JobRequest(stage=stage, targets=targets, after=after, parameters=parameters)
    )


def _start(project: Project, job: Job, target: str) -> Task:
    project.mark_starting(project.task(job.id, target), "cpu", "here")
    project.mark_running(project.task(job.id, target), 1)
    return project.task(job.id, target)


def _end(project: Project, job: Job, target: str, status: Status = Status.DONE) -> None:
    assert project.finish_task(project.task(job.id, target), status, error=str(status))


def test_a_wish_becomes_a_job_with_a_task_for_each_target(project: Project) -> None:
    request = JobRequest(
        stage="align",
        parameters={"bin": 4, "deep": {"a": [1, 2]}},
        targets=(Target(name="ts_01"), Target(name="ts 02/../x", parameters={"bin": 8})),
        label="first try",
    )
    job = project.submit(request)
    assert (job.name, job.status, job.folder) == ("0001-align", Status.QUEUED, "jobs/0001-align")
    first, second = project.tasks(job.id)
    assert first.parameters == request.parameters
    assert second.parameters == {"bin": 8, "deep": {"a": [1, 2]}}
    assert first.folder == "jobs/0001-align/ts_01"
    assert second.folder.startswith("jobs/0001-align/ts_02_.._x-")
    assert project.clone_request(job.id) == request
    assert project.jobs() == [job]


def test_what_makes_no_sense_is_refused_whole(project: Project) -> None:
    with pytest.raises(ProjectError, match="ts_01: named twice"):
        _submit(project, "align", "ts_01", "ts_01")
    with pytest.raises(ProjectError, match="there is no job 7"):
        _submit(project, "align", "ts_01", after=(7,))
    assert project.jobs() == []
    with pytest.raises(ProjectError, match="no job 1"):
        project.job(1)
    job = _submit(project, "align", "ts_01")
    with pytest.raises(ProjectError, match="no target ts_02"):
        project.task(job.id, "ts_02")


def test_a_task_is_ready_when_its_own_target_is(project: Project) -> None:
    first = _submit(project, "align", "a", "b")
    second = _submit(project, "reconstruct", "a", "b", after=(first.id,))
    whole = _submit(project, "train", "all", after=(first.id,))
    assert {task.job_id for task in project.ready_tasks()} == {first.id}
    _end(project, first, "a")
    assert [(t.job_id, t.target) for t in project.ready_tasks()] == [
        (first.id, "b"),
        (second.id, "a"),
    ]
    _end(project, first, "b")
    assert (whole.id, "all") in {(t.job_id, t.target) for t in project.ready_tasks()}
    assert len(project.ready_tasks(limit=2)) == 2


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.LOST])
def test_what_waits_for_a_failure_is_skipped_all_the_way_down(
    project: Project, status: Status
) -> None:
    first = _submit(project, "align", "a", "b")
    second = _submit(project, "reconstruct", "a", "b", after=(first.id,))
    third = _submit(project, "denoise", "a", "b", after=(second.id,))
    _end(project, first, "a", status)
    assert [task.job_id for task in project.skip_blocked()] == [second.id]
    assert [task.job_id for task in project.skip_blocked()] == [third.id]
    assert project.skip_blocked() == []
    assert project.task(third.id, "a").error.startswith("waits for 0002-reconstruct of a, which")
    assert project.task(third.id, "b").status == Status.QUEUED
    assert project.retry(first.id) == 3
    assert [t.target for t in project.ready_tasks()] == ["a", "b"]


def test_what_waits_for_a_whole_job_goes_on_with_what_there_is(project: Project) -> None:
    first = _submit(project, "align", "a", "b")
    whole = _submit(project, "train", "all", after=(first.id,))
    _end(project, first, "a", Status.FAILED)
    assert project.skip_blocked() == []
    _end(project, first, "b", Status.FAILED)
    assert [task.job_id for task in project.skip_blocked()] == [whole.id]


def test_the_state_of_a_job_follows_from_its_tasks(project: Project) -> None:
    job = _submit(project, "align", "a", "b")
    _start(project, job, "a")
    assert project.job(job.id).status == Status.RUNNING
    _end(project, job, "a", Status.FAILED)
    half = project.job(job.id)
    assert (half.status, half.progress, half.finished_at) == (Status.RUNNING, 0.5, None)
    _end(project, job, "b")
    ended = project.job(job.id)
    assert (ended.status, ended.progress, ended.error) == (Status.FAILED, 1.0, "1 failed of 2")
    assert ended.finished_at is not None


def test_events_are_taken_in_exactly_once(project: Project) -> None:
    job = _submit(project, "align", "a")
    task = _start(project, job, "a")
    said = [
        Event(kind="log", at=1.0, message="hello"),
        Event(kind="metric", at=2.0, data={"name": "loss", "value": 0.5, "step": 1}),
        Event(kind="metric", at=2.0, data={"name": "loss", "value": None, "step": 2}),
        Event(kind="progress", at=3.0, message="half", data={"fraction": 0.5, "eta_seconds": 9}),
        Event(kind="progress", at=3.0, attempt=0, message="old", data={"fraction": 0.9}),
    ]
    assert project.ingest_events(task, said, 100)
    assert not project.ingest_events(task, said, 100)
    assert [event.message for event in project.events(job.id)] == ["hello"]
    (loss,) = project.metrics(job.id, "a")["loss"]
    assert (loss.value, loss.step) == (0.5, 1)
    now = project.task(job.id, "a")
    assert (now.progress, now.eta_seconds, now.message) == (0.5, 9, "half")
    assert now.event_offset == 100
    assert project.job(job.id).progress == 0.5


def test_events_are_given_newest_last_and_bounded(project: Project) -> None:
    job = _submit(project, "align", "a", "b")
    for name in ("a", "b"):
        task = project.task(job.id, name)
        events = [Event(kind=k, at=1.0, message=f"{name}{k}") for k in ("log", "warning", "log")]
        project.ingest_events(task, events, 10)
    assert [e.message for e in project.events(job.id, limit=2)] == ["bwarning", "blog"]
    assert [e.message for e in project.events(job.id, "a", kinds={"warning"})] == ["awarning"]


def test_a_task_ends_once_and_with_all_it_made_or_nothing(
    project: Project, make_series: Maker
) -> None:
    job = _submit(project, "import", "a", "b")
    series = make_series("a")
    task = _start(project, job, "a")
    assert project.finish_task(task, Status.DONE, records=[series], metrics={"tilts": 3})
    assert not project.finish_task(task, Status.FAILED, error="again")
    assert project.task(job.id, "a").status == Status.DONE
    with pytest.raises(RefusedChange):
        project.finish_task(_start(project, job, "b"), Status.DONE, records=[series])
    assert project.task(job.id, "b").status == Status.RUNNING
    assert project.tilt_series() == [series]


def test_a_task_cancelled_while_it_waited_is_not_started(project: Project) -> None:
    job = _submit(project, "align", "a")
    seen = project.ready_tasks()[0]
    assert project.request_cancel(job.id) == 1
    assert not project.mark_starting(seen, "cpu", "here")
    assert project.job(job.id).status == Status.CANCELLED
    assert project.request_cancel(job.id) == 0


def test_the_matrix_shows_every_series_and_what_was_made_of_it(
    project: Project, make_series: Maker
) -> None:
    project.add_records([make_series("ts_10"), make_series("ts_2"), make_series("z", "a")])
    job = _submit(project, "align", "ts_2", "ts_10")
    project.finish_task(project.task(job.id, "ts_2"), Status.DONE, summary="0.9 px")
    _submit(project, "import", "ts_3", dataset="default")
    _submit(project, "train", "everything")
    rows = project.matrix()
    assert [(r.dataset, r.name) for r in rows] == [
        ("a", "z"),
        ("default", "ts_2"),
        ("default", "ts_3"),
        ("default", "ts_10"),
    ]
    cell = rows[1].cells["align"]
    assert (cell.status, cell.text, cell.progress, cell.job_id) == (Status.DONE, "0.9 px", 1, 1)
    assert rows[3].cells["align"].status == Status.QUEUED
    assert rows[2].series is None
    assert rows[2].cells["import"].status == Status.QUEUED
    again = _submit(project, "align", "ts_2")
    assert project.matrix()[1].cells["align"].job_id == again.id
    assert [project.matrix_row(row.name) for row in rows] == project.matrix()
    assert project.matrix_row("everything") is None
    assert [row.name for row in project.stage_rows()] == [row.name for row in rows]


def test_the_matrix_asks_as_often_for_many_series_as_for_one(
    project: Project, make_series: Maker
) -> None:
    def count() -> int:
        asked: list[str] = []
        project._parsed.clear()
        project._db._sqlite.set_trace_callback(asked.append)
        project.matrix()
        project._db._sqlite.set_trace_callback(None)
        return len(asked)

    project.add_records([make_series("ts_0")])
    few = count()
    project.add_records([make_series(f"ts_{i}") for i in range(1, 200)])
    _submit(project, "align", *(f"ts_{i}" for i in range(200)))
    assert count() == few
    assert len(project.matrix()) == 200


def test_many_writers_lose_nothing(project: Project) -> None:
    def write(number: int) -> None:
        with Project.open(project.folder) as own:
            for i in range(10):
                _submit(own, "align", f"ts_{number}_{i}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    jobs = project.jobs()
    assert [job.id for job in jobs] == list(range(1, 41))
    assert len({job.targets for job in jobs}) == 40


def test_a_number_that_is_given_again_is_another_job(project: Project) -> None:
    def submit_in_vain() -> None:
        with project.at_once():
            assert _submit(project, "align", "a", "b").targets == ("a", "b")
            project.job(99)

    with pytest.raises(ProjectError, match="no job 99"):
        submit_in_vain()
    again = _submit(project, "align", "c", "d")
    assert again.id == 1
    assert again.targets == ("c", "d")
    assert project.jobs() == [again]


def test_tasks_are_counted_without_reading_them(project: Project) -> None:
    first = _submit(project, "align", "a", "b", "c")
    for name, status in (("a", Status.FAILED), ("b", Status.LOST), ("c", Status.DONE)):
        project.finish_task(project.task(first.id, name), status)
    assert project.n_open_failures() == 2
    second = _submit(project, "align", "a")
    _submit(project, "ctf", "b")
    assert project.n_open_failures() == 1
    assert project.mark_starting(project.task(second.id, "a"), "cpu", "here")
    assert project.task_counts() == {
        Status.FAILED: 1,
        Status.LOST: 1,
        Status.DONE: 1,
        Status.STARTING: 1,
        Status.QUEUED: 1,
    }
    assert project.n_done_by_job() == {first.id: 1}


def test_what_was_made_of_a_record_is_kept_until_another_comes(
    project: Project, make_series: Maker, make_alignment: Callable[[TiltSeries], Alignment]
) -> None:
    series = make_series("ts_1")
    project.add_records([series, make_alignment(series).replace(residual_angstrom=4.0)])
    read: list[float] = []

    def residual(fields: dict[str, Any]) -> float:
        read.append(fields["residual_angstrom"])
        return read[-1]

    for _ in range(2):
        assert project.distilled("alignment", residual) == {series.uid: 4.0}
    project.add_records([make_alignment(series).replace(residual_angstrom=3.0)])
    for _ in range(2):
        assert project.distilled("alignment", residual) == {series.uid: 3.0}
    assert read == [4.0, 3.0]
