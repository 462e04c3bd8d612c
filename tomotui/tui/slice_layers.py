"""What the project knows of a tomogram that can be drawn over its slices: particles and maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomotui.project import Project
from tomotui.project.candidates import read_candidates
from tomotui.records import Tomogram

MAP_STAGES = {"match": ("scores", "scores"), "map-back": ("volume", "map put back")}
"""Stages that leave a volume like the tomogram: the name of the file, and what to call it."""


@dataclass(frozen=True, eq=False)
class SetLayer:
    """The particles of one set in a series.

    Attributes
    ----------
    positions_angstrom
        ``[n, 3]``, (x, y, z) from the tomogram's centre.
    verdicts, classes
        ``[n]``; what was decided of each, and its class.
    """

    name: str
    is_picks: bool
    diameter_angstrom: float | None
    positions_angstrom: NDArray[np.float64]
    verdicts: NDArray[Any]
    classes: NDArray[np.int64]

    @property
    def is_sorted(self) -> bool:
        """Whether some of them have a class."""
        return bool((self.classes > 0).any())


@dataclass(frozen=True)
class MapLayer:
    """A volume whose high values mean something: scores, or maps put back at particles."""

    name: str
    path: Path


@dataclass(frozen=True, eq=False)
class SliceLayers:
    """All that can be drawn over the tomograms of one series."""

    series_uid: str
    sets: tuple[SetLayer, ...] = ()
    maps: tuple[MapLayer, ...] = ()


def read_layers(project: Project, series_uid: str, series_name: str) -> SliceLayers:
    """Read what can be drawn over the tomograms of a series."""
    tomograms = project.records("tomogram", series_uid)
    uids = [one.uid for one in tomograms if isinstance(one, Tomogram)]
    sets = []
    for held in project.particle_sets():
        table = read_candidates(project, held, uids)
        there = table.decisions != "removed"
        if there.any():
            sets.append(
                SetLayer(
                    held.name,
                    held.is_picks,
                    held.diameter_angstrom,
                    table.positions_angstrom[there],
                    table.decisions[there],
                    table.classes[there],
                )
            )
    return SliceLayers(series_uid, tuple(sets), tuple(_maps(project, series_name)))


def _maps(project: Project, series_name: str) -> list[MapLayer]:
    """Return the newest map of each kind that is still there."""
    found: dict[str, MapLayer] = {}
    for job in project.jobs():
        file, title = MAP_STAGES.get(job.stage, ("", ""))
        if not file or series_name not in job.targets:
            continue
        for event in project.events(job.id, series_name, ("artifact",)):
            path = project.folder / str(event.data.get("path", ""))
            if event.message == file and path.is_file():
                found[title] = MapLayer(title, path)
    return list(found.values())
