"""What a check found, and what was expected."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Figure:
    """A number that a stage reached.

    Attributes
    ----------
    what
        What was measured.
    limit
        The worst value that passes.
    better
        Whether lower or higher values are better.
    """

    what: str
    value: float
    unit: str
    limit: float
    better: Literal["lower", "higher"] = "lower"

    @property
    def passes(self) -> bool:
        """Whether it is as good as expected; a value that is no number never is."""
        return self.value <= self.limit if self.better == "lower" else self.value >= self.limit

    @property
    def expectation(self) -> str:
        """The limit in words."""
        sign = "<=" if self.better == "lower" else ">="
        return f"{sign} {self.limit:g}"


@dataclass(frozen=True)
class Check:
    """What came of one stage.

    Attributes
    ----------
    figures
        Empty where the stage failed or was left out.
    device
        What computed it; empty where nothing did.
    error
        Why there are no figures.
    """

    stage: str
    figures: tuple[Figure, ...]
    seconds: float
    device: str = ""
    error: str = ""

    @property
    def passes(self) -> bool:
        """Whether the stage ran and all its figures are as good as expected."""
        return not self.error and all(figure.passes for figure in self.figures)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for scripts."""
        figures = [
            {**asdict(one), "expectation": one.expectation, "passes": one.passes}
            for one in self.figures
        ]
        return {**asdict(self), "figures": figures, "passes": self.passes}

    def rows(self) -> list[list[str]]:
        """Return the lines of a table: stage, what, value, expectation, verdict, time, device."""
        time = f"{self.seconds:.0f} s"
        if self.error:
            return [[self.stage, "-", "-", "-", "✗ failed", time, self.device or "-", self.error]]
        lines = []
        for number, one in enumerate(self.figures):
            verdict = "✓ pass" if one.passes else "✗ fail"
            value = f"{one.value:.3g} {one.unit}".strip()
            first = [self.stage, time, self.device or "-"] if number == 0 else ["", "", ""]
            lines.append([first[0], one.what, value, one.expectation, verdict, *first[1:], ""])
        return lines


HEADER = ["stage", "measured", "value", "expected", "verdict", "time", "device", ""]
