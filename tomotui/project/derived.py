"""Particle sets made from others: symmetry mates, other centres, parts, and halves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tomotui.project.errors import ProjectError
from tomotui.project.project import Project
from tomotui.records import ParticleSet, SetOrigin, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomotui.algorithms.subtomograms.expansion import Poses
    from tomotui.records.particle_table import ParticleTable

Offset = Sequence[float]

USED: tuple[Verdict, ...] = ("accepted", "unsure", "undecided")
"""Particles that are taken along unless others are asked for: all that were not rejected."""


class Derived(NamedTuple):
    """A set that was made, how many particles it has, and from how many it was made."""

    particle_set: ParticleSet
    n_particles: int
    n_before: int


def expand(
    project: Project,
    source: ParticleSet,
    name: str,
    symmetry: str | None = None,
    decisions: Sequence[Verdict] = USED,
) -> Derived:
    """Make a set with every symmetry mate of the particles of another.

    Mates stay in the half of their particle. The new set has no symmetry: it is used up.

    Raises
    ------
    ProjectError
        When a particle has no orientation, there is no such point group, or it has one rotation.
    """
    from tomotui.algorithms.subtomograms.expansion import symmetry_mates

    group = symmetry or source.symmetry
    if group.upper() == "C1":
        raise ProjectError(
            f"{source.name} has no symmetry to expand.", "Say which: --symmetry D7, for instance."
        )
    made = source_like(source, name, "expand", symmetry="C1")
    return _posed(
        project, source, made, decisions, lambda at, turn: symmetry_mates(at, turn, group)
    )


def recentre(
    project: Project,
    source: ParticleSet,
    name: str,
    offset_angstrom: Offset,
    decisions: Sequence[Verdict] = USED,
) -> Derived:
    """Make a set whose reference has another centre.

    Parameters
    ----------
    offset_angstrom
        (x, y, z) of the new centre from the present one, in the reference.

    Raises
    ------
    ProjectError
        When a particle has no orientation.
    """
    from tomotui.algorithms.subtomograms.expansion import recentred

    symmetry = source.symmetry if _is_on_axis(source.symmetry, offset_angstrom) else "C1"
    made = source_like(source, name, "recentre", symmetry=symmetry)
    return _posed(
        project, source, made, decisions, lambda at, turn: recentred(at, turn, offset_angstrom)
    )


def parts(
    project: Project,
    source: ParticleSet,
    name: str,
    offset_angstrom: Offset,
    *,
    symmetry: str | None = None,
    facing_out: bool = False,
    apart_angstrom: float = 0.0,
    diameter_angstrom: float | None = None,
    decisions: Sequence[Verdict] = USED,
) -> Derived:
    """Make a set of one part of each particle, and of that part in its symmetry mates.

    Parameters
    ----------
    offset_angstrom
        (x, y, z) of the part from the centre, in the reference.
    facing_out
        Turn the part's own z axis away from the particle's centre.
    apart_angstrom
        Of parts that lie nearer to each other, also of different particles, the better scored
        one stays.
    diameter_angstrom
        Of the part.

    Raises
    ------
    ProjectError
        When a particle has no orientation, or there is no such point group.
    """
    from tomotui.algorithms.subtomograms.expansion import subparticles, without_duplicates

    group = symmetry or source.symmetry

    def made_of(
        positions: NDArray[np.float64], rotations: NDArray[np.float64], table: ParticleTable
    ) -> Poses:
        found = subparticles(positions, rotations, offset_angstrom, group, facing_out=facing_out)
        if apart_angstrom <= 0:
            return found
        return found.select(
            without_duplicates(
                found.positions_angstrom,
                apart_angstrom,
                scores=table.scores[found.rows],
                tomograms=table.tomogram_uids[found.rows],
            )
        )

    made = source_like(
        source, name, "subparticles", symmetry="C1", diameter_angstrom=diameter_angstrom
    )
    table = project.particle_table([source.uid], decisions=decisions)
    return _posed(project, source, made, decisions, lambda at, turn: made_of(at, turn, table))


def split_halves(
    project: Project,
    source: ParticleSet,
    name: str,
    *,
    by_tomogram: bool = False,
    seed: int = 0,
    decisions: Sequence[Verdict] = USED,
) -> Derived:
    """Make a set whose particles are dealt out into two independent halves.

    What was made from one particle, through however many sets, stays together. Of each tomogram as
    many go into one half as into the other, or one more.

    Parameters
    ----------
    by_tomogram
        Deal out whole tomograms instead.
    """
    table = project.particle_table([source.uid], decisions=decisions)
    if not len(table):
        raise ProjectError(f"{source.name} has no particles to split.", "Nothing was made.")
    made = source_like(source, name, "halves")
    first = project.first_origins(source.uid)
    kin = [first[uid] for uid in table.uids.tolist()]
    halves = dealt(table, kin, by_tomogram=by_tomogram, seed=seed)
    return _keep(project, source, made, table.descendants(made.uid, halves=halves), len(table))


def dealt(
    table: ParticleTable, kin: Sequence[str], *, by_tomogram: bool, seed: int
) -> NDArray[np.int64]:
    """Return 0 or 1 for each particle, see `split_halves`; ``kin`` of one word stay together."""
    import numpy as np

    rng = np.random.default_rng(seed)
    families = table.tomogram_uids if by_tomogram else np.asarray(kin)
    _, first, member = np.unique(families, return_index=True, return_inverse=True)
    order = rng.permutation(len(first))
    if not by_tomogram:
        # Tomogram by tomogram, so that each has as many of either half.
        order = order[np.argsort(table.tomogram_uids[first[order]], kind="stable")]
    half = np.empty(len(first), dtype=np.int64)
    half[order] = (np.arange(len(first)) + rng.integers(2)) % 2
    return half[member]


def source_like(
    source: ParticleSet,
    name: str,
    made_by: SetOrigin,
    *,
    symmetry: str | None = None,
    diameter_angstrom: float | None = None,
) -> ParticleSet:
    """Return a set that is to be made from another one."""
    return ParticleSet(
        name=name,
        species=source.species,
        diameter_angstrom=diameter_angstrom or source.diameter_angstrom,
        symmetry=symmetry or source.symmetry,
        parent_uid=source.uid,
        made_by=made_by,
        alignment_uids=source.alignment_uids,
        ctf_uids=source.ctf_uids,
    )


def _posed(
    project: Project,
    source: ParticleSet,
    made: ParticleSet,
    decisions: Sequence[Verdict],
    make: Callable[[NDArray[np.float64], NDArray[np.float64]], Poses],
) -> Derived:
    """Make a set from the poses of another."""
    import numpy as np

    from tomotui.geometry.poses import angles_of_matrices, matrices_of_angles

    table = project.particle_table([source.uid], decisions=decisions)
    n_lost = int(np.isnan(table.angles_deg).any(axis=1).sum())
    if not len(table) or n_lost:
        what = f"{n_lost} of {len(table)} particles" if len(table) else "no particle"
        raise ProjectError(
            f"{source.name}: {what} {'have no' if len(table) else 'has an'} orientation.",
            "Find orientations first, with match or refine. Nothing was made.",
        )
    try:
        found = make(table.positions_angstrom, matrices_of_angles(table.angles_deg))
    except ValueError as error:
        raise ProjectError(f"{source.name}: {error}.", "Nothing was made.") from error
    rows = table.select(found.rows).descendants(
        made.uid,
        positions_angstrom=found.positions_angstrom,
        angles_deg=angles_of_matrices(found.rotations),
    )
    return _keep(project, source, made, rows, len(table))


def _keep(
    project: Project, source: ParticleSet, made: ParticleSet, rows: ParticleTable, n_before: int
) -> Derived:
    with project.at_once():
        (named,) = project.with_free_names([made])
        assert isinstance(named, ParticleSet)
        project.add_records([named], parents=[source.uid])
        project.add_particle_tables([rows])
    return Derived(named, len(rows), n_before)


def _is_on_axis(symmetry: str, offset_angstrom: Offset) -> bool:
    """Return whether a point is left in its place by every rotation of a group."""
    import numpy as np

    from tomotui.geometry.symmetry import symmetry_rotations

    offset = np.asarray(offset_angstrom, dtype=np.float64)
    return bool(np.allclose(symmetry_rotations(symmetry) @ offset, offset, atol=0.1))
