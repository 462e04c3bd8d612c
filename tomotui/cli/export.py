"""Writing records for other programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.export_datasets import export_dataset
from tomotui.cli.export_maps import MapPart, copied, export_maps
from tomotui.cli.export_particles import Filter, export_particles
from tomotui.cli.options import (
    DecisionOption,
    JsonOption,
    OnOption,
    ProjectOption,
    chosen_series,
    matching,
    open_project,
    print_json,
)
from tomotui.cli.places import Place, whole
from tomotui.project import Project
from tomotui.records import Alignment, Ctf, Network, TiltSeries

FORMATS = {
    "alignment": ("imod", "aretomo", "relion", "warp", "portal"),
    "ctf": ("relion", "imod", "ctffind"),
    "tomogram": ("mrc",),
    "particles": ("csv", "relion", "dynamo", "eman", "imod", "copick", "portal"),
    "dataset": ("relion", "etomo", "aretomo", "portal"),
    "map": ("mrc",),
    "network": ("safetensors",),
}
_SUFFIXES = {
    ("alignment", "imod"): ".xf",
    ("alignment", "aretomo"): ".aln",
    ("alignment", "portal"): ".json",
    ("ctf", "imod"): ".defocus",
    ("ctf", "ctffind"): ".txt",
    ("tomogram", "mrc"): ".mrc",
    ("map", "mrc"): ".mrc",
    ("network", "safetensors"): ".safetensors",
}
"""Endings of outputs that may be named as a file; the others are folders always."""


def export(
    what: str,
    names: list[str] | None = None,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    format_: Annotated[str, Parameter(name="--format")] = "",
    project: ProjectOption = None,
    on: OnOption = None,
    restored: bool = False,
    part: Annotated[MapPart, Parameter(name="--what")] = "final",
    decision: DecisionOption = None,
    class_: Annotated[list[int] | None, Parameter(name="--class", consume_multiple=True)] = None,
    min_score: float | None = None,
    particles: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    json: JsonOption = False,
) -> int:
    """Write alignments, CTFs, tomograms, particles, maps or networks for other programs.

    A dataset is all of them together, in the folders of another program; stacks are linked to.

    Example: `tomotui export alignment --format imod -o imod/ -p ~/data/cells`

    Example: `tomotui export map ribosome --what half1 -o half1.mrc`

    Example: `tomotui export particles ribosome --format relion --decision accepted -o picks.star`

    Example: `tomotui export dataset --format relion --particles ribosome -o relion/tomotui`

    Parameters
    ----------
    what
        alignment, ctf, tomogram, particles, map, network or dataset.
    names
        The same as --on.
    output
        Folder to write into, or the file where a single one is written (such as picks.csv).
    format_
        alignment: imod, aretomo, relion, warp (with the CTF), portal (CryoET data portal).
        ctf: relion, imod (.defocus), ctffind (text, as AreTomo).
        particles: csv, relion, dynamo, eman (info/*.json), imod (models), copick, portal.
        dataset: relion (optimisation set; start RELION in the folder above), etomo, aretomo,
        portal.
        tomogram, map: mrc. network: safetensors. The first of them by default.
    project
        Project folder; the present one by default.
    on
        Tilt series (or particle sets, maps, networks) by name or pattern; all by default.
    restored
        Tomograms as a network has restored them, not as they were measured.
    part
        Of maps: the final one (by default), a half map, the mask, the unfiltered map, or the
        local resolution.
    decision
        Particles judged so: accepted, rejected, unsure, undecided. By default all but the
        rejected; all into csv, which keeps what was decided.
    class_
        Particles of these classes.
    min_score
        Particles of at least this score.
    particles
        Sets that go into a dataset of relion or portal; all by default.
    json
        Print the paths as JSON; otherwise one a line.
    """
    if restored and what != "tomogram":
        raise WrongWords(f"--restored: there are restored tomograms only, not {what}")
    if part != "final" and what != "map":
        raise WrongWords(f"--what {part}: for maps only, not {what}")
    if what not in FORMATS:
        raise WrongWords(f"export {what}: there are {', '.join(FORMATS)}")
    chosen = format_ or FORMATS[what][0]
    if chosen not in FORMATS[what]:
        raise WrongWords(f"--format {chosen}: {what} can be {', '.join(FORMATS[what])}")
    filter_ = Filter(tuple(decision or ()), tuple(class_ or ()), min_score)
    if what not in ("particles", "dataset") and not filter_.is_empty:
        raise WrongWords(f"--decision, --class, --min-score: for particles only, not {what}")
    if particles and what != "dataset":
        raise WrongWords(f"--particles: for a dataset only, not {what}")
    wanted = [*(names or []), *(on or [])]
    if what == "particles":
        with open_project(project, read_only=True) as opened:
            written = export_particles(opened, wanted, chosen, output.expanduser(), filter_)
        return _report(what, written, json)
    if what == "dataset":
        with open_project(project, read_only=True) as opened:
            written = export_dataset(
                opened, wanted, chosen, output.expanduser(), particles or [], filter_
            )
        return _report("aligned tilt series", written, json)
    place = Place(output.expanduser(), _SUFFIXES.get((what, chosen), ""))
    writers: dict[str, Callable[[Project, Sequence[str], Place], list[Path]]] = {
        "imod": _imod if what == "alignment" else _imod_defocus,
        "aretomo": _aretomo,
        "relion": _relion,
        "warp": _warp,
        "portal": _portal,
        "ctffind": _ctf_text,
        "safetensors": _networks,
        "mrc": partial(_tomograms, restored=restored)
        if what == "tomogram"
        else partial(export_maps, part=part),
    }
    with open_project(project, read_only=True) as opened:
        written = writers[chosen](opened, wanted, place)
    return _report(f"restored {what}" if restored else what, written, json)


def _report(which: str, written: Sequence[Path], json: bool) -> int:
    if not written:
        raise WorkFailed(f"the project has no {which} to export yet")
    if json:
        print_json([str(path) for path in written])
    else:
        print("\n".join(map(str, written)))
    return 0


def _aligned(project: Project, names: Sequence[str]) -> list[tuple[TiltSeries, Alignment]]:
    pairs = [(s, project.latest("alignment", s.uid)) for s in chosen_series(project, names)]
    return [(series, found) for series, found in pairs if isinstance(found, Alignment)]


def _imod(project: Project, names: Sequence[str], place: Place) -> list[Path]:
    from tomotui.formats.imod import write_imod

    pairs = _aligned(project, names)
    written: list[Path] = []
    for (series, alignment), path in zip(
        pairs, place.files([s.name for s, _ in pairs]), strict=True
    ):
        written += write_imod(
            alignment,
            path.parent / path.name.removesuffix(place.suffix),
            image_size_px=(series.width_px, series.height_px),
            pixel_size_angstrom=series.pixel_size_angstrom,
        )
    return written


def _aretomo(project: Project, names: Sequence[str], place: Place) -> list[Path]:
    from tomotui.formats.aretomo import write_aln

    pairs = _aligned(project, names)
    paths = place.files([series.name for series, _ in pairs])
    for (series, alignment), path in zip(pairs, paths, strict=True):
        write_aln(
            alignment,
            path,
            image_size_px=(series.width_px, series.height_px),
            pixel_size_angstrom=series.pixel_size_angstrom,
        )
    return paths


def _with_ctf(project: Project, names: Sequence[str]) -> list[tuple[TiltSeries, Ctf]]:
    pairs = [(s, project.latest("ctf", s.uid)) for s in chosen_series(project, names)]
    return [(series, found) for series, found in pairs if isinstance(found, Ctf)]


def _imod_defocus(project: Project, names: Sequence[str], place: Place) -> list[Path]:
    from tomotui.formats.imod_defocus import write_imod_defocus

    pairs = _with_ctf(project, names)
    paths = place.files([series.name for series, _ in pairs])
    for (series, ctf), path in zip(pairs, paths, strict=True):
        angles = [tilt.nominal_tilt_deg for tilt in series.tilts]
        alignment = project.latest("alignment", series.uid)
        if isinstance(alignment, Alignment) and len(alignment.tilts) == len(angles):
            angles = [tilt.tilt_deg for tilt in alignment.tilts]
        whole(path, partial(write_imod_defocus, ctf, tilt_deg=angles))
    return paths


def _ctf_text(project: Project, names: Sequence[str], place: Place) -> list[Path]:
    from tomotui.formats.aretomo_ctf import write_ctf_text

    pairs = _with_ctf(project, names)
    paths = place.files([series.name for series, _ in pairs])
    for (_, ctf), path in zip(pairs, paths, strict=True):
        whole(path, partial(write_ctf_text, ctf))
    return paths


def _relion(project: Project, names: Sequence[str], place: Place) -> list[Path]:
    from tomotui.formats.relion_writing import write_relion

    entries: list[tuple[TiltSeries, Alignment, Ctf | None]] = []
    for series, alignment in _aligned(project, names):
        ctf = project.latest("ctf", series.uid)
        entries.append((series, alignment, ctf if isinstance(ctf, Ctf) else None))
    folder = place.folder(bool(entries))
    return [write_relion(folder, entries)] if entries else []


def _portal(project: Project, names: Sequence[str], place: Place) -> list[Path]:
    from tomotui.formats.portal import write_portal_alignment

    pairs = _aligned(project, names)
    paths = place.files([series.name for series, _ in pairs])
    for (series, alignment), path in zip(pairs, paths, strict=True):
        write = partial(
            write_portal_alignment,
            alignment,
            image_size_px=(series.width_px, series.height_px),
            pixel_size_angstrom=series.pixel_size_angstrom,
        )
        whole(path, write)
    return paths


def _warp(project: Project, names: Sequence[str], place: Place) -> list[Path]:
    from tomotui.formats.names import file_name
    from tomotui.formats.warp_rows import write_tomostar
    from tomotui.formats.warp_writing import write_warp

    written: list[Path] = []
    for series, alignment in _aligned(project, names):
        ctf = project.latest("ctf", series.uid)
        folder = place.folder(True)
        images = [f"{series.name}_{tilt.index + 1:03d}.mrc" for tilt in series.tilts]
        prior = [tilt.prior_dose_e_per_a2 for tilt in series.tilts]
        xml, tomostar = (folder / f"{file_name(series.name)}{end}" for end in (".xml", ".tomostar"))
        whole(
            xml,
            partial(
                write_warp,
                alignment,
                image_size_px=(series.width_px, series.height_px),
                pixel_size_angstrom=series.pixel_size_angstrom,
                prior_dose_e_per_a2=prior,
                image_names=images,
                ctf=ctf if isinstance(ctf, Ctf) else None,
            ),
        )
        tilts = [tilt.tilt_deg for tilt in alignment.tilts]
        write_tomostar(tomostar, images, tilts, alignment.axis_deg, prior)
        written += [xml, tomostar]
    return written


def _tomograms(
    project: Project, names: Sequence[str], place: Place, *, restored: bool
) -> list[Path]:
    series = chosen_series(project, names)
    found = [(one.name, project.newest_tomogram(one.uid, restored)) for one in series]
    volumes = {name: one.path for name, one in found if one is not None}
    return copied(project, volumes, place)


def _networks(project: Project, names: Sequence[str], place: Place) -> list[Path]:
    # A later record of the same purpose and name takes the place of the earlier one.
    networks = {
        f"{one.purpose}-{one.name}": one.path
        for one in project.records("network")
        if isinstance(one, Network)
    }
    chosen = matching(networks, names, "network")
    return copied(project, {name: networks[name] for name in chosen}, place)
