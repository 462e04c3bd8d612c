"""Whether a condition can be asked: of a step waited for, what its stage finds, in its unit."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from tomotui.jobs.condition import Condition, Name, comparisons
from tomotui.jobs.findings import names_in_records
from tomotui.stages import UnknownStage, get

SERIES = "series"
"""The name under which conditions know the tilt series itself."""

LENGTHS = ("nm", "um", "a", "å", "angstrom")
_LENGTHS_BY_NAME = ("resolution", "resolution_of_directions", "rise")
_ANGLES_BY_NAME = ("twist",)
_OTHER_ENDINGS = {
    "_e_per_a2": "electrons per square Angstrom",
    "_kv": "kilovolts",
    "_mm": "millimetres",
    "_px": "pixels",
    "_kda": "kilodaltons",
}


class AStep(Protocol):
    """What is to be known of an earlier step."""

    @property
    def stage(self) -> str:
        """Its stage."""

    @property
    def is_whole(self) -> bool:
        """Whether it is one task for all tilt series."""


@dataclass(frozen=True)
class Asked:
    """The step that has a condition.

    Attributes
    ----------
    is_whole
        It is one task for all tilt series.
    earlier
        All steps before it, by name.
    upstream
        Names of those it waits for.
    """

    step: str
    is_whole: bool
    earlier: Mapping[str, AStep]
    upstream: Collection[str]


def problems_of_words(condition: Condition, asked: Asked) -> tuple[list[str], list[str]]:
    """Return what is wrong with the names that a condition asks about, and what is doubtful."""
    wrong: list[str] = []
    doubts: list[str] = []
    for name in dict.fromkeys(condition.names):
        if name.step == SERIES:
            if asked.is_whole:
                wrong.append(f"{asked.step} works on all series together: {_words(name)} is of one")
            elif name.name not in (known := names_in_records(("tilt_series",))):
                wrong.append(f"a tilt series has no {name.name}{_hint(name.name, known)}")
        elif name.step not in asked.upstream:
            known = sorted(asked.upstream)
            there = f"it waits for {', '.join(known)}" if known else "it waits for no step"
            wrong.append(f"this step does not wait for {name.step}; {there}")
        else:
            _look_at(name, asked, wrong, doubts)
    return wrong, doubts


def _look_at(name: Name, asked: Asked, wrong: list[str], doubts: list[str]) -> None:
    step = asked.earlier[name.step]
    try:
        stage = get(step.stage)
    except UnknownStage:
        return  # Said already.
    if asked.is_whole and not step.is_whole:
        wrong.append(
            f"{asked.step} works on all series together: {_words(name)} is of one. "
            f"Give the condition to a step that works on each series"
        )
        return
    known = [*names_in_records(stage.gives), *(stage.reports or ())]
    if name.name in known:
        return
    hint = _hint(name.name, known)
    if stage.reports is None:
        doubts.append(
            f"{_words(name)} is in no record of {stage.name}, so it is taken for a metric{hint}"
        )
        return
    there = f"; there are {', '.join(dict.fromkeys(known))}" if not hint else ""
    wrong.append(f"{stage.name} does not report {name.name}{hint}{there}")


def problems_of_units(condition: Condition) -> list[str]:
    """Return which values have a unit that what they are compared with cannot have."""
    found = []
    for comparison in comparisons(condition):
        for name, value in (
            (comparison.left, comparison.right),
            (comparison.right, comparison.left),
        ):
            unit = getattr(value, "unit", "")
            if not isinstance(name, Name) or not unit:
                continue
            kind, allowed = _kind_of(name.name)
            if unit.lower() not in allowed:
                one_of = f"give it in {', '.join(_shown(allowed))}" if allowed else "give no unit"
                found.append(f"{_words(name)} is {kind}, not a value in {unit}: {one_of}")
    return found


def _kind_of(name: str) -> tuple[str, tuple[str, ...]]:
    """Return what a name measures, in words, and the units it may be given in."""
    if name.endswith("_angstrom") or name in _LENGTHS_BY_NAME:
        return "a length", LENGTHS
    if name.endswith("_deg") or name in _ANGLES_BY_NAME:
        return "an angle", ("deg",)
    for ending, words in _OTHER_ENDINGS.items():
        if name.endswith(ending):
            return f"in {words}", ()
    return "a number", ("%",)


def _shown(units: tuple[str, ...]) -> tuple[str, ...]:
    return ("nm", "um", "A") if units == LENGTHS else units


def _words(name: Name) -> str:
    return f"{name.step}.{name.name}"


def _hint(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
