"""A log file of any size, of which only the parts that are looked at are read."""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BLOCK_BYTES = 1 << 16
SCAN_BYTES = 1 << 20
"""Read at a time when a whole file is searched or counted."""
MAX_PAGE_BYTES = 1 << 20
_KEPT_BLOCKS = 64

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
OUTPUT_SUFFIXES = (".txt", ".log", ".out", ".err", ".jsonl")
NO_LOG = "no log yet"
"""Said of a file that is not there."""
_ERROR_WORDS = "error|traceback|exception|failed|fatal|killed|out of memory|segmentation fault"
ERROR = re.compile(rf"\b({_ERROR_WORDS})\b", re.IGNORECASE)
"""Lines at which one looks first."""

Change = Literal["", "grown", "new"]
Tell = Callable[[float], bool]
"""Takes the fraction of a long work that is done; false when it is wanted no longer."""


def clean(line: str) -> str:
    """Return a line as a terminal would have left it: no escapes, the last of overwritten text."""
    line = _ESCAPES.sub("", line).rstrip("\r")
    line = line.rpartition("\r")[2].expandtabs(4)
    return _CONTROL.sub("", line)


def _decoded(line: bytes) -> str:
    return clean(line.rstrip(b"\n").decode(errors="replace"))


@dataclass(frozen=True)
class LogLine:
    """A line and the bytes of the file that it is: from ``start`` to before ``end``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Page:
    """Lines of a file that follow each other.

    Attributes
    ----------
    size
        Bytes of the whole file.
    """

    lines: tuple[LogLine, ...] = ()
    size: int = 0

    @property
    def is_first(self) -> bool:
        """True when no line comes before."""
        return not self.lines or self.lines[0].start == 0

    @property
    def is_last(self) -> bool:
        """True when no line comes after."""
        return not self.lines or self.lines[-1].end >= self.size


class LogFile:
    """Finds lines in a file by place, by number and by what they hold.

    Lines are known by the byte at which they begin, so that nothing before them needs to be
    read. A block without any end of line ends one by force: a line is never longer than three
    blocks, whatever the file holds.

    Attributes
    ----------
    size
        Bytes of the file when it was looked at last.
    error
        Why it cannot be read; empty when it can.
    bytes_read
        So far, over all.
    """

    def __init__(self, path: Path, block_bytes: int = BLOCK_BYTES) -> None:
        self.path = path
        self.size = 0
        self.error = ""
        self.bytes_read = 0
        self._block_bytes = block_bytes
        self._identity: tuple[int, int] | None = None
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._starts_of: dict[int, list[int]] = {}
        self._n_before: list[int] = [0]

    def look(self) -> Change:
        """Tell whether the file has grown since it was looked at, or is a new one."""
        try:
            status = os.stat(self.path)
        except OSError as error:
            words = NO_LOG if isinstance(error, FileNotFoundError) else str(error)
            changed = words != self.error
            self.error, self.size, self._identity = words, 0, None
            self._forget()
            return "new" if changed else ""
        self.error = ""
        identity = (status.st_dev, status.st_ino)
        before, self.size = self.size, status.st_size
        if identity != self._identity or self.size < before:
            self._identity = identity
            self._forget()
            return "new"
        if self.size == before:
            return ""
        # The last block may have been read while it was shorter.
        last = before // self._block_bytes
        self._blocks.pop(last, None)
        for number in (last, last + 1):
            self._starts_of.pop(number, None)
        return "grown"

    def _forget(self) -> None:
        self._blocks.clear()
        self._starts_of.clear()
        self._n_before = [0]

    # ---- bytes

    def _read(self, start: int, length: int) -> bytes:
        try:
            with open(self.path, "rb") as file:
                file.seek(start)
                data = file.read(length)
        except OSError:
            return b""
        self.bytes_read += len(data)
        return data

    def _block(self, number: int) -> bytes:
        found = self._blocks.get(number)
        if found is None:
            start = number * self._block_bytes
            found = self._read(start, min(self._block_bytes, self.size - start))
            self._blocks[number] = found
            if len(self._blocks) > _KEPT_BLOCKS:
                self._starts_of.pop(self._blocks.popitem(last=False)[0], None)
        self._blocks.move_to_end(number)
        return found

    def _between(self, start: int, end: int) -> bytes:
        size = self._block_bytes
        parts = []
        for number in range(start // size, (max(end - 1, start)) // size + 1):
            base = number * size
            parts.append(self._block(number)[max(start - base, 0) : max(end - base, 0)])
        return b"".join(parts)

    # ---- lines by place

    def _starts(self, number: int) -> list[int]:
        """Return where lines begin in a block."""
        known = self._starts_of.get(number)
        if known is not None:
            return known
        base, data = number * self._block_bytes, self._block(number)
        starts = [base + at.end() for at in re.finditer(b"\n", data)]
        if starts and starts[-1] >= min(base + self._block_bytes, self.size):
            starts.pop()
        before = self._block(number - 1) if number else b"\n"
        if data and (before.endswith(b"\n") or b"\n" not in before):
            starts.insert(0, base)
        self._starts_of[number] = starts
        return starts

    def start_at(self, place: int) -> int:
        """Return where the line begins that holds a byte."""
        place = max(min(place, self.size - 1), 0)
        for number in range(place // self._block_bytes, -1, -1):
            starts = self._starts(number)
            at = bisect_right(starts, place)
            if at:
                return starts[at - 1]
        return 0

    def next_start(self, place: int) -> int:
        """Return where the first line begins after a byte; the size when there is none."""
        for number in range(place // self._block_bytes, self.size // self._block_bytes + 1):
            starts = self._starts(number)
            at = bisect_right(starts, place)
            if at < len(starts):
                return starts[at]
        return self.size

    def _line(self, start: int) -> LogLine:
        end = self.next_start(start)
        return LogLine(start, end, _decoded(self._between(start, end)))

    def page(self, place: int, n_before: int, n_after: int) -> Page:
        """Return the line that holds a byte, with so many before and after it."""
        if not self.size:
            return Page()
        first = start = self.start_at(place)
        before: list[LogLine] = []
        while len(before) < n_before and start > 0 and first - start < MAX_PAGE_BYTES:
            line = self._line(self.start_at(start - 1))
            before.append(line)
            start = line.start
        after: list[LogLine] = []
        end = first
        while len(after) <= n_after and end < self.size and end - first < MAX_PAGE_BYTES:
            line = self._line(end)
            after.append(line)
            end = line.end
        return Page((*reversed(before), *after), self.size)

    # ---- lines by number

    def start_of_line(self, number: int, tell: Tell) -> int | None:
        """Return where a line begins, counted from 1; the last one when there are fewer.

        Ends of lines are counted from the beginning, and remembered. ``None`` when it was wanted
        no longer.
        """
        wanted = number - 1
        if wanted <= 0:
            return 0
        chunk = bisect_left(self._n_before, wanted) - 1
        while (start := chunk * SCAN_BYTES) < self.size:
            data = self._read(start, min(SCAN_BYTES, self.size - start))
            missing, n_here = wanted - self._n_before[chunk], data.count(b"\n")
            if n_here >= missing:
                found = start + _after_ends(data, missing)
                return found if found < self.size else self.start_at(self.size - 1)
            if len(data) < SCAN_BYTES:
                break
            if chunk + 1 == len(self._n_before):
                self._n_before.append(self._n_before[chunk] + n_here)
            if not tell(start / self.size):
                return None
            chunk += 1
        return self.start_at(self.size - 1)

    # ---- lines by what they hold

    def find(
        self, pattern: re.Pattern[str], start: int, end: int, step: int, tell: Tell
    ) -> int | None:
        """Return where a line begins that matches, the first or (``step`` -1) the last.

        Parameters
        ----------
        start, end
            Beginnings of lines, between which is searched.
        """
        rough = _of_bytes(pattern)
        for begin, stop in self._chunks(start, min(end, self.size), step):
            hits = self._hits(pattern, rough, begin, self._read(begin, stop - begin))
            found = next(hits, None) if step > 0 else _last(hits)
            if found is not None:
                return found
            done = (stop - start if step > 0 else end - begin) / max(end - start, 1)
            if not tell(done):
                return None
        return None

    def _chunks(self, start: int, end: int, step: int) -> Iterator[tuple[int, int]]:
        """Yield stretches of whole lines, onwards or backwards."""
        while start < end:
            if step > 0:
                stop = end
                if end - start > SCAN_BYTES:
                    stop = min(self.next_start(start + SCAN_BYTES), end)
                yield start, stop
                start = stop
            else:
                begin = start
                if end - start > SCAN_BYTES:
                    begin = max(self.start_at(end - SCAN_BYTES), start)
                yield begin, end
                end = begin

    def _hits(
        self, pattern: re.Pattern[str], rough: re.Pattern[bytes] | None, begin: int, data: bytes
    ) -> Iterator[int]:
        if rough is None or b"\x1b" in data or b"\r" in data:
            # What is between the letters on their way to the terminal is not part of the words.
            place = begin
            for line in _lines(data):
                if pattern.search(_decoded(line)):
                    yield self.start_at(place)
                place += len(line)
            return
        words = _needed_words(pattern)
        if words:
            lowered = data.lower()
            if not any(word in lowered for word in words):
                return
        passed = -1
        for match in rough.finditer(data):
            if match.start() < passed:
                continue
            first = data.rfind(b"\n", 0, match.start()) + 1
            passed = data.find(b"\n", match.start()) + 1 or len(data)
            if pattern.search(_decoded(data[first:passed])):
                yield self.start_at(begin + match.start())


def _after_ends(data: bytes, n_ends: int) -> int:
    """Return the place after so many ends of lines."""
    at = -1
    for _ in range(n_ends):
        at = data.find(b"\n", at + 1)
    return at + 1


def _lines(data: bytes) -> Iterator[bytes]:
    """Yield lines with their ends."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at) + 1 or len(data)
        yield data[at:end]
        at = end


