"""Records in the project file: what the pipeline has made, and from what."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from pydantic_core import from_json

from tomotui.project.base import Part
from tomotui.project.database import Row
from tomotui.project.errors import ProjectError
from tomotui.records import RECORD, AnyRecord, TiltSeries, Tomogram

_TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "tilt_series": (
        "tilt_series",
        ("name", "dataset", "stack_path", "n_tilts", "pixel_size_angstrom"),
    ),
    "alignment": (
        "alignments",
        ("series_uid", "source", "axis_deg", "residual_angstrom", "score", "verdict"),
    ),
    "ctf": ("ctfs", ("series_uid", "handedness", "handedness_score")),
    "tomogram": (
        "tomograms",
        (
            "series_uid",
            "alignment_uid",
            "path",
            "pixel_size_angstrom",
            "method",
            "thickness_angstrom",
            "restored",
        ),
    ),
    "particle_set": (
        "particle_sets",
        ("name", "species", "diameter_angstrom", "symmetry", "parent_uid", "made_by"),
    ),
    "map": (
        "maps",
        (
            "name",
            "path",
            "pixel_size_angstrom",
            "symmetry",
            "resolution_angstrom",
            "particle_set_uid",
            "n_particles",
            "made_by",
        ),
    ),
    "network": ("networks", ("name", "purpose", "path")),
    "classification": ("classifications", ("name", "particle_set_uid", "path", "n_classes")),
    "landscape": ("landscapes", ("name", "particle_set_uid", "path", "n_coordinates")),
}
"""For each kind of record its table and the columns that are kept beside the JSON."""

PER_SERIES = frozenset({"tilt_series", "alignment", "ctf", "tomogram"})
"""Kinds that belong to one tilt series."""

_AT_ONCE = 500
"""Records that one query reads."""

# A series that was imported again is a new record of the same name; the newest is the one meant.
CURRENT_SERIES = """
    SELECT max(id) FROM records WHERE kind = 'tilt_series' GROUP BY name
