"""Rejecting the particles of a set that rules leave out."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.options import (
    JsonOption,
    OnOption,
    ProjectOption,
    matching,
    open_project,
    print_json,
    print_table,
)
from tomotui.cli.particles import known_set
from tomotui.cli.tomograms import names_of_tomograms, needed_tomograms
from tomotui.project import Project

if TYPE_CHECKING:
    from tomotui.formats.known_tomograms import KnownTomogram
    from tomotui.project.cleaning import Cleaned, Volume

Span = tuple[float, float]


def clean_particles(
    name: str,
    /,
    *,
    project: ProjectOption = None,
    on: OnOption = None,
    duplicates: float | None = None,
    edge: float | None = None,
    top_bottom: float | None = None,
    mask: Annotated[list[Path] | None, Parameter(name="--mask", consume_multiple=True)] = None,
    mask_margin: float = 0.0,
    gold: str | None = None,
    gold_distance: float = 150.0,
    neighbours: Span | None = None,
    membrane: str | None = None,
    membrane_distance: Span = (0.0, 200.0),
    lattice: float | None = None,
    lattice_tolerance: float = 0.25,
    lattice_angle: float = 40.0,
    lattice_neighbours: int = 2,
    lattice_share: float = 0.5,
    dry_run: bool = False,
    undo: bool = False,
    json: JsonOption = False,
) -> int:
    """Reject doubles, and what lies at edges, in carbon, at gold or in bad company.

    All that is rejected is one act: --undo takes back the newest. Rules are asked in the order
    edge, mask, gold, membrane, duplicates, neighbours, lattice.

    Example: `tomotui particles clean ribosome --duplicates 100 --edge 150 --dry-run`

    Example: `tomotui particles clean spike --membrane envelope --membrane-distance 50 150`

    Parameters
    ----------
    name
        The particle set.
    project
        Project folder; the present one by default.
    on
        Only in tomograms of these tilt series, by name or pattern.
    duplicates
        Angstrom; of two particles that are nearer the better stays: accepted, then higher score.
    edge
        Least Angstrom from the faces of the tomogram.
    top_bottom
        The same for top and bottom alone.
    mask
        Volumes (MRC, OME-Zarr) that are above 0.5 where no particle should be (carbon, gold),
        named as the tomogram that they are of; or masks of a run of the CryoET data portal.
    mask_margin
        Angstrom to keep from the mask.
    gold
        Gold beads: a file of points (.csv, .mod, ...) or a particle set.
    gold_distance
        Least Angstrom from a bead's centre.
    neighbours
        Least and greatest Angstrom to the nearest particle.
    membrane
        Membrane: points on it, as a file (.csv, .mod, ...) or a particle set.
    membrane_distance
        Least and greatest Angstrom from the membrane.
    lattice
        Angstrom from neighbour to neighbour in a lattice.
    lattice_tolerance
        Share of that distance by which a neighbour may be off.
    lattice_angle
        Greatest angle in degrees between the axes of neighbours, where poses are known.
    lattice_neighbours
        Good neighbours that a particle must have.
    lattice_share
        Share of its neighbours that must be good.
    dry_run
        Only count.
    undo
        Take back the newest cleaning of the set, and do nothing else.
    json
        Print JSON for scripts.
    """
    asked = [duplicates, edge, top_bottom, mask, gold, neighbours, membrane, lattice]
    if undo:
        if any(one is not None for one in asked) or dry_run:
            raise WrongWords("--undo goes alone")
        return _undo(project, name, json)
    if all(one is None for one in asked):
        raise WrongWords("say what to leave out; see tomotui particles clean --help")
    lengths = {"duplicates": duplicates, "edge": edge, "top-bottom": top_bottom,
               "lattice": lattice, "gold-distance": gold_distance}  # fmt: skip
    _check(lengths, {"neighbours": neighbours, "membrane-distance": membrane_distance})
    from tomotui.project.cleaning import CleaningRules, Lattice, clean

    with open_project(project, read_only=dry_run) as opened:
        one = known_set(opened, name)
        tomograms = needed_tomograms(opened)
        tomograms = {key: tomograms[key] for key in matching(tomograms, on or [], "tomogram of")}
        rules = CleaningRules(
            duplicates=duplicates,
            edge=edge,
            top_bottom=top_bottom,
            mask_margin=mask_margin,
            gold=gold_distance if gold else None,
            neighbours=neighbours,
            membrane=membrane_distance if membrane else None,
            lattice=Lattice(
                lattice, lattice_tolerance, lattice_angle, lattice_neighbours, lattice_share
            )
            if lattice
            else None,
            gold_points=points_of(opened, gold, tomograms) if gold else {},
            membrane_points=points_of(opened, membrane, tomograms) if membrane else {},
        )
        found = clean(
            opened,
            one.uid,
            rules,
            _volumes(tomograms, mask or []),
            names_of_tomograms(opened),
            user=getpass.getuser(),
            dry_run=dry_run,
        )
    _tell(name, found, dry_run, json)
    return 0


def points_of(
    project: Project, said: str, tomograms: Mapping[str, KnownTomogram]
) -> dict[str, Any]:
    """Return points as ``[n, 3]`` Angstrom from the centre of each tomogram, by its name.

    Parameters
    ----------
    said
        A particle set, whose rejected particles do not count, or a file of particles.
    """
    from tomotui.formats.known_tomograms import by_tomogram, positions_of
    from tomotui.formats.particle_files import ReadingWords, format_of, read_particles

    known = project.particle_set_named(said)
    if known is not None:
        particles = project.particles(known.uid, decisions=["accepted", "unsure", "undecided"])
        groups = by_tomogram(particles, names_of_tomograms(project))
    else:
        path = Path(said).expanduser()
        if not path.exists():
            raise WrongWords(f"{said} is neither a particle set nor a file")
        alone = next(iter(tomograms)) if len(tomograms) == 1 else None
        particles = read_particles(path, format_of(path), tomograms, ReadingWords(alone))
        groups = by_tomogram(particles, {one.uid: name for name, one in tomograms.items()})
    return {name: positions_of(group) for name, group in groups.items()}


def _check(
    lengths: Mapping[str, float | None], spans: Mapping[str, tuple[float, float] | None]
) -> None:
    for word, value in lengths.items():
        if value is not None and not value > 0:
            raise WrongWords(f"--{word} {value:g}: give Angstrom above zero")
    for word, span in spans.items():
        if span is not None and not 0 <= span[0] < span[1]:
            raise WrongWords(f"--{word} {span[0]:g} {span[1]:g}: give the least, then the greatest")


def _volumes(tomograms: Mapping[str, KnownTomogram], masks: Sequence[Path]) -> dict[str, Volume]:
    """Return the tomograms to clean, with the masks that are of them."""
    from tomotui.formats.known_tomograms import meant_name, voxel_words
    from tomotui.formats.mrc import read_volume
    from tomotui.formats.ome_zarr import read_ome_zarr
    from tomotui.formats.portal_folder import run_of
    from tomotui.project.cleaning import Volume

    found = {name: Volume(one.size_xyz, one.pixel_size_angstrom) for name, one in tomograms.items()}
    for path in masks:
        alone = next(iter(tomograms)) if len(tomograms) == len(masks) == 1 else None
        run = run_of(path.expanduser())
        said = run.name if run is not None else path.stem.removesuffix("_mask")
        name = alone or meant_name(said, tomograms)
        if name is None:
            raise WrongWords(
                f"--mask {path}: no tomogram has that name; call it as the tomogram, or choose the "
                "tomogram with --on"
            )
        is_zarr = path.suffix == ".zarr"
        values, pixel = (
            read_ome_zarr(path.expanduser())
            if is_zarr
            else read_volume(path.expanduser(), scaled=False)
        )
        size = (values.shape[2], values.shape[1], values.shape[0])
        same = tomograms[name].counted_in(size, pixel or None)
        if same is None:
            raise WorkFailed(
                f"{path} has {voxel_words(size, pixel or None)}, the tomogram of {name} has "
                f"{tomograms[name].words()}; give a mask of the same volume, binned or not"
            )
        place = found[name]
        found[name] = Volume(
            place.size_xyz, place.pixel_size_angstrom, values > 0.5, same.pixel_size_angstrom
        )
    return found


def _tell(name: str, found: Cleaned, dry_run: bool, json: bool) -> None:
    if json:
        print_json(
            {
                "set": name,
                "particles": found.n_before,
                "rejected": found.n_rejected,
                "reasons": found.counts,
                "tomograms": found.by_series,
                "dry_run": dry_run,
            }
        )
        return
    rows = [[reason, str(count)] for reason, count in found.counts.items() if count]
    print_table(["reason", "particles"], rows)
    verb = "would be rejected" if dry_run else "are rejected now"
    print(f"{found.n_rejected} of {found.n_before} particles of {name} {verb}")
    if found.n_rejected and not dry_run:
        print(f"tomotui particles clean {name} --undo takes that back")


def _undo(project: Path | None, name: str, json: bool) -> int:
    from tomotui.project.cleaning import undo_cleaning

    with open_project(project) as opened:
        one = known_set(opened, name)
        n = undo_cleaning(opened, one.uid, user=getpass.getuser())
    if not n:
        raise WorkFailed(f"{name} was not cleaned, or all of that is taken back")
    if json:
        print_json({"set": name, "restored": n})
    else:
        print(f"{n} particles of {name} are as they were before")
    return 0
