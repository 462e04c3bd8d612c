"""Rows of particles in the project file, and the columns that they are in memory.

A million particles are a table of numbers: none of them is ever an object of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tomotui.project.database import Database, Row

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tomotui.records import Verdict
    from tomotui.records.particle_table import ParticleTable

    Columns = dict[str, NDArray[Any]]

NUMBERS = ("x_angstrom", "y_angstrom", "z_angstrom", "rot_deg", "tilt_deg", "psi_deg")
FIGURES = (*NUMBERS, "score", "uncertainty", "priority")
WHOLES = ("class_number", "half")
ORIGIN = "origin_uid"
_KINDS = {
    "id": "i8",
    "uid": "U16",
    "set_uid": "U16",
    "tomogram_uid": "U16",
    "decision": "U9",
    "source": "U6",
    **dict.fromkeys(FIGURES, "f8"),
    **dict.fromkeys(WHOLES, "i8"),
    ORIGIN: "U16",
}
"""The columns that are read, and what they are in memory."""
NAMES = tuple(_KINDS)
_MAY_BE_UNKNOWN = (*NUMBERS[3:], "score", "uncertainty", "priority", *WHOLES, ORIGIN)
_OFTEN_ALIKE = ("decision", "source")

_IN_ONE_GO = 20_000
"""Rows that are Python's objects at a time."""
_UNKNOWN = {**dict.fromkeys(WHOLES, -1), ORIGIN: ""}
"""What stands in memory for what the project file does not know; NaN for other numbers."""


class Chosen(NamedTuple):
    """Which particles of sets are meant; never those that were taken back.

    Attributes
    ----------
    tomogram_uid
        Only those of one tomogram.
    decisions
        Only those judged so.
    classes
        Only those of these classes.
    min_score
        Only those of at least this score.
    """

    set_uids: Sequence[str]
    tomogram_uid: str | None = None
    decisions: Sequence[Verdict] | None = None
    classes: Sequence[int] | None = None
    min_score: float | None = None

    def condition(self) -> tuple[str, list[Any]]:
        """Return the condition in SQL, and its values."""
        parts: list[tuple[str, Sequence[Any]]] = [
            (f"set_uid IN ({_places(self.set_uids)})", self.set_uids),
            ("decision != 'removed'", ()),
        ]
        if self.tomogram_uid is not None:
            parts.append(("tomogram_uid = ?", (self.tomogram_uid,)))
        if self.decisions is not None:
            parts.append((f"decision IN ({_places(self.decisions)})", self.decisions))
        if self.classes is not None:
            parts.append((f"class_number IN ({_places(self.classes)})", self.classes))
        if self.min_score is not None:
            parts.append(("score >= ?", (self.min_score,)))
        return " AND ".join(words for words, _ in parts), [v for _, vs in parts for v in vs]


