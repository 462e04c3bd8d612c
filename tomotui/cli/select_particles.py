"""Particle sets of some particles of another: of classes, or of a part of a landscape."""

from __future__ import annotations

import math
from typing import Annotated

from cyclopts import Parameter

from tomotui.cli.errors import WrongWords
from tomotui.cli.options import (
    DecisionOption,
    JsonOption,
    ProjectOption,
    open_project,
    print_json,
)
from tomotui.cli.particles import known_set
from tomotui.project import Project
from tomotui.project.derived import USED, Derived
from tomotui.project.selections import select_along, select_classes
from tomotui.records import Landscape, ParticleSet


def select_particles(
    particles: str,
    /,
    *,
    classes: Annotated[list[int] | None, Parameter(consume_multiple=True)] = None,
    landscape: str = "",
    axis: int = 1,
    lowest: Annotated[float | None, Parameter(name="--from")] = None,
    highest: Annotated[float | None, Parameter(name="--to")] = None,
    name: str = "",
    decision: DecisionOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> int:
    """Make a set of the particles of some classes, or of a part of a landscape.

    Example: `tomotui particles select ribosome-classes --classes 1 3 --name "good ribosomes"`

    Parameters
    ----------
    particles
        The set to choose from: the one that a classification made, or that a landscape was
        learnt from.
    classes
        Numbers of classes, from 1.
    landscape
        Name of a landscape of the set.
    axis
        Along which of its motions, from 1; after the motions come its coordinates.
    lowest
        Least place along the axis, in standard deviations; none by default.
    highest
        Greatest place along the axis; none by default.
    name
        Name of the new set; the old one with -selected by default.
    decision
        Only particles judged so; by default all that were not rejected.
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    if bool(classes) == bool(landscape):
        raise WrongWords("say which particles: either --classes 1 3, or --landscape NAME --from 0")
    wanted = name or f"{particles}-selected"
    if not wanted.strip() or "/" in wanted:
        raise WrongWords(f"--name {wanted!r}: give a name without slashes")
    judged = tuple(decision or USED)
    with open_project(project) as opened:
        source = known_set(opened, particles)
        if classes:
            made = select_classes(opened, source, classes, wanted, decisions=judged)
        else:
            low, high = _range(lowest, highest)
            found = _landscape(opened, source, landscape)
            made = select_along(opened, found, axis - 1, low, high, wanted, decisions=judged)
    return _told(made, json)


def _range(lowest: float | None, highest: float | None) -> tuple[float, float]:
    if lowest is None and highest is None:
        raise WrongWords("say which part: --from and --to are standard deviations along --axis")
    low = -math.inf if lowest is None else lowest
    high = math.inf if highest is None else highest
    if not low <= high:
        raise WrongWords(f"--from {low:g} --to {high:g}: nothing lies between")
    return low, high


def _landscape(project: Project, source: ParticleSet, name: str) -> Landscape:
    """Return the newest landscape of a name that the particles stand in."""
    known = [one for one in project.records("landscape") if isinstance(one, Landscape)]
    of_set = [one for one in known if one.particle_set_uid == source.uid]
    named = [one for one in of_set if one.name == name]
    if not named:
        there = ", ".join(one.name for one in of_set) or "none"
        raise WrongWords(f"{source.name} has no landscape {name}; there are {there}")
    return named[-1]


def _told(made: Derived, json: bool) -> int:
    one = made.particle_set
    if json:
        print_json({"uid": one.uid, "name": one.name, "particles": made.n_particles})
    else:
        print(f"made {one.name}: {made.n_particles} particles of {made.n_before}")
    return 0
