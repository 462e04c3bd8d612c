"""Reading what can still be read of a damaged project file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tomotui.project.database import Row

_FARTHEST = 1 << 40
"""No row has a number beyond this."""


class Gap(NamedTuple):
    """A place where rows could not be read."""

    reason: str


def readable_rows(path: Path, table: str) -> Iterator[Row | Gap]:
    """Yield the rows of a table that can be read, and a `Gap` wherever some cannot.

    A bad page takes the rows on it with it and no others: reading goes on behind it.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=5.0)
    except sqlite3.Error as error:
        yield Gap(str(error))
        return
    with closing(connection):
        connection.row_factory = sqlite3.Row
        try:
            names = _key_columns(connection, table)
        except sqlite3.Error as error:
            yield Gap(str(error))
            return
        yield from (
            _by_number(connection, table)
            if names is None
            else _from_both_ends(connection, table, names)
        )


def _key_columns(connection: sqlite3.Connection, table: str) -> list[str] | None:
    """Return the key of a table whose rows have no numbers; ``None`` when they have."""
    found = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)
    ).fetchone()
    if found is None:
        raise sqlite3.DatabaseError(f"no table {table}")
    if "WITHOUT ROWID" not in found[0]:
        return None
    columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    return [row["name"] for row in sorted(columns, key=lambda row: row["pk"]) if row["pk"]]


def _by_number(connection: sqlite3.Connection, table: str) -> Iterator[Row | Gap]:
    """Read forward; behind a bad place, leap until rows can be read, and read back to it."""
    at = -1
    while True:
        try:
            for row in _select(connection, table, "rowid > ? ORDER BY rowid", (at,)):
                at = row["_number"]
                yield _values(row)
            return
        except sqlite3.Error as error:
            yield Gap(str(error))
        leap = _next_readable(connection, table, at)
        if leap is None:
            return
        with suppress(sqlite3.Error):
            between = "rowid > ? AND rowid <= ? ORDER BY rowid DESC"
            for row in _select(connection, table, between, (at, leap)):
                yield _values(row)
        at = leap


def _next_readable(connection: sqlite3.Connection, table: str, at: int) -> int | None:
    step = 1
    while step < _FARTHEST:
        with suppress(sqlite3.Error):
            where = "rowid > ? ORDER BY rowid LIMIT 1"
            list(_select(connection, table, where, (at + step,)))
            return at + step
        step *= 2
    return None


def _select(
    connection: sqlite3.Connection, table: str, where: str, values: tuple[int, ...]
) -> Iterator[sqlite3.Row]:
    # An index may be damaged where the table is not.
    yield from connection.execute(
        f'SELECT rowid AS _number, * FROM "{table}" NOT INDEXED WHERE {where}', values
    )


def _values(row: sqlite3.Row) -> Row:
    return {name: row[name] for name in row.keys() if name != "_number"}  # noqa: SIM118


def _from_both_ends(
    connection: sqlite3.Connection, table: str, names: list[str]
) -> Iterator[Row | Gap]:
    """Read to the first bad place, and from the end back to the last."""
    for direction in ("", " DESC"):
        order = ", ".join(f'"{name}"{direction}' for name in names)
        try:
            for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY {order}'):
                yield _values(row)
            return
        except sqlite3.Error as error:
            yield Gap(str(error))