"""


T = TypeVar("T")


class Ancestor(NamedTuple):
    """A record that another was made from, and the job that made it (``None``: no job did)."""

    parent_uid: str
    kind: str
    job_id: int | None


class SeriesSize(NamedTuple):
    """What is asked most often of a tilt series, without its tilts."""

    uid: str
    name: str
    dataset: str
    n_tilts: int


class RecordPart(Part):
    """Adding, finding and tracing records."""

    _parsed: dict[int, tuple[int, AnyRecord]]
    _distilled: dict[tuple[int, str], tuple[int, object]]

    def add_records(
        self,
        records: Iterable[AnyRecord],
        job_id: int | None = None,
        task_id: int | None = None,
        parents: Sequence[str] = (),
    ) -> None:
        """Add records in one transaction.

        Parameters
        ----------
        records
            Of any kind; a record may refer to one before it.
        job_id, task_id
            Who made them; ``None`` for records that no job made.
        parents
            Identities of the records that all of these were made from.

        Raises
        ------
        ProjectError
            When an identity is already there, or a record refers to one that is not.
        """
        now = time.time()
        with self._db.transaction():
            for record in records:
                self._insert(record, job_id, task_id, now)
                self._db.insert_all(
                    "links",
                    [
                        {"child_uid": record.uid, "parent_uid": parent, "job_id": job_id}
                        for parent in dict.fromkeys(parents)
                        if parent != record.uid
                    ],
                )

    def _insert(
        self,
        record: AnyRecord,
        job_id: int | None,
        task_id: int | None,
        now: float,
        number: int | None = None,
    ) -> None:
        table, columns = _TABLES[record.kind]
        if isinstance(record, TiltSeries):
            self._db.execute("INSERT OR IGNORE INTO datasets VALUES (?, ?)", (record.dataset, now))
        self._db.insert(
            "records",
            {
                "id": number,
                "uid": record.uid,
                "kind": record.kind,
                "series_uid": getattr(record, "series_uid", None),
                "name": getattr(record, "name", None),
                "job_id": job_id,
                "task_id": task_id,
                "created_at": now,
                "json": record.model_dump_json(),
            },
        )
        values = {name: _sql_value(getattr(record, name)) for name in columns}
        self._db.insert(table, {"uid": record.uid, **values})
        if isinstance(record, TiltSeries):
            self._db.insert_all("tilts", _tilt_rows(record))

    def record(self, uid: str) -> AnyRecord:
        """Return the record of an identity.

        Raises
        ------
        ProjectError
            When the project has no such record.
        """
        found = self._load("uid = ?", (uid,))
        if not found:
            raise ProjectError(
                f"{self.folder} has no record {uid}.", "It may belong to another project."
            )
        return found[0]

    def records(self, kind: str, series_uid: str | None = None) -> list[AnyRecord]:
        """Return the records of a kind, oldest first; of one tilt series when it is given."""
        if series_uid is None:
            return self._load("kind = ?", (kind,))
        if kind == "tilt_series":
            return self._load("kind = ? AND uid = ?", (kind, series_uid))
        return self._load("kind = ? AND series_uid = ?", (kind, series_uid))

    def latest(self, kind: str, series_uid: str | None = None) -> AnyRecord | None:
        """Return the newest record of a kind, or ``None``."""
        where = "kind = ?" if series_uid is None else "kind = ? AND series_uid = ?"
        values = (kind,) if series_uid is None else (kind, series_uid)
        found = self._load(
            f"id = (SELECT max(id) FROM records WHERE {where})",
            values,
        )
        return found[0] if found else None

    def newest_tomogram(self, series_uid: str, restored: bool = False) -> Tomogram | None:
        """Return the newest tomogram of a series as it was measured, or as a network left it."""
        found = self._load(
            """id = (SELECT max(r.id) FROM records r JOIN tomograms t ON t.uid = r.uid
                     WHERE t.series_uid = ? AND t.restored = ?)""",
            (series_uid, int(restored)),
        )
        return found[0] if found and isinstance(found[0], Tomogram) else None

    def tilt_series(self) -> list[TiltSeries]:
        """Return the tilt series, oldest first; of those imported again only the newest."""
        found = self._load(f"id IN ({CURRENT_SERIES})")
        return [record for record in found if isinstance(record, TiltSeries)]

    def series_sizes(self) -> list[SeriesSize]:
        """Return what `tilt_series` does, without reading the tilts."""
        rows = self._db.tuples(
            f"""SELECT r.uid, r.name, t.dataset, t.n_tilts
                FROM records r JOIN tilt_series t ON t.uid = r.uid
                WHERE r.id IN ({CURRENT_SERIES}) ORDER BY r.id"""
        )
        return [SeriesSize(*row) for row in rows]

    def series_of_tomograms(self, current: bool = False) -> dict[str, str]:
        """Return the name of each tomogram's series by the tomogram's identity, oldest first.

        Parameters
        ----------
        current
            Without tomograms of series that were imported again since then.
        """
        only = f"AND s.id IN ({CURRENT_SERIES})" if current else ""
        return dict(
            self._db.tuples(
                f"""SELECT r.uid, s.name FROM records r JOIN records s ON s.uid = r.series_uid
                    WHERE r.kind = 'tomogram' {only} ORDER BY r.id"""
            )
        )

    def series_named(self, name: str) -> TiltSeries | None:
        """Return the tilt series of a name, or ``None``."""
        found = self._load(
            "id = (SELECT max(id) FROM records WHERE kind = 'tilt_series' AND name = ?)", (name,)
        )
        return found[0] if found and isinstance(found[0], TiltSeries) else None

    def datasets(self) -> list[str]:
        """Return the names of the datasets, in the order they came."""
        rows = self._db.query("SELECT name FROM datasets ORDER BY created_at, rowid")
        return [row["name"] for row in rows]

    def set_tilt_excluded(self, series_uid: str, index: int, excluded: bool) -> None:
        """Leave one tilt out of what follows, or take it in again.

        Raises
        ------
        ProjectError
            When there is no such series or tilt.
        """
        with self._db.transaction():
            series = self.record(series_uid)
            if not isinstance(series, TiltSeries) or not 0 <= index < series.n_tilts:
                raise ProjectError(
                    f"{series_uid} has no tilt {index}.", "Tilts are counted from 0."
                )
            tilts = tuple(
                tilt.model_copy(update={"excluded": excluded}) if tilt.index == index else tilt
                for tilt in series.tilts
            )
            changed = series.model_copy(update={"tilts": tilts})
            self._rewrite(changed)
            self._db.execute(
                'UPDATE tilts SET excluded = ? WHERE series_uid = ? AND "index" = ?',
                (int(excluded), series_uid, index),
            )

    def _rewrite(self, record: AnyRecord) -> None:
        """Put a record in the place of that of its identity; its columns are the caller's."""
        self._db.execute(
            "UPDATE records SET json = ?, revision = revision + 1 WHERE uid = ?",
            (record.model_dump_json(), record.uid),
        )

    def made_by(self, task_id: int) -> list[AnyRecord]:
        """Return the records that a task has made, oldest first."""
        return self._load("task_id = ?", (task_id,))

    def provenance(self, uid: str) -> list[Ancestor]:
        """Return every record that this one was made from, the nearest first.

        Each comes with its kind and the job that made it, whose parameters and version
        `Project.job` knows.
        """
        rows = self._db.query(
            """
            WITH RECURSIVE ancestors(uid, depth) AS (
                SELECT parent_uid, 1 FROM links WHERE child_uid = ?
                UNION
                SELECT parent_uid, depth + 1 FROM links JOIN ancestors ON child_uid = uid
            )
            SELECT r.uid, r.kind, r.job_id FROM records r
            JOIN (SELECT uid, min(depth) AS depth FROM ancestors GROUP BY uid) a ON a.uid = r.uid
            ORDER BY a.depth, r.id DESC
            """,
            (uid,),
        )
        return [Ancestor(row["uid"], row["kind"], row["job_id"]) for row in rows]

    def sources_of_jobs(self) -> dict[int, set[int]]:
        """Return for each job whose records are here the jobs whose records they were made from."""
        rows = self._db.query(
            """
            SELECT DISTINCT child.job_id AS job_id, parent.job_id AS source FROM links
            JOIN records child ON child.uid = links.child_uid
            JOIN records parent ON parent.uid = links.parent_uid
            WHERE child.job_id IS NOT NULL AND parent.job_id IS NOT NULL
            AND child.job_id <> parent.job_id
            """
        )
        found: dict[int, set[int]] = {}
        for row in rows:
            found.setdefault(row["job_id"], set()).add(row["source"])
        return found

    def kinds_made_by_jobs(self) -> dict[int, dict[str, int]]:
        """Return for each job how many records of which kind it has made."""
        rows = self._db.query(
            """SELECT job_id, kind, count(*) AS n FROM records
            WHERE job_id IS NOT NULL GROUP BY job_id, kind ORDER BY min(id)"""
        )
        found: dict[int, dict[str, int]] = {}
        for row in rows:
            found.setdefault(row["job_id"], {})[row["kind"]] = row["n"]
        return found

    def distilled(self, kind: str, distil: Callable[[dict[str, Any]], T]) -> dict[str, T]:
        """Return by series what a function makes of the newest record of a kind.

        Parameters
        ----------
        distil
            Gets the fields as they were written: of thousands of records validating each would
            take most of the time. What it returns is kept as long as the record stays the same.
        """
        rows = self._db.tuples(
            """SELECT series_uid, id, revision FROM records WHERE id IN (
                   SELECT max(id) FROM records WHERE kind = ? GROUP BY series_uid)""",
            (kind,),
        )
        known, what = self._distilled, distil.__qualname__
        unknown = [i for _, i, revision in rows if known.get((i, what), (0,))[0] != revision]
        for start in range(0, len(unknown), _AT_ONCE):
            for number, revision, text in self._json_of(unknown[start : start + _AT_ONCE]):
                known[number, what] = revision, distil(from_json(text))
        return {uid: cast("T", known[number, what][1]) for uid, number, _ in rows}

    def _json_of(self, numbers: Sequence[int]) -> list[tuple[int, int, str]]:
        places = ", ".join("?" * len(numbers))
        return self._db.tuples(
            f"SELECT id, revision, json FROM records WHERE id IN ({places})", numbers
        )

    def _load(self, where: str, values: Sequence[Any] = ()) -> list[AnyRecord]:
        """Return records, oldest first, parsing only those not seen in their present revision.

        Records hardly ever change, and parsing thousands of tilts is what a screen would
        otherwise spend its time on.
        """
        rows = self._db.query(f"SELECT id, revision FROM records WHERE {where} ORDER BY id", values)
        unknown = [row["id"] for row in rows if not self._is_parsed(row)]
        for start in range(0, len(unknown), _AT_ONCE):
            for number, revision, text in self._json_of(unknown[start : start + _AT_ONCE]):
                self._parsed[number] = (revision, RECORD.validate_json(text))
        return [self._parsed[row["id"]][1] for row in rows]

    def _is_parsed(self, row: Row) -> bool:
        known = self._parsed.get(row["id"])
        return known is not None and known[0] == row["revision"]


def _sql_value(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _tilt_rows(series: TiltSeries) -> list[Row]:
    return [
        {
            "series_uid": series.uid,
            "index": tilt.index,
            "nominal_tilt_deg": tilt.nominal_tilt_deg,
            "dose_e_per_a2": tilt.dose_e_per_a2,
            "prior_dose_e_per_a2": tilt.prior_dose_e_per_a2,
            "excluded": int(tilt.excluded),
        }
        for tilt in series.tilts
    ]
