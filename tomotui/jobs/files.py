"""Files that appear whole or not at all, and locks that end with their holder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

ModelT = TypeVar("ModelT", bound=BaseModel)


class UnreadableFile(Exception):
    """A file is there but does not hold what it should."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be read: {reason}")


def write_atomically(path: Path, text: str, durable: bool = True) -> None:
    """Write a file under a temporary name and rename it.

    Parameters
    ----------
    durable
        Wait until the disk has it. Without that the file may be empty after a power cut.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def write_model(path: Path, model: BaseModel, durable: bool = True) -> None:
    """Write a model as indented JSON, whole or not at all."""
    write_atomically(path, model.model_dump_json(indent=1) + "\n", durable)


def read_model(path: Path, model: type[ModelT]) -> ModelT | None:
    """Return the model that a file holds; ``None`` when there is no such file.

    Raises
    ------
    UnreadableFile
        When the file is truncated or holds something else.
    """
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error)) from error
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnreadableFile(path, f"{place}: {first['msg']}" if place else first["msg"]) from error


class Lock:
    """An exclusive lock on a file, held until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, patience_seconds: float = 0.0) -> bool:
        """Take the lock; false when another process has it and keeps it."""
        deadline = time.monotonic() + patience_seconds
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                time.sleep(0.05)
            else:
                self._descriptor = descriptor
                return True

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock of a file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
