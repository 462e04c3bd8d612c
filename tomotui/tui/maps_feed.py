"""What the screen of maps shows, read in a thread: maps, averages under way, and their details."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tomotui.project import Project
from tomotui.records import Map, ParticleSet, Task
from tomotui.tui.details import NO_DETAILS, Details, read_details
from tomotui.tui.snapshots import NO_COUNTS, Counts, read_counts

if TYPE_CHECKING:
    from tomotui.records.particle_table import ParticleTable

PROGRESS_MAP = "progress.mrc"
PROGRESS_DETAILS = "progress.npz"

PARTS = ("map", "half 1", "half 2", "mask", "unfiltered", "local resolution")
"""What can be looked at of a map, in this order."""


@dataclass(frozen=True)
class Part:
    """A file that belongs to a map.

    Attributes
    ----------
    modified_ns
        When it was written; 0 when it is not there.
    """

    name: str
    path: Path
    modified_ns: int = 0


@dataclass(frozen=True)
class Entry:
    """A map, or the average that a job is making.

    Attributes
    ----------
    key
        Tells it from all others.
    set_name
        The particles in it; empty when nothing is known of them.
    record, task
        One of them is there.
    parts
        Its files, the final map first.
    """

    key: str
    name: str
    set_name: str = ""
    record: Map | None = None
    task: Task | None = None
    parts: tuple[Part, ...] = ()
    pixel_size_angstrom: float | None = None


@dataclass(frozen=True)
class Particles:
    """The particles of the map that is looked at.

    Attributes
    ----------
    counts
        How many were decided how, as pairs of word and number.
    table
        Their columns; equal when set, counts and scores are.
    """

    set_uid: str = ""
    set_name: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    signature: tuple[int, float] = (0, 0.0)
    table: ParticleTable | None = field(default=None, compare=False, repr=False)


NO_PARTICLES = Particles()


@dataclass(frozen=True)
class MapsSnapshot:
    """All maps, averages under way first, then the newest; and details of the chosen one.

    Attributes
    ----------
    course
        Of the chosen one: the small map of each iteration, ``None`` where that made none, or it
        is not there any more.
    """

    entries: tuple[Entry, ...] = ()
    chosen: str | None = None
    details: Details = NO_DETAILS
    course: tuple[Part | None, ...] = ()
    particles: Particles = NO_PARTICLES
    counts: Counts = NO_COUNTS

    def entry(self, key: str | None) -> Entry | None:
        """Return the entry of a key, or ``None``."""
        return next((one for one in self.entries if one.key == key), None)


class MapsReader:
    """Reads what the screen shows.

    Parameters
    ----------
    stages
        Names of the stages that make maps.
    """

    def __init__(self, stages: Collection[str]) -> None:
        self._stages = frozenset(stages)
        self._watched: tuple[Path, ...] = ()
        self._particles = NO_PARTICLES

    def __call__(self, project: Project, chosen: str | None) -> MapsSnapshot:
        """Read all maps, and the details of one: the first when it is not there."""
        sets = {one.uid: one.name for one in _sets(project)}
        running = [self._running(project, task) for task in self._tasks(project)]
        maps = [_entry(project.folder, one, sets) for one in reversed(_maps(project))]
        entries = (*running, *maps)
        self._watched = tuple(part.path for one in running for part in one.parts)
        entry = next((one for one in entries if one.key == chosen), entries[0] if entries else None)
        details = NO_DETAILS if entry is None else _details(project.folder, entry)
        return MapsSnapshot(
            entries,
            None if entry is None else entry.key,
            details,
            _course(project.folder, details),
            self._particles_of(project, entry, sets),
            read_counts(project),
        )

    def pulse(self) -> tuple[int, ...]:
        """Return what changes when a map under way has."""
        return tuple(_modified_ns(path) for path in self._watched)

    def _tasks(self, project: Project) -> list[Task]:
        jobs = [job for job in project.jobs() if job.stage in self._stages]
        active = [job for job in jobs if not job.status.is_finished]
        tasks = [task for job in active for task in project.tasks(job.id)]
        return [task for task in tasks if task.status.is_active]

    def _running(self, project: Project, task: Task) -> Entry:
        place = project.folder / task.folder / PROGRESS_MAP
        part = Part(PARTS[0], place, _modified_ns(place))
        return Entry(f"task-{task.id}", f"{task.stage} {task.target}", task=task, parts=(part,))

    def _particles_of(
        self, project: Project, entry: Entry | None, sets: dict[str, str]
    ) -> Particles:
        """Return the particles of a map; read anew only when they have changed."""
        uid = entry.record.particle_set_uid if entry is not None and entry.record else None
        if uid is None or uid not in sets:
            return NO_PARTICLES
        numbers: dict[str, int] = {}
        for (_, decision), n in project.particle_counts(uid).items():
            numbers[decision] = numbers.get(decision, 0) + n
        counts = tuple(sorted(numbers.items()))
        fresh = Particles(uid, sets[uid], counts, project.search_signature(uid))
        if fresh != self._particles or self._particles.table is None:
            table = project.particle_table([uid])
            self._particles = Particles(uid, sets[uid], counts, fresh.signature, table)
        return self._particles


def _maps(project: Project) -> list[Map]:
    return [one for one in project.records("map") if isinstance(one, Map)]


def _sets(project: Project) -> list[ParticleSet]:
    return [one for one in project.records("particle_set") if isinstance(one, ParticleSet)]


def _entry(folder: Path, one: Map, sets: dict[str, str]) -> Entry:
    halves: Sequence[str | None] = one.half_paths or (None, None)
    paths = (
        one.path,
        *halves,
        one.mask_path,
        one.unfiltered_path,
        one.local_resolution_path,
    )
    places = [(name, folder / path) for name, path in zip(PARTS, paths, strict=True) if path]
    parts = tuple(Part(name, place, _modified_ns(place)) for name, place in places)
    name = sets.get(one.particle_set_uid or "", "")
    return Entry(one.uid, one.name, name, one, None, parts, one.pixel_size_angstrom)


def _details(folder: Path, entry: Entry) -> Details:
    if entry.task is None:
        return read_details(folder, entry.record.details_path if entry.record else None)
    found = read_details(folder, f"{entry.task.folder}/{PROGRESS_DETAILS}")
    # Before the first iteration has ended there is nothing to tell.
    return NO_DETAILS if found.problem and not found.modified_ns else found


def _course(folder: Path, details: Details) -> tuple[Part | None, ...]:
    """Return the maps of iterations, which lie beside the file of details."""
    names = details.get("iteration_map", 1)
    if names is None:
        return ()
    beside = (folder / details.path).parent
    places = [beside / str(name) if str(name) else None for name in names]
    written = [0 if place is None else _modified_ns(place) for place in places]
    return tuple(
        Part(f"iteration {at}", place, when) if place is not None and when else None
        for at, (place, when) in enumerate(zip(places, written, strict=True), start=1)
    )


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
