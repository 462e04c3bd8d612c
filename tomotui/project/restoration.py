"""Making the project file anew: from what a damaged one still holds, and from job folders."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tomotui.project.database import FILE_NAME, Database, Row
from tomotui.project.errors import ProjectError, RefusedChange
from tomotui.project.particle_columns import particle_rows
from tomotui.project.project import Project
from tomotui.project.records import PER_SERIES
from tomotui.project.rows import folder_name
from tomotui.project.salvage import Gap, readable_rows
from tomotui.records import RECORD, AnyRecord, Event, Job, Status, Task

if TYPE_CHECKING:
    from tomotui.records.particle_table import Candidates, ParticleTable

TABLES = (
    "meta", "datasets", "jobs", "tasks", "job_dependencies", "records", "links", "particles",
    "decisions", "audits", "events", "metrics",
)  # fmt: skip
"""The tables that are read, each after those that it refers to."""

DERIVED_TABLES = (
    "tilt_series", "tilts", "alignments", "ctfs", "tomograms", "particle_sets", "maps",
    "networks", "classifications", "landscapes",
)  # fmt: skip
"""Columns of records, which are made anew from the records."""

_BATCH = 1000


@dataclass
class Kept:
    """How many rows of a table were kept, and how many did not fit or could not be read."""

    rows: int = 0
    refused: int = 0
    gaps: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is known to be lost."""
        return not self.refused and not self.gaps


