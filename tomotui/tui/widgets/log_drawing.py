"""The rows of a log as they are seen, with a bar that tells which part of the file that is."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.log_file import ERROR, NO_LOG
from tomotui.tui.widgets.log_search import LogSearching


class LogDrawing(LogSearching):
    """The part of a view of a log that draws it.

    Attributes
    ----------
    size_bytes
        Of the file.
    error, silence
        Why nothing can be read, and what is true of a file without a word in it.
    wrapping
        Lines that are too long go on in the next row.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.size_bytes = 0
        self.error = self.silence = ""
        self.wrapping = False
        self._texts: list[str] = []
        self._left = 0

    @property
    def part(self) -> float:
        """How much of the file stands above the last row that is seen, 0..1."""
        if not self._rows or not self.size_bytes:
            return 1.0
        number, _ = self._rows[min(self._top + self.size.height, len(self._rows)) - 1]
        return min(self.page.lines[number].end / self.size_bytes, 1.0)

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        look: Look = getattr(self.app, "look", FALLBACK)
        width, row = self.size.width, y + self._top
        ground = Style(bgcolor=look.background)
        if row >= len(self._rows):
            words = self._instead if not self._rows and y == 0 else ""
            said = Strip([Segment(f" {words}", look.style("dim") + ground)])
            return said.adjust_cell_length(width, ground)
        number, start = self._rows[row]
        text, line = self._texts[number], self.page.lines[number]
        if line.start == self.found:
            ground = Style(bgcolor=look.cursor)
        ink = look.style("error" if ERROR.search(line.text) else "foreground") + ground
        left = start if self.wrapping else self._left
        content = Strip(self.with_matches(text, ink, look)).crop(left, left + width - 2)
        strip = Strip([Segment(" ", ground), *content]).adjust_cell_length(width - 1, ground)
        return Strip([*strip, self._bar(y, look)])

    @property
    def _instead(self) -> str:
        """What is said where there is no line: why, and whether any may come."""
        if self.error and (self.error != NO_LOG or not self.silence):
            return self.error
        return self.silence or "nothing said yet"

    def _bar(self, y: int, look: Look) -> Segment:
        """Return a cell of the bar that tells which part of the file is seen."""
        height, blank = self.size.height, Style(bgcolor=look.background)
        if self.page.is_first and self.page.is_last and len(self._rows) <= height:
            return Segment(" ", blank)
        ascii_only = getattr(self.app, "ascii_only", False)
        here = round(self.part * (height - 1)) if not self.following else height - 1
        if y == here:
            return Segment("#" if ascii_only else "█", look.style("primary") + blank)
        return Segment("|" if ascii_only else "│", look.style("dim") + blank)
