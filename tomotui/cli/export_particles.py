"""Writing particle sets for other programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.options import matching
from tomotui.cli.places import Place, whole
from tomotui.cli.tomograms import names_of_tomograms, written_tomograms
from tomotui.project import Chosen, Project
from tomotui.records import Particle, ParticleSet, Verdict

if TYPE_CHECKING:
    from tomotui.formats.particle_files import Writer

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

    def chosen(self, set_uid: str, kind: str) -> Chosen:
        """Return the same of one set, for the project."""
        verdicts: tuple[Verdict, ...] = ("accepted", "unsure", "undecided")
        return Chosen(
            (set_uid,),
            decisions=self.decisions or (None if kind in KNOWS_DECISIONS else verdicts),
            classes=self.classes or None,
            min_score=self.min_score,
        )

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
    from tomotui.formats.particle_files import ENDINGS

    sets = {one.name: one for one in project.particle_sets()}
    wanted = [sets[name] for name in matching(sets, names, "particle set")]
    place = Place(output, ENDINGS.get(kind, ""))
    targets = _targets(place, kind, [one.name for one in wanted], output)
    written: list[Path] = []
    for path, write in _writers(project, wanted, kind, targets, chosen):
        path.parent.mkdir(parents=True, exist_ok=True)
        whole(path, write)
        written.append(path)
    return written


def _writers(
    project: Project,
    wanted: Sequence[ParticleSet],
    kind: str,
    targets: Sequence[Path],
    chosen: Filter,
) -> Iterator[tuple[Path, Writer]]:
    """Give each file and what writes it; the first when all are known to be writable."""
    from tomotui.formats.particle_files import WritingWords, particle_writers
    from tomotui.formats.particle_pages import PAGED

    names = names_of_tomograms(project)
    if kind in PAGED:
        writers = [_paged(project, one, kind, chosen, names) for one in wanted]
        yield from zip(targets, writers, strict=True)
        return
    tomograms = written_tomograms(project)
    particles = [chosen_particles(project, one, kind, chosen) for one in wanted]
    for one, each, target in zip(wanted, particles, targets, strict=True):
        words = WritingWords(each, names, tomograms, one.name, one.diameter_angstrom)
        yield from particle_writers(target, kind, words).items()


def _paged(
    project: Project, one: ParticleSet, kind: str, chosen: Filter, names: dict[str, str]
) -> Writer:
    """Return what writes a set of any size without ever holding all of it."""
    from tomotui.formats.particle_pages import write_csv_pages, write_relion_pages

    meant = chosen.chosen(one.uid, kind)
    n, n_known = project.n_known(meant)
    if not n:
        _refuse_nothing(one, project.n_particles(one.uid))
    known = [name for name, number in n_known.items() if number == n]
    if kind == "csv":
        return lambda path: write_csv_pages(path, project.particle_pages(meant), names)
    return lambda path: write_relion_pages(path, project.particle_pages(meant), names, known)


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
    if not particles:
        _refuse_nothing(one, len(everything))
    return particles


def _refuse_nothing(one: ParticleSet, n: int) -> None:
    """Refuse to write nothing of a set that holds something."""
    if n:
        raise WorkFailed(
            f"no particle of {one.name} is left of {n}; nothing was written. "
            "See --decision, --class and --min-score"
        )