@contextmanager
def fresh_project(folder: Path) -> Iterator[Project]:
    """Make a project file beside the old one, and put it into its place when all went well.

    The old one stays under another name. When something fails it stays where it is.

    Raises
    ------
    ProjectError
        When the folder cannot be written.
    """
    beside = folder / f".rebuild-{os.getpid()}"
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        (beside / FILE_NAME).touch()
        (folder / "jobs").mkdir(exist_ok=True)
    except OSError as error:
        raise ProjectError(
            f"{folder} cannot be written: {error.strerror}.",
            "Free some space, or ask its owner for the right.",
        ) from error
    try:
        with Project(folder, Database(beside / FILE_NAME)) as project:
            yield project
        _put_in_place(beside / FILE_NAME, folder / FILE_NAME)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put_in_place(new: Path, path: Path) -> None:
    """Let a new file take a name; the one that had it stays beside, with its write-ahead log."""
    aside = path.with_stem(f"{path.stem}-damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    if path.exists():
        try:
            os.link(path, aside)
        except OSError:
            shutil.copyfile(path, aside)
    # A log that stayed would be taken for one of the new file.
    for suffix in ("-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", f"{aside}{suffix}")
    os.replace(new, path)


class Restoration:
    """Fills a project file that was just made."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._db = project._db

    def salvage(self, path: Path) -> dict[str, Kept]:
        """Take over what a damaged project file still holds; returns what became of each table."""
        return {table: self._salvage_table(path, table) for table in TABLES}

    def _salvage_table(self, path: Path, table: str) -> Kept:
        kept = Kept()
        known = {row["name"] for row in self._db.query(f'PRAGMA table_info("{table}")')}
        batch: list[Row] = []
        for found in readable_rows(path, table):
            if isinstance(found, Gap):
                kept.gaps += 1
                continue
            batch.append({name: value for name, value in found.items() if name in known})
            if len(batch) == _BATCH:
                self._keep(table, batch, kept)
                batch = []
        self._keep(table, batch, kept)
        return kept

    def _keep(self, table: str, rows: list[Row], kept: Kept) -> None:
        """Insert rows together, or one by one when one of them does not fit."""
        if not rows:
            return
        if table not in ("records", "links"):
            try:
                self._db.insert_all(table, rows)
            except (ProjectError, KeyError):
                pass
            else:
                kept.rows += len(rows)
                return
        for row in rows:
            try:
                with self._db.transaction():
                    self._keep_one(table, row)
            except (ProjectError, ValidationError):
                kept.refused += 1
            else:
                kept.rows += 1

    def _keep_one(self, table: str, row: Row) -> None:
        if table == "records":
            self._keep_record(row)
            return
        if table == "links" and not self._is_there("jobs", row["job_id"]):
            row["job_id"] = None
        names = ", ".join(f'"{name}"' for name in row)
        places = ", ".join("?" * len(row))
        # A table without numbers is read from both ends, and may give a row twice.
        verb = "INSERT OR REPLACE" if table in ("links", "job_dependencies") else "INSERT"
        self._db.execute(f'{verb} INTO "{table}" ({names}) VALUES ({places})', list(row.values()))

    def _keep_record(self, row: Row) -> None:
        """Insert a record with its columns; a job that is not there did not make it."""
        record = RECORD.validate_json(row["json"])
        job_id = row["job_id"] if self._is_there("jobs", row["job_id"]) else None
        task_id = row["task_id"] if self._is_there("tasks", row["task_id"]) else None
        self.project._insert(record, job_id, task_id, row["created_at"], row["id"])

    def _is_there(self, table: str, number: int | None) -> bool:
        return bool(self._db.scalar(f'SELECT 1 FROM "{table}" WHERE id = ?', (number,)))

    def name(self, fallback: str) -> None:
        """Give the project a name where the old one's was lost."""
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('name', ?)", (fallback,))
        self._db.execute(
            "INSERT OR IGNORE INTO meta VALUES ('created_at', ?)", (repr(time.time()),)
        )

    def add_job(self, job: Job) -> None:
        """Put a job back under its number, without tasks; jobs before it that are lost are left."""
        fields = job.model_dump(
            mode="json", include={"stage", "status", "executor", "profile", "label"}
        )
        with self._db.transaction():
            self._db.insert(
                "jobs",
                {
                    **fields,
                    "id": job.id,
                    "parameters": json.dumps(job.parameters),
                    "folder": f"jobs/{job.name}",
                    "created_at": job.created_at,
                    "step": job.step.model_dump_json() if job.step else "",
                },
            )
            self.add_dependencies(job)

    def add_dependencies(self, job: Job) -> None:
        """Say which jobs a job waits for, as far as these are there."""
        self._db.execute_many(
            """INSERT OR IGNORE INTO job_dependencies (job_id, after_job_id, optional)
               SELECT ?, id, ? FROM jobs WHERE id = ?""",
            [(job.id, before in job.optional_after, before) for before in job.after],
        )

    def add_task(
        self, job: Job, target: str, status: Status, overrides: dict[str, Any], **columns: Any
    ) -> Task:
        """Put a task of a job back; ``columns`` are further ones of its table."""
        with self._db.transaction():
            self._db.insert(
                "tasks",
                {
                    "job_id": job.id,
                    "stage": job.stage,
                    "target": target,
                    "status": status,
                    "overrides": json.dumps(overrides),
                    "parameters": json.dumps({**job.parameters, **overrides}),
                    "folder": f"jobs/{job.name}/{folder_name(target)}",
                    **columns,
                },
            )
            self.project._refresh_job(job.id)
        return self.project.task(job.id, target)

    def resume(self, task: Task, attempt: int, pid: int | None, host: str) -> Task:
        """Say that a task was begun; whether it still runs is for the agent to find out."""
        status = Status.STARTING if pid is None else Status.RUNNING
        with self._db.transaction():
            self._db.execute(
                "UPDATE tasks SET status = ?, attempt = ?, pid = ?, host = ? WHERE id = ?",
                (status, attempt, pid, host, task.id),
            )
            self.project._refresh_job(task.job_id)
        return self.project.task(task.job_id, task.target)

    def note_times(self, task: Task, started_at: float | None, finished_at: float | None) -> None:
        """Say when a task began and ended."""
        with self._db.transaction():
            self._db.execute(
                """UPDATE tasks SET started_at = coalesce(?, started_at),
                   finished_at = coalesce(?, finished_at) WHERE id = ?""",
                (started_at, finished_at, task.id),
            )
            self.project._refresh_job(task.job_id)

    def refresh_jobs(self) -> None:
        """Derive the states of all jobs from those of their tasks."""
        with self._db.transaction():
            for row in self._db.query("SELECT DISTINCT job_id FROM tasks"):
                self.project._refresh_job(row["job_id"])

    def forget_events(self, task: Task) -> Task:
        """Let a task's events be read again from the beginning."""
        with self._db.transaction():
            self._db.execute("DELETE FROM events WHERE task_id = ?", (task.id,))
            self._db.execute("UPDATE tasks SET event_offset = 0 WHERE id = ?", (task.id,))
        return self.project.task(task.job_id, task.target)

    def note_metrics(self, task: Task, metrics: Mapping[str, float], at: float) -> None:
        """Keep the final figures of a task."""
        finals = [
            Event(kind="metric", at=at, data={"name": name, "value": value})
            for name, value in metrics.items()
        ]
        self.project._insert_metrics(task, finals)

    def add_missing(
        self,
        records: Iterable[AnyRecord],
        task: Task | None = None,
        parents: Sequence[str] = (),
    ) -> int:
        """Add those records that are not there; returns how many could not be added.

        All of them are then of the task, when it is given.
        """
        lost = 0
        for record in sorted(records, key=_rank):
            if task is not None:
                self._db.execute(
                    "UPDATE records SET job_id = ?, task_id = ? WHERE uid = ?",
                    (task.job_id, task.id, record.uid),
                )
            if self.has_record(record.uid):
                continue
            try:
                self.project.add_records(
                    [record],
                    job_id=task.job_id if task else None,
                    task_id=task.id if task else None,
                    parents=[uid for uid in parents if self.has_record(uid)],
                )
            except RefusedChange:
                lost += 1
        return lost

    def has_record(self, uid: str) -> bool:
        """Return whether the project has the record of an identity."""
        return bool(self._db.scalar("SELECT 1 FROM records WHERE uid = ?", (uid,)))

    def add_absent_particles(self, table: ParticleTable) -> int:
        """Put those particles in that are not there; returns how many could not be."""
        return self._put(table, "DO NOTHING")

    def add_absent_candidates(self, found: Candidates) -> int:
        """Put those candidates in that are not there; returns how many could not be.

        Places at which somebody has judged a particle are known already.
        """
        import numpy as np

        known = self.project._set_of_picks(found.particle_set)
        here = self.project.particle_table([known.uid], found.tomogram_uid).positions_angstrom
        places = found.table.positions_angstrom
        is_new = np.ones(len(places), dtype=bool)
        for start in range(0, len(places) if len(here) else 0, 256):
            some = places[start : start + 256, None, :] - here[None]
            nearest = np.linalg.norm(some, axis=-1).min(axis=1)
            is_new[start : start + 256] = nearest > found.same_within_angstrom
        return self.add_absent_particles(
            replace(found.table.select(is_new), set_uids=np.full(int(is_new.sum()), known.uid))
        )

    def set_particles(self, table: ParticleTable) -> int:
        """Put particles in, or what is known of them anew; returns how many could not be."""
        return self._put(table, "")

    def _put(self, table: ParticleTable, on_conflict: str) -> int:
        lost = 0
        with self._db.transaction():
            for row in particle_rows(table):
                names = ", ".join(row)
                changes = ", ".join(f"{name} = excluded.{name}" for name in row if name != "uid")
                try:
                    self._db.execute(
                        f"""INSERT INTO particles ({names}) VALUES ({", ".join("?" * len(row))})
                            ON CONFLICT (uid) {on_conflict or f"DO UPDATE SET {changes}"}""",
                        list(row.values()),
                    )
                except RefusedChange:
                    lost += 1
        return lost


def _rank(record: AnyRecord) -> int:
    """Sort series before what is of a series, tomograms after alignments, the rest last."""
    order = ("tilt_series", "alignment", "ctf", "tomogram")
    return order.index(record.kind) if record.kind in PER_SERIES else len(order)