def _of_bytes(pattern: re.Pattern[str]) -> re.Pattern[bytes] | None:
    """Return a pattern that finds in bytes what another finds in words, where there is one."""
    if not pattern.pattern.isascii():
        return None
    flags = re.MULTILINE | (pattern.flags & re.IGNORECASE)
    return re.compile(pattern.pattern.encode("ascii"), flags)


def _needed_words(pattern: re.Pattern[str]) -> tuple[bytes, ...]:
    """Return words, in small letters, of which one is in whatever matches; none if not known.

    To look for them is many times faster than to look for the pattern.
    """
    if pattern is ERROR:
        return tuple(_ERROR_WORDS.encode().split(b"|"))
    if re.escape(pattern.pattern) == pattern.pattern.replace(" ", "\\ "):
        return (pattern.pattern.lower().encode(),)
    return ()


def _last(hits: Iterator[int]) -> int | None:
    found = deque(hits, maxlen=1)
    return found[0] if found else None


def files_beside(path: Path) -> list[Path]:
    """Return a log and the other files with output in its folder, the log first."""
    try:
        others = [each for each in path.parent.iterdir() if each.suffix in OUTPUT_SUFFIXES]
    except OSError:
        others = []
    return [path, *sorted(each for each in others if each != path and each.is_file())]
