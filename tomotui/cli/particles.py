"""Particle sets: listing and making them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.options import JsonOption, ProjectOption, open_project, print_json, print_table
from tomotui.cli.tomograms import names_of_tomograms
from tomotui.project import Project
from tomotui.records import ParticleSet, Verdict

_VERDICTS: tuple[Verdict, ...] = ("accepted", "unsure", "undecided", "rejected")


def list_sets(*, project: ProjectOption = None, json: JsonOption = False) -> int:
    """List the particle sets, and what was decided about their particles.

    Example: `tomotui particles list -p ~/data/cells`

    Parameters
    ----------
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    with open_project(project, read_only=True) as opened:
        series = names_of_tomograms(opened)
        found = [_summary(opened, one, series) for one in opened.particle_sets()]
    if json:
        print_json(found)
        return 0
    header = [
        *("set", "species", "diameter", "symmetry", "particles"),
        *(*_VERDICTS, "tomograms", "made by"),
    ]
    rows = [
        [
            one["name"],
            one["species"],
            "-" if one["diameter_angstrom"] is None else f"{one['diameter_angstrom']:g} A",
            one["symmetry"],
            str(one["particles"]),
            *(str(one["decisions"][verdict]) for verdict in _VERDICTS),
            str(len(one["tomograms"])),
            one["made_by"],
        ]
        for one in found
    ]
    print_table(header, rows)
    return 0


def new(
    name: str,
    /,
    *,
    diameter: float,
    symmetry: str = "C1",
    species: str | None = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> int:
    """Make an empty particle set, to be filled by hand or by a search.

    Example: `tomotui particles new ribosome --diameter 290 -p ~/data/cells`

    Parameters
    ----------
    name
        Name of the set.
    diameter
        Diameter of its particles in Angstrom.
    symmetry
        Their symmetry, such as C2 or O.
    species
        What they are; the name by default.
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    made = new_set(name, species or name, diameter, symmetry)
    with open_project(project) as opened:
        if opened.particle_set_named(name) is not None:
            raise WorkFailed(f"the project has a particle set {name} already; choose another name")
        opened.add_records([made])
    if json:
        print_json({"uid": made.uid, "name": made.name})
    else:
        print(f"made the particle set {name}")
    return 0


def change(
    name: str,
    /,
    *,
    diameter: float | None = None,
    symmetry: str | None = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> int:
    """Say what is known of a particle set by now.

    Example: `tomotui particles change ribosome --diameter 290 -p ~/data/cells`

    Parameters
    ----------
    name
        Name of the set.
    diameter
        Diameter of its particles in Angstrom.
    symmetry
        Their symmetry, such as C2 or O.
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    if diameter is None and symmetry is None:
        raise WrongWords("nothing to change: give --diameter or --symmetry")
    with open_project(project) as opened:
        old = known_set(opened, name)
        checked = new_set(name, old.species, diameter, symmetry or old.symmetry)
        wanted = checked.diameter_angstrom or old.diameter_angstrom
        opened.change_particle_set(old.uid, wanted, checked.symmetry)
    if json:
        print_json({"name": name, "diameter": wanted, "symmetry": checked.symmetry})
    else:
        print(f"{name}: {wanted:g} A, {checked.symmetry}" if wanted else name)
    return 0


def new_set(name: str, species: str, diameter_angstrom: float | None, symmetry: str) -> ParticleSet:
    """Return a new set, which is not in the project yet.

    Raises
    ------
    WrongWords
        When the name, the diameter or the symmetry is none.
    """
    from tomotui.geometry.symmetry import symmetry_rotations

    try:
        symmetry_rotations(symmetry)
    except ValueError as error:
        raise WrongWords(f"--symmetry {symmetry}: {error}") from error
    if not name.strip() or "/" in name:
        raise WrongWords(f"--name {name!r}: give a name without slashes")
    if diameter_angstrom is not None and not diameter_angstrom > 0:
        raise WrongWords(f"--diameter {diameter_angstrom:g}: give Angstrom above zero")
    return ParticleSet(
        name=name, species=species, diameter_angstrom=diameter_angstrom, symmetry=symmetry
    )


def known_set(project: Project, name: str) -> ParticleSet:
    """Return a particle set by its name.

    Raises
    ------
    WrongWords
        When there is none of that name.
    """
    found = project.particle_set_named(name)
    if found is None:
        there = ", ".join(one.name for one in project.particle_sets()) or "none yet"
        raise WrongWords(f"there is no particle set {name}; there are {there}")
    return found


def _summary(project: Project, one: ParticleSet, series: dict[str, str]) -> dict[str, Any]:
    decisions, n_in = project.particle_totals(one.uid)
    tomograms: Counter[str] = Counter()
    for tomogram_uid, n in n_in.items():
        tomograms[series[tomogram_uid]] += n
    return {
        "uid": one.uid,
        "name": one.name,
        "species": one.species,
        "diameter_angstrom": one.diameter_angstrom,
        "symmetry": one.symmetry,
        "made_by": one.made_by,
        "parent_uid": one.parent_uid,
        "particles": sum(decisions.values()),
        "decisions": {verdict: decisions[verdict] for verdict in _VERDICTS},
        "tomograms": tomograms,
    }
