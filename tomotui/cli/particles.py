"""Particles from files into the project."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.project import Project
from tomotui.records import ParticleSet


class Picked(NamedTuple):
    """The tomogram that a file's pixel coordinates count in, for files that do so."""

    size_xyz: tuple[int, int, int] | None = None
    pixel_size_angstrom: float | None = None


class Added(NamedTuple):
    """A set that was made."""

    uid: str
    n_particles: int


def add_particles(
    project: Project,
    path: Path,
    tomogram: str | None,
    name: str,
    species: str,
    diameter_angstrom: float | None,
    picked: Picked,
) -> Added:
    """Read particles and keep them as a new set.

    Raises
    ------
    FormatError
        When the file cannot be read, or names a tomogram that the project does not have.
    WorkFailed
        When the project has no tomogram to put them into, or has a set of that name, or the
        file holds no particle.
    WrongWords
        When there is no such tomogram.
    """
    uids = tomogram_uids(project)
    if not uids:
        raise WorkFailed("the project has no tomogram yet; reconstruct one first")
    if tomogram is not None and tomogram not in uids:
        raise WrongWords(f"--tomogram {tomogram}: it has none; there are {', '.join(uids)}")
    if any(isinstance(s, ParticleSet) and s.name == name for s in project.records("particle_set")):
        raise WorkFailed(f"the project has a particle set {name} already; choose another --name")
    if path.suffix.lower() == ".star":
        from tomotui.formats.relion_particles import read_relion_particles

        particles = read_relion_particles(
            path,
            uids,
            corner_size_xyz=picked.size_xyz,
            corner_pixel_size_angstrom=picked.pixel_size_angstrom,
        )
    else:
        from tomotui.formats.particles_csv import read_particles_csv

        particles = read_particles_csv(path, uids, tomogram)
    if not particles:
        raise WorkFailed(f"{path} holds no particles; nothing was taken over")
    made = ParticleSet(name=name, species=species, diameter_angstrom=diameter_angstrom)
    project.add_records([made])
    project.add_particles(made.uid, particles)
    return Added(made.uid, len(particles))


def tomogram_uids(project: Project) -> dict[str, str]:
    """Return the newest measured tomogram of each series by the series' name."""
    found = {}
    for series in project.tilt_series():
        tomogram = project.newest_tomogram(series.uid)
        if tomogram is not None:
            found[series.name] = tomogram.uid
    return found
