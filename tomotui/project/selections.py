"""Particle sets of some particles of another: classes, places of a landscape, marks on a screen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from tomotui.project.derived import USED, Derived, source_like
from tomotui.project.errors import ProjectError
from tomotui.project.project import Project
from tomotui.records import Landscape, ParticleSet, SetOrigin, Verdict

if TYPE_CHECKING:
    from tomotui.geometry.landscapes import LatentSpace
    from tomotui.records.particle_table import ParticleTable


def select_particles(
    project: Project,
    source: ParticleSet,
    uids: Collection[str],
    name: str,
    made_by: SetOrigin = "selection",
    *,
    because_of: Sequence[str] = (),
    decisions: Sequence[Verdict] = USED,
) -> Derived:
    """Make a set of some particles of another; each knows which one it was.

    Particles that were rejected since, or taken back, are left out.

    Parameters
    ----------
    uids
        Identities of the particles.
    because_of
        Identities of the records that tell them from others: a landscape, for instance.

    Raises
    ------
    ProjectError
        When none of the particles is in the set any more.
    """
    import numpy as np

    table = project.particle_table([source.uid], decisions=decisions)
    wanted = np.array(sorted(uids), dtype=table.uids.dtype)
    chosen = table.select(np.isin(table.uids, wanted))
    return keep_selection(
        project, source, chosen, name, made_by, because_of=because_of, n_before=len(table)
    )


def select_classes(
    project: Project,
    source: ParticleSet,
    classes: Collection[int],
    name: str,
    *,
    decisions: Sequence[Verdict] = USED,
) -> Derived:
    """Make a set of the particles of some classes, counted from 1.

    Raises
    ------
    ProjectError
        When no particle is of any of these classes.
    """
    import numpy as np

    table = project.particle_table([source.uid], decisions=decisions)
    chosen = table.select(np.isin(table.classes, list(classes)))
    if not len(chosen):
        there = ", ".join(str(one) for one in np.unique(table.classes[table.classes > 0]))
        asked = ", ".join(str(one) for one in sorted(classes))
        raise ProjectError(
            f"{source.name} has no particles of class {asked}.",
            f"It has classes {there}." if there else "Its particles have none: classify them.",
        )
    return keep_selection(project, source, chosen, name, "class", n_before=len(table))


def keep_selection(
    project: Project,
    source: ParticleSet,
    chosen: ParticleTable,
    name: str,
    made_by: SetOrigin,
    *,
    n_before: int,
    because_of: Sequence[str] = (),
) -> Derived:
    """Put chosen particles of a set into the project as a set of their own."""
    if not len(chosen):
        raise ProjectError(
            f"none of the chosen particles is in {source.name} any more.", "Nothing was made."
        )
    made = source_like(source, name, made_by)
    rows = chosen.descendants(made.uid)
    with project.at_once():
        (named,) = project.with_free_names([made])
        assert isinstance(named, ParticleSet)
        project.add_records([named], parents=[source.uid, *because_of])
        project.add_particle_tables([rows])
    return Derived(named, len(rows), n_before)


def select_along(
    project: Project,
    landscape: Landscape,
    direction: int,
    low: float,
    high: float,
    name: str,
    *,
    decisions: Sequence[Verdict] = USED,
) -> Derived:
    """Make a set of the particles that stand between two places of a landscape.

    Parameters
    ----------
    direction
        Number of the motion, from 0; beyond the last motion the coordinates themselves follow.
    low, high
        Standard deviations along it; either may be infinite.

    Raises
    ------
    ProjectError
        When the landscape's file is gone, there is no such direction, or nobody stands there.
    """
    space = read_space(project, landscape)
    if not 0 <= direction < len(space.directions):
        raise ProjectError(
            f"{landscape.name} has no axis {direction + 1}.", f"There are {', '.join(space.names)}."
        )
    places = space.along(direction)
    uids = space.uids[(places >= low) & (places <= high)].tolist()
    if not uids:
        raise ProjectError(
            f"no particle of {landscape.name} stands there.",
            f"{space.names[direction]} goes from {places.min():.2f} to {places.max():.2f}."
            if len(places)
            else "It holds no particles.",
        )
    source = project.record(landscape.particle_set_uid)
    assert isinstance(source, ParticleSet)
    return select_particles(
        project, source, uids, name, because_of=[landscape.uid], decisions=decisions
    )


def read_space(project: Project, landscape: Landscape) -> LatentSpace:
    """Read where the particles of a landscape stand.

    Raises
    ------
    ProjectError
        When its file is gone, torn, or something else.
    """
    import zipfile

    import numpy as np

    from tomotui.geometry.landscapes import LatentSpace

    path = project.folder / landscape.path
    try:
        with np.load(path, allow_pickle=False) as file:
            return LatentSpace.from_arrays({one: file[one] for one in file.files})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ProjectError(
            f"{path} cannot be read: {error}.", "Learn the landscape again: tomotui run landscape"
        ) from error
