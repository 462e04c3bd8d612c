"""Writing averaged maps, and what belongs to them, for other programs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from tomotui.cli.errors import WorkFailed
from tomotui.cli.options import matching
from tomotui.cli.places import Place, whole
from tomotui.project import Project
from tomotui.records import Map

MapPart = Literal["final", "half1", "half2", "mask", "unfiltered", "local-resolution"]


def export_maps(
    project: Project, names: Sequence[str], place: Place, *, part: MapPart
) -> list[Path]:
    """Write maps, or something that belongs to each; returns the files.

    Parameters
    ----------
    names
        By name or pattern; all that have such a part without any.

    Raises
    ------
    WorkFailed
        When a map that was named has no such part, or its file is gone.
    """
    # A later record of the same name takes the place of the earlier one.
    maps = {one.name: one for one in project.records("map") if isinstance(one, Map)}
    chosen = matching(maps, names, "map")
    paths = {name: path_of(maps[name], part) for name in chosen}
    lacking = [name for name, path in paths.items() if path is None]
    if lacking and (names or len(lacking) == len(chosen)):
        raise WorkFailed(f"{', '.join(lacking)}: has no {part}; see tomotui maps")
    ending = "" if part == "final" else f"-{part}"
    return copied(project, {f"{name}{ending}": path for name, path in paths.items() if path}, place)


def path_of(one: Map, part: MapPart) -> str | None:
    """Return the path of a part of a map; ``None`` where it has none."""
    halves = one.half_paths or (None, None)
    return {
        "final": one.path,
        "half1": halves[0],
        "half2": halves[1],
        "mask": one.mask_path,
        "unfiltered": one.unfiltered_path,
        "local-resolution": one.local_resolution_path,
    }[part]


def copied(project: Project, volumes: dict[str, str], place: Place) -> list[Path]:
    """Copy files of the project, each to the place of its name; returns the copies.

    Raises
    ------
    WorkFailed
        When a file is gone; nothing was written then.
    """
    sources = [project.folder / path for path in volumes.values()]
    for source in sources:
        if not source.is_file():
            raise WorkFailed(f"{source} is missing; run the stage that made it again")
    paths = place.files(list(volumes))
    for source, path in zip(sources, paths, strict=True):
        whole(path, partial(shutil.copyfile, source))
    return paths
