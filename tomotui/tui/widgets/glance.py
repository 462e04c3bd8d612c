"""What the header tells of GPUs and of other people, in as many cells as there are."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from tomotui.tui.sparks import spark
from tomotui.tui.theme import Look
from tomotui.tui.wording import shortened

SOME_CELLS, MANY_CELLS = 110, 160
"""Widths of the screen from which percentages are told, and from which all is."""


ELSEWHERE = "you elsewhere"
"""The name of the user who looks, on another screen."""


@dataclass(frozen=True)
class Glance:
    """The GPUs of this machine, and who else looks at the project.

    Attributes
    ----------
    percents
        Of each GPU; ``None`` where it does not tell.
    used_gib, total_gib
        Memory of all together.
    owners
        Whose work is on them.
    age
        How old this is, when it is old.
    others
        Who else looks; names separated by commas.
    """

    percents: tuple[float | None, ...] = ()
    used_gib: float = 0.0
    total_gib: float = 0.0
    owners: str = ""
    age: str = ""
    others: str = ""


NO_GLANCE = Glance()


def glance_text(glance: Glance, width: int, look: Look, ascii_only: bool) -> Text:
    """Return the words for a screen of a width; each part ends with two spaces."""
    line = Text(no_wrap=True)
    if glance.percents:
        _append_gpus(line, glance, width, look, ascii_only)
    if glance.others:
        line.append(f"{_others(glance.others, width)}  ", look.accent)
    return line


def _others(names: str, width: int) -> str:
    """Return who else looks; without a name it is the user, on another screen."""
    if names == ELSEWHERE:
        return "open elsewhere"
    if width >= MANY_CELLS:
        return f"{names} {'are' if ',' in names else 'is'} looking too"
    return shortened(f"with {names}", 30 if width >= SOME_CELLS else 14)


def _append_gpus(line: Text, glance: Glance, width: int, look: Look, ascii_only: bool) -> None:
    is_old = bool(glance.age)
    line.append("gpu ", look.dim)
    bars = spark(glance.percents, 100.0, ascii_only)
    # One that does not tell is there all the same.
    line.append(bars.replace(" ", "?"), look.dim if is_old else look.colour("running"))
    known = [percent for percent in glance.percents if percent is not None]
    words = ""
    if known and width >= SOME_CELLS:
        words += f" {sum(known) / len(known):.0f}%"
    if width >= MANY_CELLS:
        if glance.total_gib:
            words += f" {glance.used_gib:.0f} of {glance.total_gib:.0f} GiB"
        words += f" {shortened(glance.owners or 'free', 24)}"
    line.append(words, look.dim if is_old else look.foreground)
    if is_old:
        line.append(f" {glance.age} ago" if width >= SOME_CELLS else " old", look.warning)
    line.append("  ")
