"""Writing tilt series with all that is known of them, as the folders of other programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.export_particles import Filter, chosen_particles
from tomotui.cli.options import chosen_series, matching
from tomotui.cli.places import whole
from tomotui.cli.tomograms import known_tomogram, names_of_tomograms, written_tomograms
from tomotui.project import Project
from tomotui.records import Alignment, Ctf, Particle, ParticleSet, TiltSeries, Tomogram

if TYPE_CHECKING:
    from tomotui.formats.known_tomograms import KnownTomogram

UNKNOWN_THICKNESS_ANGSTROM = 3000.0
_ROUND_SPECIMEN = 1.4
"""Thickness of a tomogram for that of its specimen."""

WITH_PARTICLES = ("relion", "portal")
"""Formats that hold particles."""


MARK = ".written-by-tomotui"
"""In folders that may be written again: what another program keeps in a folder is not replaced."""


@dataclass(frozen=True)
class _Known:
    """A series with what belongs to it."""

    series: TiltSeries
    stack: Path
    alignment: Alignment
    ctf: Ctf | None
    tomogram: Tomogram | None
    volume: KnownTomogram | None

    @property
    def thickness_px(self) -> int:
        """Thickness of a tomogram in pixels of the images."""
        if self.volume is not None:
            thickness = self.volume.size_xyz[2] * self.volume.pixel_size_angstrom
        elif self.alignment.thickness_angstrom is not None:
            thickness = _ROUND_SPECIMEN * self.alignment.thickness_angstrom
        else:
            thickness = UNKNOWN_THICKNESS_ANGSTROM
        return max(2, 2 * round(thickness / self.series.pixel_size_angstrom / 2))

    @property
    def binning(self) -> float:
        """Pixels of the images for one voxel of the tomogram; 1 without one."""
        if self.volume is None:
            return 1.0
        return self.volume.pixel_size_angstrom / self.series.pixel_size_angstrom


def export_dataset(
    project: Project,
    names: Sequence[str],
    kind: str,
    output: Path,
    sets: Sequence[str],
    chosen: Filter,
) -> list[Path]:
    """Write aligned series as folders of another program; returns the files.

    Parameters
    ----------
    names
        The series, by name or pattern; all that are aligned without any.
    kind
        relion, etomo, aretomo or portal.
    sets
        Particle sets to write along; all without any, where the format holds particles.

    Raises
    ------
    WorkFailed
        When a file is missing, or sets do not go together.
    """
    if sets and kind not in WITH_PARTICLES:
        raise WrongWords(
            f"--particles: {kind} keeps none; export particles --format imod or others"
        )
    _refuse_others(output)
    wanted = _wanted_sets(project, sets) if kind in WITH_PARTICLES else []
    known = _known(project, names, wanted)
    for one in known:
        if not one.stack.is_file():
            raise WorkFailed(f"{one.stack} is missing; put it back, or leave the series out")
    if not known:
        return []
    particles = {one.name: chosen_particles(project, one, kind, chosen) for one in wanted}
    output.mkdir(parents=True, exist_ok=True)
    (output / MARK).touch()
    if kind == "relion":
        return _relion(project, known, output, particles)
    if kind == "portal":
        return _portal(project, known, output, wanted, particles)
    writers: dict[str, Callable[[_Known, Path], list[Path]]] = {
        "etomo": _etomo,
        "aretomo": _aretomo,
    }
    return [path for one in known for path in writers[kind](one, output)]


def _refuse_others(output: Path) -> None:
    """Refuse to write among files of others.

    Raises
    ------
    WrongWords
        When the output is a file, or a folder with files that no export has written.
    """
    if output.is_file():
        raise WrongWords(f"--output {output} is a file; give a folder")
    if output.is_dir() and any(output.iterdir()) and not (output / MARK).is_file():
        raise WrongWords(
            f"--output {output} holds files of others, which would be replaced; give a new folder"
        )


def _wanted_sets(project: Project, names: Sequence[str]) -> list[ParticleSet]:
    there = {one.name: one for one in project.particle_sets()}
    return [there[name] for name in matching(there, names, "particle set")] if there else []


def _known(project: Project, names: Sequence[str], sets: Sequence[ParticleSet]) -> list[_Known]:
    refined = _refined(project, sets)
    found = []
    for series in chosen_series(project, names):
        tomogram = project.newest_tomogram(series.uid)
        alignment = refined.get(series.uid) or _alignment(project, series, tomogram)
        if alignment is None:
            continue
        ctf = refined_ctf(project, series, sets) or project.latest("ctf", series.uid)
        found.append(
            _Known(
                series,
                project.folder / series.stack_path,
                alignment,
                ctf if isinstance(ctf, Ctf) else None,
                tomogram,
                known_tomogram(project, series, tomogram) if tomogram is not None else None,
            )
        )
    return found


def _alignment(project: Project, series: TiltSeries, tomogram: Tomogram | None) -> Alignment | None:
    """Return the alignment in whose frame the tomogram's particles lie; the newest without one."""
    own = project.record(tomogram.alignment_uid) if tomogram is not None else None
    found = own or project.latest("alignment", series.uid)
    return found if isinstance(found, Alignment) else None


