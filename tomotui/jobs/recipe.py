"""Recipes: a pipeline as a TOML file, checked against what the stages declare.

::

    format = 1                       # of this file
    name = "lamella"
    about = "What it is for."

    [import]                         # how raw series are taken in, where that is done
    dose_e_per_a2 = 3.0

    [motion]                         # the same for series that come as movies
    gain = "/data/gain.mrc"

    [series.ts_07]                   # raw data: taken in where the project has no such series
    stack = "raw/ts_07.mrc"          # seen from this file's folder; movies = "...mdoc" for movies

    [[step]]
    stage = "align"
    name = "align"                   # the stage's when not given
    parameters = { thickness_angstrom = 3000 }
    overrides = { ts_07 = { thickness_angstrom = 4000 } }

    [[step]]
    stage = "ctf"
    optional = true                  # where it fails, what comes after goes on without it

    [[step]]
    stage = "reconstruct"
    after = ["align", "ctf"]         # the step before when not given
    when = "align.residual_angstrom < 2 nm and series.n_tilts >= 20"

    [[step]]
    stage = "refine"
    where = "slurm"                  # local or slurm; where the whole recipe runs when not given
    profile = "gpu"

A step works on each tilt series by itself; a stage for several series together, or any with
``target = "NAME"``, is one task for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tomotui.jobs.condition import Condition
from tomotui.stages import get

FORMAT = 1
OF_ONE_STACK = ("stack", "mdoc", "tilts", "alignment", "ctf", "tomogram")
"""Parameters of an import that no two series share."""
OF_ONE_SERIES = {"import": OF_ONE_STACK, "motion": ("movies",)}
"""The same by the stage that brings series in."""
FILE_OF = {"import": {"stack": "any.mrc"}, "motion": {"movies": "any.mdoc"}}
PLACES = ("local", "slurm")


class RecipeError(ValueError):
    """A recipe cannot be used; ``problems`` says why, each naming file, step and key."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


@dataclass(frozen=True)
class Step:
    """One stage of a recipe.

    Attributes
    ----------
    overrides
        By tilt series the parameters in which it differs.
    after
        Names of earlier steps to wait for.
    optional
        What waits for it goes on whatever comes of it.
    target
        What one task for all works on; empty for a task for each tilt series.
    where, profile
        The executor and what is asked of it; empty for those of the whole run.
    """

    name: str
    stage: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    when: Condition | None = None
    optional: bool = False
    target: str = ""
    where: str = ""
    profile: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it is one task for all tilt series."""
        return bool(self.target) or get(self.stage).scope == "sample"


@dataclass(frozen=True)
class Recipe:
    """A pipeline.

    Attributes
    ----------
    import_parameters
        How raw series are taken in.
    motion_parameters
        How series that come as movies are taken in.
    series
        By name the files of raw series, and what else their import is told of each.
    path
        Its file; ``None`` for one that was not read from a file.
    warnings
        What may be a mistake, and is none for certain.
    by_hand
        What people did in the project that it was made from, and no recipe does again.
    """

    name: str
    steps: tuple[Step, ...]
    about: str = ""
    import_parameters: Mapping[str, Any] = field(default_factory=dict)
    motion_parameters: Mapping[str, Any] = field(default_factory=dict)
    series: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    path: Path | None = None
    warnings: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()


def entrance_of(files: Mapping[str, Any]) -> str:
    """Return the stage that takes in a raw series of a recipe."""
    return "motion" if "movies" in files else "import"
