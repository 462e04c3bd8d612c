"""The connection to the project file: journal mode, transactions, errors in plain words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tomotui.project import filesystem
from tomotui.project.errors import ProjectError, RefusedChange
from tomotui.project.migrations import APPLICATION_ID, known_version, migrate

FILE_NAME = "project.sqlite"
BUSY_TIMEOUT_SECONDS = 15.0
CACHE_KIB = 128 * 1024
"""Memory that changes of a million rows may take; other changes take what they touch."""

Row = dict[str, Any]
Values = Sequence[Any] | Mapping[str, Any]


class Database:
    """One connection to a project file; belongs to the thread that opened it.

    Parameters
    ----------
    path
        The project file; it must exist.
    read_only
        Open without any possibility of writing.

    Raises
    ------
    ProjectError
        When the file is missing, corrupt, no project, of a newer version, or not writable.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        if not path.is_file():
            raise ProjectError(
                f"{path.parent} holds no project ({path.name} is missing).", _without_file(path)
            )
        if not read_only and not filesystem.is_writable(path.parent):
            raise ProjectError(*_not_writable(path))
        with readable_errors(path):
            self._sqlite = _connect(path, read_only)
            try:
                self._prepare()
            except BaseException:
                self._sqlite.close()
                raise

    def _prepare(self) -> None:
        self._sqlite.execute("PRAGMA foreign_keys = ON")
        self._check_identity()
        self.journal_mode = self._choose_journal_mode()
        migrate(self._sqlite, self.path, self.read_only)

    def _check_identity(self) -> None:
        """Refuse what is no project, or one that a newer program has written."""
        application = self.scalar("PRAGMA application_id")
        version = self.scalar("PRAGMA user_version")
        empty = self.scalar("SELECT count(*) FROM sqlite_schema") == 0
        if application != APPLICATION_ID and not empty:
            raise ProjectError(
                f"{self.path} is an SQLite file of another program.",
                "Choose the folder of a tomotui project, or move that file away.",
            )
        known = known_version()
        if version > known:
            raise ProjectError(
                f"{self.path} was written by a newer tomotui (file version {version}, this "
                f"program knows up to {known}).",
                "Open it with the newer program: pip install --upgrade tomotui",
            )

    def _choose_journal_mode(self) -> str:
        """Use the write-ahead log where one host has the file, and a rollback journal elsewhere.

        The write-ahead log lives in shared memory, which hosts do not share: over NFS or Lustre
        it loses data. The rollback journal needs every commit on the disk to be safe.
        """
        current = str(self.scalar("PRAGMA journal_mode"))
        if self.read_only:
            return current
        shared = filesystem.is_shared(self.path.parent)
        wanted = "delete" if shared else "wal"
        if current != wanted:
            try:
                current = str(self.scalar(f"PRAGMA journal_mode = {wanted}"))
            except sqlite3.OperationalError:
                # Someone else has the file open; the mode is changed at a later opening.
                current = str(self.scalar("PRAGMA journal_mode"))
        self._sqlite.execute(f"PRAGMA synchronous = {'FULL' if shared else 'NORMAL'}")
        self._sqlite.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        return current

    def close(self) -> None:
        """Close the connection."""
        self._sqlite.close()

    def data_version(self) -> int:
        """Return a number that differs after any change, by this connection or another."""
        return (self.others_version() << 32) + self._sqlite.total_changes

    def others_version(self) -> int:
        """Return a number that differs after any change by another connection."""
        return int(self.scalar("PRAGMA data_version"))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do everything inside or nothing of it; nested blocks join the outer one.

        The write lock is taken at the start. A transaction that reads first and asks for the
        lock later can be refused at once, whatever the busy timeout, when another process has
        written in between.
        """
        connection = self._sqlite
        with readable_errors(self.path):
            if connection.in_transaction:
                with _savepoint(connection):
                    yield
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that is read inside be of one moment, whatever others write meanwhile."""
        connection = self._sqlite
        with readable_errors(self.path):
            if connection.in_transaction:
                yield
                return
            connection.execute("BEGIN")
            try:
                yield
            finally:
                connection.rollback()

    def query(self, sql: str, values: Values = ()) -> list[Row]:
        """Return all rows of a query."""
        with readable_errors(self.path):
            cursor = self._sqlite.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def tuples(self, sql: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query without the names of columns: for very many rows."""
        with readable_errors(self.path):
            return self._sqlite.execute(sql, values).fetchall()

    def batches(
        self, sql: str, values: Values = (), size: int = 1000
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Give the rows of a query some at a time: never all of them are there at once."""
        with readable_errors(self.path):
            cursor = self._sqlite.execute(sql, values)
            while rows := cursor.fetchmany(size):
                yield rows

    def one(self, sql: str, values: Values = ()) -> Row | None:
        """Return the first row of a query, or ``None``."""
        rows = self.query(sql, values)
        return rows[0] if rows else None

    def scalar(self, sql: str, values: Values = ()) -> Any:
        """Return the first value of the first row, or ``None``."""
        with readable_errors(self.path):
            row = self._sqlite.execute(sql, values).fetchone()
            return None if row is None else row[0]

    def execute(self, sql: str, values: Values = ()) -> int:
        """Run one statement that writes; returns the number of rows it touched."""
        with readable_errors(self.path):
            return self._sqlite.execute(sql, values).rowcount

    def execute_many(self, sql: str, rows: Iterable[Values]) -> None:
        """Run one statement for each row of values, in one transaction."""
        with self.transaction():
            self._sqlite.executemany(sql, rows)

    def insert(self, table: str, row: Row) -> int:
        """Insert one row; returns its ``rowid``."""
        columns = ", ".join(f'"{name}"' for name in row)
        places = ", ".join("?" * len(row))
        with readable_errors(self.path):
            cursor = self._sqlite.execute(
                f'INSERT INTO "{table}" ({columns}) VALUES ({places})', list(row.values())
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def insert_all(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows that all have the same columns."""
        if not rows:
            return
        columns = list(rows[0])
        names = ", ".join(f'"{name}"' for name in columns)
        places = ", ".join("?" * len(columns))
        self.execute_many(
            f'INSERT INTO "{table}" ({names}) VALUES ({places})',
            ([row[name] for name in columns] for row in rows),
        )

    def problems(self) -> list[str]:
        """Read the whole file and list what is damaged; empty when all is well."""
        try:
            found = [str(row["quick_check"]) for row in self.query("PRAGMA quick_check")]
        except ProjectError as error:
            return [error.message]
        return [] if found == ["ok"] else found


def _connect(path: Path, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rw"
    log = path.with_name(path.name + "-wal")
    if read_only and not filesystem.is_writable(path.parent) and not log.exists():
        # A closed write-ahead-log file cannot be opened where its side files cannot be made,
        # unless SQLite is told that nobody writes to it.
        mode += "&immutable=1"
    # Without an isolation level a statement outside of a transaction is one of its own.
    return sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
    )


@contextmanager
def _savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    """Do everything inside or nothing of it, within a transaction that goes on."""
    connection.execute("SAVEPOINT inner")
    try:
        yield
    except BaseException:
        # Some errors end the whole transaction, and its savepoints with it.
        if connection.in_transaction:
            connection.execute("ROLLBACK TO inner")
            connection.execute("RELEASE inner")
        raise
    connection.execute("RELEASE inner")


def _without_file(path: Path) -> str:
    """Return what to do where the project file is missing."""
    if any(path.parent.glob("jobs/*/job.json")):
        return f"Make it anew from the job folders: tomotui rebuild {path.parent}"
    return f"Make one with: tomotui init {path.parent}"


def _not_writable(path: Path) -> tuple[str, str]:
    return (
        f"{path.parent} cannot be written.",
        "Ask its owner for the right to write, copy the project, or open it read-only.",
    )


@contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into words that name the file and the remedy."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise RefusedChange(
            f"{path}: the change was refused because it would contradict the project ({error}).",
            "Nothing was changed.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise ProjectError(*_explain(path, error)) from error


def _explain(path: Path, error: sqlite3.DatabaseError) -> tuple[str, str]:
    """Return message and remedy for an error of SQLite."""
    text = str(error)
    if "readonly" in text or "unable to open" in text:
        return _not_writable(path)
    if "malformed" in text or "not a database" in text:
        return (
            f"{path} is damaged ({text}).",
            "Restore it from a backup, or make it anew from what it still holds and from the job "
            f"folders, which are not affected: tomotui rebuild {path.parent}",
        )
    if "full" in text:
        return f"The disk is full: {path} could not be written.", "Free some space and try again."
    if "locked" in text:
        return (
            f"{path} is locked by another program for more than {BUSY_TIMEOUT_SECONDS:.0f} s.",
            "Close other programs that have it open and try again.",
        )
    return f"{path}: {text}.", "Check the disk and the file."
