"""The table that a project is looked at through: one row a tilt series, one column a stage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tomotui.project.records import RecordPart
from tomotui.records import Status, TiltSeries
from tomotui.stages import ENTRANCES

_STATUSES = {status.value: status for status in Status}
_DIGITS = re.compile(r"(\d+)")
_ENTRANCES = ", ".join(f"'{stage}'" for stage in ENTRANCES)


@dataclass(frozen=True)
class Cell:
    """What a stage has made of one tilt series.

    Attributes
    ----------
    status
        Of the newest task of this stage for this series.
    text
        The stage's own summary when it is done, the reason when it failed, and what it does
        while it runs.
    progress
        Fraction done, 0..1.
    job_id
        The job of that task; ``None`` for records that came from outside.
    """

    status: Status
    text: str = ""
    progress: float = 0.0
    job_id: int | None = None


class TaskState(NamedTuple):
    """What tables show of a task, where there are thousands; see `tomotui.records.Task`.

    Attributes
    ----------
    dataset
        Where the series goes that an import is about to make; ``None`` for other stages.
    """

    id: int
    job_id: int
    stage: str
    target: str
    status: Status
    progress: float
    summary: str
    message: str
    error: str
    started_at: float | None
    finished_at: float | None
    dataset: str | None


class StageRow(NamedTuple):
    """What the stages have made of one tilt series, or of one that an import is about to make."""

    name: str
    dataset: str
    cells: dict[str, Cell]


@dataclass(frozen=True)
class SeriesRow:
    """One tilt series, or one that an import is about to make (``series`` is ``None``)."""

    name: str
    dataset: str
    series: TiltSeries | None
    cells: dict[str, Cell] = field(default_factory=dict)


class MatrixPart(RecordPart):
    """The state of every tilt series at a glance."""

    def matrix(self) -> list[SeriesRow]:
        """Return one row for each tilt series, sorted by dataset and natural name.

        The number of queries does not depend on the number of series.
        """
        series = {one.name: one for one in self.tilt_series()}
        return [
            SeriesRow(row.name, row.dataset, series.get(row.name), row.cells)
            for row in self.stage_rows()
        ]

    def matrix_row(self, name: str) -> SeriesRow | None:
        """Return the row of one tilt series, or ``None``."""
        series = self.series_named(name)
        found = self._rows({name: series.dataset} if series else {}, name)
        return SeriesRow(name, found[0].dataset, series, found[0].cells) if found else None

    def stage_rows(self) -> list[StageRow]:
        """Return the rows of `matrix` without reading the tilt series."""
        return self._rows({one.name: one.dataset for one in self.series_sizes()})

    def _rows(self, dataset_of: Mapping[str, str], only: str | None = None) -> list[StageRow]:
        cells: dict[str, dict[str, Cell]] = {name: {} for name in dataset_of}
        for row in self._from_outside(only):
            cells[row["name"]][row["stage"]] = Cell(Status.DONE, "from outside", 1.0)
        coming: dict[str, str] = {}
        for state in self.newest_states(only):
            name = state.target
            if name not in dataset_of:
                if state.stage not in ENTRANCES:
                    continue
                coming[name] = state.dataset or "default"
            cells.setdefault(name, {})[state.stage] = _cell(state)
        rows = [StageRow(name, dataset, cells[name]) for name, dataset in
                (*dataset_of.items(), *coming.items())]  # fmt: skip
        return sorted(rows, key=lambda row: (row.dataset, _natural(row.name)))

    def arrival_times(self) -> dict[str, float]:
        """Return by name when each tilt series came, or its import was asked for (epoch s)."""
        rows = self._db.query(
            f"""SELECT name, min(at) AS at FROM (
                   SELECT name, created_at AS at FROM records WHERE kind = 'tilt_series'
                   UNION ALL
                   SELECT t.target, j.created_at FROM tasks t JOIN jobs j ON j.id = t.job_id
                   WHERE t.stage IN ({_ENTRANCES}))
               GROUP BY name"""
        )
        return {row["name"]: row["at"] for row in rows}

    def newest_states(self, target: str | None = None) -> list[TaskState]:
        """Return how the newest task of each target and stage stands, by target and stage."""
        where, values = ("", ()) if target is None else ("WHERE target = ?", (target,))
        # SQLite takes the other columns from the row that has the maximum.
        rows = self._db.tuples(
            f"""SELECT max(id), job_id, stage, target, status, progress, summary, message, error,
                       started_at, finished_at,
                       CASE WHEN stage IN ({_ENTRANCES})
                           THEN json_extract(parameters, '$.dataset') END
                FROM tasks {where} GROUP BY target, stage ORDER BY target, stage""",
            values,
        )
        return [TaskState._make((*row[:4], _STATUSES[row[4]], *row[5:])) for row in rows]

    def _from_outside(self, only: str | None = None) -> list[dict[str, str]]:
        """Return the stages whose work came with the data, such as a foreign alignment."""
        stages = {"alignment": "align", "ctf": "ctf", "tomogram": "reconstruct"}
        named, values = ("", ()) if only is None else ("AND name = ?", (only,))
        rows = self._db.query(
            f"""SELECT DISTINCT r.kind, s.name FROM records r JOIN records s ON s.uid = r.series_uid
               LEFT JOIN jobs j ON j.id = r.job_id
               WHERE s.id IN (SELECT max(id) FROM records WHERE kind = 'tilt_series' {named}
                              GROUP BY name)
               AND (j.id IS NULL OR j.stage = 'import')""",
            values,
        )
        return [{"name": row["name"], "stage": stages[row["kind"]]} for row in rows]


def _cell(state: TaskState) -> Cell:
    done = state.status == Status.DONE
    text = state.summary if done else (state.error or state.message)
    return Cell(state.status, text, 1.0 if done else state.progress, state.job_id)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort ``ts_2`` before ``ts_10``."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name) if part
    ]
