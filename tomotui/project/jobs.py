"""Jobs in the project file, as the faces use them: submit, look, cancel, retry."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from tomotui.project.base import Part
from tomotui.project.database import Row
from tomotui.project.errors import ProjectError
from tomotui.project.rows import event_of, folder_name, job_of, job_status, metric_of, task_of
from tomotui.records import FINISHED, Event, Job, JobRequest, Metric, Status, Target, Task

_RETRIED = (Status.FAILED, Status.CANCELLED, Status.SKIPPED, Status.LOST)


class Place(NamedTuple):
    """Where a job runs: the executor, and the profile of what it asks for there."""

    executor: str = "local"
    profile: str = ""


class JobPart(Part):
    """The queue as people see it."""

    _known_targets: dict[int, tuple[float, tuple[str, ...]]]

    def submit(self, request: JobRequest) -> Job:
        """Put a job into the queue, with one task for each target.

        Nothing is said here about whether the parameters make sense to the stage:
        `tomotui.jobs.submit` does that first.

        Raises
        ------
        ProjectError
            When a target is named twice, or a job to wait for does not exist.
        """
        names = [target.name for target in request.targets]
        twice = sorted(name for name, n in Counter(names).items() if n > 1)
        if twice:
            raise ProjectError(f"{', '.join(twice)}: named twice as a target.", "Name each once.")
        with self._db.transaction():
            for after in request.after:
                self.job(after)
            job_id = self._insert_job(request)
            self._db.insert_all(
                "job_dependencies",
                [
                    {"job_id": job_id, "after_job_id": a, "optional": a in request.optional_after}
                    for a in dict.fromkeys(request.after)
                ],
            )
        return self.job(job_id)

    def _insert_job(self, request: JobRequest) -> int:
        job_id = self._db.insert(
            "jobs",
            {
                "stage": request.stage,
                "status": Status.QUEUED,
                "parameters": json.dumps(request.parameters),
                "executor": request.executor,
                "profile": request.profile,
                "label": request.label,
                "folder": "",
                "created_at": time.time(),
                "step": request.step.model_dump_json() if request.step else "",
            },
        )
        folder = f"jobs/{job_id:04d}-{request.stage}"
        self._db.execute("UPDATE jobs SET folder = ? WHERE id = ?", (folder, job_id))
        self._db.insert_all(
            "tasks",
            [
                {
                    "job_id": job_id,
                    "stage": request.stage,
                    "target": target.name,
                    "status": Status.QUEUED,
                    "overrides": json.dumps(target.parameters),
                    "parameters": json.dumps({**request.parameters, **target.parameters}),
                    "folder": f"{folder}/{folder_name(target.name)}",
                }
                for target in request.targets
            ],
        )
        return job_id

    def jobs(self) -> list[Job]:
        """Return all jobs, oldest first."""
        return self._jobs_where("1", ())

    def job(self, job_id: int) -> Job:
        """Return one job.

        Raises
        ------
        ProjectError
            When there is no such job.
        """
        found = self._jobs_where("id = ?", (job_id,))
        if not found:
            raise ProjectError(f"there is no job {job_id}.", "See: tomotui jobs")
        return found[0]

    def _jobs_where(self, where: str, values: Sequence[int]) -> list[Job]:
        rows = self._db.query(f"SELECT * FROM jobs WHERE {where} ORDER BY id", values)
        only = f"job_id IN (SELECT id FROM jobs WHERE {where})"
        after: dict[int, dict[int, bool]] = {}
        for row in self._db.query(f"SELECT * FROM job_dependencies WHERE {only}", values):
            after.setdefault(row["job_id"], {})[row["after_job_id"]] = bool(row["optional"])
        numbers: dict[int, int] = dict(
            self._db.tuples(
                f"SELECT job_id, count(*) FROM tasks WHERE {only} GROUP BY job_id", values
            )
        )
        return [
            job_of(row, self._targets_of(row, numbers.get(row["id"], 0)), after.get(row["id"], {}))
            for row in rows
        ]

    def _targets_of(self, job: Row, n: int) -> tuple[str, ...]:
        """Return the ``n`` targets of a job: they are read once, for they never change."""
        made_at, known = self._known_targets.get(job["id"], (0.0, ()))
        # A number is given again when what it was given to was taken back.
        if len(known) != n or made_at != job["created_at"]:
            found = self._db.tuples(
                "SELECT target FROM tasks WHERE job_id = ? ORDER BY id", (job["id"],)
            )
            known = tuple(target for (target,) in found)
            self._known_targets[job["id"]] = job["created_at"], known
        return known

    def last_place(self, stage: str) -> Place:
        """Return where the newest job of a stage was meant to run."""
        rows = self._db.query(
            "SELECT executor, profile FROM jobs WHERE stage = ? ORDER BY id DESC LIMIT 1", (stage,)
        )
        return Place(rows[0]["executor"], rows[0]["profile"]) if rows else Place()

    def tasks(self, job_id: int) -> list[Task]:
        """Return the tasks of a job, in the order of its targets."""
        return self._tasks_where("job_id = ?", (job_id,))

    def tasks_of_stage(self, stage: str) -> list[Task]:
        """Return the tasks of all jobs of a stage, oldest first."""
        return self._tasks_where("stage = ?", (stage,))

    def newest_tasks(self) -> list[Task]:
        """Return the newest task of each target and stage, oldest first."""
        return self._tasks_where("id IN (SELECT max(id) FROM tasks GROUP BY target, stage)", ())

    def task(self, job_id: int, target: str) -> Task:
        """Return the task of a job that works on a target.

        Raises
        ------
        ProjectError
            When there is no such task.
        """
        found = self._tasks_where("job_id = ? AND target = ?", (job_id, target))
        if not found:
            raise ProjectError(f"job {job_id} has no target {target}.", f"See: job {job_id}.")
        return found[0]

    def _tasks_where(self, where: str, values: Sequence[object], limit: int = -1) -> list[Task]:
        rows = self._db.query(
            f"SELECT * FROM tasks WHERE {where} ORDER BY id LIMIT ?", (*values, limit)
        )
        # Tasks of a job have mostly the same parameters: the same text is parsed once.
        parsed = {text: json.loads(text) for text in {row["parameters"] for row in rows}}
        return [task_of(row, parsed[row["parameters"]]) for row in rows]

    def task_counts(self) -> dict[Status, int]:
        """Return how many tasks of all jobs are in each state."""
        rows = self._db.tuples("SELECT status, count(*) FROM tasks GROUP BY status")
        return {Status(status): int(n) for status, n in rows}

    def n_done_by_job(self) -> dict[int, int]:
        """Return for each job how many of its tasks have succeeded."""
        rows = self._db.tuples(
            "SELECT job_id, count(*) FROM tasks WHERE status = 'done' GROUP BY job_id"
        )
        return {int(job_id): int(n) for job_id, n in rows}

    def n_open_failures(self) -> int:
        """Return how many tasks have failed that no later job of the stage works on again."""
        return int(
            self._db.scalar(
                """SELECT count(*) FROM tasks t WHERE status IN ('failed', 'lost')
                   AND NOT EXISTS (SELECT 1 FROM tasks later WHERE later.target = t.target
                                   AND later.stage = t.stage AND later.job_id > t.job_id)"""
            )
        )

    def events(
        self,
        job_id: int,
        target: str | None = None,
        kinds: Collection[str] | None = None,
        limit: int = 500,
    ) -> list[Event]:
        """Return the newest events of a job or one of its tasks, oldest first.

        Progress and metrics are no events here: `task` has the present progress and `metrics`
        the values. The task's ``events.jsonl`` keeps every word of the worker.
        """
        where, values = self._of_job(job_id, target)
        if kinds is not None:
            where += f" AND kind IN ({', '.join('?' * len(kinds))})"
            values += tuple(kinds)
        rows = self._db.query(
            f"SELECT * FROM events WHERE {where} ORDER BY id DESC LIMIT ?", (*values, limit)
        )
        return [event_of(row) for row in reversed(rows)]

    def metrics(self, job_id: int, target: str | None = None) -> dict[str, list[Metric]]:
        """Return the measured values of a job or one of its tasks by name, in order of step."""
        where, values = self._of_job(job_id, target)
        found: dict[str, list[Metric]] = {}
        for row in self._db.query(
            f"SELECT * FROM metrics WHERE {where} ORDER BY name, step, task_id", values
        ):
            found.setdefault(row["name"], []).append(metric_of(row))
        return found

    def _of_job(self, job_id: int, target: str | None) -> tuple[str, tuple[object, ...]]:
        if target is None:
            return "job_id = ?", (job_id,)
        return "task_id = ?", (self.task(job_id, target).id,)

    def request_cancel(self, job_id: int, target: str | None = None) -> int:
        """Ask a job, or one of its tasks, to stop; returns how many tasks that concerns.

        What waits is cancelled at once; what runs is marked, and the agent stops it.
        """
        with self._db.transaction():
            tasks = [self.task(job_id, target)] if target is not None else self.tasks(job_id)
            waiting = [task.id for task in tasks if task.status == Status.QUEUED]
            active = [task.id for task in tasks if task.status.is_active]
            self._db.execute_many(
                """UPDATE tasks SET status = 'cancelled', message = 'cancelled before it began',
                   finished_at = ?, eta_seconds = NULL WHERE id = ?""",
                [(time.time(), task_id) for task_id in waiting],
            )
            self._db.execute_many(
                "UPDATE tasks SET cancel_requested = 1 WHERE id = ?", [(i,) for i in active]
            )
            self._refresh_job(job_id)
        return len(waiting) + len(active)

    def retry(self, job_id: int, target: str | None = None) -> int:
        """Put what did not succeed back into the queue; returns how many tasks that concerns.

        Tasks of later jobs that were skipped because these had failed are queued again too.
        """
        with self._db.transaction():
            tasks = [self.task(job_id, target)] if target is not None else self.tasks(job_id)
            again = [task for task in tasks if task.status in _RETRIED]
            queue = list(again)
            while queue:
                skipped = self._skipped_after(queue.pop())
                known = {task.id for task in again}
                new = [task for task in skipped if task.id not in known]
                again += new
                queue += new
            self._requeue([task.id for task in again])
            for each in {task.job_id for task in again}:
                self._refresh_job(each)
        return len(again)

    def _skipped_after(self, task: Task) -> list[Task]:
        """Return the tasks that were skipped and wait for this one, directly."""
        return self._tasks_where(
            """status = 'skipped'
               AND job_id IN (SELECT job_id FROM job_dependencies WHERE after_job_id = ?)
               AND (target = ? OR target NOT IN (SELECT target FROM tasks WHERE job_id = ?))""",
            (task.job_id, task.target, task.job_id),
        )

    def _requeue(self, task_ids: Sequence[int]) -> None:
        self._db.execute_many(
            """UPDATE tasks SET status = 'queued', attempt = attempt + 1, progress = 0,
               eta_seconds = NULL, message = '', error = '', summary = '', device = '', host = '',
               pid = NULL, started_at = NULL, finished_at = NULL, heartbeat_at = NULL,
               cancel_requested = 0 WHERE id = ?""",
            [(task_id,) for task_id in task_ids],
        )

    def clone_request(self, job_id: int) -> JobRequest:
        """Return the wish that made a job, to be changed and submitted again."""
        job = self.job(job_id)
        rows = self._db.query(
            "SELECT target, overrides FROM tasks WHERE job_id = ? ORDER BY id", (job_id,)
        )
        return JobRequest.model_validate(
            {
                "stage": job.stage,
                "parameters": job.parameters,
                "targets": [
                    Target(name=row["target"], parameters=json.loads(row["overrides"]))
                    for row in rows
                ],
                "after": job.after,
                "optional_after": job.optional_after,
                "executor": job.executor,
                "profile": job.profile,
                "label": job.label,
            }
        )

    def overrides(self, job_id: int) -> dict[str, dict[str, object]]:
        """Return by target the parameters in which it differs from its job, where it does."""
        rows = self._db.tuples(
            """SELECT target, overrides FROM tasks WHERE job_id = ? AND overrides != '{}'
               ORDER BY id""",
            (job_id,),
        )
        return {target: json.loads(text) for target, text in rows}

    def _refresh_job(self, job_id: int) -> None:
        """Derive the state of a job from its tasks.

        Done after every change of a task: only what an index tells is asked of all tasks.
        """
        rows = self._db.query(
            """SELECT status, count(*) AS n, min(started_at) AS started
               FROM tasks WHERE job_id = ? GROUP BY status""",
            (job_id,),
        )
        status = job_status({Status(row["status"]): row["n"] for row in rows})
        total = sum(row["n"] for row in rows)
        finished = sum(row["n"] for row in rows if Status(row["status"]) in FINISHED)
        moving = 0.0
        if status.is_active:
            moving = self._db.scalar(
                """SELECT total(progress) FROM tasks
                   WHERE job_id = ? AND status IN ('starting', 'running')""",
                (job_id,),
            )
        ended = None
        if status.is_finished:
            ended = self._db.scalar(
                "SELECT max(finished_at) FROM tasks WHERE job_id = ?", (job_id,)
            )
        self._db.execute(
            """UPDATE jobs SET status = ?, progress = ?, started_at = ?, finished_at = ?,
               error = ? WHERE id = ?""",
            (
                status,
                (finished + moving) / total,
                min((row["started"] for row in rows if row["started"]), default=None),
                ended,
                _what_went_wrong(rows, total),
                job_id,
            ),
        )


def _what_went_wrong(rows: Sequence[Row], total: int) -> str:
    """Return one line that counts the tasks which did not succeed; empty when none."""
    bad = (Status.FAILED, Status.LOST, Status.SKIPPED, Status.CANCELLED)
    parts = [f"{row['n']} {status}" for status in bad for row in rows if row["status"] == status]
    return f"{', '.join(parts)} of {total}" if parts else ""
