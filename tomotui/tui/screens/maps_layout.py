"""Which panels the screen of maps shows together, and how much room each has."""

from __future__ import annotations

from typing import NamedTuple

COLUMN_CELLS, ROW_CELLS = 42, 10
"""Least size of a panel; where there is less room for all, there are pages."""
MOST_COLUMNS, MOST_ROWS = 3, 3

PANELS = ("surface", "slices", "fsc", "iterations", "views", "tilts", "motion", "particles")
"""The panels in their order; the first is the tallest where there is room."""


class Page(NamedTuple):
    """Panels that are shown together.

    Attributes
    ----------
    first, end
        Numbers of the panels, the last one excluded.
    columns, rows
        Of the grid they lie in.
    tall
        Whether the first of them is two rows high.
    """

    first: int
    end: int
    columns: int
    rows: int
    tall: bool

    def __contains__(self, panel: object) -> bool:
        return isinstance(panel, int) and self.first <= panel < self.end


def pages_of(width: int, height: int, n_panels: int = len(PANELS)) -> list[Page]:
    """Return the pages on which panels are shown in a space of so many cells."""
    columns = min(max(width // COLUMN_CELLS, 1), MOST_COLUMNS)
    rows = min(max(height // ROW_CELLS, 1), MOST_ROWS)
    pages: list[Page] = []
    first = 0
    while first < n_panels:
        tall = first == 0 and rows > 1 and columns > 1
        end = min(first + columns * rows - int(tall), n_panels)
        pages.append(_fitted(first, end, columns, rows, tall))
        first = end
    return pages


def _fitted(first: int, end: int, columns: int, rows: int, tall: bool) -> Page:
    """Return a page; the last may need fewer columns and rows."""
    places = end - first + int(tall)
    columns = min(columns, places)
    return Page(first, end, columns, min(rows, -(-places // columns)), tall)
