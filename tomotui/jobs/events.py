"""``events.jsonl``: what a worker says, one JSON object a line, only ever appended to."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from tomotui.records import Event

MAX_BYTES_AT_ONCE = 4 << 20


class EventWriter:
    """Appends events; each is with the operating system when `write` returns.

    Any thread of a stage may write.
    """

    def __init__(self, path: Path, attempt: int) -> None:
        self._attempt = attempt
        self._lock = threading.Lock()
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            # An attempt that was killed in the middle of a line must not swallow this one's first.
            os.write(self._descriptor, b"\n")

    def write(self, kind: str, message: str = "", **data: Any) -> None:
        """Append one event."""
        event = Event(kind=kind, at=time.time(), attempt=self._attempt, message=message, data=data)
        line = event.model_dump_json().encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class EventBatch(NamedTuple):
    """Events read from a file, and the offset at which to go on."""

    events: list[Event]
    offset: int


def read_events(path: Path, offset: int = 0, max_bytes: int = MAX_BYTES_AT_ONCE) -> EventBatch:
    """Read the events after an offset.

    A last line without its end is left for the next time. A line that is no event, as a process
    killed while writing leaves it, is passed over. A file shorter than the offset is a new one
    (its folder had been deleted) and is read from its beginning.

    Parameters
    ----------
    offset
        Bytes of the file that are known already.
    max_bytes
        Read about so much at once; call again until the offset stays.
    """
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size < offset:
                offset = 0
            file.seek(offset)
            block = file.read(max_bytes)
            end = block.rfind(b"\n") + 1
            if not end and len(block) == max_bytes:
                block += file.readline()
                end = block.rfind(b"\n") + 1
    except (FileNotFoundError, NotADirectoryError):
        return EventBatch([], offset)
    events = [event for line in block[:end].splitlines() if (event := _parse(line)) is not None]
    return EventBatch(events, offset + end)


def _parse(line: bytes) -> Event | None:
    try:
        return Event.model_validate_json(line)
    except ValidationError:
        return None
