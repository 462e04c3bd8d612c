"""Writing records for other programs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.options import (
    JsonOption,
    OnOption,
    ProjectOption,
    chosen_series,
    matching,
    open_project,
    print_json,
)
from tomotui.cli.particles import tomogram_uids
from tomotui.project import Project
from tomotui.records import Alignment, Ctf, Map, Particle, ParticleSet, TiltSeries, Tomogram

FORMATS = {
    "alignment": ("imod", "aretomo", "relion"),
    "ctf": ("relion", "imod", "ctffind"),
    "tomogram": ("mrc",),
    "particles": ("csv", "relion"),
    "map": ("mrc",),
}
_SUFFIXES = {
    ("alignment", "imod"): ".xf",
    ("alignment", "aretomo"): ".aln",
    ("ctf", "imod"): ".defocus",
    ("ctf", "ctffind"): ".txt",
    ("tomogram", "mrc"): ".mrc",
    ("particles", "csv"): ".csv",
    ("particles", "relion"): ".star",
    ("map", "mrc"): ".mrc",
}
"""Endings of outputs that may be named as a file; the others are folders always."""


def export(
    what: str,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    format_: Annotated[str, Parameter(name="--format")] = "",
    project: ProjectOption = None,
    on: OnOption = None,
    restored: bool = False,
    json: JsonOption = False,
) -> int:
    """Write alignments, CTFs, tomograms, particles or maps for other programs.

    Example: `tomotui export alignment --format imod -o imod/ -p ~/data/cells`

    Parameters
    ----------
    what
        alignment, ctf, tomogram, particles or map.
    output
        Folder to write into, or the file where a single one is written (such as picks.csv).
    format_
        alignment: imod, aretomo, relion. ctf: relion, imod (.defocus), ctffind (text, as AreTomo).
        particles: csv, relion. tomogram, map: mrc.
        The first of them by default.
    project
        Project folder; the present one by default.
    on
        Tilt series (or particle sets, or maps) by name or pattern; all by default.
    restored
        Tomograms as a network has restored them, not as they were measured.
    json
        Print the paths as JSON; otherwise one a line.
    """
    if restored and what != "tomogram":
        raise WrongWords(f"--restored: there are restored tomograms only, not {what}")
    if what not in FORMATS:
        raise WrongWords(f"export {what}: there are {', '.join(FORMATS)}")
    chosen = format_ or FORMATS[what][0]
    if chosen not in FORMATS[what]:
        raise WrongWords(f"--format {chosen}: {what} can be {', '.join(FORMATS[what])}")
    place = _Place(output.expanduser(), _SUFFIXES.get((what, chosen), ""))
    writers: dict[str, Callable[[Project, Sequence[str], _Place], list[Path]]] = {
        "imod": _imod if what == "alignment" else _imod_defocus,
        "aretomo": _aretomo,
        "relion": _relion if what != "particles" else _particles,
        "ctffind": _ctf_text,
        "csv": _particles,
        "mrc": partial(_tomograms, restored=restored) if what == "tomogram" else _maps,
    }
    with open_project(project, read_only=True) as opened:
        written = writers[chosen](opened, on or [], place)
    if not written:
        which = f"restored {what}" if restored else what
        raise WorkFailed(f"the project has no {which} to export yet")
    if json:
        print_json([str(path) for path in written])
    else:
        print("\n".join(map(str, written)))
    return 0


@dataclass(frozen=True)
class _Place:
    """Where to write: a folder, or one file when the output ends as such a file does."""

    output: Path
    suffix: str

    @property
    def is_file(self) -> bool:
        ending = self.suffix and self.output.suffix.lower() == self.suffix
        return bool(ending) and not self.output.is_dir()

    def files(self, names: Sequence[str]) -> list[Path]:
        """Return the file of each name, and make the folder.

        Raises
        ------
        WrongWords
            When several files should go into one.
        """
        if self.is_file and len(names) > 1:
            raise WrongWords(
                f"--output {self.output} is one file, and there are {len(names)} to write: "
                "give a folder, or choose one with --on"
            )
        self.folder(bool(names))
        if self.is_file:
            return [self.output for _ in names]
        return [self.output / f"{name}{self.suffix}" for name in names]

    def folder(self, needed: bool) -> Path:
        """Return the folder to write into; made when something will be written."""
        folder = self.output.parent if self.is_file else self.output
        if needed:
            folder.mkdir(parents=True, exist_ok=True)
        return folder


def _aligned(project: Project, names: Sequence[str]) -> list[tuple[TiltSeries, Alignment]]:
    pairs = [(s, project.latest("alignment", s.uid)) for s in chosen_series(project, names)]
    return [(series, found) for series, found in pairs if isinstance(found, Alignment)]


def _imod(project: Project, names: Sequence[str], place: _Place) -> list[Path]:
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


def _aretomo(project: Project, names: Sequence[str], place: _Place) -> list[Path]:
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


def _imod_defocus(project: Project, names: Sequence[str], place: _Place) -> list[Path]:
    from tomotui.formats.imod_defocus import write_imod_defocus

    pairs = _with_ctf(project, names)
    paths = place.files([series.name for series, _ in pairs])
    for (series, ctf), path in zip(pairs, paths, strict=True):
        angles = [tilt.nominal_tilt_deg for tilt in series.tilts]
        alignment = project.latest("alignment", series.uid)
        if isinstance(alignment, Alignment) and len(alignment.tilts) == len(angles):
            angles = [tilt.tilt_deg for tilt in alignment.tilts]
        _whole(path, partial(write_imod_defocus, ctf, tilt_deg=angles))
    return paths


def _ctf_text(project: Project, names: Sequence[str], place: _Place) -> list[Path]:
    from tomotui.formats.aretomo_ctf import write_ctf_text

    pairs = _with_ctf(project, names)
    paths = place.files([series.name for series, _ in pairs])
    for (_, ctf), path in zip(pairs, paths, strict=True):
        _whole(path, partial(write_ctf_text, ctf))
    return paths


def _relion(project: Project, names: Sequence[str], place: _Place) -> list[Path]:
    from tomotui.formats.relion import write_relion

    entries: list[tuple[TiltSeries, Alignment, Ctf | None]] = []
    for series, alignment in _aligned(project, names):
        ctf = project.latest("ctf", series.uid)
        entries.append((series, alignment, ctf if isinstance(ctf, Ctf) else None))
    folder = place.folder(bool(entries))
    return [write_relion(folder, entries)] if entries else []


def _tomograms(
    project: Project, names: Sequence[str], place: _Place, *, restored: bool
) -> list[Path]:
    series = chosen_series(project, names)
    found = [(one.name, project.newest_tomogram(one.uid, restored)) for one in series]
    volumes = {name: one.path for name, one in found if one is not None}
    return _copied(project, volumes, place)


def _maps(project: Project, names: Sequence[str], place: _Place) -> list[Path]:
    # A later record of the same name takes the place of the earlier one.
    maps = {one.name: one.path for one in project.records("map") if isinstance(one, Map)}
    chosen = matching(maps, names, "map")
    return _copied(project, {name: maps[name] for name in chosen}, place)


def _copied(project: Project, volumes: dict[str, str], place: _Place) -> list[Path]:
    sources = [project.folder / path for path in volumes.values()]
    for source in sources:
        if not source.is_file():
            raise WorkFailed(f"{source} is missing; run the stage that made it again")
    paths = place.files(list(volumes))
    for source, path in zip(sources, paths, strict=True):
        _whole(path, partial(shutil.copyfile, source))
    return paths


def _particles(project: Project, names: Sequence[str], place: _Place) -> list[Path]:
    series_of = {uid: name for name, uid in tomogram_uids(project).items()}
    for tomogram in project.records("tomogram"):
        if isinstance(tomogram, Tomogram) and tomogram.uid not in series_of:
            owner = project.record(tomogram.series_uid)
            series_of[tomogram.uid] = owner.name if isinstance(owner, TiltSeries) else ""
    records = project.records("particle_set")
    sets = {one.name: one.uid for one in records if isinstance(one, ParticleSet)}
    chosen = matching(sets, names, "particle set")
    paths = place.files(chosen)
    for name, path in zip(chosen, paths, strict=True):
        particles = project.particles(sets[name])
        _whole(path, partial(_write_particles, particles, series_of))
    return paths


def _write_particles(particles: list[Particle], names: dict[str, str], path: Path) -> None:
    if path.suffix == ".csv":
        from tomotui.formats.particles_csv import write_particles_csv

        write_particles_csv(path, particles, names)
        return
    from tomotui.formats.relion_particles import write_relion_particles

    write_relion_particles(path, particles, names)


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let a file appear whole or not at all."""
    unfinished = path.with_name(f".partial-{path.name}")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
