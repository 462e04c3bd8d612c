"""Jobs in the project file, as the agent uses them: what to start, and what came of it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tomotui.project.jobs import JobPart
from tomotui.project.searches import SearchPart
from tomotui.records import AnyRecord, Event, Status, Task

if TYPE_CHECKING:
    from tomotui.records.particle_table import Candidates, ParticleTable

_NOT_STORED = frozenset({"progress", "metric"})

# A task waits for the task of its own target in each job before it, where that job has one, and
# otherwise for all tasks of that job. An optional job has to end, and need not succeed.
_UPSTREAM = """
    FROM tasks q
    JOIN job_dependencies d ON d.job_id = q.job_id
    JOIN tasks u ON u.job_id = d.after_job_id
    WHERE q.status = 'queued' AND {condition}
"""
_SAME_TARGET = "u.target = q.target"
_WHOLE_JOB = """NOT EXISTS (
    SELECT 1 FROM tasks s WHERE s.job_id = d.after_job_id AND s.target = q.target)"""
_UNFINISHED = "u.status IN ('queued', 'starting', 'running')"


class LedgerPart(JobPart, SearchPart):
    """Everything that only the agent does, each in one transaction."""

    def active_tasks(self) -> list[Task]:
        """Return the tasks for which a process is, or may be, at work."""
        return self._tasks_where("status IN ('starting', 'running')", ())

    def queued_count(self) -> int:
        """Return how many tasks wait, for whatever executor."""
        return int(self._db.scalar("SELECT count(*) FROM tasks WHERE status = 'queued'"))

    def ready_tasks(
        self, executor: str = "local", limit: int = 500, but_not: Collection[int] = ()
    ) -> list[Task]:
        """Return waiting tasks whose jobs before them have done their part, in order.

        Parameters
        ----------
        but_not
            Jobs whose tasks are to wait on.
        """
        same = f"{_SAME_TARGET} AND u.status != 'done' AND (d.optional = 0 OR {_UNFINISHED})"
        whole = f"{_WHOLE_JOB} AND {_UNFINISHED}"
        return self._tasks_where(
            f"""status = 'queued' AND cancel_requested = 0
                AND job_id IN (SELECT id FROM jobs WHERE executor = ?)
                AND job_id NOT IN ({", ".join("?" * len(but_not))})
                AND id NOT IN (SELECT q.id {_UPSTREAM.format(condition=same)})
                AND id NOT IN (SELECT q.id {_UPSTREAM.format(condition=whole)})""",
            (executor, *but_not),
            limit,
        )

    def n_at_work(self, job_id: int) -> int:
        """Return how many tasks of a job have been started, or given to a cluster."""
        condition = "job_id = ? AND status IN ('starting', 'running')"
        (row,) = self._db.query(f"SELECT count(*) AS n FROM tasks WHERE {condition}", (job_id,))
        return int(row["n"])

    def done_on_gpu(self, stage: str, limit: int) -> list[Task]:
        """Return the newest tasks of a stage that have succeeded on one GPU of this machine."""
        newest = """SELECT id FROM tasks WHERE stage = ? AND status = 'done'
                    AND device LIKE 'gpu %' AND device NOT LIKE '%,%' ORDER BY id DESC LIMIT ?"""
        return self._tasks_where(f"id IN ({newest})", (stage, limit))

    def skip_blocked(self) -> list[Task]:
        """Skip the tasks that wait for something which will not come; returns them.

        One bad tilt series does not cost the others: a task that waits for a whole job goes on
        with what that job could make, and is skipped only when it made nothing.
        """
        same = f"""{_SAME_TARGET} AND d.optional = 0
            AND u.status IN ('failed', 'cancelled', 'skipped', 'lost')"""
        whole = f"""{_WHOLE_JOB} AND d.optional = 0 AND NOT EXISTS (
            SELECT 1 FROM tasks o WHERE o.job_id = d.after_job_id
            AND o.status IN ('queued', 'starting', 'running', 'done'))"""
        skipped: dict[int, tuple[int, str]] = {}
        for condition in (same, whole):
            for row in self._db.query(
                f"""SELECT q.id, q.job_id, u.job_id AS upstream, u.stage, u.target, u.status
                    {_UPSTREAM.format(condition=condition)} ORDER BY u.id""",
            ):
                reason = (
                    f"waits for {row['upstream']:04d}-{row['stage']} of {row['target']}, "
                    f"which {_past_tense(row['status'])}"
                )
                skipped.setdefault(row["id"], (row["job_id"], reason))
        if not skipped:
            return []
        with self._db.transaction():
            self._db.execute_many(
                """UPDATE tasks SET status = 'skipped', message = ?, error = ?, finished_at = ?
                   WHERE id = ? AND status = 'queued'""",
                [(why, why, time.time(), task_id) for task_id, (_, why) in skipped.items()],
            )
            for job_id in {job_id for job_id, _ in skipped.values()}:
                self._refresh_job(job_id)
        return [self._task(task_id) for task_id in skipped]

    def _task(self, task_id: int) -> Task:
        return self._tasks_where("id = ?", (task_id,))[0]

    def mark_starting(self, task: Task, device: str, host: str) -> bool:
        """Note that a process is about to be started; false when the task no longer waits."""
        return self._change(
            task,
            """status = 'starting', device = ?, host = ?, started_at = ?, finished_at = NULL,
               message = 'starting'""",
            (device, host, time.time()),
            only_when=(Status.QUEUED,),
        )

    def mark_submitting(self, tasks: Sequence[Task], device: str) -> list[Task]:
        """Note that tasks are about to be given to a scheduler; returns those that still waited."""
        with self._db.transaction():
            marked = [
                task
                for task in tasks
                if self._db.execute(
                    """UPDATE tasks SET status = 'starting', device = ?, host = '',
                       started_at = ?, finished_at = NULL, message = 'starting'
                       WHERE id = ? AND attempt = ? AND status = 'queued'""",
                    (device, time.time(), task.id, task.attempt),
                )
            ]
            for job_id in {task.job_id for task in marked}:
                self._refresh_job(job_id)
        return marked

    def note_submitted(self, devices: Mapping[int, str], message: str) -> None:
        """Note by the identity of each task what the scheduler calls it."""
        with self._db.transaction():
            self._db.execute_many(
                "UPDATE tasks SET device = ?, message = ? WHERE id = ?",
                [(device, message, task_id) for task_id, device in devices.items()],
            )

    def note_messages(self, messages: Mapping[int, str]) -> None:
        """Say, by the identity of each task at work, how it stands."""
        with self._db.transaction():
            self._db.execute_many(
                """UPDATE tasks SET message = ?
                   WHERE id = ? AND status IN ('starting', 'running')""",
                [(message, task_id) for task_id, message in messages.items()],
            )

    def mark_waiting_again(self, task: Task) -> bool:
        """Note that the scheduler has taken a task off its host and will start it again."""
        return self._change(
            task, "status = 'starting', pid = NULL, host = ''", (), only_when=(Status.RUNNING,)
        )

    def start_over(self, task: Task, why: str) -> None:
        """Put a task that was broken off back into the queue, as another attempt."""
        with self._db.transaction():
            self.add_event(task, "warning", why)
            self._requeue([task.id])
            self._db.execute("UPDATE tasks SET message = ? WHERE id = ?", (why, task.id))
            self._refresh_job(task.job_id)

    def note_process(self, task: Task, pid: int) -> None:
        """Note the number of the process that was started for a task."""
        self._db.execute("UPDATE tasks SET pid = ? WHERE id = ?", (pid, task.id))

    def mark_running(self, task: Task, pid: int, host: str = "") -> bool:
        """Note that the process of a task is at work; false when nobody waited for it."""
        return self._change(
            task,
            "status = 'running', pid = ?, heartbeat_at = ?, "
            "host = CASE ? WHEN '' THEN host ELSE ? END, "
            "message = CASE message WHEN 'starting' THEN '' ELSE message END",
            (pid, time.time(), host, host),
            only_when=(Status.STARTING,),
        )

    def requeue(self, task: Task) -> bool:
        """Put a task back whose process never came to life; it is the same attempt."""
        return self._change(
            task,
            "status = 'queued', device = '', host = '', pid = NULL, started_at = NULL",
            (),
            only_when=(Status.STARTING,),
        )

    def note_heartbeat(self, task: Task, message: str | None = None) -> None:
        """Note that the worker was seen alive now, or with a message that it was not."""
        if message is None:
            self._db.execute(
                "UPDATE tasks SET heartbeat_at = ? WHERE id = ?", (time.time(), task.id)
            )
        else:
            self._db.execute("UPDATE tasks SET message = ? WHERE id = ?", (message, task.id))

    def _change(
        self, task: Task, assignments: str, values: Sequence[object], only_when: Sequence[Status]
    ) -> bool:
        """Change a task of the same attempt when its state allows it."""
        states = ", ".join(f"'{status}'" for status in only_when)
        with self._db.transaction():
            touched = self._db.execute(
                f"UPDATE tasks SET {assignments} "
                f"WHERE id = ? AND attempt = ? AND status IN ({states})",
                (*values, task.id, task.attempt),
            )
            if touched:
                self._refresh_job(task.job_id)
        return bool(touched)

    def ingest_events(self, task: Task, events: Iterable[Event], new_offset: int) -> bool:
        """Take what a worker has said into the project file, exactly once.

        Parameters
        ----------
        task
            As read from the project; its ``event_offset`` is where ``events`` began.
        new_offset
            Bytes of ``events.jsonl`` taken in after these.

        Returns
        -------
        bool
            False when these events had been taken in before; nothing is changed then.
        """
        taken = list(events)
        with self._db.transaction():
            moved = self._db.execute(
                "UPDATE tasks SET event_offset = ? WHERE id = ? AND event_offset = ?",
                (new_offset, task.id, task.event_offset),
            )
            if not moved:
                return False
            self._insert_events(task, [e for e in taken if e.kind not in _NOT_STORED])
            self._insert_metrics(task, [e for e in taken if e.kind == "metric"])
            progress = [e for e in taken if e.kind == "progress" and e.attempt == task.attempt]
            if progress:
                newest = progress[-1]
                touched = self._db.execute(
                    """UPDATE tasks SET progress = ?, eta_seconds = ?, message = ?
                       WHERE id = ? AND status IN ('starting', 'running')""",
                    (
                        _number(newest.data.get("fraction")) or 0.0,
                        _number(newest.data.get("eta_seconds")),
                        newest.message,
                        task.id,
                    ),
                )
                if touched:
                    self._refresh_job(task.job_id)
        return True

    def add_event(self, task: Task, kind: str, message: str) -> None:
        """Add an event of the agent's own to the story of a task."""
        event = Event(kind=kind, at=time.time(), attempt=task.attempt, message=message)
        self._insert_events(task, [event])

    def _insert_events(self, task: Task, events: Sequence[Event]) -> None:
        self._db.insert_all(
            "events",
            [
                {
                    "job_id": task.job_id,
                    "task_id": task.id,
                    "kind": event.kind,
                    "at": event.at,
                    "attempt": event.attempt,
                    "message": event.message,
                    "data": json.dumps(event.data),
                }
                for event in events
            ],
        )

    def _insert_metrics(self, task: Task, events: Sequence[Event]) -> None:
        """Keep one value for each name and step: a retried step replaces what it repeats."""
        rows = [
            (task.id, task.job_id, name, step, value, str(event.data.get("unit", "")), event.at)
            for event in events
            if (name := str(event.data.get("name", "")))
            and (step := _number(event.data.get("step", 0.0))) is not None
            and (value := _number(event.data.get("value"))) is not None
        ]
        self._db.execute_many(
            """INSERT OR REPLACE INTO metrics (task_id, job_id, name, step, value, unit, at)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            rows,
        )

    def finish_task(
        self,
        task: Task,
        status: Status,
        *,
        error: str = "",
        summary: str = "",
        records: Sequence[AnyRecord] = (),
        particles: Sequence[ParticleTable] = (),
        candidates: Sequence[Candidates] = (),
        parents: Sequence[str] = (),
        metrics: Mapping[str, float] | None = None,
        version: str = "",
    ) -> bool:
        """Note the end of a task together with all that it made, or nothing of it.

        Particle sets among its records get names that no set has yet; ``particles`` are the rows
        of those sets.

        Returns
        -------
        bool
            False when the task had been finished before; nothing is changed then.

        Raises
        ------
        ProjectError
            When its records contradict the project.
        """
        now = time.time()
        with self._db.transaction():
            done = status == Status.DONE
            touched = self._change(
                task,
                f"""status = ?, error = ?, summary = ?, finished_at = ?, eta_seconds = NULL,
                    pid = NULL, message = ? {", progress = 1" if done else ""}""",
                (status, error, summary, now, summary if done else error),
                only_when=(Status.QUEUED, Status.STARTING, Status.RUNNING),
            )
            if not touched:
                return False
            self.add_records(
                self.with_free_names(records),
                job_id=task.job_id,
                task_id=task.id,
                parents=parents,
            )
            self.add_particle_tables(particles)
            for found in candidates:
                self.take_candidates(found)
            finals = [
                Event(kind="metric", at=now, data={"name": name, "value": value})
                for name, value in (metrics or {}).items()
            ]
            self._insert_metrics(task, finals)
            if version:
                self._db.execute("UPDATE jobs SET version = ? WHERE id = ?", (version, task.job_id))
        return True


def _number(value: object) -> float | None:
    """Return a number that an event holds; ``None`` for NaN, which SQLite has not, and the rest."""
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return None if math.isnan(number) else number


def _past_tense(status: str) -> str:
    return {
        "failed": "failed",
        "cancelled": "was cancelled",
        "skipped": "was skipped",
        "lost": "was lost",
    }.get(status, status)
