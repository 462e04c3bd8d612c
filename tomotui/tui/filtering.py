"""Filters of lists: text, regular expression, fuzzy, and their opposite."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

_SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}]")


@dataclass(frozen=True)
class RowFilter:
    """A wish such as ``ts_0``, ``^ts_[0-3]``, ``!failed`` or ``-f tmgrm``.

    Capital letters make it sensitive to case. What is no valid regular expression is taken
    literally, so that typing one never empties the list half-way.
    """

    text: str = ""

    @property
    def is_empty(self) -> bool:
        """True when everything matches."""
        return not self.text.strip().removeprefix("!").strip()

    def matches(self, row: str) -> bool:
        """Return whether a row's text matches."""
        return self.is_empty or self._test(row)

    @cached_property
    def _test(self) -> Callable[[str], bool]:
        wish = self.text.strip()
        inverse = wish.startswith("!")
        wish = wish.removeprefix("!").strip()
        if wish.startswith("-f "):
            found = self._compiled(".*?".join(re.escape(c) for c in wish[3:].strip()), wish)
        elif _SPECIAL.search(wish):
            found = self._compiled(wish, wish)
        else:
            found = self._compiled(re.escape(wish), wish)
        if inverse:
            return lambda row: found.search(row) is None
        return lambda row: found.search(row) is not None

    @staticmethod
    def _compiled(pattern: str, wish: str) -> re.Pattern[str]:
        flags = re.NOFLAG if any(c.isupper() for c in wish) else re.IGNORECASE
        try:
            return re.compile(pattern, flags)
        except re.error:
            return re.compile(re.escape(wish), flags)
