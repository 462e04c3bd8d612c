"""The one place where sqlite-utils is imported."""

from __future__ import annotations

import sys

_NOT_NEEDED = ("pandas", "numpy")


def _hide() -> list[str]:
    """Keep sqlite-utils from importing packages whose types no row here ever holds.

    It looks for them only to know their types, and they cost more than half a second of CPU
    time at every start of a face or an agent. Whoever needs them imports them later.
    """
    hidden = [name for name in _NOT_NEEDED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    return hidden


_hidden = _hide()
try:
    from sqlite_utils import Database as SqliteDatabase
    from sqlite_utils import Migrations
finally:
    for _name in _hidden:
        del sys.modules[_name]

__all__ = ["Migrations", "SqliteDatabase"]
