"""Options of commands that put particles into a set, new or there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cyclopts import Parameter

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.particles import known_set, new_set
from tomotui.cli.tomograms import names_of_tomograms
from tomotui.project import Project
from tomotui.records import Particle, ParticleSet

SAME_SHARE = 0.25
"""Of the diameter: two particles nearer than this are one."""
_SAME_ANGSTROM = 1.0
"""The same where no diameter is known."""


@Parameter(name="*")
@dataclass(frozen=True)
class SetWords:
    """Which set particles go into.

    Parameters
    ----------
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
    """

    name: str | None = None
    into: str | None = None
    species: str | None = None
    diameter: float | None = None
    symmetry: str | None = None

    def wanted(self, default_name: str) -> ParticleSet | None:
        """Return the set to make; ``None`` when there is one to add to.

        Raises
        ------
        WrongWords
            When the words are none, or of both.
        """
        own = {"name": self.name, "species": self.species, "diameter": self.diameter,
               "symmetry": self.symmetry}  # fmt: skip
        said = [f"--{word}" for word, value in own.items() if value is not None]
        if self.into is not None and said:
            raise WrongWords(f"--into: the set is there already; leave out {', '.join(said)}")
        if self.into is not None:
            return None
        return new_set(
            default_name if self.name is None else self.name,
            self.species or "particle",
            self.diameter,
            self.symmetry or "C1",
        )

    def target(self, project: Project, wanted: ParticleSet | None) -> ParticleSet:
        """Return the set that particles go into, which may not be in the project yet.

        Raises
        ------
        WorkFailed
            When there is a set of the new one's name already.
        WrongWords
            When the set to add to is not there.
        """
        if wanted is None:
            return known_set(project, self.into or "")
        if project.particle_set_named(wanted.name) is not None:
            raise WorkFailed(
                f"the project has a particle set {wanted.name} already; choose another --name, or "
                f"add to it with --into {wanted.name}"
            )
        return wanted

    def keep(self, project: Project, target: ParticleSet, particles: Sequence[Particle]) -> int:
        """Keep particles in a set; returns how many were there already."""
        from tomotui.project.merging import add_apart

        if self.into is not None:
            names = names_of_tomograms(project)
            return add_apart(project, target.uid, particles, apart_angstrom(target), names)
        with project.at_once():
            project.add_records([target])
            project.add_particles(target.uid, particles)
        return 0


@Parameter(name="*")
@dataclass(frozen=True)
class VoxelWords:
    """Whose voxels a file counts in.

    Parameters
    ----------
    tomogram
        Tilt series whose tomogram it is, where the file does not tell.
    object_
        Only what the file calls so: an object of IMOD or copick, a class of EMAN2.
    tomogram_size
        Voxels along x, y and z of the tomogram that the file counts in, if it was not this one.
    tomogram_pixel_size
        Angstrom per voxel of that tomogram.
    """

    tomogram: str | None = None
    object_: str | None = None
    tomogram_size: tuple[int, int, int] | None = None
    tomogram_pixel_size: float | None = None

    def check(self) -> None:
        """Refuse words that are none.

        Raises
        ------
        WrongWords
            When they are none.
        """
        size, pixel = self.tomogram_size, self.tomogram_pixel_size
        if (size is None) != (pixel is None):
            raise WrongWords("--tomogram-size and --tomogram-pixel-size go together")
        if pixel is not None and not pixel > 0:
            raise WrongWords(f"--tomogram-pixel-size {pixel:g}: give Angstrom above zero")
        if size is not None and min(size) < 1:
            raise WrongWords("--tomogram-size: give the voxels along x, y and z")


def apart_angstrom(target: ParticleSet) -> float:
    """Return how near two particles of a set must be to be one."""
    diameter = target.diameter_angstrom
    return _SAME_ANGSTROM if diameter is None else SAME_SHARE * diameter


def tell_skipped(skipped: int, target: ParticleSet) -> None:
    """Say how many particles were in the set already."""
    if skipped:
        within = apart_angstrom(target)
        print(f"left out {skipped} that are within {within:.0f} A of particles there")
