"""Particles from files into the project."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.options import JsonOption, ProjectOption, open_project, print_json
from tomotui.cli.particles import known_set, new_set
from tomotui.cli.tomograms import names_of_tomograms, needed_tomograms
from tomotui.project import Project
from tomotui.records import Particle, ParticleSet

if TYPE_CHECKING:
    from tomotui.formats.known_tomograms import KnownTomogram

Format = Literal["csv", "relion", "dynamo", "eman", "imod", "copick"]

SAME_SHARE = 0.25
"""Of the diameter: two particles nearer than this are one."""
_SAME_ANGSTROM = 1.0
"""The same where no diameter is known."""


def import_particles(
    particles: Path,
    /,
    *,
    project: ProjectOption = None,
    format_: Annotated[Format | None, Parameter(name="--format")] = None,
    tomogram: str | None = None,
    name: str | None = None,
    into: str | None = None,
    species: str = "particle",
    diameter: float | None = None,
    symmetry: str = "C1",
    decision: Literal["accepted", "undecided"] | None = None,
    object_: Annotated[str | None, Parameter(name="--object")] = None,
    map_: Annotated[Path | None, Parameter(name="--map")] = None,
    tomogram_size: tuple[int, int, int] | None = None,
    tomogram_pixel_size: float | None = None,
    json: JsonOption = False,
) -> int:
    """Take particles into the project: CSV, RELION, Dynamo, EMAN2, IMOD or copick.

    Example: `tomotui import-particles ribosomes.star --species ribosome -p ~/data/cells`

    Example: `tomotui import-particles more.tbl --into ribosomes --decision accepted`

    Parameters
    ----------
    particles
        A table (.csv), RELION's particles or optimisation set (.star), a Dynamo table (.tbl), an
        info file of EMAN2 (.json), a model of IMOD (.mod), picks (.json) or the folder of copick.
    project
        Project folder; the present one by default.
    format_
        csv, relion, dynamo, eman, imod or copick; by the file's ending by default.
    tomogram
        Tilt series whose tomogram the particles lie in, where the file does not tell.
    name
        Name of the new particle set; that of the file by default.
    into
        Particle set to add to; what is within a quarter of the diameter of its particles is
        left out.
    species
        What the particles are.
    diameter
        Their diameter in Angstrom.
    symmetry
        Their symmetry, such as C2 or O.
    decision
        accepted or undecided, for all; as the file says by default, else undecided.
    object_
        Only what the file calls so: a class of EMAN2, an object of IMOD or copick.
    map_
        Which file each tomogram number of a Dynamo table stands for; the .doc beside it by default.
    tomogram_size
        Voxels along x, y and z of the tomogram that the file counts in, if it was not this one.
    tomogram_pixel_size
        Angstrom per voxel of that tomogram.
    json
        Print JSON for scripts.
    """
    if (tomogram_size is None) != (tomogram_pixel_size is None):
        raise WrongWords("--tomogram-size and --tomogram-pixel-size go together")
    if tomogram_pixel_size is not None and not tomogram_pixel_size > 0:
        raise WrongWords(f"--tomogram-pixel-size {tomogram_pixel_size:g}: give one above zero")
    if tomogram_size is not None and min(tomogram_size) < 1:
        raise WrongWords("--tomogram-size: give the voxels along x, y and z")
    if into is not None and (name is not None or diameter is not None):
        raise WrongWords("--into takes the name and the diameter of the set: leave them out")
    wanted = None if into else new_set(name or particles.stem, species, diameter, symmetry)
    from tomotui.formats.particle_files import ReadingWords, format_of, read_particles

    path = particles.expanduser()
    words = ReadingWords(tomogram, tomogram_size, tomogram_pixel_size, object_, map_)
    with open_project(project) as opened:
        tomograms = needed_tomograms(opened, tomogram)
        target = target_set(opened, wanted, into)
        kind = format_ or format_of(path)
        read = [p for p in read_particles(path, kind, tomograms, words) if p.decision != "removed"]
        if not read:
            raise WorkFailed(f"{path} holds no particles; nothing was taken over")
        outside = _outside(path, read, tomograms)
        if decision is not None:
            read = [particle.replace(decision=decision) for particle in read]
        skipped = keep_particles(opened, target, read, is_new=into is None)
        series = names_of_tomograms(opened)
    counts = Counter(series[one.tomogram_uid] for one in read)
    if json:
        print_json(
            {
                "uid": target.uid,
                "name": target.name,
                "format": kind,
                "particles": len(read) - skipped,
                "skipped": skipped,
                "outside": outside,
                "tomograms": counts,
            }
        )
        return 0
    print(f"took over {len(read) - skipped} particles as {target.name}")
    if skipped:
        print(
            f"left out {skipped} that are within {apart_angstrom(target):.0f} A of particles there"
        )
    if outside:
        print(f"warning: {outside} lie outside their tomogram", file=sys.stderr)
    return 0


def target_set(project: Project, wanted: ParticleSet | None, into: str | None) -> ParticleSet:
    """Return the set to add to: one that is there, or the new one.

    Raises
    ------
    WorkFailed
        When there is a set of the new one's name already.
    WrongWords
        When the set to add to is not there.
    """
    if wanted is None:
        return known_set(project, into or "")
    if project.particle_set_named(wanted.name) is not None:
        raise WorkFailed(
            f"the project has a particle set {wanted.name} already; choose another --name, or add "
            f"to it with --into {wanted.name}"
        )
    return wanted


def keep_particles(
    project: Project, target: ParticleSet, particles: Sequence[Particle], is_new: bool
) -> int:
    """Keep the particles; returns how many were there already."""
    from tomotui.project.merging import add_apart

    if is_new:
        with project.at_once():
            project.add_records([target])
            project.add_particles(target.uid, particles)
        return 0
    return add_apart(
        project, target.uid, particles, apart_angstrom(target), names_of_tomograms(project)
    )


def apart_angstrom(target: ParticleSet) -> float:
    """Return how near two particles of a set must be to be one."""
    diameter = target.diameter_angstrom
    return _SAME_ANGSTROM if diameter is None else SAME_SHARE * diameter


def _outside(
    path: Path, particles: Sequence[Particle], tomograms: Mapping[str, KnownTomogram]
) -> int:
    """Return how many particles lie outside their tomogram.

    Raises
    ------
    WorkFailed
        When most of them do: then the file counts in another tomogram.
    """
    import numpy as np

    from tomotui.formats.known_tomograms import positions_of

    by_uid = {one.uid: one for one in tomograms.values()}
    places = positions_of(particles)
    edges = np.array(
        [
            np.array(by_uid[p.tomogram_uid].size_xyz) * by_uid[p.tomogram_uid].pixel_size_angstrom
            for p in particles
        ]
    )
    n = int((np.abs(places) > edges / 2 + 1).any(axis=1).sum())
    if 2 * n > len(particles):
        raise WorkFailed(
            f"{n} of the {len(particles)} particles of {path} lie outside the tomogram; nothing "
            "was taken over. Say with --tomogram-size and --tomogram-pixel-size which tomogram "
            "the file counts in"
        )
    return n
