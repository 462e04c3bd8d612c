"""The end of a log file of any size, and what is appended to it."""

from __future__ import annotations

import os
import re
from pathlib import Path

BLOCK_BYTES = 1 << 20
MAX_LINES = 50_000

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
ERROR = re.compile(
    r"\b(error|traceback|exception|failed|fatal|killed|out of memory|segmentation fault)\b",
    re.IGNORECASE,
)
"""Lines at which one looks first."""


def clean(line: str) -> str:
    """Return a line as a terminal would have left it: no escapes, the last of overwritten text."""
    line = _ESCAPES.sub("", line).rstrip("\r")
    line = line.rpartition("\r")[2].expandtabs(4)
    return _CONTROL.sub("", line)


class LogTail:
    """Reads a log from its end: a file of gigabytes opens as fast as one of kilobytes.

    Only bytes that were appended are ever read again. A file that has become shorter is a new
    one, and read afresh.

    Attributes
    ----------
    lines
        What is known of the file, oldest first.
    first_offset
        Byte at which ``lines`` begins; above 0 when earlier lines were not read.
    """

    def __init__(self, path: Path, block_bytes: int = BLOCK_BYTES) -> None:
        self.path = path
        self.lines: list[str] = []
        self.first_offset = 0
        self.error = ""
        self._block = block_bytes
        self._offset = 0
        self._partial = b""
        self._identity: tuple[int, int] | None = None

    def poll(self) -> bool:
        """Read what was appended; tells whether the lines have changed."""
        try:
            with open(self.path, "rb") as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino)
                if identity != self._identity or status.st_size < self._offset:
                    self._begin(identity, status.st_size)
                    changed = True
                else:
                    changed = bool(self.error)
                self.error = ""
                if status.st_size == self._offset:
                    return changed
                file.seek(self._offset)
                block = file.read(status.st_size - self._offset)
        except OSError as error:
            message = "no log yet" if isinstance(error, FileNotFoundError) else str(error)
            changed, self.error = message != self.error, message
            return changed
        self._take(block)
        return True

    def _begin(self, identity: tuple[int, int], size: int) -> None:
        self._identity = identity
        self._offset = max(size - self._block, 0)
        self.first_offset = self._offset
        self.lines, self._partial = [], b""

    def _take(self, block: bytes) -> None:
        at_start = not self.lines and not self._partial and self.first_offset > 0
        self._offset += len(block)
        if at_start:
            # The block begins somewhere inside a line.
            cut = block.find(b"\n") + 1
            self.first_offset += cut
            block = block[cut:]
        if self._partial and self.lines:
            self.lines.pop()
        data = self._partial + block
        whole, newline, self._partial = data.rpartition(b"\n")
        if newline:
            self.lines += [clean(line.decode(errors="replace")) for line in whole.split(b"\n")]
        if self._partial:
            self.lines.append(clean(self._partial.decode(errors="replace")))
        if len(self.lines) > MAX_LINES:
            del self.lines[: len(self.lines) - MAX_LINES]
            self.first_offset = max(self.first_offset, 1)

    def earlier(self) -> int:
        """Read the block before the first line; returns how many lines were put in front."""
        if not self.first_offset > 0 or len(self.lines) >= MAX_LINES:
            return 0
        start = max(self.first_offset - self._block, 0)
        try:
            with open(self.path, "rb") as file:
                file.seek(start)
                block = file.read(self.first_offset - start)
        except OSError:
            return 0
        if start:
            cut = block.find(b"\n") + 1
            start, block = start + cut, block[cut:]
        if not block:
            return 0
        found = [clean(line.decode(errors="replace")) for line in block.split(b"\n")]
        if block.endswith(b"\n"):
            found.pop()
        self.lines[:0] = found
        self.first_offset = start
        return len(found)
