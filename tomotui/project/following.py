"""Particles that follow their series into the tomogram that was reconstructed last."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tomotui.project.project import Project
from tomotui.records import Alignment, Ctf, ParticleSet, Tomogram

if TYPE_CHECKING:
    from tomotui.geometry.frames import FrameMotion
    from tomotui.records.particle_table import ParticleTable

MOST_RESIDUAL_ANGSTROM = 40.0
"""Root mean square, beyond which two alignments do not see the same specimen."""


class Followed(NamedTuple):
    """What became of the particles of a set in one series.

    Attributes
    ----------
    series
        Its name.
    n_particles
        That have come over.
    moved_angstrom
        How far, the mean.
    reason
        Why they stay where they are; empty where they came over.
    """

    series: str
    n_particles: int
    moved_angstrom: float
    reason: str = ""


def follow(project: Project, particle_set: ParticleSet) -> list[Followed]:
    """Take the particles of a set into the newest tomogram of each series, in one transaction.

    They come to lie where the newest tomogram shows them: what its alignment has moved, they are
    moved by, places and orientations alike. Decisions about them stay. Particles of a series stay
    where they are when the newest tomogram holds some of the set already, or was made with an
    alignment that sees another specimen.
    """
    told = []
    with project.at_once():
        for series in project.tilt_series():
            newest = project.newest_tomogram(series.uid)
            if newest is None:
                continue
            table = project.particle_table([particle_set.uid])
            here = [str(one) for one in dict.fromkeys(table.tomogram_uids.tolist())]
            own = [one for one in project.records("tomogram", series.uid) if one.uid in here]
            others = [one for one in own if one.uid != newest.uid and isinstance(one, Tomogram)]
            if not others:
                continue
            n_there = int((table.tomogram_uids == newest.uid).sum())
            if n_there:
                why = f"its newest tomogram holds {n_there} of them already"
                told.append(Followed(series.name, 0, 0.0, why))
                continue
            told.append(_follow_in(project, particle_set, table, others, newest, series.name))
            found = project.record(particle_set.uid)
            assert isinstance(found, ParticleSet)
            particle_set = found
    return told


def _follow_in(
    project: Project,
    particle_set: ParticleSet,
    table: ParticleTable,
    others: list[Tomogram],
    newest: Tomogram,
    name: str,
) -> Followed:
    """Take particles of one series into its newest tomogram."""
    import numpy as np

    came, distance = [], 0.0
    for tomogram in others:
        mine = table.select(table.tomogram_uids == tomogram.uid)
        try:
            motion = _motion(project, particle_set, tomogram, newest)
        except ValueError as error:
            return Followed(name, 0, 0.0, str(error))
        new = carried(mine, motion, newest.uid)
        way = new.positions_angstrom - mine.positions_angstrom
        distance += float(np.linalg.norm(way, axis=1).sum())
        came.append(new)
    rows = type(table).joined(came)
    project.carry_over(_seen_by_its_tomogram(project, particle_set, newest), rows)
    return Followed(name, len(rows), distance / max(1, len(rows)))


def _motion(
    project: Project, particle_set: ParticleSet, old: Tomogram, new: Tomogram
) -> FrameMotion:
    """Return the motion from the frame that particles are in to that of a tomogram."""
    from tomotui.geometry.frames import motion_between

    before = _refined(project, particle_set, old.series_uid) or project.record(old.alignment_uid)
    after = project.record(new.alignment_uid)
    assert isinstance(before, Alignment)
    assert isinstance(after, Alignment)
    reach = [0.5 * side * new.pixel_size_angstrom for side in new.size_xyz]
    motion = motion_between(before, after, reach)
    if motion.residual_angstrom > MOST_RESIDUAL_ANGSTROM:
        raise ValueError(
            f"its newest tomogram was aligned otherwise: the two alignments differ by "
            f"{motion.residual_angstrom:.0f} A"
        )
    return motion


def _refined(project: Project, particle_set: ParticleSet, series_uid: str) -> Alignment | None:
    """Return the alignment that was refined together with the particles, where there is one."""
    for uid in particle_set.alignment_uids:
        found = project.record(uid)
        if isinstance(found, Alignment) and found.series_uid == series_uid:
            return found
    return None


def _seen_by_its_tomogram(
    project: Project, particle_set: ParticleSet, newest: Tomogram
) -> ParticleSet:
    """Return a set whose particles of one series are seen as the tomogram of the series is."""

    def others(uids: tuple[str, ...]) -> tuple[str, ...]:
        kept = []
        for uid in uids:
            found = project.record(uid)
            is_replaced = isinstance(found, Alignment) or newest.ctf_uid is not None
            assert isinstance(found, Alignment | Ctf)
            if found.series_uid != newest.series_uid or not is_replaced:
                kept.append(uid)
        return tuple(kept)

    return particle_set.replace(
        alignment_uids=others(particle_set.alignment_uids), ctf_uids=others(particle_set.ctf_uids)
    )


def carried(table: ParticleTable, motion: FrameMotion, tomogram_uid: str) -> ParticleTable:
    """Return particles in the frame of another tomogram."""
    import numpy as np

    from tomotui.geometry.poses import (
        angles_facing,
        angles_of_matrices,
        directions_of_angles,
        matrices_of_angles,
    )

    angles = table.angles_deg.copy()
    if not np.allclose(motion.rotation, np.eye(3), atol=1e-12):
        posed = np.isfinite(angles).all(axis=1)
        angles[posed] = angles_of_matrices(motion.rotation @ matrices_of_angles(angles[posed]))
        facing = directions_of_angles(angles) @ motion.rotation.T
        # Of some only the direction of the z axis is known.
        directed = ~posed & np.isfinite(facing).all(axis=1)
        angles[directed, 1:] = angles_facing(facing[directed])[:, 1:]
    return replace(
        table,
        positions_angstrom=motion.moved(table.positions_angstrom),
        angles_deg=angles,
        tomogram_uids=np.full(len(table), tomogram_uid, dtype="U16"),
    )