def _places(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def insert_table(db: Database, table: ParticleTable, set_uid: str | None = None) -> None:
    """Put particles in, into the sets that their rows name, or all into one."""
    with db.transaction():
        for start in range(0, len(table), _IN_ONE_GO):
            columns = _known_columns(table.select(slice(start, start + _IN_ONE_GO)), set_uid)
            # SQLite keeps NaN as NULL by itself.
            values = ", ".join(f"nullif(?, {_UNKNOWN[n]!r})" if n in _UNKNOWN else "?"
                               for n in columns)  # fmt: skip
            db.execute_many(
                f"INSERT INTO particles ({', '.join(columns)}) VALUES ({values})",
                zip(*(column.tolist() for column in columns.values()), strict=True),
            )


def _known_columns(table: ParticleTable, set_uid: str | None) -> Columns:
    """Return the columns as the project file calls them, without those of which all is unknown."""
    import numpy as np

    found = _columns_of(table)
    if set_uid is not None:
        found["set_uid"] = np.full(len(table), set_uid)
    for name in WHOLES:
        found[name] = np.maximum(found[name], -1)
    unknown = {name: found[name] == value for name, value in _UNKNOWN.items()}
    unknown |= {name: np.isnan(found[name]) for name in FIGURES}
    return {
        name: values
        for name, values in found.items()
        if name not in unknown or not unknown[name].all()
    }


def _columns_of(table: ParticleTable) -> Columns:
    numbers = dict(zip(NUMBERS, (*table.positions_angstrom.T, *table.angles_deg.T), strict=True))
    return {
        "uid": table.uids,
        "set_uid": table.set_uids,
        "tomogram_uid": table.tomogram_uids,
        "decision": table.decisions,
        "source": table.sources,
        **numbers,
        "score": table.scores,
        "uncertainty": table.uncertainties,
        "priority": table.priorities,
        "class_number": table.classes,
        "half": table.halves,
        ORIGIN: table.origins,
    }


def particle_rows(table: ParticleTable) -> list[Row]:
    """Return particles one by one as the project file keeps them: where each may be refused."""
    columns = _columns_of(table)
    names = tuple(columns)
    return [
        {name: None if _is_unknown(name, value) else value
         for name, value in zip(names, values, strict=True)}
        for values in zip(*(column.tolist() for column in columns.values()), strict=True)
    ]  # fmt: skip


def _is_unknown(name: str, value: Any) -> bool:
    if name in WHOLES:
        return bool(value < 0)
    return bool(value != value or value == _UNKNOWN.get(name))


def read_table(db: Database, chosen: Chosen) -> ParticleTable:
    """Return particles, oldest first.

    The arrays are the caller's own.
    """
    import numpy as np

    where, values = chosen.condition()
    with db.snapshot():
        n, same = _alike(db, where, values)
        if len(chosen.set_uids) == 1:
            same["set_uid"] = chosen.set_uids[0]
        names = [name for name in NAMES if name not in same]
        parts = [
            _columns(names, rows)
            for rows in db.batches(
                f"SELECT {_selected(names)} FROM particles WHERE {where}", values, _IN_ONE_GO
            )
        ]
    # Sorting numbers is cheaper than letting SQLite sort rows.
    numbers = _taken(parts, "id")
    order = None if (numbers[1:] > numbers[:-1]).all() else np.argsort(numbers)

    def column(name: str) -> NDArray[Any]:
        if name in same:
            return np.full(n, same[name], dtype=_KINDS[name])
        taken = _taken(parts, name)
        return taken if order is None else taken[order]

    return _table(column)


def read_pages(db: Database, chosen: Chosen, page: int = _IN_ONE_GO) -> Iterator[ParticleTable]:
    """Give particles, oldest first, a page at a time.

    Each page is a query of its own: nobody who writes waits for whoever reads.
    """
    where, values = chosen.condition()
    last = -1
    while True:
        # In the order of the rows themselves: no index gives it for a whole set.
        rows = db.tuples(
            f"""SELECT {_selected(NAMES)} FROM particles NOT INDEXED
                WHERE id > ? AND {where} ORDER BY id LIMIT ?""",
            (last, *values, page),
        )
        if rows:
            last = rows[-1][0]
            yield _table(_columns(NAMES, rows).__getitem__)
        if len(rows) < page:
            return


def n_known(db: Database, chosen: Chosen) -> tuple[int, dict[str, int]]:
    """Return how many particles there are, and of how many each thing is known."""
    where, values = chosen.condition()
    counts = ", ".join(f"count({name})" for name in _MAY_BE_UNKNOWN)
    (row,) = db.tuples(f"SELECT count(*), {counts} FROM particles WHERE {where}", values)
    return row[0], dict(zip(_MAY_BE_UNKNOWN, row[1:], strict=True))


def _alike(db: Database, where: str, values: Sequence[Any]) -> tuple[int, dict[str, Any]]:
    """Return how many particles there are, and the columns in which all of them are alike.

    SQLite tells that much sooner than it gives a value for each row.
    """
    asked = (
        *(f"count({name})" for name in _MAY_BE_UNKNOWN),
        *(f"CASE min({name}) WHEN max({name}) THEN min({name}) END" for name in _OFTEN_ALIKE),
    )
    (row,) = db.tuples(f"SELECT count(*), {', '.join(asked)} FROM particles WHERE {where}", values)
    n, known = row[0], dict(zip((*_MAY_BE_UNKNOWN, *_OFTEN_ALIKE), row[1:], strict=True))
    same = {name: _UNKNOWN.get(name, float("nan")) for name in _MAY_BE_UNKNOWN if not known[name]}
    same |= {name: known[name] for name in _OFTEN_ALIKE if known[name] is not None}
    return int(n), same


def _selected(names: Sequence[str]) -> str:
    return ", ".join(
        f"coalesce({name}, {_UNKNOWN[name]!r})" if name in _UNKNOWN else name for name in names
    )


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Columns:
    """Return columns of some rows of `_selected`; what is unknown is NaN."""
    import numpy as np

    return {
        name: np.array(column, dtype=_KINDS[name])
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def _taken(parts: Sequence[Columns], name: str) -> NDArray[Any]:
    """Take a column out of all parts: two copies of the whole table are never there at once."""
    import numpy as np

    if not parts:
        return np.zeros(0, dtype=_KINDS[name])
    return np.concatenate([part.pop(name) for part in parts])


def _table(column: Callable[[str], NDArray[Any]]) -> ParticleTable:
    import numpy as np

    from tomotui.records.particle_table import ParticleTable

    def triple(names: Sequence[str]) -> NDArray[Any]:
        return np.stack([column(name) for name in names], axis=1)

    return ParticleTable(
        uids=column("uid"),
        set_uids=column("set_uid"),
        tomogram_uids=column("tomogram_uid"),
        positions_angstrom=triple(NUMBERS[:3]),
        angles_deg=triple(NUMBERS[3:]),
        scores=column("score"),
        uncertainties=column("uncertainty"),
        priorities=column("priority"),
        decisions=column("decision"),
        sources=column("source"),
        classes=column("class_number"),
        halves=column("half"),
        origins=column(ORIGIN),
    )
