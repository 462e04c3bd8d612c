"""Numbers, times and lists in the few words that a table has room for."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tomotui.records import Tomogram

_AGES = ((10, "now"), (30, "10 s"), (60, "30 s"), (120, "1 min"), (300, "2 min"), (900, "5 min"))


def duration(seconds: float | None) -> str:
    """Return a time span in at most six cells, such as ``45 s``, ``14 m`` or ``1h 02``."""
    if seconds is None or seconds < 0:
        return ""
    if seconds < 60:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} m"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h {minutes:02d}"
    return f"{round(hours / 24)} d"


def remaining(seconds: float | None) -> str:
    """Return the time still needed, coarse enough not to flicker."""
    if seconds is None or seconds < 0:
        return ""
    step = next((s for limit, s in ((20, 5), (60, 10), (600, 60)) if seconds < limit), 300)
    return duration(max(step, round(seconds / step) * step))


def age(seconds: float) -> str:
    """Return how old something is, in coarse steps: a screen must not change every second."""
    for limit, words in _AGES:
        if seconds < limit:
            return words
    if seconds < 3600:
        return f"{int(seconds // 900) * 15} min"
    if seconds < 48 * 3600:
        return f"{int(seconds // 3600)} h"
    return f"{int(seconds // 86400)} d"


def percent(fraction: float) -> str:
    """Return a fraction as a percentage; 100 % only when it is."""
    return f"{100 if fraction >= 1 else min(99, int(fraction * 100)):d}%"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 job`` or ``3 jobs``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], limit: int = 2) -> str:
    """Return the first names and how many more there are."""
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[: limit - 1] or names[:1])} +{len(names) - max(limit - 1, 1)}"


def shortened(text: str, width: int) -> str:
    """Cut text to a width, with an ellipsis where something was left out."""
    if len(text) <= width:
        return text
    return text[: max(width - 1, 0)] + "…" if width > 0 else ""


def fitting(parts: Sequence[str], width: int) -> str:
    """Join the parts that fit whole, the most important first; the first one always."""
    line = parts[0]
    for part in parts[1:]:
        if part and len(line) + 2 + len(part) <= width:
            line += f"  {part}"
    return line


def short_path(path: Path | str) -> str:
    """Return a path with the home folder as ``~``."""
    text, home = str(path), os.path.expanduser("~")
    return f"~{text[len(home) :]}" if home != "/" and text.startswith(home + "/") else text


def one_line(text: str) -> str:
    """Return text with every run of white space as one space."""
    return re.sub(r"\s+", " ", text).strip()


def plain_value(value: Any) -> str:
    """Return a parameter's value as a form and the command line write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, list | tuple):
        if any(isinstance(item, list | tuple) for item in value):
            return json.dumps(value, separators=(",", ":"))
        items = [plain_value(item) for item in value]
        # Items that hold commas themselves, such as points, are parted by semicolons.
        return "".join(f"{item};" for item in items) if "," in "".join(items) else ",".join(items)
    if isinstance(value, Mapping):
        return ",".join(f"{key}={plain_value(item)}" for key, item in value.items())
    return str(getattr(value, "value", value))


def made_how(tomogram: Tomogram) -> str:
    """Return the method of a tomogram; a restored one says that it is."""
    is_said = not tomogram.restored or "restored" in tomogram.method
    return tomogram.method if is_said else f"{tomogram.method}, restored"
