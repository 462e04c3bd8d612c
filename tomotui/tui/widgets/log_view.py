"""A log of any size: followed, wrapped, searched."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import events, work
from textual.binding import BindingType
from textual.message import Message

from tomotui.tui.actions import bindings
from tomotui.tui.widgets.log_drawing import LogDrawing
from tomotui.tui.widgets.log_file import Page, files_beside
from tomotui.tui.widgets.log_reader import Answer, LogReader, Wish
from tomotui.tui.widgets.log_times import TIMES, Times, with_times

_WHEEL_ROWS = 3
_TIMES_WORDS = {"clock": "", "passed": "time since the line before", "none": "no times"}


class LogView(LogDrawing, can_focus=True):
    """Shows lines of a file around one place, and follows its end.

    A thread reads what is seen and a little around it, whatever the size of the file. The bar at
    the right tells in which part of the file that is.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = bindings("log", "job.pager")
    DEFAULT_CSS = """
    LogView { height: 1fr; background: $background; }
    """

    class Told(Message, bubble=False):
        """The thread has read or found something."""

        def __init__(self, answer: Answer) -> None:
            super().__init__()
            self.answer = answer

    class Listed(Message, bubble=False):
        """The files beside the log are known."""

        def __init__(self, path: Path, files: list[Path]) -> None:
            super().__init__()
            self.path, self.files = path, files

    class Moved(Message):
        """What the view says of itself has changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.path: Path | None = None
        self.reading: Path | None = None
        """The file that is seen: ``path``, or one beside it."""
        self.following = True
        self.times: Times = "clock"
        self._goal: int | None = None
        """Where the line begins that is to be gone to once the file is read."""
        self._owed = 0
        """Rows still to be gone once there are lines."""
        self._said = ""
        self._reader = LogReader(lambda answer: self.post_message(self.Told(answer)))

    # ---- the file

    def show(self, path: Path | None, silence: str = "") -> None:
        """Show another file; ``silence`` is what is true of one without a word in it."""
        if silence != self.silence:
            self.silence = silence
            self.refresh()
        if path == self.path:
            return
        self.path = path
        self._read(path)

    def _read(self, path: Path | None) -> None:
        self.reading = path
        self._forget()
        self._reader.show(path)
        if path is not None:
            self._ask_for_end()
        self._changed()

    @property
    def held_at(self) -> int | None:
        """Where the line at the top begins; ``None`` while the end is followed."""
        return None if self.following or not self._rows else self._place_of_top()[0]

    def hold_at(self, place: int | None) -> None:
        """Stay where one was held before, as soon as the file is read."""
        self._goal = place

    def hide(self, hidden: bool) -> None:
        """Read nothing while nobody looks."""
        self._reader.hide(hidden)

    def on_unmount(self) -> None:
        """Stop reading."""
        self._reader.close()

    def _forget(self) -> None:
        self.page, self.size_bytes, self.error = Page(), 0, ""
        self.following, self.found, self.progress, self._asked = True, None, None, None
        self._owed = self._left = 0
        self._lay_out()

    @property
    def lines(self) -> list[str]:
        """What was read around the place that is seen, oldest first."""
        return [line.text for line in self.page.lines]

    @property
    def top_line(self) -> str:
        """The line at the top."""
        return self._texts[self._rows[self._top][0]] if self._rows else ""

    def _ask(self, wish: Wish) -> None:
        self._asked = wish
        self._reader.ask(wish)

    def _ask_for_end(self) -> None:
        self._ask(Wish("end", self._n_lines))

    def on_log_view_told(self, message: Told) -> None:
        """Take lines, or the news that there are others."""
        answer = message.answer
        if answer.path != self.reading:
            return
        self.size_bytes, before = answer.size, self.size_bytes
        if answer.wish is None:
            self._file_changed(answer, before)
        elif answer.wish == self._asked:
            self._take(answer, answer.wish)
        self._changed()

    def _file_changed(self, answer: Answer, size_before: int) -> None:
        self.error = answer.error
        if answer.is_new:
            began_anew = size_before > 0 and not answer.error
            self._forget()
            self.error, self.size_bytes = answer.error, answer.size
            if began_anew:
                self.app.notify("the log began anew")
        if self._asked is not None and self._asked.kind != "end":
            return
        if self.following:
            self._ask_for_end()
        elif self.page.is_last and self._rows:
            # What is appended follows on lines that are here.
            self._ask_around()

    def _take(self, answer: Answer, wish: Wish) -> None:
        self.progress = answer.progress
        if answer.progress is not None:
            return
        self._asked = None
        if answer.page is None:
            self.app.notify(f"{self._sought}: not found in the whole log")
            if self.following:
                self._ask_for_end()
            return
        place = self._place_of_top()
        if self._goal is not None and wish.kind == "place":
            place, self._goal = (self._goal, 0), None
        self.page = answer.page
        self._lay_out()
        if wish.kind == "end":
            self._top = self._last_top
            if self._goal is not None:
                self.following = False
                self._ask(Wish("place", self._n_lines, self._goal))
        elif wish.kind == "place":
            self._top = self._row_at(*place) + self._owed
        else:
            self.following = False
            self.found = answer.place if wish.kind in ("find", "line") else None
            self._top = self._row_at(answer.place or 0, 0) - self.size.height // 3
            if answer.past_end:
                self.app.notify("found beyond the end of the log, at its other end")
        self._owed = 0
        self._settle()

    # ---- layout

    def _lay_out(self) -> None:
        """Cut the lines into rows: one each, or several when they are wrapped."""
        self._texts = with_times(self.lines, self.times)
        if self.wrapping:
            width = max(self.size.width - 2, 8)
            self._rows = [
                (number, start)
                for number, text in enumerate(self._texts)
                for start in range(0, max(len(text), 1), width)
            ]
        else:
            self._rows = [(number, 0) for number in range(len(self._texts))]
        self._top = min(self._top, self._last_top)

    @property
    def _last_top(self) -> int:
        return max(len(self._rows) - self.size.height, 0)

    def _place_of_top(self) -> tuple[int, int]:
        """Return where the line at the top begins, and the character its row begins with."""
        if not self._rows:
            return 0, 0
        number, start = self._rows[min(self._top, len(self._rows) - 1)]
        return self.page.lines[number].start, start

    def _row_at(self, place: int, character: int) -> int:
        """Return the row of a line, or of the nearest after it."""
        lines = self.page.lines
        for row, (number, start) in enumerate(self._rows):
            if (lines[number].start, start) >= (place, character):
                return row
        return self._last_top

    def _settle(self) -> None:
        """Stay among the lines there are, and ask for those that may be wanted next."""
        height = self.size.height
        wanted = self._top
        self._top = min(max(wanted, 0), self._last_top)
        if self._top != wanted and not (self.page.is_first if wanted < 0 else self.page.is_last):
            self._owed = wanted - self._top
        short_above = self._top < height and not self.page.is_first
        short_below = self._top + 2 * height > len(self._rows) and not self.page.is_last
        if (short_above or short_below) and self._asked is None:
            self._ask_around()
        self.refresh()

    def _ask_around(self) -> None:
        self._ask(Wish("place", self._n_lines, self._place_of_top()[0]))

    def on_resize(self, event: events.Resize) -> None:
        """Wrap anew."""
        place = self._place_of_top()
        self._lay_out()
        self._top = self._last_top if self.following else self._row_at(*place)
        self._settle()

    # ---- what is said of it

    def _changed(self) -> None:
        if self.state != self._said:
            self._said = self.state
            self.post_message(self.Moved())

    @property
    def state(self) -> str:
        """A few words for the frame's title."""
        words = ["following" if self.following else f"paused at {round(100 * self.part)}%"]
        if self.reading is not None and self.reading != self.path:
            words.insert(0, self.reading.name)
        if self.wrapping:
            words.append("wrapped")
        if _TIMES_WORDS[self.times]:
            words.append(_TIMES_WORDS[self.times])
        if self.pattern is not None:
            words.append(f"/{self.pattern.pattern}")
        if self.progress is not None:
            # First of all: what comes last is cut where there is little room.
            words.insert(0, f"searching {round(100 * self.progress)}%")
        return " · ".join(words)

    # ---- going

    def _set_following(self, following: bool) -> None:
        self.following = following
        if following:
            self._top = self._last_top
            if not self.page.is_last or self._asked is not None:
                self._ask_for_end()
            self.refresh()

    def _go(self, step: int) -> None:
        self._stop_searching()
        at_end = self.page.is_last and self._top + step > self._last_top
        if at_end and self._asked is None:
            self._set_following(True)
        else:
            self._set_following(False)
            self._top += step + self._owed
            self._owed = 0
            self._settle()
        self._changed()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go up."""
        event.stop()
        self._go(-_WHEEL_ROWS)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go down."""
        event.stop()
        self._go(_WHEEL_ROWS)

    def action_follow(self) -> None:
        """Stay at the end, or stop doing so."""
        self._stop_searching()
        self._set_following(not self.following)
        self._changed()

    def action_wrap(self) -> None:
        """Wrap long lines, or scroll sideways."""
        self.wrapping = not self.wrapping
        self._left = 0
        self._lay_out_here()

    def action_times(self) -> None:
        """Tell the times of the lines in the next way."""
        self.times = TIMES[(TIMES.index(self.times) + 1) % len(TIMES)]
        self._lay_out_here()

    def _lay_out_here(self) -> None:
        place, _ = self._place_of_top()
        self._lay_out()
        self._top = self._last_top if self.following else self._row_at(place, 0)
        self._settle()
        self._changed()

    def action_scroll(self, step: int) -> None:
        """Go up or down by lines."""
        self._go(step)

    def action_page(self, step: int) -> None:
        """Go up or down by pages."""
        self._go(step * max(self.size.height - 1, 1))

    def action_first(self) -> None:
        """Go to the beginning."""
        self.following = False
        self._top = self._owed = 0
        if not self.page.is_first:
            self._ask(Wish("part", self._n_lines, value=0.0))
        self.refresh()
        self._changed()

    def action_last(self) -> None:
        """Go to the end and follow."""
        self._stop_searching()
        self._set_following(True)
        self._changed()

    def action_sideways(self, step: int) -> None:
        """Scroll to the side."""
        if not self.wrapping:
            longest = max((len(text) for text in self._texts), default=0)
            self._left = min(max(self._left + step, 0), max(longest - 8, 0))
            self.refresh()

    def action_beside(self) -> None:
        """Show the next of the files that lie beside the log, such as those of a scheduler."""
        if self.path is not None and self.reading is not None:
            self._list_beside(self.path)

    @work(thread=True, exclusive=True, exit_on_error=False)
    def _list_beside(self, path: Path) -> None:
        self.post_message(self.Listed(path, files_beside(path)))

    def on_log_view_listed(self, message: Listed) -> None:
        """Show the next of the files."""
        if message.path != self.path:
            return
        files = message.files
        at = files.index(self.reading) if self.reading in files else 0
        if len(files) < 2:
            self.app.notify("no other output lies beside this log")
        else:
            self._read(files[(at + 1) % len(files)])
