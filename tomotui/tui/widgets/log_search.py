"""Finding text, errors and lines in a log."""

from __future__ import annotations

import re

from rich.segment import Segment
from rich.style import Style
from textual.widget import Widget

from tomotui.tui.theme import Look
from tomotui.tui.widgets.log_file import ERROR, Page
from tomotui.tui.widgets.log_reader import Wish


class LogSearching(Widget):
    """The part of a view of a log that goes where something is.

    Attributes
    ----------
    page
        The lines that were read around the place that is seen.
    pattern
        What was searched for last.
    found
        Where the line begins that was gone to last.
    progress
        Of a search through the file.
    """

    following: bool

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.page = Page()
        self.pattern: re.Pattern[str] | None = None
        self.found: int | None = None
        self.progress: float | None = None
        self._sought = ""
        self._rows: list[tuple[int, int]] = []
        self._top = 0
        self._asked: Wish | None = None

    def _ask(self, wish: Wish) -> None:
        """Let the thread look for something."""
        raise NotImplementedError

    def _changed(self) -> None:
        """Tell when what the view says of itself is another."""
        raise NotImplementedError

    def _place_of_top(self) -> tuple[int, int]:
        """Return where the line at the top begins, and the character its row begins with."""
        raise NotImplementedError

    @property
    def _n_lines(self) -> int:
        return 3 * self.size.height + 100

    def go_to(self, words: str) -> None:
        """Go to a line by its number (``1200``) or to a part of the file (``50%``).

        Raises
        ------
        ValueError
            When the words are neither.
        """
        words = words.strip()
        is_part = words.endswith("%")
        value = float(words.removesuffix("%")) if is_part else float(int(words))
        if not 0 <= value <= (100 if is_part else float("inf")):
            raise ValueError(words)
        wish = Wish("part", self._n_lines, value=value / 100)
        self._ask(wish if is_part else Wish("line", self._n_lines, value=value))
        self._changed()

    def action_error(self, step: int) -> None:
        """Go to the next or previous line that looks like an error."""
        self._seek(ERROR, step, "error")

    def action_match(self, step: int) -> None:
        """Go to the next or previous match of the search."""
        if self.pattern is not None:
            self._seek(self.pattern, step, self.pattern.pattern)

    def search(self, text: str) -> None:
        """Search for text or a regular expression: from the end where it is followed, else down."""
        try:
            self.pattern = re.compile(text, re.IGNORECASE) if text else None
        except re.error:
            self.pattern = re.compile(re.escape(text), re.IGNORECASE)
        self.found = None
        self.refresh()
        self._changed()
        self.action_match(-1 if self.following else 1)

    def _seek(self, pattern: re.Pattern[str], step: int, sought: str) -> None:
        if not self.page.lines:
            return
        starts = [line.start for line in self.page.lines]
        ends = [line.end for line in self.page.lines]
        place = self._place_of_top()[0]
        if self.found is not None and self.found in starts:
            at = starts.index(self.found)
            place = ends[at] if step > 0 else starts[at]
        elif step < 0:
            last = self._rows[min(self._top + self.size.height, len(self._rows)) - 1][0]
            place = ends[last]
        self._sought = sought
        self._ask(Wish("find", self._n_lines, place, pattern=pattern, step=step))
        self._changed()

    def _stop_searching(self) -> None:
        if self.progress is not None or self._is_seeking:
            self.progress = self._asked = None

    @property
    def _is_seeking(self) -> bool:
        return self._asked is not None and self._asked.kind != "place"

    def with_matches(self, line: str, ink: Style, look: Look) -> list[Segment]:
        """Return a line as segments, with what was searched for standing out."""
        if self.pattern is None:
            return [Segment(line, ink)]
        segments, at = [], 0
        for match in self.pattern.finditer(line):
            if match.end() > match.start():
                segments.append(Segment(line[at : match.start()], ink))
                found = Style(color=look.background, bgcolor=look.warning)
                segments.append(Segment(match[0], found))
                at = match.end()
        return [*segments, Segment(line[at:], ink)]
