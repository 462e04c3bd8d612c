"""What the screen of variation shows, read in a thread: landscapes and classes of particles."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tomotui.geometry.landscapes import LatentSpace
from tomotui.geometry.mixtures import MovingMixture
from tomotui.project import Project
from tomotui.records import Classification, Landscape, Map, ParticleSet, Task
from tomotui.tui.details import NO_DETAILS, Details, read_details
from tomotui.tui.raster.conformations import Sculptor
from tomotui.tui.snapshots import NO_COUNTS, Counts, read_counts

_REACH = 2.0
"""Deviations along each direction that the frame of conformations holds."""


@dataclass(frozen=True)
class Entry:
    """A landscape, a classification, or a task that makes one.

    Attributes
    ----------
    key
        Tells it from all others.
    set_name
        Its particles.
    """

    key: str
    name: str
    set_name: str = ""
    record: Landscape | Classification | None = None
    task: Task | None = None


@dataclass(frozen=True)
class ClassEntry:
    """One class of a classification.

    Attributes
    ----------
    number
        From 1, as its particles have it.
    share
        Of all particles.
    map
        ``None`` for noise, and for a class that came out empty.
    path, modified_ns
        Of the map's file.
    """

    number: int
    name: str
    share: float
    map: Map | None = None
    path: Path | None = None
    modified_ns: int = 0


@dataclass(frozen=True)
class Chosen:
    """What is known of the entry that is looked at.

    Attributes
    ----------
    classes
        Of a classification.
    problem
        Why there is nothing to show; empty when there is.
    space, sculptor
        Of a landscape: where particles stand, and what conformations look like.
    """

    key: str = ""
    details: Details = NO_DETAILS
    classes: tuple[ClassEntry, ...] = ()
    problem: str = ""
    space: LatentSpace | None = field(default=None, compare=False, repr=False)
    sculptor: Sculptor | None = field(default=None, compare=False, repr=False)


NOTHING = Chosen()


@dataclass(frozen=True)
class VariationSnapshot:
    """All landscapes and classifications, those under way first, then the newest."""

    entries: tuple[Entry, ...] = ()
    chosen: Chosen = NOTHING
    counts: Counts = NO_COUNTS

    def entry(self, key: str | None) -> Entry | None:
        """Return the entry of a key, or ``None``."""
        return next((one for one in self.entries if one.key == key), None)


class VariationReader:
    """Reads what the screen shows; files are read again only when they have changed.

    Parameters
    ----------
    stages
        Names of the stages that make landscapes or classifications.
    """

    def __init__(self, stages: Collection[str]) -> None:
        self._stages = frozenset(stages)
        self._before = NOTHING

    def __call__(self, project: Project, chosen: str | None) -> VariationSnapshot:
        """Read everything, and the files of one entry: the first when it is not there."""
        running = [_running(task) for task in self._tasks(project)]
        entries = (*running, *_entries(project))
        entry = next((one for one in entries if one.key == chosen), entries[0] if entries else None)
        found = NOTHING if entry is None else self._read(project, entry)
        self._before = found
        return VariationSnapshot(entries, found, read_counts(project))

    def _tasks(self, project: Project) -> list[Task]:
        jobs = [job for job in project.jobs() if job.stage in self._stages]
        active = [job for job in jobs if not job.status.is_finished]
        tasks = [task for job in active for task in project.tasks(job.id)]
        return [task for task in tasks if task.status.is_active]

    def _read(self, project: Project, entry: Entry) -> Chosen:
        record = entry.record
        if record is None:
            return Chosen(entry.key, problem="under way: 4 shows how far it is")
        before = self._before.details
        is_same = before.path == record.path and before.modified_ns
        if is_same and before.modified_ns == _modified_ns(project.folder / record.path):
            details = before
        else:
            details = read_details(project.folder, record.path)
        if isinstance(record, Classification):
            classes = _classes(project, record, details)
            return Chosen(entry.key, details, classes, details.problem)
        if self._before.key == entry.key and details is before:
            return self._before
        return _landscape(entry, details)


def _entries(project: Project) -> list[Entry]:
    sets = (one for one in project.records("particle_set") if isinstance(one, ParticleSet))
    names = {one.uid: one.name for one in sets}
    found = [
        Entry(one.uid, one.name, names.get(one.particle_set_uid, ""), one)
        for kind in ("classification", "landscape")
        for one in reversed(project.records(kind))
        if isinstance(one, Landscape | Classification)
    ]
    # Landscapes first: they are what takes longest to make.
    return sorted(found, key=lambda one: isinstance(one.record, Classification))


def _running(task: Task) -> Entry:
    return Entry(f"task-{task.id}", f"{task.stage} {task.target}", task=task)


def _landscape(entry: Entry, details: Details) -> Chosen:
    """Return the particles of a landscape, and its conformations."""
    if details.problem:
        return Chosen(entry.key, details, problem=details.problem)
    try:
        space = LatentSpace.from_arrays(details.arrays)
        mixture = MovingMixture.from_arrays(details.arrays)
        # One look at it tells whether its arrays belong together.
        mixture.at(np.zeros(space.coordinates.shape[1], dtype=np.float32))
    except (KeyError, ValueError, IndexError) as error:
        return Chosen(entry.key, details, problem=f"{details.path} is no landscape: {error}")
    ends = _REACH * space.deviations[:, None] * space.directions
    return Chosen(
        entry.key, details, space=space, sculptor=Sculptor(mixture, np.concatenate([ends, -ends]))
    )


def _classes(project: Project, record: Classification, details: Details) -> tuple[ClassEntry, ...]:
    """Return the classes of a classification, each with its map where it has one."""
    names = details.get("names", 1)
    known = [] if names is None else [str(one) for one in names]
    n = max(len(known), len(record.populations), record.n_classes)
    known += [f"class {number}" for number in range(len(known) + 1, n + 1)]
    records = {one.uid: one for one in project.records("map") if isinstance(one, Map)}
    maps = [records[uid] for uid in record.map_uids if uid in records]
    numbers = [_number_of(one, place) for place, one in enumerate(maps, start=1)]
    of_class = dict(zip(numbers, maps, strict=True))
    shares = [*record.populations, *[0.0] * (n - len(record.populations))]
    found = []
    for number, (name, share) in enumerate(zip(known, shares, strict=True), start=1):
        one = of_class.get(number)
        path = project.folder / one.path if one is not None else None
        found.append(ClassEntry(number, name, share, one, path, _modified_ns(path)))
    return tuple(found)


def _number_of(one: Map, otherwise: int) -> int:
    """Return the number of the class that a map shows: its name ends with it."""
    said = re.search(r"(\d+)$", one.name)
    return int(said.group(1)) if said else otherwise


def _modified_ns(path: Path | None) -> int:
    try:
        return path.stat().st_mtime_ns if path is not None else 0
    except OSError:
        return 0
