"""Particle sets from others: symmetry mates, other centres, parts, and halves."""

from __future__ import annotations

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
from tomotui.project.derived import USED, Derived
from tomotui.project.derived import expand as make_expanded
from tomotui.project.derived import parts as make_parts
from tomotui.project.derived import recentre as make_recentred
from tomotui.project.derived import split_halves as make_halves

Point = tuple[float, float, float]
NameOption = Annotated[str, Parameter(name="--name")]


def expand(
    particles: str,
    /,
    *,
    symmetry: str | None = None,
    name: NameOption = "",
    decision: DecisionOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> int:
    """Make a set with every symmetry mate of each particle, for what breaks the symmetry.

    Example: `tomotui particles expand proteasome-refined --symmetry D7 -p ~/data/cells`

    Parameters
    ----------
    particles
        The set to begin from; its particles need orientations.
    symmetry
        Point group of the reference; that of the set by default.
    name
        Name of the new set; the old one with -expanded by default.
    decision
        Only particles judged so; by default all that were not rejected.
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    with open_project(project) as opened:
        source = known_set(opened, particles)
        wanted = _name(name, f"{particles}-expanded")
        made = make_expanded(opened, source, wanted, symmetry, tuple(decision or USED))
    return _told(made, json)


def recentre(
    particles: str,
    /,
    *,
    offset: Point,
    name: NameOption = "",
    decision: DecisionOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> int:
    """Make a set whose reference has its centre elsewhere.

    Example: `tomotui particles recentre spike-refined --offset 0 0 -60 -p ~/data/cells`

    Parameters
    ----------
    particles
        The set to begin from; its particles need orientations.
    offset
        Angstrom along x, y and z of the map from its present centre to the new one.
    name
        Name of the new set; the old one with -recentred by default.
    decision
        Only particles judged so; by default all that were not rejected.
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    with open_project(project) as opened:
        source = known_set(opened, particles)
        wanted = _name(name, f"{particles}-recentred")
        made = make_recentred(opened, source, wanted, offset, tuple(decision or USED))
    return _told(made, json)


def subparticles(
    particles: str,
    /,
    *,
    offset: Point,
    symmetry: str | None = None,
    facing_out: bool = False,
    apart: float = 0.0,
    diameter: float | None = None,
    name: NameOption = "",
    decision: DecisionOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> int:
    """Make a set of one part of each particle, and of that part in its symmetry mates.

    Example: `tomotui particles subparticles capsid --offset 0 0 310 --symmetry I --facing-out`

    Parameters
    ----------
    particles
        The set to begin from; its particles need orientations.
    offset
        Angstrom along x, y and z of the map from its centre to the part.
    symmetry
        Point group of the reference; that of the set by default.
    facing_out
        Turn the z axis of the part's own reference away from the particle's centre.
    apart
        Angstrom; of parts that lie nearer, also of different particles, the better stays.
    diameter
        Diameter of the part in Angstrom; that of the particle by default.
    name
        Name of the new set; the old one with -parts by default.
    decision
        Only particles judged so; by default all that were not rejected.
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    if apart < 0 or (diameter is not None and not diameter > 0):
        raise WrongWords("--apart, --diameter: give Angstrom above zero")
    with open_project(project) as opened:
        made = make_parts(
            opened,
            known_set(opened, particles),
            _name(name, f"{particles}-parts"),
            offset,
            symmetry=symmetry,
            facing_out=facing_out,
            apart_angstrom=apart,
            diameter_angstrom=diameter,
            decisions=tuple(decision or USED),
        )
    return _told(made, json)


def split_halves(
    particles: str,
    /,
    *,
    by_tomogram: bool = False,
    seed: int = 0,
    name: NameOption = "",
    decision: DecisionOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> int:
    """Make a set whose particles are dealt out into two independent halves.

    What was made from one particle stays in one half.

    Example: `tomotui particles split-halves ribosome-refined --by-tomogram -p ~/data/cells`

    Parameters
    ----------
    particles
        The set to begin from.
    by_tomogram
        Deal out whole tomograms.
    seed
        Another number deals otherwise.
    name
        Name of the new set; the old one with -halves by default.
    decision
        Only particles judged so; by default all that were not rejected.
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    with open_project(project) as opened:
        made = make_halves(
            opened,
            known_set(opened, particles),
            _name(name, f"{particles}-halves"),
            by_tomogram=by_tomogram,
            seed=seed,
            decisions=tuple(decision or USED),
        )
    return _told(made, json)


def _name(given: str, otherwise: str) -> str:
    name = given or otherwise
    if not name.strip() or "/" in name:
        raise WrongWords(f"--name {name!r}: give a name without slashes")
    return name


def _told(made: Derived, json: bool) -> int:
    one = made.particle_set
    if json:
        print_json({"uid": one.uid, "name": one.name, "particles": made.n_particles})
    else:
        print(f"made {one.name}: {made.n_particles} particles from {made.n_before}")
    return 0
