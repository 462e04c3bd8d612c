"""``--set key=value``: what becomes of the text."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from tomotui.cli.assignments import parse_assignments
from tomotui.cli.errors import WrongWords
from tomotui.stages.base import Parameters, parameter


class Everything(Parameters):
    number: float = parameter(1.0, "")
    perhaps: float | None = parameter(None, "")
    count: int = parameter(1, "")
    flag: bool = parameter(False, "")
    text: str = parameter("", "")
    perhaps_text: str | None = parameter(None, "")
    kind: Literal["none", "auto", "fine"] = parameter("fine", "")
    perhaps_kind: Literal["fine", "rough"] | None = parameter(None, "")
    several: tuple[int, ...] = parameter((), "")
    points: tuple[str, ...] = parameter((), "")
    size: int | Literal["all"] = parameter(1, "")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("number=2", 2.0),
        ("number=-1.5e3", -1500.0),
        ("number = 3.5", 3.5),
        ("perhaps=none", None),
        ("perhaps=auto", None),
        ("perhaps=", None),
        ("perhaps=7", 7.0),
        ("count=12", 12),
        ("flag=true", True),
        ("flag=True", True),
        ("flag=FALSE", False),
        ("flag=yes", True),
        ("flag=0", False),
        ("text=2024", "2024"),
        ("text=true", "true"),
        ("text=none", "none"),
        ("text=a=b c", "a=b c"),
        ('text="quoted"', '"quoted"'),
        ("perhaps_text=none", None),
        ("perhaps_text=/data/ts.mdoc", "/data/ts.mdoc"),
        ("kind=none", "none"),
        ("kind=auto", "auto"),
        ("perhaps_kind=auto", None),
        ("perhaps_kind=rough", "rough"),
        ("several=[1, 2]", (1, 2)),
        ("several=1,2", (1, 2)),
        ("several=7", (7,)),
        ("several=", ()),
        ("points=1,2; 3,-4", ("1,2", "3,-4")),
        ("points=1,2;", ("1,2",)),
        ("size=all", "all"),
        ("size=4", 4),
    ],
)
def test_a_value_becomes_what_its_parameter_takes(word: str, value: Any) -> None:
    values = parse_assignments([word], Everything.model_fields)
    name = word.partition("=")[0].strip()
    assert list(values) == [name]
    made = getattr(Everything.model_validate(values), name)
    assert made == value
    assert type(made) is type(value)


def test_what_no_parameter_declares_is_still_read() -> None:
    assert parse_assignments(["x=1", "y=none", "z=a b"], {}) == {"x": 1, "y": None, "z": "a b"}


@pytest.mark.parametrize(
    "words", [["number"], ["=3"], ["number=1", "number=2"], ["number=NaN"], ["number=1e999"]]
)
def test_words_without_sense_are_refused(words: list[str]) -> None:
    with pytest.raises(WrongWords, match="--set"):
        parse_assignments(words, Everything.model_fields)


def test_no_value_is_refused_where_one_is_needed() -> None:
    values = parse_assignments(["number=none"], Everything.model_fields)
    with pytest.raises(ValueError, match="valid number"):
        Everything.model_validate(values)
