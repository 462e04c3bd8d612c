"""Scripts of curation: lines of words or of JSON, read into commands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomotui.cli.errors import WorkFailed, WrongWords

GRAMMAR = {
    "accept": "[PARTICLE]",
    "reject": "[PARTICLE]",
    "unsure": "[PARTICLE]",
    "reset": "[PARTICLE]",
    "class": "NUMBER [PARTICLE]",
    "move": "X Y Z [PARTICLE]",
    "insert": "TOMOGRAM X Y Z",
    "mark": "N [SEED [ERROR]]",
    "next": "[N]",
    "queue": "ORDER [SEED]",
    "threshold": "SCORE [apply]",
    "audit": "N [SEED [STRATA]]",
    "undo": "[N]",
    "redo": "[N]",
}
"""What each command takes. PARTICLE: a uid, #ROW, or nearest [TOMOGRAM] X Y Z."""


@dataclass(frozen=True)
class Command:
    """One line of a script.

    Attributes
    ----------
    where
        File and line, for errors.
    """

    name: str
    words: tuple[str, ...]
    where: str = ""

    def number(self, place: int, default: float | None = None) -> float:
        """Return a word as a number.

        Raises
        ------
        WrongWords
            When it is none, or is missing and has no default.
        """
        if place >= len(self.words):
            if default is None:
                raise self.wrong("too few words")
            return default
        try:
            return float(self.words[place])
        except ValueError:
            raise self.wrong(f"{self.words[place]} is not a number") from None

    def count(self, place: int, default: int | None = None) -> int:
        """Return a word as a whole number that is not negative.

        Raises
        ------
        WrongWords
            When it is none.
        """
        number = self.number(place, default)
        if number != int(number) or number < 0:
            raise self.wrong(f"{self.words[place]} is not a whole number")
        return int(number)

    def position(self, place: int) -> tuple[float, float, float]:
        """Return three words as (x, y, z) in Angstrom."""
        return self.number(place), self.number(place + 1), self.number(place + 2)

    def wrong(self, what: str) -> WrongWords:
        """Return the error that says what is wrong with this line and how it should be."""
        return WrongWords(f"{self.where}: {what}; it is: {self.name} {GRAMMAR[self.name]}")


def read_script(path: Path) -> list[Command]:
    """Read a script; empty lines and what follows a ``#`` and a space are left out.

    Raises
    ------
    WorkFailed
        When the file cannot be read.
    WrongWords
        When a line is not understood.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkFailed(f"{path} cannot be read: {error}; check the path") from error
    return list(parse(text.splitlines(), str(path)))


def parse(lines: Iterable[str], source: str = "script") -> Iterator[Command]:
    """Read lines as commands.

    Raises
    ------
    WrongWords
        When a line is not understood.
    """
    for number, line in enumerate(lines, start=1):
        where = f"{source}, line {number}"
        line = line.strip()
        if line[:1] in ("{", "["):
            words = _json_words(line, where)
        else:
            try:
                words = shlex.split(line.partition("# ")[0])
            except ValueError as error:
                raise WrongWords(f"{where}: {error}") from None
        if not words or words == ["#"]:
            continue
        name = words[0].lower()
        if name not in GRAMMAR:
            raise WrongWords(f"{where}: there is no command {name}; there are {', '.join(GRAMMAR)}")
        yield Command(name, tuple(words[1:]), where)


_FIELDS = {
    "class": ("number", "particle"),
    "move": ("x", "y", "z", "particle"),
    "insert": ("tomogram", "x", "y", "z"),
    "mark": ("n", "seed", "error"),
    "next": ("n",),
    "queue": ("order", "seed"),
    "threshold": ("score", "apply"),
    "audit": ("n", "seed", "strata"),
    "undo": ("n",),
    "redo": ("n",),
}
"""Names of the words in JSON objects, in the order of the plain line."""


def _json_words(line: str, where: str) -> list[str]:
    """Return the words of a JSON line: a list of them, or an object with names."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WrongWords(f"{where}: this is no JSON: {error}") from None
    if isinstance(value, list):
        return [str(word) for word in value]
    name = str(value.pop("do", ""))
    names = _FIELDS.get(name, ("particle",))
    unknown = sorted(set(value) - set(names))
    if unknown:
        raise WrongWords(f"{where}: {name} has no {unknown[0]}; it has {', '.join(names)}")
    return [name, *(word for key in names if key in value for word in _words(key, value[key]))]


def _words(key: str, value: Any) -> list[str]:
    if key == "apply":
        return ["apply"] if value else []
    if key == "particle":
        return str(value).split()
    return [str(value)]
