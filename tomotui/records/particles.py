"""Particles and what people decided about them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tomotui.records.base import Record, Value

Verdict = Literal["accepted", "rejected", "unsure", "undecided", "removed"]
"""``removed``: was put in by hand and taken back; kept for the log, and shown nowhere."""

Source = Literal["hand", "match", "find", "curve", "import"]
"""How a particle came: clicked, by a template, by a network, along a curve, or from a file."""

SetOrigin = Literal[
    "picks",
    "refine",
    "class",
    "body",
    "selection",
    "expand",
    "recentre",
    "subparticles",
    "halves",
]
"""What made a set: picking (by whatever means), or what was done to the particles of another."""


class Particle(Value):
    """One copy of a species in a tomogram.

    Attributes
    ----------
    x_angstrom, y_angstrom, z_angstrom
        Position from the tomogram's centre (voxel ``n // 2``), Angstrom.
    rot_deg, tilt_deg, psi_deg
        Orientation in RELION's Euler convention; ``None`` when unknown.
    score
        What the newest search gave it; ``None`` where that did not find it.
    uncertainty
        0 where the search was sure either way, 1 where it could not tell.
    priority
        Where to look first: greater for particles from whose judgement more is learnt.
    half
        0 or 1 for independent half sets; ``None`` when not assigned.
    origin_uid
        The particle that it was made from, by refinement, expansion or recentring; ``None`` for
        one that was picked. That particle may be gone since.
    """

    uid: str
    tomogram_uid: str
    x_angstrom: float
    y_angstrom: float
    z_angstrom: float
    rot_deg: float | None = None
    tilt_deg: float | None = None
    psi_deg: float | None = None
    score: float | None = None
    decision: Verdict = "undecided"
    class_number: int | None = Field(default=None, ge=0)
    half: Literal[0, 1] | None = None
    source: Source = "import"
    uncertainty: float | None = None
    priority: float | None = None
    origin_uid: str | None = None


class ParticleSet(Record):
    """A named set of particles of one species; the particles are rows of their own.

    Attributes
    ----------
    parent_uid
        The set whose particles these were made from; ``None`` for picks.
    made_by
        What made it. Only sets of picks are searched into, learnt from, and reviewed unless
        another is named.
    alignment_uids, ctf_uids
        Refined together with the poses: what works on these particles sees the images by them.
    """

    kind: Literal["particle_set"] = "particle_set"
    name: str
    species: str = "particle"
    diameter_angstrom: float | None = Field(default=None, gt=0)
    symmetry: str = "C1"
    parent_uid: str | None = None
    made_by: SetOrigin = "picks"
    alignment_uids: tuple[str, ...] = ()
    ctf_uids: tuple[str, ...] = ()

    @property
    def is_picks(self) -> bool:
        """Whether it holds picks, and not what was made from those of another set."""
        return self.made_by == "picks"


class Decision(Value):
    """One judgement in the log of decisions; the present state is the fold of the log.

    Attributes
    ----------
    score
        What the search had given the particle when it was judged.
    seen
        Whether somebody has looked at this particle: a threshold decides about many unseen.
    x_angstrom, y_angstrom, z_angstrom
        Where it was moved to; ``None`` when it stayed.
    previous_x_angstrom, previous_y_angstrom, previous_z_angstrom
        Where it was before.
    """

    particle_uid: str
    verdict: Verdict
    previous: Verdict
    class_number: int | None = None
    user: str
    session: str
    at: float
    score: float | None = None
    seen: bool = True
    x_angstrom: float | None = None
    y_angstrom: float | None = None
    z_angstrom: float | None = None
    previous_x_angstrom: float | None = None
    previous_y_angstrom: float | None = None
    previous_z_angstrom: float | None = None
