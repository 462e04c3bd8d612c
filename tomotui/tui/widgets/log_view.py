"""A log that grows: followed, wrapped, searched."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tomotui.tui.actions import bindings
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.log_tail import ERROR, LogTail

POLL_SECONDS = 0.4


class LogView(ScrollView, can_focus=True):
    """Shows the end of a file and follows it.

    The file is read in a thread, only as much as was appended; only the lines seen are drawn.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = bindings("log", "job.pager")
    DEFAULT_CSS = """
    LogView {
        height: 1fr; background: $background;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1;
    }
    """

    class Read(Message, bubble=False):
        """The thread has read something; ``None``: earlier lines, so many."""

        def __init__(self, lines: list[str], error: str, path: Path, earlier: int = 0) -> None:
            super().__init__()
            self.lines, self.error, self.path, self.earlier = lines, error, path, earlier

    class Moved(Message):
        """What the view says of itself has changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.path: Path | None = None
        self.lines: list[str] = []
        self.error = ""
        self.following = True
        self.wrapping = False
        self.pattern: re.Pattern[str] | None = None
        self._wrapped: list[tuple[int, int]] = []
        self._found: int | None = None
        self._wake = threading.Condition()
        self._wants_earlier = False
        self._thread: threading.Thread | None = None
        self._closed = self._hidden = False

    # ---- reading, in the thread

    def show(self, path: Path | None) -> None:
        """Show another file."""
        if path == self.path:
            return
        self.path, self.lines, self.error, self._found = path, [], "", None
        self.following = True
        self._lay_out()
        with self._wake:
            self._wake.notify()
        if path is not None and self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="log-tail", daemon=True)
            self._thread.start()

    def hide(self, hidden: bool) -> None:
        """Read nothing while nobody looks."""
        with self._wake:
            self._hidden = hidden
            self._wake.notify()

    def on_unmount(self) -> None:
        """Stop reading."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    def _watch(self) -> None:
        tail: LogTail | None = None
        while not self._closed:
            path = self.path
            if path is not None and not self._hidden:
                if tail is None or tail.path != path:
                    tail = LogTail(path)
                self._read(tail)
            with self._wake:
                if not self._wants_earlier and self.path == path and not self._closed:
                    self._wake.wait(POLL_SECONDS if not self._hidden and path else None)

    def _read(self, tail: LogTail) -> None:
        earlier = 0
        if self._wants_earlier:
            self._wants_earlier = False
            earlier = tail.earlier()
        if tail.poll() or earlier:
            self.post_message(self.Read(list(tail.lines), tail.error, tail.path, earlier))

    def on_log_view_read(self, message: Read) -> None:
        """Take the lines and stay where the reader is, or at the end."""
        if message.path != self.path:
            return
        self.lines, self.error = message.lines, message.error
        if message.earlier and self._found is not None:
            self._found += message.earlier
        top = self.scroll_offset.y
        self._lay_out()
        if self.following:
            self._to_end()
        elif message.earlier:
            self.scroll_to(y=top + message.earlier, animate=False, immediate=True, force=True)
        self.post_message(self.Moved())

    # ---- layout

    def _lay_out(self) -> None:
        """Cut the lines into rows: one each, or several when they are wrapped."""
        longest = width = max(self.scrollable_content_region.width - 1, 8)
        if self.wrapping:
            self._wrapped = [
                (number, start)
                for number, line in enumerate(self.lines)
                for start in range(0, max(len(line), 1), width)
            ]
        else:
            self._wrapped = []
            longest = max((len(line) for line in self.lines[-2000:]), default=0) + 1
        self.virtual_size = Size(longest, max(self._n_rows, 1))
        self.refresh()

    @property
    def _n_rows(self) -> int:
        return len(self._wrapped) if self.wrapping else len(self.lines)

    def _at(self, row: int) -> tuple[int, int]:
        """Return the line of a row, and at which of its characters the row begins."""
        return self._wrapped[row] if self.wrapping else (row, 0)

    def _row_of(self, number: int) -> int:
        """Return the first row of a line."""
        if not self.wrapping:
            return number
        return next(row for row, (line, _) in enumerate(self._wrapped) if line == number)

    def _to_end(self) -> None:
        self.scroll_to(y=self._n_rows, animate=False, immediate=True, force=True)

    def on_resize(self, event: events.Resize) -> None:
        """Wrap anew."""
        self._lay_out()
        if self.following:
            self._to_end()

    def on_mouse_scroll_up(self) -> None:
        """Follow no more: the reader goes back."""
        self._set_following(False)

    def _set_following(self, following: bool) -> None:
        if following != self.following:
            self.following = following
            self.post_message(self.Moved())

    @property
    def state(self) -> str:
        """A few words for the frame's title."""
        words = ["following" if self.following else "paused"]
        if self.wrapping:
            words.append("wrapped")
        if self.pattern is not None:
            words.append(f"/{self.pattern.pattern}")
        return " · ".join(words)

    # ---- keys

    def action_follow(self) -> None:
        """Stay at the end, or stop doing so."""
        self._set_following(not self.following)
        if self.following:
            self._to_end()

    def action_wrap(self) -> None:
        """Wrap long lines, or scroll sideways."""
        self.wrapping = not self.wrapping
        self.scroll_to(x=0, animate=False, immediate=True, force=True)
        self._lay_out()
        if self.following:
            self._to_end()
        self.post_message(self.Moved())

    def action_scroll(self, step: int) -> None:
        """Go up or down by lines."""
        self._go(self.scroll_offset.y + step)

    def action_page(self, step: int) -> None:
        """Go up or down by pages."""
        self._go(self.scroll_offset.y + step * max(self.size.height - 1, 1))

    def action_first(self) -> None:
        """Go to the beginning of what was read, and read more before it."""
        self._go(0)

    def action_last(self) -> None:
        """Go to the end and follow."""
        self._to_end()
        self._set_following(True)

    def action_sideways(self, step: int) -> None:
        """Scroll to the side."""
        self.scroll_to(x=self.scroll_offset.x + step, animate=False, immediate=True, force=True)

    def _go(self, row: int) -> None:
        last = max(self._n_rows - self.scrollable_content_region.height, 0)
        self._set_following(row > last)
        if row <= 0:
            with self._wake:
                self._wants_earlier = True
                self._wake.notify()
        self.scroll_to(y=min(max(row, 0), last), animate=False, immediate=True, force=True)

    def action_error(self, step: int) -> None:
        """Go to the next or previous line that looks like an error."""
        self._seek(ERROR, step, "no line looks like an error")

    def action_match(self, step: int) -> None:
        """Go to the next or previous match of the search."""
        if self.pattern is not None:
            self._seek(self.pattern, step, f"{self.pattern.pattern}: not found")

    def search(self, text: str) -> None:
        """Search for text or a regular expression, downwards from the top of the view."""
        try:
            self.pattern = re.compile(text, re.IGNORECASE) if text else None
        except re.error:
            self.pattern = re.compile(re.escape(text), re.IGNORECASE)
        self._found = None
        self.refresh()
        self.post_message(self.Moved())
        self.action_match(-1 if self.following else 1)

    def _seek(self, pattern: re.Pattern[str], step: int, nothing: str) -> None:
        hits = [number for number, line in enumerate(self.lines) if pattern.search(line)]
        if not hits:
            self.app.notify(nothing)
            return
        here = self._found
        if here is None:
            row = self.scroll_offset.y + (self.size.height if step < 0 else 0)
            here = self._at(row)[0] - (step > 0) if row < self._n_rows else len(self.lines)
        if step > 0:
            number = next((hit for hit in hits if hit > here), hits[0])
        else:
            number = next((hit for hit in reversed(hits) if hit < here), hits[-1])
        self._found = number
        row = self._row_of(number)
        self._set_following(False)
        self.scroll_to(
            y=max(row - self.size.height // 3, 0), animate=False, immediate=True, force=True
        )
        self.refresh()

    # ---- drawing

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        look: Look = getattr(self.app, "look", FALLBACK)
        width = self.size.width
        row = y + self.scroll_offset.y
        if row >= self._n_rows:
            words = (self.error or "nothing said yet") if not self.lines and y == 0 else ""
            blank = Style(bgcolor=look.background)
            line_style = look.style("dim") + blank
            return Strip([Segment(f" {words}", line_style)]).adjust_cell_length(width, blank)
        number, start = self._at(row)
        line = self.lines[number]
        ground = Style(bgcolor=look.cursor if number == self._found else look.background)
        ink = look.style("error" if ERROR.search(line) else "foreground") + ground
        left = start if self.wrapping else self.scroll_offset.x
        content = Strip(self._matches(line, ink, look)).crop(left, left + width - 1)
        return Strip([Segment(" ", ground), *content]).adjust_cell_length(width, ground)

    def _matches(self, line: str, ink: Style, look: Look) -> list[Segment]:
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
