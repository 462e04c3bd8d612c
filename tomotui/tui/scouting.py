"""What the import would make of what lies in a folder, asked before there is a project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomotui.records import JobRequest, Target

if TYPE_CHECKING:
    from tomotui.formats.found_series import Place

Plan = dict[str, Any]

MOST_PLACES = 8
"""Folders that are understood; each costs a process."""


@dataclass(frozen=True)
class Understood:
    """A folder with tilt series, and what the import says to each.

    Attributes
    ----------
    plans
        As ``tomotui import --dry-run --json`` gives them.
    error
        Why nothing can be said; empty when something can.
    """

    place: Place
    plans: tuple[Plan, ...] = ()
    error: str = ""

    @property
    def usable(self) -> tuple[Plan, ...]:
        """The plans without problems."""
        return tuple(plan for plan in self.plans if not plan["problems"])


def arguments(place: Place) -> list[str]:
    """Return what the import is asked about."""
    words = [str(file) for file in place.files]
    return [*words, "--gain", str(place.gain)] if place.gain is not None else words


def without_namesakes(found: Sequence[Understood]) -> list[Understood]:
    """Return the same with a problem for every series whose name an earlier one has."""
    seen: dict[str, Path] = {}
    kept = []
    for one in found:
        plans = []
        for plan in one.plans:
            other = seen.get(plan["name"])
            if other is not None:
                words = f"{plan['name']} lies in {other} too: import it with another name"
                plan = {**plan, "problems": [*plan["problems"], words]}
            elif not plan["problems"]:
                seen[plan["name"]] = one.place.folder
            plans.append(plan)
        kept.append(Understood(one.place, tuple(plans), one.error))
    return kept


def import_requests(found: Sequence[Understood]) -> list[JobRequest]:
    """Return the imports of all that can be imported: one job a folder, one task a series."""
    return [
        JobRequest(
            stage=one.usable[0].get("stage", "import"),
            targets=tuple(
                Target(name=plan["name"], parameters=dict(plan["parameters"]))
                for plan in one.usable
            ),
        )
        for one in found
        if one.usable
    ]


def facts_line(plans: Sequence[Plan]) -> str:
    """Return tilts, range, pixel size and dose of several series in a line."""
    spans = [plan["tilt_range_deg"] for plan in plans if plan.get("tilt_range_deg")]
    words = [_range([plan.get("n_tilts") for plan in plans], "tilts")]
    if spans:
        low, high = min(span[0] for span in spans), max(span[1] for span in spans)
        words.append(f"{low:+.0f} .. {high:+.0f} deg")
    words.append(_range([plan.get("pixel_size_angstrom") for plan in plans], "Å/px"))
    words.append(_range([plan.get("dose_e_per_a2") for plan in plans], "e/Å²"))
    return "  ".join(word for word in words if word)


def missing_words(one: Understood) -> list[str]:
    """Return what is missing of a folder's series, with the remedies; the graver first."""
    # The folder stands before them.
    return [text.replace(f"{one.place.folder}/", "") for text in _missing(one)]


def _missing(one: Understood) -> list[str]:
    if one.error:
        return [one.error]
    words = _told([plan["problems"] for plan in one.plans], len(one.plans))
    words += _told([plan["warnings"] for plan in one.usable], len(one.plans))
    if one.usable and any(plan.get("dose_e_per_a2") is None for plan in one.usable):
        words.append("no dose is told: say it when you import, or damage is not weighted")
    if one.place.kind == "movies" and one.place.gain is None:
        words.append("no gain reference was found: name it when you import, if the movies need one")
    return words


def _told(lists: Sequence[Sequence[str]], total: int) -> list[str]:
    """Return the texts of several series, each once; how many have it unless it is all."""
    counts = Counter(text for texts in lists for text in dict.fromkeys(texts))
    # Texts that name files differ from series to series: one of them stands for all.
    alone = [text for text, n in counts.items() if n == 1]
    told = [text if n == total else f"{n} series: {text}" for text, n in counts.items() if n > 1]
    if alone:
        more = f" (and {len(alone) - 1} like it)" if len(alone) > 1 else ""
        told.append(f"{alone[0]}{more}")
    return told


def _range(values: Sequence[float | None], unit: str) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    first, last = f"{low:.4g}", f"{high:.4g}"
    return f"{first} {unit}" if first == last else f"{first} .. {last} {unit}"
