"""Conditions of recipes, such as ``align.residual_angstrom < 2 nm``: read, and weighed.

A condition compares what earlier steps have found with values, and combines comparisons with
``and``, ``or``, ``not`` and parentheses. It is read by the grammar below and nothing else: no
text from a file is ever run as a program. What a step has not found is unknown, and a condition
that depends on something unknown does not hold.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

Scalar = float | int | str | bool | None
Found = Mapping[str, Mapping[str, Scalar]]
"""By the name of a step what it has found, by name."""

LONGEST_TEXT = 1000
DEEPEST_NESTING = 20

_UNITS = {"nm": 10.0, "um": 1e4, "a": 1.0, "å": 1.0, "angstrom": 1.0, "deg": 1.0, "%": 0.01}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*"
    r"(?P<unit>%|(?:nm|um|angstrom|deg|[AaÅå])(?![\w.-]))?"
    r"|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<name>[A-Za-z_][\w-]*(?:\.\w+)*)"
    r"|(?P<sign><=|>=|==|!=|<|>|\(|\)))"
)


class ConditionError(ValueError):
    """A condition cannot be read; says what is wrong in it."""


class Verdict(NamedTuple):
    """Whether a condition holds, and the values that decided it in words."""

    holds: bool
    reason: str


@dataclass(frozen=True)
class Constant:
    """A value that was written down, and the unit that it was written in."""

    value: Scalar
    unit: str = ""

    def read(self, found: Found) -> Scalar:
        """Return the value."""
        return self.value


@dataclass(frozen=True)
class Name:
    """Something that a step finds."""

    step: str
    name: str

    def read(self, found: Found) -> Scalar:
        """Return what was found; ``None`` when it is unknown."""
        return found.get(self.step, {}).get(self.name)

    def words(self, found: Found) -> str:
        """Say what was found."""
        values = found.get(self.step, {})
        if self.name not in values:
            return f"{self.step}.{self.name} is not known"
        value = values[self.name]
        if value is None:
            return f"{self.step}.{self.name} was not measured"
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        return f"{self.step}.{self.name} is {shown}"


@dataclass(frozen=True)
class Comparison:
    """Two terms and a sign between them; without a sign the first alone, true or false."""

    left: Constant | Name
    sign: str
    right: Constant | Name

    def holds(self, found: Found) -> bool | None:
        """Return whether it is so; ``None`` when that is not known."""
        left, right = self.left.read(found), self.right.read(found)
        if left is None or right is None:
            return None
        if self.sign in ("==", "!="):
            return (left == right) == (self.sign == "==")
        if isinstance(left, str) or isinstance(right, str):
            return None
        return _COMPARE[self.sign](left, right)


@dataclass(frozen=True)
class Not:
    """The opposite."""

    part: Node

    def holds(self, found: Found) -> bool | None:
        """Return whether the part does not hold; ``None`` when that is not known."""
        value = self.part.holds(found)
        return None if value is None else not value


@dataclass(frozen=True)
class Several:
    """Parts of which all have to hold (``and``), or any (``or``)."""

    word: str
    parts: tuple[Node, ...]

    def holds(self, found: Found) -> bool | None:
        """Return whether they do; ``None`` when that depends on something unknown."""
        values = [part.holds(found) for part in self.parts]
        decisive = self.word == "or"
        if decisive in values:
            return decisive
        return None if None in values else not decisive


Node = Comparison | Not | Several


@dataclass(frozen=True)
class Condition:
    """A condition that was read.

    Attributes
    ----------
    names
        What it asks about: pairs of step and name, in the order of the text.
    """

    text: str
    root: Node
    names: tuple[Name, ...]

    def weigh(self, found: Found) -> Verdict:
        """Say whether the condition holds for what was found."""
        reason = ", ".join(name.words(found) for name in dict.fromkeys(self.names))
        return Verdict(self.root.holds(found) is True, reason)


def comparisons(condition: Condition) -> list[Comparison]:
    """Return all comparisons of a condition, in the order of the text."""
    found: list[Comparison] = []
    queue: list[Node] = [condition.root]
    while queue:
        node = queue.pop(0)
        if isinstance(node, Several):
            queue[:0] = node.parts
        elif isinstance(node, Not):
            queue.insert(0, node.part)
        else:
            found.append(node)
    return found


def parse_condition(text: str) -> Condition:
    """Read a condition.

    Raises
    ------
    ConditionError
        Saying what was expected, and where.
    """
    if len(text) > LONGEST_TEXT:
        raise ConditionError(f"is longer than {LONGEST_TEXT} characters")
    reader = _Reader(text)
    root = reader.either()
    reader.expect_end()
    return Condition(" ".join(text.split()), root, tuple(reader.names))


class _Token(NamedTuple):
    kind: str
    text: str
    unit: str
    at: int


class _Reader:
    """Reads by recursive descent: or, and, not, comparison."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._place = 0
        self._depth = 0
        self.names: list[Name] = []

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        self._place += 1
        return token

    def _is(self, word: str) -> bool:
        return self._next.kind in ("name", "sign") and self._next.text.lower() == word

    def _fail(self, expected: str) -> ConditionError:
        token = self._next
        there = "the end" if token.kind == "end" else repr(token.text)
        return ConditionError(f"{expected} is expected at {there} (character {token.at + 1})")

    def expect_end(self) -> None:
        if self._next.kind != "end":
            raise self._fail("and, or, or the end")

    def either(self) -> Node:
        return self._several("or", lambda: self._several("and", self._negated))

    def _several(self, word: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self._is(word):
            self._take()
            parts.append(part())
        return parts[0] if len(parts) == 1 else Several(word, tuple(parts))

    def _negated(self) -> Node:
        if not self._is("not") and not self._is("("):
            return self._comparison()
        self._depth += 1
        if self._depth > DEEPEST_NESTING:
            raise ConditionError("is nested too deeply")
        node: Node
        if self._take().text == "(":
            node = self.either()
            if not self._is(")"):
                raise self._fail("a closing parenthesis")
            self._take()
        else:
            node = Not(self._negated())
        self._depth -= 1
        return node

    def _comparison(self) -> Node:
        left = self._term()
        if self._next.kind == "sign" and self._next.text not in "()":
            sign = self._take().text
            return Comparison(left, sign, self._term())
        if isinstance(left, Name):
            return Comparison(left, "==", Constant(True))
        raise self._fail("a comparison such as <")

    def _term(self) -> Constant | Name:
        token = self._next
        if token.kind == "number":
            self._take()
            after = self._next
            if after.kind == "name" and after.text.lower() not in ("and", "or"):
                raise self._fail("and, or, the end, or a unit (nm, um, A, deg, %)")
            return Constant(float(token.text) * _UNITS.get(token.unit.lower(), 1.0), token.unit)
        if token.kind == "text":
            self._take()
            return Constant(token.text[1:-1])
        if token.kind == "name" and token.text.lower() in ("true", "false"):
            self._take()
            return Constant(token.text.lower() == "true")
        step, dot, name = token.text.partition(".")
        if token.kind != "name" or not dot or "." in name:
            raise self._fail("a value or STEP.NAME")
        self._take()
        self.names.append(Name(step, name))
        return self.names[-1]


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at:].lstrip()
            raise ConditionError(f"cannot be understood from {rest[:20]!r} on")
        kind = next(k for k in ("number", "text", "name", "sign") if match[k] is not None)
        found.append(_Token(kind, match[kind], match["unit"] or "", match.start(kind)))
        at = match.end()
    return [*found, _Token("end", "", "", end)]
