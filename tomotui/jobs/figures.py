"""The figures of each tilt series, and which of them are out of the ordinary."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tomotui.project import Project

FEWEST_TO_COMPARE = 5
OUTLIER_SIGMA = 3.5
_SIGMA_OF_MAD = 1.4826
_MAJORITY = 0.8


@dataclass(frozen=True)
class Figures:
    """What the newest records say of one tilt series; ``None`` where they say nothing.

    Attributes
    ----------
    thickness_angstrom
        As found in the tomogram, otherwise by the alignment.
    defocus_angstrom
        Median over the tilts, of the mean of both axes.
    verdict
        The worst of its alignment's and its CTF's; empty when there is none yet.
    odd
        Which of ``residual``, ``axis``, ``thickness``, ``defocus``, ``resolution``, ``hand`` are
        out of the ordinary among the others.
    """

    residual_angstrom: float | None = None
    axis_deg: float | None = None
    thickness_angstrom: float | None = None
    defocus_angstrom: float | None = None
    handedness: int | None = None
    fit_resolution_angstrom: float | None = None
    verdict: str = ""
    odd: frozenset[str] = frozenset()


NOTHING = Figures()


@dataclass(frozen=True)
class _Measure:
    """How a figure is compared; values within ``least_spread`` count as alike."""

    read: Callable[[Figures], float | None]
    least_spread: float
    only_high: bool = False


_MEASURES = {
    "residual": _Measure(lambda one: one.residual_angstrom, 0.2, only_high=True),
    "axis": _Measure(lambda one: one.axis_deg, 1.0),
    "thickness": _Measure(lambda one: one.thickness_angstrom, 150.0),
    "defocus": _Measure(lambda one: one.defocus_angstrom, 2000.0),
    "resolution": _Measure(lambda one: one.fit_resolution_angstrom, 1.0, only_high=True),
}


def read_figures(project: Project) -> dict[str, Figures]:
    """Return the figures of each tilt series by name.

    The number of queries does not depend on the number of series.
    """
    alignments = project.distilled("alignment", _of_alignment)
    ctfs = project.distilled("ctf", _of_ctf)
    thicknesses = project.distilled("tomogram", _thickness)
    found = {
        one.name: _joined(alignments.get(one.uid), ctfs.get(one.uid), thicknesses.get(one.uid))
        for one in project.series_sizes()
    }
    return dict(zip(found, with_outliers(list(found.values())), strict=True))


def _of_alignment(fields: dict[str, Any]) -> Figures:
    return Figures(
        residual_angstrom=fields.get("residual_angstrom"),
        axis_deg=statistics.fmean(tilt["axis_deg"] for tilt in fields["tilts"]),
        thickness_angstrom=fields.get("thickness_angstrom"),
        verdict=fields.get("verdict", "good"),
    )


def _of_ctf(fields: dict[str, Any]) -> Figures:
    defocus = [(t["defocus_u_angstrom"] + t["defocus_v_angstrom"]) / 2 for t in fields["tilts"]]
    return Figures(
        defocus_angstrom=statistics.median(defocus) if defocus else None,
        handedness=fields.get("handedness"),
        fit_resolution_angstrom=fields.get("fit_resolution_angstrom"),
        verdict=fields.get("verdict", "good"),
    )


def _thickness(fields: dict[str, Any]) -> float | None:
    found: float | None = fields.get("thickness_angstrom")
    return found


def _joined(
    alignment: Figures | None, ctf: Figures | None, thickness_angstrom: float | None
) -> Figures:
    """Put together what the alignment, the CTF and the tomogram of a series say."""
    verdicts = [one.verdict for one in (alignment, ctf) if one is not None]
    alignment, ctf = alignment or NOTHING, ctf or NOTHING
    return Figures(
        residual_angstrom=alignment.residual_angstrom,
        axis_deg=alignment.axis_deg,
        thickness_angstrom=(
            alignment.thickness_angstrom if thickness_angstrom is None else thickness_angstrom
        ),
        defocus_angstrom=ctf.defocus_angstrom,
        handedness=ctf.handedness,
        fit_resolution_angstrom=ctf.fit_resolution_angstrom,
        verdict=max(verdicts, key=("good", "poor", "bad").index, default=""),
    )


def with_outliers(found: Sequence[Figures]) -> list[Figures]:
    """Return figures of series with those marked that lie far from the others."""
    odd: list[set[str]] = [set() for _ in found]
    for name, measure in _MEASURES.items():
        values = [measure.read(one) for one in found]
        for at in outliers(values, measure.least_spread, measure.only_high):
            odd[at].add(name)
    for at in _other_hands(one.handedness for one in found):
        odd[at].add("hand")
    return [replace(one, odd=frozenset(o)) if o else one for one, o in zip(found, odd, strict=True)]


def _other_hands(hands: Iterable[int | None]) -> list[int]:
    """Return the places where the hand is not what nearly all others have."""
    all_hands = list(hands)
    known = [hand for hand in all_hands if hand is not None]
    if len(known) < FEWEST_TO_COMPARE:
        return []
    usual = statistics.mode(known)
    if known.count(usual) < _MAJORITY * len(known):
        return []
    return [at for at, hand in enumerate(all_hands) if hand not in (None, usual)]


def outliers(
    values: Sequence[float | None], least_spread: float, only_high: bool = False
) -> list[int]:
    """Return the places of values that lie far from the others.

    Far is more than 3.5 standard deviations from the median, the deviation being estimated from
    the median absolute one (Iglewicz and Hoaglin, 1993); of few values none is far.

    Parameters
    ----------
    least_spread
        Standard deviation to assume at least.
    only_high
        Small values are never far.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < FEWEST_TO_COMPARE:
        return []
    middle = statistics.median(known)
    spread = _SIGMA_OF_MAD * statistics.median(abs(value - middle) for value in known)
    limit = OUTLIER_SIGMA * max(spread, least_spread)
    found = []
    for at, value in enumerate(values):
        if value is not None and math.isfinite(value):
            off = value - middle if only_high else abs(value - middle)
            if off > limit:
                found.append(at)
    return found
