"""The times at the beginnings of the lines of a log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

Times = Literal["clock", "passed", "none"]
TIMES: tuple[Times, ...] = ("clock", "passed", "none")
"""As they stand in the file, since the line before, left out."""

_TIME = re.compile(r"(?:\d{4}-\d\d-\d\d[T ])?(\d\d):(\d\d):(\d\d)([.,]\d+)?\s")
_DAY_SECONDS = 86_400


def with_times(lines: Sequence[str], times: Times) -> list[str]:
    """Return lines with their times told in another way; those that have none stay."""
    if times == "clock":
        return list(lines)
    told, before = [], None
    for line in lines:
        match = _TIME.match(line)
        if match is None:
            told.append(line)
            continue
        rest = line[match.end() :]
        now = _seconds(match)
        # A clock that goes back has passed midnight.
        passed = 0.0 if before is None else (now - before) % _DAY_SECONDS
        before = now
        told.append(rest if times == "none" else f"{passed_words(passed)} {rest}")
    return told


def passed_words(seconds: float) -> str:
    """Return a time that has passed, always of the same width."""
    if seconds < 1000:
        return f"+{seconds:>6.1f}s"
    return f"+{seconds / 60:>6.1f}m"


def _seconds(match: re.Match[str]) -> float:
    hours, minutes, seconds, fraction = match.groups()
    parts = float("0" + (fraction or ".0").replace(",", "."))
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + parts
