"""The thread that reads a log for the view of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tomotui.tui.widgets.log_file import LogFile, Page

POLL_SECONDS = 0.4
_STEPS_TOLD = 20
"""How often at most the progress of a search is told."""


@dataclass(frozen=True)
class Wish:
    """Which lines are wanted.

    Attributes
    ----------
    kind
        ``end``: the last; ``place``: those around a byte; ``line``: around the line of a number;
        ``part``: around a fraction of the file; ``find``: around what matches a pattern.
    n_lines
        How many before and after.
    place
        A byte; for ``find`` where to begin.
    value
        Number of the line, or the fraction.
    step
        1 to find onwards, -1 backwards.
    """

    kind: Literal["end", "place", "line", "part", "find"]
    n_lines: int
    place: int = 0
    value: float = 0.0
    pattern: re.Pattern[str] | None = None
    step: int = 1


@dataclass(frozen=True)
class Answer:
    """What the thread tells.

    Attributes
    ----------
    wish
        What it answers; ``None`` when the file has changed by itself.
    page
        Lines; ``None`` when nothing was found, or while it is still searched.
    place
        The line that was meant.
    progress
        Of a search that goes on; ``None`` when it has ended.
    is_new
        The file is another than before: what was known of it is void.
    past_end
        The search went on at the other end of the file.
    """

    path: Path
    size: int = 0
    wish: Wish | None = None
    page: Page | None = None
    place: int | None = None
    progress: float | None = None
    error: str = ""
    is_new: bool = False
    past_end: bool = False


class LogReader:
    """Reads one file at a time; a later wish replaces an earlier one.

    Parameters
    ----------
    tell
        Takes answers, in the thread.
    """

    def __init__(self, tell: Callable[[Answer], object]) -> None:
        self._tell = tell
        self._wake = threading.Condition()
        self._path: Path | None = None
        self._wish: Wish | None = None
        self._file: LogFile | None = None
        self._thread: threading.Thread | None = None
        self._closed = self._hidden = False

    def show(self, path: Path | None) -> None:
        """Read another file."""
        with self._wake:
            self._path, self._wish = path, None
            self._wake.notify()
        if path is not None and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log-reader", daemon=True)
            self._thread.start()

    def ask(self, wish: Wish) -> None:
        """Ask for lines."""
        with self._wake:
            self._wish = wish
            self._wake.notify()

    def hide(self, hidden: bool) -> None:
        """Read nothing while nobody looks."""
        with self._wake:
            self._hidden = hidden
            self._wake.notify()

    def close(self) -> None:
        """End the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    # ---- in the thread

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._wish is None and not self._closed and not self._is_other_file:
                    rests = self._hidden or self._path is None
                    self._wake.wait(None if rests else POLL_SECONDS)
                if self._closed:
                    return
                path, wish, self._wish = self._path, self._wish, None
                hidden = self._hidden
            if path is not None and (wish is not None or not hidden):
                self._turn(path, wish)

    @property
    def _is_other_file(self) -> bool:
        known = self._file.path if self._file is not None else None
        return self._path != known and self._path is not None

    def _turn(self, path: Path, wish: Wish | None) -> None:
        file = self._file
        if file is None or file.path != path:
            file = self._file = LogFile(path)
        change = file.look()
        if change:
            self._tell(Answer(path, file.size, error=file.error, is_new=change == "new"))
        if wish is None:
            return
        if wish.kind == "find":
            self._find(file, wish)
            return
        place = self._place(file, wish)
        if place is not None:
            self._tell(Answer(path, file.size, wish, _page(file, place, wish), place))

    def _place(self, file: LogFile, wish: Wish) -> int | None:
        if wish.kind == "end":
            return file.start_at(file.size - 1)
        if wish.kind == "part":
            return file.start_at(int(wish.value * file.size))
        if wish.kind == "line":
            return file.start_of_line(int(wish.value), self._teller(file, wish))
        return file.start_at(wish.place)

    def _find(self, file: LogFile, wish: Wish) -> None:
        assert wish.pattern is not None
        tell, start, end = self._teller(file, wish), wish.place, file.size
        stretches = ((start, end), (0, start)) if wish.step > 0 else ((0, start), (start, end))
        for number, stretch in enumerate(stretches):
            place = file.find(wish.pattern, *stretch, wish.step, tell)
            if self._is_interrupted:
                return
            if place is not None:
                page = _page(file, place, wish)
                self._tell(Answer(file.path, file.size, wish, page, place, past_end=number > 0))
                return
        self._tell(Answer(file.path, file.size, wish))

    @property
    def _is_interrupted(self) -> bool:
        return self._wish is not None or self._closed or self._is_other_file

    def _teller(self, file: LogFile, wish: Wish) -> Callable[[float], bool]:
        told = 0

        def tell(done: float) -> bool:
            nonlocal told
            step = int(done * _STEPS_TOLD)
            if step != told and not self._is_interrupted:
                told = step
                self._tell(Answer(file.path, file.size, wish, progress=done))
            return not self._is_interrupted

        return tell


def _page(file: LogFile, place: int, wish: Wish) -> Page:
    return file.page(place, wish.n_lines, wish.n_lines)
