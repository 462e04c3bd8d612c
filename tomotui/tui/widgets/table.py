"""A table of thousands of rows that draws only what is seen and repaints only what changed."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tomotui.tui.actions import bindings
from tomotui.tui.filtering import RowFilter
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.cells import Column, Row, Span, ending, fitted, plain, strip_of
from tomotui.tui.widgets.columns import GAP, layout, natural_widths
from tomotui.tui.widgets.selection import Selection

GUTTER = 2
"""Cells at the left for the cursor and for marks."""


class Table(ScrollView, can_focus=True):
    """Rows with a cursor, marks, a range and a filter.

    Parameters
    ----------
    columns
        What the table shows.
    empty
        What it says when there are no rows.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = bindings("list")
    DEFAULT_CSS = """
    Table { height: 1fr; background: $background; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    class CursorMoved(Message):
        """Another row is under the cursor (``None``: there are no rows)."""

        def __init__(self, table: Table, key: str | None) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> Table:
            """The table."""
            return self.table

    class Activated(Message):
        """A row was opened, by key or double click."""

        def __init__(self, table: Table, key: str) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> Table:
            """The table."""
            return self.table

    class HeaderClicked(Message):
        """The title of a column was clicked."""

        def __init__(self, table: Table, column: str) -> None:
            super().__init__()
            self.table, self.column = table, column

        @property
        def control(self) -> Table:
            """The table."""
            return self.table

    class SelectionChanged(Message):
        """Marks, range, filter or the number of rows have changed."""

        def __init__(self, table: Table) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> Table:
            """The table."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str = "",
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.selection = Selection()
        self.filter = self._sought = RowFilter()
        self.empty = empty
        self._columns = tuple(columns)
        self._all: Sequence[Row] = ()
        self._shown: list[Row] = []
        self._natural: list[int] = natural_widths(self._columns, ())
        self._widths: list[int] = []
        self._announced: str | None = None

    # ---- rows

    @property
    def look(self) -> Look:
        """The theme."""
        return getattr(self.app, "look", FALLBACK)

    @property
    def rows(self) -> Sequence[Row]:
        """The rows that the filter leaves."""
        return self._shown

    @property
    def total(self) -> int:
        """How many rows there are, with those that the filter hides."""
        return len(self._all)

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Show other columns; rows must follow."""
        if tuple(columns) != self._columns:
            self._columns = tuple(columns)
            self._all, self._shown = (), []
            self._widths = []

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show rows, and repaint only the lines that look different."""
        before, widths, count = self._shown, self._widths, self.total
        self._all = rows
        self._natural = natural_widths(self._columns, rows)
        self._apply_filter()
        if self._widths != widths or len(before) != len(self._shown) or not before:
            self.refresh()
        else:
            for at, (old, new) in enumerate(zip(before, self._shown, strict=True)):
                if old != new:
                    self.refresh_line(at + 1)
        if count != self.total:
            self.post_message(self.SelectionChanged(self))
        self._announce()

    def set_filter(self, wish: str) -> None:
        """Show only the rows that match."""
        self.filter = RowFilter(wish)
        if not self.filter.is_empty:
            self._sought = self.filter
        self._apply_filter()
        self.refresh()
        self.post_message(self.SelectionChanged(self))
        self._announce()

    def go_to_match(self, step: int) -> bool:
        """Go to the next (1) or previous (-1) row that the last filter matches, round the ends.

        Works while rows are filtered, and after the filter was taken away. False when there was
        no filter yet, or nothing matches.
        """
        if self._sought.is_empty:
            return False
        n_rows, cursor = len(self._shown), self.selection.cursor
        for distance in range(1, n_rows + 1):
            place = (cursor + step * distance) % n_rows
            if self._sought.matches(_text_of(self._shown[place])):
                self._go(place)
                return True
        return False

    def _apply_filter(self) -> None:
        matches = self.filter.matches
        self._shown = [row for row in self._all if matches(_text_of(row))]
        place = self.selection.cursor
        self.selection.show([row.key for row in self._shown], {row.key for row in self._all})
        self._fit()
        self.virtual_size = Size(self.size.width, len(self._shown) + 1)
        if place != self.selection.cursor:
            self._keep_in_sight()

    def _fit(self) -> None:
        width = max(self.scrollable_content_region.width - GUTTER, 1)
        self._widths = layout(self._columns, self._natural, width)

    def _announce(self) -> None:
        key = self.selection.cursor_key
        if key != self._announced:
            self._announced = key
            self.post_message(self.CursorMoved(self, key))

    # ---- cursor

    @property
    def cursor_key(self) -> str | None:
        """Key of the row under the cursor."""
        return self.selection.cursor_key

    def go_to_key(self, key: str) -> bool:
        """Put the cursor on a row; false when it is not shown."""
        place = self.selection.place(key)
        if place is None:
            return False
        self._go(place)
        return True

    def _go(self, place: int) -> None:
        before = self.selection.cursor
        in_range = self.selection.in_range
        if self.selection.move_to(place):
            now = self.selection.cursor
            low, high = sorted((before, now))
            if in_range:
                self.refresh_lines(low + 1, high - low + 1)
                self.post_message(self.SelectionChanged(self))
            else:
                self.refresh_line(before + 1)
                self.refresh_line(now + 1)
        self._keep_in_sight()
        self._announce()

    def _keep_in_sight(self) -> None:
        height = max(self.scrollable_content_region.height - 1, 1)
        top, cursor = round(self.scroll_y), self.selection.cursor
        if cursor < top:
            self.scroll_to(y=cursor, animate=False, immediate=True, force=True)
        elif cursor >= top + height:
            self.scroll_to(y=cursor - height + 1, animate=False, immediate=True, force=True)

    def action_move(self, step: int) -> None:
        """Move the cursor by rows."""
        self._go(self.selection.cursor + step)

    def action_page(self, step: int) -> None:
        """Move the cursor by pages."""
        self._go(self.selection.cursor + step * max(self.size.height - 2, 1))

    def action_first(self) -> None:
        """Go to the first row."""
        self._go(0)

    def action_last(self) -> None:
        """Go to the last row."""
        self._go(len(self._shown) - 1)

    def action_activate(self) -> None:
        """Open the row under the cursor."""
        if self.cursor_key is not None:
            self.post_message(self.Activated(self, self.cursor_key))

    # ---- marks

    def action_mark(self) -> None:
        """Mark the row, or end the range; then go on to the next."""
        if self.selection.in_range:
            self.selection.end_range()
        else:
            self.selection.toggle()
            self.selection.move_to(self.selection.cursor + 1)
        self._marks_changed()
        self._keep_in_sight()
        self._announce()

    def action_range(self) -> None:
        """Begin a range, or mark the one begun."""
        if self.selection.in_range:
            self.selection.end_range()
        else:
            self.selection.begin_range()
        self._marks_changed()

    def action_extend(self, step: int) -> None:
        """Extend the range by rows, beginning one when there is none."""
        if not self.selection.in_range:
            self.selection.begin_range()
        self.action_move(step)
        self._marks_changed()

    def action_mark_all(self) -> None:
        """Mark all rows shown, or none."""
        self.selection.toggle_all()
        self._marks_changed()

    def action_unmark(self) -> None:
        """Drop the range and all marks."""
        while self.clear_marks():
            pass

    def clear_marks(self) -> bool:
        """Drop the range, or else all marks; false when there was neither."""
        if self.selection.in_range:
            self.selection.drop_range()
        elif self.selection.marks:
            self.selection.marks.clear()
        else:
            return False
        self._marks_changed()
        return True

    def _marks_changed(self) -> None:
        self.refresh()
        self.post_message(self.SelectionChanged(self))

    # ---- events

    def on_resize(self) -> None:
        """Fit the columns to the new width."""
        self._fit()
        self.virtual_size = Size(self.size.width, len(self._shown) + 1)
        self._keep_in_sight()
        self.refresh()

    def watch_show_vertical_scrollbar(self) -> None:
        """Fit the columns to what the scroll bar leaves."""
        if self.is_mounted:
            self._fit()
            self.refresh()

    def on_focus(self) -> None:
        """Show where the cursor is."""
        self.refresh_line(self.selection.cursor + 1)

    def on_blur(self) -> None:
        """Show the cursor less strongly."""
        self.refresh_line(self.selection.cursor + 1)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is; a double click opens the row."""
        place = event.y - 1 + round(self.scroll_y)
        if event.y == 0 and (column := self._column_at(event.x)):
            self.post_message(self.HeaderClicked(self, column))
        if event.y >= 1 and place < len(self._shown):
            self._go(place)
            if event.chain == 2:
                self.action_activate()

    def _column_at(self, x: int) -> str:
        """Return the key of the column at a cell; empty where there is none."""
        left = GUTTER
        for column, cells in zip(self._columns, self._widths, strict=False):
            if cells and left <= x < left + cells:
                return column.key
            left += cells + GAP if cells else 0
        return ""

    # ---- drawing

    def render_line(self, y: int) -> Strip:
        """Draw one line: the header, a row, or nothing."""
        width = self.size.width
        if y == 0:
            return self._header(width)
        place = y - 1 + self.scroll_offset.y
        if place < len(self._shown):
            return self._row(place, width)
        words = "" if self._shown else self._empty_words(place - 1)
        return strip_of([Span(words, "dim")], width, self.look)

    def _empty_words(self, line: int) -> str:
        """Return a line of what is said where there is no row."""
        words = self.empty if not self._all else f"nothing matches {self.filter.text}"
        lines = wrap(words, max(self.size.width - 2 * GUTTER, 1))
        return " " * GUTTER + lines[line] if 0 <= line < len(lines) else ""

    def _header(self, width: int) -> Strip:
        spans = [Span(" " * GUTTER)]
        for column, cells in zip(self._columns, self._widths, strict=False):
            if cells:
                spans += fitted((Span(column.title, "heading"),), cells, column.align)
                spans.append(Span(" " * GAP))
        return strip_of(spans, width, self.look)

    def _row(self, place: int, width: int) -> Strip:
        row = self._shown[place]
        is_cursor = place == self.selection.cursor
        ascii_only = getattr(self.app, "ascii_only", False)
        marked = self.selection.is_marked(row.key)
        spans = [
            Span(("|" if ascii_only else "▌") if is_cursor else " ", "primary"),
            Span(("*" if ascii_only else "●") if marked else " ", "accent"),
        ]
        for column, content, cells in zip(self._columns, row.cells, self._widths, strict=False):
            if cells:
                if column.ends_last:
                    spans += ending(content, cells)
                else:
                    spans += fitted(content, cells, column.align)
                spans.append(Span(" " * GAP))
        ground = None
        if is_cursor:
            ground = self.look.cursor if self.has_focus else self.look.panel
        elif marked:
            ground = self.look.panel
        return strip_of(spans, width, self.look, ground)


def _text_of(row: Row) -> str:
    """Return what a filter looks at."""
    return row.search or " ".join(map(plain, row.cells))