def _refined(project: Project, sets: Sequence[ParticleSet]) -> dict[str, Alignment]:
    """Return the alignments that were refined together with particles, by their series."""
    together = {one.alignment_uids for one in sets}
    if len(together) > 1:
        names = ", ".join(one.name for one in sets)
        raise WorkFailed(
            f"{names} go with different alignments; choose one of them with --particles"
        )
    records = [project.record(uid) for uids in together for uid in uids]
    return {one.series_uid: one for one in records if isinstance(one, Alignment)}


def refined_ctf(project: Project, series: TiltSeries, sets: Sequence[ParticleSet]) -> Ctf | None:
    """Return the CTF of a series that was refined together with particles."""
    for one in sets:
        for uid in one.ctf_uids:
            record = project.record(uid)
            if isinstance(record, Ctf) and record.series_uid == series.uid:
                return record
    return None


def _etomo(one: _Known, output: Path) -> list[Path]:
    from tomotui.formats.etomo_writing import write_etomo
    from tomotui.formats.names import file_name

    return write_etomo(
        output / file_name(one.series.name),
        one.series,
        one.alignment,
        one.ctf,
        stack=one.stack,
        thickness_px=one.thickness_px,
        binning=max(1, round(one.binning)),
    )


def _aretomo(one: _Known, output: Path) -> list[Path]:
    from tomotui.formats.aretomo_folder import write_aretomo_folder

    return write_aretomo_folder(
        output,
        one.series,
        one.alignment,
        one.ctf,
        stack=one.stack,
        thickness_px=one.thickness_px,
    )


def _relion(
    project: Project,
    known: Sequence[_Known],
    output: Path,
    particles: dict[str, list[Particle]],
) -> list[Path]:
    from tomotui.formats.relion_set import RelionEntry, write_relion_set
    from tomotui.formats.relion_writing import RelionTomogram

    entries = []
    for one in known:
        finer = one.binning
        size = one.volume.size_xyz if one.volume is not None else None
        if size is None:
            full = (one.series.width_px, one.series.height_px, one.thickness_px)
        else:
            x, y, z = (round(n * finer) for n in size)
            full = (x, y, z)
        path = one.volume.path if one.volume is not None else ""
        tomogram = RelionTomogram(full, binning=finer if path else None, path=path)
        entries.append(RelionEntry(one.series, one.stack, one.alignment, one.ctf, tomogram))
    names = names_of_tomograms(project)
    there = {one.series.name for one in known}
    inside = {
        label: [p for p in found if names[p.tomogram_uid] in there]
        for label, found in particles.items()
    }
    return write_relion_set(output, entries, inside, names)


def _portal(
    project: Project,
    known: Sequence[_Known],
    output: Path,
    sets: Sequence[ParticleSet],
    particles: dict[str, list[Particle]],
) -> list[Path]:
    from tomotui.formats.particle_files import WritingWords, particle_writers
    from tomotui.formats.portal_writing import WrittenRun, write_portal_run

    written: list[Path] = []
    for one in known:
        tomogram = one.tomogram
        run = WrittenRun(
            one.series,
            one.stack,
            one.alignment,
            one.ctf,
            one.volume,
            "SIRT" if tomogram is not None and "sirt" in tomogram.method.lower() else "WBP",
            tomogram is not None and tomogram.ctf_correction is not None,
        )
        written += write_portal_run(output, run)
    names, volumes = names_of_tomograms(project), written_tomograms(project)
    there = {one.series.name for one in known}
    for number, one_set in enumerate(sets, start=100):
        inside = [p for p in particles[one_set.name] if names[p.tomogram_uid] in there]
        label = one_set.species if len(sets) == 1 else one_set.name
        words = WritingWords(inside, names, volumes, label, None, str(number))
        for path, write in particle_writers(output, "portal", words).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            whole(path, write)
            written.append(path)
    return written
