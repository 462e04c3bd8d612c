"""Averaged maps: listing them."""

from __future__ import annotations

from typing import Any

from tomotui.cli.options import JsonOption, ProjectOption, open_project, print_json, print_table
from tomotui.project import Project
from tomotui.records import Map, ParticleSet


def list_maps(*, project: ProjectOption = None, json: JsonOption = False) -> int:
    """List the averaged maps, newest last: their resolution, and what they were made from.

    Example: `tomotui maps -p ~/data/cells`

    Parameters
    ----------
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts, with the files of each.
    """
    with open_project(project, read_only=True) as opened:
        maps = [one for one in opened.records("map") if isinstance(one, Map)]
        sets = _set_names(opened)
    if json:
        print_json([_described(one, sets) for one in maps])
        return 0
    header = ["map", "resolution", "particles", "box", "pixel", "symmetry", "made by", "set", "id"]
    rows = [
        [
            one.name,
            "-" if one.resolution_angstrom is None else f"{one.resolution_angstrom:.1f} A",
            "-" if one.n_particles is None else str(one.n_particles),
            str(max(one.size_xyz)),
            f"{one.pixel_size_angstrom:.2f} A",
            one.symmetry,
            one.made_by or "-",
            sets.get(one.particle_set_uid or "", "-"),
            one.uid,
        ]
        for one in maps
    ]
    print_table(header, rows)
    return 0


def _set_names(project: Project) -> dict[str, str]:
    sets = (one for one in project.records("particle_set") if isinstance(one, ParticleSet))
    return {one.uid: one.name for one in sets}


def _described(one: Map, sets: dict[str, str]) -> dict[str, Any]:
    return {
        **one.model_dump(mode="json", exclude={"kind"}),
        "particle_set": sets.get(one.particle_set_uid or ""),
    }
