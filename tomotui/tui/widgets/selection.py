"""Which rows of a list are meant: the cursor, the marks, a range being drawn."""

from __future__ import annotations

from collections.abc import Sequence


class Selection:
    """Cursor, marks and range over rows that come, go and are filtered.

    Everything is kept by the rows' keys, so that new data or another filter moves nothing that
    the user has pointed at.
    """

    def __init__(self) -> None:
        self.keys: Sequence[str] = ()
        self.marks: set[str] = set()
        self._places: dict[str, int] = {}
        self._cursor = 0
        self._anchor: str | None = None

    @property
    def cursor(self) -> int:
        """Row of the cursor among those shown; 0 when there is none."""
        return self._cursor

    @property
    def cursor_key(self) -> str | None:
        """Key of the row under the cursor."""
        return self.keys[self._cursor] if self.keys else None

    @property
    def in_range(self) -> bool:
        """True while a range is being drawn."""
        return self._anchor is not None

    def show(self, keys: Sequence[str], existing: set[str]) -> None:
        """Take other rows; the cursor stays on its row, or on its place when that is gone."""
        before = self.cursor_key
        self.keys = keys
        self._places = {key: place for place, key in enumerate(keys)}
        last = max(len(keys) - 1, 0)
        self._cursor = self._places.get(before or "", min(self._cursor, last))
        self.marks &= existing
        if self._anchor not in self._places:
            self._anchor = None

    def place(self, key: str) -> int | None:
        """Return the row of a key among those shown."""
        return self._places.get(key)

    def move_to(self, place: int) -> bool:
        """Put the cursor on a row, or the nearest there is; tells whether it moved."""
        before = self._cursor
        self._cursor = min(max(place, 0), max(len(self.keys) - 1, 0))
        return self._cursor != before

    def begin_range(self) -> None:
        """Begin a range at the cursor."""
        self._anchor = self.cursor_key

    def end_range(self) -> None:
        """Mark the rows of the range and end it."""
        self.marks |= set(self._range_keys())
        self._anchor = None

    def drop_range(self) -> None:
        """End the range without marking anything."""
        self._anchor = None

    def toggle(self) -> None:
        """Mark the row of the cursor, or take its mark away."""
        if self.cursor_key is not None:
            self.marks ^= {self.cursor_key}

    def toggle_all(self) -> None:
        """Mark all rows shown; none when all of them are marked."""
        shown = set(self.keys)
        self.marks = self.marks - shown if shown <= self.marks else self.marks | shown

    def is_marked(self, key: str) -> bool:
        """Return whether a row is marked or in the range."""
        return key in self.marks or key in self._range_keys()

    def chosen(self) -> list[str]:
        """Return what an action works on: the marked rows, else the row of the cursor.

        Rows come in the order shown; marked rows that a filter hides come last.
        """
        wanted = self.marks | set(self._range_keys())
        if not wanted:
            return [self.cursor_key] if self.cursor_key is not None else []
        shown = [key for key in self.keys if key in wanted]
        return shown + sorted(wanted - set(shown))

    def _range_keys(self) -> Sequence[str]:
        if self._anchor is None:
            return ()
        anchor = self._places.get(self._anchor, self._cursor)
        low, high = sorted((anchor, self._cursor))
        return self.keys[low : high + 1]
