"""Writing particle sets for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.options import matching
from tomotui.cli.places import Place, whole
from tomotui.cli.tomograms import names_of_tomograms, written_tomograms
from tomotui.project import Project
from tomotui.records import Particle, ParticleSet, Verdict

KNOWS_DECISIONS = ("csv",)
"""Formats that keep what was decided; into the others nothing goes that was rejected."""


@dataclass(frozen=True)
class Filter:
    """Which particles of a set are meant.

    Attributes
    ----------
    decisions
        Judged so; all that the format is for when there are none.
    classes
        Of these classes; of any when there are none.
    min_score
        At least of this score; particles without one are left out.
    """

    decisions: tuple[Verdict, ...] = ()
    classes: tuple[int, ...] = ()
    min_score: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every particle passes."""
        return not self.decisions and not self.classes and self.min_score is None

    def passes(self, particle: Particle, kind: str) -> bool:
        """Return whether a particle belongs into a file of a format."""
        if self.decisions and particle.decision not in self.decisions:
            return False
        if not self.decisions and kind not in KNOWS_DECISIONS and particle.decision == "rejected":
            return False
        if self.classes and particle.class_number not in self.classes:
            return False
        score = particle.score
        return self.min_score is None or (score is not None and score >= self.min_score)


def export_particles(
    project: Project, names: Sequence[str], kind: str, output: Path, chosen: Filter
) -> list[Path]:
    """Write particle sets; returns the files.

    Parameters
    ----------
    names
        The sets, by name or pattern; all without any.
    kind
        The format.

    Raises
    ------
    WorkFailed
        When no particle of a set is chosen.
    """
    from tomotui.formats.particle_files import ENDINGS, WritingWords, particle_writers

    sets = {one.name: one for one in project.particle_sets()}
    names_by_uid = names_of_tomograms(project)
    tomograms = written_tomograms(project)
    wanted = matching(sets, names, "particle set")
    place = Place(output, ENDINGS.get(kind, ""))
    # Nothing is written before all is known to be writable.
    words = [chosen_particles(project, sets[name], kind, chosen) for name in wanted]
    written: list[Path] = []
    for name, particles, target in zip(
        wanted, words, _targets(place, kind, wanted, output), strict=True
    ):
        what = WritingWords(particles, names_by_uid, tomograms, name, sets[name].diameter_angstrom)
        for path, write in particle_writers(target, kind, what).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            whole(path, write)
            written.append(path)
    return written


def _targets(place: Place, kind: str, wanted: Sequence[str], output: Path) -> list[Path]:
    """Return where each set goes: a file, or the folder of its files."""
    if place.suffix:
        return place.files(wanted)
    if output.suffix in (".mod", ".json") and not output.is_dir():
        raise WrongWords(f"--output {output}: {kind} is one file to a tomogram; give a folder")
    if kind == "imod" and len(wanted) > 1:
        return [output / name for name in wanted]
    if kind == "portal" and output.suffix == ".ndjson":
        raise WrongWords(f"--output {output}: portal is a folder for each run; give a folder")
    if kind == "eman" and (output / "info").is_dir():
        return [output / "info" for _ in wanted]
    return [output for _ in wanted]


def chosen_particles(
    project: Project, one: ParticleSet, kind: str, chosen: Filter
) -> list[Particle]:
    """Return the particles of a set that go into a file of a format.

    Raises
    ------
    WorkFailed
        When there are particles and none is chosen.
    """
    everything = project.particles(one.uid)
    particles = [particle for particle in everything if chosen.passes(particle, kind)]
    if everything and not particles:
        raise WorkFailed(
            f"no particle of {one.name} is left of {len(everything)}; nothing was written. "
            "See --decision, --class and --min-score"
        )
    return particles
