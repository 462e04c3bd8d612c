"""Particles along traced filaments and over traced membranes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.into_sets import SetWords, VoxelWords, tell_skipped
from tomotui.cli.options import JsonOption, ProjectOption, open_project, print_json
from tomotui.cli.tomograms import needed_tomograms

if TYPE_CHECKING:
    from tomotui.formats.contours import Contour
    from tomotui.formats.known_tomograms import KnownTomogram


def trace_particles(
    contours: Path,
    /,
    *,
    spacing: float,
    surface: bool = False,
    closed: Annotated[bool | None, Parameter(name="--closed", negative="--open")] = None,
    smooth: float = 0.0,
    ball: float | None = None,
    words: SetWords | None = None,
    voxels: VoxelWords | None = None,
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
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    words, voxels = words or SetWords(), voxels or VoxelWords()
    voxels.check()
    _check(spacing, surface, closed, smooth, ball)
    wanted = words.wanted(contours.stem)
    from tomotui.project.tracing import TracingError, TracingRules, particles_along, particles_over

    with open_project(project) as opened:
        tomograms = needed_tomograms(opened, voxels.tomogram)
        target = words.target(opened, wanted)
        traced = _read(contours.expanduser(), voxels, tomograms)
        uids = {name: known.uid for name, known in tomograms.items()}
        rules = TracingRules(spacing, closed, smooth, ball)
        try:
            made = (particles_over if surface else particles_along)(traced, uids, rules)
        except TracingError as error:
            raise WorkFailed(f"{contours}: {error}; nothing was made") from error
        skipped = words.keep(opened, target, made)
    n = len(made) - skipped
    if json:
        numbers = {"contours": len(traced), "particles": n, "skipped": skipped}
        print_json({"uid": target.uid, "name": target.name, **numbers})
        return 0
    print(f"made {n} particles of {len(traced)} contours in {target.name}")
    tell_skipped(skipped, target)
    return 0


def _check(
    spacing: float, surface: bool, closed: bool | None, smooth: float, ball: float | None
) -> None:
    for word, value in {"spacing": spacing, "ball": ball}.items():
        if value is not None and not value > 0:
            raise WrongWords(f"--{word} {value:g}: give Angstrom above zero")
    if not smooth >= 0:
        raise WrongWords(f"--smooth {smooth:g}: give Angstrom, not below zero")
    if surface and (closed is not None or smooth):
        raise WrongWords("--closed, --open, --smooth: for curves, not with --surface")
    if ball is not None and not surface:
        raise WrongWords("--ball: with --surface only")


def _read(path: Path, voxels: VoxelWords, tomograms: Mapping[str, KnownTomogram]) -> list[Contour]:
    from tomotui.formats.contours import read_contours
    from tomotui.formats.particle_files import ReadingWords

    words = ReadingWords(voxels.tomogram, voxels.tomogram_size, voxels.tomogram_pixel_size)
    return read_contours(
        path,
        words.applied(tomograms),
        tomogram=voxels.tomogram,
        is_said=voxels.tomogram_size is not None,
        only=voxels.object_,
    )
