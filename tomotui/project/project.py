"""A project: a folder with one SQLite file and the folders of its jobs."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from tomotui.project import filesystem
from tomotui.project.database import FILE_NAME, Database
from tomotui.project.errors import ProjectError
from tomotui.project.exclusion import ExclusionPart
from tomotui.project.inputs import InputPart
from tomotui.project.ledger import LedgerPart
from tomotui.project.matrix import MatrixPart
from tomotui.project.particles import ParticlePart


class Project(LedgerPart, MatrixPart, ExclusionPart, ParticlePart, InputPart):
    """The only way to the project file.

    An object belongs to the thread that opened it; another thread opens its own. Faces and the
    agent may have the same project open at once, on one host.

    Use `create` or `open`, and `close` at the end or a ``with`` statement.
    """

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self._db = database
        self._parsed = {}
        self._distilled = {}
        self._known_targets = {}

    @classmethod
    def create(cls, folder: Path | str, name: str = "") -> Self:
        """Make a project in a folder, which is made when it is not there.

        Raises
        ------
        ProjectError
            When there is a project already, or the folder cannot be written.
        """
        folder = Path(folder).expanduser().absolute()
        path = folder / FILE_NAME
        if path.exists() and path.stat().st_size > 0:
            raise ProjectError(f"{folder} holds a project already.", "Open that one.")
        try:
            (folder / "jobs").mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise ProjectError(
                f"{folder} cannot be made into a project: {error.strerror}.",
                "Choose a folder that you may write.",
            ) from error
        project = cls(folder, Database(path))
        with project._db.transaction():
            project._set_meta("name", name or folder.name)
            project._set_meta("created_at", repr(time.time()))
        return project

    @classmethod
    def open(cls, folder: Path | str, read_only: bool = False) -> Self:
        """Open the project of a folder.

        Raises
        ------
        ProjectError
            When the folder holds no project, its file is damaged or of a newer version, or it
            cannot be written and ``read_only`` is false.
        """
        folder = Path(folder).expanduser().absolute()
        if folder.name == FILE_NAME and folder.is_file():
            folder = folder.parent
        path = folder / FILE_NAME
        if path.is_file() and path.stat().st_size == 0:
            raise ProjectError(
                f"{path} is empty.",
                f"Remove it and make the project anew: tomotui init {folder} (where there are job "
                f"folders: tomotui rebuild {folder})",
            )
        return cls(folder, Database(path, read_only))

    @property
    def name(self) -> str:
        """Name of the project; that of its folder when none was given."""
        found = self._db.scalar("SELECT value FROM meta WHERE key = 'name'")
        return str(found) if found else self.folder.name

    @property
    def jobs_folder(self) -> Path:
        """Where the folders of the jobs are."""
        return self.folder / "jobs"

    @property
    def read_only(self) -> bool:
        """Whether this object cannot change the project."""
        return self._db.read_only

    @property
    def journal_mode(self) -> str:
        """SQLite's journal mode: ``wal``, or ``delete`` on a file system that hosts share."""
        return self._db.journal_mode

    @property
    def is_on_shared_file_system(self) -> bool:
        """Whether other hosts may see this folder; only one of them may run the program on it."""
        return filesystem.is_shared(self.folder)

    def data_version(self) -> int:
        """Return a number that differs after any change of the project file, by anyone.

        Asking costs microseconds: screens compare it before they read anything.
        """
        return self._db.data_version()

    def others_version(self) -> int:
        """Return a number that differs after any change that was not made by this object."""
        return self._db.others_version()

    def at_once(self) -> AbstractContextManager[None]:
        """Return a block in which everything is done together, or nothing of it.

        Nobody else writes meanwhile: what is read inside stays true until the end.
        """
        return self._db.transaction()

    def problems(self) -> list[str]:
        """Read the whole project file and list what is damaged; empty when all is well."""
        return self._db.problems()

    def close(self) -> None:
        """Close the connection; the object is of no use afterwards."""
        self._db.close()

    def _set_meta(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
