"""IMOD's lists of views: ``1,4-7,10``, counted from 1."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from tomotui.formats.errors import FormatError


def view_list(path: Path, text: str, n_images: int) -> set[int]:
    """Return the views that a list names, counted from 1.

    Raises
    ------
    FormatError
        It is no list, or names a view that the stack has not.
    """
    views: set[int] = set()
    for part in text.replace(",", " ").split():
        if part == "/":
            continue
        first, dash, last = part.partition("-")
        try:
            low, high = int(first), int(last if dash else first)
        except ValueError:
            low, high = 0, 0
        if not 1 <= low <= high <= n_images:
            raise FormatError(
                f"{path}: {part!r} in a list of views is none of the {n_images} images",
                "give numbers and ranges such as 1,4-7",
            )
        views |= set(range(low, high + 1))
    return views


def view_words(views: Iterable[int]) -> str:
    """Return a list of views, counted from 1, in IMOD's words."""
    parts = []
    for _, run in groupby(enumerate(sorted(views)), lambda pair: pair[1] - pair[0]):
        members = [view for _, view in run]
        parts.append(str(members[0]) if len(members) == 1 else f"{members[0]}-{members[-1]}")
    return ",".join(parts)
