"""How wide the columns of a table are."""

from __future__ import annotations

from collections.abc import Sequence

from tomotui.tui.widgets.cells import Column, Row, length

GAP = 2
"""Cells between two columns."""


def natural_widths(columns: Sequence[Column], rows: Sequence[Row]) -> list[int]:
    """Return for each column the width that its content asks for, within its limits."""
    widths = []
    for at, column in enumerate(columns):
        widest = max((length(row.cells[at]) for row in rows), default=0)
        wanted = max(widest, len(column.title), column.min_width)
        widths.append(min(wanted, max(column.max_width, len(column.title))))
    return widths


def layout(columns: Sequence[Column], natural: Sequence[int], available: int) -> list[int]:
    """Return the width of each column; 0 for those that are left out.

    Columns that grow shrink to their least width first; then columns are left out by rank, the
    highest first; then those shrink of which the end says enough. What remains goes to the columns
    that grow.
    """
    shown = [True] * len(columns)
    natural = list(natural)

    def needed() -> int:
        least = [
            column.min_width if column.grows else natural[at]
            for at, column in enumerate(columns)
            if shown[at]
        ]
        return sum(least) + GAP * max(len(least) - 1, 0)

    for rank in sorted({column.rank for column in columns if column.rank}, reverse=True):
        if needed() <= available:
            break
        for at, column in enumerate(columns):
            if column.rank == rank:
                shown[at] = False
    for at, column in enumerate(columns):
        if column.ends_last and shown[at] and (surplus := needed() - available) > 0:
            natural[at] = max(natural[at] - surplus, min(column.min_width, natural[at]))
    widths = [
        (column.min_width if column.grows else natural[at]) if shown[at] else 0
        for at, column in enumerate(columns)
    ]
    spare = available - needed()
    growing = [at for at, column in enumerate(columns) if column.grows and shown[at]]
    for nth, at in enumerate(growing):
        share = max(spare, 0) // (len(growing) - nth)
        widths[at] += share
        spare -= share
    return widths
