"""``key=value`` words, read by what each parameter takes."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from tomotui.cli.errors import WrongWords


def parse_assignments(
    assignments: Sequence[str], fields: Mapping[str, FieldInfo]
) -> dict[str, Any]:
    """Read ``key=value`` words.

    Values are JSON where they can be and text otherwise; ``none`` and ``auto`` mean no value. A
    parameter that takes text gets the text as it stands: ``dataset=2024`` is no number. One that
    takes several gets what stands between commas; between semicolons where there are any, as for
    points, whose words hold commas themselves.

    Parameters
    ----------
    fields
        The declared parameters by name.

    Raises
    ------
    WrongWords
        For a word without ``=``, a key given twice, and a number that is not finite.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip()
        if not equals or not key:
            raise WrongWords(f"--set {assignment}: write it as key=value")
        if key in values:
            raise WrongWords(f"--set {assignment}: {key} is given twice")
        types_ = set(_types(fields[key].annotation)) if key in fields else {Any}
        value = _value(text.strip(), types_)
        if isinstance(value, float) and not math.isfinite(value):
            raise WrongWords(f"--set {assignment}: give a finite number")
        values[key] = value
    return values


def _types(annotation: Any) -> Iterator[Any]:
    """Yield the plain types and the literal values that an annotation allows."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _types(part)
    elif origin is Annotated:
        yield from _types(get_args(annotation)[0])
    elif origin is Literal:
        yield from get_args(annotation)
    else:
        yield annotation if origin is None else origin


def _value(text: str, allowed: set[Any]) -> Any:
    if text in allowed:
        return text
    if text.lower() in ("none", "auto", "") and (allowed & {type(None), Any}):
        return None
    if tuple in allowed and not text.startswith("["):
        mark = ";" if ";" in text else ","
        return [part.strip() for part in text.split(mark) if part.strip()]
    if str in allowed and not allowed & {int, float, bool}:
        return text
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except json.JSONDecodeError:
        return text
