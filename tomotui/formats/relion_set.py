"""RELION 5's optimisation set: tilt series, tomograms and particles in one folder.

RELION is started in the folder above, from which all files are named: ``FOLDER/tomograms.star``
with a row for each tomogram, ``FOLDER/tilt_series/NAME.star``, ``FOLDER/particles.star`` and
``FOLDER/optimisation_set.star``, which leads to both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tomotui.formats.linked import put_file
from tomotui.formats.names import file_name
from tomotui.formats.relion_particles import write_relion_particles
from tomotui.formats.relion_subtomograms import OPTIMISATION_SET, write_optimisation_set
from tomotui.formats.relion_writing import RelionTomogram, write_relion
from tomotui.formats.star import write_star
from tomotui.records import Alignment, Ctf, Particle, TiltSeries

TOMOGRAMS = "tomograms.star"


@dataclass(frozen=True)
class RelionEntry:
    """A tilt series of the set.

    Attributes
    ----------
    stack
        The image stack.
    tomogram
        What else RELION is told of it.
    """

    series: TiltSeries
    stack: Path
    alignment: Alignment
    ctf: Ctf | None
    tomogram: RelionTomogram


def write_relion_set(
    folder: Path | str,
    entries: Sequence[RelionEntry],
    sets: Mapping[str, Sequence[Particle]],
    names: Mapping[str, str],
) -> list[Path]:
    """Write an optimisation set for each set of particles; stacks are linked to.

    Parameters
    ----------
    sets
        Particles by the name of their set; one set has the plain names of RELION's files.
    names
        Name of each tomogram by its identity.

    Returns
    -------
    The files; the optimisation sets last.
    """
    folder = Path(folder)
    called = folder.absolute().name
    stacks = folder / "stacks"
    stacks.mkdir(parents=True, exist_ok=True)
    rows, linked = [], []
    for entry in entries:
        suffix = ".mrcs" if entry.stack.suffix in (".mrc", ".st", ".mrcs") else entry.stack.suffix
        link = put_file(entry.stack, stacks / f"{file_name(entry.series.name)}{suffix}")
        linked.append(link)
        named = entry.series.replace(stack_path=f"{called}/stacks/{link.name}")
        rows.append((named, entry.alignment, entry.ctf))
    tomograms = {entry.series.name: entry.tomogram for entry in entries}
    table = write_relion(folder, rows, tomograms=tomograms, named_from=called, listing=TOMOGRAMS)
    series = [folder / "tilt_series" / f"{entry.series.name}.star" for entry in entries]
    written = [*linked, *series, table]
    leading = [] if sets else [_without_particles(folder, called)]
    for name, particles in sets.items():
        end = "" if len(sets) == 1 else f"_{file_name(name)}"
        path = folder / f"particles{end}.star"
        write_relion_particles(path, particles, names)
        leader = folder / OPTIMISATION_SET.replace(".star", f"{end}.star")
        write_optimisation_set(leader, f"{called}/{path.name}", f"{called}/{TOMOGRAMS}")
        written.append(path)
        leading.append(leader)
    return [*written, *leading]


def _without_particles(folder: Path, called: str) -> Path:
    path = folder / OPTIMISATION_SET
    write_star(path, {"": {"rlnTomoTomogramsFile": f"{called}/{TOMOGRAMS}"}})
    return path
