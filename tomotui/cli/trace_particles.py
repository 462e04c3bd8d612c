"""Particles along traced filaments and over traced membranes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.import_particles import apart_angstrom, keep_particles, target_set
from tomotui.cli.options import JsonOption, ProjectOption, open_project, print_json
from tomotui.cli.particles import new_set
from tomotui.cli.tomograms import needed_tomograms


def trace_particles(
    contours: Path,
    /,
    *,
    spacing: float,
    surface: bool = False,
    closed: Annotated[bool | None, Parameter(name="--closed", negative="--open")] = None,
    smooth: float = 0.0,
    ball: float | None = None,
    name: str | None = None,
    into: str | None = None,
    species: str = "particle",
    diameter: float | None = None,
    symmetry: str = "C1",
    tomogram: str | None = None,
    object_: Annotated[str | None, Parameter(name="--object")] = None,
    tomogram_size: tuple[int, int, int] | None = None,
    tomogram_pixel_size: float | None = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> int:
    """Put particles along traced filaments, or evenly over traced membranes (--surface).

    Along a filament their z axes follow it, from the first point to the last; over a membrane
    they point outward. Rot is 0: how a particle is turned about its axis is not known.

    Example: `tomotui particles curve microtubules.mod --spacing 41 --smooth 15 -p ~/data/cells`

    Example: `tomotui particles curve vesicles.mod --surface --spacing 80 --name spike`

    Parameters
    ----------
    contours
        A model of IMOD (.mod), or a CSV with the columns tomogram,object,contour,x,y,z in Angstrom
        from the tomogram's centre. Each contour is a curve; each object is one surface.
    spacing
        Angstrom from one particle to the next.
    surface
        The contours of an object lie on a closed surface, in several slices; where they end it is
        left open. A single contour is points all over it.
    closed
        Join the ends of curves, or not (--open); as the model says by default.
    smooth
        Angstrom by which a curve may pass its points.
    ball
        Radius in Angstrom of a ball that wraps a surface that is not convex: just greater than
        the distances of its points.
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
    tomogram
        Tilt series whose tomogram was traced, where the file does not tell.
    object_
        Only the object of this name or number.
    tomogram_size
        Voxels along x, y and z of the tomogram that a model counts in, if it was not this one.
    tomogram_pixel_size
        Angstrom per voxel of that tomogram.
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    for word, value in {"spacing": spacing, "ball": ball}.items():
        if value is not None and not value > 0:
            raise WrongWords(f"--{word} {value:g}: give Angstrom above zero")
    if not smooth >= 0:
        raise WrongWords(f"--smooth {smooth:g}: give Angstrom, not below zero")
    if surface and (closed is not None or smooth):
        raise WrongWords("--closed, --open, --smooth: for curves, not with --surface")
    if ball is not None and not surface:
        raise WrongWords("--ball: with --surface only")
    if (tomogram_size is None) != (tomogram_pixel_size is None):
        raise WrongWords("--tomogram-size and --tomogram-pixel-size go together")
    wanted = None if into else new_set(name or contours.stem, species, diameter, symmetry)
    from tomotui.formats.contours import read_contours
    from tomotui.formats.particle_files import ReadingWords
    from tomotui.project.tracing import (
        TracingError,
        TracingRules,
        particles_along,
        particles_over,
    )

    with open_project(project) as opened:
        words = ReadingWords(tomogram, tomogram_size, tomogram_pixel_size)
        tomograms = words.applied(needed_tomograms(opened, tomogram))
        target = target_set(opened, wanted, into)
        traced = read_contours(
            contours.expanduser(),
            tomograms,
            tomogram=tomogram,
            is_said=tomogram_size is not None,
            only=object_,
        )
        uids = {one: known.uid for one, known in tomograms.items()}
        rules = TracingRules(spacing, closed, smooth, ball)
        try:
            made = (particles_over if surface else particles_along)(traced, uids, rules)
        except TracingError as error:
            raise WorkFailed(f"{contours}: {error}; nothing was made") from error
        skipped = keep_particles(opened, target, made, is_new=into is None)
    n = len(made) - skipped
    if json:
        print_json(
            {
                "uid": target.uid,
                "name": target.name,
                "contours": len(traced),
                "particles": n,
                "skipped": skipped,
            }
        )
        return 0
    print(f"made {n} particles of {len(traced)} contours in {target.name}")
    if skipped:
        print(f"left out {skipped} that are within {apart_angstrom(target):.0f} A of others there")
    return 0
