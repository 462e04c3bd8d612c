"""What the welcome screen says about the tilt series that were found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.style import Style
from rich.table import Table as Grid
from rich.text import Text

from tomotui.tui.scouting import MOST_PLACES, Understood, facts_line, missing_words
from tomotui.tui.status import Mood
from tomotui.tui.theme import Look
from tomotui.tui.wording import counted, one_line, short_path

if TYPE_CHECKING:
    from tomotui.formats.found_series import Scouted

MOST_WORDS = 3
"""Things said to be missing of one folder; the table of the import tells all."""
_WORDS: dict[Mood, str] = {"failed": "no", "warning": "check", "done": "ok"}


def found_words(
    understood: Sequence[Understood],
    found: Scouted,
    here: Path,
    look: Look,
    ascii_only: bool,
    going_on: str = "",
) -> Grid:
    """Return what was found, folder by folder, and what is missing.

    Parameters
    ----------
    going_on
        What is being looked at; empty when all has been.
    """
    grid = Grid.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column()
    if not understood and not going_on:
        folders = counted(found.n_folders, "folder")
        words = f"no tilt series below {short_path(here)} ({folders} looked into)"
        grid.add_row("", Text(words, look.dim))
    for one in understood:
        mood = mood_of(one)
        sign = Text(f"{look.glyph(mood, ascii_only)} {_WORDS[mood]}", look.colour(mood))
        grid.add_row(sign, _place(one, here, mood, look))
    if going_on:
        grid.add_row("", Text(going_on, look.dim))
        return grid
    for words, role in _remarks(found):
        grid.add_row("", Text(words, look.colour(role)))
    return grid


def mood_of(one: Understood) -> Mood:
    """Return whether a folder can be imported, with care, or not."""
    if not one.usable:
        return "failed"
    return "warning" if missing_words(one) else "done"


def _place(one: Understood, here: Path, mood: Mood, look: Look) -> Text:
    words = Text()
    words.append(f"{_relative(one.place.folder, here)}  ", Style(color=look.primary, bold=True))
    kind = "of movies" if one.place.kind == "movies" else "stacks"
    n = len(one.plans) or len(one.place.files)
    facts = [f"{counted(n, 'series', 'series')} {kind}", facts_line(one.usable or one.plans)]
    if one.place.gain is not None:
        facts.append(f"gain {one.place.gain.name}")
    words.append(
        "  ".join(fact for fact in facts if fact), Style(color=look.foreground, bold=False)
    )
    missing = missing_words(one)
    for text in missing[:MOST_WORDS]:
        words.append(f"\n{one_line(text)}", look.colour(mood))
    if len(missing) > MOST_WORDS:
        words.append(f"\nand {len(missing) - MOST_WORDS} more: look at them", look.dim)
    return words


def _remarks(found: Scouted) -> Iterator[tuple[str, str]]:
    for trace in found.traces:
        yield f"{trace.program}: {counted(trace.n_files, 'file')}; {trace.words}", "dim"
    more = len(found.places) - MOST_PLACES
    if more > 0:
        yield f"{counted(more, 'more folder')}: type the path of one below", "dim"
    if found.cut_short:
        yield f"{found.cut_short}: type a path to begin nearer to the data", "warning"


def _relative(folder: Path, here: Path) -> str:
    return "here" if folder == here else f"{folder.relative_to(here)}/"
